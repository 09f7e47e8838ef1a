//! From surprises to scores: calibrate, combine, budget, and the plain sentence.

pub mod budget;
pub mod calibrate;
pub mod combine;
pub mod evaluate;
pub mod explain;
pub mod gauges;
pub mod rule_box;
pub mod story;

/// Scale of the score: surprise at which it is 50 (a tail probability of 10^-3.5, about once in three thousand rows).
pub const HALF_SURPRISE: f64 = 3.5;

/// Score 0-100 of a calibrated surprise `s`: `100 s² / (s² + 3.5²)`. Strictly monotone, never 100, so that the
/// strongest findings never tie: 25 at s = 2, 50 at 3.5, 75 at 6.
pub fn score_of(surprise: f64) -> f64 {
    if surprise.is_nan() || surprise <= 0.0 {
        return 0.0;
    }
    let s2 = surprise.min(1e6) * surprise.min(1e6);
    100.0 * s2 / (s2 + HALF_SURPRISE * HALF_SURPRISE)
}

/// The surprise that has this score: inverse of [`score_of`].
pub fn surprise_of(score: f64) -> f64 {
    let score = score.clamp(0.0, 99.999);
    HALF_SURPRISE * (score / (100.0 - score)).sqrt()
}

/// Scores of a bucket, one entry per row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// `detectors[d][row]`: surprise of each detector, calibrated.
    pub detectors: Vec<Vec<f64>>,
    /// Combined surprise before calibration.
    pub raw: Vec<f64>,
    /// Combined surprise, calibrated.
    pub surprise: Vec<f64>,
}

impl Scores {
    /// Score 0-100 of a row.
    pub fn score(&self, row: usize) -> f64 {
        score_of(self.surprise.get(row).copied().unwrap_or(0.0))
    }

    /// The detector most surprised by a row, with its surprise.
    pub fn loudest(&self, row: usize) -> Option<(usize, f64)> {
        let of = |d: usize| self.detectors[d].get(row).copied().unwrap_or(0.0);
        (0..self.detectors.len()).map(|d| (d, of(d))).fold(None, |best, x| match best {
            Some((_, b)) if b >= x.1 => best,
            _ => Some(x),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_begin_where_the_documentation_says() {
        assert!((score_of(2.0) - 24.6).abs() < 0.1);
        assert_eq!(score_of(3.5), 50.0);
        assert!((score_of(6.0) - 74.6).abs() < 0.1);
        assert!((surprise_of(score_of(5.0)) - 5.0).abs() < 1e-9);
        assert_eq!([f64::NAN, -1.0].map(score_of), [0.0; 2]);
        assert!(score_of(100.0) < score_of(101.0) && score_of(f64::INFINITY) < 100.0 + 1e-9);
    }
}
