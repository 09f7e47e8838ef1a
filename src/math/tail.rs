//! Calibration: how often does a number this large come in this job?
//!
//! A decaying histogram gives the body of the distribution, a generalised Pareto law the part beyond its 99 % quantile
//! (peaks over threshold: Pickands 1975; Coles, *An Introduction to Statistical Modeling of Extreme Values*, 2001, ch. 4),
//! fitted by moments: with mean excess `m` and variance `v`, `xi = (1 - m²/v) / 2`, `sigma = m (m²/v + 1) / 2`
//! (Hosking & Wallis 1987). A detector's own claim `10^-x` enters as `PRIOR_ROWS` rows of evidence, so that the first
//! window has a scale and the result is strictly monotone.

use serde::{Deserialize, Serialize};

/// Width of a bin, in units of surprise.
const BIN: f64 = 0.05;
/// Number of bins; what lies beyond counts in the last one.
const BINS: usize = 800;
/// Weight of a detector's own claim, in rows.
const PRIOR_ROWS: f64 = 100.0;
/// Share of rows beyond the threshold of the tail fit.
const TAIL_SHARE: f64 = 0.01;
/// Fewest rows beyond the threshold for a fit; below, a larger share is taken.
const TAIL_ROWS: f64 = 20.0;
/// The shape is shrunk towards 0 (exponential tail) as if this many rows had said so, and kept in `0..=MAX_SHAPE`:
/// a negative shape would mean a largest possible value and so ties at the top, and a surprise is a logarithm already, so that its
/// tail is close to exponential: a few real events in the history must not flatten it.
const SHAPE_PRIOR_ROWS: f64 = 50.0;
const MAX_SHAPE: f64 = 0.1;

/// A calibrated tail of one stream of surprises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    bins: Vec<f64>,
    total: f64,
    threshold: f64,
    exceed_share: f64,
    shape: f64,
    scale: f64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { bins: vec![0.0; BINS], total: 0.0, threshold: f64::INFINITY, exceed_share: 0.0, shape: 0.0, scale: 1.0 }
    }
}

impl Tail {
    /// Rows it has learned (after decay).
    pub fn rows(&self) -> f64 {
        self.total
    }

    /// Adds one surprise with a weight; anything that is not a number or not positive in weight is ignored.
    pub fn observe(&mut self, x: f64, weight: f64) {
        if x.is_nan() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let bin = ((x.max(0.0) / BIN) as usize).min(BINS - 1);
        self.bins[bin] += weight;
        self.total += weight;
    }

    /// Forgets by a factor between 0 and 1, then fits the tail again. Call once per bucket, after its rows.
    pub fn decay_and_fit(&mut self, factor: f64) {
        let factor = if factor.is_finite() { factor.clamp(0.0, 1.0) } else { 1.0 };
        self.bins.iter_mut().for_each(|b| *b *= factor);
        self.total = self.bins.iter().sum();
        self.fit();
    }

    fn fit(&mut self) {
        let wanted = (self.total * TAIL_SHARE).max(TAIL_ROWS);
        self.threshold = f64::INFINITY;
        if self.total < 2.0 * TAIL_ROWS {
            return;
        }
        let mut mass = 0.0;
        let mut from = BINS;
        while from > 0 && mass < wanted {
            from -= 1;
            mass += self.bins[from];
        }
        let start = from as f64 * BIN;
        let (mut m, mut m2) = (0.0, 0.0);
        for (i, &w) in self.bins.iter().enumerate().skip(from) {
            let excess = (i as f64 + 0.5) * BIN - start;
            m += w * excess;
            m2 += w * excess * excess;
        }
        m /= mass;
        let v = (m2 / mass - m * m).max(1e-9);
        let shape = 0.5 * (1.0 - m * m / v) * mass / (mass + SHAPE_PRIOR_ROWS);
        self.shape = shape.clamp(0.0, MAX_SHAPE);
        self.scale = (m * (1.0 - self.shape)).max(BIN / 2.0);
        self.threshold = start;
        self.exceed_share = mass / self.total;
    }

    /// Share of rows at or above `x` according to what was learned.
    fn survival(&self, x: f64) -> f64 {
        if x >= self.threshold {
            let z = (x - self.threshold) / self.scale;
            let beyond = if self.shape < 1e-6 { (-z).exp() } else { (1.0 + self.shape * z).powf(-1.0 / self.shape) };
            return self.exceed_share * beyond;
        }
        let bin = ((x / BIN) as usize).min(BINS - 1);
        let above: f64 = self.bins[bin + 1..].iter().sum();
        let inside = self.bins[bin] * (1.0 - (x / BIN - bin as f64)).clamp(0.0, 1.0);
        (above + inside) / self.total.max(f64::MIN_POSITIVE)
    }

