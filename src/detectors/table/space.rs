//! The spaces in which neighbours are looked for. No single scale suits every table: columns that
//! move together hide rows that break the pattern until they are whitened, and columns with a long
//! tail hide everything else until it is pulled in.

use crate::math::covariance::Whitening;
use crate::math::rows::Rows;

/// Variance added to every direction before whitening, as a share of the largest.
const RIDGE: f64 = 1e-4;

/// A way of measuring distance between rows already scaled to 0..1.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Space {
    /// As scaled.
    Plain,
    /// Correlations taken out.
    Whitened(Whitening),
    /// `asinh((x - median) / spread)` per column: linear in the middle, logarithmic far out.
    Robust(Vec<(f64, f64)>),
}

impl Space {
    pub(super) fn whitened(rows: &Rows) -> Self {
        let all: Vec<usize> = (0..rows.len()).collect();
        Self::Whitened(Whitening::fit(rows, &all, RIDGE))
    }

    pub(super) fn robust(rows: &Rows) -> Self {
        Self::Robust((0..rows.width()).map(|c| middle_and_spread(rows.column(c))).collect())
    }

    pub(super) fn place(&self, row: &[f64]) -> Vec<f64> {
        match self {
            Self::Plain => row.to_vec(),
            Self::Whitened(whitening) => {
                let mut out = Vec::with_capacity(row.len());
                whitening.whiten_into(row, &mut out);
                out
            }
            Self::Robust(columns) => row.iter().zip(columns).map(|(x, (middle, spread))| ((x - middle) / spread).asinh()).collect(),
        }
    }

    pub(super) fn place_all(&self, rows: &Rows) -> Rows {
        Rows::from_values(rows.width(), rows.iter().flat_map(|row| self.place(row)).collect())
    }
}

/// Median and interquartile range of a column. Where half of the numbers are equal the range is
/// nothing or close to it; a fifth of the standard deviation (in units of that range) is the least.
fn middle_and_spread(mut column: Vec<f64>) -> (f64, f64) {
    column.sort_by(f64::total_cmp);
    let Some(last) = column.len().checked_sub(1) else { return (0.0, 1.0) };
    let quantile = |share: f64| column.get((last as f64 * share) as usize).copied().unwrap_or(0.0);
    let count = column.len() as f64;
    let mean = column.iter().sum::<f64>() / count;
    let deviation = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    // 1.35 standard deviations is the interquartile range of a normal law.
    let spread = (quantile(0.75) - quantile(0.25)).max(0.2 * 1.35 * deviation);
    (quantile(0.5), if spread > 0.0 { spread } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robust_space_pulls_far_values_in_and_keeps_order() {
        let rows = Rows::from_values(1, (0..101).map(|i| f64::from(i) / 100.0).collect());
        let space = Space::robust(&rows);
        let at = |x: f64| space.place(&[x])[0];
        assert_eq!(at(0.5), 0.0);
        assert!(at(1.0) > at(0.9) && at(1e6) < 20.0 && at(1e6) > at(1e5));
    }

    #[test]
    fn constant_and_empty_columns_stay_finite() {
        for rows in [Rows::new(2), Rows::from_values(2, vec![1.0; 6])] {
            for space in [Space::Plain, Space::whitened(&rows), Space::robust(&rows)] {
                assert!(space.place(&[0.5, 2.0]).iter().all(|x| x.is_finite()), "{space:?}");
                assert_eq!(space.place_all(&rows).len(), rows.len());
            }
        }
    }
}
