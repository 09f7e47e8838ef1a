//! Extended isolation forest: random trees that cut rows apart; strange rows come off early.
//!
//! Liu, Ting, Zhou (2008), "Isolation forest": score `2^(-E[h] / c(n))` from the mean path length `h`.
//! Hariri, Carrasco Kind, Brunner (2021), "Extended isolation forest": cuts along hyperplanes of
//! `directions` columns; 1 is the classical axis-parallel forest.
//! Cortes (2019), "Distance approximation using isolation forests" and the `isotree` library: the
//! *density* score, mean over trees of `log(share of points / share of range)` along the path.
//!
//! Every tree draws from its own stream of the seed, so results depend on nothing but the input.

mod descend;
mod grow;
mod tree;

pub use descend::ForestScores;

use super::chance::Chance;
use super::rows::Rows;
use super::scaler::Scaler;
use serde::{Deserialize, Serialize};
use tree::Tree;

/// How to grow a forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForestOptions {
    /// Number of trees; 100 as published, where the mean path length has settled.
    pub trees: usize,
    /// Rows drawn for a tree, without replacement; 256 as published.
    pub sample: usize,
    /// Columns in a cut: 1 = parallel to the axes, `usize::MAX` = all (at most [`MAX_DIRECTIONS`]).
    pub directions: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// More columns than this in one cut cost time and memory and change no score by more than chance.
pub const MAX_DIRECTIONS: usize = 128;

impl Default for ForestOptions {
    fn default() -> Self {
        Self { trees: 100, sample: 256, directions: 1, seed: 0 }
    }
}

/// A fitted forest with its scaler; what a snapshot stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    scaler: Scaler,
    /// Rows behind each tree.
    sample: usize,
    trees: Vec<Tree>,
}

impl Forest {
    /// Grows a forest on `rows`. No row or no column gives a forest that scores everything alike.
    pub fn fit(rows: &Rows, options: &ForestOptions) -> Self {
        Self::grow(rows, options).0
    }

    /// As [`Forest::fit`], and the scores of the training rows by the trees that did not see them
    /// (by all trees where every tree saw the row, as in tables smaller than the sample).
    pub fn fit_scored(rows: &Rows, options: &ForestOptions) -> (Self, ForestScores) {
        let (forest, samples) = Self::grow(rows, options);
        let scores = descend::score_unseen(&forest, rows, &samples);
        (forest, scores)
    }

    fn grow(rows: &Rows, options: &ForestOptions) -> (Self, Vec<Vec<usize>>) {
        let scaler = Scaler::fit(rows);
        let sample = options.sample.max(1).min(rows.len());
        let mut trees = Vec::new();
        let mut samples = Vec::new();
        if sample > 0 && rows.width() > 0 {
            for t in 0..options.trees {
                let mut chance = Chance::new(options.seed, t as u64);
                let picked = chance.sample(rows.len(), sample);
                let points = grow::points(rows, &picked, &scaler);
                trees.push(grow::tree(points, rows.width(), options.directions, &mut chance));
                samples.push(picked);
            }
        }
        (Self { scaler, sample, trees }, samples)
    }

    /// Scores of `rows`, which have the columns of the training rows.
    pub fn score(&self, rows: &Rows) -> ForestScores {
        descend::score(self, rows)
    }

    /// The scaler fitted on the training rows.
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.scaler.width()
    }
}

/// Mean path length of an unsuccessful search in a binary search tree of `n` points:
/// `2 H(n-1) - 2 (n-1) / n`, with `H` the harmonic number.
pub fn average_path(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let m = (n - 1) as f64;
            let harmonic = if n < 64 {
                (1..n).map(|i| 1.0 / i as f64).sum::<f64>()
            } else {
                // Euler's constant and the first terms of the asymptotic series: 1e-10 at n = 64.
                m.ln() + 0.577_215_664_901_532_9 + 1.0 / (2.0 * m) - 1.0 / (12.0 * m * m)
            };
            2.0 * harmonic - 2.0 * m / n as f64
        }
    }
}

/// The cut of a score for a given contamination: the training score that the share
/// `contamination` (0..0.5) of training rows exceeds. `None` without training scores.
pub fn contamination_cut(training_scores: &[f64], contamination: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = training_scores.iter().copied().filter(|s| s.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    // Linear between order statistics, as numpy's percentile.
    let place = (1.0 - contamination.clamp(0.0, 0.5)) * last as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get((place.floor() as usize + 1).min(last))?;
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests;