    /// The calibrated surprise of `x`: -log10 of the share of rows that are at least as large. `x` that is not a number, or
    /// not above 0, gives 0.
    pub fn calibrate(&self, x: f64) -> f64 {
        if x.is_nan() || x <= 0.0 {
            return 0.0;
        }
        let x = x.min(300.0);
        let learned = if self.total > 0.0 { self.total * self.survival(x) } else { 0.0 };
        let share = (learned + PRIOR_ROWS * 10f64.powf(-x)) / (self.total + PRIOR_ROWS);
        (-share.log10()).max(0.0)
    }

    /// A table of [`Tail::calibrate`] for dense use: one pass over the bins instead of one sum per row.
    pub fn table(&self) -> TailTable {
        let mut above = vec![0.0; BINS + 1];
        for i in (0..BINS).rev() {
            above[i] = above[i + 1] + self.bins[i];
        }
        TailTable { tail: self.clone(), above }
    }
}

/// [`Tail`] with its cumulated bins.
#[derive(Debug, Clone)]
pub struct TailTable {
    tail: Tail,
    above: Vec<f64>,
}

impl TailTable {
    /// Same as [`Tail::calibrate`].
    pub fn calibrate(&self, x: f64) -> f64 {
        if x.is_nan() || x <= 0.0 {
            return 0.0;
        }
        if x >= self.tail.threshold || self.tail.total <= 0.0 {
            return self.tail.calibrate(x);
        }
        let bin = ((x / BIN) as usize).min(BINS - 1);
        let inside = self.tail.bins[bin] * (1.0 - (x / BIN - bin as f64)).clamp(0.0, 1.0);
        let learned = self.above[bin + 1] + inside;
        let share = (learned + PRIOR_ROWS * 10f64.powf(-x)) / (self.tail.total + PRIOR_ROWS);
        (-share.log10()).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Surprises of a perfectly calibrated detector: -log10 of the midpoints of n equal shares.
    fn learned(n: usize, factor: f64) -> Tail {
        let mut tail = Tail::default();
        for i in 0..n {
            tail.observe(-((i as f64 + 0.5) / n as f64).log10() * factor, 1.0);
        }
        tail.decay_and_fit(1.0);
        tail
    }

    #[test]
    fn without_history_the_claim_stands() {
        let tail = Tail::default();
        assert_eq!(tail.calibrate(3.0), 3.0);
        assert_eq!([f64::NAN, -1.0, 0.0].map(|x| tail.calibrate(x)), [0.0; 3]);
    }

    #[test]
    fn a_loud_detector_is_brought_back_to_scale() {
        // A detector that claims twice the surprise: what it calls 4 comes once in a hundred rows.
        let tail = learned(20_000, 2.0);
        assert!((tail.calibrate(4.0) - 2.0).abs() < 0.1, "{}", tail.calibrate(4.0));
        assert!((tail.calibrate(8.0) - 4.0).abs() < 0.5, "{}", tail.calibrate(8.0));
        let honest = learned(20_000, 1.0);
        assert!((honest.calibrate(3.0) - 3.0).abs() < 0.15);
    }

    #[test]
    fn it_is_strictly_monotone_and_the_table_agrees() {
        for tail in [learned(5_000, 1.5), learned(30, 1.0), Tail::default()] {
            let table = tail.table();
            let mut last = 0.0;
            for i in 1..2_000 {
                let x = i as f64 * 0.01;
                let y = tail.calibrate(x);
                assert!(y > last || (y == 0.0 && x < 0.5), "{x}: {y} after {last}");
                assert!((table.calibrate(x) - y).abs() < 1e-9);
                last = y;
            }
        }
    }

    #[test]
    fn odd_input_is_ignored() {
        let mut tail = Tail::default();
        tail.observe(f64::NAN, 1.0);
        tail.observe(1.0, f64::NAN);
        tail.observe(1.0, -1.0);
        assert_eq!(tail.rows(), 0.0);
        tail.observe(f64::INFINITY, 1.0);
        tail.decay_and_fit(f64::NAN);
        assert_eq!(tail.rows(), 1.0);
    }
}
