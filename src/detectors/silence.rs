//! `silence`: an entity that always spoke and now does not.
//!
//! Per entity it counts buckets present since first seen and how often the entity fell silent after being present. The
//! chance of falling silent at any bucket is estimated as `(falls + prior_falls) / (buckets + prior)`, where the prior is
//! the pooled rate over all entities of the job, worth `PRIOR_BUCKETS` buckets (empirical Bayes on a Bernoulli rate;
//! with no fall in n buckets this is Laplace's rule of succession). Its -log10 is the surprise of the first silent bucket;
//! every further silent bucket in a row adds a little. An entity with few documents may be absent by chance: with `m` documents
//! a bucket on the mean, `k` silent buckets in a row have probability `exp(-k m)` (Poisson), and the surprise is never more.

use serde::{Deserialize, Serialize};

use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::model::problem::counted;
use crate::model::{BucketView, Contributor, Job, Part, Slot};

/// The catalogue entry.
pub const SILENCE: DetectorPart = DetectorPart {
    part: Part {
        name: "silence",
        description: "An entity that was there in every bucket and now is not, judged by how often it and its peers fall silent.",
        example: "{ kind: silence, min_buckets: 24 }",
    },
    build: |_job: &Job, options: &Options| Ok(Box::new(Silence::new(parse_options(options)?))),
};

/// Weight of the pooled rate, in buckets.
const PRIOR_BUCKETS: f64 = 12.0;
/// An entity is expected while its chance of falling silent is at most this.
const MAX_FALL_RATE: f64 = 0.02;
/// Silent buckets in a row after which the entity is taken to be gone and is no longer expected.
const GONE_AFTER: u32 = 24;
/// Buckets over which the number of documents is averaged.
const MEMORY_BUCKETS: u32 = 288;
/// Version of the snapshot.
const VERSION: u8 = 1;

/// Options of the detector.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceOptions {
    /// Buckets an entity must have been known for before its silence means something.
    pub min_buckets: u32,
}

