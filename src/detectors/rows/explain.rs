//! Why a row is strange: what its surprise would be if one feature were as it usually is.

use super::RowModel;
use crate::math::rows::Rows;

/// Rows of more features are searched in the ones that differ most from typical only.
const MOST_TRIED: usize = 64;
/// The usual range of a feature: nine past rows in ten lie inside.
const USUAL: (f64, f64) = (0.05, 0.95);

/// Parts of `surprise` by feature, largest first, and the typical row. The parts sum to the surprise;
/// the first is the feature whose return to typical lowers it most.
pub(super) fn parts<M: RowModel>(model: &M, row: &[f64], surprise: f64) -> (Vec<(usize, f64)>, Vec<f64>) {
    let typical = model.typical(row);
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
    let mut trials = Rows::new(row.len());
    for &f in &features {
        let mut trial = row.to_vec();
        if let (Some(slot), Some(&t)) = (trial.get_mut(f), typical.get(f)) {
            *slot = t;
        }
        trials.push(&trial);
    }
    // In the scale of the model, which knows the row differently while it is among its training rows.
    let mut own = Rows::new(row.len());
    own.push(row);
    let before = model.score(&own).first().copied().unwrap_or(0.0);
    let drops: Vec<f64> = model.score(&trials).iter().map(|after| (before - after).max(0.0)).collect();
    let all: f64 = drops.iter().sum();
    // Where no single feature explains it, the row is unusual as a whole: all have the same share.
    let part = |drop: f64| if all > 0.0 { surprise * drop / all } else { surprise / features.len() as f64 };
    let mut parts: Vec<(usize, f64)> = features.iter().zip(&drops).map(|(&f, &drop)| (f, part(drop))).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    (parts, typical)
}

/// The range in which nine past rows in ten lie; `NaN` when nothing is known.
pub(super) fn usual_range(rows: &Rows, feature: usize) -> (f64, f64) {
    let mut column = rows.column(feature);
    column.retain(|x| x.is_finite());
    column.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = column.len().checked_sub(1)?;
        column.get((last as f64 * share).round() as usize).copied()
    };
    (at(USUAL.0).unwrap_or(f64::NAN), at(USUAL.1).unwrap_or(f64::NAN))
}
