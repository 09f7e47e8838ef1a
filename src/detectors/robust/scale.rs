//! The scale on which a feature is judged: its spread there is about the same at every level.
//!
//! Rates vary by a few per cent and small counts by chance (Poisson), so the variance is `m + phi m^2`. The transform
//! `2 asinh(sqrt(phi (x + 3/8))) / sqrt(phi)` (Anscombe 1948, for the negative binomial) makes it 1: a square root for small
//! values, a logarithm for large ones. A sum or a mean behaves like `x / unit` events; the unit is found from the first buckets.

use serde::{Deserialize, Serialize};

use crate::math::normal::normal_quantile;

/// Variation of a rate that is taken for granted: 5 %.
const ROOT_PHI: f64 = 0.05;
/// Below this value of the scale (30 events) counts are judged by the exact Poisson law.
const EXACT_BELOW: f32 = 11.0;
/// Counts above this use the scale beyond the last exact value.
const EXACT_COUNT: f64 = 60.0;

/// What kind of numbers a feature holds, decided on the first bucket that has any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Scale {
    /// Whole numbers from 0 up.
    Count,
    /// Numbers from 0 up; the smallest unit that is told apart.
    Positive(f64),
    /// Numbers of both signs; linear up to about this size, logarithmic above.
    Signed(f64),
}

impl Scale {
    /// Looks at the values of one column; `None` if no value is finite.
    pub(super) fn of(column: &[f64]) -> Option<Self> {
        let finite = || column.iter().copied().filter(|x| x.is_finite());
        let mut sizes: Vec<f64> = finite().map(f64::abs).filter(|x| *x > 0.0).collect();
        finite().next()?;
        sizes.sort_unstable_by(f64::total_cmp);
        let typical = sizes.get(sizes.len() / 2).copied().unwrap_or(1.0);
        Some(if finite().any(|x| x < 0.0) {
            Self::Signed(0.1 * typical)
        } else if finite().all(|x| x.fract() == 0.0) {
            Self::Count
        } else {
            Self::Positive(1e-5 * typical)
        })
    }

    /// The unit before anything is known about the noise of an entity: one event, or a thousandth of its first value.
    pub(super) fn first_unit(self, x: f64) -> f32 {
        match self {
            Self::Count | Self::Signed(_) => 1.0,
            Self::Positive(least) => (1e-3 * x).max(least).max(1e-30) as f32,
        }
    }

    /// The value on the scale.
    pub(super) fn forward(self, x: f64, unit: f32) -> f32 {
        match self {
            Self::Signed(knee) => (1.0 / ROOT_PHI * (x / knee).asinh()) as f32,
            Self::Count | Self::Positive(_) => stabilise(x / f64::from(unit)) as f32,
        }
    }

    /// The number that lies at `y`.
    pub(super) fn back(self, y: f32, unit: f32) -> f64 {
        match self {
            Self::Signed(knee) => knee * (f64::from(y) * ROOT_PHI).sinh(),
            Self::Count | Self::Positive(_) => unstabilise(f64::from(y)) * f64::from(unit),
        }
    }

    /// Difference of the value `x` (`y` on the scale) and what was expected, in standard deviations of pure chance.
    pub(super) fn residual(self, x: f64, y: f32, expected: f32, unit: f32) -> f32 {
        if self.is_events(unit) && expected < EXACT_BELOW {
            let mean = unstabilise(f64::from(expected));
            let exact = poisson_score(x.min(EXACT_COUNT), mean);
            let beyond = if x > EXACT_COUNT { f64::from(y) - stabilise(EXACT_COUNT) } else { 0.0 };
            return (exact + beyond) as f32;
        }
        y - expected
    }

    /// Chance that a count repeats its value just because counts are whole numbers: the probability of its mode.
    pub(super) fn chance_of_repeat(self, expected: f32, unit: f32) -> f32 {
        if !self.is_events(unit) {
            return 0.0;
        }
        let mean = unstabilise(f64::from(expected)) as f32;
        if mean < 0.7 { (-mean).exp() } else { 0.4 / mean.sqrt() }
    }

    fn is_events(self, unit: f32) -> bool {
        self == Self::Count && unit == 1.0
    }
}

