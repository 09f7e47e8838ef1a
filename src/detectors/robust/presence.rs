//! Silence: an entity that is expected and does not appear.
//!
//! Presence is a chain of two states. With `a` the chance to fall silent and `b` the chance to stay so, both learned, a silence of `r`
//! buckets has the probability `a b^(r - 1)`. An entity that was always there is missed at once; one that comes and goes is not.

use serde::{Deserialize, Serialize};

/// Buckets remembered.
const MEMORY: f32 = 2000.0;
/// Buckets an entity has to be known for before its silence means something.
const KNOWN: f32 = 12.0;
/// Share of buckets in which an entity has to appear to be expected.
const REGULAR: f32 = 0.8;
/// Buckets of silence after which an entity is gone, and no longer expected.
const GONE: u32 = 288;

/// What is known about the presence of one entity (32 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Presence {
    present: f32,
    falls: f32,
    absent: f32,
    stays: f32,
    /// Documents of a bucket, as a mean over recent ones.
    pub(super) documents: f32,
    /// Surprise of the silence so far, and its buckets that were counted.
    run: f32,
    silent: u32,
    /// Ordinal of the bucket it was last seen in.
    last: u32,
}

impl Presence {
    /// Ought it to have a row in every bucket?
    pub(super) fn is_expected(&self) -> bool {
        self.present >= KNOWN && self.present >= REGULAR * (self.present + self.absent) && self.silent < GONE
    }

    /// Surprise of a bucket without documents.
    pub(super) fn surprise_of_silence(&self) -> f32 {
        if self.present < KNOWN {
            return 0.0;
        }
        let chance = if self.silent > 0 { (self.stays + 0.5) / (self.absent + 2.0) } else { (self.falls + 0.5) / (self.present + 1.0) };
        self.run - chance.min(1.0).log10()
    }

    /// Learns a bucket, which has this ordinal; `documents` is 0 for silence.
    pub(super) fn learn(&mut self, ordinal: u32, documents: u64) {
        if documents == 0 {
            self.run = self.surprise_of_silence();
            self.count_silence(1);
            return;
        }
        // Buckets that had no row at all, because it was not expected.
        let missed = if self.present > 0.0 { ordinal.saturating_sub(self.last).saturating_sub(1).saturating_sub(self.silent) } else { 0 };
        self.count_silence(missed);
        self.present += 1.0;
        self.documents += (documents as f32 - self.documents) / self.present.min(288.0);
        (self.run, self.silent, self.last) = (0.0, 0, ordinal);
        if self.present > MEMORY {
            self.present *= 0.5;
            self.falls *= 0.5;
        }
        if self.absent > MEMORY {
            self.absent *= 0.5;
            self.stays *= 0.5;
        }
    }

    fn count_silence(&mut self, buckets: u32) {
        if buckets > 0 {
            let falls = if self.silent == 0 { 1.0 } else { 0.0 };
            self.falls += falls;
            self.absent += buckets as f32;
            self.stays += buckets as f32 - falls;
            self.silent = self.silent.saturating_add(buckets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_entity_is_missed_and_a_sporadic_one_is_not() {
        let mut steady = Presence::default();
        (0..500).for_each(|i| steady.learn(i, 10));
        assert!(steady.is_expected() && steady.documents == 10.0);
        assert!(steady.surprise_of_silence() > 2.9);
        (500..505).for_each(|i| steady.learn(i, 0));
        assert!(steady.surprise_of_silence() > 3.5);
        let mut sporadic = Presence::default();
        (0..2000).filter(|i| i % 50 >= 20).for_each(|i| sporadic.learn(i, 1));
        assert!(!sporadic.is_expected());
        assert!((sporadic.absent - 780.0).abs() < 1.0, "{sporadic:?}");
        (2000..2020).for_each(|i| sporadic.learn(i, 0));
        assert!(sporadic.surprise_of_silence() < 2.5, "{}", sporadic.surprise_of_silence());
    }

    #[test]
    fn who_is_gone_is_no_longer_expected_and_the_unknown_are_not_missed() {
        assert_eq!(Presence::default().surprise_of_silence(), 0.0);
        assert!(!Presence::default().is_expected());
        let mut gone = Presence::default();
        (0..500).for_each(|i| gone.learn(i, 1));
        (500..500 + GONE).for_each(|i| gone.learn(i, 0));
        assert!(!gone.is_expected());
        gone.learn(5000, 1);
        assert!(gone.silent == 0 && gone.absent > 2000.0);
    }
}
