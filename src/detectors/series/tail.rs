//! Tail probability of a number from the stream's own history.
//!
//! The largest `TOP` numbers are kept exactly and a thinned sample stands for the rest. Above the k-th largest, `u`, the
//! exceedances follow a generalised Pareto distribution fitted by moments (Hosking and Wallis 1987):
//! `xi = (1 - m^2/s^2) / 2`, `sigma = m (m^2/s^2 + 1) / 2` with `m`, `s^2` mean and variance of the exceedances;
//! `P(X >= x) = k/(n+1) (1 + xi (x-u)/sigma)^(-1/xi)`.

use serde::{Deserialize, Serialize};

/// Exact values kept on each side.
const TOP: usize = 64;
/// Values kept of the bulk.
const BULK: usize = 128;
/// Share of the history that counts as tail.
const TAIL_SHARE: f64 = 0.05;
/// Below this many values no probability is given: one in twenty is the share of the tail.
const FEWEST: u64 = 20;
/// Heaviest tail: variance is still finite.
const XI_MAX: f64 = 0.45;
/// Smallest scale of the tail as a share of the distance from median to tail: keeps tails of discrete values, whose
/// exceedances can all be equal, from making one step of the counter an impossibility.
const SIGMA_FLOOR: f64 = 0.02;
/// Surprise up to which the fitted tail is taken at its word.
const BELIEVED: f64 = 15.0;
/// Values of history of which half of that is believed.
const YOUNG_ROWS: f64 = 400.0;
/// Values after which the older half of the memory is forgotten: a history spans 1 to 2 generations.
const GENERATION: u64 = 16_384;

/// Every 2^j-th value of a stream, at most `BULK` of them, sorted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Bulk {
    arrived: Vec<f64>,
    sorted: Vec<f64>,
    stride: u64,
    seen: u64,
}

impl Bulk {
    fn learn(&mut self, x: f64) {
        self.stride = self.stride.max(1);
        self.seen += 1;
        if !self.seen.is_multiple_of(self.stride) {
            return;
        }
        self.arrived.push(x);
        let at = self.sorted.partition_point(|y| *y < x);
        self.sorted.insert(at, x);
        if self.arrived.len() >= BULK {
            let mut keep = false;
            self.arrived.retain(|_| {
                keep = !keep;
                !keep
            });
            self.stride *= 2;
            self.sorted = self.arrived.clone();
            self.sorted.sort_by(f64::total_cmp);
        }
    }

    fn median(&self) -> f64 {
        self.sorted.get(self.sorted.len() / 2).copied().unwrap_or(0.0)
    }

    /// Share of values at or above `x` (`up`) or at or below it.
    fn share_beyond(&self, x: f64, up: bool) -> f64 {
        let n = self.sorted.len();
        let count = if up { n - self.sorted.partition_point(|y| *y < x) } else { self.sorted.partition_point(|y| *y <= x) };
        (count as f64 + 0.5) / (n as f64 + 1.0)
    }
}

/// The largest values, descending.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Top(Vec<f64>);

impl Top {
    fn learn(&mut self, x: f64) {
        if self.0.len() < TOP || self.0.last().is_some_and(|least| x > *least) {
            let at = self.0.partition_point(|v| *v >= x);
            self.0.insert(at, x);
            self.0.truncate(TOP);
        }
    }

    /// -log10 P(X >= x), `n` values seen, `median` on this side's scale, `bulk` the share at or beyond.
    fn surprise(&self, x: f64, n: u64, median: f64, bulk: impl Fn() -> f64) -> f64 {
        let k = ((n as f64 * TAIL_SHARE).ceil() as usize).clamp(4, TOP).min(self.0.len());
        let Some(&u) = self.0.get(k.wrapping_sub(1)) else { return 0.0 };
        let base = k as f64 / (n as f64 + 1.0);
        if x <= u {
            let rank = self.0.partition_point(|v| *v >= x);
            let p = if rank < self.0.len() { (rank as f64 + 1.0) / (n as f64 + 1.0) } else { bulk() };
            return -p.clamp(base.min(1.0), 1.0).log10();
        }
        let (xi, sigma) = self.pareto(k, u, median);
        let z = (x - u) / sigma;
        let log_tail = if xi > 1e-6 { (xi * z).ln_1p() / xi } else { z };
        supported(-base.log10() + log_tail / std::f64::consts::LN_10, n)
    }

    /// Shape and scale of the exceedances over `u`, the k-th largest.
    fn pareto(&self, k: usize, u: f64, median: f64) -> (f64, f64) {
        let floor = (SIGMA_FLOOR * (u - median)).max(1e-9 * (1.0 + u.abs()));
        let n = (k - 1) as f64;
        let over = || self.0.iter().take(k - 1).map(|v| v - u);
        let mean = over().sum::<f64>() / n;
        let variance = over().map(|e| (e - mean) * (e - mean)).sum::<f64>() / n;
        if !(mean > 0.0 && variance > 0.0) {
            return (0.0, mean.max(floor));
        }
        let ratio = mean * mean / variance;
        let xi = 0.5 * (1.0 - ratio);
        if xi <= 0.0 { (0.0, mean.max(floor)) } else { (xi.min(XI_MAX), (0.5 * mean * (1.0 + ratio)).max(floor)) }
    }
}

