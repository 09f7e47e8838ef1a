//! Stories: consecutive anomalies of one entity are one event, and must not poison its baseline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets without a report after which an entity's next anomaly begins a new story.
pub const QUIET_BUCKETS: i64 = 12;
/// Buckets in a row that are kept out of the baseline; after that the entity is taken to have changed for good and its
/// rows count again, so that alarms about a new level end after about an hour of five-minute buckets.
pub const ADAPT_BUCKETS: u32 = 12;
/// Buckets of reports after which an alarm has been said: a day of them, within these bounds. What goes on after that is reported only
/// when it becomes [`WORSE`]. This ends alarms even where a detector never gets used to an entity that is unlike all others.
const SAID_BUCKETS: (f64, f64) = (24.0, 288.0);
/// Decades of surprise above all that the story had before, and the share of that: far out a surprise is extrapolated, and a decade of
/// thirty is no news.
const WORSE: f64 = 1.0;
const WORSE_SHARE: f64 = 0.2;
/// Weight of a row of an entity that seems to have changed for good.
const ADAPT_WEIGHT: f64 = 0.5;

/// A run of anomalies of one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Id of its first anomaly.
    pub id: String,
    /// Start of its first bucket, milliseconds of the epoch.
    pub since_ms: i64,
    last_ms: i64,
    buckets: u32,
    /// Largest surprise that was reported.
    peak: f64,
}

/// Open stories by entity key hash, bounded by the number of anomalies in the quiet period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stories {
    open: BTreeMap<u64, Story>,
}

impl Stories {
    /// The open story of an entity, if its last anomaly is not too long ago.
    pub fn open(&self, key_hash: u64, bucket_start_ms: i64, span_ms: i64) -> Option<&Story> {
        self.open.get(&key_hash).filter(|s| bucket_start_ms - s.last_ms <= QUIET_BUCKETS * span_ms)
    }

    /// Weight with which a row is learned: 1 for a normal one, 0 for one that was reported, more again once it lasts.
    pub fn learn_weight(&self, key_hash: u64, bucket_start_ms: i64, span_ms: i64, is_reported: bool) -> f64 {
        if !is_reported {
            return 1.0;
        }
        let lasted = self.open(key_hash, bucket_start_ms, span_ms).map_or(0, |s| s.buckets);
        if lasted >= ADAPT_BUCKETS { ADAPT_WEIGHT } else { 0.0 }
    }

    /// Whether a row above the threshold is the rest of a story that was told: it is not reported again.
    pub fn is_said(&self, key_hash: u64, bucket_start_ms: i64, span_ms: i64, buckets_per_day: f64, surprise: f64) -> bool {
        let enough = buckets_per_day.clamp(SAID_BUCKETS.0, SAID_BUCKETS.1);
        self.open(key_hash, bucket_start_ms, span_ms)
            .is_some_and(|s| f64::from(s.buckets) >= enough && surprise < s.peak + WORSE.max(WORSE_SHARE * s.peak))
    }

    /// Keeps a story open that goes on without being reported.
    pub fn go_on(&mut self, key_hash: u64, bucket_start_ms: i64) {
        if let Some(story) = self.open.get_mut(&key_hash) {
            story.last_ms = story.last_ms.max(bucket_start_ms);
        }
    }

    /// Notes that an anomaly of an entity was reported, and closes what has been quiet for long.
    pub fn note(&mut self, key_hash: u64, id: &str, bucket_start_ms: i64, span_ms: i64, surprise: f64) {
        let continued = self.open(key_hash, bucket_start_ms, span_ms).is_some();
        let fresh = || Story { id: id.into(), since_ms: bucket_start_ms, last_ms: bucket_start_ms, buckets: 0, peak: 0.0 };
        let story = self.open.entry(key_hash).or_insert_with(fresh);
        if !continued {
            *story = fresh();
        }
        story.last_ms = bucket_start_ms;
        story.buckets += 1;
        story.peak = story.peak.max(surprise);
    }

    /// Forgets stories that have been quiet for long.
    pub fn close_quiet(&mut self, bucket_start_ms: i64, span_ms: i64) {
        self.open.retain(|_, s| bucket_start_ms - s.last_ms <= QUIET_BUCKETS * span_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_goes_on_until_it_is_quiet_and_adapts_when_it_lasts() {
        let mut s = Stories::default();
        assert_eq!(s.learn_weight(1, 0, 10, false), 1.0);
        for i in 0..20 {
            let w = s.learn_weight(1, i * 10, 10, true);
            assert_eq!(w, if i < i64::from(ADAPT_BUCKETS) { 0.0 } else { ADAPT_WEIGHT });
            s.note(1, &format!("a{i}"), i * 10, 10, 4.0);
        }
        assert_eq!(s.open(1, 200, 10).map(|x| (x.id.as_str(), x.since_ms)), Some(("a0", 0)));
        assert_eq!(s.open(1, 190 + 130, 10), None);
        s.note(1, "b", 400, 10, 4.0);
        assert_eq!(s.open(1, 400, 10).map(|x| x.id.as_str()), Some("b"));
        s.close_quiet(10_000, 10);
        assert_eq!(s, Stories::default());
    }

    #[test]
    fn what_was_said_for_a_day_is_said_again_only_when_it_gets_worse_or_was_quiet() {
        let mut s = Stories::default();
        for i in 0..24 {
            assert!(!s.is_said(1, i * 10, 10, 24.0, 5.0));
            s.note(1, "a", i * 10, 10, 5.0);
        }
        for i in 24..100 {
            assert!(s.is_said(1, i * 10, 10, 24.0, 5.9) && !s.is_said(1, i * 10, 10, 24.0, 6.0));
            s.go_on(1, i * 10);
        }
        s.note(1, "a", 990, 10, 30.0);
        assert!(s.is_said(1, 1_000, 10, 24.0, 35.0) && !s.is_said(1, 1_000, 10, 24.0, 36.0), "a decade of thirty is no news");
        assert!(!s.is_said(1, 1_120, 10, 24.0, 5.0), "after a quiet time it is news");
        assert!(!s.is_said(2, 240, 10, 24.0, 5.0) && !s.is_said(1, 1_000, 10, 288.0, 5.0));
    }
}
