//! Column scaling fitted on training rows only.
//!
//! `scaled = (x - min) / (max - min)` per column, not clipped, so that rows beyond the training
//! range lie outside 0..1. A column without spread keeps its unit: dividing by a spread of zero
//! would turn one rounding error into the largest anomaly of all.

use super::rows::Rows;
use serde::{Deserialize, Serialize};

/// Scaled numbers beyond this are cut: far enough to be the strangest of all, and small enough
/// that squares and sums of them stay finite.
const FARTHEST: f64 = 1e6;

/// Per column: offset, inverse spread, and the scaled median that stands in for absent numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    low: Vec<f64>,
    inverse: Vec<f64>,
    middle: Vec<f64>,
}

impl Scaler {
    /// Fits on the finite numbers of `rows`.
    pub fn fit(rows: &Rows) -> Self {
        let mut scaler = Self::default();
        for c in 0..rows.width() {
            let mut column = rows.column(c);
            column.retain(|x| x.is_finite());
            column.sort_by(f64::total_cmp);
            let low = column.first().copied().unwrap_or(0.0);
            let high = column.last().copied().unwrap_or(0.0);
            // Halves first: the spread of +-1e308 overflows otherwise.
            let spread = (high / 2.0 - low / 2.0) * 2.0;
            let inverse = if spread > 0.0 && spread.is_finite() {
                1.0 / spread
            } else if spread > 0.0 {
                f64::MIN_POSITIVE
            } else {
                1.0 / low.abs().max(1.0)
            };
            let middle = column.get(column.len() / 2).copied().unwrap_or(low);
            scaler.low.push(low);
            scaler.inverse.push(inverse.min(f64::MAX));
            scaler.middle.push(((middle - low) * inverse).clamp(0.0, 1.0));
        }
        scaler
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.low.len()
    }

    /// The scaled number of column `c`; absent numbers become the training median.
    pub fn scale(&self, c: usize, x: f64) -> f64 {
        let (Some(low), Some(inverse), Some(middle)) = (self.low.get(c), self.inverse.get(c), self.middle.get(c)) else {
            return 0.0;
        };
        if x.is_nan() { *middle } else { ((x - low) * inverse).clamp(-FARTHEST, FARTHEST) }
    }

    /// Back from the scaled number of column `c` to its own unit.
    pub fn unscale(&self, c: usize, scaled: f64) -> f64 {
        match (self.low.get(c), self.inverse.get(c)) {
            (Some(low), Some(inverse)) => low + scaled / inverse,
            _ => f64::NAN,
        }
    }

    /// The training median of column `c` in scaled units.
    pub fn middle(&self, c: usize) -> f64 {
        self.middle.get(c).copied().unwrap_or(0.0)
    }

    /// Scales one row into `out` (appended); a short row counts as absent numbers.
    pub fn scale_into(&self, row: &[f64], out: &mut Vec<f64>) {
        out.extend((0..self.width()).map(|c| self.scale(c, row.get(c).copied().unwrap_or(f64::NAN))));
    }

    /// Scales all rows.
    pub fn apply(&self, rows: &Rows) -> Rows {
        let mut values = Vec::with_capacity(rows.len() * self.width());
        for row in rows.iter() {
            self.scale_into(row, &mut values);
        }
        Rows::from_values(self.width(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_to_the_training_range_and_beyond() {
        let scaler = Scaler::fit(&Rows::from_values(1, vec![10.0, 20.0, 30.0]));
        assert_eq!(scaler.scale(0, 25.0), 0.75);
        assert_eq!(scaler.scale(0, 50.0), 2.0);
        assert_eq!(scaler.unscale(0, 2.0), 50.0);
        assert_eq!(scaler.scale(0, f64::NAN), 0.5);
    }

    #[test]
    fn constant_empty_and_extreme_columns_stay_finite() {
        let constant = Scaler::fit(&Rows::from_values(1, vec![4.0; 3]));
        assert_eq!(constant.scale(0, 4.0), 0.0);
        assert_eq!(constant.scale(0, 8.0), 1.0);
        let empty = Scaler::fit(&Rows::new(2));
        assert_eq!(empty.apply(&Rows::from_values(2, vec![1.0, f64::NAN])).row(0), [1.0, 0.0]);
        let extreme = Scaler::fit(&Rows::from_values(1, vec![-1e308, f64::INFINITY, 1e308, f64::NAN]));
        for x in [f64::INFINITY, f64::NEG_INFINITY, 1e308, f64::NAN] {
            assert!(extreme.scale(0, x).is_finite());
        }
        assert_eq!(Scaler::fit(&Rows::new(0)).width(), 0);
    }
}
