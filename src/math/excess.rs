//! A light calibrated tail for statistics that are logarithms of evidence already: a decaying histogram for the body, an
//! exponential law for what lies beyond its 95 % quantile (peaks over threshold with shape 0: Pickands 1975; a sum of
//! -log10 p that is merely over-confident has exactly such a tail, with a mean excess above 1 / ln 10).

use serde::{Deserialize, Serialize};

/// Share of rows beyond the threshold of the tail.
const TAIL_SHARE: f64 = 0.05;
/// Fewest rows beyond it.
const TAIL_ROWS: f64 = 10.0;
/// Weight of the statistic's own claim in rows, so that the first window has a scale.
const PRIOR_ROWS: f64 = 20.0;

/// Calibrated upper tail of one statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Width of a bin.
    bin: f64,
    /// The statistic claims the probability `10^(-x / claim)` until there is history.
    claim: f64,
    counts: Vec<f64>,
    /// Mass above each bin, as the last fit found it; empty where rows came since.
    #[serde(skip)]
    above: Vec<f64>,
    total: f64,
    threshold: f64,
    share: f64,
    mean_excess: f64,
}

impl Excess {
    /// Bins of this width up to `max`; `claim` is the number of units that are worth one decade of surprise.
    pub fn new(bin: f64, max: f64, claim: f64) -> Self {
        let bins = ((max / bin).ceil() as usize).clamp(1, 20_000);
        Self { bin, claim, counts: vec![0.0; bins], above: Vec::new(), total: 0.0, threshold: f64::INFINITY, share: 0.0, mean_excess: bin }
    }

    /// Rows learned so far, after decay.
    pub fn rows(&self) -> f64 {
        self.total
    }

    fn index(&self, x: f64) -> usize {
        ((x.max(0.0) / self.bin) as usize).min(self.counts.len() - 1)
    }

    /// Mass above a bin, added from the top in either case, so that a restart gives the same to the last bit.
    fn above(&self, bin: usize) -> f64 {
        self.above.get(bin).copied().unwrap_or_else(|| self.counts[bin + 1..].iter().rev().fold(0.0, |sum, c| sum + c))
    }

    /// Looked up for every row, and a bucket may have fifty thousand of them.
    fn sum_above(&mut self) {
        self.above.resize(self.counts.len(), 0.0);
        let mut sum = 0.0;
        for (above, c) in self.above.iter_mut().zip(&self.counts).rev() {
            *above = sum;
            sum += c;
        }
    }

    /// Adds a row; what is not a number or has no weight is ignored.
    pub fn observe(&mut self, x: f64, weight: f64) {
        if x.is_nan() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let i = self.index(x);
        self.counts[i] += weight;
        self.total += weight;
        self.above.clear();
    }

    /// Forgets by a factor between 0 and 1 and fits the tail. Call once per bucket, after its rows.
    pub fn decay_and_fit(&mut self, factor: f64) {
        let factor = if factor.is_finite() { factor.clamp(0.0, 1.0) } else { 1.0 };
        self.counts.iter_mut().for_each(|c| *c *= factor);
        self.total = self.counts.iter().sum();
        self.sum_above();
        self.threshold = f64::INFINITY;
        let wanted = (self.total * TAIL_SHARE).max(TAIL_ROWS);
        if self.total < 2.0 * TAIL_ROWS {
            return;
        }
        let mut from = self.counts.len();
        let mut mass = 0.0;
        while from > 0 && mass < wanted {
            from -= 1;
            mass += self.counts[from];
        }
        // Of the bin that holds the threshold only the mass that is wanted belongs to the tail, at no excess.
        let start = (from + 1) as f64 * self.bin;
        let sum: f64 = self.counts.iter().enumerate().skip(from + 1).map(|(i, w)| w * ((i as f64 + 0.5) * self.bin - start)).sum();
        self.threshold = start;
        self.share = wanted / self.total;
        self.mean_excess = (sum / wanted).max(self.bin * 0.5);
    }

    /// Surprise of `x`: -log10 of the share of rows at least as large. 0 for what is not a number.
    pub fn surprise(&self, x: f64) -> f64 {
        if x.is_nan() {
            return 0.0;
        }
        let x = x.clamp(0.0, 1e4);
        let seen = if self.total <= 0.0 {
            0.0
        } else if x >= self.threshold {
            self.total * self.share * (-(x - self.threshold) / self.mean_excess).exp()
        } else {
            let i = self.index(x);
            let seen = self.above(i) + self.counts[i] * (1.0 - (x / self.bin - i as f64)).clamp(0.0, 1.0);
            // The bin of the threshold may hold a jump; the tail begins at its share and the result stays monotone.
            if self.threshold.is_finite() { seen.max(self.total * self.share) } else { seen }
        };
        let claimed = PRIOR_ROWS * 10f64.powf((-x / self.claim).max(-300.0));
        (-((seen + claimed) / (self.total + PRIOR_ROWS)).log10()).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(n: usize, scale: f64) -> Excess {
        let mut e = Excess::new(0.05, 100.0, scale);
        (0..n).for_each(|i| e.observe(-((i as f64 + 0.5) / n as f64).log10() * scale, 1.0));
        e.decay_and_fit(1.0);
        e
    }

    #[test]
    fn an_exponential_law_is_continued_beyond_what_was_seen() {
        let e = learned(4_000, 9.0);
        for (x, s) in [(9.0, 1.0), (27.0, 3.0), (54.0, 6.0)] {
            assert!((e.surprise(x) - s).abs() < 0.15 * s, "{x}: {}", e.surprise(x));
        }
    }

    #[test]
    fn it_is_monotone_and_odd_input_is_ignored() {
        for e in [learned(4_000, 3.0), learned(15, 1.0), Excess::new(0.1, 10.0, 2.0)] {
            let mut last = -1.0;
            for i in 0..900 {
                let s = e.surprise(i as f64 * 0.1);
                assert!(s >= last && s.is_finite());
                last = s;
            }
        }
        let mut e = Excess::new(0.1, 10.0, 2.0);
        e.observe(f64::NAN, 1.0);
        e.observe(1.0, f64::NAN);
        e.observe(f64::INFINITY, 1.0);
        e.decay_and_fit(f64::NAN);
        assert_eq!(e.rows(), 1.0);
        assert_eq!(e.surprise(f64::NAN), 0.0);
        assert_eq!(Excess::new(0.1, 10.0, 2.0).surprise(4.0), 2.0);
    }

    #[test]
    fn a_constant_statistic_surprises_only_beyond_the_constant() {
        let mut e = Excess::new(0.05, 10.0, 1.0);
        (0..1_000).for_each(|_| e.observe(0.0, 1.0));
        e.decay_and_fit(1.0);
        assert!(e.surprise(0.0) < 0.01 && e.surprise(1.0) > 2.0);
    }
}
