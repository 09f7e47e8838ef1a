//! An entity against all others, past and present: no history of its own is needed, the first bucket is judged at once.
//!
//! A row is described by a few statistics:
//! * per keyword-valued feature the *mean rarity* of what it shows, `(sum r + k r0) / (sum n + k)` with `r = -log10` of the
//!   share of rows that show the value and `r0` the mean rarity of all rows (shrinkage: one rare value in one document is
//!   weak evidence, five of five are strong), and the *excess rarity*, `ln(1 + sum (r - r0))`, which grows with volume;
//! * per numeric feature `ln(1 + x)`.
//!
//! Each becomes a surprise on the job's own past ([`Excess`]). A slow scan is moderately unusual in many of them and a busy
//! client in one, so the surprises are added; they depend on each other, so the sum is calibrated once more.
//!
//! What an entity has always shown is no news: of the sum its own mean over past buckets is taken off, shrunk towards nothing
//! while it is young. A client that alone uses an interface stands out on its first day, and not on every other.
//!
//! While there is less history than one bucket holds, a bucket is judged among its own rows: they are learned on trial, what
//! stands out is left out, and the rest is what every row is held against. Else everything would be rare on the first day.
//!
//! Shares count rows (entity and bucket), not documents: one crawler with ten thousand requests is one voice. Values that
//! are paths are taken by their first segment: sites have few, and what a scanner tries is in none of them.

mod explain;
mod shown;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::value_memory::Fade;
use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::math::excess::{Excess, YOUNG_DAYS};
use crate::model::{BucketView, Contributor, Job, Part, Slot};
use shown::{Shown, Used};

/// What the catalogue says.
pub const POPULATION: DetectorPart = DetectorPart {
    part: Part {
        name: "population",
        description: "An entity against all others at once: rarity of the keyword values it shows and size of its numbers.",
        example: "{ kind: population, paths: [paths], values: [statuses], numbers: [requests] }",
    },
    build,
};

const VERSION: u8 = 3;
/// Documents of average rarity that every row is granted: `k` above.
const SHRINK: f64 = 2.0;
/// What rows above this surprise show does not become known (until they last: the pipeline then asks for it with a weight
/// below 1).
const KEEP_OUT: f64 = 3.0;
/// Weight that such rows keep in habits, and in the tails of a cold bucket: without any, a first guess that is too narrow would never
/// be put right.
const LEAST_WEIGHT: f64 = 0.1;
/// Buckets of an entity's own that weigh as much as having none: `n / (n + k)` of its mean is its habit.
const HABIT_BUCKETS: f64 = 2.0;
/// A bucket weighs at most as much as this many usual ones: thousands of bots of one hour are no new population.
const MAX_BUCKETS: f64 = 2.0;
/// Rows before anything is kept out.
const SETTLED_ROWS: f64 = 300.0;
/// Field whose values are taken as paths when the options name none.
const PATH_FIELD: &str = "url.path";
/// Bound on values remembered per feature.
const MAX_VALUES: usize = 65_536;
/// Bin of a statistic and its largest value.
const BIN: f64 = 0.02;
const MAX_STATISTIC: f64 = 20.0;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PopulationOptions {
    /// Keyword-valued features whose values are paths. With nothing named at all, every keyword-valued feature is used.
    #[serde(default)]
    paths: Vec<String>,
    /// Other keyword-valued features.
    #[serde(default)]
    values: Vec<String>,
    /// Numeric features of which more is suspicious.
    #[serde(default)]
    numbers: Vec<String>,
    /// Days after which what was learned counts half.
    #[serde(default = "month")]
    half_life_days: f64,
}

fn month() -> f64 {
    30.0
}

/// Shares of rows that show each value, fading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Shares {
    rows: BTreeMap<u64, f64>,
    rarity: f64,
    weight: f64,
    evicted: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    fade: Fade,
    rows: f64,
    shares: Vec<Shares>,
    tails: Vec<Excess>,
    usual: Vec<(f64, f64)>,
    combined: Excess,
    /// By slot: weight of past buckets, and weighted sum of their sums of surprises.
    habits: Vec<(f64, f64)>,
    /// Weight and weighted sum of rows per bucket.
    volume: (f64, f64),
    last_ms: Option<i64>,
}

