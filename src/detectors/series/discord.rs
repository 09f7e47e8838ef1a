//! Distance of the shape now to the nearest earlier shape: the left discord.
//!
//! Values are averaged in blocks so that one period is about `POINTS` points, and the Euclidean distance, means taken out, of
//! the last half period to every window of the last `blocks` blocks is kept up to date by its dot products, one
//! multiplication and addition per lag and point (STOMP, Zhu et al. 2016, along lags instead of rows).
use serde::{Deserialize, Serialize};

use super::period::period;

/// Points of one period.
const POINTS: usize = 32;
/// Rows at which the period is looked for again.
const LOOKS: [usize; 4] = [512, 1024, 2048, 4096];
/// Distances below this, in standard deviations of the stream, are one: no two beats are equal.
const NEGLIGIBLE: f64 = 0.02;
/// Variance below which differences of shape do not matter, as a share of the stream's.
const RESOLUTION: f64 = 0.01;
/// Values are cut at so many standard deviations, to keep sums exact.
const CUT: f64 = 10.0;

/// Left discord of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discord {
    blocks: usize,
    /// Raw values until the last look.
    first: Vec<f64>,
    plan: Option<Plan>,
    rows: usize,
}

/// Windows of `points` blocks of `width` rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plan {
    width: usize,
    points: usize,
    centre: f64,
    scale: f64,
    /// Sum and rows of the block that is being filled.
    sum: f64,
    filled: usize,
    /// Block means, `blocks + points` zeros first; the newest last.
    x: Vec<f64>,
    /// Mean and variance of the window that ends at each block.
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// Dot product of the last window with the one `blocks - index` blocks earlier.
    dots: Vec<f64>,
    /// Blocks since the start.
    known: usize,
    /// Sum of the variances of all windows.
    variances: f64,
    /// Whether the width comes from a period.
    periodic: bool,
}

impl Discord {
    /// Compares with the last `blocks` blocks (256 at the least: a few periods).
    pub fn new(blocks: usize) -> Self {
        Discord { blocks: blocks.max(256), first: Vec::new(), plan: None, rows: 0 }
    }

    /// Distance with `value` as the newest row; NaN within a block and before two periods are known.
    pub fn distance(&self, value: f64) -> f64 {
        self.plan.as_ref().map_or(f64::NAN, |p| p.distance(value, self.blocks))
    }

    /// Rows of the stretch that is compared; 0 before two periods are known.
    pub fn stretch(&self) -> usize {
        self.plan.as_ref().map_or(0, |p| p.points * p.width)
    }

    /// Share of the variance of a window that its nearest earlier window explains, given the median `distance` so far: near 1
    /// for a repeating shape. 0 when no period was found.
    pub fn regularity(&self, distance: f64) -> f64 {
        self.plan.as_ref().filter(|p| p.periodic && p.known > 0).map_or(0.0, |p| {
            let variance = p.variances / p.known as f64;
            (1.0 - (distance * distance + RESOLUTION) / (2.0 * variance)).clamp(0.0, 1.0)
        })
    }

    /// Takes in the next one.
    pub fn learn(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.rows += 1;
        if let Some(p) = &mut self.plan {
            p.learn(value, self.blocks);
        }
        if self.rows <= LOOKS[LOOKS.len() - 1] {
            self.first.push(value);
            if LOOKS.contains(&self.rows) {
                self.look();
            }
            if self.rows == LOOKS[LOOKS.len() - 1] {
                self.first = Vec::new();
            }
        }
    }

    /// Looks for the period and, when it asks for another block width, starts anew on the rows kept.
    fn look(&mut self) {
        let found = period(&self.first);
        let rows = found.unwrap_or(POINTS);
        let width = (rows / POINTS).max(1);
        let points = (rows / 2 / width).clamp(8, POINTS);
        if self.plan.as_ref().is_some_and(|p| p.width == width && p.points.abs_diff(points) <= points / 8 && p.periodic == found.is_some()) {
            return;
        }
        let n = self.first.len() as f64;
        let centre = self.first.iter().map(|v| v / n).sum::<f64>();
        let scale = self.first.iter().map(|v| (v - centre) * (v - centre) / n).sum::<f64>().sqrt();
        let mut plan = Plan::new(width, points, centre, if scale > 0.0 { scale } else { 1.0 }, self.blocks);
        plan.periodic = found.is_some();
        for v in &self.first {
            plan.learn(*v, self.blocks);
        }
        self.plan = Some(plan);
    }
}

impl Plan {
    fn new(width: usize, points: usize, centre: f64, scale: f64, blocks: usize) -> Self {
        let pad = blocks + points;
        Plan {
            width,
            points,
            centre,
            scale,
            sum: 0.0,
            filled: 0,
            x: vec![0.0; pad],
            mean: vec![0.0; pad],
            variance: vec![0.0; pad],
            dots: vec![0.0; blocks],
            known: 0,
            variances: 0.0,
            periodic: false,
        }
    }

    fn block(&self, value: f64) -> Option<f64> {
        let v = ((value - self.centre) / self.scale).clamp(-CUT, CUT);
        (self.filled + 1 == self.width).then_some((self.sum + v) / self.width as f64)
    }

