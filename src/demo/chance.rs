//! Seeded chance with the few shapes that traffic needs.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers that is the same for the same seed and purpose.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// A stream for a purpose under a seed.
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(crate::model::ids::seed(purpose, "demo", seed as i64)))
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform integer below `n`; 0 for `n` = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// True with probability `p`.
    pub fn is(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Index into a list where entry `i` is chosen about `1 / (i + 1)` as often as the first (Zipf-like popularity).
    pub fn popular(&mut self, n: usize) -> usize {
        (((n as f64 + 1.0).powf(self.unit()) - 1.0) as usize).min(n.saturating_sub(1))
    }

    /// Exponential with this mean: the gap between independent events.
    pub fn gap(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Log-normal with this median and spread of the logarithm.
    pub fn lognormal(&mut self, median: f64, spread: f64) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        median * (spread * normal).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_repeats_itself_and_has_the_right_means() {
        let mut a = Chance::new(1, "x");
        let mut b = Chance::new(1, "x");
        assert_eq!((0..5).map(|_| a.unit()).collect::<Vec<_>>(), (0..5).map(|_| b.unit()).collect::<Vec<_>>());
        let mean = (0..20_000).map(|_| a.gap(3.0)).sum::<f64>() / 20_000.0;
        assert!((mean - 3.0).abs() < 0.15, "{mean}");
        assert!((0..1_000).all(|_| a.popular(10) < 10));
    }
}