/// See the module.
#[derive(Debug, Clone)]
struct Population {
    values: Vec<Used>,
    numbers: Vec<(usize, String)>,
    decay: f64,
    state: State,
    /// Of the cold bucket that was scored last: made once per bucket, not per row.
    trial: RefCell<Option<Trial>>,
}

/// Sums of the surprises of a bucket's rows, and the weights with which they become habits.
type Lesson = (Vec<f64>, Vec<f64>);

/// What the rows of a cold bucket are held against.
#[derive(Debug, Clone)]
struct Trial {
    start_ms: i64,
    judge: Box<Population>,
    lesson: Lesson,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    let o: PopulationOptions = parse_options(options)?;
    let used = |names: &[String], is_path| -> Result<Vec<Used>, String> {
        names.iter().map(|n| Ok(Used { index: super::value_feature(job, n)?, name: n.clone(), is_path })).collect()
    };
    let mut values = used(&o.paths, true)?;
    values.extend(used(&o.values, false)?);
    if values.is_empty() && o.numbers.is_empty() {
        let all = job.value_features.iter().enumerate();
        values = all.map(|(index, f)| Used { index, name: f.name.clone(), is_path: f.field.as_deref() == Some(PATH_FIELD) }).collect();
    }
    let numbers: Result<Vec<_>, String> = o
        .numbers
        .iter()
        .map(|n| Ok((job.features.iter().position(|f| f.name == *n).ok_or_else(|| format!("`{n}` is not a numeric feature of the job"))?, n.clone())))
        .collect();
    let numbers = numbers?;
    if values.is_empty() && numbers.is_empty() {
        return Err("the job has no keyword-valued feature, and `numbers` names none".into());
    }
    if !o.half_life_days.is_finite() || o.half_life_days <= 0.0 {
        return Err("half_life_days must be above 0".into());
    }
    let statistics = values.len() * 2 + numbers.len();
    let tail = |bin, max, claim| Excess::new(bin, max, claim).young_for(YOUNG_DAYS * job.buckets_per_day());
    Ok(Box::new(Population {
        decay: 0.5f64.powf(1.0 / (o.half_life_days * job.buckets_per_day().max(1e-6))),
        state: State {
            fade: Fade::new(o.half_life_days),
            rows: 0.0,
            shares: vec![Shares::default(); values.len()],
            tails: vec![tail(BIN, MAX_STATISTIC, 1.0); statistics],
            usual: vec![(0.0, 0.0); numbers.len()],
            combined: tail(0.05, 200.0, statistics as f64 / 2.0).leaving_out(),
            habits: Vec::new(),
            volume: (0.0, 0.0),
            last_ms: None,
        },
        values,
        numbers,
        trial: RefCell::default(),
    }))
}

/// What is known of a bucket's rows before it is learned: their statistics (`[statistic][row]`), and the sum of the surprises of each.
type Described = (Vec<Vec<f64>>, Vec<f64>);

impl Population {
    fn rarity(&self, feature: usize, value: u64, gain: f64) -> f64 {
        let seen = self.state.shares.get(feature).and_then(|s| s.rows.get(&value)).copied().unwrap_or(0.0) / gain;
        -((seen + 0.5) / (self.state.rows / gain + 1.0)).min(1.0).log10()
    }

    /// What some rows show, per keyword feature.
    fn shown(&self, view: &BucketView<'_>, rows: Range<usize>) -> Vec<Shown> {
        self.values.iter().map(|used| Shown::of(used, view.bucket.values.get(used.index), rows.clone())).collect()
    }

    fn rarities(&self, feature: usize, shown: &Shown, gain: f64) -> Vec<f64> {
        shown.values.iter().map(|&value| self.rarity(feature, value, gain)).collect()
    }

    /// Statistics of some rows, which show this, one column each: for each keyword feature mean and excess rarity, then the numbers.
    fn statistics(&self, view: &BucketView<'_>, shown: &[Shown], rows: Range<usize>) -> Vec<Vec<f64>> {
        let gain = self.state.fade.gain(view.bucket.start_ms);
        let mut out = Vec::with_capacity(self.state.tails.len());
        for (f, shown) in shown.iter().enumerate() {
            let (usual, rarities) = (self.usual_rarity(f), self.rarities(f, shown, gain));
            let (mut means, mut excesses) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
            for i in 0..rows.len() {
                let (mut sum, mut n) = (0.0, 0.0);
                for &(value, count) in shown.row(i) {
                    sum += count as f64 * rarities[value as usize];
                    n += count as f64;
                }
                means.push((sum + SHRINK * usual) / (n + SHRINK));
                excesses.push((sum - usual * n).max(0.0).ln_1p());
            }
            out.extend([means, excesses]);
        }
        out.extend(self.numbers.iter().map(|(index, _)| rows.clone().map(|row| number(view.bucket.value(*index, row))).collect()));
        out
    }

