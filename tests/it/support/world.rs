//! A job's models without files or clusters: buckets made from a seed go in, what is reported comes out.

use std::sync::Arc;

use elkhound::features::values::counts_of;
use elkhound::math::chance::Chance;
use elkhound::model::time::DAY_MS;
use elkhound::model::{Anomaly, Bucket, DetectorSpec, FeatureSpec, Job, Problems, RunDocument};
use elkhound::pipeline::models::Models;
use elkhound::score::Scores;
use serde_json::json;

/// A Monday, 00:00 UTC.
pub const MONDAY: i64 = 1_772_409_600_000;

/// One entity of a bucket: its numbers, and the values of each keyword-valued feature with counts.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub entity: String,
    pub numbers: Vec<f64>,
    pub values: Vec<Vec<(String, u64)>>,
}

/// A bucket of rows.
pub fn bucket(job: &Job, start_ms: i64, rows: Vec<Row>) -> Bucket {
    let mut b = Bucket::empty(start_ms, job.bucket_span_ms, job.features.len(), job.value_features.len());
    let mut values: Vec<Vec<_>> = vec![Vec::new(); job.value_features.len()];
    for row in rows {
        b.keys.push(row.entity.as_bytes());
        b.doc_counts.push(1);
        b.imputed.push(false);
        for (f, column) in b.columns.iter_mut().enumerate() {
            column.push(row.numbers.get(f).copied().unwrap_or(f64::NAN));
        }
        for (f, list) in values.iter_mut().enumerate() {
            list.push((row.values.get(f).cloned().unwrap_or_default(), 0));
        }
    }
    b.values = values.into_iter().map(counts_of).collect();
    b.canonical()
}

/// A job of some features and detectors; budget and least score as given.
pub fn job(numbers: &[&str], values: &[&str], detectors: &[&str], span_ms: i64) -> Job {
    let spec =
        |name: &&str, kind: &str| FeatureSpec { name: (*name).into(), kind: kind.into(), field: Some((*name).into()), ..FeatureSpec::default() };
    Job {
        features: numbers.iter().map(|n| spec(n, "mean")).collect(),
        value_features: values.iter().map(|n| spec(n, "values")).collect(),
        detectors: detectors.iter().map(|kind| DetectorSpec { kind: (*kind).into(), ..DetectorSpec::default() }).collect(),
        bucket_span_ms: span_ms,
        frequency_ms: span_ms,
        entity_fields: vec!["entity".into()],
        ..Job::default()
    }
}

/// A preset with its shipped defaults, at another bucket span.
pub fn preset(name: &str, span: &str) -> Job {
    elkhound::config::preset_job(name, &json!({ "bucket_span": span, "frequency": span })).unwrap()
}

/// Models on their way through time.
pub struct World {
    pub job: Arc<Job>,
    pub models: Models,
    pub start_ms: i64,
}

/// What came of a bucket.
pub struct Step {
    pub scores: Scores,
    pub bucket: Bucket,
    pub anomalies: Vec<Anomaly>,
    pub run: RunDocument,
    pub problems: Problems,
}

impl Step {
    /// Whether an entity was reported.
    pub fn reports(&self, entity: &str) -> bool {
        self.anomalies.iter().any(|a| a.entity_key == entity)
    }
}

impl World {
    pub fn new(job: Job) -> Self {
        let job = Arc::new(job);
        Self { models: Models::new(job.clone()).unwrap(), job, start_ms: MONDAY }
    }

    /// Judges and learns the next bucket, as the pipeline does; nothing is reported while `is_learning`.
    pub fn step(&mut self, rows: Vec<Row>, is_learning: bool) -> Step {
        let b = bucket(&self.job, self.start_ms, rows);
        self.start_ms += self.job.bucket_span_ms;
        let b = self.models.fill_silent(b);
        let claimed = self.models.claim(&b);
        let scores = self.models.score(&b, &claimed);
        let graded = if is_learning { Vec::new() } else { self.models.grade(&b, &scores) };
        let anomalies = self.models.decide(graded);
        self.models.learn(&b, &claimed, &scores, &anomalies);
        let mut run = RunDocument::default();
        self.models.measure(&mut run);
        Step { scores, bucket: b, anomalies, run, problems: self.models.take_problems() }
    }
}

/// A Poisson number.
pub fn poisson(c: &mut Chance, mean: f64) -> u64 {
    if mean > 40.0 {
        return (mean + mean.sqrt() * c.normal()).round().max(0.0) as u64;
    }
    let (mut k, mut p, limit) = (0, c.unit(), (-mean).exp());
    while p > limit {
        k += 1;
        p *= c.unit();
    }
    k
}

/// Days brighter than nights: 1 at the mean, `depth` up and down.
pub fn rhythm(t_ms: i64, depth: f64) -> f64 {
    1.0 + depth * ((t_ms.rem_euclid(DAY_MS) as f64 / DAY_MS as f64) * std::f64::consts::TAU).sin()
}
