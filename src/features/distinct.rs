//! `distinct`: how many different values of a field.

use hashbrown::HashTable;
use serde_json::{Map, Value, json};

use super::filter::{self, Mask};
use super::gather::{Gathered, Needs};
use super::{Accumulator, Feature, FeaturePart, Hit, RowTotals, required_field};
use crate::math::distinct::Distinct;
use crate::model::keys::stable_hash;
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Part};

/// How many different values.
pub const DISTINCT: FeaturePart = FeaturePart {
    part: Part {
        name: "distinct",
        description: "Number of different values of a field: exact for few, within about 5 % for many.",
        example: "{ name: paths, kind: distinct, field: url.path }",
    },
    build: |spec| Ok(Box::new(DistinctFeature { field: required_field(spec)?, spec: spec.clone() })),
};

/// `precision_threshold` of the aggregation when the configuration names none: engines keep eight bytes per value up to it for
/// every entity of a page.
const DEFAULT_LIMIT: usize = 100;
/// Values per row that are told apart one by one; further ones go into a sketch.
const EXACT: u32 = 1_024;

#[derive(Debug)]
struct DistinctFeature {
    spec: FeatureSpec,
    field: String,
}

impl Feature for DistinctFeature {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Keyword);
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        let limit = self.spec.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 40_000);
        let inner = json!({ "cardinality": { "field": self.field, "precision_threshold": limit } });
        let agg = filter::wrap(self.spec.filter.as_ref(), inner);
        Some(Map::from_iter([(self.spec.name.clone(), agg)]))
    }

    fn read(&self, row: &AggRow, _start_ms: i64, _span_ms: i64) -> f64 {
        let node = filter::unwrap(row, &self.spec.name);
        node.and_then(|n| n.value).unwrap_or(0.0)
    }

    fn accumulator(&self, fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(DistinctAccumulator {
            column: fields.column(&self.field, FieldKind::Keyword).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            seen: HashTable::new(),
            counts: Vec::new(),
            sketches: Vec::new(),
        })
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Distinct(&self.field, self.spec.filter.as_ref())
    }

    fn value(&self, gathered: Gathered) -> f64 {
        gathered.count as f64
    }

    fn empty(&self) -> f64 {
        0.0
    }
}

/// One table of (row, value) pairs for all rows: 50,000 small sets would cost an allocation each.
struct DistinctAccumulator {
    column: usize,
    mask: Option<Mask>,
    seen: HashTable<u64>,
    counts: Vec<u32>,
    /// Sketches of the rows beyond [`EXACT`], of the values that are not in `seen`; ascending by row.
    sketches: Vec<(u32, Distinct)>,
}

/// A pair of row and value as one hash: two different pairs are the same about once in 2^64 / pairs.
#[inline]
fn pair(row: u32, hash: u64) -> u64 {
    // The row is spread over all bits by an odd constant (2^64 / golden ratio), so that rows do not share slots of the table.
    hash ^ (u64::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl DistinctAccumulator {
    #[inline]
    fn see(&mut self, row: u32, hash: u64) {
        let key = pair(row, hash);
        let count = &mut self.counts[row as usize];
        if *count < EXACT {
            if let hashbrown::hash_table::Entry::Vacant(slot) = self.seen.entry(key, |k| *k == key, |k| *k) {
                slot.insert(key);
                *count += 1;
            }
        } else if self.seen.find(key, |k| *k == key).is_none() {
            let at = match self.sketches.binary_search_by_key(&row, |s| s.0) {
                Ok(at) => at,
                Err(at) => {
                    self.sketches.insert(at, (row, Distinct::default()));
                    at
                }
            };
            self.sketches[at].1.add(hash);
        }
    }
}

impl Accumulator for DistinctAccumulator {
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        self.counts.resize(rows, 0);
        let Some(values) = batch.keywords(self.column) else { return };
        for hit in hits {
            let Some(value) = values.get(hit.event as usize) else { continue };
            if self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                self.see(hit.row, stable_hash(value));
            }
        }
    }

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        self.counts.resize(totals.doc_counts.len(), 0);
        let mut out: Vec<f64> = self.counts.iter().map(|&n| f64::from(n)).collect();
        for (row, sketch) in &self.sketches {
            out[*row as usize] += sketch.estimate().round();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::column;
    use super::*;

    #[test]
    fn values_are_told_apart_per_row() {
        let spec = FeatureSpec { name: "d".into(), field: Some("f".into()), ..FeatureSpec::default() };
        assert_eq!(column(&DISTINCT, &spec, &[(0, "a"), (1, "a"), (0, "b"), (0, "a"), (2, "-")]), [2.0, 1.0, 0.0]);
        assert_eq!((DISTINCT.build)(&spec).unwrap().empty(), 0.0);
    }

    #[test]
    fn many_values_come_out_within_five_percent() {
        let spec = FeatureSpec { name: "d".into(), field: Some("f".into()), ..FeatureSpec::default() };
        let values: Vec<String> = (0..20_000).map(|i| format!("v{}", i % 10_000)).collect();
        let events: Vec<(u32, &str)> = values.iter().map(|v| (0, v.as_str())).collect();
        let n = column(&DISTINCT, &spec, &events)[0];
        assert!((n / 10_000.0 - 1.0).abs() < 0.05, "{n}");
    }
}
