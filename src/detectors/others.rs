//! What the other entities show at the moment: attacks and outages rarely touch one entity only.
//!
//! The strongest surprise of any *other* entity, in this bucket or fading since an earlier one, is evidence that
//! something is going on. It is corrected for how many rows it is the strongest of (Bonferroni: among `m` rows a
//! surprise of `log10 m` is expected), so that on quiet days it is zero. What is left raises the prior odds that this row
//! belongs to it, and log odds add to a surprise. The bonus is bounded: a row that is itself quite normal stays below
//! what is reported.
//!
//! The sum has two ways of being large, so that it is no tail probability any more. The bonus is one itself: by the same
//! correction it exceeds `b` in a share `q 10^-b` of the rows, where `q` is how often there is one at all, which is learned.
//! With a surprise that exceeds `s` in a share `10^-s` their sum exceeds `x` in `10^-x (1 + q x ln 10)` of the rows: for
//! `q = 1` Fisher's method for two tests (*Statistical Methods for Research Workers*, 4th ed., 1932, ch. 4.21.1).

use serde::{Deserialize, Serialize};

/// Largest bonus: with all that others can show, a row is reported (score 50, a surprise of 3.5) only when it is itself among the
/// strangest tenth or so.
pub const MAX_BONUS: f64 = 3.0;
/// Independent looks by which "there always is a bonus" is known beforehand.
const PRIOR_LOOKS: f64 = 24.0;

/// The strongest recent surprises, and how many rows they are the strongest of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    fade_ms: f64,
    at_ms: i64,
    rows: f64,
    best: Strongest,
    /// Independent looks at how often there is a bonus, and how many of them found one; both fade. Buckets within the time in which
    /// surprises fade see the same ones, so that a bucket is a look only in part.
    looks: f64,
    helped: f64,
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

    fn of_others(&self, key: u64) -> (u64, f64) {
        if key == self.first.0 { self.second } else { self.first }
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
        let (best, expected) = self.now(at_ms, keys, own);
        keys.iter().map(|&k| (best.of_others(k).1 - expected).clamp(0.0, MAX_BONUS)).collect()
    }

    /// What stands behind an entity's bonus: the entity (its hash) that is the strangest but for this one, its surprise, and the
    /// surprise that the strangest of so many rows is expected to have.
    pub fn behind(&self, at_ms: i64, keys: &[u64], own: &[f64], entity: u64) -> (u64, f64, f64) {
        let (best, expected) = self.now(at_ms, keys, own);
        let (other, surprise) = best.of_others(entity);
        (other, surprise, expected)
    }

    /// The strongest surprises now, this bucket's among them, and what the strongest is expected to be.
    fn now(&self, at_ms: i64, keys: &[u64], own: &[f64]) -> (Strongest, f64) {
        let factor = self.factor(at_ms);
        let mut best = self.best.faded(factor);
        keys.iter().zip(own).for_each(|(&k, &s)| best.add(k, s));
        let rows = self.rows * factor + own.len() as f64 - 1.0;
        (best, rows.max(1.0).log10())
    }

    /// Surprise of a row with this surprise of its own and this bonus: see the module.
    pub fn joined(&self, own: f64, bonus: f64) -> f64 {
        if !self.is_used() {
            return own;
        }
        let often = (self.helped + PRIOR_LOOKS) / (self.looks + PRIOR_LOOKS);
        let sum = own + bonus;
        sum - (1.0 + often * sum.min(MAX_BONUS) * std::f64::consts::LN_10).log10()
    }

    /// Remembers a judged bucket; what is known of bonuses fades by `decay`.
    pub fn learn(&mut self, at_ms: i64, keys: &[u64], own: &[f64], decay: f64) {
        if !own.is_empty() {
            let helped = self.bonuses(at_ms, keys, own).iter().filter(|b| **b > 0.0).count() as f64 / own.len() as f64;
            let look = 1.0 - self.factor(at_ms);
            self.looks = self.looks * decay + look;
            self.helped = self.helped * decay + look * helped;
        }
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
        o.learn(0, &[1, 2, 3], &[5.0, 0.5, 0.2], 1.0);
        let soon = o.bonuses(300_000, &[2], &[0.1]);
        let late = o.bonuses(7_200_000, &[2], &[0.1]);
        assert!(soon[0] > 2.5 && late[0] < 0.5, "{soon:?} {late:?}");
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
        a.learn(0, &[1, 2, 3], &[2.0, 3.0, 3.0], 1.0);
        b.learn(0, &[3, 2, 1], &[3.0, 3.0, 2.0], 1.0);
        assert_eq!(a, b);
    }

    /// Surprises of independent quiet rows: the joined ones are tail probabilities, and never turn the order round.
    #[test]
    fn joined_surprises_keep_their_claim_on_quiet_rows() {
        let (mut o, mut c) = (Others::new(1_800_000.0), crate::math::chance::Chance::new(7, 0));
        let keys: Vec<u64> = (1..=30).collect();
        let (mut all, mut n) = ([0.0; 3], 0.0);
        for i in 0..8_000i64 {
            let at = i * 300_000;
            let own: Vec<f64> = keys.iter().map(|_| -(1.0 - c.unit()).log10()).collect();
            let bonuses = o.bonuses(at, &keys, &own);
            if i >= 2_000 {
                let joined: Vec<f64> = own.iter().zip(&bonuses).map(|(s, b)| o.joined(*s, *b)).collect();
                (1..=3).for_each(|level| all[level - 1] += joined.iter().filter(|s| **s >= level as f64).count() as f64);
                n += joined.len() as f64;
            }
            o.learn(at, &keys, &own, 0.9999);
        }
        for (level, seen) in all.iter().enumerate() {
            let (claimed, seen) = (level as f64 + 1.0, -(seen / n).log10());
            assert!((seen - claimed).abs() < 0.3, "{claimed} is {seen}");
        }
        let mut last = -1.0;
        for i in 0..900 {
            let s = o.joined(f64::from(i) * 0.01, 0.0);
            assert!(s > last && s >= 0.0 && s <= f64::from(i) * 0.01);
            last = s;
        }
        assert_eq!(Others::new(0.0).joined(5.0, 0.0), 5.0);
    }
}
