//! The alert budget: from "at most twenty a day" to a threshold on the calibrated surprise.
//!
//! Two things make it hold. With surprises that are tail probabilities, `budget` of `n` rows a day exceed `log10(n / budget)`. Where a
//! detector claims too much all the same, the threshold is raised by what would have held the budget on the median one of the last
//! days: a day full of real events does not make the job deaf, claims that are too high every day do not flood anybody.
//!
//! An alarm that goes on counts once: an entity above the threshold counts anew after it was quiet for a while, with the largest
//! surprise of that stretch (declustering by runs: Coles, *An Introduction to Statistical Modeling of Extreme Values*, 2001, ch. 5).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::story::QUIET_BUCKETS;
use super::{HALF_SURPRISE, surprise_of};
use crate::model::AlertBudget;

/// Buckets over which the number of judged rows is averaged.
const MEMORY_BUCKETS: f64 = 288.0;
/// Days that the raise is the median of, and how many there have to be.
const DAYS: usize = 3;
const LEAST_DAYS: usize = 2;
/// Width of a bin of "how far above the threshold", and how many there are.
const BIN: f64 = 0.05;
const BINS: usize = 200;
/// Entities above the threshold that are followed at a time; more than so many alarms are far beyond any budget anyway.
const MAX_FOLLOWED: usize = 100_000;

/// How many rows a bucket of this job has, and how far above the threshold its days go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    rows_per_bucket: f64,
    buckets: f64,
    days: VecDeque<Day>,
    /// Entities above the threshold lately: when last, and the bin of the largest surprise since.
    followed: BTreeMap<u64, (i64, usize)>,
}

/// Alarms of a day by how far above the threshold they were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    buckets: f64,
    bins: Vec<u32>,
}

impl Day {
    /// Least raise with which the day has at most so many alarms.
    fn raise(&self, budget: f64) -> f64 {
        let mut above = 0.0;
        for (i, &n) in self.bins.iter().enumerate().rev() {
            above += f64::from(n);
            if above > budget {
                return (i + 1) as f64 * BIN;
            }
        }
        0.0
    }
}

/// The least score of a job, and the rows a day that it is meant for (0: any number).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeastScore {
    /// 0-100.
    pub score: f64,
    /// Rows a day.
    pub rows: f64,
}

impl LeastScore {
    /// The surprise that a job with so many rows a day is asked for: with a tenth of the rows a decade less gives as many false alarms
    /// a day. Never less than half of the scale where the score is above that.
    fn surprise(self, per_day: f64) -> f64 {
        let full = surprise_of(self.score);
        let fewer = if self.rows > 0.0 { (self.rows / per_day.max(1.0)).max(1.0).log10() } else { 0.0 };
        (full - fewer).max(full.min(HALF_SURPRISE))
    }
}

impl Volume {
    /// Learns a judged bucket: its number of rows, and the rows that `threshold` (without the raise) lets through as (entity, surprise).
    pub fn observe(&mut self, rows: usize, through: impl Iterator<Item = (u64, f64)>, threshold: f64, at: BucketAt) {
        self.buckets = (self.buckets + 1.0).min(MEMORY_BUCKETS);
        self.rows_per_bucket += (rows as f64 - self.rows_per_bucket) / self.buckets;
        if self.days.back().is_none_or(|d| d.buckets >= at.per_day) {
            self.days.push_back(Day { buckets: 0.0, bins: vec![0; BINS] });
            if self.days.len() > DAYS {
                self.days.pop_front();
            }
        }
        let Some(day) = self.days.back_mut() else { return };
        day.buckets += 1.0;
        let quiet_ms = QUIET_BUCKETS.saturating_mul(at.span_ms);
        self.followed.retain(|_, f| at.start_ms.saturating_sub(f.0) <= quiet_ms);
        for (entity, surprise) in through {
            let bin = (((surprise - threshold) / BIN).max(0.0) as usize).min(BINS - 1);
            match self.followed.get_mut(&entity) {
                Some((last_ms, highest)) => {
                    *last_ms = at.start_ms;
                    if bin > *highest {
                        // The stretch may have begun the day before: then nothing is taken back.
                        day.bins[*highest] = day.bins[*highest].saturating_sub(1);
                        day.bins[bin] += 1;
                        *highest = bin;
                    }
                }
                None => {
                    day.bins[bin] += 1;
                    if self.followed.len() < MAX_FOLLOWED {
                        self.followed.insert(entity, (at.start_ms, bin));
                    }
                }
            }
        }
    }