impl Default for SilenceOptions {
    fn default() -> Self {
        Self { min_buckets: 24 }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Presence {
    /// Buckets since first seen in which it was present.
    present: u32,
    /// Times it was present and then absent.
    falls: u32,
    /// Documents in a bucket in which it was present, on the mean.
    documents: f32,
    /// Silent buckets in a row by now.
    silent: u32,
    /// Start of the last bucket it was learned in, so that absence can be noticed.
    last_ms: i64,
}

/// The detector.
#[derive(Debug)]
pub struct Silence {
    options: SilenceOptions,
    state: State,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    entities: Vec<Presence>,
    pooled_present: f64,
    pooled_falls: f64,
}

impl Silence {
    /// A fresh one.
    pub fn new(options: SilenceOptions) -> Self {
        Self { options, state: State::default() }
    }

    /// Chance of falling silent at a bucket.
    fn fall_rate(&self, p: &Presence) -> f64 {
        let pooled = (self.state.pooled_falls + 0.5) / (self.state.pooled_present + 1.0);
        (f64::from(p.falls) + pooled.min(1.0) * PRIOR_BUCKETS) / (f64::from(p.present) + PRIOR_BUCKETS)
    }

    fn is_regular(&self, p: &Presence) -> bool {
        p.present >= self.options.min_buckets && p.silent < GONE_AFTER && self.fall_rate(p) <= MAX_FALL_RATE
    }

    fn of(&self, slot: Option<usize>) -> Presence {
        slot.and_then(|s| self.state.entities.get(s)).copied().unwrap_or_default()
    }
}

impl Detector for Silence {
    fn name(&self) -> &'static str {
        "silence"
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        let surprise = |row: usize| {
            let p = self.of(view.slot(row));
            if !view.is_imputed(row) || !self.is_regular(&p) {
                return 0.0;
            }
            let fall = self.fall_rate(&p).clamp(1e-9, 1.0);
            let by_habit = -fall.log10() + f64::from(p.silent.min(6)) * 0.3;
            let by_chance = std::f64::consts::LOG10_E * f64::from(p.documents) * f64::from(p.silent + 1);
            by_habit.min(by_chance)
        };
        (0..view.rows()).map(surprise).collect()
    }

    fn learn(&mut self, view: &BucketView<'_>, _weights: &[f64]) {
        let now = view.bucket.start_ms;
        for row in 0..view.rows() {
            let Some(slot) = view.slot(row) else { continue };
            if self.state.entities.len() <= slot {
                self.state.entities.resize(slot + 1, Presence::default());
            }
            let p = &mut self.state.entities[slot];
            if view.is_imputed(row) {
                p.silent += 1;
                // A fall counts once it has lasted: a short gap is one fall, a long silence is not many.
                if p.silent == 1 {
                    p.falls += 1;
                    self.state.pooled_falls += 1.0;
                }
                p.last_ms = now;
                continue;
            }
            let missed = p.present > 0 && p.last_ms < now - view.bucket.span_ms;
            if missed {
                p.falls += 1;
                self.state.pooled_falls += 1.0;
            }
            p.present = p.present.saturating_add(1);
            let documents = view.bucket.doc_counts.get(row).copied().unwrap_or(0) as f32;
            p.documents += (documents - p.documents) / (p.present.min(MEMORY_BUCKETS) as f32);
            p.silent = 0;
            p.last_ms = now;
            self.state.pooled_present += 1.0;
        }
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let p = self.of(view.slot(row));
        let surprise = self.score(view).get(row).copied().unwrap_or(0.0);
        let reference = format!(
            "was there in {} and fell silent {} before",
            counted(p.present.into(), "bucket", "buckets"),
            counted(p.falls.into(), "time", "times")
        );
        let usual = f64::from(p.documents);
        vec![Contributor { title: "documents".into(), ..Contributor::new("doc_count", 0.0, usual, surprise, &reference) }]
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let present = f64::from(self.of(view.slot(row)).present);
        present / (present + f64::from(self.options.min_buckets))
    }

    fn forget(&mut self, slots: &[Slot]) {
        for &s in slots {
            if let Some(p) = self.state.entities.get_mut(s as usize) {
                *p = Presence::default();
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(VERSION, &self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.state = unpack(VERSION, bytes)?;
        Ok(())
    }

    /// A chance estimated from the job's own past is what it says already.
    fn is_calibrated(&self) -> bool {
        true
    }

    fn expected(&self) -> Vec<Slot> {
        let entities = self.state.entities.iter().enumerate();
        entities.filter(|(_, p)| self.is_regular(p)).map(|(s, _)| s as Slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entity::intern_text;
    use crate::model::{Bucket, EntityTable};

    fn bucket(i: i64, keys: &[(&str, bool)]) -> Bucket {
        let mut b = Bucket::empty(i * 1_000, 1_000, 0, 0);
        for (k, imputed) in keys {
            b.keys.push(k.as_bytes());
            b.doc_counts.push(if *imputed { 0 } else { 20 });
            b.imputed.push(*imputed);
        }
        b
    }

    struct Bench {
        table: EntityTable,
        detector: Silence,
    }

    impl Bench {
        fn new() -> Self {
            Self { table: EntityTable::new(100), detector: Silence::new(SilenceOptions::default()) }
        }

        fn step(&mut self, i: i64, keys: &[(&str, bool)]) -> Vec<f64> {
            let b = bucket(i, keys);
            let slots: Vec<_> = keys.iter().map(|(k, _)| intern_text(&mut self.table, k, i)).collect();
            let view = BucketView { bucket: &b, slots: &slots, table: &self.table, hour_of_week: 0 };
            let scores = self.detector.score(&view);
            self.detector.learn(&view, &[]);
            scores
        }
    }

    #[test]
    fn a_steady_service_that_stops_is_a_surprise_that_grows_and_then_ends() {
        let mut x = Bench::new();
        for i in 0..200 {
            x.step(i, &[("feed", false), ("shop", false)]);
        }
        assert_eq!(x.detector.expected(), [0, 1]);
        let first = x.step(200, &[("feed", true), ("shop", false)]);
        assert!(first[0] > 2.0 && first[1] == 0.0, "{first:?}");
        let second = x.step(201, &[("feed", true), ("shop", false)]);
        assert!(second[0] > 0.0);
        for i in 202..240 {
            x.step(i, &[("feed", true), ("shop", false)]);
        }
        assert_eq!(x.detector.expected(), [1]);
    }

    #[test]
    fn visitors_who_come_and_go_are_not_expected() {
        let mut x = Bench::new();
        for i in 0..100 {
            if i % 3 != 0 {
                x.step(i, &[("visitor", false)]);
            }
        }
        assert!(x.detector.expected().is_empty());
        assert_eq!(x.step(100, &[("visitor", true)]), [0.0]);
    }

    #[test]
    fn an_entity_of_few_documents_may_be_absent_by_chance() {
        let mut x = Bench::new();
        (0..200).for_each(|i| drop(x.step(i, &[("feed", false)])));
        x.detector.state.entities[0].documents = 3.0;
        let first = x.step(200, &[("feed", true)])[0];
        assert!((first - 3.0 * std::f64::consts::LOG10_E).abs() < 1e-6, "{first}");
        assert!(x.step(201, &[("feed", true)])[0] > 2.0);
    }

    #[test]
    fn a_snapshot_brings_everything_back() {
        let mut x = Bench::new();
        (0..50).for_each(|i| drop(x.step(i, &[("feed", false)])));
        let mut back = Silence::new(SilenceOptions::default());
        back.restore(&x.detector.snapshot()).unwrap();
        assert_eq!(back.expected(), x.detector.expected());
        back.forget(&[0]);
        assert!(back.expected().is_empty());
        assert!(back.restore(&[9]).is_err());
    }
}
