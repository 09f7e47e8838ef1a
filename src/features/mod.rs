//! Features: numbers (and sets of keyword values) per entity and bucket. Each is written once and has two faces: the
//! aggregation it asks a cluster for, and the accumulator it is over events; a test on real engines holds both equal.
//!
//! To add one: one file, one line in [`CATALOGUE`].

pub mod count;
pub mod distinct;
pub mod entropy;
pub mod extract;
pub mod filter;
pub mod gather;
pub mod metric;
pub mod percentile;
pub mod ratio;
mod tally;
pub mod time_of_week;
pub mod values;

use serde_json::{Map, Value};

use gather::{Gathered, Needs};

use crate::model::{AggRow, EventBatch, FeatureSpec, Fields, Part};

/// An event of a batch and the row it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Index in the batch.
    pub event: u32,
    /// Row of the bucket.
    pub row: u32,
}

/// What accumulators may know of a bucket when they finish.
#[derive(Debug, Clone, Copy)]
pub struct RowTotals<'a> {
    /// Documents behind each row.
    pub doc_counts: &'a [u64],
    /// Start of the bucket, milliseconds of the epoch.
    pub start_ms: i64,
    /// Width of the bucket, milliseconds.
    pub span_ms: i64,
}

/// A numeric feature: one column of a bucket.
pub trait Feature: Send + Sync + std::fmt::Debug {
    /// The configuration it was built from.
    fn spec(&self) -> &FeatureSpec;

    /// Asks for the fields that the accumulator reads.
    fn request(&self, fields: &mut Fields);

    /// Sub-aggregations to put under the entity, by name; every name begins with the feature's own name.
    /// Empty: the row's `doc_count` is enough. `None`: it cannot be an aggregation, documents are needed.
    fn aggregations(&self) -> Option<Map<String, Value>>;

    /// Value of a row of an aggregation page; `NaN` = absent.
    fn read(&self, row: &AggRow, start_ms: i64, span_ms: i64) -> f64;

    /// What it needs to know of a row's documents.
    fn needs(&self) -> Needs<'_> {
        Needs::Own
    }

    /// The value of a row, from what it [needs](Feature::needs) where others may need the same; `NaN` = absent.
    fn value(&self, _gathered: Gathered) -> f64 {
        f64::NAN
    }

    /// A fresh accumulator over events with these fields, for a feature that needs something of its own.
    fn accumulator(&self, _fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(NeedsNothing)
    }

    /// Value of an entity without any document: 0 for counts, `NaN` where nothing can be said.
    fn empty(&self) -> f64 {
        f64::NAN
    }
}

/// Gathers one feature over the events of one bucket, column by column.
pub trait Accumulator: Send {
    /// Adds events; `rows` is how many rows there are by now.
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize);

    /// The column: one value per row, `NaN` = absent.
    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64>;
}

/// Stands for an accumulator where there is nothing of its own to gather.
struct NeedsNothing;

impl Accumulator for NeedsNothing {
    fn add(&mut self, _: &EventBatch, _: &[Hit], _: usize) {}

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        vec![f64::NAN; totals.doc_counts.len()]
    }
}

/// An entry of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct FeaturePart {
    /// Name, description, example.
    pub part: Part,
    /// Builds the feature, or says what is wrong with its configuration.
    pub build: fn(&FeatureSpec) -> Result<Box<dyn Feature>, String>,
}

/// Every numeric feature there is.
pub const CATALOGUE: &[FeaturePart] = &[
    count::COUNT,
    count::RATE,
    metric::SUM,
    metric::MEAN,
    metric::MIN,
    metric::MAX,
    percentile::PERCENTILE,
    distinct::DISTINCT,
    ratio::RATIO,
    entropy::ENTROPY,
    time_of_week::TIME_OF_WEEK,
];

/// Builds a feature by the kind that its configuration names.
pub fn build(spec: &FeatureSpec) -> Result<Box<dyn Feature>, String> {
    match CATALOGUE.iter().find(|f| f.part.name == spec.kind) {
        Some(entry) => (entry.build)(spec),
        None => Err(format!("unknown feature kind `{}`; there are: {}", spec.kind, names().join(", "))),
    }
}

/// Names of all kinds.
pub fn names() -> Vec<&'static str> {
    CATALOGUE.iter().map(|f| f.part.name).collect()
}

/// The field that a kind needs, or what to say when it is missing.
pub(crate) fn required_field(spec: &FeatureSpec) -> Result<String, String> {
    spec.field.clone().ok_or_else(|| format!("feature `{}` of kind `{}` needs a `field`", spec.name, spec.kind))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The column of a feature over events given as (row, value of its field); `-` is absent.
    pub(crate) fn column(part: &FeaturePart, spec: &FeatureSpec, events: &[(u32, &str)]) -> Vec<f64> {
        let feature = (part.build)(spec).unwrap();
        let mut fields = Fields::default();
        feature.request(&mut fields);
        let mut batch = EventBatch::new(&fields);
        let mut hits = Vec::new();
        for (i, (row, value)) in events.iter().enumerate() {
            if *value != "-" {
                batch.set_keyword(0, value.as_bytes());
                batch.set_number(0, value.parse().unwrap_or(f64::NAN));
            }
            batch.push(0);
            hits.push(Hit { event: i as u32, row: *row });
        }
        let rows = events.iter().map(|e| e.0 as usize + 1).max().unwrap_or(0);
        let features = [feature];
        let mut gather = gather::Gather::new(&features, &[], &fields);
        gather.add(&batch, &hits, rows);
        let doc_counts: Vec<u64> = (0..rows).map(|r| hits.iter().filter(|h| h.row as usize == r).count() as u64).collect();
        gather.finish(&features, &mut [], RowTotals { doc_counts: &doc_counts, start_ms: 0, span_ms: 60_000 }).remove(0)
    }
}
