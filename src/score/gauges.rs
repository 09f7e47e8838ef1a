//! Is the job still the one that its models know? Share of rows that are reported, and how far each feature has moved.
//!
//! The shift of a feature is the population stability index (Siddiqi, *Credit Risk Scorecards*, 2006, ch. 9) of the last day (quarters of it that are over)
//! against about the last two weeks, over bins that hold a tenth of the longer past each: `sum (p - q) ln(p / q)`. By custom
//! below 0.1 nothing has changed, from 0.25 on the population is another one. Absent values are a bin of their own.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::Bucket;

/// Days after which a row counts half: for the share that is reported, and in the longer past.
const RECENT_DAYS: f64 = 1.0;
const LONG_DAYS: f64 = 14.0;
/// The last day is so many blocks that are over, so that every hour of it counts the same: an evening is no shift.
const BLOCKS: f64 = 4.0;
/// Features that are watched; a job with more has those of its first ones.
const MAX_FEATURES: usize = 64;
/// Width of a bin of the scaled value, and the scale: `sign(x) ln(1 + 1000 |x|)`, so that two per cent are a bin from a hundredth on.
const BIN: f64 = 0.02;
const ZOOM: f64 = 1_000.0;
/// Larger values share a bin, so that memory is bounded.
const LARGEST: f64 = 1e18;
/// Rows of the longer past, and days since the start, before a shift is said.
const LEAST_ROWS: f64 = 200.0;
const LEAST_DAYS: f64 = 2.0;
/// Bins of the index.
const SHARES: f64 = 10.0;
/// Rows granted to every bin, so that an empty one is no infinity.
const SMOOTH: f64 = 0.5;
/// Weight of a new row at which all are written down anew.
const RESCALE: f64 = 1e12;

/// Rows by scaled value, newer ones with more weight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Histogram {
    /// Bin of `counts[0]`.
    from: i32,
    counts: Vec<f64>,
    absent: f64,
}

impl Histogram {
    /// Adds a row whose value is in this bin, or is absent.
    fn add(&mut self, bin: Option<i32>, weight: f64) {
        match bin {
            Some(bin) => self.add_bin(bin, weight),
            None => self.absent += weight,
        }
    }

    fn add_bin(&mut self, bin: i32, weight: f64) {
        if self.counts.is_empty() {
            self.from = bin;
        } else if bin < self.from {
            let more = self.from.abs_diff(bin) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0.0, more));
            self.from = bin;
        }
        let at = self.from.abs_diff(bin) as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0.0);
        }
        self.counts[at] += weight;
    }

    fn merge(&mut self, other: &Self) {
        self.absent += other.absent;
        let bins = (other.from..).zip(&other.counts).filter(|(_, c)| **c > 0.0);
        bins.for_each(|(bin, &c)| self.add_bin(bin, c));
    }

    fn scale(&mut self, by: f64) {
        self.counts.iter_mut().for_each(|c| *c *= by);
        self.absent *= by;
    }

    fn at(&self, bin: i32) -> f64 {
        usize::try_from(i64::from(bin) - i64::from(self.from)).ok().and_then(|i| self.counts.get(i)).copied().unwrap_or(0.0)
    }

    fn total(&self) -> f64 {
        self.counts.iter().sum::<f64>() + self.absent
    }
}

/// The bin of a value; `None` when it is absent.
fn bin_of(x: f64) -> Option<i32> {
    x.is_finite().then(|| (x.signum() * (ZOOM * x.abs().min(LARGEST)).ln_1p() / BIN).floor() as i32)
}

/// What a job reports and how its features move.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    long: Vec<Histogram>,
    /// Blocks of the last day, the one that is being filled last: `blocks[block][feature]`.
    blocks: VecDeque<Vec<Histogram>>,
    /// Buckets in the block that is being filled.
    filled: f64,
    /// Weight of a row now in the longer past.
    weight: f64,
    days: f64,
    judged: f64,
    flagged: f64,
}

/// The feature that has moved most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Its place in the job.
    pub feature: usize,
    /// Its population stability index.
    pub index: f64,
}

impl Gauges {
    /// Takes in a bucket that was judged, of which `flagged` rows were reported.
    pub fn learn(&mut self, bucket: &Bucket, flagged: usize, buckets_per_day: f64) {
        let per_day = buckets_per_day.max(1e-6);
        let growth = |days: f64| 2f64.powf(1.0 / (days * per_day));
        self.weight = if self.weight > 0.0 { self.weight * growth(LONG_DAYS) } else { 1.0 };
        self.days += 1.0 / per_day;
        let rows = bucket.rows() as f64;
        let fade = growth(RECENT_DAYS);
        (self.judged, self.flagged) = (self.judged / fade + rows, self.flagged / fade + flagged as f64);
        let features = bucket.columns.len().min(MAX_FEATURES);
        if self.blocks.is_empty() || self.filled >= (per_day / BLOCKS).max(1.0) - 1e-9 {
            self.blocks.push_back(vec![Histogram::default(); features]);
            self.filled = 0.0;
            while self.blocks.len() as f64 > BLOCKS + 1.0 {
                self.blocks.pop_front();
            }
        }
        self.filled += 1.0;
        self.long.resize_with(features, Histogram::default);
        let Some(block) = self.blocks.back_mut() else { return };
        for ((column, long), recent) in bucket.columns.iter().zip(&mut self.long).zip(block) {
            for (_, &x) in column.iter().enumerate().filter(|(r, _)| bucket.imputed.get(*r) != Some(&true)) {
                let bin = bin_of(x);
                long.add(bin, self.weight);
                recent.add(bin, 1.0);
            }
        }
        if self.weight > RESCALE {
            self.long.iter_mut().for_each(|h| h.scale(1.0 / self.weight));
            self.weight = 1.0;
        }
    }

