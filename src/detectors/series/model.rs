//! The next value of one metric, judged by the values before it.
//!
//! Six signs are each turned into a surprise by the history of that sign alone: leaving the *range* seen so far, the
//! *jump* from the value before, the distance from the local *level*, the local *spread*, the residual from the time of day
//! (*season*) and the distance of the *shape* to the nearest earlier one. They are joined as the root of the sum of their
//! squares, which lies between the sum (Fisher's rule, for independent signs) and the largest (for signs that say the
//! same), and a quiet period follows every peak.

use serde::{Deserialize, Serialize};

use super::discord::Discord;
use super::quiet::Quiet;
use super::range::Range;
use super::recent::Recent;
use super::season::DayProfile;
use super::tail::Tails;

/// Signs in the order of [`Step::parts`].
pub const SIGNS: [&str; 6] = ["range", "jump", "level", "spread", "season", "shape"];
/// Joined surprise to -log10 of a share of rows: six signs that partly say the same overstate it. Were the five that
/// are always there one and the same it would be `1/sqrt(5)` = 0.45, were only one ever loud it would be 1; on rows
/// of public metrics outside every labelled window the shares seen lie on 0.6.
const JOINED: f64 = 0.75;
/// Weight of the shape where the series repeats itself: there a shape says more than any single value.
const SHAPE_WEIGHT: f64 = 2.5;
/// Regularity (see [`Discord::regularity`]) from which the shape counts, and at which it counts in full.
const REGULAR: (f64, f64) = (0.90, 0.97);
/// Values are cut here, so that squares and sums of them stay finite.
const LARGEST: f64 = 1e140;

/// What one row looks like from here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// -log10 of the share of rows as strange as this one, after the quiet period's say.
    pub surprise: f64,
    /// The same before it.
    pub undamped: f64,
    /// What each of [`SIGNS`] adds; they sum to `undamped`.
    pub parts: [f64; 6],
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOptions {
    /// Whether shapes are compared.
    pub shape: bool,
    /// Blocks of history that shapes are compared with (about `blocks / 32` periods).
    pub shape_blocks: usize,
    /// Whether a quiet period follows a peak.
    pub quiet: bool,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { shape: true, shape_blocks: 4096, quiet: true }
    }
}

/// Everything remembered about one metric: at most about 0.3 MB with shapes, 50 kB without, however long the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesModel {
    options: ModelOptions,
    rows: u64,
    pub(super) range: Range,
    pub(super) recent: Recent,
    pub(super) day: DayProfile,
    pub(super) shape: Option<Discord>,
    pub(super) jumps: Tails,
    pub(super) levels: Tails,
    pub(super) spreads: Tails,
    pub(super) seasons: Tails,
    shapes: Tails,
    quiet: Quiet,
}

/// The signs of one row as numbers; `NaN` = nothing to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) value: f64,
    pub(super) jump: f64,
    level: f64,
    pub(super) spread: f64,
    pub(super) season: f64,
    shape: f64,
    /// True when this value is a way back: it lies in the usual band around the local level, and nearer to it than the one before.
    is_return: bool,
}

impl SeriesModel {
    /// A fresh model.
    pub fn new(options: &ModelOptions) -> Self {
        Self {
            options: *options,
            rows: 0,
            range: Range::default(),
            recent: Recent::default(),
            day: DayProfile::default(),
            shape: options.shape.then(|| Discord::new(options.shape_blocks)),
            jumps: Tails::default(),
            levels: Tails::default(),
            spreads: Tails::default(),
            seasons: Tails::default(),
            shapes: Tails::default(),
            quiet: Quiet::default(),
        }
    }

    /// Rows learned.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Judges a value at a time (milliseconds of the epoch) and changes nothing. No number: surprise 0.
    pub fn score(&self, t_ms: i64, value: f64) -> Step {
        let signs = self.signs(t_ms, value);
        self.judge(&signs)
    }

    /// Takes in a value. No number is no row.
    pub fn learn(&mut self, t_ms: i64, value: f64) {
        self.step(t_ms, value);
    }

    /// Judges, then learns: the same as [`Self::score`] followed by [`Self::learn`], at half the price.
    pub fn step(&mut self, t_ms: i64, value: f64) -> Step {
        let signs = self.signs(t_ms, value);
        let step = self.judge(&signs);
        if !signs.value.is_nan() {
            self.absorb(t_ms, &signs, step.undamped);
        }
        step
    }

