//! What happened around the findings: counts per bucket, and values over time of reported entities.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::model::{Anomaly, Bucket};

/// Rows of past buckets that are kept so that an entity's time before its first finding can be shown.
const MAX_PAST_ROWS: usize = 100_000;
/// Past buckets that are kept.
const MAX_PAST_BUCKETS: usize = 288;
/// Entities followed; the first that are reported.
const MAX_ENTITIES: usize = 60;
/// Points kept of one entity when there are many; beyond that every second one far from findings goes.
const MAX_POINTS: usize = 800;
/// Points that all entities may share while there are few.
const FEW_POINTS: usize = 6_400;
/// Points before and after a finding that stay.
const NEAR: usize = 48;
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
    /// Far from findings one bucket in so many has a point.
    pub every: usize,
}

/// Collects, bucket by bucket, what a report shows beside the findings themselves. Memory is bounded.
#[derive(Debug, Default)]
pub struct Collector {
    job: String,
    features: Vec<String>,
    timeline: Vec<TimelinePoint>,
    past: VecDeque<Bucket>,
    past_rows: usize,
    followed: BTreeMap<String, Followed>,
}

/// What is known of a reported entity over time.
#[derive(Debug, Default)]
struct Followed {
    points: Vec<Point>,
    noted: usize,
    /// Far from findings one point in `2^halvings` stays.
    halvings: u32,
    /// Points that still stay because a finding was shortly before.
    near: usize,
}

#[derive(Debug)]
struct Point {
    number: usize,
    start_ms: i64,
    /// By feature.
    values: Vec<f64>,
    stays: bool,
}

impl Followed {
    fn note(&mut self, start_ms: i64, values: Vec<f64>, most: usize) {
        self.points.push(Point { number: self.noted, start_ms, values, stays: self.near > 0 });
        self.noted += 1;
        self.near = self.near.saturating_sub(1);
        while self.points.len() > most && 1 << self.halvings < self.noted {
            self.halvings += 1;
            let (every, latest) = (1 << self.halvings, self.noted.saturating_sub(NEAR));
            self.points.retain(|p| p.stays || p.number >= latest || p.number.is_multiple_of(every));
        }
        // Findings all along: what is kept has to become less all the same.
        if self.points.len() > most {
            let mut is_odd = false;
            self.points.retain(|_| {
                is_odd = !is_odd;
                is_odd
            });
        }
    }

    /// A finding is in the next point.
    fn found(&mut self) {
        self.points.iter_mut().rev().take(NEAR).for_each(|p| p.stays = true);
        self.near = NEAR + 1;
    }
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
            if let Some(followed) = self.followed.get_mut(&a.entity_key) {
                followed.found();
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
        self.followed.insert(key.to_owned(), Followed::default());
        let past = std::mem::take(&mut self.past);
        for bucket in &past {
            let row = find_rows(bucket, &[key.to_owned()]).first().copied().flatten();
            self.note(key, bucket, row);
        }
        self.past = past;
    }

    fn note(&mut self, key: &str, bucket: &Bucket, row: Option<usize>) {
        let most = MAX_POINTS.max(FEW_POINTS / self.followed.len().max(1));
        let Some(followed) = self.followed.get_mut(key) else { return };
        let value = |column: &Vec<f64>| row.and_then(|r| column.get(r)).copied().unwrap_or(f64::NAN);
        followed.note(bucket.start_ms, bucket.columns.iter().map(value).collect(), most);
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
        for (entity, followed) in self.followed {
            let every = followed.points.windows(2).map(|w| w[1].number - w[0].number).max().unwrap_or(1);
            for (i, feature) in self.features.iter().enumerate() {
                let point = |p: &Point| SeriesPoint { start_ms: p.start_ms, actual: p.values.get(i).copied().unwrap_or(f64::NAN) };
                let points: Vec<SeriesPoint> = followed.points.iter().map(point).collect();
                if points.iter().any(|p| p.actual.is_finite()) {
                    series.push(Series { job: self.job.clone(), entity: entity.clone(), feature: feature.clone(), points, every });
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
    fn of_a_long_series_the_time_around_its_findings_stays_as_it_was() {
        let mut c = Collector::new("web", vec!["requests".into()]);
        let others: Vec<Anomaly> = (0..9).map(|i| anomaly(&format!("other{i}"), 0, 50.0)).collect();
        c.judged(&bucket(-1, &["a"]), &others);
        for i in 0..5_000 {
            let found = if [100, 2_500].contains(&i) { vec![anomaly("a", i * 1000, 50.0)] } else { Vec::new() };
            c.judged(&bucket(i, &["a"]), &found);
        }
        let (_, series) = c.finish();
        assert_eq!(series.len(), 1, "the others never showed a value");
        let starts: Vec<i64> = series[0].points.iter().map(|p| p.start_ms / 1000).collect();
        assert!(starts.len() <= MAX_POINTS && starts.windows(2).all(|w| w[0] < w[1]));
        for near in (100 - 47..=100 + 48).chain(2_500 - 47..=2_500 + 48) {
            assert!(starts.contains(&near), "{near} is not among {starts:?}");
        }
        assert!(*starts.last().unwrap() > 4_900, "the end is there");
        assert!(series[0].every > 1 && starts.windows(2).all(|w| (w[1] - w[0]) as usize <= series[0].every), "far from them they are evenly thinned");
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
