//! Nearest neighbours in a bounded reference set, by looking at every row of it: exact, no index to
//! keep, and the distances to all rows are needed anyway for a neighbourhood of a share of them.

use super::distance::square;
use super::rows::Rows;
use serde::{Deserialize, Serialize};

/// Rows are padded to whole groups of lanes.
const LANES: usize = 8;

/// The rows in which neighbours are looked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    stride: usize,
    values: Vec<f32>,
}

/// The neighbourhood of one row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Neighbourhood {
    /// Distance and index of the nearest rows, nearest first.
    pub near: Vec<(f32, u32)>,
    /// Distance of the `broad`-th nearest row.
    pub broad: f64,
}

impl Neighbourhood {
    /// Distance of the `k`-th nearest row (from 1), or of the farthest one kept.
    pub fn distance(&self, k: usize) -> f64 {
        self.near.get(k.max(1) - 1).or(self.near.last()).map_or(0.0, |n| f64::from(n.0))
    }

    /// Mean distance of the `k` nearest rows.
    pub fn mean(&self, k: usize) -> f64 {
        let k = k.min(self.near.len());
        self.near.iter().take(k).map(|n| f64::from(n.0)).sum::<f64>() / k.max(1) as f64
    }
}

impl Reference {
    /// Takes rows as they are.
    pub fn new(rows: &Rows) -> Self {
        let mut reference = Self { stride: rows.width().div_ceil(LANES).max(1) * LANES, values: Vec::new() };
        for row in rows.iter() {
            let padded = reference.padded(row);
            reference.values.extend(padded);
        }
        reference
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.stride).unwrap_or(0)
    }

    /// True when it holds no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn padded(&self, row: &[f64]) -> Vec<f32> {
        let mut out: Vec<f32> = row.iter().map(|&x| x as f32).collect();
        out.resize(self.stride, 0.0);
        out
    }

    /// The `k` nearest rows of `row` and the distance of the `broad`-th; `without` (the row itself,
    /// when it is one of the reference) is passed over. `scratch` is reused from call to call.
    pub fn around(&self, row: &[f64], k: usize, broad: usize, without: Option<usize>, scratch: &mut Vec<(f32, u32)>) -> Neighbourhood {
        let row = self.padded(row);
        scratch.clear();
        let rows = self.values.chunks_exact(self.stride.max(1)).zip(0u32..);
        scratch.extend(rows.map(|(other, i)| (square(&row, other), i)));
        if let Some(own) = without.filter(|&own| own < scratch.len()) {
            scratch.swap_remove(own);
        }
        // Equal distances go to the earlier row, so that the result depends on nothing else.
        let order = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let mut found = Neighbourhood::default();
        let mut end = scratch.len();
        if let Some(place) = broad.min(end).checked_sub(1) {
            let (_, at, _) = scratch.select_nth_unstable_by(place, order);
            found.broad = f64::from(at.0).sqrt();
            end = place + 1;
        }
        let kept = k.min(scratch.len());
        let pool = if kept > end { scratch.as_mut_slice() } else { &mut scratch[..end] };
        if kept > 0 && kept < pool.len() {
            pool.select_nth_unstable_by(kept - 1, order);
        }
        let near = &mut pool[..kept];
        near.sort_unstable_by(order);
        found.near = near.iter().map(|n| (n.0.sqrt(), n.1)).collect();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_in_order_and_leaves_itself_out() {
        let rows = Rows::from_values(1, vec![0.0, 10.0, 11.0, 13.0, 20.0]);
        let reference = Reference::new(&rows);
        let mut scratch = Vec::new();
        let found = reference.around(&[10.2], 2, 4, None, &mut scratch);
        assert_eq!(found.near.iter().map(|n| n.1).collect::<Vec<_>>(), [1, 2]);
        assert!((found.broad - 9.8).abs() < 1e-5);
        let own = reference.around(&[10.0], 2, 3, Some(1), &mut scratch);
        assert_eq!(own.near.iter().map(|n| n.1).collect::<Vec<_>>(), [2, 3]);
        assert!((own.mean(2) - 2.0).abs() < 1e-6 && own.distance(1) == 1.0 && own.distance(9) == 3.0);
    }

    #[test]
    fn small_and_empty_references_are_defined() {
        let mut scratch = Vec::new();
        let empty = Reference::new(&Rows::new(2)).around(&[1.0, 1.0], 5, 5, None, &mut scratch);
        assert_eq!((empty.distance(1), empty.mean(5), empty.broad), (0.0, 0.0, 0.0));
        let one = Reference::new(&Rows::from_values(1, vec![3.0]));
        assert_eq!(one.around(&[1.0], 5, 9, None, &mut scratch).broad, 2.0);
        assert_eq!(one.around(&[3.0], 5, 9, Some(0), &mut scratch).near, []);
    }
}
