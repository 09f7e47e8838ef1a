//! `ratio`: share of documents that meet a condition, such as the error rate.

use serde_json::{Map, Value, json};

use super::filter;
use super::gather::{Gathered, Needs};
use super::{Feature, FeaturePart};
use crate::model::{AggRow, FeatureSpec, Fields, Filter, Part};

/// Share of documents that meet a condition.
pub const RATIO: FeaturePart = FeaturePart {
    part: Part {
        name: "ratio",
        description: "Share of documents that meet a condition, from 0 to 1.",
        example: "{ name: error_rate, kind: ratio, filter: { field: http.response.status_code, gte: 400 } }",
    },
    build: |spec| match &spec.filter {
        Some(filter) => Ok(Box::new(Ratio { spec: spec.clone(), filter: filter.clone() })),
        None => Err(format!("feature `{}` of kind `ratio` needs a `filter`", spec.name)),
    },
};

#[derive(Debug)]
struct Ratio {
    spec: FeatureSpec,
    filter: Filter,
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::NAN } else { part as f64 / whole as f64 }
}

impl Feature for Ratio {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, fields: &mut Fields) {
        filter::request(&self.filter, fields);
    }

    fn aggregations(&self) -> Option<Map<String, Value>> {
        Some(Map::from_iter([(self.spec.name.clone(), json!({ "filter": filter::query(&self.filter) }))]))
    }

    fn read(&self, row: &AggRow, _start_ms: i64, _span_ms: i64) -> f64 {
        share(row.nodes.get(&self.spec.name).and_then(|n| n.doc_count).unwrap_or(0), row.doc_count)
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Documents(Some(&self.filter))
    }

    fn value(&self, gathered: Gathered) -> f64 {
        share(gathered.count, gathered.documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_between_0_and_1_and_is_0_without_errors() {
        assert_eq!((share(0, 5), share(5, 5)), (0.0, 1.0));
        assert!(share(0, 0).is_nan());
        assert!((RATIO.build)(&FeatureSpec::default()).is_err());
    }
}
