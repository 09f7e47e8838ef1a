//! Rows of the history that are no part of it: attacks among the rows to learn from.
//!
//! Each row's distance from a robust centre (minimum covariance determinant: Rousseeuw & Van Zomeren, "Unmasking multivariate
//! outliers", JASA 1990) is looked at as a logarithm, where heavy tails are exponential and light ones lighter. The tail is
//! fitted between two quantiles, and of rows beyond the second only is counted that they are beyond (maximum likelihood under
//! censoring: Hill 1975; Epstein & Sobel 1953), so that they do not decide what is usual. Rows are left out when all of this holds:
//! * there are more than a tail several times as wide explains, beyond chance;
//! * a stretch that is nearly empty lies before them, which no falling density has (conditional test of two counts:
//!   Przyborowski & Wilenski, *Biometrika* 31, 1940);
//! * each is as alone as other rows are. What comes in company is a rare second way of being normal, as far as anybody can tell.
//!
//! Numbers that are nearly always the same give no scale; what they do when they differ is not asked here.

use super::members::{Column, Raw};
use crate::math::covariance::Whitening;
use crate::math::rows::Rows;

/// Quantiles between which the tail is fitted, and the largest share of rows that is left out.
const TAIL: (f64, f64) = (0.75, 0.95);
const MOST: f64 = 0.03;
/// Fewest rows of a history that is asked.
const LEAST_ROWS: usize = 100;
/// A column of which more than this share of the rows is one and the same number says nothing.
const SAME: f64 = 0.95;
/// Share of rows that carry the robust centre, steps of concentration, and the least spread of a direction beside the widest.
const CORE: (f64, usize, f64) = (0.75, 6, 1e-6);
/// Columns beyond this make covariances too dear and too poor.
const MOST_COLUMNS: usize = 128;
/// Least growth of the distance that counts as a tail at all.
const LEAST_TAIL: f64 = 0.02;
/// How many times wider the tail may be beyond the second quantile, and the chance at which more rows are too many.
const WIDER: f64 = 3.0;
const TOO_MANY: f64 = 1e-4;
/// Widths of the gap in decades of the fitted tail, of the stretch after it in gaps, and the chance at which it is one.
const GAPS: [f64; 4] = [1.0, 2.0, 3.0, 5.0];
const STRETCHES: [f64; 3] = [0.5, 1.0, 2.0];
const GAP_CHANCE: f64 = 0.01;
/// Mean rank, over spaces, of how much nearer the fifth neighbour is than a twentieth of all rows, from which a row is alone.
const ALONE: f64 = 0.5;

/// Training rows (indices, rising) that stand apart from the others. `raw` holds the members' scores of the same rows.
pub(super) fn strays(rows: &Rows, raw: &Raw) -> Vec<usize> {
    let Some(decades) = far_out(rows) else { return Vec::new() };
    let alone = alone(raw, rows.len());
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&i, &j| decades[j].total_cmp(&decades[i]));
    order.truncate((rows.len() as f64 * MOST).round() as usize);
    // From the widest group down: of two that stand apart the larger is the more careful history.
    for last in (0..order.len()).rev() {
        let from = decades[order[last]];
        let group: Vec<usize> = order[..=last].iter().copied().filter(|&i| alone[i] >= ALONE).collect();
        if is_too_many(group.len(), rows.len(), from) && is_after_a_gap(&decades, &group, from) {
            let mut group = group;
            group.sort_unstable();
            return group;
        }
    }
    Vec::new()
}

/// -log10 of the share of rows as far from the robust centre as each row, by the tail between two quantiles; 0 below it.
fn far_out(rows: &Rows) -> Option<Column> {
    let columns: Vec<usize> = (0..rows.width()).filter(|&c| has_spread(rows.column(c))).collect();
    if rows.len() < LEAST_ROWS || columns.is_empty() || columns.len() > MOST_COLUMNS {
        return None;
    }
    let asked = Rows::from_values(columns.len(), rows.iter().flat_map(|row| columns.iter().map(|&c| row[c])).collect());
    let centre = Whitening::fit_concentrated(&asked, CORE.0, CORE.1, CORE.2);
    let far: Column = asked.iter().map(|row| centre.distance(row).max(f64::MIN_POSITIVE).ln()).collect();
    let mut sorted = far.clone();
    sorted.sort_by(f64::total_cmp);
    let place = |share: f64| (rows.len() as f64 * share) as usize;
    let (low, high) = (place(TAIL.0), place(TAIL.1));
    let (start, end) = (sorted[low], sorted[high]);
    let inside: f64 = sorted[low..high].iter().map(|x| x - start).sum();
    let mean = (inside + (rows.len() - high) as f64 * (end - start)) / (high - low) as f64;
    let per_decade = mean.max(LEAST_TAIL) * std::f64::consts::LN_10;
    Some(far.into_iter().map(|x| if x > start { (x - start) / per_decade - (1.0 - TAIL.0).log10() } else { 0.0 }).collect())
}

fn has_spread(mut column: Column) -> bool {
    column.sort_by(f64::total_cmp);
    let most = column.chunk_by(|a, b| a == b).map(<[f64]>::len).max().unwrap_or(0);
    most as f64 <= SAME * column.len() as f64
}

/// 0..1: how much nearer the fifth neighbour is than a twentieth of all rows, as a mean of ranks over the spaces.
fn alone(raw: &Raw, rows: usize) -> Column {
    let mut out = vec![0.0; rows];
    let spaces = raw.loose.len();
    for (close, broad) in raw.close.iter().skip(1).step_by(3).zip(&raw.wide) {
        let ratios: Column = close.iter().zip(broad).map(|(near, far)| near / far.max(f64::MIN_POSITIVE)).collect();
        out.iter_mut().zip(super::trust::ranks(&ratios)).for_each(|(sum, rank)| *sum += rank / spaces as f64);
    }
    out
}

/// Whether `count` rows lie farther out than a tail [`WIDER`] times as wide explains.
fn is_too_many(count: usize, rows: usize, decades: f64) -> bool {
    let beyond = (decades + (1.0 - TAIL.1).log10()).max(0.0);
    let expected = rows as f64 * (1.0 - TAIL.1) * 10f64.powf(-beyond / WIDER);
    poisson_from(count, expected) <= TOO_MANY
}

/// Chance of at least `count` where `expected` come on the mean.
fn poisson_from(count: usize, expected: f64) -> f64 {
    let (mut term, mut below) = ((-expected).exp(), 0.0);
    for k in 0..count {
        below += term;
        term *= expected / (k + 1) as f64;
    }
    // Far out the sum of the first terms is 1 to the last bit, and what is left is the next term.
    (1.0 - below).max(term)
}

fn is_after_a_gap(decades: &[f64], group: &[usize], from: f64) -> bool {
    GAPS.iter().any(|gap| {
        let inside = decades.iter().filter(|d| (from - gap..from).contains(*d)).count();
        STRETCHES.iter().any(|stretch| {
            let after = group.iter().filter(|&&i| decades[i] < from + gap * stretch).count();
            binomial_from(after, after + inside, stretch / (1.0 + stretch)) <= GAP_CHANCE
        })
    })
}

/// Chance of at least `count` of `all` when each comes with this share.
fn binomial_from(count: usize, all: usize, share: f64) -> f64 {
    let (mut term, mut sum) = (share.powi(all as i32), 0.0);
    for k in (count..=all).rev() {
        sum += term;
        term *= k as f64 / (all - k + 1) as f64 * (1.0 - share) / share;
    }
    sum
}
