//! Rows of aggregation pages -> buckets: what `extract` is for events.

use std::collections::BTreeMap;

use crate::features::extract::{FeatureSet, push_key_part};
use crate::features::values::counts_of;
use crate::model::time::align_down;
use crate::model::{AggRow, Bucket, Job, Keys, Problems, Window};

/// Values of one keyword-valued feature of one row, and the occurrences beyond the limit.
type ValueRow = (Vec<(String, u64)>, u64);

/// Gathers the rows of one window.
pub(super) struct RowGatherer<'a> {
    job: &'a Job,
    set: &'a FeatureSet,
    window: Window,
    open: BTreeMap<i64, Open>,
    problems: Problems,
    key: Vec<u8>,
}

struct Open {
    keys: Keys,
    doc_counts: Vec<u64>,
    columns: Vec<Vec<f64>>,
    values: Vec<Vec<ValueRow>>,
    dropped: u64,
}

impl<'a> RowGatherer<'a> {
    /// For the rows of one window of a job.
    pub fn new(job: &'a Job, set: &'a FeatureSet, window: Window) -> Self {
        Self { job, set, window, open: BTreeMap::new(), problems: Problems::default(), key: Vec::new() }
    }

    /// Takes a row. One that is outside the window, or has an empty part in its key, is counted as skipped.
    pub fn add(&mut self, row: &AggRow) {
        let span = self.job.bucket_span_ms;
        let start = align_down(row.time_ms.unwrap_or(self.window.start_ms), span);
        if !self.window.contains(start) {
            self.problems.add_many("outside_window", row.doc_count, || format!("{start}"));
            return;
        }
        self.key.clear();
        if row.key.iter().any(String::is_empty) {
            return;
        }
        for (i, part) in row.key.iter().enumerate() {
            if row.key.len() > 1 {
                push_key_part(&mut self.key, part.as_bytes(), i > 0);
            } else {
                self.key.extend_from_slice(part.as_bytes());
            }
        }
        if row.key.is_empty() {
            self.key.extend_from_slice(b"_all");
        }
        let (numeric, values) = (self.set.numeric.len(), self.set.values.len());
        let open = self.open.entry(start).or_insert_with(|| Open {
            keys: Keys::default(),
            doc_counts: Vec::new(),
            columns: vec![Vec::new(); numeric],
            values: vec![Vec::new(); values],
            dropped: 0,
        });
        if open.keys.len() >= self.job.max_entities {
            open.dropped += 1;
            return;
        }
        open.keys.push(&self.key);
        open.doc_counts.push(row.doc_count);
        for (feature, column) in self.set.numeric.iter().zip(&mut open.columns) {
            column.push(feature.read(row, start, span));
        }
        for (feature, lists) in self.set.values.iter().zip(&mut open.values) {
            lists.push(feature.read(row));
        }
    }

    /// One bucket per slice of the window. `totals` are all documents per slice, also those in no row.
    pub fn finish(mut self, totals: &BTreeMap<i64, u64>) -> (Vec<Bucket>, Problems) {
        let span = self.job.bucket_span_ms;
        let mut out = Vec::new();
        for start in self.window.bucket_starts(span) {
            let total = totals.get(&start).copied().unwrap_or(0);
            let Some(open) = self.open.remove(&start) else {
                let empty = Bucket::empty(start, span, self.set.numeric.len(), self.set.values.len());
                out.push(Bucket { skipped_docs: total, ..empty });
                continue;
            };
            let rows = open.keys.len();
            let counted: u64 = open.doc_counts.iter().sum();
            let bucket = Bucket {
                start_ms: start,
                span_ms: span,
                doc_counts: open.doc_counts,
                columns: open.columns,
                values: open.values.into_iter().map(counts_of).collect(),
                imputed: vec![false; rows],
                keys: open.keys,
                // A document with several entities is in several rows, so rows may hold more than there are documents.
                skipped_docs: total.saturating_sub(counted),
                dropped_entities: open.dropped,
            };
            out.push(bucket.canonical());
        }
        (out, self.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AggNode, FeatureSpec};

    #[test]
    fn rows_become_buckets_with_what_is_in_no_row_counted() {
        let count = FeatureSpec { name: "n".into(), kind: "count".into(), ..FeatureSpec::default() };
        let sum = FeatureSpec { name: "bytes".into(), kind: "sum".into(), field: Some("b".into()), ..FeatureSpec::default() };
        let job = Job {
            entity_fields: vec!["ip".into(), "host".into()],
            features: vec![count, sum],
            bucket_span_ms: 60_000,
            max_entities: 2,
            ..Job::default()
        };
        let set = FeatureSet::new(&job).unwrap();
        let mut rows = RowGatherer::new(&job, &set, Window::new(0, 180_000));
        let row = |t: i64, ip: &str, host: &str, n: u64| AggRow {
            time_ms: Some(t),
            key: vec![ip.into(), host.into()],
            doc_count: n,
            nodes: BTreeMap::from([("bytes".into(), AggNode { value: Some(7.0), ..AggNode::default() })]),
        };
        for r in [
            row(0, "a", "h", 3),
            row(0, "", "h", 4),
            row(60_000, "x|y", "h", 1),
            row(60_000, "b", "h", 1),
            row(60_000, "c", "h", 5),
            row(180_000, "z", "h", 1),
        ] {
            rows.add(&r);
        }
        let (buckets, problems) = rows.finish(&BTreeMap::from([(0, 8), (60_000, 7), (120_000, 2)]));
        assert_eq!(buckets.len(), 3);
        assert_eq!((buckets[0].rows(), buckets[0].skipped_docs, buckets[0].value(1, 0)), (1, 5, 7.0));
        assert_eq!((buckets[1].rows(), buckets[1].dropped_entities, buckets[1].skipped_docs), (2, 1, 5));
        assert_eq!((buckets[2].rows(), buckets[2].skipped_docs), (0, 2));
        assert!((0..2).any(|r| buckets[1].keys.text(r) == "x\\|y|h"));
        assert_eq!(problems.count("outside_window"), 1);
    }
}
