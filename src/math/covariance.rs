//! Covariance of rows, whitening, and the distance from a robust centre.
//!
//! The robust covariance follows the fast minimum covariance determinant (Rousseeuw & Van Driessen 1999):
//! concentration steps that keep the nearest share of rows and estimate again.

use super::eigen;
use super::rows::Rows;
use serde::{Deserialize, Serialize};

/// A centre and axes along which rows have unit variance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Whitening {
    centre: Vec<f64>,
    /// One row per axis, already divided by the standard deviation along it.
    axes: Vec<Vec<f64>>,
}

impl Whitening {
    /// Fits on the rows at `picked`. `ridge` times the largest variance is added to every variance, so that
    /// directions without spread do not turn noise into distance.
    pub fn fit(rows: &Rows, picked: &[usize], ridge: f64) -> Self {
        let (centre, matrix) = covariance(rows, picked);
        let eigen = eigen::symmetric(matrix);
        let floor = ridge * eigen.values.first().copied().unwrap_or(0.0).max(1e-12);
        let axes = eigen.vectors.into_iter().zip(&eigen.values).map(|(mut axis, value)| {
            let scale = 1.0 / (value.max(0.0) + floor).sqrt();
            axis.iter_mut().for_each(|x| *x *= scale);
            axis
        });
        Self { centre, axes: axes.collect() }
    }

    /// Fits on the `share` of rows that lie nearest to their own centre, after `rounds` of concentration.
    pub fn fit_concentrated(rows: &Rows, share: f64, rounds: usize, ridge: f64) -> Self {
        Self::fit(rows, &core(rows, share, rounds, ridge), ridge)
    }

    /// The row along the axes, appended to `out`.
    pub fn whiten_into(&self, row: &[f64], out: &mut Vec<f64>) {
        let centred: Vec<f64> = row.iter().zip(&self.centre).map(|(x, m)| x - m).collect();
        out.extend(self.axes.iter().map(|axis| axis.iter().zip(&centred).map(|(a, x)| a * x).sum::<f64>()));
    }

    /// Mahalanobis distance from the centre.
    pub fn distance(&self, row: &[f64]) -> f64 {
        let mut out = Vec::with_capacity(self.axes.len());
        self.whiten_into(row, &mut out);
        out.iter().map(|x| x * x).sum::<f64>().sqrt()
    }
}

/// The `share` of rows that lie nearest to their own centre, after `rounds` of concentration.
pub fn core(rows: &Rows, share: f64, rounds: usize, ridge: f64) -> Vec<usize> {
    let mut picked: Vec<usize> = (0..rows.len()).collect();
    let keep = (rows.len() as f64 * share).ceil() as usize;
    for _ in 0..rounds {
        let model = Whitening::fit(rows, &picked, ridge);
        let distances: Vec<f64> = rows.iter().map(|row| model.distance(row)).collect();
        picked = (0..rows.len()).collect();
        // The sort is stable, so ties go to the earlier row.
        picked.sort_by(|&i, &j| distances[i].total_cmp(&distances[j]));
        picked.truncate(keep);
    }
    picked
}

/// Principal components that carry `share` of the variance, and the distance from the plane they span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    centre: Vec<f64>,
    axes: Vec<Vec<f64>>,
}

impl Plane {
    /// Fits on the rows at `picked`.
    pub fn fit(rows: &Rows, picked: &[usize], share: f64) -> Self {
        let (centre, matrix) = covariance(rows, picked);
        let eigen = eigen::symmetric(matrix);
        let wanted = share * eigen.values.iter().sum::<f64>();
        let mut carried = 0.0;
        let mut axes = Vec::new();
        for (axis, value) in eigen.vectors.into_iter().zip(eigen.values) {
            if carried >= wanted {
                break;
            }
            carried += value;
            axes.push(axis);
        }
        Self { centre, axes }
    }

    /// Number of components kept.
    pub fn components(&self) -> usize {
        self.axes.len()
    }

    /// The point of the plane nearest to `row`.
    pub fn project(&self, row: &[f64]) -> Vec<f64> {
        let centred: Vec<f64> = row.iter().zip(&self.centre).map(|(x, m)| x - m).collect();
        let mut out = self.centre.clone();
        for axis in &self.axes {
            let along: f64 = axis.iter().zip(&centred).map(|(a, x)| a * x).sum();
            out.iter_mut().zip(axis).for_each(|(o, a)| *o += along * a);
        }
        out
    }

    /// Distance from the plane: what the components cannot reconstruct.
    pub fn residual(&self, row: &[f64]) -> f64 {
        let near = self.project(row);
        row.iter().zip(&near).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
    }
}

/// Mean and covariance (divided by n) of the rows at `picked`.
fn covariance(rows: &Rows, picked: &[usize]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let width = rows.width();
    let n = picked.len().max(1) as f64;
    let mut centre = vec![0.0; width];
    for &i in picked {
        centre.iter_mut().zip(rows.row(i)).for_each(|(m, x)| *m += x / n);
    }
    let mut matrix = vec![vec![0.0; width]; width];
    let mut centred = vec![0.0; width];
    for &i in picked {
        centred.iter_mut().zip(rows.row(i)).zip(&centre).for_each(|((c, x), m)| *c = x - m);
        for (line, &x) in matrix.iter_mut().zip(&centred) {
            line.iter_mut().zip(&centred).for_each(|(cell, y)| *cell += x * y / n);
        }
    }
    (centre, matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::chance::Chance;

    /// Points along the diagonal of the plane, with little across.
    fn stick(count: usize) -> Rows {
        let mut chance = Chance::new(3, 0);
        let mut rows = Rows::new(2);
        for _ in 0..count {
            let (along, across) = (chance.normal(), 0.01 * chance.normal());
            rows.push(&[along + across, along - across]);
        }
        rows
    }

    #[test]
    fn a_step_across_is_farther_than_a_step_along() {
        let rows = stick(500);
        let all: Vec<usize> = (0..rows.len()).collect();
        let model = Whitening::fit(&rows, &all, 1e-6);
        assert!(model.distance(&[0.3, -0.3]) > 10.0 * model.distance(&[0.3, 0.3]));
        let plane = Plane::fit(&rows, &all, 0.9);
        assert_eq!(plane.components(), 1);
        assert!(plane.residual(&[0.3, -0.3]) > 10.0 * plane.residual(&[0.3, 0.3]));
    }

    #[test]
    fn a_clump_far_away_does_not_move_the_robust_centre() {
        let mut rows = stick(400);
        for i in 0..80 {
            rows.push(&[30.0 + f64::from(i) * 0.001, -30.0]);
        }
        let all: Vec<usize> = (0..rows.len()).collect();
        let plain = Whitening::fit(&rows, &all, 1e-6).distance(&[30.0, -30.0]);
        let robust = Whitening::fit_concentrated(&rows, 0.75, 6, 1e-6).distance(&[30.0, -30.0]);
        assert!(robust > 20.0 * plain, "{robust} {plain}");
    }

    #[test]
    fn empty_single_and_constant_rows_stay_finite() {
        for rows in [Rows::new(2), Rows::from_values(2, vec![1.0, 2.0]), Rows::from_values(2, vec![5.0; 10])] {
            let model = Whitening::fit_concentrated(&rows, 0.75, 2, 1e-6);
            assert!(model.distance(&[1.0, 2.0]).is_finite());
            assert!(Plane::fit(&rows, &[0, 1], 0.9).residual(&[1.0, 2.0]).is_finite());
        }
    }
}
