//! Stories: consecutive anomalies of one entity are one event, and must not poison its baseline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets without a report after which an entity's next anomaly begins a new story.
pub const QUIET_BUCKETS: i64 = 12;
/// Buckets in a row that are kept out of the baseline; after that the entity is taken to have changed for good and its
/// rows count again, so that alarms about a new level end after about an hour of five-minute buckets.
pub const ADAPT_BUCKETS: u32 = 12;
/// Weight of a row of an entity that seems to have changed for good.
const ADAPT_WEIGHT: f64 = 0.5;

/// A run of anomalies of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Id of its first anomaly.
    pub id: String,
    /// Start of its first bucket, milliseconds of the epoch.
    pub since_ms: i64,
    last_ms: i64,
    buckets: u32,
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

    /// Notes that an anomaly of an entity was reported, and closes what has been quiet for long.
    pub fn note(&mut self, key_hash: u64, id: &str, bucket_start_ms: i64, span_ms: i64) {
        let continued = self.open(key_hash, bucket_start_ms, span_ms).is_some();
        let story =
            self.open.entry(key_hash).or_insert_with(|| Story { id: id.into(), since_ms: bucket_start_ms, last_ms: bucket_start_ms, buckets: 0 });
        if !continued {
            *story = Story { id: id.into(), since_ms: bucket_start_ms, last_ms: bucket_start_ms, buckets: 0 };
        }
        story.last_ms = bucket_start_ms;
        story.buckets += 1;
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
            s.note(1, &format!("a{i}"), i * 10, 10);
        }
        assert_eq!(s.open(1, 200, 10).map(|x| (x.id.as_str(), x.since_ms)), Some(("a0", 0)));
        assert_eq!(s.open(1, 190 + 130, 10), None);
        s.note(1, "b", 400, 10);
        assert_eq!(s.open(1, 400, 10).map(|x| x.id.as_str()), Some("b"));
        s.close_quiet(10_000, 10);
        assert_eq!(s, Stories::default());
    }
}
