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
    /// What is held against the typical value where that is not this bucket's own: the mean of what is remembered.
    pub(super) remembered: Option<f64>,
    /// `NaN` where the value is as usual and only goes on for too long.
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
            let band = (back(usual - BAND * j.spread), back(usual + BAND * j.spread));
            let remembered = statistic.remembered(j).map(|mean| back(usual + mean * j.spread));
            // The band is one of single buckets: it says nothing of their mean, nor of how long they stay the same.
            let (typical, (lower, upper)) = match (statistic, remembered) {
                (Statistic::Flat, _) => (f64::NAN, (f64::NAN, f64::NAN)),
                (_, Some(_)) => (back(usual), (f64::NAN, f64::NAN)),
                _ => (back(usual), band),
            };
            shares.push(Share { feature: f, remembered, typical, lower, upper, weight: weight(j), reference: statistic.reference() });
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

    /// Mean of what is remembered, in standard deviations of the feature, where the statistic is about that.
    fn remembered(self, j: &Judgement) -> Option<f32> {
        let mean = match self {
            Self::OwnFast => j.means[0],
            Self::LeftFast => j.means[1],
            Self::OwnSlow => j.means[2],
            Self::LeftSlow => j.means[3],
            _ => return None,
        };
        // What is left beside the other features is kept in standard deviations of its own.
        let unit = if self.is_by_others() && j.left.abs() > 1e-3 { (j.joint - j.implied) / j.left } else { 1.0 };
        Some(mean * unit)
    }

    /// What the value was compared with.
    const fn reference(self) -> &'static str {
        match self {
            Self::Own => "own history",
            Self::Left => "own other features",
            Self::OwnFast | Self::OwnSlow => "own history, mean of several buckets",
            Self::LeftFast | Self::LeftSlow => "own other features, mean of several buckets",
            Self::Flat => "never so long the same value",
        }
    }
}
