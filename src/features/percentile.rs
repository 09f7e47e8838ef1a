//! `percentile`: a percentile of a numeric field.

use serde_json::{Map, Value, json};

use super::filter::{self, Mask};
use super::{Accumulator, Feature, FeaturePart, Hit, RowTotals, required_field};
use crate::math::digest::Digest;
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Part};

/// A percentile of a field.
pub const PERCENTILE: FeaturePart = FeaturePart {
    part: Part {
        name: "percentile",
        description: "Percentile of a numeric field: exact for few documents, within 2 % of the rank for many.",
        example: "{ name: slow, kind: percentile, field: event.duration, percent: 95 }",
    },
    build: |spec| {
        let percent = spec.percent.unwrap_or(95.0);
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("feature `{}`: percent has to lie between 0 and 100", spec.name));
        }
        Ok(Box::new(Percentile { field: required_field(spec)?, percent, spec: spec.clone() }))
    },
};

#[derive(Debug)]
struct Percentile {
    spec: FeatureSpec,
    field: String,
    percent: f64,
}

impl Feature for Percentile {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Number);
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        let inner = json!({ "percentiles": { "field": self.field, "percents": [self.percent], "keyed": false } });
        let agg = filter::wrap(self.spec.filter.as_ref(), inner);
        Some(Map::from_iter([(self.spec.name.clone(), agg)]))
    }

    fn read(&self, row: &AggRow, _start_ms: i64, _span_ms: i64) -> f64 {
        let node = filter::unwrap(row, &self.spec.name);
        node.and_then(|n| n.values.first()).and_then(|p| p.value).unwrap_or(f64::NAN)
    }

    fn accumulator(&self, fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(PercentileAccumulator {
            column: fields.column(&self.field, FieldKind::Number).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            share: self.percent / 100.0,
            digests: Vec::new(),
        })
    }
}

struct PercentileAccumulator {
    column: usize,
    mask: Option<Mask>,
    share: f64,
    digests: Vec<Digest>,
}

impl Accumulator for PercentileAccumulator {
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        self.digests.resize(rows, Digest::default());
        let numbers = batch.numbers(self.column);
        for hit in hits {
            let Some(&x) = numbers.get(hit.event as usize) else { continue };
            if self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                self.digests[hit.row as usize].add(x);
            }
        }
    }

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        self.digests.resize(totals.doc_counts.len(), Digest::default());
        self.digests.iter_mut().map(|d| d.quantile(self.share)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::column;
    use super::*;

    #[test]
    fn both_faces_read_the_same_kind_of_number() {
        let spec = FeatureSpec { name: "p".into(), field: Some("f".into()), percent: Some(50.0), ..FeatureSpec::default() };
        assert_eq!(column(&PERCENTILE, &spec, &[(0, "1"), (0, "9"), (0, "2"), (1, "-")])[0], 2.0);
        assert!(column(&PERCENTILE, &spec, &[(0, "-")])[0].is_nan());
        let feature = (PERCENTILE.build)(&spec).unwrap();
        let node = serde_json::from_str(r#"{"values":[{"key":50.0,"value":2.0}]}"#).unwrap();
        let row = AggRow { nodes: [("p".to_owned(), node)].into(), ..AggRow::default() };
        assert_eq!(feature.read(&row, 0, 1), 2.0);
        assert!((PERCENTILE.build)(&FeatureSpec { percent: Some(101.0), ..spec }).is_err());
    }
}
