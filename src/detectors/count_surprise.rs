//! How surprising are the counts of a keyword's values: more of one than this entity shows, or one that it never showed.
//!
//! For a value `v` of entity `e`, seen `n` times in a bucket, two probabilities are multiplied:
//! * that it comes at all: Beta-Bernoulli with the population as prior, `(k + a q) / (N + a)`, where `k` of the `N`
//!   buckets watched had it, `q` is its share over all entities' buckets plus the rate at which values appear for the
//!   first time (Good-Turing's idea: what was never seen is as likely as novelties have been), and `a` is `prior_rows`;
//! * that it comes so often, given that it comes: Student's predictive law of ln n, with mean and variance shrunk to the
//!   population's (conjugate normal model: Gelman et al., *Bayesian Data Analysis*, 3rd ed., ch. 3). Counts of alerts come
//!   in bursts over several decades; a Poisson or negative binomial law calls every burst a wonder. Counting itself has
//!   noise, though: the variance of ln n is never below the `1 / n` of a Poisson count (delta method). Without that floor
//!   a value that always came once is known ever more exactly, and twice becomes a wonder.
//!
//! Surprises add over the values of a row, and because values depend on each other the sum is calibrated on the job's own
//! past ([`Excess`]). What the other entities show at the moment is added as prior odds, and the sum calibrated again (`others`).

use serde::{Deserialize, Serialize};

use super::others::Others;
use super::value_memory::{Moments, ValueMemory};
use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::math::excess::{Excess, YOUNG_DAYS};
use crate::math::normal::student_surprise;
use crate::model::anomaly::OTHER_ENTITIES;
use crate::model::keys::stable_hash;
use crate::model::{BucketView, Contributor, Job, NO_SLOT, Part, Slot};

/// What the catalogue says.
pub const COUNT_SURPRISE: DetectorPart = DetectorPart {
    part: Part {
        name: "count_surprise",
        description: "Counts of a keyword's values against the entity's own history and the population; raised by what other entities show.",
        example: "{ kind: count_surprise, feature: rules, others_fade: 30m }",
    },
    build,
};

const VERSION: u8 = 2;
/// Rows of evidence with which the variance of ln n is known beforehand, and what it is then: a factor of e either way.
const SPREAD_ROWS: f64 = 3.0;
const SPREAD: f64 = 1.0;
/// Least prior variance of ln n: a value that always came equally often may still vary by a third.
const LEAST_SPREAD: f64 = 0.1;
/// Entity-buckets of evidence before the rate of novelties is trusted.
const NOVELTY_ROWS: f64 = 50.0;
/// A value new to everyone is never likelier than this.
const MOST_LIKELY_PRIOR: f64 = 0.9;
/// What rows above this surprise show is learned with less weight, down to a tenth, so that an attack below the reporting
/// threshold does not become normal and a real change of habit still does. The tail takes them as they are: left out, what
/// is rare would look rarer and rarer.
const KEEP_OUT: f64 = 4.0;
const LEAST_WEIGHT: f64 = 0.1;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountSurpriseOptions {
    /// Keyword-valued feature; the job's first one when none is named.
    #[serde(default)]
    feature: Option<String>,
    /// Strength of the population as prior, in buckets of evidence.
    #[serde(default = "one")]
    prior_rows: f64,
    /// How fast the surprise of other entities fades (to 1/e), such as `30m`; `0s` switches it off.
    #[serde(default = "no_fade")]
    others_fade: String,
    /// Days after which what was learned counts half.
    #[serde(default = "month")]
    half_life_days: f64,
    /// Bound on values remembered per entity.
    #[serde(default = "per_entity")]
    max_values_per_entity: usize,
    /// Bound on values remembered over all entities.
    #[serde(default = "overall")]
    max_values: usize,
}

fn one() -> f64 {
    1.0
}
fn no_fade() -> String {
    "0s".into()
}
fn month() -> f64 {
    30.0
}
fn per_entity() -> usize {
    256
}
fn overall() -> usize {
    65_536
}

