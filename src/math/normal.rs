//! Normal and Student tails as surprises, and the best of several tests.

/// -log10 P(Z > z) for `z >= 0`: Börjesson and Sundberg's bound on Mills' ratio (IEEE Trans. Commun. 1979), within 0.3 % of the probability.
pub fn normal_surprise(z: f64) -> f64 {
    const HALF_LOG_2PI: f64 = 0.918_938_533_204_672_8;
    (0.5 * z * z + HALF_LOG_2PI + (0.661 * z + 0.339 * (z * z + 5.51).sqrt()).ln()) / std::f64::consts::LN_10
}

/// -log10 P(T > t) for `t >= 0` and Student's t with `freedom` degrees of freedom: Wallace's normal approximation (Ann. Math. Stat. 1959),
/// within 0.1 standard deviations everywhere.
pub fn student_surprise(t: f64, freedom: f64) -> f64 {
    let v = freedom.max(1.0);
    normal_surprise((8.0 * v + 1.0) / (8.0 * v + 3.0) * (v * (t * t / v).min(1e300).ln_1p()).sqrt())
}

/// Standard normal quantile: Acklam's rational approximation (2003), relative error below 1.2e-9.
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] =
        [-39.696_830_286_653_76, 220.946_098_424_520_5, -275.928_510_446_968_7, 138.357_751_867_269, -30.664_798_066_147_16, 2.506_628_277_459_239];
    const B: [f64; 5] = [-54.476_098_798_224_06, 161.585_836_858_040_9, -155.698_979_859_886_6, 66.801_311_887_719_72, -13.280_681_552_885_72];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let poly = |c: &[f64], x: f64| c.iter().fold(0.0, |a, k| a * x + k);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        poly(&C, q) / (poly(&D, q) * q + 1.0)
    };
    let p = if p.is_nan() { 0.5 } else { p.clamp(1e-300, 1.0 - 1e-16) };
    if p < 0.02425 {
        tail(p)
    } else if p > 0.97575 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        poly(&A, r) * q / (poly(&B, r) * r + 1.0)
    }
}

/// `log10` of the sum of `10^s`: less `log10 k` the harmonic mean of `k` tail probabilities, which stays valid when they depend on each
/// other (Wilson, "The harmonic mean p-value for combining dependent tests", PNAS 2019). About the largest surprise; several that agree say
/// more. What is not a number, or below 0, says as little as 0; minus infinity for nothing at all.
pub fn agreed(surprises: impl Iterator<Item = f64> + Clone) -> f64 {
    let said = surprises.map(|s| if s.is_finite() { s.max(0.0) } else { 0.0 });
    let max = said.clone().fold(0.0, f64::max);
    max + said.map(|s| 10f64.powf(s - max)).sum::<f64>().log10()
}

/// Surprise that the best of `tests` tests is at least `best` (Šidák 1967): about `best - log10(tests)`, and near 0 for what some
/// test shows in every row. Valid, and careful, where the tests depend on each other.
pub fn best_of(best: f64, tests: f64) -> f64 {
    if best > 6.0 {
        return best - tests.max(1.0).log10();
    }
    let p = -(tests.max(1.0) * (-(10f64.powf(-best.max(0.0)))).ln_1p()).exp_m1();
    (-p.max(f64::MIN_POSITIVE).log10()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_agree_with_tables() {
        // P(Z > 3) = 1.3499e-3, P(Z > 6) = 9.866e-10; P(T > 3.747 | 4) = 0.01, P(T > 4.144 | 10) = 0.001.
        assert!((normal_surprise(3.0) - 2.8697).abs() < 2e-3);
        assert!((normal_surprise(6.0) - 9.0059).abs() < 2e-3);
        assert!((student_surprise(3.747, 4.0) - 2.0).abs() < 0.06);
        assert!((student_surprise(4.144, 10.0) - 3.0).abs() < 0.03);
        assert!((normal_surprise(0.0) - std::f64::consts::LOG10_2).abs() < 2e-3);
        assert!(student_surprise(f64::MAX, 3.0).is_finite());
    }

    #[test]
    fn quantiles_undo_tails() {
        for z in [0.0, 1.0, 2.5, 5.0] {
            assert!((normal_quantile(10f64.powf(-normal_surprise(z))) + z).abs() < 5e-3, "{z}");
        }
        assert!(normal_quantile(f64::NAN).abs() < 1e-9 && normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
    }

    #[test]
    fn the_best_of_many_is_less_of_a_surprise() {
        assert!((best_of(8.0, 100.0) - 6.0).abs() < 1e-9);
        assert!((best_of(5.0, 10.0) - 4.0).abs() < 1e-3);
        assert!(best_of(1.0, 36.0) < 0.02);
        assert!((best_of(6.0, 36.0) - best_of(6.0001, 36.0)).abs() < 1e-3);
        assert_eq!(best_of(0.0, 5.0), 0.0);
    }
}
