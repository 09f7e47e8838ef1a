//! A light calibrated tail for statistics that are logarithms of evidence already: a decaying histogram for the body, two
//! exponential laws beyond its 95 % quantile (peaks over threshold with shape 0: Pickands 1975; a sum of -log10 p that is
//! merely over-confident has exactly such a tail, with a mean excess above 1 / ln 10).
//!
//! It takes rows as they come, attacks too, so a few rows far out must not decide how wide it is:
//! * the mean excess between the 95 % and the 99.5 % quantile counts what lies beyond as known to be beyond only (maximum
//!   likelihood of an exponential law under censoring: Epstein & Sobel, "Life Testing", JASA 1953);
//! * beyond, the tail may bend: as wide as it was seen there, from half to three times of what it was before, and no more;
//! * rows that no tail can explain are left out. A tail's density falls. Where a stretch that is nearly empty is followed
//!   by many rows, a thousand times more than the law says, these are another population, such as attacks in the training
//!   data. More rows right of a gap than in it are told from chance by the conditional test of two Poisson counts
//!   (Przyborowski & Wilenski, *Biometrika* 31, 1940), in its normal form. That holds for every law with a falling density,
//!   heavy tails too; a rare second way of being normal looks the same and is left out as well.
//!
//! While it is young it does none of this: one law as wide as all rows beyond the 95 % quantile say, and the claim as it was made. What is
//! rare and normal is not reported then before it could be learned.

use serde::{Deserialize, Serialize};

/// Share of rows beyond the threshold of the tail.
const TAIL_SHARE: f64 = 0.05;
/// Fewest rows beyond it.
const TAIL_ROWS: f64 = 10.0;
/// Weight of the statistic's own claim in rows, so that the first window has a scale.
const PRIOR_ROWS: f64 = 20.0;
/// Share of rows of which only is counted that they are far out, and the fewest of them.
const FAR_SHARE: f64 = 0.005;
const FAR_ROWS: f64 = 5.0;
/// Rows far out that say "as before"; bounds of how much wider or narrower the tail may be there.
const FAR_PRIOR: f64 = 10.0;
const BEND: (f64, f64) = (0.5, 3.0);
/// Mean excess in bins below which a tail is no more than a few values: what lies far beyond, or in gaps, says nothing then.
const NARROW: f64 = 2.0;
/// Another population: at most this share of the rows, at least so many, and so many times what the law of the rest says.
const MOST_STRAY: f64 = 0.03;
const LEAST_STRAY: f64 = 16.0;
const UNEXPLAINED: f64 = 1_000.0;
/// Widths of the gap before it in mean excesses, of the stretch after it in gaps, and standard deviations beyond chance.
const GAPS: [f64; 4] = [3.0, 5.0, 7.0, 10.0];
const STRETCHES: [usize; 3] = [1, 2, 4];
const BEYOND_CHANCE: f64 = 3.5;

/// Days for which the tails of a job are young: what is rare and normal has come again by then.
pub const YOUNG_DAYS: f64 = 2.0;

/// Calibrated upper tail of one statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Width of a bin.
    bin: f64,
    /// The statistic claims the probability `10^(-x / claim)` until there is history.
    claim: f64,
    counts: Vec<f64>,
    /// Mass above each bin, as the last fit found it; empty where rows came since.
    #[serde(skip)]
    above: Vec<f64>,
    /// Whether rows that no tail can explain are left out.
    leaves_out: bool,
    /// Fits until which it is young, and fits so far.
    young_for: f64,
    fits: f64,
    /// First bin of what is no part of this tail.
    stray: usize,
    /// Mass below that bin.
    total: f64,
    law: Law,
}

/// What the tail is beyond its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Law {
    threshold: f64,
    /// Share of rows beyond the threshold.
    share: f64,
    /// Mean excess up to `knee` beyond the threshold, and from there on.
    near: f64,
    far: f64,
    knee: f64,
    /// Units of the claim that count as one decade, by what was learned.
    claim: f64,
}

impl Law {
    /// Without a threshold: the claim alone.
    fn unknown(bin: f64, claim: f64) -> Self {
        Self { threshold: f64::INFINITY, share: 0.0, near: bin, far: bin, knee: f64::INFINITY, claim }
    }

    /// Share of rows beyond `x`, which is above the threshold.
    fn beyond(&self, x: f64) -> f64 {
        let excess = x - self.threshold;
        self.share * (-excess.min(self.knee) / self.near - (excess - self.knee).max(0.0) / self.far).exp()
    }
}

impl Excess {
    /// Bins of this width up to `max`; `claim` is the number of units that are worth one decade of surprise.
    pub fn new(bin: f64, max: f64, claim: f64) -> Self {
        let bins = ((max / bin).ceil() as usize).clamp(1, 20_000);
        Self {
            bin,
            claim,
            counts: vec![0.0; bins],
            above: Vec::new(),
            leaves_out: false,
            young_for: 0.0,
            fits: 0.0,
            stray: bins,
            total: 0.0,
            law: Law::unknown(bin, claim),
        }
    }

