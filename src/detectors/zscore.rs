//! The plain z-score: how many standard deviations a value lies from the mean of its entity's past.
//!
//! `z = (x - mean) / std`, reported beyond a threshold (3), up, down or both ways. Mean and spread are Welford's running moments (Technometrics 1962)
//! over past buckets only. The surprise is the tail of Student's t with `n - 1` degrees of freedom at `z / sqrt(1 + 1/n)`, the exact law
//! of a new value of a normal feature whose mean and spread are known from `n` values, so that young entities do not shout. (Were the
//! value itself part of mean and spread, no z could exceed `(n - 1) / sqrt(n)`, 2.85 for ten buckets: a threshold of 3 could never fire.)

use serde::{Deserialize, Serialize};

use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::math::normal::{best_of, student_surprise};
use crate::model::{BucketView, Contributor, Direction, Job, Part, Slot};

/// Catalogue entry.
pub const PART: DetectorPart = DetectorPart {
    part: Part {
        name: "zscore",
        description: "Standard deviations from the mean of the entity's own past, feature by feature.",
        example: "kind: zscore\nthreshold: 3.0\nmin_buckets: 8",
    },
    build,
};

const SNAPSHOT_VERSION: u8 = 1;
/// A row whose z stays below the threshold is never more than slightly surprising, whatever its probability: score 25.
const BELOW_THRESHOLD: f64 = 2.0;

/// Options of the detector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ZscoreOptions {
    /// Standard deviations beyond which a value is reported.
    threshold: f64,
    /// Which deviations count; without it each feature's own direction.
    direction: Option<Direction>,
    /// Buckets an entity has to be known for; younger ones are left to peers and first-seen.
    min_buckets: u32,
    /// Documents that a row needs to be judged.
    min_count: u64,
    /// Least standard deviation, as a share of the mean: a constant feature that moves by less is not reported.
    min_spread: f64,
}

impl Default for ZscoreOptions {
    fn default() -> Self {
        Self { threshold: 3.0, direction: None, min_buckets: 8, min_count: 0, min_spread: 0.01 }
    }
}

/// Running mean and spread of one feature of one entity (24 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Moments {
    n: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Moments {
    fn add(&mut self, x: f64, weight: f64) {
        self.n += weight;
        let d = x - self.mean;
        self.mean += d * weight / self.n;
        self.squares += d * (x - self.mean) * weight;
    }

    /// Standard deviation (n - 1), at least `min_spread` of the mean. Where both are nothing (always zero) the new value is the
    /// only measure there is: with it included z is `sqrt(n + 1)`, the more the longer nothing happened.
    fn spread(&self, x: f64, min_spread: f64) -> f64 {
        let own = if self.n > 1.0 { (self.squares / (self.n - 1.0)).max(0.0).sqrt() } else { 0.0 };
        let spread = own.max(min_spread * self.mean.abs());
        if spread > 0.0 { spread } else { ((x - self.mean).abs() / (self.n + 1.0).sqrt()).max(f64::MIN_POSITIVE) }
    }

    /// Surprise of a value and its z; `None` where nothing can be said.
    fn judge(&self, x: f64, direction: Direction, options: &ZscoreOptions) -> Option<(f64, f64)> {
        if !x.is_finite() || self.n < f64::from(options.min_buckets.max(2)) {
            return None;
        }
        let z = (x - self.mean) / self.spread(x, options.min_spread);
        let both = match direction {
            Direction::Up if z <= 0.0 => return Some((0.0, z)),
            Direction::Down if z >= 0.0 => return Some((0.0, z)),
            Direction::Up | Direction::Down => 0.0,
            Direction::Both => std::f64::consts::LOG10_2,
        };
        let surprise = (student_surprise(z.abs() / (1.0 + 1.0 / self.n).sqrt(), self.n - 1.0) - both).max(0.0);
        Some((if z.abs() > options.threshold { surprise } else { surprise.min(BELOW_THRESHOLD) }, z))
    }
}

