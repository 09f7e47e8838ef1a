//! Buckets for the unit tests of detectors.

use super::Detector;
use crate::model::{Bucket, BucketView, Contributor, EntityTable, FeatureSpec, Job, Slot};

/// A job with features of these names.
pub(crate) fn job(features: &[&str]) -> Job {
    let features = features.iter().map(|n| FeatureSpec { name: (*n).into(), kind: "mean".into(), ..FeatureSpec::default() }).collect();
    Job { features, ..Job::default() }
}

/// A stream of buckets over the same entities, each one span after the last.
#[derive(Clone)]
pub(crate) struct Rows {
    table: EntityTable,
    bucket: Bucket,
    slots: Vec<Slot>,
    job: Job,
}

impl Rows {
    pub(crate) fn new(job: &Job, names: &[&str]) -> Self {
        let mut table = EntityTable::new(1000);
        let mut bucket = Bucket::empty(0, job.bucket_span_ms, job.features.len(), 0);
        for name in names {
            bucket.keys.push(name.as_bytes());
        }
        let slots = (0..names.len()).map(|i| table.intern(bucket.keys.get(i), bucket.keys.hash(i), 0)).collect();
        bucket.doc_counts = vec![1; names.len()];
        bucket.imputed = vec![false; names.len()];
        Self { table, bucket, slots, job: job.clone() }
    }

    fn with<T>(&self, columns: &[Vec<f64>], f: impl FnOnce(&BucketView<'_>) -> T) -> T {
        let mut bucket = self.bucket.clone();
        bucket.columns = columns.to_vec();
        f(&BucketView { bucket: &bucket, slots: &self.slots, table: &self.table, hour_of_week: self.job.hour_of_week(bucket.start_ms) })
    }

    pub(crate) fn score(&self, d: &dyn Detector, columns: &[Vec<f64>]) -> Vec<f64> {
        self.with(columns, |v| d.score(v))
    }

    pub(crate) fn explain(&self, d: &dyn Detector, columns: &[Vec<f64>], row: usize) -> Vec<Contributor> {
        self.with(columns, |v| d.explain(v, row))
    }

    /// Learns a bucket with full weight and moves on.
    pub(crate) fn learn(&mut self, d: &mut dyn Detector, columns: &[Vec<f64>]) {
        let weights = vec![1.0; self.slots.len()];
        self.learn_weighted(d, columns, &weights);
    }

    pub(crate) fn learn_weighted(&mut self, d: &mut dyn Detector, columns: &[Vec<f64>], weights: &[f64]) {
        self.with(columns, |v| d.learn(v, weights));
        self.bucket.start_ms += self.bucket.span_ms;
    }
}