    /// Leaves out rows far out that no tail of the others explains. For sums: a statistic of few values has gaps of its own.
    pub fn leaving_out(self) -> Self {
        Self { leaves_out: true, ..self }
    }

    /// Young for so many fits, see [`YOUNG_DAYS`].
    pub fn young_for(self, fits: f64) -> Self {
        Self { young_for: fits, ..self }
    }

    fn is_young(&self) -> bool {
        self.fits < self.young_for
    }

    /// Rows learned so far, after decay, without those that are no part of the tail.
    pub fn rows(&self) -> f64 {
        self.total
    }

    fn index(&self, x: f64) -> usize {
        ((x.max(0.0) / self.bin) as usize).min(self.counts.len() - 1)
    }

    /// Mass above a bin, added from the top in either case, so that a restart gives the same to the last bit.
    fn above(&self, bin: usize) -> f64 {
        self.above.get(bin).copied().unwrap_or_else(|| self.counts[..self.stray].iter().skip(bin + 1).rev().fold(0.0, |sum, c| sum + c))
    }

    /// Looked up for every row, and a bucket may have fifty thousand of them.
    fn sum_above(&mut self) {
        self.above.clear();
        self.above.resize(self.counts.len(), 0.0);
        let mut sum = 0.0;
        for (above, c) in self.above.iter_mut().zip(&self.counts).take(self.stray).rev() {
            *above = sum;
            sum += c;
        }
    }

    /// Adds a row; what is not a number or has no weight is ignored.
    pub fn observe(&mut self, x: f64, weight: f64) {
        if x.is_nan() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let i = self.index(x);
        self.counts[i] += weight;
        if i < self.stray {
            self.total += weight;
        }
        self.above.clear();
    }

    /// Forgets by a factor between 0 and 1 and fits the tail. Call once per bucket, after its rows.
    pub fn decay_and_fit(&mut self, factor: f64) {
        let factor = if factor.is_finite() { factor.clamp(0.0, 1.0) } else { 1.0 };
        self.counts.iter_mut().for_each(|c| *c *= factor);
        self.fits += 1.0;
        self.stray = if self.leaves_out && !self.is_young() { self.first_stray() } else { self.counts.len() };
        self.total = self.counts[..self.stray].iter().sum();
        self.sum_above();
        self.law = self.fit();
    }

    fn fit(&self) -> Law {
        let unknown = Law::unknown(self.bin, self.claim);
        let wanted = (self.total * TAIL_SHARE).max(TAIL_ROWS);
        if self.total < 2.0 * TAIL_ROWS {
            return unknown;
        }
        let far_rows = (self.total * FAR_SHARE).max(FAR_ROWS);
        let (mut from, mut mass) = (self.stray, 0.0);
        // Where what is far out begins, and its mass.
        let mut far = (self.stray, 0.0);
        while from > 0 && mass < wanted {
            from -= 1;
            mass += self.counts[from];
            if far.1 < far_rows {
                far = (from, mass);
            }
        }
        // Of the bin that holds the threshold only the mass that is wanted belongs to the tail, at no excess.
        let start = (from + 1) as f64 * self.bin;
        let excess = |i: usize| (i as f64 + 0.5) * self.bin - start;
        let sum = |range: std::ops::Range<usize>| range.map(|i| self.counts[i] * excess(i)).sum::<f64>();
        let (knee, beyond) = (far.0 as f64 * self.bin - start, far.1);
        let (near, far, knee) = if !self.is_young() && knee > 0.0 && beyond <= 0.5 * wanted {
            let near = ((sum(from + 1..far.0) + beyond * knee) / (wanted - beyond)).max(self.bin * 0.5);
            let seen = sum(far.0..self.stray) - beyond * knee;
            (near, ((seen + FAR_PRIOR * near) / (beyond + FAR_PRIOR)).clamp(near * BEND.0, near * BEND.1), knee)
        } else {
            let near = (sum(from + 1..self.stray) / wanted).max(self.bin * 0.5);
            (near, near, f64::INFINITY)
        };
        // The claim gives way to what was learned, but not to a tail narrower than its bins: a few values far apart.
        let learned = wanted * near * std::f64::consts::LN_10;
        let claim =
            if self.is_young() || near < NARROW * self.bin { self.claim } else { (PRIOR_ROWS * self.claim + learned) / (PRIOR_ROWS + wanted) };
        Law { threshold: start, share: wanted / self.total, near, far, knee, claim }
    }