/// What it has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    memory: ValueMemory,
    tail: Excess,
    others: Others,
    last_ms: Option<i64>,
}

/// See the module.
#[derive(Debug, Clone)]
struct CountSurprise {
    feature: usize,
    name: String,
    prior_rows: f64,
    decay: f64,
    state: State,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    let o: CountSurpriseOptions = parse_options(options)?;
    let name = match o.feature.or_else(|| job.value_features.first().map(|f| f.name.clone())) {
        Some(name) => name,
        None => return Err("the job has no keyword-valued feature".into()),
    };
    let feature = super::value_feature(job, &name)?;
    let fade = humantime::parse_duration(&o.others_fade).map_err(|e| format!("others_fade `{}`: {e}", o.others_fade))?;
    for (name, x) in [("prior_rows", o.prior_rows), ("half_life_days", o.half_life_days)] {
        if !x.is_finite() || x <= 0.0 {
            return Err(format!("{name} must be above 0"));
        }
    }
    Ok(Box::new(CountSurprise {
        feature,
        name,
        prior_rows: o.prior_rows,
        decay: 0.5f64.powf(1.0 / (o.half_life_days * job.buckets_per_day().max(1e-6))),
        state: State {
            memory: ValueMemory::new(o.half_life_days, o.max_values, o.max_values_per_entity),
            // A row of alerts holds about eight values that come together, so that eight decades claimed are one.
            tail: Excess::new(0.1, 400.0, 8.0).leaving_out().young_for(YOUNG_DAYS * job.buckets_per_day()),
            others: Others::new(fade.as_millis() as f64),
            last_ms: None,
        },
    }))
}

/// One value of one row.
#[derive(Debug, Clone, Copy)]
struct Judged {
    value: u64,
    count: u64,
    surprise: f64,
    chance: f64,
    usual_ln: f64,
    /// Known of this entity, known of anyone.
    known: (bool, bool),
}

impl Judged {
    fn contributor(&self, feature: &str, value: &str, surprise: f64) -> Contributor {
        let reference = match self.known {
            (true, _) => "own history",
            (false, true) => "first seen here",
            (false, false) => "first seen anywhere",
        };
        let typical = if self.known.0 { self.chance * self.usual_ln.exp() } else { 0.0 };
        Contributor::of_value(feature, value, self.count as f64, typical, surprise, reference)
    }
}

impl CountSurprise {
    fn judge(&self, view: &BucketView<'_>, row: usize) -> Vec<Judged> {
        let Some(values) = view.bucket.values.get(self.feature) else { return Vec::new() };
        let (at, memory) = (view.bucket.start_ms, &self.state.memory);
        let slot = view.slot(row);
        let first = slot.and_then(|_| view.table.first_seen_ms(view.slots[row]));
        let watched = first.map_or(0.0, |f| memory.watched(f, at, view.bucket.span_ms));
        let entity_buckets = memory.entity_buckets(at);
        let novelty = (memory.novelties(at) + 1.0) / (entity_buckets + NOVELTY_ROWS);
        let a = self.prior_rows;
        values
            .row(row)
            .map(|(value, count)| {
                let (own, all) = (memory.of_entity(slot, value, at), memory.of_all(value, at));
                let prior = if entity_buckets > 0.0 { ((all.buckets + novelty) / (entity_buckets + 1.0)).min(MOST_LIKELY_PRIOR) } else { 0.5 };
                let chance = ((own.buckets + a * prior) / (watched.max(own.buckets) + a)).clamp(1e-12, 1.0);
                let (often, usual_ln) = how_often(count, own, all);
                Judged { value, count, surprise: often - chance.log10(), chance, usual_ln, known: (own.buckets > 1e-6, all.buckets > 1e-6) }
            })
            .collect()
    }

    fn raw(&self, view: &BucketView<'_>, row: usize) -> f64 {
        self.judge(view, row).iter().map(|j| j.surprise).sum()
    }

