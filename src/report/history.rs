//! What happened around the findings: counts per bucket, and values over time of reported entities.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::model::{Anomaly, Bucket};

/// Rows of past buckets that are kept so that an entity's time before its first finding can be shown.
const MAX_PAST_ROWS: usize = 100_000;
/// Past buckets that are kept.
const MAX_PAST_BUCKETS: usize = 48;
/// Entities followed; the first that are reported.
const MAX_ENTITIES: usize = 60;
/// Points kept of one series; later ones take the place of the earliest.
const MAX_POINTS: usize = 600;
/// Points kept of the time line; beyond that neighbours are joined.
const MAX_TIMELINE: usize = 2_000;

/// One bucket: how much was judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TimelinePoint {
    /// Bucket start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Documents read.
    pub documents: u64,
    /// Entities judged.
    pub entities: u64,
}

/// One value of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeriesPoint {
    /// Bucket start, milliseconds of the epoch.
    pub start_ms: i64,
    /// What was seen; `NaN` = absent.
    pub actual: f64,
}

/// A feature of an entity over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Job id.
    pub job: String,
    /// Entity key.
    pub entity: String,
    /// Feature name.
    pub feature: String,
    /// In order of time.
    pub points: Vec<SeriesPoint>,
}

/// Collects, bucket by bucket, what a report shows beside the findings themselves. Memory is bounded.
#[derive(Debug, Default)]
pub struct Collector {
    job: String,
    features: Vec<String>,
    timeline: Vec<TimelinePoint>,
    past: VecDeque<Bucket>,
    past_rows: usize,
    followed: BTreeMap<String, Vec<VecDeque<SeriesPoint>>>,
}

impl Collector {
    /// A collector for a job whose numeric columns carry these feature names.
    pub fn new(job: &str, features: Vec<String>) -> Self {
        Self { job: job.to_owned(), features, ..Self::default() }
    }

    /// Takes a judged bucket and its findings.
    pub fn judged(&mut self, bucket: &Bucket, anomalies: &[Anomaly]) {
        let documents = bucket.doc_counts.iter().sum::<u64>() + bucket.skipped_docs;
        self.timeline.push(TimelinePoint { start_ms: bucket.start_ms, documents, entities: bucket.rows() as u64 });
        if self.timeline.len() > MAX_TIMELINE {
            self.timeline = self.timeline.chunks(2).map(join).collect();
        }
        for a in anomalies {
            if self.followed.len() < MAX_ENTITIES && !self.followed.contains_key(&a.entity_key) {
                self.follow(&a.entity_key);
            }
        }
        let wanted: Vec<String> = self.followed.keys().cloned().collect();
        if !wanted.is_empty() {
            let rows = find_rows(bucket, &wanted);
            for (key, row) in wanted.iter().zip(rows) {
                self.note(key, bucket, row);
            }
        }
        self.remember(bucket);
    }

    /// Begins to follow an entity, with what is still known of its past.
    fn follow(&mut self, key: &str) {
        self.followed.insert(key.to_owned(), vec![VecDeque::new(); self.features.len()]);
        let past = std::mem::take(&mut self.past);
        for bucket in &past {
            let row = find_rows(bucket, &[key.to_owned()]).first().copied().flatten();
            self.note(key, bucket, row);
        }
        self.past = past;
    }

    fn note(&mut self, key: &str, bucket: &Bucket, row: Option<usize>) {
        let Some(columns) = self.followed.get_mut(key) else { return };
        for (series, column) in columns.iter_mut().zip(&bucket.columns) {
            let actual = row.and_then(|r| column.get(r)).copied().unwrap_or(f64::NAN);
            if series.len() == MAX_POINTS {
                series.pop_front();
            }
            series.push_back(SeriesPoint { start_ms: bucket.start_ms, actual });
        }
    }

    fn remember(&mut self, bucket: &Bucket) {
        let rows = bucket.rows();
        if rows > MAX_PAST_ROWS {
            return;
        }
        self.past_rows += rows;
        self.past.push_back(Bucket { values: Vec::new(), ..bucket.clone() });
        while self.past.len() > MAX_PAST_BUCKETS || self.past_rows > MAX_PAST_ROWS {
            let Some(gone) = self.past.pop_front() else { break };
            self.past_rows -= gone.rows();
        }
    }

    /// What was collected.
    pub fn finish(self) -> (Vec<TimelinePoint>, Vec<Series>) {
        let mut series = Vec::new();
        for (entity, columns) in self.followed {
            for (feature, points) in self.features.iter().zip(columns) {
                if points.iter().any(|p| p.actual.is_finite()) {
                    series.push(Series { job: self.job.clone(), entity: entity.clone(), feature: feature.clone(), points: points.into() });
                }
            }
        }
        (self.timeline, series)
    }
}

fn join(pair: &[TimelinePoint]) -> TimelinePoint {
    pair.iter().skip(1).fold(pair.first().copied().unwrap_or_default(), |a, b| TimelinePoint {
        documents: a.documents + b.documents,
        entities: a.entities.max(b.entities),
        ..a
    })
}

/// Row of each key, one pass over the bucket.
fn find_rows(bucket: &Bucket, keys: &[String]) -> Vec<Option<usize>> {
    let hashes: BTreeMap<u64, usize> = keys.iter().enumerate().map(|(i, k)| (crate::model::keys::stable_hash(k.as_bytes()), i)).collect();
    let mut rows = vec![None; keys.len()];
    for row in 0..bucket.rows() {
        if let Some(&i) = hashes.get(&bucket.keys.hash(row))
            && keys.get(i).is_some_and(|k| k.as_bytes() == bucket.keys.get(row))
            && let Some(slot) = rows.get_mut(i)
        {
            *slot = Some(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::tests::anomaly;
    use super::*;

    fn bucket(i: i64, keys: &[&str]) -> Bucket {
        let mut b = Bucket::empty(i * 1000, 1000, 1, 0);
        for k in keys {
            b.keys.push(k.as_bytes());
            b.doc_counts.push(2);
            b.columns[0].push(i as f64);
        }
        b
    }

    #[test]
    fn a_reported_entity_is_shown_with_its_past() {
        let mut c = Collector::new("web", vec!["requests".into()]);
        for i in 0..3 {
            c.judged(&bucket(i, &["a", "b"]), &[]);
        }
        c.judged(&bucket(3, &["b"]), &[anomaly("b", 3000, 90.0)]);
        c.judged(&bucket(4, &["a"]), &[]);
        let (timeline, series) = c.finish();
        assert_eq!(timeline.iter().map(|p| p.documents).collect::<Vec<_>>(), [4, 4, 4, 2, 2]);
        assert_eq!(series.len(), 1);
        let actual: Vec<f64> = series[0].points.iter().map(|p| p.actual).collect();
        assert_eq!(actual[..4], [0.0, 1.0, 2.0, 3.0]);
        assert!(actual[4].is_nan());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut c = Collector::new("web", vec!["requests".into()]);
        for i in 0..5000 {
            c.judged(&bucket(i, &["a"]), &[anomaly(&format!("e{i}"), i * 1000, 50.0)]);
        }
        assert!(c.timeline.len() <= MAX_TIMELINE && c.past.len() <= MAX_PAST_BUCKETS && c.followed.len() <= MAX_ENTITIES);
        assert_eq!(c.timeline.iter().map(|p| p.documents).sum::<u64>(), 10_000);
    }
}
