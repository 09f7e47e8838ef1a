//! `series`: every numeric feature of every entity as one metric, row after row.

pub mod model;

mod discord;
mod period;
mod quiet;
mod range;
mod recent;
mod season;
mod tail;
mod tell;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::model::time::local_ms;
use crate::model::{BucketView, Contributor, Job, Part, Problems, Slot};
use model::{ModelOptions, SeriesModel, Step};
use tell::Told;

/// The catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "series",
        description: "A metric over time: leaves its range, jumps, shifts, goes flat or wild, breaks its daily course or its shape; quiet after a peak.",
        example: "{ kind: series, shape: true }",
    },
    build: |job: &Job, options: &Options| {
        let named = job.features.iter().map(|f| (f.name.clone(), f.title.clone())).collect();
        Ok(Box::new(Series::new(parse_options(options)?, named, job.timezone)))
    },
};

/// Version of the snapshot.
const VERSION: u8 = 1;
/// Rows at which a model is half mature: the shortest quiet period.
const HALF_MATURE: f64 = 100.0;

/// Options of the detector.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesOptions {
    /// Whether shapes are compared with earlier ones (0.3 MB a metric instead of 0.05).
    pub shape: bool,
    /// Blocks of history that shapes are compared with; 32 blocks are one period.
    pub shape_blocks: usize,
    /// Whether a quiet period follows a peak.
    pub quiet: bool,
    /// Bound on metrics (entities times features) with a model; further ones are not scored, and counted.
    pub max_series: usize,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        let ModelOptions { shape, shape_blocks, quiet } = ModelOptions::default();
        Self { shape, shape_blocks, quiet, max_series: 2_000 }
    }
}

/// The detector.
#[derive(Debug)]
pub struct Series {
    options: SeriesOptions,
    /// Name and title of each numeric feature.
    features: Vec<(String, String)>,
    /// Where the days begin.
    timezone: Tz,
    state: State,
    problems: Problems,
}

/// Models by slot and feature.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    entities: Vec<Vec<SeriesModel>>,
}

impl Series {
    /// A fresh one for features given by name and title, with the days of a time zone.
    pub fn new(options: SeriesOptions, features: Vec<(String, String)>, timezone: Tz) -> Self {
        Self { options, features, timezone, state: State::default(), problems: Problems::default() }
    }

    fn model_options(&self) -> ModelOptions {
        let SeriesOptions { shape, shape_blocks, quiet, .. } = self.options;
        ModelOptions { shape, shape_blocks, quiet }
    }

    fn models(&self, view: &BucketView<'_>, row: usize) -> &[SeriesModel] {
        view.slot(row).and_then(|s| self.state.entities.get(s)).map_or(&[], Vec::as_slice)
    }

    /// The feature with the most surprise, what it looks like, and the row's surprise: the largest, less what having looked
    /// at several features costs (Bonferroni).
    fn judge(&self, view: &BucketView<'_>, row: usize) -> Option<(usize, Step, f64)> {
        let at = local_ms(self.timezone, view.bucket.start_ms);
        let models = self.models(view, row).iter().enumerate();
        let steps = models.map(|(f, m)| (f, m.score(at, view.bucket.value(f, row))));
        let (feature, step) = steps.reduce(|best, x| if x.1.surprise > best.1.surprise { x } else { best })?;
        let surprise = (step.surprise - (self.features.len().max(1) as f64).log10()).max(0.0);
        Some((feature, step, surprise))
    }
}

