//! Quantiles of a stream in little memory: a merging t-digest (Dunning & Ertl, "Computing extremely accurate quantiles using
//! t-digests", 2019) with the scale function `k(q) = d / (2 pi) asin(2q - 1)`.
//!
//! Up to [`EXACT`] values the quantile is exact (interpolated between the midpoints of the ranks, Hazen's rule, which is what
//! the engines' digests do for single values); beyond, the error in rank is below `pi / d sqrt(q (1 - q))`, 1.6 % in the
//! middle and less at the ends.

/// Values that are kept as they are.
pub const EXACT: usize = 256;
/// Number of centroids, about: the `compression` that engines use.
const COMPRESSION: f64 = 100.0;

/// A digest of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Digest {
    /// Mean and weight, ascending; empty while everything is exact.
    centroids: Vec<(f64, f64)>,
    fresh: Vec<f64>,
}

impl Digest {
    /// Adds a value; anything that is not finite is ignored.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        if self.fresh.len() >= EXACT {
            self.merge();
        }
        self.fresh.push(x);
    }

    /// Takes the fresh values into the centroids.
    fn merge(&mut self) {
        let mut all = std::mem::take(&mut self.centroids);
        all.extend(self.fresh.drain(..).map(|x| (x, 1.0)));
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let total: f64 = all.iter().map(|c| c.1).sum();
        let limit = |q: f64| {
            let k = COMPRESSION / std::f64::consts::TAU * (2.0 * q - 1.0).clamp(-1.0, 1.0).asin() + 1.0;
            ((k * std::f64::consts::TAU / COMPRESSION).min(std::f64::consts::FRAC_PI_2).sin() + 1.0) / 2.0
        };
        let (mut done, mut out) = (0.0, Vec::with_capacity(COMPRESSION as usize));
        let mut end = limit(0.0);
        let mut all = all.into_iter();
        let Some((mut mean, mut weight)) = all.next() else { return };
        for (m, w) in all {
            if (done + weight + w) / total <= end {
                weight += w;
                mean += (m - mean) * w / weight;
            } else {
                out.push((mean, weight));
                done += weight;
                end = limit(done / total);
                (mean, weight) = (m, w);
            }
        }
        out.push((mean, weight));
        self.centroids = out;
    }

    /// The value below which a share `q` (0 to 1) lies; `NaN` for an empty digest.
    pub fn quantile(&mut self, q: f64) -> f64 {
        if self.centroids.is_empty() {
            self.fresh.sort_unstable_by(f64::total_cmp);
            return interpolate(self.fresh.iter().map(|&x| (x, 1.0)), self.fresh.len() as f64, q);
        }
        self.merge();
        interpolate(self.centroids.iter().copied(), self.centroids.iter().map(|c| c.1).sum(), q)
    }
}

/// Between the middles of neighbouring weights.
fn interpolate(centroids: impl Iterator<Item = (f64, f64)>, total: f64, q: f64) -> f64 {
    let target = q.clamp(0.0, 1.0) * total;
    let (mut done, mut before): (f64, Option<(f64, f64)>) = (0.0, None);
    for (mean, weight) in centroids {
        let middle = done + weight / 2.0;
        if target <= middle {
            return before.map_or(mean, |(m, at)| m + (mean - m) * (target - at) / (middle - at));
        }
        done += weight;
        before = Some((mean, middle));
    }
    before.map_or(f64::NAN, |(m, _)| m)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Digest {
        let mut d = Digest::default();
        values.into_iter().for_each(|x| d.add(x));
        d
    }

    #[test]
    fn few_values_are_exact() {
        assert!(of([]).quantile(0.5).is_nan());
        assert!(of([f64::NAN, f64::INFINITY]).quantile(0.5).is_nan());
        assert_eq!([0.0, 0.5, 1.0].map(|q| of([7.0]).quantile(q)), [7.0; 3]);
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|q| of([4.0, 1.0, 3.0, 2.0]).quantile(q)), [1.0, 2.5, 4.0, 4.0]);
        assert_eq!(of([5.0; 1_000]).quantile(0.9), 5.0);
    }

    #[test]
    fn many_values_stay_within_the_stated_error_in_little_memory() {
        let n = 100_000u64;
        // A full-cycle generator: every rank comes once, in a scattered order.
        let mut d = of((0..n).map(|i| ((i * 48_271) % n) as f64));
        for q in [0.01f64, 0.25, 0.5, 0.95, 0.99, 0.999] {
            let error = (d.quantile(q) / n as f64 - q).abs();
            assert!(error <= std::f64::consts::PI / COMPRESSION * (q * (1.0 - q)).sqrt(), "{q}: {error}");
        }
        assert!(d.centroids.len() < 2 * COMPRESSION as usize, "{}", d.centroids.len());
    }
}
