//! The usual value at this time of day, learned from visits of the same quarter of an hour on the days before.

use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;
/// Quarters of an hour.
const SLOTS: usize = 96;
/// Days remembered: two weeks.
const VISITS: usize = 14;
/// Rows of the mean of residuals (an hour at the usual five minutes).
pub const SMOOTH_ROWS: usize = 12;
/// Fewest earlier visits around a slot for a typical value: two days of the slot and its neighbours.
const FEWEST: usize = 6;

/// A stay in one slot: sum and count of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Visit {
    number: i64,
    sum: f64,
    rows: f64,
}

/// Time-of-day profile and the last residuals from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayProfile {
    slots: Vec<Vec<f64>>,
    visit: Option<Visit>,
    residuals: Vec<f64>,
}

impl Default for DayProfile {
    fn default() -> Self {
        DayProfile { slots: vec![Vec::new(); SLOTS], visit: None, residuals: Vec::new() }
    }
}

fn number_of(t_ms: i64) -> i64 {
    t_ms.div_euclid(DAY_MS / SLOTS as i64)
}

impl DayProfile {
    /// Median of the visits of this slot and its two neighbours; NaN while there are fewer than `FEWEST`.
    pub fn typical(&self, t_ms: i64) -> f64 {
        let slot = number_of(t_ms).rem_euclid(SLOTS as i64) as usize;
        let mut around: Vec<f64> = [SLOTS - 1, 0, 1].iter().filter_map(|d| self.slots.get((slot + d) % SLOTS)).flatten().copied().collect();
        if around.len() < FEWEST {
            return f64::NAN;
        }
        let middle = around.len() / 2;
        *around.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    /// Mean of the last `SMOOTH_ROWS` residuals with this one the newest; NaN before there are as many. (A row whose time of day
    /// is not known yet has none: a 0 in its place would make the first real one a wonder.)
    pub fn residual(&self, t_ms: i64, value: f64) -> f64 {
        if self.residuals.len() + 1 < SMOOTH_ROWS {
            return f64::NAN;
        }
        (self.residuals.iter().sum::<f64>() + self.current(t_ms, value)) / SMOOTH_ROWS as f64
    }

    fn current(&self, t_ms: i64, value: f64) -> f64 {
        value - self.typical(t_ms)
    }

    /// Takes in the next one.
    pub fn learn(&mut self, t_ms: i64, value: f64) {
        let residual = self.current(t_ms, value);
        if residual.is_finite() {
            if self.residuals.len() + 1 >= SMOOTH_ROWS {
                self.residuals.remove(0);
            }
            self.residuals.push(residual);
        }
        let number = number_of(t_ms);
        match &mut self.visit {
            Some(v) if v.number == number => {
                v.sum += value;
                v.rows += 1.0;
            }
            open => {
                if let Some(done) = open.replace(Visit { number, sum: value, rows: 1.0 })
                    && let Some(slot) = self.slots.get_mut(done.number.rem_euclid(SLOTS as i64) as usize)
                {
                    if slot.len() >= VISITS {
                        slot.remove(0);
                    }
                    slot.push(done.sum / done.rows);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: i64 = DAY_MS / SLOTS as i64;

    #[test]
    fn the_profile_is_known_after_two_days_and_at_any_sampling() {
        for rows in [1, 3, 15] {
            let mut d = DayProfile::default();
            let value = |i: i64| if i.rem_euclid(96) / 48 == 0 { 10.0 } else { 20.0 };
            for i in 0..96 * 3 {
                if i == 96 {
                    assert!(d.typical(40 * QUARTER).is_nan());
                }
                (0..rows).for_each(|k| d.learn(i * QUARTER + k * QUARTER / rows, value(i)));
            }
            assert_eq!((d.typical(10 * QUARTER), d.typical(-20 * QUARTER)), (10.0, 20.0));
            assert!(d.slots.iter().all(|s| s.len() <= VISITS));
        }
    }

    #[test]
    fn residuals_are_smoothed_and_missing_ones_are_none() {
        let mut d = DayProfile::default();
        assert!(d.residual(0, 1.0).is_nan());
        (0..200).for_each(|i| d.learn(i * QUARTER, 5.0));
        assert!(d.residual(200 * QUARTER, 5.0).is_nan(), "two days teach the time of day, and leave few residuals from it");
        (200..400).for_each(|i| d.learn(i * QUARTER, 5.0));
        assert_eq!((d.residual(400 * QUARTER, 5.0), d.residual(400 * QUARTER, 17.0)), (0.0, 1.0));
        d.learn(i64::MAX, 1.0);
        d.learn(i64::MIN, 1.0);
        assert!(!d.residual(i64::MIN, 1.0).is_infinite());
    }
}
