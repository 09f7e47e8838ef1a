//! `sum`, `mean`, `min`, `max` of a numeric field; a document without the field does not count.

use serde_json::{Map, Value, json};

use super::filter::{self, Mask};
use super::gather::{Gathered, Needs};
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

    fn needs(&self) -> Needs<'_> {
        match self.kind {
            Kind::Sum | Kind::Mean => Needs::Sum(&self.field, self.spec.filter.as_ref()),
            Kind::Min | Kind::Max => Needs::Own,
        }
    }

    fn value(&self, gathered: Gathered) -> f64 {
        match (self.kind, gathered.count) {
            (Kind::Sum, _) => gathered.sum,
            (_, 0) => f64::NAN,
            (_, n) => gathered.sum / n as f64,
        }
    }

    fn accumulator(&self, fields: &Fields) -> Box<dyn Accumulator> {
        Box::new(Extreme {
            column: fields.column(&self.field, FieldKind::Number).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            is_largest: self.kind == Kind::Max,
            extremes: Vec::new(),
        })
    }

    fn empty(&self) -> f64 {
        if self.kind == Kind::Sum { 0.0 } else { f64::NAN }
    }
}

struct Extreme {
    column: usize,
    mask: Option<Mask>,
    is_largest: bool,
    /// `NaN` until a document has the field.
    extremes: Vec<f64>,
}

impl Accumulator for Extreme {
    fn add(&mut self, batch: &EventBatch, hits: &[Hit], rows: usize) {
        self.extremes.resize(rows, f64::NAN);
        let numbers = batch.numbers(self.column);
        for hit in hits {
            let Some(&x) = numbers.get(hit.event as usize) else { continue };
            if x.is_finite() && self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                let extreme = &mut self.extremes[hit.row as usize];
                // Of a number and `NaN` both give the number.
                *extreme = if self.is_largest { extreme.max(x) } else { extreme.min(x) };
            }
        }
    }

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        self.extremes.resize(totals.doc_counts.len(), f64::NAN);
        std::mem::take(&mut self.extremes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(part: FeaturePart, values: &[f64]) -> f64 {
        let spec = FeatureSpec { name: "x".into(), field: Some("f".into()), ..FeatureSpec::default() };
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        let events: Vec<(u32, &str)> = std::iter::once((0, "-")).chain(texts.iter().map(|t| (0, t.as_str()))).collect();
        super::super::testing::column(&part, &spec, &events)[0]
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
