//! Several detectors, one surprise.

/// Combined surprise of one row: the harmonic mean of the tail probabilities, `log10(mean(10^s))`, which stays valid
/// when detectors depend on each other (Wilson, "The harmonic mean p-value for combining dependent tests", PNAS 2019).
/// One loud detector among `k` loses `log10(k)`; several that agree lose less.
pub fn combine(surprises: impl Iterator<Item = f64> + Clone) -> f64 {
    let (mut max, mut k) = (0.0f64, 0usize);
    for s in surprises.clone() {
        max = max.max(if s.is_finite() { s } else { 0.0 });
        k += 1;
    }
    if k == 0 {
        return 0.0;
    }
    let sum: f64 = surprises.map(|s| 10f64.powf(if s.is_finite() { s.max(0.0) } else { 0.0 } - max)).sum();
    (max + (sum / k as f64).log10()).max(0.0)
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
