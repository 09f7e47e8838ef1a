//! Isolation forest over whole rows, with a choice of backends.
//!
//! `own` is the forest of `math::forest`: seeded, of any dimension, and able to score by density.
//! `extended-isolation-forest` is the crate of that name: path score only, 1 to 16 features, and
//! *unseeded* (it draws from the thread's generator), so two runs of it differ; it is there for comparison.

mod backend;

use super::rows::{Learning, RowDetector, RowModel, Scale, need_features};
use super::{Detector, DetectorPart, Options, parse_options};
use crate::math::exceed::Exceedance;
use crate::math::forest::{ForestOptions, ForestScores, contamination_cut};
use crate::math::rows::Rows;
use crate::math::scaler::Scaler;
use crate::model::{Job, Part};
use backend::{Backend, MOST_FEATURES, Trees};
use serde::Deserialize;

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "isolation_forest",
        description: "Cuts rows apart at random: strange rows come off after few cuts, or lie where few others are.",
        example: "{ kind: isolation_forest, backend: own, trees: 100, sample: 256, extension: 0, by: both, contamination: 0.01 }",
    },
    build,
};

/// Past rows kept unless configured; the sample of each tree is drawn from them.
const HISTORY_ROWS: usize = 4096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForestDetectorOptions {
    backend: Backend,
    trees: usize,
    sample: usize,
    /// Features in a cut; 1 = parallel to the axes, 0 = all.
    extension: usize,
    by: By,
    /// Share of past rows taken to be anomalies: rows below that cut have nothing to say.
    contamination: Option<f64>,
    scale: Scale,
    history_rows: usize,
    refit_buckets: u64,
}

impl Default for ForestDetectorOptions {
    fn default() -> Self {
        Self {
            backend: Backend::Own,
            trees: 100,
            sample: 256,
            extension: 0,
            by: By::Both,
            contamination: None,
            scale: Scale::Log,
            history_rows: HISTORY_ROWS,
            refit_buckets: 0,
        }
    }
}

/// What a forest scores by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    /// Mean path length, as published.
    Path,
    /// Mean log density along the path: better where the history holds anomalies in clumps.
    Density,
    /// The mean of the surprises of both: density alone does not grow beyond the range of the history.
    Both,
}

struct Settings {
    backend: Backend,
    by: By,
    contamination: Option<f64>,
    forest: ForestOptions,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    need_features(job)?;
    let options: ForestDetectorOptions = parse_options(options)?;
    if !(1..=1000).contains(&options.trees) || !(2..=4096).contains(&options.sample) {
        return Err(format!("`trees` {} has to lie in 1 to 1000 and `sample` {} in 2 to 4096", options.trees, options.sample));
    }
    if let Some(share) = options.contamination.filter(|c| !(*c > 0.0 && *c <= 0.5)) {
        return Err(format!("`contamination` is {share}; it has to lie above 0 and at most at 0.5"));
    }
    if options.backend == Backend::Crate {
        if job.features.len() > MOST_FEATURES {
            return Err(format!("the backend `extended-isolation-forest` takes 1 to {MOST_FEATURES} features, the job has {}", job.features.len()));
        }
        if options.by == By::Density {
            return Err("the backend `extended-isolation-forest` knows no density: set `by: path`".into());
        }
    }
    let learning = Learning::new(job, options.scale, options.history_rows, options.refit_buckets)?;
    let directions = if options.extension == 0 { usize::MAX } else { options.extension };
    let forest = ForestOptions { trees: options.trees, sample: options.sample, directions, seed: 0 };
    let settings = Settings { backend: options.backend, by: options.by, contamination: options.contamination, forest };
    Ok(Box::new(RowDetector::<ForestModel>::new("isolation_forest", job, settings, learning)))
}

struct ForestModel {
    trees: Trees,
    by: By,
    path: Exceedance,
    sparsity: Exceedance,
    tail: Exceedance,
    /// Raw score below which a row has nothing to say.
    cut: Option<f64>,
    scaler: Scaler,
}

/// Weight of how far a row lies beyond the range of the history. A forest sees no difference out there;
/// this is enough to order such rows, and too little to move any other.
const BEYOND: f64 = 1e-3;

impl RowModel for ForestModel {
    type Settings = Settings;

    fn fit(rows: &Rows, settings: &Settings, seed: u64) -> (Self, Vec<f64>) {
        let options = ForestOptions { seed, ..settings.forest.clone() };
        let (trees, scores) = Trees::fit(rows, settings.backend, &options);
        let (path, sparsity) = (Exceedance::fit(&scores.path), Exceedance::fit(&scores.sparsity));
        let mut model = Self { trees, by: settings.by, path, sparsity, tail: Exceedance::fit(&[]), cut: None, scaler: Scaler::fit(rows) };
        let raw = model.raw(rows, &scores);
        model.tail = Exceedance::fit(&raw);
        model.cut = settings.contamination.and_then(|c| contamination_cut(&raw, c));
        let surprises = raw.into_iter().map(|x| model.surprise(x)).collect();
        (model, surprises)
    }

    fn score(&self, rows: &Rows) -> Vec<f64> {
        self.raw(rows, &self.trees.score(rows)).into_iter().map(|x| self.surprise(x)).collect()
    }

    /// Median of the past rows.
    fn typical(&self, row: &[f64]) -> Vec<f64> {
        (0..row.len()).map(|c| self.scaler.unscale(c, self.scaler.middle(c))).collect()
    }
}

impl ForestModel {
    fn raw(&self, rows: &Rows, scores: &ForestScores) -> Vec<f64> {
        let one = |((row, path), sparsity): ((&[f64], &f64), &f64)| {
            let inside = match self.by {
                By::Path => *path,
                By::Density => *sparsity,
                By::Both => (self.path.surprise(*path) + self.sparsity.surprise(*sparsity)) / 2.0,
            };
            let beyond: f64 = row.iter().enumerate().map(|(c, &x)| self.scaler.scale(c, x)).map(|x| (x - 1.0).max(-x).max(0.0)).sum();
            inside + BEYOND * beyond.ln_1p()
        };
        rows.iter().zip(&scores.path).zip(&scores.sparsity).map(one).collect()
    }

    fn surprise(&self, raw: f64) -> f64 {
        if self.cut.is_some_and(|cut| raw <= cut) { 0.0 } else { self.tail.surprise(raw) }
    }
}

#[cfg(test)]
mod tests;
