//! The alert budget: from "at most twenty a day" to a threshold on the calibrated surprise.

use serde::{Deserialize, Serialize};

use super::surprise_of;
use crate::model::AlertBudget;

/// Buckets over which the number of judged rows is averaged.
const MEMORY_BUCKETS: f64 = 288.0;

/// How many rows a bucket of this job has, as a decaying mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    rows_per_bucket: f64,
    buckets: f64,
}

impl Volume {
    /// Learns the number of rows of a bucket.
    pub fn observe(&mut self, rows: usize) {
        self.buckets = (self.buckets + 1.0).min(MEMORY_BUCKETS);
        self.rows_per_bucket += (rows as f64 - self.rows_per_bucket) / self.buckets;
    }

    /// Smallest surprise that is reported: with `n` rows a day and calibrated surprises, `budget` of them exceed
    /// `log10(n / budget)`; never below the surprise of `min_score`. `rows_now` stands in before anything was learned.
    pub fn threshold(&self, budget: AlertBudget, min_score: f64, buckets_per_day: f64, rows_now: usize) -> f64 {
        let rows = if self.buckets > 0.0 { self.rows_per_bucket } else { rows_now as f64 };
        let per_day = rows * buckets_per_day;
        let by_budget = if budget.per_day > 0.0 { (per_day / budget.per_day).max(1.0).log10() } else { f64::INFINITY };
        by_budget.max(surprise_of(min_score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_rows_a_day_ask_for_rarer_findings() {
        let mut v = Volume::default();
        assert_eq!(v.threshold(AlertBudget { per_day: 10.0 }, 0.0, 1.0, 1_000), 2.0);
        (0..500).for_each(|_| v.observe(10_000));
        assert!((v.threshold(AlertBudget { per_day: 20.0 }, 50.0, 288.0, 0) - (144_000f64).log10()).abs() < 1e-9);
        assert_eq!(v.threshold(AlertBudget { per_day: 0.0 }, 50.0, 288.0, 0), f64::INFINITY);
        assert_eq!(Volume::default().threshold(AlertBudget::default(), 50.0, 288.0, 0), 3.5);
    }
}
