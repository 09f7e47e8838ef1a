//! Words for a judged value: what the sign that spoke held it against.
//!
//! A value can lie in the middle of everything that is usual and be a finding all the same: as a step, as part of a stretch that
//! is too wild, too flat or of a new shape. So each sign brings its own words, with its own numbers in them, and a range is told only
//! where the value lies outside of it.

use super::model::{SIGNS, SeriesModel, Signs};
use super::recent::SPREAD_ROWS;
use super::season::SMOOTH_ROWS;
use crate::model::figure::number;

/// A second sign is told when it has at least this share of the strongest.
const TOLD: f64 = 0.25;
/// Spread below this share of the width of the whole range is none.
const FLAT: f64 = 1e-8;

/// What a value was held against.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// What the sign that spoke takes for usual now; never the value itself (`NaN`: nothing else is known).
    pub(super) typical: f64,
    /// Lower end of a range that holds what is typical and not the value (`NaN`: there is none).
    pub(super) lower: f64,
    /// Upper end.
    pub(super) upper: f64,
    /// The one or two signs that say most.
    pub(super) words: String,
}

impl SeriesModel {
    /// Tells of a value at a time, given what each of [`SIGNS`] added to its surprise; `None` where none did.
    pub(super) fn tell(&self, t_ms: i64, value: f64, parts: &[f64; 6]) -> Option<Told> {
        let s = self.signs(t_ms, value);
        let mut signs: Vec<(&str, f64)> = SIGNS.iter().copied().zip(*parts).filter(|p| p.1 > 0.0).collect();
        signs.sort_by(|a, b| b.1.total_cmp(&a.1));
        let top = *signs.first()?;
        let told: Vec<&str> = signs.iter().filter(|p| p.1 >= TOLD * top.1).take(2).map(|p| p.0).collect();
        let (level, daily) = (self.usual("level", t_ms), self.usual("season", t_ms));
        let mut candidates = [self.usual(top.0, t_ms), level, daily, self.recent.level()].into_iter().map(|x| self.in_sign(x));
        let typical = candidates.find(|x| x.is_finite() && *x != value).unwrap_or(f64::NAN);
        let says_something = |&(lower, upper): &(f64, f64)| lower <= typical && typical <= upper && !(lower..=upper).contains(&s.value);
        let mut ranges = told.iter().copied().chain(["level"]).filter_map(|sign| self.range_of(sign)).filter(says_something);
        let (lower, upper) = ranges.next().unwrap_or((f64::NAN, f64::NAN));
        let words = told.iter().map(|sign| self.words(sign, &s)).collect::<Vec<_>>().join("; ");
        Some(Told { typical, lower, upper, words })
    }

    /// The value at which a sign would have had nothing to say: what is usual at this time of day, where days are known, unless it is
    /// about the values just before.
    fn usual(&self, sign: &str, t_ms: i64) -> f64 {
        let level = self.recent.level() + self.levels.median();
        match (sign, self.day.typical(t_ms)) {
            ("jump", _) => self.recent.last() + self.jumps.median(),
            ("level" | "spread", _) => level,
            (_, daily) if daily.is_finite() => daily,
            _ => level,
        }
    }

    /// The range of values in which a sign has little to say; of stretches of several values there is none.
    fn range_of(&self, sign: &str) -> Option<(f64, f64)> {
        let (lower, upper) = match sign {
            "range" => self.range.ends()?,
            "jump" => self.jumps.band().map(|(low, high)| (self.recent.last() + low, self.recent.last() + high))?,
            "level" => self.levels.band().map(|(low, high)| (self.recent.level() + low, self.recent.level() + high))?,
            _ => return None,
        };
        (lower.is_finite() && upper.is_finite()).then(|| (self.in_sign(lower), self.in_sign(upper)))
    }

    /// Cut at zero where the metric never was on the other side of it: nobody expects a negative number of requests.
    fn in_sign(&self, x: f64) -> f64 {
        match self.range.ends() {
            Some((low, _)) if low >= 0.0 => x.max(0.0),
            Some((_, high)) if high <= 0.0 => x.min(0.0),
            _ => x,
        }
    }

    fn words(&self, sign: &str, s: &Signs) -> String {
        match sign {
            "range" => {
                let is_above = self.range.ends().is_some_and(|(_, high)| s.value > high);
                format!("{} everything seen so far", if is_above { "above" } else { "below" })
            }
            "jump" => {
                let sign = if s.jump > 0.0 { "+" } else { "" };
                format!("a step of {sign}{} from the {} before it", number(s.jump), number(self.recent.last()))
            }
            "level" => format!("away from the last {} values, which lie around {}", self.recent.rows(), number(self.recent.level())),
            "spread" => {
                let (now, usual) = (self.deviation(s.spread), self.deviation(self.spreads.median()));
                format!("the last {SPREAD_ROWS} values have a standard deviation of {}, usually {}", number(now), number(usual))
            }
            "season" => {
                let off = s.season - self.seasons.median();
                let side = if off < 0.0 { "below" } else { "above" };
                format!("the last {SMOOTH_ROWS} values lie {} {side} what is usual at this time of day", number(off.abs()))
            }
            _ => format!("no earlier stretch looks like the last {} values", self.shape.as_ref().map_or(0, |d| d.stretch())),
        }
    }

