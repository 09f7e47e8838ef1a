//! Words for a judged row: for every feature what was seen, what was usual, its band, and its share of the surprise.

use super::judge::{Judgement, Row, Statistic};
use super::panel::Panel;
use crate::model::figure::number;

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
    /// What it was compared with, where that is its own past.
    pub(super) reference: &'static str,
    /// True where what is usual comes from the other features; the one of them that says most of it.
    pub(super) is_by_others: bool,
    pub(super) beside: Option<usize>,
}

impl Panel {
    /// Explains a row that `judge` gave. Features that are absent or unknown are left out; who is silent is held against its own past.
    pub(super) fn explain(&self, slot: usize, row: &Row, is_silent: bool) -> Vec<Share> {
        let Some(tracks) = self.tracks_of(slot) else { return Vec::new() };
        let relations = self.relations(slot, tracks);
        let mut shares = Vec::new();
        for (f, ((j, track), feature)) in row.features.iter().zip(tracks).zip(&self.features).enumerate() {
            let (true, Some(scale)) = (j.is_known, feature.scale) else { continue };
            let beside = strongest_other(&relations[f], row, f);
            let statistic = Statistic::told(j, beside.map(|g| &row.features[g]), is_silent);
            // Against the other features the usual value is what these imply.
            let implied = if statistic.is_by_others() { j.implied * j.spread } else { 0.0 };
            let usual = j.usual + implied;
            let back = |y: f32| scale.back(y, track.unit);
            let half = BAND * j.spread * if statistic.is_by_others() { unit_beside(j) } else { 1.0 };
            let band = (back(usual - half), back(usual + half));
            // Tails are learned, bands are not: one that holds what is surprising says nothing against it.
            let is_inside = (usual - half..=usual + half).contains(&j.y) && j.surprise > ORDINARY;
            let remembered = statistic.remembered(j).map(|mean| back(usual + mean * j.spread));
            // The band is one of single buckets: it says nothing of their mean, nor of how long they stay the same.
            let (typical, (lower, upper)) = match (statistic, remembered) {
                (Statistic::Flat, _) => (f64::NAN, (f64::NAN, f64::NAN)),
                (_, Some(_)) => (back(usual), (f64::NAN, f64::NAN)),
                _ if is_inside => (back(usual), (f64::NAN, f64::NAN)),
                _ => (back(usual), band),
            };
            let (is_by_others, weight, reference) = (statistic.is_by_others(), weight(j), statistic.reference());
            shares.push(Share { feature: f, remembered, typical, lower, upper, weight, reference, is_by_others, beside });
        }
        shares
    }
}

impl Share {
    /// What the value was compared with, in words; `name` and `value` tell of other features.
    pub(super) fn words(&self, name: impl Fn(usize) -> String, value: impl Fn(usize) -> f64) -> String {
        if !self.is_by_others {
            return self.reference.to_owned();
        }
        let expected =
            self.beside.map_or_else(|| "expected beside its other features".to_owned(), |g| format!("expected at {} {}", name(g), number(value(g))));
        if self.reference.is_empty() { expected } else { format!("{expected}, {}", self.reference) }
    }
}

/// The feature that says most of what is expected of feature `f`: closely related, and moved itself.
fn strongest_other(relations: &[f32], row: &Row, f: usize) -> Option<usize> {
    let says = |g: usize| relations[g].abs() * row.features[g].joint.abs().max(1.0);
    let others = (0..relations.len()).filter(|&g| g != f && row.features[g].is_known && relations[g] != 0.0);
    others.max_by(|&a, &b| says(a).total_cmp(&says(b)))
}

/// What is left beside the other features has standard deviations of its own: how many of the feature's one of them is.
fn unit_beside(j: &Judgement) -> f32 {
    if j.left.abs() > 1e-3 { (j.joint - j.implied) / j.left } else { 1.0 }
}

fn weight(j: &Judgement) -> f64 {
    f64::from((j.surprise - ORDINARY).max(0.0)).powi(2) + 1e-9 * f64::from(j.surprise)
}

impl Statistic {
    fn of(which: usize) -> Self {
        [Self::Own, Self::Left, Self::OwnFast, Self::LeftFast, Self::OwnSlow, Self::LeftSlow].get(which).copied().unwrap_or(Self::Flat)
    }

    /// The statistic that the words are about: what the other features expect of one explains little where these are strange too.
    fn told(j: &Judgement, beside: Option<&Judgement>, is_silent: bool) -> Self {
        let is_outside = j.own.abs() > BAND && j.own * j.left > 0.0;
        match Self::of(j.which) {
            Self::Left if is_outside && beside.is_some_and(|b| b.own.abs() > BAND) => Self::Own,
            _ if is_silent => Self::Own,
            loudest => loudest,
        }
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
        Some(mean * if self.is_by_others() { unit_beside(j) } else { 1.0 })
    }

    /// What the value was compared with.
    const fn reference(self) -> &'static str {
        match self {
            Self::Own => "own history",
            Self::Left => "",
            Self::OwnFast | Self::OwnSlow => "own history, mean of several buckets",
            Self::LeftFast | Self::LeftSlow => "mean of several buckets",
            Self::Flat => "never so long the same value",
        }
    }
}
