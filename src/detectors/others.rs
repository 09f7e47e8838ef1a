//! What the other entities show at the moment: attacks and outages rarely touch one entity only.
//!
//! The strongest surprise of any *other* entity, in this bucket or fading since an earlier one, is evidence that
//! something is going on. It is corrected for how many rows it is the strongest of (Bonferroni: among `m` rows a
//! surprise of `log10 m` is expected), so that on quiet days it is zero. What is left raises the prior odds that this row
//! belongs to it, and log odds add to a surprise. The bonus is bounded: a row that is itself quite normal stays below
//! what is reported.

use serde::{Deserialize, Serialize};

/// Largest bonus: the prior probability of "part of what is going on" rises by at most four decades.
pub const MAX_BONUS: f64 = 4.0;

/// The strongest recent surprises, and how many rows they are the strongest of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    fade_ms: f64,
    at_ms: i64,
    rows: f64,
    best: Strongest,
}

/// The two strongest surprises of different entities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Strongest {
    first: (u64, f64),
    second: (u64, f64),
}

impl Strongest {
    fn add(&mut self, key: u64, s: f64) {
        if !s.is_finite() || s <= 0.0 {
            return;
        }
        // Ties go to the smaller key, so that the order of rows does not matter.
        let above = |s: f64, key: u64, x: (u64, f64)| s > x.1 || (s == x.1 && key < x.0);
        if key == self.first.0 {
            self.first.1 = self.first.1.max(s);
        } else if above(s, key, self.first) {
            (self.second, self.first) = (self.first, (key, s));
        } else if above(s, key, self.second) {
            self.second = (key, s);
        }
    }

    fn of_others(&self, key: u64) -> f64 {
        if key == self.first.0 { self.second.1 } else { self.first.1 }
    }

    fn faded(self, factor: f64) -> Self {
        Self { first: (self.first.0, self.first.1 * factor), second: (self.second.0, self.second.1 * factor) }
    }
}

impl Others {
    /// With surprises that fade to `1/e` in `fade_ms` (0 or less: no bonus at all).
    pub fn new(fade_ms: f64) -> Self {
        Self { fade_ms, ..Self::default() }
    }

    /// Whether it ever gives a bonus.
    pub fn is_used(&self) -> bool {
        self.fade_ms > 0.0
    }

    fn factor(&self, at_ms: i64) -> f64 {
        if self.is_used() { (-((at_ms - self.at_ms).max(0) as f64) / self.fade_ms).exp() } else { 0.0 }
    }

    /// Bonus of each row of a bucket that starts at `at_ms`; `own` are the rows' own surprises, `keys` their entities.
    pub fn bonuses(&self, at_ms: i64, keys: &[u64], own: &[f64]) -> Vec<f64> {
        if !self.is_used() {
            return vec![0.0; own.len()];
        }
        let factor = self.factor(at_ms);
        let mut best = self.best.faded(factor);
        keys.iter().zip(own).for_each(|(&k, &s)| best.add(k, s));
        let rows = self.rows * factor + own.len() as f64 - 1.0;
        let expected = rows.max(1.0).log10();
        keys.iter().map(|&k| (best.of_others(k) - expected).clamp(0.0, MAX_BONUS)).collect()
    }

    /// Remembers a judged bucket.
    pub fn learn(&mut self, at_ms: i64, keys: &[u64], own: &[f64]) {
        let factor = self.factor(at_ms);
        self.best = self.best.faded(factor);
        self.rows = self.rows * factor + own.len() as f64;
        keys.iter().zip(own).for_each(|(&k, &s)| self.best.add(k, s));
        self.at_ms = self.at_ms.max(at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_helped_by_others_only_and_the_effect_fades() {
        let mut o = Others::new(1_800_000.0);
        let now = o.bonuses(0, &[1, 2, 3], &[5.0, 0.5, 0.2]);
        assert!(now[0] < 0.3 && now[1] == MAX_BONUS && now[2] == MAX_BONUS, "{now:?}");
        o.learn(0, &[1, 2, 3], &[5.0, 0.5, 0.2]);
        let soon = o.bonuses(300_000, &[2], &[0.1]);
        let late = o.bonuses(7_200_000, &[2], &[0.1]);
        assert!(soon[0] > 3.0 && late[0] < 0.5, "{soon:?} {late:?}");
        assert!(o.bonuses(300_000, &[1], &[0.1])[0] < 0.1, "its own past is no evidence from others");
    }

    #[test]
    fn the_expected_maximum_of_many_quiet_rows_gives_nothing() {
        let keys: Vec<u64> = (1..=1_000).collect();
        let own: Vec<f64> = (0..1_000).map(|i| -((i as f64 + 0.5) / 1_000.0).log10()).collect();
        assert!(Others::new(1.0).bonuses(0, &keys, &own).iter().all(|b| *b < 0.31));
        assert_eq!(Others::new(0.0).bonuses(0, &[1, 2], &[9.0, 9.0]), [0.0, 0.0]);
        assert!(Others::new(f64::NAN).bonuses(0, &[1], &[f64::NAN])[0] == 0.0);
        assert!(Others::new(1.0).bonuses(0, &[], &[]).is_empty());
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let (mut a, mut b) = (Others::new(1e6), Others::new(1e6));
        a.learn(0, &[1, 2, 3], &[2.0, 3.0, 3.0]);
        b.learn(0, &[3, 2, 1], &[3.0, 3.0, 2.0]);
        assert_eq!(a, b);
    }
}