    pub(super) fn signs(&self, t_ms: i64, value: f64) -> Signs {
        let value = cut(value);
        let (jump, level) = (self.recent.step(value), value - self.recent.level());
        let is_usual = |distance: f64| self.levels.band().is_some_and(|(low, high)| low <= distance && distance <= high);
        Signs {
            value,
            jump,
            level,
            spread: self.recent.log_spread(value, 1e-9 * self.range.width().max(1.0)),
            season: self.day.residual(t_ms, value),
            shape: self.shape.as_ref().map_or(f64::NAN, |s| s.distance(value)),
            is_return: is_usual(level) && level.abs() < (level - jump).abs(),
        }
    }

    fn judge(&self, s: &Signs) -> Step {
        let signs = [
            self.range.surprise(s.value),
            // What comes back is no news: if anything was, it was the peak.
            if s.is_return { 0.0 } else { self.jumps.either(s.jump) },
            self.levels.either(s.level),
            self.spreads.either(s.spread),
            self.seasons.either(s.season),
            self.shape_weight() * self.shapes.above(s.shape),
        ];
        let squares: f64 = signs.iter().map(|p| p * p).sum();
        let undamped = JOINED * squares.sqrt();
        let parts = signs.map(|p| if squares > 0.0 { undamped * p * p / squares } else { 0.0 });
        Step { surprise: if self.options.quiet { self.quiet.damp(undamped) } else { undamped }, undamped, parts }
    }

    fn shape_weight(&self) -> f64 {
        let regularity = self.shape.as_ref().map_or(0.0, |s| s.regularity(self.shapes.median()));
        SHAPE_WEIGHT * ((regularity - REGULAR.0) / (REGULAR.1 - REGULAR.0)).clamp(0.0, 1.0)
    }

    fn absorb(&mut self, t_ms: i64, s: &Signs, undamped: f64) {
        self.rows += 1;
        self.range.learn(s.value);
        self.jumps.learn(s.jump);
        self.levels.learn(s.level);
        self.spreads.learn(s.spread);
        self.seasons.learn(s.season);
        self.shapes.learn(s.shape);
        self.day.learn(t_ms, s.value);
        self.recent.learn(s.value);
        if let Some(shape) = &mut self.shape {
            shape.learn(s.value);
        }
        self.quiet.learn(undamped);
    }
}