    /// Each row's raw sum and own calibrated surprise, without what others show.
    fn own(&self, view: &BucketView<'_>) -> (Vec<f64>, Vec<f64>) {
        let raw: Vec<f64> = (0..view.rows()).map(|r| self.raw(view, r)).collect();
        let own = raw.iter().map(|&x| self.state.tail.surprise(x)).collect();
        (raw, own)
    }

    /// What others show, with the name of the strangest of them.
    fn of_others(&self, view: &BucketView<'_>, own: &[f64], row: usize, share: f64) -> Contributor {
        let keys = Self::keys(view);
        let (other, surprise, expected) = self.state.others.behind(view.bucket.start_ms, &keys, own, keys[row]);
        let is_here = keys.iter().position(|k| *k == other).map(|r| view.bucket.keys.text(r).into_owned());
        let name = is_here.or_else(|| {
            let key = view.table.slots().map(|s| view.table.key(s)).find(|k| stable_hash(k) == other)?;
            Some(String::from_utf8_lossy(key).into_owned())
        });
        let title = name.unwrap_or_else(|| "another one".into());
        Contributor { title, ..Contributor::new(OTHER_ENTITIES, surprise, expected, share, "other entities") }
    }

    fn keys(view: &BucketView<'_>) -> Vec<u64> {
        (0..view.rows()).map(|r| view.bucket.keys.hash(r)).collect()
    }
}

/// Surprise of a count given that the value came, and the usual ln count.
fn how_often(count: u64, own: Moments, all: Moments) -> (f64, f64) {
    let x = (count.max(1) as f64).ln();
    let all_mean = all.mean().unwrap_or(0.0);
    let all_spread = (all.squares() + SPREAD * SPREAD_ROWS) / (all.buckets + SPREAD_ROWS);
    let k = own.buckets;
    let mean = (own.ln + all_mean) / (k + 1.0);
    let spread = (own.squares() + SPREAD_ROWS * all_spread.clamp(LEAST_SPREAD, SPREAD)) / (k + SPREAD_ROWS);
    // Counts are whole numbers: how closely they agreed so far says nothing below the noise of counting.
    let spread = spread.max((-mean).exp());
    let t = (x - mean) / (spread * (1.0 + 1.0 / (k + 1.0))).sqrt();
    // Only more than usual counts, and the median costs nothing.
    let surprise = if t > 0.0 { student_surprise(t, k + SPREAD_ROWS) - std::f64::consts::LOG10_2 } else { 0.0 };
    (surprise.max(0.0), mean)
}