    fn usual_rarity(&self, feature: usize) -> f64 {
        self.state.shares.get(feature).map_or(0.0, |s| if s.weight > 0.0 { s.rarity / s.weight } else { 0.0 })
    }

    /// Sum of the surprises of each of `rows` rows.
    fn sums(&self, statistics: &[Vec<f64>], rows: usize) -> Vec<f64> {
        let mut sums = vec![0.0; rows];
        for (column, tail) in statistics.iter().zip(&self.state.tails) {
            sums.iter_mut().zip(column).for_each(|(sum, &x)| *sum += tail.surprise(x));
        }
        sums
    }

    fn described(&self, view: &BucketView<'_>, shown: &[Shown]) -> Described {
        let statistics = self.statistics(view, shown, 0..view.rows());
        let sums = self.sums(&statistics, view.rows());
        (statistics, sums)
    }

    /// The part of a row's sum that its entity has always shown.
    fn habit(&self, view: &BucketView<'_>, row: usize, gain: f64) -> f64 {
        let (weight, sum) = view.slot(row).and_then(|s| self.state.habits.get(s)).copied().unwrap_or_default();
        if weight > 0.0 { sum / (weight + HABIT_BUCKETS * gain) } else { 0.0 }
    }

    /// What is left of the sums of a bucket's rows without the habits of their entities.
    fn news(&self, view: &BucketView<'_>, sums: &[f64]) -> Vec<f64> {
        let gain = self.state.fade.gain(view.bucket.start_ms);
        sums.iter().enumerate().map(|(row, sum)| (sum - self.habit(view, row, gain)).max(0.0)).collect()
    }

    fn scores(&self, view: &BucketView<'_>, sums: &[f64]) -> Vec<f64> {
        self.news(view, sums).into_iter().map(|s| self.state.combined.surprise(s)).collect()
    }

    /// Weight of the rows of a bucket: 1, less where it has far more of them than usual.
    fn share(&self, view: &BucketView<'_>) -> f64 {
        let (weight, rows) = self.state.volume;
        if self.is_cold(view) || weight <= 0.0 || view.rows() == 0 {
            return 1.0;
        }
        (MAX_BUCKETS * rows / weight / view.rows() as f64).min(1.0)
    }

    /// Less history than the bucket has rows.
    fn is_cold(&self, view: &BucketView<'_>) -> bool {
        self.state.rows / self.state.fade.gain(view.bucket.start_ms) < SETTLED_ROWS.max(view.rows() as f64)
    }

    /// What the rows of a cold bucket are held against: what was learned, and its own rows on trial.
    fn on_trial<T>(&self, view: &BucketView<'_>, f: impl FnOnce(&Trial) -> T) -> T {
        let at = view.bucket.start_ms;
        let trial = match self.trial.take() {
            Some(trial) if trial.start_ms == at => trial,
            _ => {
                let mut judge = Box::new(self.clone());
                let lesson = judge.learn_cold(view, &self.shown(view, 0..view.rows()), &vec![1.0; view.rows()]);
                Trial { start_ms: at, judge, lesson }
            }
        };
        let out = f(&trial);
        self.trial.replace(Some(trial));
        out
    }

    /// Learns a bucket with these weights while there is little history: all rows on trial first, then without those that
    /// stand out.
    fn learn_cold(&mut self, view: &BucketView<'_>, shown: &[Shown], given: &[f64]) -> Lesson {
        let known = self.state.rows / self.state.fade.gain(view.bucket.start_ms);
        // Fewer are too few to tell what stands out among them.
        let kept = if known + view.rows() as f64 <= SETTLED_ROWS {
            given.to_vec()
        } else {
            let mut trial = self.clone();
            let (sums, _) = trial.absorb(view, shown, given, given, None);
            left_out(given, 1.0, &trial.scores(view, &sums))
        };
        self.absorb(view, shown, given, &kept, None)
    }

