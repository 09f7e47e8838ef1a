//! Detectors that look at a row as a whole: one bounded history of past rows, a model refitted on
//! schedule, and explanations by putting one feature back to typical.
//!
//! The model is a function of the rows it was fitted on and a seed, so a snapshot holds those rows and
//! not the model: it is smaller than a forest, and no layout of a model is ever stored.

mod explain;
mod history;

use std::cell::RefCell;

use crate::detectors::{Detector, Options, pack, parse_options, unpack};
use crate::math::rows::Rows;
use crate::model::{BucketView, Contributor, FeatureSpec, Job, Slot, ids};
use history::History;
use serde::{Deserialize, Serialize};

/// A model of rows that needs no time and no entity. Rows are raw or on a logarithmic scale; `NaN` = absent.
pub(super) trait RowModel: Send + Sized {
    /// What the configuration may say about it.
    type Settings: Send;

    /// Fits on rows, and gives the surprise of each of them as if it had not been among them.
    fn fit(rows: &Rows, settings: &Self::Settings, seed: u64) -> (Self, Vec<f64>);

    /// Surprise of each row.
    fn score(&self, rows: &Rows) -> Vec<f64>;

    /// What the row would usually look like.
    fn typical(&self, row: &[f64]) -> Vec<f64>;

    /// True when that is what the nearest rows look like, not all of them.
    fn is_typical_of_nearest() -> bool {
        false
    }

    /// True when its surprises keep their scale, so that they are not calibrated once more.
    fn is_calibrated() -> bool {
        false
    }

    /// What it decided by itself, and why, in one sentence.
    fn describe(&self) -> Option<String> {
        None
    }
}

/// How numbers are looked at before a model sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scale {
    /// As they are.
    Linear,
    /// `sign(x) ln(1 + |x|)`: counts and sizes, where ten times as much matters more than ten more.
    Log,
}

impl Scale {
    fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log => x.signum() * x.abs().ln_1p(),
        }
    }

    fn undo(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log => x.signum() * x.abs().exp_m1(),
        }
    }
}

/// How a detector of rows learns, whatever its model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Learning {
    pub scale: Scale,
    /// Most past rows kept.
    pub history_rows: usize,
    /// Buckets between two fits.
    pub refit_buckets: u64,
}

impl Learning {
    /// Settings as configured: `refit_buckets` of 0 stands for a day.
    pub(super) fn new(job: &Job, scale: Scale, history_rows: usize, refit_buckets: u64) -> Result<Self, String> {
        if !(16..=100_000).contains(&history_rows) {
            return Err(format!("`history_rows` is {history_rows}; it has to lie between 16 and 100000"));
        }
        let day = 86_400_000 / job.bucket_span_ms.max(1);
        let refit_buckets = if refit_buckets == 0 { day.max(1).unsigned_abs() } else { refit_buckets };
        Ok(Self { scale, history_rows, refit_buckets })
    }
}

/// Rows behind a model at which it counts as mature: a whole sample of a tree.
const MATURE_ROWS: f64 = 256.0;
/// Rows of less weight than this were judged abnormal and stay out of the history.
const NORMAL_WEIGHT: f64 = 0.5;
const VERSION: u8 = 1;

/// A detector of rows around any model.
pub(super) struct RowDetector<M: RowModel> {
    name: &'static str,
    job: String,
    features: Vec<FeatureSpec>,
    settings: M::Settings,
    learning: Learning,
    state: State,
    model: Option<M>,
    /// The model that a bucket's own rows gave when there was none: learning and explaining that bucket need the same.
    first: RefCell<Option<FittedOn<M>>>,
}

/// A model with the rows and the seed that it is a function of, and the surprise of each of these rows as if it had not been there.
struct FittedOn<M> {
    rows: Rows,
    seed: u64,
    model: M,
    unseen: Vec<f64>,
}

