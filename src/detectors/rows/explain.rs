//! Why a row is strange: what its surprise would be if one feature were as it usually is.

use super::RowModel;
use crate::math::rows::Rows;

/// Rows of more features are searched in the ones that differ most from typical only.
const MOST_TRIED: usize = 64;
/// The usual range of a feature: nine past rows in ten lie inside.
const USUAL: (f64, f64) = (0.05, 0.95);
/// Shares of the known rows below the values of a feature that are common, the middle first.
const COMMON: [f64; 7] = [0.5, 0.4, 0.6, 0.25, 0.75, 0.1, 0.9];

/// Known rows that are looked at for one which is less strange.
const KNOWN_TRIED: usize = 32;

/// Why a row is strange.
pub(super) struct Why {
    /// Features with their parts of the surprise, largest first: the first is the one whose return to typical lowers it most.
    pub parts: Vec<(usize, f64)>,
    /// The row that each was held against.
    pub typical: Vec<f64>,
    /// True where that row is the model's own idea of typical.
    pub is_models_own: bool,
    /// True where no single feature lowers the surprise, but all in `parts` do when they return together: they have no parts of their own.
    pub only_together: bool,
}

/// Explains a row. Where no return to typical lowers its surprise, typical is of a few [`COMMON`] values the one that does so most.
pub(super) fn why<M: RowModel>(model: &M, row: &[f64], surprise: f64, known: &Rows) -> Why {
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
    let is_any = |drops: &[f64]| drops.iter().any(|d| *d > 0.0);
    let mut drops = drops(model, row, &features, &typical);
    let is_models_own = is_any(&drops);
    if !is_models_own {
        let near = (typical.clone(), drops.clone());
        let common: Vec<_> = (0..row.len()).map(|f| quantiles(known, f, COMMON)).collect();
        for i in 0..COMMON.len() {
            let other: Vec<f64> = common.iter().map(|values| values[i]).collect();
            for ((&f, best), drop) in features.iter().zip(&mut drops).zip(self::drops(model, row, &features, &other)) {
                if drop > *best {
                    (*best, typical[f]) = (drop, other[f]);
                }
            }
        }
        if !is_any(&drops)
            && let Some((members, typical)) = together(model, row, &features, near, known)
        {
            let is_one = members.len() == 1;
            let parts = members.into_iter().map(|f| (f, if is_one { surprise } else { 0.0 })).collect();
            return Why { parts, typical, is_models_own: false, only_together: !is_one };
        }
    }
    drops.iter_mut().for_each(|d| *d = d.max(0.0));
    if !is_any(&drops) {
        // Nothing known is less strange: all that are not as typical have the same share.
        drops = features.iter().map(|&f| f64::from(u8::from(row.get(f) != typical.get(f)))).collect();
    }
    let all: f64 = drops.iter().sum();
    let mut parts: Vec<(usize, f64)> = features.iter().zip(&drops).map(|(&f, &drop)| (f, surprise * drop / all.max(f64::MIN_POSITIVE))).collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Why { parts, typical, is_models_own, only_together: false }
}

/// A few features that lower the surprise when they return together, and the row that they return to: typical (`near`, with the drops of
/// each) or the least strange of some known rows. Those that harm least alone come first, until it is lower; then those are left out that
/// it does not need.
fn together<M: RowModel>(model: &M, row: &[f64], features: &[usize], near: (Vec<f64>, Vec<f64>), known: &Rows) -> Option<(Vec<usize>, Vec<f64>)> {
    let some: Vec<usize> = (0..known.len()).step_by(known.len().div_ceil(KNOWN_TRIED).max(1)).collect();
    let strangeness = model.score(&known.select(&some));
    let plain = some.iter().zip(&strangeness).min_by(|a, b| a.1.total_cmp(b.1)).map(|(&i, _)| known.row(i));
    let plain = plain.map(|plain| (plain.to_vec(), drops(model, row, features, plain)));
    std::iter::once(near)
        .chain(plain)
        .filter_map(|(typical, drops)| {
            let mut order: Vec<(usize, f64)> = features.iter().copied().zip(drops).filter(|(f, _)| row.get(*f) != typical.get(*f)).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let order: Vec<usize> = order.into_iter().map(|(f, _)| f).collect();
            let longer: Vec<&[usize]> = (0..order.len()).map(|last| &order[..=last]).collect();
            let enough = falls(model, row, &longer, &typical).iter().position(|d| *d > 0.0)?;
            let mut members = order[..=enough].to_vec();
            for f in order[..=enough].iter().rev() {
                let fewer: Vec<usize> = members.iter().copied().filter(|m| m != f).collect();
                if falls(model, row, &[&fewer], &typical)[0] > 0.0 {
                    members = fewer;
                }
            }
            Some((members, typical))
        })
        .min_by_key(|(members, _)| members.len())
}

/// By how much the model's score falls, feature by feature, when it alone is as in another row.
fn drops<M: RowModel>(model: &M, row: &[f64], features: &[usize], other: &[f64]) -> Vec<f64> {
    let each: Vec<&[usize]> = features.chunks(1).collect();
    falls(model, row, &each, other)
}

/// By how much the model's score falls, group by group, when these features are as in another row; negative where it rises. In the scale of
/// the model, which knows the row differently while it is among its training rows.
fn falls<M: RowModel>(model: &M, row: &[f64], groups: &[&[usize]], other: &[f64]) -> Vec<f64> {
    let mut trials = Rows::new(row.len());
    trials.push(row);
    for &group in groups {
        let mut trial = row.to_vec();
        for &f in group {
            if let (Some(slot), Some(&t)) = (trial.get_mut(f), other.get(f)) {
                *slot = t;
            }
        }
        trials.push(&trial);
    }
    let scores = model.score(&trials);
    let before = scores.first().copied().unwrap_or(0.0);
    scores.iter().skip(1).map(|after| before - after).collect()
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
