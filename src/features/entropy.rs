//! `entropy`: how spread out the values of a keyword field are.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::filter::{self, Mask};
use super::{Accumulator, Feature, FeaturePart, Hit, RowTotals, required_field};
use crate::model::keys::stable_hash;
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Part};

/// Shannon entropy of a keyword field.
pub const ENTROPY: FeaturePart = FeaturePart {
    part: Part {
        name: "entropy",
        description: "Entropy in bits of a keyword field: 0 when all documents have the same value.",
        example: "{ name: path_entropy, kind: entropy, field: url.path, limit: 64 }",
    },
    build: |spec| {
        let limit = spec.limit.unwrap_or(DEFAULT_LIMIT).max(1);
        Ok(Box::new(Entropy { field: required_field(spec)?, limit, spec: spec.clone() }))
    },
};

/// Values that are told apart; all others together count as one more.
const DEFAULT_LIMIT: usize = 64;

#[derive(Debug)]
struct Entropy {
    spec: FeatureSpec,
    field: String,
    limit: usize,
}

/// `-sum p log2 p` (Shannon 1948); absent without any value. The smallest counts come first, so that the sum does not depend
/// on the order in which values were met.
fn bits(counts: &mut [u64]) -> f64 {
    counts.sort_unstable();
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return f64::NAN;
    }
    let sum: f64 = counts.iter().filter(|n| **n > 0).map(|&n| n as f64 / total as f64).map(|p| -p * p.log2()).sum();
    sum.max(0.0)
}

impl Feature for Entropy {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Keyword);
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        let inner = json!({ "terms": { "field": self.field, "size": self.limit } });
        let agg = filter::wrap(self.spec.filter.as_ref(), inner);
        Some(Map::from_iter([(self.spec.name.clone(), agg)]))
    }

    fn read(&self, row: &AggRow, _start_ms: i64, _span_ms: i64) -> f64 {
        let Some(node) = filter::unwrap(row, &self.spec.name) else { return f64::NAN };
        let mut counts: Vec<u64> = node.buckets.iter().map(|t| t.doc_count).collect();
        counts.push(node.sum_other_doc_count.unwrap_or(0));
        bits(&mut counts)
    }

    fn accumulator(&self, fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(EntropyAccumulator {
            column: fields.column(&self.field, FieldKind::Keyword).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            limit: self.limit,
            counts: HashMap::default(),
        })
    }
}

struct EntropyAccumulator {
    column: usize,
    mask: Option<Mask>,
    limit: usize,
    counts: HashMap<(u32, u64), u64>,
}

impl Accumulator for EntropyAccumulator {
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], _rows: usize) {
        let Some(values) = batch.keywords(self.column) else { return };
        for hit in hits {
            let Some(value) = values.get(hit.event as usize) else { continue };
            if self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                *self.counts.entry((hit.row, stable_hash(value))).or_default() += 1;
            }
        }
    }

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        let mut rows: Vec<Vec<u64>> = vec![Vec::new(); totals.doc_counts.len()];
        for ((row, _), n) in self.counts.drain() {
            if let Some(list) = rows.get_mut(row as usize) {
                list.push(n);
            }
        }
        let limit = self.limit;
        let value = |mut list: Vec<u64>| {
            list.sort_unstable_by(|a, b| b.cmp(a));
            let other: u64 = list.iter().skip(limit).sum();
            list.truncate(limit);
            list.push(other);
            bits(&mut list)
        };
        rows.into_iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::column;
    use super::*;

    #[test]
    fn even_values_have_the_most_and_one_value_has_none() {
        let spec = |limit| FeatureSpec { name: "e".into(), field: Some("f".into()), limit: Some(limit), ..FeatureSpec::default() };
        let events = [(0, "a"), (0, "b"), (0, "c"), (0, "d"), (1, "a"), (1, "a"), (2, "-")];
        let got = column(&ENTROPY, &spec(64), &events);
        assert_eq!((got[0], got[1], got[2].is_nan()), (2.0, 0.0, true));
        // Beyond the limit: a, and three others as one.
        let got = column(&ENTROPY, &spec(1), &events)[0];
        assert!((got - 0.811_278).abs() < 1e-6, "{got}");
        let node = serde_json::from_str(r#"{"buckets":[{"key":"a","doc_count":1}],"sum_other_doc_count":3}"#).unwrap();
        let row = AggRow { nodes: [("e".to_owned(), node)].into(), ..AggRow::default() };
        assert_eq!((ENTROPY.build)(&spec(1)).unwrap().read(&row, 0, 1), got);
    }
}