/// Infinite and absurdly large values become the largest that sums can hold.
fn cut(value: f64) -> f64 {
    value.clamp(-LARGEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MIN: i64 = 300_000;

    #[test]
    fn the_first_rows_and_the_third_day_of_noise_are_no_alarms() {
        for seed in 0..8 {
            let mut chance = crate::math::chance::Chance::new(seed, 5);
            let mut model = SeriesModel::new(&ModelOptions::default());
            for i in 0..1_000 {
                let s = model.step(i * FIVE_MIN, 50.0 + 5.0 * chance.normal()).surprise;
                assert!(s < if i < 40 { 2.0 } else { 6.0 }, "seed {seed}, row {i}: {s}");
            }
        }
    }

    fn noise(i: u64) -> f64 {
        let mut x = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66;
        x ^= x >> 31;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 29;
        (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    fn run(values: impl IntoIterator<Item = f64>) -> (SeriesModel, Vec<Step>) {
        let mut m = SeriesModel::new(&ModelOptions::default());
        let steps = values.into_iter().enumerate().map(|(i, v)| m.step(i as i64 * FIVE_MIN, v)).collect();
        (m, steps)
    }

    fn daily(i: u64) -> f64 {
        100.0 + 50.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin() + 4.0 * noise(i)
    }

    #[test]
    fn scoring_changes_nothing_and_learning_is_the_same_as_stepping() {
        let (mut a, _) = run((0..900).map(daily));
        let mut b = a.clone();
        let t = 900 * FIVE_MIN;
        let judged = a.score(t, 777.0);
        assert_eq!(a, b);
        assert_eq!(a.step(t, 777.0), judged);
        b.learn(t, 777.0);
        assert_eq!(a, b);
    }

    #[test]
    fn a_spike_a_flat_line_and_a_missing_peak_stand_out() {
        let quiet_max = |s: &[Step]| s.iter().map(|x| x.surprise).fold(0.0, f64::max);
        let (m, steps) = run((0..2_880).map(daily));
        let usual = quiet_max(&steps[1_000..]);
        let t = 2_880 * FIVE_MIN;
        assert!(m.score(t, 400.0).surprise > usual.max(3.0));
        let (_, flat) = run((0..2_980).map(|i| if i >= 2_880 { 100.0 } else { daily(i) }));
        assert!(quiet_max(&flat[2_880..]) > 3.0, "{}", quiet_max(&flat[2_880..]));
        let (_, missing) = run((0..3_168).map(|i| if i >= 2_880 { 100.0 + 4.0 * noise(i) } else { daily(i) }));
        assert!(quiet_max(&missing[2_880..]) > usual, "{} {usual}", quiet_max(&missing[2_880..]));
    }

    /// Bursts begin at once, at any time, and end slowly. One that ends at once has a peak like the others, and a step down like none.
    #[test]
    fn the_way_back_from_a_peak_is_no_finding() {
        let mut model = SeriesModel::new(&ModelOptions { shape: false, quiet: false, ..ModelOptions::default() });
        let mut height: f64 = 0.0;
        for i in 0..2_000 {
            height = if noise(i + 9_000) > 0.46 { 40.0 } else { (height - 4.0).max(0.0) };
            model.learn(i as i64 * FIVE_MIN, 100.0 + height + noise(i));
        }
        (2_000..2_040).for_each(|i| model.learn(i as i64 * FIVE_MIN, 100.0 + noise(i)));
        let [up, still, back] = [140.0, 140.0, 100.0].map(|v| model.step(2_040 * FIVE_MIN, v).surprise);
        assert!(back < up.max(still), "{up} {still} {back}");
    }

    #[test]
    fn contributions_sum_to_the_surprise() {
        let (_, steps) = run((0..1_500).map(|i| if i % 400 == 399 { 300.0 } else { daily(i) }));
        for s in steps {
            assert!((s.parts.iter().sum::<f64>() - s.undamped).abs() < 1e-9 * (1.0 + s.undamped));
            assert!(s.surprise <= s.undamped && s.surprise >= 0.0);
        }
    }

    #[test]
    fn nothing_is_claimed_of_constants_gaps_and_the_first_rows() {
        let (_, steps) = run(std::iter::repeat_n(7.0, 2_000));
        assert!(steps.iter().all(|s| s.surprise < 1.0));
        let (m, steps) = run([f64::NAN, f64::NAN]);
        assert_eq!((m.rows(), steps[1].surprise), (0, 0.0));
        let (_, one) = run([5.0]);
        assert_eq!(one[0].surprise, 0.0);
    }

    #[test]
    fn absurd_values_and_times_leave_finite_scores_behind() {
        let mut m = SeriesModel::new(&ModelOptions::default());
        let odd = [1e308, -1e308, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MIN_POSITIVE, f64::NAN, -5.0];
        for i in 0..6_000u64 {
            let v = if i % 97 == 0 { odd[(i / 97) as usize % odd.len()] } else { noise(i) };
            let t = [i as i64, -(i as i64), i64::MAX, i64::MIN, 0][i as usize % 5];
            let s = m.step(t, v);
            assert!(s.surprise.is_finite() && s.parts.iter().all(|p| p.is_finite()), "row {i}: {s:?}");
        }
    }

    #[test]
    fn alarms_about_a_new_level_end() {
        let (_, steps) = run((0..6_000).map(|i| if i >= 3_000 { 300.0 } else { 100.0 } + 10.0 * noise(i)));
        assert!(steps[3_000].surprise > 3.0);
        let late = steps[3_100..].iter().filter(|s| s.surprise > 3.0).count();
        assert!(late <= 1, "{late} alarms after a hundred rows");
    }

    #[test]
    fn memory_is_bounded() {
        let mut m = SeriesModel::new(&ModelOptions::default());
        (0..34_000u64).for_each(|i| m.learn(i as i64 * 60_000, daily(i)));
        let bytes = postcard::to_allocvec(&m).unwrap_or_default().len();
        assert!(bytes < 400_000, "{bytes} bytes");
        let mut small = SeriesModel::new(&ModelOptions { shape: false, ..ModelOptions::default() });
        (0..34_000u64).for_each(|i| small.learn(i as i64 * 60_000, daily(i)));
        let bytes = postcard::to_allocvec(&small).unwrap_or_default().len();
        assert!(bytes < 64_000, "{bytes} bytes");
    }
}