/// The unit in which a feature with this typical value varies like a count, given the mean absolute step between
/// neighbouring buckets on the scale: `typical * (cv^2 - phi)`. Steps do not see trend and season.
pub(super) fn unit_of(mean_step: f32, typical: f64) -> f32 {
    // Mean |N(0, 2 s^2)| = 1.128 s.
    let cv = f64::from(mean_step) / 1.128 * ROOT_PHI;
    ((cv * cv - ROOT_PHI * ROOT_PHI).clamp(0.0, 1.0) * typical) as f32
}

fn stabilise(x: f64) -> f64 {
    // asinh(u) for u >= 0, where the plain formula loses nothing.
    let u = ROOT_PHI * (x.clamp(0.0, 1e300) + 0.375).sqrt();
    2.0 / ROOT_PHI * (u + (u * u + 1.0).sqrt()).ln()
}

/// The mean that lies at `y`: below 2.2 with the difference between mean of the scale and scale of the mean.
fn unstabilise(y: f64) -> f64 {
    if y < 2.2 {
        let d = y - 1.2247;
        return (0.893 * d + 0.155 * d * d).max(0.0);
    }
    let s = (y * ROOT_PHI / 2.0).sinh() / ROOT_PHI;
    s * s - 0.125
}

/// Normal score of a Poisson count: the quantile of its mid-p probability, so that the scores have mean 0 and spread 1.
fn poisson_score(x: f64, mean: f64) -> f64 {
    let mean = mean.max(0.01);
    let n = x.max(0.0).round() as u32;
    let (mut p, mut below) = ((-mean).exp(), 0.0);
    for i in 1..=n {
        below += p;
        p *= mean / f64::from(i);
    }
    if f64::from(n) <= mean {
        return normal_quantile((below + 0.5 * p).clamp(1e-300, 0.999_999));
    }
    // The upper tail is summed by itself: 1 - below would lose it.
    let (mut term, mut above) = (p, 0.0);
    for i in 1..200 {
        term *= mean / f64::from(n + i);
        above += term;
        if term <= above * 1e-9 {
            break;
        }
    }
    -normal_quantile((0.5 * p + above).clamp(1e-300, 0.999_999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_numbers_is_seen_in_the_first_column() {
        assert_eq!(Scale::of(&[]), None);
        assert_eq!(Scale::of(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(Scale::of(&[0.0, 3.0, f64::NAN]), Some(Scale::Count));
        assert_eq!(Scale::of(&[0.5, 2.0, 4.0]), Some(Scale::Positive(2e-5)));
        assert_eq!(Scale::of(&[-1.0, 2.0, 4.0]), Some(Scale::Signed(0.2)));
        assert_eq!(Scale::of(&[0.0]), Some(Scale::Count));
    }

    #[test]
    fn back_undoes_forward() {
        for (scale, x, unit) in
            [(Scale::Count, 1000.0, 1.0), (Scale::Count, 30.0, 1.0), (Scale::Positive(0.1), 12.5, 0.2), (Scale::Signed(2.0), -35.0, 1.0)]
        {
            let back = scale.back(scale.forward(x, unit), unit);
            // The mean of a Poisson count lies 1/4 above what its scale shows.
            assert!((back - x).abs() < 0.3 * f64::from(unit) + 1e-3 * x.abs(), "{scale:?} {x} {back}");
        }
        assert!(Scale::Count.forward(f64::MAX, 1.0).is_finite());
        assert!(Scale::Signed(1e-300).forward(-f64::MAX, 1.0).is_finite() || Scale::Signed(1e-300).forward(-f64::MAX, 1.0) < 0.0);
    }

    #[test]
    fn poisson_scores_agree_with_tables() {
        // P(X >= 3 | 0.1) = 1.547e-4, mid-p 7.9e-5: z = 3.78.
        assert!((poisson_score(3.0, 0.1) - 3.78).abs() < 0.02);
        assert!(poisson_score(0.0, 0.1).abs() < 0.2);
        // P(X = 0 | 10) = 4.54e-5, half of it: z = -4.08.
        assert!((poisson_score(0.0, 10.0) + 4.08).abs() < 0.02);
        assert!(poisson_score(60.0, 0.01) > poisson_score(59.0, 0.01));
    }

    #[test]
    fn a_noisy_sum_counts_in_larger_units() {
        // Standard deviation 32 %, as ten events a bucket have: one unit is a tenth of the typical value.
        let unit = unit_of((0.32 * 1.128 / 0.05) as f32, 50_000.0);
        assert!((unit - 4995.0).abs() < 50.0, "{unit}");
        assert_eq!(unit_of(0.5, 50_000.0), 0.0);
    }
}