    /// Learns a bucket, all but the habits: values with the weights `kept`, tails with those `given` (in a cold bucket, and in what is
    /// returned for habits, a tenth of them where nothing was kept).
    /// `before` is what was known of it before; without, the rarity of its values is taken after they were learned.
    fn absorb(&mut self, view: &BucketView<'_>, shown: &[Shown], given: &[f64], kept: &[f64], before: Option<Described>) -> Lesson {
        let at = view.bucket.start_ms;
        let elapsed = self.state.last_ms.map_or(1.0, |l| ((at - l) / view.bucket.span_ms.max(1)).max(1) as f64);
        self.state.last_ms = Some(self.state.last_ms.map_or(at, |l| l.max(at)));
        self.state.fade.start(at);
        let gain = self.state.fade.gain(at);
        let rows = kept.len() as f64 * given.iter().copied().fold(0.0, f64::max).min(1.0);
        self.state.volume = (self.state.volume.0 + gain, self.state.volume.1 + gain * rows);
        if before.is_some() {
            self.learn_usual(shown, kept, gain);
            self.learn_shares(shown, kept, gain);
        } else {
            self.learn_shares(shown, kept, gain);
            self.learn_usual(shown, kept, gain);
        }
        let is_cold = before.is_none();
        let (statistics, sums) = match before {
            Some((statistics, sums)) => (statistics, Some(sums)),
            None => (self.statistics(view, shown, 0..view.rows()), None),
        };
        let lessened: Vec<f64> = kept.iter().zip(given).map(|(&k, &g)| k.max(LEAST_WEIGHT * g)).collect();
        // Rows that stand out teach the tails in full, or what is rare would look rarer and rarer; only a first guess is kept from them.
        let tailed = if is_cold { &lessened[..] } else { given };
        for (column, tail) in statistics.iter().zip(&mut self.state.tails) {
            column.iter().zip(tailed).for_each(|(&x, &w)| tail.observe(x, w));
        }
        for (column, usual) in statistics.iter().skip(2 * self.values.len()).zip(&mut self.state.usual) {
            column.iter().zip(&lessened).for_each(|(x, w)| *usual = (usual.0 + w * gain * x, usual.1 + w * gain));
        }
        let factor = self.decay.powf(elapsed);
        self.state.tails.iter_mut().for_each(|t| t.decay_and_fit(factor));
        let sums = sums.unwrap_or_else(|| self.sums(&statistics, view.rows()));
        self.news(view, &sums).into_iter().zip(tailed).for_each(|(news, &w)| self.state.combined.observe(news, w));
        self.state.combined.decay_and_fit(factor);
        (sums, lessened)
    }

    fn learn_habits(&mut self, view: &BucketView<'_>, (sums, weights): &Lesson) {
        let gain = self.state.fade.gain(view.bucket.start_ms);
        for (row, (&sum, &w)) in sums.iter().zip(weights).enumerate() {
            let Some(slot) = view.slot(row) else { continue };
            if self.state.habits.len() <= slot {
                self.state.habits.resize(slot + 1, (0.0, 0.0));
            }
            let habit = &mut self.state.habits[slot];
            *habit = (habit.0 + w * gain, habit.1 + w * gain * sum);
        }
    }

    /// Mean rarity of what rows show, per keyword feature.
    fn learn_usual(&mut self, shown: &[Shown], kept: &[f64], gain: f64) {
        for (f, shown) in shown.iter().enumerate() {
            let rarities = self.rarities(f, shown, gain);
            let (mut rarity, mut weight) = (0.0, 0.0);
            for (i, &w) in kept.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                let row = shown.row(i);
                let n: u64 = row.iter().map(|v| v.1).sum();
                if n > 0 {
                    rarity += w * gain * row.iter().map(|&(v, c)| c as f64 * rarities[v as usize]).sum::<f64>() / n as f64;
                    weight += w * gain;
                }
            }
            let shares = &mut self.state.shares[f];
            shares.rarity += rarity;
            shares.weight += weight;
        }
    }

    /// Rows that show each value.
    fn learn_shares(&mut self, shown: &[Shown], kept: &[f64], gain: f64) {
        for (shown, shares) in shown.iter().zip(&mut self.state.shares) {
            let mut rows: Vec<Option<f64>> = shown.values.iter().map(|v| shares.rows.get(v).copied()).collect();
            for (i, &w) in kept.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                shown.row(i).iter().for_each(|&(v, _)| *rows[v as usize].get_or_insert_default() += w * gain);
            }
            shares.rows.extend(shown.values.iter().zip(rows).filter_map(|(&v, r)| Some((v, r?))));
            shares.trim();
        }
        self.state.rows += kept.iter().sum::<f64>() * gain;
    }
}

