//! Why a row is strange: what its surprise would be if one feature were as it usually is.

use super::RowModel;
use crate::math::rows::Rows;

/// Rows of more features are searched in the ones that differ most from typical only.
const MOST_TRIED: usize = 64;
/// The usual range of a feature: nine past rows in ten lie inside.
const USUAL: (f64, f64) = (0.05, 0.95);
/// Shares of the known rows below the values of a feature that are common, the middle first.
const COMMON: [f64; 7] = [0.5, 0.4, 0.6, 0.25, 0.75, 0.1, 0.9];

/// Parts of `surprise` by feature, largest first, and the typical row. The parts sum to the surprise;
/// the first is the feature whose return to typical lowers it most. Where no such return lowers it, typical is of a few [`COMMON`] values
/// the one that does so most.
pub(super) fn parts<M: RowModel>(model: &M, row: &[f64], surprise: f64, known: &Rows) -> (Vec<(usize, f64)>, Vec<f64>) {
    let mut typical = model.typical(row);
    let mut features: Vec<usize> = (0..row.len()).collect();
    if features.len() > MOST_TRIED {
        // The gap is measured in units of the typical number, for want of a common one.
        let gap = |f: usize| match (row.get(f), typical.get(f)) {
            (Some(x), Some(t)) if x.is_finite() && t.is_finite() => (x - t).abs() / (t.abs() + 1.0),
            _ => 0.0,
        };
        features.sort_by(|&a, &b| gap(b).total_cmp(&gap(a)).then(a.cmp(&b)));
        features.truncate(MOST_TRIED);
    }
    let mut drops = drops(model, row, &features, &typical);
    if drops.iter().all(|d| *d <= 0.0) {
        let common: Vec<_> = (0..row.len()).map(|f| quantiles(known, f, COMMON)).collect();
        for i in 0..COMMON.len() {
            let other: Vec<f64> = common.iter().map(|values| values[i]).collect();
            for ((&f, best), drop) in features.iter().zip(&mut drops).zip(self::drops(model, row, &features, &other)) {
                if drop > *best {
                    (*best, typical[f]) = (drop, other[f]);
                }
            }
        }
    }
    if drops.iter().all(|d| *d <= 0.0) {
        // No single feature explains it, the row is unusual as a whole: all that are not as typical have the same share.
        drops = features.iter().map(|&f| f64::from(u8::from(row.get(f) != typical.get(f)))).collect();
    }
    let all: f64 = drops.iter().sum();
    let mut parts: Vec<(usize, f64)> = features.iter().zip(&drops).map(|(&f, &drop)| (f, surprise * drop / all.max(f64::MIN_POSITIVE))).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    (parts, typical)
}

/// By how much the model's score falls, feature by feature, when it alone is as in another row. In the scale of the model, which knows the
/// row differently while it is among its training rows.
fn drops<M: RowModel>(model: &M, row: &[f64], features: &[usize], other: &[f64]) -> Vec<f64> {
    let mut trials = Rows::new(row.len());
    trials.push(row);
    for &f in features {
        let mut trial = row.to_vec();
        if let (Some(slot), Some(&t)) = (trial.get_mut(f), other.get(f)) {
            *slot = t;
        }
        trials.push(&trial);
    }
    let scores = model.score(&trials);
    let before = scores.first().copied().unwrap_or(0.0);
    scores.iter().skip(1).map(|after| (before - after).max(0.0)).collect()
}

/// The range in which nine past rows in ten lie; `NaN` when nothing is known.
pub(super) fn usual_range(rows: &Rows, feature: usize) -> (f64, f64) {
    quantiles(rows, feature, [USUAL.0, USUAL.1]).into()
}

/// Quantiles of a feature; `NaN` when nothing is known.
fn quantiles<const N: usize>(rows: &Rows, feature: usize, shares: [f64; N]) -> [f64; N] {
    let mut column = rows.column(feature);
    column.retain(|x| x.is_finite());
    column.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = column.len().checked_sub(1)?;
        column.get((last as f64 * share).round() as usize).copied()
    };
    shares.map(|share| at(share).unwrap_or(f64::NAN))
}