/// What `n` values of history support of a surprise: `BELIEVED` decades of a long one, next to nothing of a handful, so that the
/// first rows and the first days of a daily cycle are no alarms. Beyond that it grows with the logarithm only, and stays finite.
pub(super) fn supported(surprise: f64, n: u64) -> f64 {
    let share = n as f64 / (n as f64 + YOUNG_ROWS);
    let most = BELIEVED * share;
    if surprise > most { most + share * (surprise - most).ln_1p() } else { surprise }
}

/// One generation of history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Generation {
    seen: u64,
    high: Top,
    low: Top,
    bulk: Bulk,
}

impl Generation {
    fn learn(&mut self, x: f64) {
        self.seen += 1;
        self.high.learn(x);
        self.low.learn(-x);
        self.bulk.learn(x);
    }
}

/// Both tails of one number, from the last 16 to 33 thousand values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tails {
    settled: Generation,
    /// The younger half, once there is one.
    young: Option<Generation>,
}

impl Tails {
    /// -log10 P(X >= x); 0 while fewer than twenty values are known or when x is no number.
    pub fn above(&self, x: f64) -> f64 {
        let g = &self.settled;
        if g.seen < FEWEST || !x.is_finite() {
            return 0.0;
        }
        g.high.surprise(x, g.seen, g.bulk.median(), || g.bulk.share_beyond(x, true)).max(0.0)
    }

    /// -log10 P(X <= x).
    pub fn below(&self, x: f64) -> f64 {
        let g = &self.settled;
        if g.seen < FEWEST || !x.is_finite() {
            return 0.0;
        }
        g.low.surprise(-x, g.seen, -g.bulk.median(), || g.bulk.share_beyond(x, false)).max(0.0)
    }

    /// Two-sided surprise: the rarer side, less log10 2 for having looked at two.
    pub fn either(&self, x: f64) -> f64 {
        (self.above(x).max(self.below(x)) - std::f64::consts::LOG10_2).max(0.0)
    }

    /// Takes in one value; what is no number is ignored.
    pub fn learn(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        self.settled.learn(x);
        if self.settled.seen >= GENERATION {
            self.young.get_or_insert_default().learn(x);
        }
        if self.young.as_ref().is_some_and(|y| y.seen >= GENERATION)
            && let Some(young) = self.young.take()
        {
            self.settled = young;
        }
    }

    /// Median of the history; 0 when empty.
    pub fn median(&self) -> f64 {
        self.settled.bulk.median()
    }

    /// The values that one in about two hundred falls below and above; `None` before twenty values.
    pub fn band(&self) -> Option<(f64, f64)> {
        let g = &self.settled;
        let k = ((g.seen as f64 * 0.005) as usize).min(TOP - 1);
        match (g.seen >= FEWEST, g.low.0.get(k), g.high.0.get(k)) {
            (true, Some(low), Some(high)) => Some((-low, *high)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_few_values_claim_nothing() {
        let mut t = Tails::default();
        assert_eq!((t.above(5.0), t.below(5.0), t.either(f64::NAN), t.band()), (0.0, 0.0, 0.0, None));
        (0..19).for_each(|_| t.learn(1.0));
        assert_eq!(t.above(1e9), 0.0);
        t.learn(f64::NAN);
        t.learn(f64::INFINITY);
        assert_eq!(t.above(1e9), 0.0);
    }

    #[test]
    fn the_tail_of_an_exponential_is_found() {
        // Quantiles of the exponential distribution in a shuffled order: P(X >= 9.21) = 1e-4.
        let mut t = Tails::default();
        for i in 0..10_000u64 {
            let p = ((i * 7_919 % 10_000) as f64 + 0.5) / 10_000.0;
            t.learn(-p.ln());
        }
        assert!((t.above(-(1e-3f64.ln())) - 3.0).abs() < 0.1, "{}", t.above(-(1e-3f64.ln())));
        let far = t.above(-(1e-6f64.ln()));
        assert!((4.5..6.5).contains(&far), "{far}");
        assert!(t.above(20.0) < t.above(21.0));
        assert!((t.above(std::f64::consts::LN_2) - 0.30).abs() < 0.1);
        let (low, high) = t.band().unwrap();
        assert!(low < 0.01 && (4.5..6.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn equal_values_and_one_step_of_a_counter_are_no_wonder() {
        let mut t = Tails::default();
        (0..3_000).for_each(|i| t.learn(f64::from(i % 50 == 0)));
        assert!(t.above(1.0) < 2.5 && t.above(0.0) < 0.01, "{} {}", t.above(1.0), t.above(0.0));
        assert!(t.above(2.0) > t.above(1.0));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut t = Tails::default();
        (0..100).for_each(|i| t.learn(1_000.0 + f64::from(i)));
        (0..33_000).for_each(|i| t.learn(f64::from(i % 100)));
        assert!(t.above(500.0) > 4.0, "{}", t.above(500.0));
    }
}
