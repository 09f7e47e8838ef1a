//! Dense rows of numbers: the shape in which detectors of many features read their input.

use serde::{Deserialize, Serialize};

/// A matrix stored row by row; every row has `width` numbers. `NaN` means absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    width: usize,
    values: Vec<f64>,
}

impl Rows {
    /// An empty matrix whose rows will have `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new() }
    }

    /// Takes row-major `values`; numbers beyond the last whole row are dropped.
    pub fn from_values(width: usize, mut values: Vec<f64>) -> Self {
        let whole = values.len().checked_div(width).unwrap_or(0) * width;
        values.truncate(whole);
        Self { width, values }
    }

    /// Builds rows out of columns of equal length; shorter columns are filled with `NaN`.
    pub fn from_columns(columns: &[&[f64]]) -> Self {
        let count = columns.iter().map(|c| c.len()).max().unwrap_or(0);
        let mut values = Vec::with_capacity(count * columns.len());
        for i in 0..count {
            values.extend(columns.iter().map(|c| c.get(i).copied().unwrap_or(f64::NAN)));
        }
        Self { width: columns.len(), values }
    }

    /// Appends one row; a row of another width is cut or filled with `NaN`.
    pub fn push(&mut self, row: &[f64]) {
        self.values.extend((0..self.width).map(|c| row.get(c).copied().unwrap_or(f64::NAN)));
    }

    /// Puts `row` in the place of row `i`; nothing happens beyond the end.
    pub fn replace(&mut self, i: usize, row: &[f64]) {
        if let Some(slots) = self.values.get_mut(i * self.width..(i + 1) * self.width) {
            slots.iter_mut().enumerate().for_each(|(c, slot)| *slot = row.get(c).copied().unwrap_or(f64::NAN));
        }
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Row `i`, or an empty slice beyond the end.
    pub fn row(&self, i: usize) -> &[f64] {
        self.values.get(i * self.width..(i + 1) * self.width).unwrap_or(&[])
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// The numbers of column `c`, from the first row to the last.
    pub fn column(&self, c: usize) -> Vec<f64> {
        self.iter().filter_map(|row| row.get(c).copied()).collect()
    }

    /// The rows at `indices`, in that order; indices beyond the end are left out.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut out = Self::new(self.width);
        for &i in indices.iter().filter(|&&i| i < self.len()) {
            out.values.extend_from_slice(self.row(i));
        }
        out
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All numbers, row by row, to change in place.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_from_columns_fill_short_columns_with_absent() {
        let rows = Rows::from_columns(&[&[1.0, 2.0], &[3.0]]);
        assert_eq!((rows.len(), rows.width()), (2, 2));
        assert_eq!(rows.row(0), [1.0, 3.0]);
        assert!(rows.row(1)[1].is_nan());
        assert_eq!(rows.column(0), [1.0, 2.0]);
    }

    #[test]
    fn empty_and_ragged_input_is_defined() {
        assert_eq!(Rows::new(0).len(), 0);
        assert_eq!(Rows::from_columns(&[]).iter().count(), 0);
        let mut rows = Rows::from_values(2, vec![1.0, 2.0, 3.0]);
        assert_eq!(rows.len(), 1);
        rows.push(&[9.0]);
        assert!(rows.row(1)[1].is_nan());
        assert_eq!(rows.row(7), [0.0; 0]);
        assert_eq!(rows.select(&[1, 0, 5]).row(1), [1.0, 2.0]);
    }
}
