//! `time_of_week`: when in the week the bucket lies, for detectors that look at several features together.

use serde_json::{Map, Value};

use super::{Accumulator, Feature, FeaturePart, Hit, RowTotals};
use crate::model::time::DAY_MS;
use crate::model::{AggRow, EventBatch, FeatureSpec, Fields, Part};

/// When in the week.
pub const TIME_OF_WEEK: FeaturePart = FeaturePart {
    part: Part {
        name: "time_of_week",
        description: "Hours since Monday 00:00 UTC at the start of the bucket, from 0 to below 168.",
        example: "{ name: when, kind: time_of_week }",
    },
    build: |spec| Ok(Box::new(TimeOfWeek { spec: spec.clone() })),
};

#[derive(Debug)]
struct TimeOfWeek {
    spec: FeatureSpec,
}

/// Hours since Monday; the epoch was a Thursday.
fn hours(start_ms: i64) -> f64 {
    start_ms.saturating_add(3 * DAY_MS).rem_euclid(7 * DAY_MS) as f64 / 3_600_000.0
}

impl Feature for TimeOfWeek {
    fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    fn request(&self, _: &mut Fields) {}

    fn aggregations(&self) -> Option<Map<String, Value>> {
        Some(Map::new())
    }

    fn read(&self, _: &AggRow, start_ms: i64, _span_ms: i64) -> f64 {
        hours(start_ms)
    }

    fn accumulator(&self, _: &Fields) -> Box<dyn Accumulator> {
        Box::new(Now)
    }
}

struct Now;

impl Accumulator for Now {
    fn add(&mut self, _: &EventBatch, _: &[Hit], _: usize) {}

    fn finish(&mut self, totals: RowTotals<'_>) -> Vec<f64> {
        vec![hours(totals.start_ms); totals.doc_counts.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::column;
    use super::*;
    use crate::model::time::parse_time;

    #[test]
    fn the_week_begins_on_monday() {
        let at = |t| hours(parse_time(t).unwrap());
        assert_eq!(["2026-01-05", "2026-01-04T23:30:00Z", "1969-12-31"].map(at), [0.0, 167.5, 48.0]);
        assert_eq!(column(&TIME_OF_WEEK, &FeatureSpec::default(), &[(0, "x")]), [72.0]);
    }
}