impl<M> FittedOn<M> {
    fn is_of(&self, rows: &Rows, seed: u64) -> bool {
        // By bits: absent numbers are equal to each other here.
        let equal = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits());
        self.seed == seed
            && self.rows.len() == rows.len()
            && self.rows.width() == rows.width()
            && self.rows.iter().zip(rows.iter()).all(|(a, b)| equal(a, b))
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    history: History,
    /// The rows and the seed behind the model; no rows, no model.
    fitted_on: Rows,
    seed: u64,
    /// Buckets learned, and how many of them when the model was fitted.
    buckets: u64,
    fitted_at: u64,
}

impl<M: RowModel> RowDetector<M> {
    pub(super) fn new(name: &'static str, job: &Job, settings: M::Settings, learning: Learning) -> Self {
        let width = job.features.len();
        let state = State { history: History::new(width, learning.history_rows), fitted_on: Rows::new(width), seed: 0, buckets: 0, fitted_at: 0 };
        Self { name, job: job.id.clone(), features: job.features.clone(), settings, learning, state, model: None, first: RefCell::new(None) }
    }

    /// The rows of a bucket as the model sees them; rows without documents are left out.
    fn rows(&self, view: &BucketView<'_>) -> (Rows, Vec<usize>) {
        let mut rows = Rows::new(self.features.len());
        let mut places = Vec::new();
        let mut row = Vec::with_capacity(self.features.len());
        for r in (0..view.rows()).filter(|&r| !view.is_imputed(r)) {
            row.clear();
            row.extend((0..self.features.len()).map(|f| self.learning.scale.apply(view.bucket.value(f, r))));
            rows.push(&row);
            places.push(r);
        }
        (rows, places)
    }

    /// Looks through a model of the bucket's own rows, for a bucket that comes before anything was learned: `look` gets the model
    /// and, where all rows fit the bound, their surprises as if each had not been among them.
    fn with_first<T>(&self, view: &BucketView<'_>, rows: &Rows, look: impl FnOnce(&M, Option<&[f64]>) -> T) -> T {
        let seed = ids::seed(&self.job, self.name, view.bucket.start_ms);
        // The same bound holds as for the history.
        let mut own = History::new(rows.width(), self.learning.history_rows);
        own.extend(rows.iter(), seed);
        let own = own.rows();
        let known = self.first.take().filter(|f| f.is_of(own, seed));
        let first = known.unwrap_or_else(|| {
            let (model, unseen) = M::fit(own, &self.settings, seed);
            FittedOn { rows: own.clone(), seed, model, unseen }
        });
        let out = look(&first.model, (own.len() == rows.len()).then_some(&first.unseen));
        self.first.replace(Some(first));
        out
    }

    fn refit(&mut self, seed: u64) {
        self.state.seed = seed;
        self.state.fitted_at = self.state.buckets;
        self.state.fitted_on = self.state.history.rows().clone();
        let first = self.first.take().filter(|f| f.is_of(&self.state.fitted_on, seed));
        self.model = first.map(|f| f.model).or_else(|| self.fit_kept());
    }

    fn fit_kept(&self) -> Option<M> {
        let rows = &self.state.fitted_on;
        (!rows.is_empty()).then(|| M::fit(rows, &self.settings, self.state.seed).0)
    }
}