impl Detector for Series {
    fn name(&self) -> &'static str {
        "series"
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        (0..view.rows()).map(|row| self.judge(view, row).map_or(0.0, |j| j.2)).collect()
    }

    /// Weights are not used: medians and tails bound what a bad row can do, and a peak has to be known for the quiet period
    /// after it and so that its like is no news the next time.
    fn learn(&mut self, view: &BucketView<'_>, _weights: &[f64]) {
        let options = self.model_options();
        let features = self.features.len();
        let at = local_ms(self.timezone, view.bucket.start_ms);
        let mut known: usize = self.state.entities.iter().map(Vec::len).sum();
        for row in 0..view.rows() {
            let Some(slot) = view.slot(row) else { continue };
            if self.state.entities.len() <= slot {
                self.state.entities.resize_with(slot + 1, Vec::new);
            }
            let Some(models) = self.state.entities.get_mut(slot) else { continue };
            if models.is_empty() && known + features <= self.options.max_series {
                models.resize_with(features, || SeriesModel::new(&options));
                known += features;
            }
            if models.is_empty() && features > 0 {
                let most = self.options.max_series;
                let example = || format!("entity `{}`: all {most} metrics of `max_series` are taken", view.bucket.keys.text(row));
                self.problems.add_many("metrics_without_model", features as u64, example);
            }
            for (f, model) in models.iter_mut().enumerate() {
                model.learn(at, view.bucket.value(f, row));
            }
        }
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let Some((feature, step, surprise)) = self.judge(view, row) else { return Vec::new() };
        let (name, title) = self.features.get(feature).cloned().unwrap_or_default();
        let value = view.bucket.value(feature, row);
        let at = local_ms(self.timezone, view.bucket.start_ms);
        // All signs are of one number: it is told once, with the one or two that say most.
        let told = self.models(view, row).get(feature).and_then(|m| m.tell(at, value, &step.parts));
        let Some(Told { typical, lower, upper, words }) = told else { return Vec::new() };
        vec![Contributor { title, lower, upper, ..Contributor::new(&name, value, typical, surprise, &words) }]
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let rows = self.models(view, row).iter().map(SeriesModel::rows).max().unwrap_or(0) as f64;
        rows / (rows + HALF_MATURE)
    }

    fn forget(&mut self, slots: &[Slot]) {
        for &s in slots {
            if let Some(models) = self.state.entities.get_mut(s as usize) {
                models.clear();
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(VERSION, &self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.state = unpack(VERSION, bytes)?;
        Ok(())
    }

    fn is_calibrated(&self) -> bool {
        true
    }

    fn take_problems(&mut self) -> Problems {
        std::mem::take(&mut self.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entity::intern_text;
    use crate::model::{Bucket, EntityTable};

    fn detector(max_series: usize) -> Series {
        let features = vec![("cpu".into(), "CPU".into()), ("disk".into(), "disk".into())];
        Series::new(SeriesOptions { max_series, ..SeriesOptions::default() }, features, Tz::UTC)
    }

    fn bucket(i: i64, values: [f64; 2]) -> Bucket {
        let mut b = Bucket::empty(i * 300_000, 300_000, 2, 0);
        b.keys.push(b"host");
        b.doc_counts.push(1);
        b.imputed.push(false);
        b.columns = values.map(|v| vec![v]).to_vec();
        b
    }

    fn with_view<T>(table: &mut EntityTable, b: &Bucket, f: impl FnOnce(&BucketView<'_>) -> T) -> T {
        let slots = vec![intern_text(table, "host", b.start_ms)];
        f(&BucketView { bucket: b, slots: &slots, table, hour_of_week: 0 })
    }

    fn taught(max_series: usize) -> (Series, EntityTable) {
        let (mut d, mut table) = (detector(max_series), EntityTable::new(10));
        for i in 0..400 {
            let b = bucket(i, [50.0 + ((i * 37) % 11) as f64, 10.0 + ((i * 13) % 7) as f64]);
            with_view(&mut table, &b, |v| d.learn(v, &[]));
        }
        (d, table)
    }

    #[test]
    fn the_loud_feature_is_named_and_its_contributions_sum_to_the_surprise() {
        let (d, mut table) = taught(100);
        with_view(&mut table, &bucket(400, [55.0, 90.0]), |v| {
            let surprise = d.score(v)[0];
            let why = d.explain(v, 0);
            assert!(surprise > 3.0, "{surprise}");
            assert!(why.len() == 1, "one number is told once: {why:?}");
            assert!(why[0].feature == "disk" && why[0].actual == 90.0 && why[0].typical < 20.0);
            assert!((why[0].surprise - surprise).abs() < 1e-9);
            let said = "the last 40 values have a standard deviation of 12.2, usually 2.02; a step of +80 from the 10 before it";
            assert_eq!(why[0].reference, said);
            assert!(9.0 <= why[0].lower && why[0].lower <= why[0].typical && why[0].typical <= why[0].upper && why[0].upper < 90.0, "{why:?}");
            assert!(d.confidence(v, 0) > 0.7);
        });
        with_view(&mut table, &bucket(400, [55.0, f64::NAN]), |v| assert!(d.score(v)[0] < 2.0));
    }

    #[test]
    fn a_snapshot_brings_everything_back_and_forgotten_slots_are_empty() {
        let (d, mut table) = taught(100);
        let mut back = detector(100);
        back.restore(&d.snapshot()).unwrap();
        assert_eq!(back.state, d.state);
        back.forget(&[0, 99]);
        with_view(&mut table, &bucket(400, [55.0, 90.0]), |v| {
            assert_eq!(back.score(v), [0.0]);
            assert!(back.explain(v, 0).is_empty());
        });
        assert!(back.restore(&[]).is_err());
    }

    #[test]
    fn beyond_the_bound_nothing_is_kept_nothing_claimed_and_all_is_counted() {
        let (mut d, mut table) = taught(1);
        with_view(&mut table, &bucket(400, [1e300, 90.0]), |v| assert_eq!(d.score(v), [0.0]));
        assert!(d.state.entities.iter().all(Vec::is_empty));
        let problems = d.take_problems().list();
        assert_eq!((problems[0].kind.as_str(), problems[0].count), ("metrics_without_model", 800));
        assert!(problems[0].example.contains("entity `host`") && d.take_problems().is_empty());
    }
}
