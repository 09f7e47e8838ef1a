//! Several detectors, one surprise.

use crate::math::normal::agreed;

/// Combined surprise of one row: the harmonic mean of the tail probabilities. One loud detector among `k` loses `log10(k)`; several that
/// agree lose less.
pub fn combine(surprises: impl Iterator<Item = f64> + Clone) -> f64 {
    let k = surprises.clone().count();
    if k > 0 { (agreed(surprises) - (k as f64).log10()).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_loud_detector_pays_for_the_others_and_agreement_does_not() {
        assert_eq!(combine([].iter().copied()), 0.0);
        assert_eq!(combine([4.0].iter().copied()), 4.0);
        assert!((combine([6.0, 0.0].iter().copied()) - (6.0 - 2f64.log10())).abs() < 1e-3);
        assert!((combine([6.0, 6.0].iter().copied()) - 6.0).abs() < 1e-12);
        assert!(combine([f64::NAN, 400.0].iter().copied()).is_finite());
    }
}
