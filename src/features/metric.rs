//! `sum`, `mean`, `min`, `max` of a numeric field; a document without the field does not count.

use serde_json::{Map, Value, json};

use super::filter::{self, Mask};
use super::{Accumulator, Feature, FeaturePart, Hit, RowTotals, required_field};
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Part};

/// Sum of a field.
pub const SUM: FeaturePart = FeaturePart {
    part: Part {
        name: "sum",
        description: "Sum of a numeric field; 0 when no document has it.",
        example: "{ name: bytes_out, kind: sum, field: http.response.body.bytes }",
    },
    build: |spec| build(spec, Kind::Sum),
};

/// Mean of a field.
pub const MEAN: FeaturePart = FeaturePart {
    part: Part {
        name: "mean",
        description: "Mean of a numeric field over the documents that have it; absent when none has.",
        example: "{ name: avg_response_size, kind: mean, field: http.response.body.bytes }",
    },
    build: |spec| build(spec, Kind::Mean),
};

/// Smallest value of a field.
pub const MIN: FeaturePart = FeaturePart {
    part: Part { name: "min", description: "Smallest value of a numeric field.", example: "{ name: shortest, kind: min, field: event.duration }" },
    build: |spec| build(spec, Kind::Min),
};

/// Largest value of a field.
pub const MAX: FeaturePart = FeaturePart {
    part: Part { name: "max", description: "Largest value of a numeric field.", example: "{ name: longest, kind: max, field: event.duration }" },
    build: |spec| build(spec, Kind::Max),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Mean,
    Min,
    Max,
}

#[derive(Debug)]
struct Metric {
    spec: FeatureSpec,
    field: String,
    kind: Kind,
}

fn build(spec: &FeatureSpec, kind: Kind) -> Result<Box<dyn Feature>, String> {
    Ok(Box::new(Metric { field: required_field(spec)?, spec: spec.clone(), kind }))
}

impl Feature for Metric {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Number);
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        let name = match self.kind {
            Kind::Sum => "sum",
            Kind::Mean => "avg",
            Kind::Min => "min",
            Kind::Max => "max",
        };
        let inner = json!({ name: { "field": self.field } });
        let agg = filter::wrap(self.spec.filter.as_ref(), inner);
        Some(Map::from_iter([(self.spec.name.clone(), agg)]))
    }

    fn read(&self, row: &AggRow, _start_ms: i64, _span_ms: i64) -> f64 {
        filter::unwrap(row, &self.spec.name).and_then(|n| n.value).unwrap_or_else(|| self.empty())
    }

    fn accumulator(&self, fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(MetricAccumulator {
            column: fields.column(&self.field, FieldKind::Number).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            kind: self.kind,
            state: Vec::new(),
        })
    }

    fn empty(&self) -> f64 {
        if self.kind == Kind::Sum { 0.0 } else { f64::NAN }
    }
}

struct MetricAccumulator {
    column: usize,
    mask: Option<Mask>,
    kind: Kind,
    /// (sum or extreme, documents that have the field)
    state: Vec<(f64, u64)>,
}

impl Accumulator for MetricAccumulator {
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        self.state.resize(rows, (0.0, 0));
        let numbers = batch.numbers(self.column);
        for hit in hits {
            let Some(&x) = numbers.get(hit.event as usize) else { continue };
            if !x.is_finite() || self.mask.as_ref().is_some_and(|m| !m.holds(batch, hit.event as usize)) {
                continue;
            }
            let (acc, n) = &mut self.state[hit.row as usize];
            *acc = match self.kind {
                Kind::Sum | Kind::Mean => *acc + x,
                _ if *n == 0 => x,
                Kind::Min => acc.min(x),
                Kind::Max => acc.max(x),
            };
            *n += 1;
        }
    }

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        self.state.resize(totals.doc_counts.len(), (0.0, 0));
        let value = |&(acc, n): &(f64, u64)| match (self.kind, n) {
            (Kind::Sum, _) => acc,
            (_, 0) => f64::NAN,
            (Kind::Mean, n) => acc / n as f64,
            _ => acc,
        };
        self.state.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(part: FeaturePart, values: &[f64]) -> f64 {
        let spec = FeatureSpec { name: "x".into(), field: Some("f".into()), ..FeatureSpec::default() };
        let feature = (part.build)(&spec).unwrap();
        let mut fields = Fields::default();
        feature.request(&mut fields);
        let mut batch = EventBatch::new(&fields);
        let mut hits = Vec::new();
        for (i, &v) in values.iter().enumerate() {
            batch.set_number(0, v);
            batch.push(0);
            hits.push(Hit { event: i as u32, row: 0 });
        }
        let mut acc = feature.accumulator(&fields);
        acc.add(&batch, &hits, 1);
        acc.finish(RowTotals { doc_counts: &[values.len() as u64], start_ms: 0, span_ms: 1 })[0]
    }

    #[test]
    fn a_missing_value_is_absent_not_zero() {
        let values = [4.0, f64::NAN, 8.0, f64::INFINITY];
        assert_eq!([SUM, MEAN, MIN, MAX].map(|p| column(p, &values)), [12.0, 6.0, 4.0, 8.0]);
        assert_eq!(column(SUM, &[]), 0.0);
        assert!(column(MEAN, &[f64::NAN]).is_nan() && column(MIN, &[]).is_nan());
        assert_eq!(column(MAX, &[-5.0, -7.0]), -5.0);
    }

    #[test]
    fn a_field_is_needed() {
        assert!((MEAN.build)(&FeatureSpec::default()).is_err());
    }
}