impl Detector for CountSurprise {
    fn name(&self) -> &'static str {
        COUNT_SURPRISE.part.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        let (_, own) = self.own(view);
        let bonus = self.state.others.bonuses(view.bucket.start_ms, &Self::keys(view), &own);
        own.iter().zip(bonus).map(|(&s, b)| self.state.others.joined(s, b)).collect()
    }

    fn is_calibrated(&self) -> bool {
        true
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let (raw, own) = self.own(view);
        let (at, span) = (view.bucket.start_ms, view.bucket.span_ms.max(1));
        let elapsed = self.state.last_ms.map_or(1.0, |l| ((at - l) / span).max(1) as f64);
        let decay = self.decay.powf(elapsed);
        self.state.others.learn(at, &Self::keys(view), &own, decay);
        self.state.last_ms = Some(self.state.last_ms.map_or(at, |l| l.max(at)));
        self.state.memory.watch(at, view.table.len() as f64, elapsed);
        let Some(values) = view.bucket.values.get(self.feature) else { return };
        let settled = self.state.tail.rows() >= 500.0;
        for row in 0..view.rows() {
            let slot = view.slots.get(row).copied().unwrap_or(NO_SLOT);
            let given = weights.get(row).copied().unwrap_or(1.0);
            if slot == NO_SLOT || given.is_nan() || given <= 0.0 {
                continue;
            }
            let surprising = settled && given >= 1.0 && own[row] > KEEP_OUT;
            let weight = if surprising { 10f64.powf(KEEP_OUT - own[row]).max(LEAST_WEIGHT) } else { given };
            for (value, count) in values.row(row) {
                self.state.memory.observe(slot, value, count, at, weight);
            }
            self.state.tail.observe(raw[row], given);
        }
        self.state.memory.trim();
        self.state.tail.decay_and_fit(decay);
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let Some(values) = view.bucket.values.get(self.feature) else { return Vec::new() };
        let (_, own) = self.own(view);
        let Some(&mine) = own.get(row) else { return Vec::new() };
        let bonus = self.state.others.bonuses(view.bucket.start_ms, &Self::keys(view), &own).get(row).copied().unwrap_or(0.0);
        let share = if mine + bonus > 0.0 { self.state.others.joined(mine, bonus) / (mine + bonus) } else { 0.0 };
        let (mine, bonus) = (mine * share, bonus * share);
        let judged = self.judge(view, row);
        let total: f64 = judged.iter().map(|j| j.surprise).sum();
        let mut out: Vec<Contributor> = judged
            .iter()
            .map(|j| j.contributor(&self.name, &values.name(j.value), if total > 0.0 { mine * j.surprise / total } else { 0.0 }))
            .collect();
        if bonus > 0.0 {
            out.push(self.of_others(view, &own, row, bonus));
        }
        out.sort_by(|a, b| b.surprise.total_cmp(&a.surprise).then_with(|| a.feature.cmp(&b.feature)));
        out
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let rows = self.state.tail.rows();
        let first = view.slots.get(row).and_then(|&s| view.table.first_seen_ms(s));
        let own = first.map_or(0.0, |f| self.state.memory.watched(f, view.bucket.start_ms, view.bucket.span_ms));
        (rows / (rows + 200.0)) * (0.5 + 0.5 * own / (own + 50.0))
    }

    fn forget(&mut self, slots: &[Slot]) {
        self.state.memory.forget(slots);
    }

    fn snapshot(&self) -> Vec<u8> {
        pack(VERSION, &self.state)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.state = unpack(VERSION, bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::testing::{Board, options};

    fn detector(fade: &str) -> Box<dyn Detector> {
        let job = Board::job(&[], &["rules"]);
        (COUNT_SURPRISE.build)(&job, &options(&format!(r#"{{"feature":"rules","others_fade":"{fade}"}}"#))).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Two quiet entities for 600 buckets; `web` shows rule 400 now and then, in bursts.
    fn quiet(d: &mut Box<dyn Detector>) -> Board {
        let mut board = Board::new(&["rules"], 0);
        for i in 0..600u64 {
            let mut web = vec![("200", 5 + i % 3)];
            if i % 7 == 0 {
                web.push(("400", 1 + i % 5));
            }
            board.bucket(&[("web", &[&web], &[]), ("db", &[&[("login", 2 + i % 2)]], &[])]);
            board.learn(d.as_mut());
        }
        board
    }

    #[test]
    fn a_burst_and_a_new_value_surprise_and_the_usual_does_not() {
        let mut d = detector("0s");
        let mut board = quiet(&mut d);
        board.bucket(&[("web", &[&[("200", 6)]], &[]), ("db", &[&[("login", 2), ("shell", 1)]], &[])]);
        let s = board.score(d.as_ref());
        assert!(s["web"] < 1.0 && s["db"] > 2.0, "{s:?}");
        board.bucket(&[("web", &[&[("200", 6), ("400", 5_000)]], &[])]);
        assert!(board.score(d.as_ref())["web"] > 2.0);
        let parts = board.explain(d.as_ref(), "web");
        assert_eq!((parts[0].feature.as_str(), parts[0].reference.as_str()), ("rules=400", "own history"));
        assert!(parts[0].typical < 5.0);
    }

    #[test]
    fn a_value_that_always_came_once_may_come_twice_however_long_it_did() {
        let seen = |k: f64, ln: f64| Moments { buckets: k, ln: k * ln, ln2: k * ln * ln };
        for k in [10.0, 1e3, 1e6] {
            let (twice, _) = how_often(2, seen(k, 0.0), seen(10.0 * k, 0.0));
            let (many, _) = how_often(200, seen(k, 0.0), seen(10.0 * k, 0.0));
            assert!(twice < 0.5 && many > 3.0, "{k}: {twice} {many}");
            // A hundred every time: three times as many are news, one more is not.
            let hundred = seen(k, 100f64.ln());
            assert!(how_often(101, hundred, hundred).0 < 0.1 && how_often(300, hundred, hundred).0 > 3.0, "{k}");
        }
    }

    #[test]
    fn contributions_sum_to_the_surprise_with_and_without_others() {
        for fade in ["0s", "30m"] {
            let mut d = detector(fade);
            let mut board = quiet(&mut d);
            board.bucket(&[("web", &[&[("400", 900), ("x", 3), ("y", 1)]], &[]), ("db", &[&[("login", 9)]], &[]), ("new", &[&[("x", 1)]], &[])]);
            for (entity, s) in board.score(d.as_ref()) {
                let sum: f64 = board.explain(d.as_ref(), &entity).iter().map(|c| c.surprise).sum();
                assert!((sum - s).abs() < 1e-9, "{fade} {entity}: {sum} {s}");
            }
        }
    }

    #[test]
    fn what_others_show_raises_a_doubtful_row() {
        let (mut alone, mut with) = (detector("0s"), detector("30m"));
        let mut board = quiet(&mut alone);
        quiet(&mut with);
        let attack: &[(&str, u64)] = &[("scan", 50), ("sqli", 9), ("shell", 3), ("400", 9_000)];
        board.bucket(&[("web", &[attack], &[]), ("db", &[&[("login", 6)]], &[])]);
        let (a, b) = (board.score(alone.as_ref()), board.score(with.as_ref()));
        assert!(b["db"] > a["db"] + 1.0, "{a:?} {b:?}");
        let why = board.explain(with.as_ref(), "db");
        let others = why.iter().find(|c| c.feature == OTHER_ENTITIES).unwrap();
        assert!(others.title == "web" && (others.actual - a["web"]).abs() < 1e-9 && others.typical < 1.5, "{others:?}");
        // An attack of the bucket before: its entity is known, and not there now.
        board.learn(with.as_mut());
        board.bucket(&[("db", &[&[("login", 6)]], &[])]);
        let later = board.explain(with.as_ref(), "db");
        assert_eq!(later.iter().find(|c| c.feature == OTHER_ENTITIES).unwrap().title, "web", "{later:?}");
    }

    #[test]
    fn a_new_entity_is_judged_at_once_and_a_snapshot_scores_the_same() {
        let mut d = detector("30m");
        let mut board = quiet(&mut d);
        board.bucket(&[("new", &[&[("200", 6)]], &[]), ("odd", &[&[("never", 6)]], &[])]);
        let s = board.score(d.as_ref());
        assert!(s["odd"] > s["new"], "{s:?}");
        let mut e = detector("30m");
        assert_eq!(e.restore(&d.snapshot()), Ok(()));
        assert_eq!(board.score(e.as_ref()), s);
        assert!(e.restore(&[9, 9]).is_err());
    }

    #[test]
    fn empty_buckets_and_wrong_options_are_harmless() {
        let mut d = detector("30m");
        let mut board = Board::new(&["rules"], 0);
        board.bucket(&[]);
        assert!(board.score(d.as_ref()).is_empty());
        board.learn(d.as_mut());
        board.bucket(&[("a", &[&[]], &[])]);
        assert!(board.score(d.as_ref())["a"] >= 0.0);
        d.forget(&[0, 7]);
        let job = Board::job(&[], &["rules"]);
        for bad in [
            r#"{"feature":"nope"}"#,
            r#"{"feature":"rules","others_fade":"soon"}"#,
            r#"{"feature":"rules","prior_rows":0}"#,
            r#"{"feature":"rules","x":1}"#,
        ] {
            assert!((COUNT_SURPRISE.build)(&job, &options(bad)).is_err(), "{bad}");
        }
    }
}
