//! How the features of one entity move together: the correlation of their residuals, shrunk while it is young.
//!
//! With `P` the inverse of the correlation matrix, `(P z)_f / sqrt(P_ff)` is what is left of feature `f` when all others are known,
//! in standard deviations. A busy moment raises requests, bytes and load together and leaves nothing; bytes that do not fit the
//! requests are seen although each value lies within its own range.

use super::judge::MAX;

/// Buckets of evidence for "no relation" that the correlation has to outweigh.
const PRIOR: f32 = 10.0;
/// Share of a correlation that is believed at most: keeps the matrix well conditioned when one feature copies another.
const BELIEVED: f32 = 0.98;
/// Residuals above this many standard deviations pull on the relation only so far (the whole row shrinks, its direction stays).
const CLIP: f32 = 4.0;

pub(super) type Matrix = [[f32; MAX]; MAX];

/// Numbers in the lower triangle for `n` features.
pub(super) const fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

const fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Moves the covariance (lower triangle) towards the products of this row.
pub(super) fn learn(covariance: &mut [f32], z: &[f32], gain: f32) {
    let top = z.iter().fold(0.0f32, |a, z| a.max(z.abs()));
    let shrink = if top > CLIP { CLIP / top } else { 1.0 };
    let mut cells = covariance.iter_mut();
    for (i, a) in z.iter().enumerate() {
        for (b, cell) in z[..=i].iter().zip(&mut cells) {
            *cell += (a * b * shrink * shrink - *cell) * gain;
        }
    }
}

/// The precision matrix of the shrunk correlation, learned over `buckets` buckets. Cholesky, then the inverse of the factor.
pub(super) fn precision(covariance: &[f32], n: usize, buckets: f32) -> Matrix {
    let believed = BELIEVED * buckets / (buckets + PRIOR);
    let mut inverse_sd = [1.0f32; MAX];
    for (i, s) in inverse_sd[..n].iter_mut().enumerate() {
        *s = 1.0 / covariance[at(i, i)].max(1e-3).sqrt();
    }
    let mut factor = [[0.0f32; MAX]; MAX];
    let mut inverse = [[0.0f32; MAX]; MAX];
    for i in 0..n {
        for j in 0..i {
            let correlation = (believed * covariance[at(i, j)] * inverse_sd[i] * inverse_sd[j]).clamp(-0.99, 0.99);
            let shared: f32 = factor[i][..j].iter().zip(&factor[j][..j]).map(|(a, b)| a * b).sum();
            factor[i][j] = (correlation - shared) * inverse[j][j];
        }
        let rest = 1.0 - factor[i][..i].iter().map(|l| l * l).sum::<f32>();
        // What no other feature explains is at least a tenth of the spread.
        inverse[i][i] = 1.0 / rest.max(0.01).sqrt();
        for j in 0..i {
            let shared: f32 = (j..i).map(|k| factor[i][k] * inverse[k][j]).sum();
            inverse[i][j] = -shared * inverse[i][i];
        }
    }
    let mut precision = [[0.0f32; MAX]; MAX];
    for i in 0..n {
        for j in 0..=i {
            let sum = (i..n).map(|k| inverse[k][i] * inverse[k][j]).sum();
            precision[i][j] = sum;
            precision[j][i] = sum;
        }
    }
    precision
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_relations_leave_every_feature_alone() {
        let p = precision(&[0.0; triangle(3)], 3, 0.0);
        for (i, row) in p.iter().enumerate().take(3) {
            for (j, v) in row.iter().enumerate().take(3) {
                assert!((v - if i == j { 1.0 } else { 0.0 }).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_inverse_of_a_known_correlation() {
        // Correlation 0.6 (of which 0.98 are believed, nearly): P = 1 / (1 - r^2) [[1, -r], [-r, 1]].
        let p = precision(&[2.0, 1.2, 2.0], 2, 1e9);
        let r = 0.6f32 * BELIEVED;
        let want = 1.0 / (1.0 - r * r);
        assert!((p[0][0] - want).abs() < 1e-4 && (p[0][1] + want * r).abs() < 1e-4, "{p:?}");
    }

    #[test]
    fn copies_and_outliers_stay_finite() {
        let mut c = [0.0; triangle(3)];
        for i in 0..500 {
            let z = if i % 2 == 0 { 1.0 } else { -1.0 };
            learn(&mut c, &[z, z, -z], 0.05);
        }
        learn(&mut c, &[1e6, 0.0, 0.0], 0.05);
        let p = precision(&c, 3, 500.0);
        assert!(p.iter().flatten().all(|v| v.is_finite()));
        assert!(c.iter().all(|v| v.abs() < 20.0));
    }
}
