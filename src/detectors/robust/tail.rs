//! The tail of one statistic, learned as it comes: a high quantile, and the mean excess over it.
//!
//! Let `u` be the 98 % quantile. If excesses over `u` are exponential with an unknown mean, and `k` of them with mean `m` have been
//! seen, the next value follows a Lomax law: `P(W > w) = zeta (1 + (w - u) / (k m))^-k`. This is the generalised Pareto
//! tail of extreme-value theory with shape `1 / k`: a tail known from few values is heavy, and an entity that bursts by
//! itself is judged by its own bursts. The statistic is a *squared* standardised residual: the square of a normal variable has an
//! exponential tail, so that `m` is about 1.75 for well-behaved features.

use serde::{Deserialize, Serialize};

/// Share of values above the limit.
const ZETA: f32 = 0.02;
/// Exceedances that the prior counts for: few, so that two days of five-minute buckets (12 exceedances) outweigh it.
const PRIOR: f32 = 4.0;
/// Exceedances remembered; older ones fade, and the shape never falls below `1 / MEMORY`.
const MEMORY: f32 = 16.0;
/// One exceedance counts for at most this many mean excesses (surprise of about 5), so that one event does not become normal.
const WINSOR: f32 = 8.0;
/// The lightest tail that is believed, mean excess by limit; a normal variable has 0.32. A wave that never left its range may still grow.
const LIGHTEST: f32 = 0.25;
/// Exceedances of one cluster that are learned: the later ones of a long event say nothing new about the tail.
const CLUSTER: u8 = 12;

/// Limit, mean excess and number of exceedances of one statistic of one entity.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Tail {
    limit: f32,
    excess: f32,
    seen: f32,
    cluster: u8,
}

impl Default for Tail {
    /// The tail of a squared standard normal variable: 98 % quantile and mean excess over it.
    fn default() -> Self {
        Self { limit: 5.41, excess: 1.75, seen: PRIOR, cluster: 0 }
    }
}

impl Tail {
    /// Surprise of `w`: -log10 of the chance of a value at least this large. Linear below the limit, where it does not matter.
    pub(super) fn surprise(&self, w: f32) -> f32 {
        let at_limit = -ZETA.log10();
        if w <= self.limit {
            return at_limit * w / self.limit;
        }
        at_limit + self.seen * (1.0 + (w - self.limit) / (self.seen * self.excess)).log10()
    }

    /// Moves the limit (Robbins-Monro, step `m / k`) and the mean excess. `weight` below 1 is for statistics that change slowly,
    /// whose neighbouring values repeat each other.
    pub(super) fn learn(&mut self, w: f32, weight: f32) {
        let step = weight * self.excess / self.seen;
        if w <= self.limit {
            self.cluster = 0;
            self.limit = (self.limit - step * ZETA).max(1.0);
            return;
        }
        self.cluster = self.cluster.saturating_add(1);
        if self.cluster > CLUSTER {
            return;
        }
        let share = 1.0 / f32::from(self.cluster);
        let weight = weight * share;
        let over = (w - self.limit).min(WINSOR * self.excess);
        self.limit += step * share * (1.0 - ZETA);
        self.excess += (over - self.excess) * weight / (self.seen + 1.0);
        self.excess = self.excess.max(LIGHTEST * self.limit);
        self.seen = (self.seen + weight).min(MEMORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of normal quantiles in a scrambled but fixed order.
    fn normal_squares(n: u32) -> impl Iterator<Item = f32> {
        (0..n).map(move |i| {
            let p = (f64::from(i.wrapping_mul(7919) % n) + 0.5) / f64::from(n);
            let z = crate::math::normal::normal_quantile(p) as f32;
            z * z
        })
    }

    #[test]
    fn a_normal_tail_gets_its_own_probabilities() {
        let mut t = Tail::default();
        normal_squares(5003).for_each(|w| t.learn(w, 1.0));
        assert!((t.limit - 5.41).abs() < 1.2, "{t:?}");
        // P(|Z| > 4) = 6.3e-5: 4.2, and a tail known from few values is never lighter than the truth.
        let s = t.surprise(16.0);
        assert!((3.3..4.8).contains(&s), "{s}");
    }

    #[test]
    fn surprise_grows_without_ties_and_is_continuous() {
        let t = Tail::default();
        let mut last = -1.0;
        for w in [0.0, 1.0, 5.41, 5.42, 10.0, 100.0, 1000.0, 3600.0] {
            assert!(t.surprise(w) > last);
            last = t.surprise(w);
        }
        assert!((t.surprise(5.4101) - t.surprise(5.41)).abs() < 1e-3);
    }

    #[test]
    fn frequent_bursts_become_normal_and_one_event_does_not() {
        let before = Tail::default().surprise(100.0);
        let mut once = Tail::default();
        normal_squares(1009).for_each(|w| once.learn(w, 1.0));
        (0..300).for_each(|_| once.learn(100.0, 1.0));
        assert!(once.surprise(100.0) > 0.6 * before, "{} {before}", once.surprise(100.0));
        let mut often = Tail::default();
        for _ in 0..40 {
            normal_squares(47).for_each(|w| often.learn(w, 1.0));
            (0..3).for_each(|_| often.learn(100.0, 1.0));
        }
        assert!(often.surprise(100.0) < 3.0, "{}", often.surprise(100.0));
    }
}
