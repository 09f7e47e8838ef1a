//! What is remembered of keyword values: per entity and over all entities, in bounded memory, fading with age.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Slot;

const DAY_MS: f64 = 86_400_000.0;

/// Buckets in which a value came, with the logarithms of how often. Weighted sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Sum of weights: buckets in which it came.
    pub buckets: f64,
    /// Sum of weight times ln count.
    pub ln: f64,
    /// Sum of weight times ln² count.
    pub ln2: f64,
}

impl Moments {
    fn add(&mut self, weight: f64, ln: f64) {
        self.buckets += weight;
        self.ln += weight * ln;
        self.ln2 += weight * ln * ln;
    }

    fn scaled(self, by: f64) -> Self {
        Self { buckets: self.buckets * by, ln: self.ln * by, ln2: self.ln2 * by }
    }

    /// Mean of ln count, if it ever came.
    pub fn mean(&self) -> Option<f64> {
        (self.buckets > 1e-9).then(|| self.ln / self.buckets)
    }

    /// Sum of squared deviations of ln count from its mean.
    pub fn squares(&self) -> f64 {
        if self.buckets > 1e-9 { (self.ln2 - self.ln * self.ln / self.buckets).max(0.0) } else { 0.0 }
    }
}

/// Fading without a pass over the memory: observations are stored with a weight that doubles every half-life, and read
/// divided by the weight of now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fade {
    half_life_ms: f64,
    origin_ms: Option<i64>,
}

impl Fade {
    /// Everything halves in this many days.
    pub fn new(half_life_days: f64) -> Self {
        Self { half_life_ms: half_life_days.max(1e-3) * DAY_MS, origin_ms: None }
    }

    /// Sets the time of weight 1, once.
    pub fn start(&mut self, at_ms: i64) {
        self.origin_ms.get_or_insert(at_ms);
    }

    /// Weight that an observation at `at_ms` is stored with.
    pub fn gain(&self, at_ms: i64) -> f64 {
        self.origin_ms.map_or(1.0, |o| ((at_ms - o) as f64 / self.half_life_ms).clamp(-900.0, 900.0).exp2())
    }
}

/// Counts of keyword values. Old observations count less: everything halves in `half_life`, which costs no pass over the
/// memory because new observations are stored with a larger weight instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueMemory {
    fade: Fade,
    max_values: usize,
    max_values_per_entity: usize,
    all: BTreeMap<u64, Moments>,
    entities: Vec<Vec<(u64, Moments)>>,
    entity_buckets: f64,
    novelties: f64,
    evicted: u64,
}

impl ValueMemory {
    /// Empty, with bounds on the values remembered over all entities and per entity.
    pub fn new(half_life_days: f64, max_values: usize, max_values_per_entity: usize) -> Self {
        Self {
            fade: Fade::new(half_life_days),
            max_values: max_values.max(1),
            max_values_per_entity: max_values_per_entity.max(1),
            all: BTreeMap::new(),
            entities: Vec::new(),
            entity_buckets: 0.0,
            novelties: 0.0,
            evicted: 0,
        }
    }

    fn gain(&self, at_ms: i64) -> f64 {
        self.fade.gain(at_ms)
    }

    /// What is known of a value of an entity, as of `at_ms`.
    pub fn of_entity(&self, slot: Option<usize>, value: u64, at_ms: i64) -> Moments {
        let list = slot.and_then(|s| self.entities.get(s));
        let found = list.and_then(|l| l.binary_search_by_key(&value, |e| e.0).ok().map(|i| l[i].1));
        found.unwrap_or_default().scaled(1.0 / self.gain(at_ms))
    }

    /// What is known of a value over all entities, as of `at_ms`.
    pub fn of_all(&self, value: u64, at_ms: i64) -> Moments {
        self.all.get(&value).copied().unwrap_or_default().scaled(1.0 / self.gain(at_ms))
    }

    /// Entities times buckets that were watched, as of `at_ms`.
    pub fn entity_buckets(&self, at_ms: i64) -> f64 {
        self.entity_buckets / self.gain(at_ms)
    }

    /// How often an entity showed a value that it had not shown before, as of `at_ms`.
    pub fn novelties(&self, at_ms: i64) -> f64 {
        self.novelties / self.gain(at_ms)
    }

