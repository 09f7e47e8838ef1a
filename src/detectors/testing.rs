//! Buckets for the unit tests of detectors.

use std::collections::BTreeMap;

use super::{Detector, Options};
use crate::model::keys::stable_hash;
use crate::model::{Bucket, BucketView, Contributor, EntityTable, FeatureSpec, Job, Slot, ValueCounts};

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

    /// From now on nothing comes from this row.
    pub(crate) fn fall_silent(&mut self, row: usize) {
        (self.bucket.imputed[row], self.bucket.doc_counts[row]) = (true, 0);
    }

    pub(crate) fn come_back(&mut self, row: usize) {
        (self.bucket.imputed[row], self.bucket.doc_counts[row]) = (false, 1);
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

/// A row for tests: entity, values of each keyword feature, numbers.
pub(crate) type Row<'a> = (&'a str, &'a [&'a [(&'a str, u64)]], &'a [f64]);

/// Options from JSON text.
pub(crate) fn options(json: &str) -> Options {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// One bucket after the other, with the entity table that the pipeline would keep.
pub(crate) struct Board {
    table: EntityTable,
    bucket: Bucket,
    values: usize,
    numbers: usize,
}

impl Board {
    pub(crate) fn job(numbers: &[&str], values: &[&str]) -> Job {
        let specs = |names: &[&str]| names.iter().map(|n| FeatureSpec { name: (*n).into(), ..FeatureSpec::default() }).collect();
        Job { features: specs(numbers), value_features: specs(values), ..Job::default() }
    }

    pub(crate) fn new(values: &[&str], numbers: usize) -> Self {
        Self { table: EntityTable::new(1_000), bucket: Bucket::empty(-300_000, 300_000, numbers, values.len()), values: values.len(), numbers }
    }

    /// The next bucket in time.
    pub(crate) fn bucket(&mut self, rows: &[Row<'_>]) {
        let mut b = Bucket::empty(self.bucket.end_ms(), 300_000, self.numbers, self.values);
        for (entity, _, numbers) in rows {
            b.keys.push(entity.as_bytes());
            b.doc_counts.push(1);
            b.imputed.push(false);
            b.columns.iter_mut().zip(*numbers).for_each(|(c, x)| c.push(*x));
        }
        for f in 0..self.values {
            let lists = rows.iter().map(|r| r.1[f].iter().map(|(v, n)| (stable_hash(v.as_bytes()), *n)).collect()).collect();
            let names: BTreeMap<u64, Box<str>> =
                rows.iter().flat_map(|r| r.1[f].iter().map(|(v, _)| (stable_hash(v.as_bytes()), (*v).into()))).collect();
            b.values[f] = ValueCounts::from_rows(lists, names, vec![0; rows.len()]);
        }
        self.bucket = b.canonical();
    }

    fn with<T>(&self, slots: &[Slot], f: impl FnOnce(&BucketView<'_>) -> T) -> T {
        f(&BucketView { bucket: &self.bucket, slots, table: &self.table, hour_of_week: 0 })
    }

    pub(crate) fn score(&self, d: &dyn Detector) -> BTreeMap<String, f64> {
        let scores = self.with(&self.table.find_all(&self.bucket.keys), |v| d.score(v));
        scores.into_iter().enumerate().map(|(r, s)| (self.bucket.keys.text(r).into_owned(), s)).collect()
    }

    pub(crate) fn explain(&self, d: &dyn Detector, entity: &str) -> Vec<Contributor> {
        let row = (0..self.bucket.rows()).find(|&r| self.bucket.keys.text(r) == entity).unwrap_or(usize::MAX);
        self.with(&self.table.find_all(&self.bucket.keys), |v| d.explain(v, row))
    }

    pub(crate) fn learn(&mut self, d: &mut dyn Detector) {
        let (keys, at) = (self.bucket.keys.clone(), self.bucket.start_ms);
        let slots: Vec<Slot> = (0..keys.len()).map(|i| self.table.intern(keys.get(i), keys.hash(i), at)).collect();
        self.with(&slots, |v| d.learn(v, &vec![1.0; keys.len()]));
    }
}