impl<M: RowModel> Detector for RowDetector<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        let (rows, places) = self.rows(view);
        let surprises = match &self.model {
            Some(model) => model.score(&rows),
            None => self.with_first(view, &rows, |model, unseen| unseen.map_or_else(|| model.score(&rows), <[f64]>::to_vec)),
        };
        let mut out = vec![0.0; view.rows()];
        for (place, surprise) in places.into_iter().zip(surprises) {
            if let Some(slot) = out.get_mut(place) {
                *slot = if surprise.is_finite() { surprise.max(0.0) } else { 0.0 };
            }
        }
        out
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let (rows, places) = self.rows(view);
        let seed = ids::seed(&self.job, self.name, view.bucket.start_ms);
        let normal = |place: &usize| weights.get(*place).is_none_or(|w| *w >= NORMAL_WEIGHT);
        self.state.history.extend(rows.iter().zip(&places).filter(|(_, place)| normal(place)).map(|(row, _)| row), seed);
        self.state.buckets += 1;
        let grown = self.state.history.rows().len() >= 2 * self.state.fitted_on.len().max(1);
        let old = self.state.buckets - self.state.fitted_at >= self.learning.refit_buckets;
        if grown || old {
            self.refit(seed);
        }
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let (rows, places) = self.rows(view);
        let Some(place) = places.iter().position(|&p| p == row) else { return Vec::new() };
        let surprise = self.score_one(view, row);
        let known = if self.state.fitted_on.is_empty() { &rows } else { &self.state.fitted_on };
        let look = |model: &M| explain::why(model, rows.row(place), surprise, known);
        let why = match &self.model {
            Some(model) => look(model),
            None => self.with_first(view, &rows, |model, _| look(model)),
        };
        let nearest = if why.is_models_own && M::is_typical_of_nearest() { "nearest " } else { "" };
        let reference = format!("{nearest}{}", if self.model.is_some() { "past rows" } else { "peers" });
        let contributor = |&(feature, part): &(usize, f64)| {
            let spec = self.features.get(feature)?;
            let (lower, upper) = explain::usual_range(known, feature);
            Some(Contributor {
                feature: spec.name.clone(),
                title: spec.title.clone(),
                actual: view.bucket.value(feature, row),
                typical: self.learning.scale.undo(why.typical.get(feature).copied().unwrap_or(f64::NAN)),
                lower: self.learning.scale.undo(lower),
                upper: self.learning.scale.undo(upper),
                surprise: part,
                reference: reference.clone(),
            })
        };
        let each: Vec<Contributor> = why.parts.iter().filter_map(contributor).collect();
        if why.only_together { Contributor::of_several(each, surprise) } else { each }
    }

    fn confidence(&self, _view: &BucketView<'_>, _row: usize) -> f64 {
        (self.state.fitted_on.len() as f64 / MATURE_ROWS).min(1.0)
    }

    fn forget(&mut self, _slots: &[Slot]) {
        // Nothing is kept per entity.
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(VERSION, &self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let state: State = unpack(VERSION, bytes)?;
        if state.fitted_on.width() != self.features.len() {
            return Err(format!("it was learned on {} features, the job has {}", state.fitted_on.width(), self.features.len()));
        }
        self.state = state;
        self.model = self.fit_kept();
        Ok(())
    }

    fn is_calibrated(&self) -> bool {
        M::is_calibrated()
    }

    fn describe(&self) -> Option<String> {
        self.model.as_ref().and_then(M::describe)
    }
}

impl<M: RowModel> RowDetector<M> {
    fn score_one(&self, view: &BucketView<'_>, row: usize) -> f64 {
        match &self.model {
            None => self.score(view).get(row).copied().unwrap_or(0.0),
            Some(model) => {
                let values = (0..self.features.len()).map(|f| self.learning.scale.apply(view.bucket.value(f, row))).collect();
                model.score(&Rows::from_values(self.features.len(), values)).first().copied().unwrap_or(0.0).max(0.0)
            }
        }
    }
}

/// Options every detector of rows has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlainOptions {
    scale: Option<Scale>,
    history_rows: Option<usize>,
    refit_buckets: u64,
}

/// Builds a detector whose model has no settings of its own.
pub(super) fn build_plain<M: RowModel<Settings = ()> + 'static>(
    name: &'static str,
    job: &Job,
    options: &Options,
    scale: Scale,
    history_rows: usize,
) -> Result<Box<dyn Detector>, String> {
    need_features(job)?;
    let options: PlainOptions = parse_options(options)?;
    let learning = Learning::new(job, options.scale.unwrap_or(scale), options.history_rows.unwrap_or(history_rows), options.refit_buckets)?;
    Ok(Box::new(RowDetector::<M>::new(name, job, (), learning)))
}

/// Refuses a job without numeric features.
pub(super) fn need_features(job: &Job) -> Result<(), String> {
    if job.features.is_empty() { Err("it needs at least one numeric feature".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
