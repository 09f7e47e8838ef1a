//! The dominant period of a stretch of values, by autocorrelation.

/// Weakest autocorrelation that counts as a period.
const WEAKEST: f64 = 0.3;
/// A shorter period is taken when it explains nearly as much as the best.
const NEARLY: f64 = 0.9;

/// Period in rows, or `None` when there is none up to a third of the stretch.
pub fn period(values: &[f64]) -> Option<usize> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n.max(1) as f64;
    let x: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let at = |lag: usize| {
        let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
        for (a, b) in x.iter().zip(x.iter().skip(lag)) {
            both += a * b;
            left += a * a;
            right += b * b;
        }
        let scale = (left * right).sqrt();
        if scale > 0.0 { both / scale } else { 0.0 }
    };
    let curve: Vec<f64> = (0..n / 3).map(at).collect();
    let start = curve.iter().position(|c| *c <= 0.0)?.max(4);
    let best = curve.iter().skip(start).copied().fold(f64::MIN, f64::max);
    if best < WEAKEST {
        return None;
    }
    curve.windows(3).enumerate().skip(start).find_map(|(i, w)| match w {
        [a, b, c] if *b >= NEARLY * best && b >= a && b >= c => Some(i + 1),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_its_period_and_noise_has_none() {
        let wave: Vec<f64> = (0..600).map(|i| (i as f64 * std::f64::consts::TAU / 48.0).sin()).collect();
        assert_eq!(period(&wave), Some(48));
        let noise: Vec<f64> = (0..600u64).map(|i| ((i * 2_654_435_761) % 1_000) as f64 * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        assert!(period(&noise).is_none_or(|p| p != 48));
        assert_eq!((period(&[]), period(&[1.0]), period(&[2.0; 100])), (None, None, None));
    }
}
