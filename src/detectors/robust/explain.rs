//! Words for a judged row: for every feature what was seen, what was usual, its band, and its share of the surprise.

use super::judge::{Judgement, Row, Statistic};
use super::panel::Panel;

/// Half width of the band in standard deviations: about one bucket in 400 of a well-behaved feature lies outside.
const BAND: f32 = 3.0;
/// Surprise of a feature that is not worth a share.
const ORDINARY: f32 = 1.7;

/// One feature of an explained row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) feature: usize,
    pub(super) typical: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    /// Weight of its share of the row's surprise.
    pub(super) weight: f64,
    pub(super) reference: &'static str,
}

impl Panel {
    /// Explains a row that `judge` gave. Features that are absent or unknown are left out.
    pub(super) fn explain(&self, slot: usize, row: &Row) -> Vec<Share> {
        let Some(tracks) = self.tracks_of(slot) else { return Vec::new() };
        let mut shares = Vec::new();
        for (f, ((j, track), feature)) in row.features.iter().zip(tracks).zip(&self.features).enumerate() {
            let (true, Some(scale)) = (j.is_known, feature.scale) else { continue };
            let statistic = Statistic::of(j.which);
            // Against the other features the usual value is what these imply.
            let implied = if statistic.is_by_others() { j.implied * j.spread } else { 0.0 };
            let usual = j.y - j.residual + implied;
            let back = |y: f32| scale.back(y, track.unit);
            let (lower, upper) = (back(usual - BAND * j.spread), back(usual + BAND * j.spread));
            shares.push(Share { feature: f, typical: back(usual), lower, upper, weight: weight(j), reference: statistic.reference() });
        }
        shares
    }
}

fn weight(j: &Judgement) -> f64 {
    f64::from((j.surprise - ORDINARY).max(0.0)).powi(2) + 1e-9 * f64::from(j.surprise)
}

impl Statistic {
    fn of(which: usize) -> Self {
        [Self::Own, Self::Left, Self::OwnFast, Self::LeftFast, Self::OwnSlow, Self::LeftSlow].get(which).copied().unwrap_or(Self::Flat)
    }

    const fn is_by_others(self) -> bool {
        matches!(self, Self::Left | Self::LeftFast | Self::LeftSlow)
    }

    /// What the value was compared with.
    const fn reference(self) -> &'static str {
        match self {
            Self::Own => "own history",
            Self::Left => "own other features",
            Self::OwnFast | Self::OwnSlow => "own history, over several buckets",
            Self::LeftFast | Self::LeftSlow => "own other features, over several buckets",
            Self::Flat => "never so long the same value",
        }
    }
}