struct Zscore {
    options: ZscoreOptions,
    features: Vec<(String, Direction)>,
    /// `moments[slot * features + feature]`.
    moments: Vec<Moments>,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    let options: ZscoreOptions = parse_options(options)?;
    if !(options.threshold > 0.0 && options.min_spread >= 0.0) {
        return Err("`threshold` must be above 0 and `min_spread` not below".into());
    }
    let features = job.features.iter().map(|f| (f.name.clone(), options.direction.unwrap_or(f.direction))).collect();
    Ok(Box::new(Zscore { options, features, moments: Vec::new() }))
}

impl Zscore {
    fn judge(&self, view: &BucketView<'_>, row: usize, feature: usize) -> Option<(f64, f64, &Moments)> {
        let slot = view.slot(row)?;
        if view.bucket.doc_counts.get(row).copied().unwrap_or(0) < self.options.min_count {
            return None;
        }
        let past = self.moments.get(slot * self.features.len() + feature)?;
        let (surprise, z) = past.judge(view.bucket.value(feature, row), self.features[feature].1, &self.options)?;
        Some((surprise, z, past))
    }
}

impl Detector for Zscore {
    fn name(&self) -> &'static str {
        PART.part.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        let tests = self.features.len() as f64;
        let best = |row| (0..self.features.len()).filter_map(|f| self.judge(view, row, f)).fold(0.0f64, |a, j| a.max(j.0));
        (0..view.rows()).map(|row| best_of(best(row), tests)).collect()
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let n = self.features.len();
        let slots = view.table.capacity();
        if self.moments.len() < slots * n {
            self.moments.resize(slots * n, Moments::default());
        }
        for row in 0..view.rows() {
            let (Some(slot), Some(&weight)) = (view.slot(row), weights.get(row)) else { continue };
            for (f, column) in view.bucket.columns.iter().enumerate().take(n) {
                if let (Some(m), Some(&x)) = (self.moments.get_mut(slot * n + f), column.get(row))
                    && weight > 0.0
                    && x.abs() < 1e150
                {
                    m.add(x, weight);
                }
            }
        }
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let judged: Vec<_> = (0..self.features.len()).filter_map(|f| self.judge(view, row, f).map(|j| (f, j))).collect();
        let best = judged.iter().fold(0.0f64, |a, (_, j)| a.max(j.0));
        let total: f64 = judged.iter().map(|(_, j)| j.0).sum();
        let surprise = best_of(best, self.features.len() as f64);
        let mut out: Vec<Contributor> = judged
            .into_iter()
            .filter(|(_, j)| j.0 > 0.0)
            .map(|(f, (s, _, past))| {
                let actual = view.bucket.value(f, row);
                let band = self.options.threshold * past.spread(actual, self.options.min_spread);
                Contributor {
                    feature: self.features[f].0.clone(),
                    title: String::new(),
                    actual,
                    typical: past.mean,
                    lower: past.mean - band,
                    upper: past.mean + band,
                    surprise: surprise * s / total,
                    reference: "own history".into(),
                }
            })
            .collect();
        out.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then_with(|| a.feature.cmp(&b.feature)));
        out
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let n = self.features.len();
        let known = view.slot(row).and_then(|s| self.moments.get(s * n..(s + 1) * n));
        known.map_or(0.0, |m| m.iter().map(|m| m.n / (m.n + f64::from(self.options.min_buckets.max(2)))).fold(0.0, f64::max))
    }

    fn forget(&mut self, slots: &[Slot]) {
        let n = self.features.len();
        for &slot in slots {
            if let Some(m) = self.moments.get_mut(slot as usize * n..(slot as usize + 1) * n) {
                m.fill(Moments::default());
            }
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(SNAPSHOT_VERSION, &self.moments)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.moments = unpack(SNAPSHOT_VERSION, bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Rows, job};
    use super::*;

    fn past(values: &[f64]) -> Moments {
        let mut m = Moments::default();
        values.iter().for_each(|x| m.add(*x, 1.0));
        m
    }

    fn judge(x: f64, m: &Moments, direction: Direction) -> Option<(f64, f64)> {
        m.judge(x, direction, &ZscoreOptions::default())
    }

    const EIGHT: [f64; 8] = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];

    #[test]
    fn the_formula_of_the_textbook() {
        // Mean 5, standard deviation (n - 1) 2.138: z of 12 is 3.274; t = 3.087 with 7 degrees of freedom, two-sided p = 0.0176.
        let (surprise, z) = judge(12.0, &past(&EIGHT), Direction::Both).unwrap();
        assert!((z - 3.27395).abs() < 1e-4);
        assert!((surprise - 1.755).abs() < 0.03, "{surprise}");
    }

    #[test]
    fn direction_threshold_and_minimum_history() {
        let m = past(&EIGHT);
        assert!(judge(20.0, &m, Direction::Up).unwrap().0 > 3.0);
        assert_eq!(judge(20.0, &m, Direction::Down).unwrap().0, 0.0);
        assert_eq!(judge(20.0, &past(&[1.0, 2.0]), Direction::Up), None);
        assert_eq!(judge(f64::NAN, &m, Direction::Up), None);
        assert_eq!(judge(f64::INFINITY, &m, Direction::Up), None);
        let strict = ZscoreOptions { threshold: 10.0, ..ZscoreOptions::default() };
        assert_eq!(m.judge(20.0, Direction::Up, &strict).unwrap().0, BELOW_THRESHOLD);
    }

    #[test]
    fn constant_features_have_a_floor() {
        let m = past(&[100.0; 50]);
        assert!(judge(100.4, &m, Direction::Both).unwrap().0 < 1.0);
        assert!(judge(200.0, &m, Direction::Both).unwrap().0 > 10.0);
        let zero = past(&[0.0; 50]);
        assert!(judge(0.0, &zero, Direction::Both).unwrap().0 < 0.5);
        let (s, z) = judge(5.0, &zero, Direction::Both).unwrap();
        assert!(s > 5.0 && (z - 51f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn it_finds_the_one_that_changed_and_says_why() {
        let job = job(&["requests", "bytes"]);
        let mut d = build(&job, &Options::new()).unwrap();
        let mut rows = Rows::new(&job, &["a", "b", "c"]);
        for i in 0..50 {
            let wave = f64::from(i % 5);
            rows.learn(d.as_mut(), &[vec![10.0 + wave; 3], vec![100.0 - wave; 3]]);
        }
        let columns = [vec![12.0, 60.0, f64::NAN], vec![98.0, 98.0, f64::INFINITY]];
        let s = rows.score(d.as_ref(), &columns);
        assert!(s[0] < 1.0 && s[1] > 6.0 && s[2] == 0.0, "{s:?}");
        let why = rows.explain(d.as_ref(), &columns, 1);
        assert_eq!((why[0].feature.as_str(), why[0].actual, why[0].typical), ("requests", 60.0, 12.0));
        assert!((why.iter().map(|c| c.surprise).sum::<f64>() - s[1]).abs() < 1e-9);
        let bytes = d.snapshot();
        let mut other = build(&job, &Options::new()).unwrap();
        other.restore(&bytes).unwrap();
        assert_eq!(rows.score(other.as_ref(), &columns), s);
        d.forget(&[0, 1, 2]);
        assert_eq!(rows.score(d.as_ref(), &columns), [0.0; 3]);
    }

    #[test]
    fn wrong_options_are_told() {
        let of = |text: &str| build(&Job::default(), serde_json::from_str::<serde_json::Value>(text).unwrap().as_object().unwrap()).err();
        assert!(of(r#"{"treshold": 3}"#).unwrap().contains("treshold"));
        assert!(of(r#"{"threshold": -1}"#).is_some());
        assert!(of(r#"{"threshold": 2.5, "direction": "up", "min_count": 10}"#).is_none());
    }
}
