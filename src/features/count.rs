//! `count` and `rate`: how many documents, all or those of a condition.

use serde_json::{Map, Value, json};

use super::filter;
use super::gather::{Gathered, Needs};
use super::{Feature, FeaturePart};
use crate::model::{AggRow, FeatureSpec, Fields, Part};

/// How many documents.
pub const COUNT: FeaturePart = FeaturePart {
    part: Part {
        name: "count",
        description: "Number of documents, all or those of a condition.",
        example: "{ name: status_4xx_count, kind: count, filter: { field: http.response.status_code, gte: 400, lt: 500 } }",
    },
    build: |spec| Ok(Box::new(Count { spec: spec.clone(), per_minute: false })),
};

/// Documents per minute.
pub const RATE: FeaturePart = FeaturePart {
    part: Part {
        name: "rate",
        description: "Documents per minute, all or those of a condition.",
        example: "{ name: requests_per_minute, kind: rate }",
    },
    build: |spec| Ok(Box::new(Count { spec: spec.clone(), per_minute: true })),
};

#[derive(Debug)]
struct Count {
    spec: FeatureSpec,
    per_minute: bool,
}

/// Counts become rates by division by the bucket's width in minutes.
fn scaled(count: u64, per_minute: bool, span_ms: i64) -> f64 {
    if per_minute { count as f64 * 60_000.0 / span_ms.max(1) as f64 } else { count as f64 }
}

impl Feature for Count {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        let mut out = Map::new();
        if let Some(f) = &self.spec.filter {
            out.insert(self.spec.name.clone(), json!({ "filter": filter::query(f) }));
        }
        Some(out)
    }

    fn read(&self, row: &AggRow, _start_ms: i64, span_ms: i64) -> f64 {
        let count = match &self.spec.filter {
            Some(_) => row.nodes.get(&self.spec.name).and_then(|n| n.doc_count).unwrap_or(0),
            None => row.doc_count,
        };
        scaled(count, self.per_minute, span_ms)
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Documents(self.spec.filter.as_ref())
    }

    fn value(&self, gathered: Gathered) -> f64 {
        scaled(gathered.count, self.per_minute, gathered.span_ms)
    }

    fn empty(&self) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hundred_requests_in_an_hour_are_ten_a_minute() {
        let spec = FeatureSpec { name: "rpm".into(), kind: "rate".into(), ..FeatureSpec::default() };
        let rate = (RATE.build)(&spec).unwrap();
        assert_eq!(rate.value(Gathered { sum: 0.0, count: 600, documents: 600, span_ms: 3_600_000 }), 10.0);
        let row = AggRow { doc_count: 600, ..AggRow::default() };
        assert_eq!(rate.read(&row, 0, 3_600_000), 10.0);
        assert_eq!(rate.empty(), 0.0);
    }
}