    /// Share of rows of about the last day that were reported; `None` before there is any.
    pub fn flagged_share(&self) -> Option<f64> {
        (self.judged > 0.0).then(|| self.flagged / self.judged)
    }

    /// Rows reported a day, over about the last day.
    pub fn flagged_per_day(&self) -> Option<f64> {
        // The weights of the days since the start add up to so many days.
        let days = RECENT_DAYS / std::f64::consts::LN_2 * (1.0 - 0.5f64.powf(self.days / RECENT_DAYS));
        (days > 0.0).then(|| self.flagged / days)
    }

    /// The feature that has moved most; `None` while too little is known.
    pub fn shift(&self) -> Option<Shift> {
        if self.days < LEAST_DAYS {
            return None;
        }
        let over = self.blocks.len().saturating_sub(1);
        let last_day = |feature: usize| {
            let mut all = Histogram::default();
            self.blocks.iter().take(over).filter_map(|b| b.get(feature)).for_each(|h| all.merge(h));
            all
        };
        let known = self.long.iter().enumerate().filter(|(_, long)| long.total() / self.weight >= LEAST_ROWS);
        let one = |(feature, long): (usize, &Histogram)| Shift { feature, index: stability(long, &last_day(feature), self.weight) };
        known.map(one).reduce(|best, x| if x.index > best.index { x } else { best })
    }
}

/// Population stability index of the recent rows against the longer past.
fn stability(long: &Histogram, recent: &Histogram, weight: f64) -> f64 {
    let (all, now) = (long.total(), recent.total());
    let mut bins = vec![(long.absent, recent.absent)];
    let (mut sum, mut other) = (0.0, 0.0);
    let first = if recent.counts.is_empty() { long.from } else { long.from.min(recent.from) };
    let end = |h: &Histogram| h.from.saturating_add(i32::try_from(h.counts.len()).unwrap_or(i32::MAX));
    for bin in first..end(long).max(end(recent)) {
        (sum, other) = (sum + long.at(bin), other + recent.at(bin));
        if sum >= all / SHARES {
            bins.push((sum, other));
            (sum, other) = (0.0, 0.0);
        }
    }
    bins.push((sum, other));
    bins.retain(|b| b.0 > 0.0 || b.1 > 0.0);
    let (grant_all, grant_now) = (SMOOTH * weight, SMOOTH);
    let n = bins.len() as f64;
    let share = |x: f64, grant: f64, total: f64| (x + grant) / (total + n * grant);
    bins.iter().map(|&(a, b)| (share(a, grant_all, all), share(b, grant_now, now))).map(|(q, p)| (p - q) * (p / q).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(i: u64, level: f64) -> Bucket {
        let mut b = Bucket::empty(i as i64 * 3_600_000, 3_600_000, 2, 0);
        for r in 0..20u64 {
            let noise = ((i * 20 + r).wrapping_mul(2_654_435_761) % 1_000) as f64 / 1_000.0;
            b.keys.push(format!("{r}").as_bytes());
            b.doc_counts.push(1);
            b.imputed.push(false);
            b.columns[0].push(level * (1.0 + 0.2 * noise));
            b.columns[1].push(if r % 4 == 0 { f64::NAN } else { noise });
        }
        b
    }

    #[test]
    fn a_level_that_moves_shows_within_a_day_and_wears_off() {
        let mut g = Gauges::default();
        (0..24).for_each(|i| g.learn(&bucket(i, 50.0), 0, 24.0));
        assert_eq!(g.shift(), None, "a day is too little");
        (24..24 * 10).for_each(|i| g.learn(&bucket(i, 50.0), 0, 24.0));
        assert!(g.shift().is_some_and(|s| s.index < 0.1), "{:?}", g.shift());
        (240..265).for_each(|i| g.learn(&bucket(i, 65.0), 0, 24.0));
        let moved = g.shift();
        assert!(moved.is_some_and(|s| s.feature == 0 && s.index > 0.25), "{moved:?}");
        (265..265 + 24 * 60).for_each(|i| g.learn(&bucket(i, 65.0), 0, 24.0));
        assert!(g.shift().is_some_and(|s| s.index < 0.1), "{:?}", g.shift());
    }

    #[test]
    fn a_field_that_goes_missing_is_a_shift_too_and_odd_numbers_are_defined() {
        let mut g = Gauges::default();
        (0..24 * 10).for_each(|i| g.learn(&bucket(i, 50.0), 0, 24.0));
        for i in 240..265 {
            let mut b = bucket(i, 50.0);
            b.columns[1].fill(f64::NAN);
            b.columns[0][0] = [f64::INFINITY, -1e308, 1e308, -3.0][i as usize % 4];
            g.learn(&b, 0, 24.0);
        }
        assert!(g.shift().is_some_and(|s| s.feature == 1 && s.index > 0.25 && s.index.is_finite()), "{:?}", g.shift());
        assert!(g.long[0].counts.len() < 5_000);
    }

    #[test]
    fn the_flagged_share_is_that_of_the_last_day() {
        let mut g = Gauges::default();
        assert_eq!((g.flagged_share(), g.flagged_per_day()), (None, None));
        (0..24 * 20).for_each(|i| g.learn(&bucket(i, 50.0), usize::from(i % 12 == 0), 24.0));
        let (share, per_day) = (g.flagged_share().unwrap_or(0.0), g.flagged_per_day().unwrap_or(0.0));
        assert!((share - 1.0 / 240.0).abs() < 0.001 && (per_day - 2.0).abs() < 0.3, "{share} {per_day}");
        (0..48).for_each(|i| g.learn(&bucket(i, 50.0), 10, 24.0));
        assert!(g.flagged_share().is_some_and(|s| s > 0.3));
    }
}
