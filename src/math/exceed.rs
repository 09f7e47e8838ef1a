//! How rare is a score among training scores: `-log10` of the share of training rows that score as high.
//!
//! Below the 90 % quantile the empirical distribution, above it a generalised Pareto tail (peaks over
//! threshold; Coles 2001, chapter 4) fitted by probability-weighted moments (Hosking & Wallis 1987):
//! `shape = 2 - b0 / (b0 - 2 a1)`, `scale = b0 (1 - shape)`, with `b0` the mean excess and `a1 = E[X (1 - F)]`.
//! The shape is kept above 0, so the tail has no end and a larger score is always a larger surprise.

use serde::{Deserialize, Serialize};

/// Share of training scores below the tail.
const BODY: f64 = 0.9;
/// Shapes between an almost exponential tail and one whose mean no longer exists.
const SHAPES: (f64, f64) = (0.05, 1.0);
/// Knots kept of the body: finer than any score has to be known below the tail.
const KNOTS: usize = 256;

/// The distribution of one detector's training scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exceedance {
    /// Scores and the share of training scores below them, both rising.
    knots: Vec<(f64, f64)>,
    threshold: f64,
    /// Share of training scores above the threshold.
    above: f64,
    shape: f64,
    scale: f64,
}

impl Exceedance {
    /// Fits on training scores; numbers that are not finite are left out.
    pub fn fit(scores: &[f64]) -> Self {
        let mut sorted: Vec<f64> = scores.iter().copied().filter(|s| s.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let first = ((count as f64 * BODY) as usize).min(count.saturating_sub(1));
        let Some((body, tail)) = sorted.split_at_checked(first).filter(|(_, tail)| !tail.is_empty()) else {
            return Self { above: 1.0, shape: SHAPES.0, scale: 1.0, ..Self::default() };
        };
        let threshold = tail[0];
        let (shape, scale) = pareto(tail, threshold);
        let mut knots: Vec<(f64, f64)> = Vec::with_capacity(KNOTS + 1);
        let mut from = 0;
        while from < body.len() {
            // Equal scores share the middle of their ranks.
            let to = body.partition_point(|x| *x <= body[from]);
            let place = (from + to) as f64 / 2.0 / count as f64;
            if knots.last().is_none_or(|k| place - k.1 >= BODY / KNOTS as f64) {
                knots.push((body[from], place));
            }
            from = to;
        }
        Self { knots, threshold, above: (count - first) as f64 / count as f64, shape, scale }
    }

    /// `-log10` of the share of training rows that score at least `score`; never below 0.
    pub fn surprise(&self, score: f64) -> f64 {
        if score.is_nan() {
            return 0.0;
        }
        if score > self.threshold || self.knots.is_empty() {
            let z = ((score - self.threshold) / self.scale).clamp(0.0, f64::MAX);
            return (1.0 + self.shape * z).log10() / self.shape - self.above.log10();
        }
        let after = self.knots.partition_point(|k| k.0 <= score);
        let low = after.checked_sub(1).and_then(|i| self.knots.get(i)).copied();
        let high = self.knots.get(after).copied().unwrap_or((self.threshold, 1.0 - self.above));
        let below = match low {
            Some(low) if high.0 > low.0 => low.1 + (high.1 - low.1) * (score - low.0) / (high.0 - low.0),
            Some(low) => low.1,
            // Below all that was seen: ever less, and never alike.
            None if self.threshold > high.0 => high.1 / (1.0 + (high.0 - score) / (self.threshold - high.0)),
            None => high.1,
        };
        -(1.0 - below).max(self.above).log10()
    }
}

/// Shape and scale of the excesses of a sorted tail over `threshold`.
fn pareto(tail: &[f64], threshold: f64) -> (f64, f64) {
    let count = tail.len() as f64;
    let mean = tail.iter().map(|x| x - threshold).sum::<f64>() / count;
    if mean <= 0.0 || !mean.is_finite() {
        // All alike: any step beyond is new, on the scale of the number itself.
        return (SHAPES.0, (threshold.abs() * 1e-6).max(1e-12));
    }
    let rest = (count - 1.0).max(1.0);
    let weighted = tail.iter().enumerate().map(|(i, x)| (count - 1.0 - i as f64) / rest * (x - threshold)).sum::<f64>() / count;
    let spread = mean - 2.0 * weighted;
    let shape = if spread > 0.0 { (2.0 - mean / spread).clamp(SHAPES.0, SHAPES.1) } else { SHAPES.1 };
    (shape, mean * (1.0 - shape.min(0.9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surprise_is_minus_log10_of_the_share_above() {
        let scores: Vec<f64> = (0..1000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 1000.0).ln()).collect();
        let tail = Exceedance::fit(&scores);
        // Exponential scores: the share above x is e^-x.
        for x in [0.5, 1.0, 2.0, 5.0, 8.0] {
            let wanted = x / std::f64::consts::LN_10;
            assert!((tail.surprise(x) - wanted).abs() < 0.06 * wanted.max(1.0), "{x}: {} {wanted}", tail.surprise(x));
        }
    }

    #[test]
    fn larger_scores_are_larger_surprises() {
        let scores: Vec<f64> = (0..500).map(|i| f64::from(i % 50)).collect();
        let tail = Exceedance::fit(&scores);
        let rising: Vec<f64> = (0..2000).map(|i| tail.surprise(f64::from(i) * 0.1)).collect();
        assert!(rising.windows(2).all(|w| w[1] >= w[0]));
        assert!(tail.surprise(1e9) > tail.surprise(1e8));
        assert!(tail.surprise(-1.0) < tail.surprise(0.0) && tail.surprise(-2.0) < tail.surprise(-1.0));
    }

    #[test]
    fn odd_input_is_defined() {
        for scores in [vec![], vec![f64::NAN], vec![1.0], vec![2.0; 100], vec![1e308, -1e308, 0.0]] {
            let tail = Exceedance::fit(&scores);
            for x in [-1e308, 0.0, 2.0, 1e308, f64::INFINITY, f64::NAN] {
                let surprise = tail.surprise(x);
                assert!(surprise >= 0.0 && !surprise.is_nan(), "{scores:?} {x} {surprise}");
            }
        }
        let constant = Exceedance::fit(&[2.0; 100]);
        assert!(constant.surprise(3.0) > constant.surprise(2.0));
    }
}