    /// Buckets that an entity was watched for, when it was first seen at `first_ms`: each older one counts less.
    pub fn watched(&self, first_ms: i64, at_ms: i64, span_ms: i64) -> f64 {
        let n = (at_ms - first_ms).max(0) as f64 / span_ms.max(1) as f64;
        let decay = (-(span_ms.max(1) as f64) / self.fade.half_life_ms).exp2();
        if 1.0 - decay < 1e-12 { n } else { (1.0 - decay.powf(n)) / (1.0 - decay) }
    }

    /// Counts `entities` as watched for `buckets` at `at_ms`. Call once per bucket, before its rows.
    pub fn watch(&mut self, at_ms: i64, entities: f64, buckets: f64) {
        self.fade.start(at_ms);
        self.entity_buckets += entities * buckets * self.gain(at_ms);
    }

    /// Adds one row's count of one value.
    pub fn observe(&mut self, slot: Slot, value: u64, count: u64, at_ms: i64, weight: f64) {
        if weight.is_nan() || weight <= 0.0 {
            return;
        }
        let w = weight * self.gain(at_ms);
        let ln = (count.max(1) as f64).ln();
        let slot = slot as usize;
        if self.entities.len() <= slot {
            self.entities.resize_with(slot + 1, Vec::new);
        }
        let list = &mut self.entities[slot];
        match list.binary_search_by_key(&value, |e| e.0) {
            Ok(i) => list[i].1.add(w, ln),
            Err(i) => {
                self.novelties += w;
                let mut m = Moments::default();
                m.add(w, ln);
                list.insert(i, (value, m));
                if list.len() > self.max_values_per_entity {
                    drop_weakest(list, value);
                    self.evicted += 1;
                }
            }
        }
        self.all.entry(value).or_default().add(w, ln);
    }

    /// Keeps the bound on values over all entities: the least seen go, a sixteenth at once. Call after a bucket's rows.
    pub fn trim(&mut self) {
        if self.all.len() <= self.max_values {
            return;
        }
        let excess = self.all.len() - self.max_values + self.max_values / 16;
        let mut order: Vec<(f64, u64)> = self.all.iter().map(|(v, m)| (m.buckets, *v)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, value) in order.into_iter().take(excess) {
            self.all.remove(&value);
            self.evicted += 1;
        }
    }

    /// Forgets entities.
    pub fn forget(&mut self, slots: &[Slot]) {
        for &s in slots {
            if let Some(list) = self.entities.get_mut(s as usize) {
                *list = Vec::new();
            }
        }
    }
}

/// Drops the least seen value of an entity, but not the one that just came.
fn drop_weakest(list: &mut Vec<(u64, Moments)>, newest: u64) {
    let weakest = list.iter().enumerate().filter(|(_, e)| e.0 != newest).min_by(|a, b| a.1.1.buckets.total_cmp(&b.1.1.buckets));
    if let Some(i) = weakest.map(|(i, _)| i) {
        list.remove(i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_halve_with_age() {
        let mut m = ValueMemory::new(1.0, 10, 10);
        m.watch(0, 3.0, 2.0);
        m.observe(0, 7, 8, 0, 1.0);
        let day = DAY_MS as i64;
        assert_eq!(m.of_all(7, 0).buckets, 1.0);
        assert!((m.of_entity(Some(0), 7, day).buckets - 0.5).abs() < 1e-9);
        assert!((m.of_all(7, day).mean().unwrap_or(0.0) - 8f64.ln()).abs() < 1e-9);
        assert!((m.entity_buckets(day) - 3.0).abs() < 1e-9 && (m.novelties(day) - 0.5).abs() < 1e-9);
        assert_eq!(m.of_entity(None, 7, 0), Moments::default());
        let watched = m.watched(0, 10 * day, day);
        assert!(watched > 1.9 && watched < 2.0, "{watched}");
        assert_eq!(m.watched(5, 0, 0), 0.0);
    }

    #[test]
    fn memory_is_bounded_and_evictions_are_counted() {
        let mut m = ValueMemory::new(30.0, 8, 4);
        for v in 0..100u64 {
            m.observe((v % 3) as Slot, v, 1, 0, 1.0);
            m.observe(0, 1_000, 1, 0, 1.0);
            m.trim();
        }
        assert!(m.all.len() <= 8 && m.entities.iter().all(|l| l.len() <= 4) && m.evicted > 80);
        assert!(m.of_all(1_000, 0).buckets > 90.0, "the most seen stays");
        m.forget(&[0, 99]);
        assert_eq!(m.of_entity(Some(0), 1_000, 0), Moments::default());
        m.observe(0, 1, 1, 0, f64::NAN);
        assert_eq!(m.of_entity(Some(0), 1, 0), Moments::default());
    }
}