    /// The first bin of rows that no tail of the others explains; the number of bins where there are none.
    fn first_stray(&self) -> usize {
        let bins = self.counts.len();
        let (mut mass, mut moment) = (vec![0.0; bins + 1], vec![0.0; bins + 1]);
        for (i, c) in self.counts.iter().enumerate() {
            mass[i + 1] = mass[i] + c;
            moment[i + 1] = moment[i] + c * (i as f64 + 0.5) * self.bin;
        }
        let all = mass[bins];
        let first = mass.partition_point(|m| all - m > MOST_STRAY * all);
        for at in (first..bins).filter(|&i| self.counts[i] > 0.0) {
            let stray = all - mass[at];
            if stray < LEAST_STRAY {
                break;
            }
            let wanted = (mass[at] * TAIL_SHARE).max(TAIL_ROWS);
            let from = mass.partition_point(|m| *m <= mass[at] - wanted).min(at);
            let start = from as f64 * self.bin;
            let mean = ((moment[at] - moment[from] - (mass[at] - mass[from]) * start) / wanted).max(self.bin * 0.5);
            let explained = wanted * (-(at as f64 * self.bin - start) / mean).exp();
            if mean >= NARROW * self.bin && explained * UNEXPLAINED <= stray && is_after_a_gap(&mass, from, at, mean / self.bin) {
                return at;
            }
        }
        bins
    }

    /// Surprise of `x`: -log10 of the share of rows at least as large. 0 for what is not a number.
    pub fn surprise(&self, x: f64) -> f64 {
        if x.is_nan() {
            return 0.0;
        }
        let x = x.clamp(0.0, 1e4);
        let law = &self.law;
        let seen = if self.total <= 0.0 {
            0.0
        } else if x >= law.threshold {
            self.total * law.beyond(x)
        } else {
            let i = self.index(x);
            let seen = self.above(i) + self.counts[i] * (1.0 - (x / self.bin - i as f64)).clamp(0.0, 1.0);
            // The bin of the threshold may hold a jump; the tail begins at its share and the result stays monotone.
            if law.threshold.is_finite() { seen.max(self.total * law.share) } else { seen }
        };
        let claimed = PRIOR_ROWS * 10f64.powf((-x / law.claim).max(-300.0));
        (-((seen + claimed) / (self.total + PRIOR_ROWS)).log10()).max(0.0)
    }
}

