//! Whom to trust, decided without labels.
//!
//! Close members are the best there is while the history is clean. When the history holds its own
//! oddities in clumps, each clump vouches for its members, and only wide members see it. So the
//! training rows are asked: are those that lie far out (by the wide members) alone, or in company?
//! Strays as sparse as the strangest give `evidence` near 1; clumps give less.
//!
//! A single row overrides that: when it is farther from everything known than nearly all training
//! rows are from each other, no clump vouches for it.

use super::members::{Column, Raw};
use crate::math::exceed::Exceedance;

/// Share of training rows that count as far out, and the least number of them.
const FAR: (f64, usize) = (0.02, 5);
/// Evidence at which both sides have the same say, and how gradually that changes. Rows drawn at
/// random would give 0.5 and perfect strays 1: the middle between the two.
const EVEN: (f64, f64) = (0.75, 0.05);
/// A row counts as new when its surprise is within two decades of the rarest a history of this many rows
/// can show, and how gradually that sets in (in decades).
const NEW: (f64, f64) = (2.0, 0.2);

/// What the selector found in the training rows, and the calibration of every member.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trust {
    close: Vec<Exceedance>,
    wide: Vec<Exceedance>,
    /// Mean local rank (0..1) of the rows far out.
    pub evidence: f64,
    /// Say of the close members, 0..1.
    pub weight: f64,
    /// `log10` of the number of training rows.
    decades: f64,
}

impl Trust {
    /// Calibrates on the members' scores of the training rows and weighs the two sides.
    pub(super) fn fit(raw: &Raw, rows: usize) -> Self {
        let calibrate = |columns: &[Column]| columns.iter().map(|c| Exceedance::fit(c)).collect();
        let mut trust =
            Self { close: calibrate(&raw.close), wide: calibrate(&raw.wide), evidence: 0.5, weight: 0.5, decades: (rows.max(1) as f64).log10() };
        trust.evidence = evidence(raw, rows);
        trust.weight = logistic((trust.evidence - EVEN.0) / EVEN.1);
        trust
    }

    /// One surprise per row out of all members.
    pub(super) fn blend(&self, raw: &Raw, rows: usize) -> Vec<f64> {
        let close = mean_of_powers(&self.close, &raw.close, rows, 1);
        let wide = mean_of_powers(&self.wide, &raw.wide, rows, 4);
        let one = |(close, wide): (f64, f64)| {
            let new = logistic((close - self.decades + NEW.0) / NEW.1);
            let weight = self.weight.max(new);
            (weight * close * close + (1.0 - weight) * wide * wide).sqrt()
        };
        close.into_iter().zip(wide).map(one).collect()
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Power mean of the members' surprises; a higher power lets one loud member be heard.
fn mean_of_powers(tails: &[Exceedance], columns: &[Column], rows: usize, power: i32) -> Vec<f64> {
    let mut out = vec![0.0; rows];
    for (tail, column) in tails.iter().zip(columns) {
        out.iter_mut().zip(column).for_each(|(sum, &x)| *sum += tail.surprise(x).powi(power));
    }
    let count = tails.len().max(1) as f64;
    out.iter_mut().for_each(|sum| *sum = (*sum / count).powf(1.0 / f64::from(power)));
    out
}

/// Mean rank, by local comparison, of the training rows that the wide members put farthest out.
fn evidence(raw: &Raw, rows: usize) -> f64 {
    let far = mean_rank(&raw.wide, rows);
    let loose = ranks(&mean_rank_raw(&raw.loose, rows));
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&i, &j| far[j].total_cmp(&far[i]));
    order.truncate(((rows as f64 * FAR.0) as usize).max(FAR.1));
    order.iter().map(|&i| loose[i]).sum::<f64>() / order.len().max(1) as f64
}

fn mean_rank(columns: &[Column], rows: usize) -> Column {
    let mut out = vec![0.0; rows];
    for column in columns {
        out.iter_mut().zip(ranks(column)).for_each(|(sum, rank)| *sum += rank);
    }
    out
}

fn mean_rank_raw(columns: &[Column], rows: usize) -> Column {
    let mut out = vec![0.0; rows];
    for column in columns {
        out.iter_mut().zip(column).for_each(|(sum, x)| *sum += x);
    }
    out
}

/// Ranks in 0..1; equal scores share the middle of their ranks.
pub(super) fn ranks(column: &[f64]) -> Column {
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_by(|&i, &j| column[i].total_cmp(&column[j]));
    let mut out = vec![0.0; column.len()];
    let mut from = 0;
    while from < order.len() {
        let same = order[from..].iter().take_while(|&&i| column[i] == column[order[from]]).count().max(1);
        for &i in &order[from..from + same] {
            out[i] = (from as f64 + (same as f64 + 1.0) / 2.0) / column.len() as f64;
        }
        from += same;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_ties_and_stand_nan() {
        assert_eq!(ranks(&[3.0, 1.0, 1.0, 2.0]), [1.0, 0.375, 0.375, 0.75]);
        assert_eq!(ranks(&[]), [0.0; 0]);
        assert!(ranks(&[f64::NAN, 1.0]).iter().all(|r| r.is_finite()));
    }

    #[test]
    fn strays_make_the_close_members_heard_and_clumps_do_not() {
        let rows = 500;
        let far: Column = (0..rows).map(|i| i as f64).collect();
        let stray = Raw { close: vec![far.clone()], wide: vec![far.clone()], loose: vec![far.clone()] };
        assert!(Trust::fit(&stray, rows).weight > 0.95);
        let clump = Raw { loose: vec![far.iter().map(|x| -x).collect()], ..stray };
        let trust = Trust::fit(&clump, rows);
        assert!(trust.weight < 0.05, "{trust:?}");
        // A row beyond everything close is heard all the same.
        let new = Raw { close: vec![vec![1e6]], wide: vec![vec![0.0]], loose: vec![] };
        assert!(trust.blend(&new, 1)[0] > 3.0);
    }

    #[test]
    fn nothing_to_learn_from_is_defined() {
        let trust = Trust::fit(&Raw::default(), 0);
        assert_eq!(trust.blend(&Raw::default(), 2), [0.0, 0.0]);
        assert!(trust.weight.is_finite());
    }
}
