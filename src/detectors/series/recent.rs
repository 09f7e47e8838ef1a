//! The last few values: step, level and spread around now.

use serde::{Deserialize, Serialize};

/// Rows of the local level (four hours at the usual five minutes).
pub const LEVEL_ROWS: usize = 48;
/// Rows of the local spread.
pub const SPREAD_ROWS: usize = 40;

/// The last `LEVEL_ROWS` values in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    values: Vec<f64>,
}

impl Recent {
    /// Step from the value before; NaN on the first.
    pub fn step(&self, value: f64) -> f64 {
        value - self.last()
    }

    /// How many values are remembered.
    pub fn rows(&self) -> usize {
        self.values.len()
    }

    /// The value before.
    pub fn last(&self) -> f64 {
        self.values.last().copied().unwrap_or(f64::NAN)
    }

    /// Median of the values before now; NaN when there are none.
    pub fn level(&self) -> f64 {
        let mut sorted = self.values.clone();
        let middle = sorted.len() / 2;
        if sorted.is_empty() {
            return f64::NAN;
        }
        *sorted.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    /// Natural logarithm of the standard deviation of the last `SPREAD_ROWS` values with `value` the newest; NaN before.
    /// `unit` is what counts as no spread at all.
    pub fn log_spread(&self, value: f64, unit: f64) -> f64 {
        let Some(start) = (self.values.len() + 1).checked_sub(SPREAD_ROWS) else { return f64::NAN };
        let last = || self.values.iter().skip(start).copied().chain([value]);
        let n = SPREAD_ROWS as f64;
        let mean = last().map(|v| v / n).sum::<f64>();
        let variance = last().map(|v| (v - mean) * (v - mean) / n).sum::<f64>();
        (variance.sqrt() + unit).ln()
    }

    /// Takes in the next one.
    pub fn learn(&mut self, value: f64) {
        if self.values.len() >= LEVEL_ROWS {
            self.values.remove(0);
        }
        self.values.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_level_and_spread() {
        let mut r = Recent::default();
        assert!(r.step(1.0).is_nan() && r.level().is_nan() && r.log_spread(1.0, 1e-9).is_nan());
        (0..100).for_each(|i| r.learn(f64::from(i)));
        assert_eq!((r.step(101.0), r.level(), r.values.len()), (2.0, 76.0, LEVEL_ROWS));
        // Standard deviation of 40 consecutive integers: sqrt((40^2 - 1) / 12) = 11.543.
        assert!((r.log_spread(100.0, 0.0).exp() - 11.543).abs() < 1e-3);
        let mut flat = Recent::default();
        (0..50).for_each(|_| flat.learn(3.0));
        assert!((flat.log_spread(3.0, 1e-9).exp() - 1e-9).abs() < 1e-12);
    }
}