    /// Mean and variance of the last window with `b` newest.
    fn moments(&self, b: f64) -> (f64, f64) {
        let m = self.points as f64;
        let w = || self.x.iter().skip(self.x.len() + 1 - self.points).copied().chain([b]);
        let mean = w().sum::<f64>() / m;
        (mean, w().map(|v| (v - mean) * (v - mean)).sum::<f64>() / m)
    }

    /// Root of the smallest mean squared difference to an earlier window that does not overlap: with `d(L)` the dot product
    /// at lag `L`, `var + var_L - 2 (d(L)/m - mean mean_L)`.
    fn distance(&self, value: f64, blocks: usize) -> f64 {
        let Some(b) = self.block(value) else { return f64::NAN };
        let m = self.points;
        let lags = (self.known + 1).saturating_sub(m).min(blocks);
        if lags < 4 * m {
            return f64::NAN;
        }
        let (mean, variance) = self.moments(b);
        let n = self.x.len();
        let out = self.x[n - m];
        // The window that ends `lag` blocks ago: its newest block is x[n - lag], its dot product dots[blocks - lag].
        let newest = &self.x[n - lags..n - m];
        let left = &self.x[n - lags - m..n - 2 * m];
        let means = &self.mean[n - lags..n - m];
        let variances = &self.variance[n - lags..n - m];
        let dots = &self.dots[blocks - lags..blocks - m];
        let k = 1.0 / m as f64;
        let (bk, ok) = (b * k, out * k);
        let mut best = f64::MAX;
        for ((((d, x), o), mu), var) in dots.iter().zip(newest).zip(left).zip(means).zip(variances) {
            let covariance = d * k + bk * x - ok * o - mean * mu;
            let gap = var - 2.0 * covariance;
            best = if gap < best { gap } else { best };
        }
        (best + variance).max(0.0).sqrt().max(NEGLIGIBLE)
    }

    fn learn(&mut self, value: f64, blocks: usize) {
        let Some(b) = self.block(value) else {
            self.sum += ((value - self.centre) / self.scale).clamp(-CUT, CUT);
            self.filled += 1;
            return;
        };
        let (mean, variance) = self.moments(b);
        let n = self.x.len();
        let out = self.x[n - self.points];
        let newest = &self.x[n - blocks..n];
        let left = &self.x[n - blocks - self.points..n - self.points];
        for ((d, a), o) in self.dots.iter_mut().zip(newest).zip(left) {
            *d += b * a - out * o;
        }
        self.x.push(b);
        self.mean.push(mean);
        self.variance.push(variance);
        self.variances += variance;
        self.known += 1;
        self.sum = 0.0;
        self.filled = 0;
        let pad = blocks + self.points;
        if self.x.len() >= 2 * pad {
            for v in [&mut self.x, &mut self.mean, &mut self.variance] {
                v.drain(..pad);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, without any of the arithmetic that makes it fast.
    fn naive(x: &[f64], m: usize) -> f64 {
        let centred = |end: usize| {
            let w = &x[end - m..end];
            let mean = w.iter().sum::<f64>() / m as f64;
            w.iter().map(|v| v - mean).collect::<Vec<_>>()
        };
        let now = centred(x.len());
        let gap = |end: usize| centred(end).iter().zip(&now).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / m as f64;
        (m..x.len() - m).map(gap).fold(f64::MAX, f64::min).sqrt()
    }

    #[test]
    fn dot_products_kept_up_to_date_give_the_distance_of_the_definition() {
        let wave = |i: usize| (i as f64 / 7.0).sin() + ((i * i) as f64 / 53.0).cos();
        let mut plan = Plan::new(1, 16, 0.0, 1.0, 512);
        let x: Vec<f64> = (0..400).map(wave).collect();
        for (i, v) in x.iter().enumerate() {
            let fast = plan.distance(*v, 512);
            if i >= 100 {
                assert!((fast - naive(&x[..=i], 16).max(NEGLIGIBLE)).abs() < 1e-9, "row {i}: {fast}");
            }
            plan.learn(*v, 512);
        }
    }

    #[test]
    fn one_strange_beat_is_the_most_distant_of_a_long_series() {
        let beat = |i: usize| if i / 100 == 60 { (i as f64 * 0.1257).sin() } else { (i as f64 * 0.0628).sin().powi(3) };
        let mut d = Discord::new(4096);
        let mut top = (0, 0.0);
        for i in 0..10_000 {
            let distance = d.distance(beat(i));
            if i > 2_000 && distance > top.1 {
                top = (i, distance);
            }
            d.learn(beat(i));
        }
        assert!((6_000..6_160).contains(&top.0), "{top:?}");
        assert!(d.regularity(NEGLIGIBLE) > 0.9);
    }

    #[test]
    fn a_constant_and_a_short_series_have_no_shape() {
        let mut d = Discord::new(0);
        assert!(d.distance(1.0).is_nan());
        (0..5_000).for_each(|_| d.learn(1.0));
        assert_eq!(d.regularity(0.0), 0.0);
        let distance = d.distance(1.0);
        assert!(distance.is_nan() || distance <= NEGLIGIBLE, "{distance}");
        d.learn(f64::NAN);
    }
}