    /// From the logarithm that is kept back to a standard deviation.
    fn deviation(&self, log_spread: f64) -> f64 {
        let spread = log_spread.exp();
        if spread <= FLAT * self.range.width().max(1.0) { 0.0 } else { spread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::series::model::ModelOptions;
    use crate::math::chance::Chance;

    const FIVE_MIN: i64 = 300_000;

    /// A model of many values, and the time of the next one.
    fn taught(rows: i64, value: impl Fn(i64, &mut Chance) -> f64) -> (SeriesModel, i64) {
        let (mut model, mut chance) = (SeriesModel::new(&ModelOptions::default()), Chance::new(1, 7));
        (0..rows).for_each(|i| model.learn(i * FIVE_MIN, value(i, &mut chance)));
        (model, rows * FIVE_MIN)
    }

    fn told(model: &SeriesModel, t_ms: i64, value: f64) -> Told {
        model.tell(t_ms, value, &model.score(t_ms, value).parts).unwrap()
    }

    fn only(model: &SeriesModel, t_ms: i64, value: f64, sign: &str) -> Told {
        model.tell(t_ms, value, &SIGNS.map(|s| if s == sign { 1.0 } else { 0.0 })).unwrap()
    }

    #[test]
    fn a_record_is_held_against_everything_seen() {
        let (model, t) = taught(2_000, |i, _| 50.0 + (i * 7 % 11) as f64);
        let up = only(&model, t, 90.0, "range");
        assert_eq!((up.typical, up.lower, up.upper, up.words.as_str()), (55.0, 50.0, 60.0, "above everything seen so far"));
        assert_eq!(only(&model, t, 9.0, "range").words, "below everything seen so far");
    }

    #[test]
    fn a_step_is_held_against_the_value_before_and_says_how_far_it_went() {
        // Slow and wide: both ends of the step are usual values.
        let (model, t) = taught(2_000, |i, _| 100.0 + 80.0 * (i as f64 / 300.0).sin());
        let last = model.recent.last();
        let up = only(&model, t, last + 40.0, "jump");
        assert!((up.typical - last).abs() < 1.0 && up.lower < up.typical && up.typical < up.upper && up.upper < last + 2.0, "{up:?}");
        assert_eq!(up.words, format!("a step of +40 from the {} before it", number(last)));
        assert!(only(&model, t, last - 41.5, "jump").words.starts_with("a step of -41.5 from the "));
    }

    #[test]
    fn a_wild_or_flat_stretch_is_told_by_its_spread_and_not_by_a_range_that_holds_the_value() {
        let (mut model, mut t) = taught(3_000, |_, c| 50.0 + 5.0 * c.normal());
        for _ in 0..39 {
            model.learn(t, 51.0);
            t += FIVE_MIN;
        }
        let flat = told(&model, t, 51.0);
        assert!(flat.lower.is_nan() && flat.upper.is_nan(), "{flat:?}");
        assert!(flat.words.starts_with("the last 40 values have a standard deviation of 0, usually 4."), "{}", flat.words);
        assert!(flat.typical != 51.0, "{flat:?}");
    }

    #[test]
    fn the_time_of_day_and_the_shape_have_words_of_their_own() {
        let wave = |i: i64| 100.0 + 50.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin();
        let (mut model, mut t) = taught(2_880, |i, c| wave(i) + c.normal());
        for _ in 0..20 {
            model.learn(t, 80.0);
            t += FIVE_MIN;
        }
        let low = only(&model, t, 80.0, "season");
        assert!(low.words.starts_with("the last 12 values lie ") && low.words.ends_with(" below what is usual at this time of day"), "{}", low.words);
        assert!((low.typical - wave(t / FIVE_MIN)).abs() < 8.0, "{low:?}");
        let shape = only(&model, t, 80.0, "shape");
        assert!(shape.words.starts_with("no earlier stretch looks like the last 1"), "{}", shape.words);
        assert!(told(&model, t, 400.0).words.contains("; "), "two signs are told of a spike");
    }

    #[test]
    fn no_range_goes_below_zero_where_no_value_ever_did_and_none_contradicts_the_value() {
        for seed in 0..6 {
            let (mut model, mut chance) = (SeriesModel::new(&ModelOptions::default()), Chance::new(seed, 11));
            let mut rows = 0;
            for i in 0..3_000 {
                // Counts with bursts; half of the seeds go through zero.
                let burst = if chance.below(150) == 0 { 60.0 } else { 0.0 };
                let value = (3.0 * chance.normal().abs() + burst).round() - if seed % 2 == 0 { 0.0 } else { 4.0 };
                let t = i * FIVE_MIN;
                let step = model.score(t, value);
                if let Some(told) = model.tell(t, value, &step.parts) {
                    assert!(told.typical != value, "row {i}: {told:?}");
                    let has_range = told.lower.is_finite();
                    rows += usize::from(has_range);
                    assert_eq!(has_range, told.upper.is_finite());
                    assert!(!has_range || (told.lower..=told.upper).contains(&told.typical), "row {i}: {told:?}");
                    assert!(!has_range || !(told.lower..=told.upper).contains(&value), "row {i}: {value} {told:?}");
                    assert!(seed % 2 == 1 || !has_range || told.lower >= 0.0, "row {i}: {told:?}");
                }
                model.learn(t, value);
            }
            assert!(rows > 10, "seed {seed}: only {rows} ranges were told");
        }
    }

    #[test]
    fn nothing_is_told_where_nothing_is_known_and_absurd_values_do_no_harm() {
        let model = SeriesModel::new(&ModelOptions::default());
        assert_eq!(model.tell(0, 5.0, &model.score(0, 5.0).parts), None);
        let (model, t) = taught(100, |_, _| 7.0);
        for value in [f64::INFINITY, -1e308, f64::NAN, 7.0] {
            for sign in SIGNS {
                let told = only(&model, t, value, sign);
                assert!(told.typical != value && !told.words.is_empty(), "{told:?}");
            }
        }
    }
}