/// Whether the rows from bin `at` on stand apart: denser than a stretch before them, from bin `from` on, beyond chance. `mass` is that below
/// each bin, `mean` the mean excess in bins.
fn is_after_a_gap(mass: &[f64], from: usize, at: usize, mean: f64) -> bool {
    let last = mass.len() - 1;
    GAPS.iter().map(|g| (g * mean).ceil() as usize).filter(|&width| at >= from + width).any(|width| {
        let inside = mass[at] - mass[at - width];
        STRETCHES.iter().any(|&n| {
            let after = mass[(at + n * width).min(last)] - mass[at];
            let (both, share) = (inside + after, n as f64 / (n + 1) as f64);
            after - both * share >= BEYOND_CHANCE * (both * share * (1.0 - share)).sqrt().max(1e-9)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::chance::Chance;

    fn learned(n: usize, scale: f64) -> Excess {
        let mut e = Excess::new(0.05, 100.0, scale);
        (0..n).for_each(|i| e.observe(-((i as f64 + 0.5) / n as f64).log10() * scale, 1.0));
        e.decay_and_fit(1.0);
        e
    }

    #[test]
    fn an_exponential_law_is_continued_beyond_what_was_seen() {
        let e = learned(4_000, 9.0);
        for (x, s) in [(9.0, 1.0), (27.0, 3.0), (54.0, 6.0)] {
            assert!((e.surprise(x) - s).abs() < 0.15 * s, "{x}: {}", e.surprise(x));
        }
    }

    #[test]
    fn it_is_monotone_and_odd_input_is_ignored() {
        for e in [learned(4_000, 3.0), learned(15, 1.0), Excess::new(0.1, 10.0, 2.0)] {
            let mut last = -1.0;
            for i in 0..900 {
                let s = e.surprise(i as f64 * 0.1);
                assert!(s >= last && s.is_finite());
                last = s;
            }
        }
        let mut e = Excess::new(0.1, 10.0, 2.0);
        e.observe(f64::NAN, 1.0);
        e.observe(1.0, f64::NAN);
        e.observe(f64::INFINITY, 1.0);
        e.decay_and_fit(f64::NAN);
        assert_eq!(e.rows(), 1.0);
        assert_eq!(e.surprise(f64::NAN), 0.0);
        assert_eq!(Excess::new(0.1, 10.0, 2.0).surprise(4.0), 2.0);
    }

    #[test]
    fn a_constant_statistic_surprises_only_beyond_the_constant() {
        let mut e = Excess::new(0.05, 10.0, 1.0);
        (0..1_000).for_each(|_| e.observe(0.0, 1.0));
        e.decay_and_fit(1.0);
        assert!(e.surprise(0.0) < 0.01 && e.surprise(1.0) > 2.0);
    }

    fn exponential(c: &mut Chance) -> f64 {
        -(1.0 - c.unit()).ln()
    }

    fn t3(c: &mut Chance) -> f64 {
        let z = c.normal();
        z.abs() / ((0..3).map(|_| c.normal().powi(2)).sum::<f64>() / 3.0).sqrt()
    }

    type Draw = fn(&mut Chance) -> f64;

    /// What quiet statistics look like: sums of surprises, logarithms of numbers of several laws, a few values with noise.
    const LAWS: [(&str, Draw); 9] = [
        ("exponential", exponential),
        ("sum of four", |c| (0..4).map(|_| exponential(c)).sum()),
        ("half normal", |c| c.normal().abs()),
        ("ln of lognormal", |c| (2.0 * c.normal()).exp().ln_1p()),
        ("ln of Pareto 1.5", |c| (1.0 - c.unit()).powf(-1.0 / 1.5).ln_1p()),
        ("ln of t3", |c| (10.0 * t3(c)).ln_1p()),
        ("bursts in a hundredth", |c| exponential(c) * if c.unit() < 0.01 { 3.0 } else { 1.0 }),
        ("a few rare values", |c| (0..6).map(|i| if c.unit() < 0.03 { 1.5 + 0.2 * f64::from(i) } else { 0.0 }).sum::<f64>() + 0.2 * exponential(c)),
        ("values only", |c| (0..6).map(|_| if c.unit() < 0.03 { 1.7 } else { 0.0 }).sum()),
    ];

    fn taught(rows: usize, mut draw: impl FnMut() -> f64) -> Excess {
        let mut e = Excess::new(0.05, 100.0, 4.0).leaving_out();
        for _ in 0..rows {
            e.observe(draw(), 1.0);
        }
        e.decay_and_fit(1.0);
        e
    }

    /// -log10 of the share of fresh draws at or above each claim.
    fn seen(e: &Excess, c: &mut Chance, law: Draw, claims: &[f64]) -> Vec<f64> {
        const DRAWS: usize = 100_000;
        let s: Vec<f64> = (0..DRAWS).map(|_| e.surprise(law(c))).collect();
        claims.iter().map(|x| -(s.iter().filter(|s| *s >= x).count().max(1) as f64 / DRAWS as f64).log10()).collect()
    }

    /// Claims of 1 to 4 hold within a factor of 2 (3 at 4, where ten draws are expected; less often than
    /// claimed is allowed there for light tails); of statistics that are a few values, within a factor of 6.
    fn assert_claims(name: &str, e: &Excess, c: &mut Chance, law: Draw) {
        for (claim, seen) in [1.0, 2.0, 3.0, 4.0].into_iter().zip(seen(e, c, law, &[1.0, 2.0, 3.0, 4.0])) {
            let (over, under) = match name {
                "a few rare values" | "values only" => (0.8, 1.0),
                _ if claim > 3.5 => (0.48, 1.0),
                _ => (0.3, 0.3),
            };
            assert!(claim - seen < over && seen - claim < under, "{name}: {claim} is {seen}; {:?}", e.law);
        }
    }

    #[test]
    fn claims_hold_on_quiet_draws_of_several_laws() {
        for (name, law) in LAWS {
            for (rows, seed) in [(3_000, 1), (20_000, 2)] {
                let mut c = Chance::new(seed, 5);
                let e = taught(rows, || law(&mut c));
                assert_eq!(e.stray, e.counts.len(), "{name}: rows were left out");
                assert_claims(name, &e, &mut c, law);
            }
        }
    }

    #[test]
    fn two_per_cent_of_another_population_neither_widen_the_tail_nor_hide_in_it() {
        for (name, law) in LAWS {
            let mut c = Chance::new(3, 5);
            let largest = (0..2_000).map(|_| law(&mut c)).fold(0.0, f64::max);
            let far = |c: &mut Chance| largest * (2.0 + 0.2 * c.normal().abs());
            let e = taught(6_000, || if c.unit() < 0.02 { far(&mut c) } else { law(&mut c) });
            assert!(e.stray < e.counts.len() && e.surprise(2.0 * largest) > 3.5, "{name}: {} {:?}", e.surprise(2.0 * largest), e.law);
            assert_claims(name, &e, &mut c, law);
            // A tenth of the rows is a second way of being normal.
            let many = taught(6_000, || if c.unit() < 0.1 { far(&mut c) } else { law(&mut c) });
            assert!(many.stray == many.counts.len() && many.surprise(2.0 * largest) < 2.0, "{name}");
        }
    }
}