/// The weights given, 0 for rows of full weight that stand out.
fn left_out(given: &[f64], full: f64, scores: &[f64]) -> Vec<f64> {
    given.iter().zip(scores).map(|(&w, &s)| if w >= full && s > KEEP_OUT { 0.0 } else { w }).collect()
}

impl Shares {
    /// Keeps the bound: the values shown by the fewest rows go, a sixteenth at once.
    fn trim(&mut self) {
        if self.rows.len() <= MAX_VALUES {
            return;
        }
        let excess = self.rows.len() - MAX_VALUES + MAX_VALUES / 16;
        let mut order: Vec<(f64, u64)> = self.rows.iter().map(|(v, w)| (*w, *v)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, value) in order.into_iter().take(excess) {
            self.rows.remove(&value);
            self.evicted += 1;
        }
    }
}

/// ln(1 + x), 0 for what is absent, negative or no number.
fn number(x: f64) -> f64 {
    if x > 0.0 { x.min(1e300).ln_1p() } else { 0.0 }
}

impl Detector for Population {
    fn name(&self) -> &'static str {
        POPULATION.part.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        // Scoring begins a bucket: what stands here may be of another one with the same start.
        self.trial.replace(None);
        if self.is_cold(view) {
            return self.on_trial(view, |trial| trial.judge.scores(view, &trial.lesson.0));
        }
        self.scores(view, &self.described(view, &self.shown(view, 0..view.rows())).1)
    }

    fn is_calibrated(&self) -> bool {
        true
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let weight = |r: usize| weights.get(r).copied().filter(|w| w.is_finite()).unwrap_or(1.0).max(0.0);
        let trial = self.trial.take().filter(|t| t.start_ms == view.bucket.start_ms);
        let share = self.share(view);
        let given: Vec<f64> = (0..view.rows()).map(|r| weight(r) * share).collect();
        let lesson = match trial {
            // The trial was this very lesson: rows that are to be kept out now, such as reported ones, it left out too (the
            // tenth that they have in its tails stays).
            Some(trial) if given.len() == trial.lesson.1.len() && given.iter().zip(&trial.lesson.1).all(|(&g, &t)| g == 1.0 || t < 1.0) => {
                // Entities may have been forgotten since.
                let habits = std::mem::take(&mut self.state.habits);
                self.state = State { habits, ..trial.judge.state };
                trial.lesson
            }
            _ => {
                let shown = self.shown(view, 0..view.rows());
                if self.is_cold(view) {
                    self.learn_cold(view, &shown, &given)
                } else {
                    let before = self.described(view, &shown);
                    let kept = left_out(&given, share, &self.scores(view, &before.1));
                    self.absorb(view, &shown, &given, &kept, Some(before))
                }
            }
        };
        self.learn_habits(view, &lesson);
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        match row < view.rows() {
            false => Vec::new(),
            true if self.is_cold(view) => self.on_trial(view, |trial| trial.judge.explain_row(view, row)),
            true => self.explain_row(view, row),
        }
    }

    fn confidence(&self, view: &BucketView<'_>, _row: usize) -> f64 {
        let known = self.state.rows / self.state.fade.gain(view.bucket.start_ms);
        let rows = if self.is_cold(view) { known + view.rows() as f64 } else { known };
        rows / (rows + 200.0)
    }

    fn forget(&mut self, slots: &[Slot]) {
        for &s in slots {
            if let Some(habit) = self.state.habits.get_mut(s as usize) {
                *habit = (0.0, 0.0);
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(VERSION, &self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let state: State = unpack(VERSION, bytes)?;
        if state.shares.len() != self.values.len() || state.tails.len() != self.state.tails.len() {
            return Err("snapshot was made with other features".into());
        }
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
