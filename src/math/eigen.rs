//! Eigenvalues and eigenvectors of symmetric matrices by cyclic Jacobi rotations
//! (Golub & Van Loan, *Matrix Computations*, 4th ed., section 8.5).

/// Sweeps over all pairs; convergence is quadratic and takes 6 to 10 for a hundred columns.
const SWEEPS: usize = 30;
/// Relative size of what is left beside the diagonal when the sweeps stop.
const LEFT: f64 = 1e-18;

/// Eigenvalues in falling order, and for each its unit vector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Eigen {
    /// Eigenvalues, largest first.
    pub values: Vec<f64>,
    /// `vectors[i]` belongs to `values[i]`.
    pub vectors: Vec<Vec<f64>>,
}

/// Decomposes a symmetric matrix given by its rows. A matrix that is not square gives nothing.
pub fn symmetric(mut matrix: Vec<Vec<f64>>) -> Eigen {
    let n = matrix.len();
    if matrix.iter().any(|row| row.len() != n) {
        return Eigen::default();
    }
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..SWEEPS {
        let all: f64 = matrix.iter().flatten().map(|x| x * x).sum();
        let diagonal: f64 = matrix.iter().enumerate().map(|(i, row)| row[i] * row[i]).sum();
        if all - diagonal <= LEFT * diagonal || !all.is_finite() {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| matrix[j][j].total_cmp(&matrix[i][i]));
    Eigen { values: order.iter().map(|&i| matrix[i][i]).collect(), vectors: order.iter().map(|&i| std::mem::take(&mut vectors[i])).collect() }
}

/// Turns the plane of `p` and `q` (`p < q`) so that the element between them becomes 0.
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    let between = matrix[p][q];
    if between.abs() < 1e-300 {
        return;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * between);
    let tangent = if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + theta.hypot(1.0)) };
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for row in matrix.iter_mut() {
        (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
    }
    for rows in [matrix, vectors] {
        let (head, tail) = rows.split_at_mut(q);
        for (x, y) in head[p].iter_mut().zip(tail[0].iter_mut()) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_matrix_is_decomposed() {
        // Eigenvalues of [[2, 1], [1, 2]] are 3 and 1, with vectors (1, 1) and (1, -1).
        let eigen = symmetric(vec![vec![2.0, 1.0], vec![1.0, 2.0]]);
        assert!((eigen.values[0] - 3.0).abs() < 1e-12 && (eigen.values[1] - 1.0).abs() < 1e-12);
        assert!((eigen.vectors[0][0] - eigen.vectors[0][1]).abs() < 1e-12);
        assert!((eigen.vectors[1][0] + eigen.vectors[1][1]).abs() < 1e-12);
    }

    #[test]
    fn the_parts_make_the_whole_again() {
        let n = 12;
        let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| 1.0 / (1.0 + i as f64 + j as f64)).collect()).collect();
        let eigen = symmetric(matrix.clone());
        for (i, row) in matrix.iter().enumerate() {
            for (j, &cell) in row.iter().enumerate() {
                let sum: f64 = (0..n).map(|k| eigen.values[k] * eigen.vectors[k][i] * eigen.vectors[k][j]).sum();
                assert!((sum - cell).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn odd_matrices_do_not_stop_it() {
        assert_eq!(symmetric(vec![]), Eigen::default());
        assert_eq!(symmetric(vec![vec![1.0, 2.0]]), Eigen::default());
        assert_eq!(symmetric(vec![vec![4.0]]).values, [4.0]);
        assert_eq!(symmetric(vec![vec![0.0; 3]; 3]).values, [0.0; 3]);
        assert_eq!(symmetric(vec![vec![f64::NAN; 2]; 2]).values.len(), 2);
    }
}
