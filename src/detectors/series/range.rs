//! Leaves the range seen so far: the strongest simple sign in a metric.

use serde::{Deserialize, Serialize};

use super::tail::supported;

/// Weight of how far outside the range, in decades of its width: three times the width outside counts as much as a
/// history about sixty times longer.
const DEPTH: f64 = 3.0;
/// Rows after which the older range is forgotten.
const GENERATION: u64 = 16_384;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Span {
    low: f64,
    high: f64,
    seen: u64,
}

impl Span {
    fn new(value: f64) -> Self {
        Span { low: value, high: value, seen: 1 }
    }

    fn learn(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.seen += 1;
    }
}

/// Smallest and largest value of the last 16 to 33 thousand rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Range {
    settled: Option<Span>,
    young: Option<Span>,
}

impl Range {
    /// Width of the range, 0 before the second value.
    pub fn width(&self) -> f64 {
        self.settled.map_or(0.0, |s| s.high - s.low)
    }

    /// Smallest and largest value; `None` before the first.
    pub fn ends(&self) -> Option<(f64, f64)> {
        self.settled.map(|s| (s.low, s.high))
    }

    /// A new record among n exchangeable values has probability 2/(n+1) (either side); depth adds to it. 0 inside.
    pub fn surprise(&self, value: f64) -> f64 {
        let Some(s) = self.settled else { return 0.0 };
        let outside = (value - s.high).max(s.low - value);
        if outside.is_nan() || outside <= 0.0 {
            return 0.0;
        }
        let width = (s.high - s.low).max(1e-12 * (1.0 + s.high.abs()));
        supported((s.seen as f64 + 1.0).log10() + DEPTH * (outside / width).ln_1p() / std::f64::consts::LN_10, s.seen)
    }

    /// Takes in the next one.
    pub fn learn(&mut self, value: f64) {
        let settled = self.settled.get_or_insert(Span::new(value));
        settled.learn(value);
        if settled.seen >= GENERATION {
            let young = self.young.get_or_insert(Span::new(value));
            young.learn(value);
            if young.seen >= GENERATION {
                self.settled = self.young.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_count_and_depth_adds() {
        let mut r = Range::default();
        assert_eq!((r.surprise(5.0), r.width()), (0.0, 0.0));
        (0..999).for_each(|i| r.learn(f64::from(i % 100)));
        assert_eq!((r.surprise(50.0), r.surprise(99.0), r.width()), (0.0, 0.0, 99.0));
        assert!(r.surprise(100.0) > 2.9 && r.surprise(100.0) < 3.1);
        assert!((r.surprise(99.0 + 9.0 * 99.0) - r.surprise(99.0 + 1e-9) - 3.0).abs() < 1e-6);
        assert!(r.surprise(-1.0) > 2.9 && r.surprise(f64::NAN) == 0.0);
    }

    #[test]
    fn an_old_range_is_forgotten() {
        let mut r = Range::default();
        r.learn(1e6);
        (0..33_000).for_each(|i| r.learn(f64::from(i % 10)));
        assert!(r.surprise(1e5) > 4.0);
    }
}