    /// Smallest surprise that `budget` and the least score let through: with `n` rows a day and calibrated surprises, `budget` of
    /// them exceed `log10(n / budget)`; never below the least score. `rows_now` stands in before anything was learned.
    pub fn threshold(&self, budget: AlertBudget, least: LeastScore, buckets_per_day: f64, rows_now: usize) -> f64 {
        let rows = if self.buckets > 0.0 { self.rows_per_bucket } else { rows_now as f64 };
        let per_day = rows * buckets_per_day;
        let by_budget = if budget.per_day > 0.0 { (per_day / budget.per_day).max(1.0).log10() } else { f64::INFINITY };
        by_budget.max(least.surprise(per_day))
    }

    /// What the threshold is raised by, so that the budget holds where surprises claim too much: the median over the last days, the
    /// lower one of two. A day that is not over yet counts with the share of the budget that fits it.
    pub fn raise(&self, budget: AlertBudget, buckets_per_day: f64) -> f64 {
        let full = |d: &&Day| d.buckets >= 0.5 * buckets_per_day;
        let mut raises: Vec<f64> = self.days.iter().filter(full).map(|d| d.raise(budget.per_day * (d.buckets / buckets_per_day).min(1.0))).collect();
        if raises.len() < LEAST_DAYS {
            return 0.0;
        }
        raises.sort_by(f64::total_cmp);
        raises[(raises.len() - 1) / 2]
    }
}

/// Where a bucket stands in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketAt {
    /// Its start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Its width, milliseconds.
    pub span_ms: i64,
    /// Buckets of a day.
    pub per_day: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: AlertBudget = AlertBudget { per_day: 10.0 };

    const fn least(score: f64) -> LeastScore {
        LeastScore { score, rows: 0.0 }
    }

    fn at(i: i64) -> BucketAt {
        BucketAt { start_ms: i * 3_600_000, span_ms: 3_600_000, per_day: 24.0 }
    }

    #[test]
    fn more_rows_a_day_ask_for_rarer_findings() {
        let mut v = Volume::default();
        assert_eq!(v.threshold(AlertBudget { per_day: 10.0 }, least(0.0), 1.0, 1_000), 2.0);
        (0..500).for_each(|i| v.observe(10_000, std::iter::empty(), 3.5, at(i)));
        assert!((v.threshold(AlertBudget { per_day: 20.0 }, least(50.0), 288.0, 0) - (144_000f64).log10()).abs() < 1e-9);
        assert_eq!(v.threshold(AlertBudget { per_day: 0.0 }, least(50.0), 288.0, 0), f64::INFINITY);
        // A least score of 75 is one in a million; with a tenth of the rows it is meant for, a decade less; never below 50.
        let of_rows = |rows: f64| Volume::default().threshold(AlertBudget::default(), LeastScore { score: 75.0, rows }, 10.0, 1_000);
        assert_eq!([of_rows(0.0), of_rows(5_000.0), of_rows(1e5), of_rows(1e9)].map(|s| (10.0 * s).round()), [61.0, 61.0, 51.0, 35.0]);
        assert_eq!(Volume::default().threshold(AlertBudget::default(), least(50.0), 288.0, 0), 3.5);
        assert_eq!(v.raise(BUDGET, 24.0), 0.0);
    }

    #[test]
    fn claims_that_are_too_high_every_day_raise_the_threshold_and_one_wild_day_does_not() {
        let mut v = Volume::default();
        // Five alarms an hour, each a tenth of a decade above the last: 120 a day, the budget is 10.
        let loud = |i: i64| (0..5).map(move |k| ((i * 5 + k) as u64, 3.5 + 0.01 * ((i * 5 + k) % 120) as f64));
        (0..12).for_each(|i| v.observe(100, loud(i), 3.5, at(i)));
        assert_eq!(v.raise(BUDGET, 24.0), 0.0, "half a day is too little");
        (12..96).for_each(|i| v.observe(100, loud(i), 3.5, at(i)));
        let raise = v.raise(BUDGET, 24.0);
        assert!((1.05..=1.15).contains(&raise), "{raise}");
        let mut v = Volume::default();
        for i in 0..144 {
            let wild = (72..96).contains(&i);
            v.observe(100, loud(i).filter(move |_| wild), 3.5, at(i));
        }
        assert_eq!(v.raise(BUDGET, 24.0), 0.0);
    }

    #[test]
    fn an_alarm_that_goes_on_counts_once_and_memory_is_bounded() {
        let mut v = Volume::default();
        (0..72).for_each(|i| v.observe(100, (0..8).map(|e| (e, 9.0)), 3.5, at(i)));
        assert_eq!(v.raise(BUDGET, 24.0), 0.0, "eight entities that never stop are eight alarms");
        (72..200).for_each(|i| v.observe(100, std::iter::empty(), 3.5, at(i)));
        assert!(v.followed.is_empty() && v.days.len() <= DAYS);
        v.observe(0, std::iter::repeat_n((1, f64::INFINITY), 3), 3.5, at(201));
        v.observe(0, std::iter::once((2, f64::NAN)), f64::INFINITY, at(202));
        assert!(v.raise(BUDGET, 24.0).is_finite());
    }
}
