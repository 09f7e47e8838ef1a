//! First seen: an entity shows keyword values that it, or anyone, never showed before.
//!
//! News are usual for some and unusual for others: for an entity with `m` news in `n` watched buckets the number of news in
//! the next one is negative binomial, the predictive law of a Poisson rate under a Gamma prior (shape `m + a q`, rate
//! `n + a`; Gelman et al., *Bayesian Data Analysis*, 3rd ed., ch. 2.6), with `q` the rate over all entities and `a` the
//! buckets of evidence that it counts for. Surprise is -log10 of the chance of as many news or more.
//!
//! A value is first seen once: it is remembered whatever the row was judged, until it was away for `forget_after_days`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Detector, DetectorPart, Options, pack, parse_options, unpack};
use crate::model::time::DAY_MS;
use crate::model::{BucketView, Contributor, Job, Part, Slot};

/// What the catalogue says.
pub const FIRST_SEEN: DetectorPart = DetectorPart {
    part: Part {
        name: "first_seen",
        description: "Keyword values that an entity (or anyone) never showed before, held against how often it shows new ones.",
        example: "{ kind: first_seen, feature: countries, scope: entity }",
    },
    build,
};

const VERSION: u8 = 1;
/// Buckets of evidence that the population's rate of news counts for.
const PRIOR_BUCKETS: f64 = 5.0;
/// Entity-buckets before anything is said: until then the rate of news is not known.
const SETTLED: f64 = 100.0;
/// Least rate over all entities, in news per bucket: news that never came are not impossible.
const LEAST_RATE: f64 = 1e-4;
/// Bounds on values remembered, over all entities and per entity.
const MAX_VALUES: usize = 65_536;
const MAX_VALUES_PER_ENTITY: usize = 512;

/// Against whose past a value is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    /// New for this entity.
    Entity,
    /// New for all.
    Anyone,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstSeenOptions {
    /// Keyword-valued feature; the job's first one when none is named.
    #[serde(default)]
    feature: Option<String>,
    #[serde(default = "entity")]
    scope: Scope,
    /// A value that nobody in the scope showed for so long is new again.
    #[serde(default = "three_months")]
    forget_after_days: f64,
}

fn entity() -> Scope {
    Scope::Entity
}
fn three_months() -> f64 {
    90.0
}

/// Values with the time they were last shown; bounded: those away the longest go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen(BTreeMap<u64, i64>);

impl Seen {
    fn holds(&self, value: u64, since_ms: i64) -> bool {
        self.0.get(&value).is_some_and(|&last| last >= since_ms)
    }

    fn trim(&mut self, max: usize) {
        if self.0.len() <= max {
            return;
        }
        let mut order: Vec<(i64, u64)> = self.0.iter().map(|(&v, &t)| (t, v)).collect();
        order.sort_unstable();
        // A sixteenth more than needed, so that the order is not taken for every value.
        for (_, value) in order.iter().take(self.0.len() - max + max / 16) {
            self.0.remove(value);
        }
    }
}

/// News and watched buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Rate {
    news: f64,
    buckets: f64,
}

impl Rate {
    fn add(&mut self, news: f64, weight: f64) {
        self.news += weight * news;
        self.buckets += weight;
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    all: Seen,
    entities: Vec<Seen>,
    rates: Vec<Rate>,
    rate: Rate,
}

/// See the module.
#[derive(Debug, Clone)]
struct FirstSeen {
    feature: usize,
    name: String,
    scope: Scope,
    forget_after_ms: i64,
    state: State,
}

fn build(job: &Job, options: &Options) -> Result<Box<dyn Detector>, String> {
    let o: FirstSeenOptions = parse_options(options)?;
    let Some(name) = o.feature.or_else(|| job.value_features.first().map(|f| f.name.clone())) else {
        return Err("the job has no keyword-valued feature".into());
    };
    if !o.forget_after_days.is_finite() || o.forget_after_days <= 0.0 {
        return Err("forget_after_days must be above 0".into());
    }
    let forget_after_ms = (o.forget_after_days * DAY_MS as f64).min(1e15) as i64;
    Ok(Box::new(FirstSeen { feature: super::value_feature(job, &name)?, name, scope: o.scope, forget_after_ms, state: State::default() }))
}

/// -log10 of the chance that a negative binomial count (shape `a`, Gamma rate `b`, exposure 1) is at least `k`.
fn surprise_of_count(k: u64, a: f64, b: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let miss = 1.0 / (b + 1.0);
    // P(0), then P(i) = P(i-1) (a + i - 1) / i * miss; terms from k on are summed, so that small chances keep their digits.
    let mut ln_p = a * (b / (b + 1.0)).ln();
    let mut tail = 0.0f64;
    let mut largest = f64::NEG_INFINITY;
    for i in 1..k.saturating_add(2_000).min(20_000) {
        ln_p += ((a + i as f64 - 1.0) / i as f64 * miss).ln();
        if i < k {
            continue;
        }
        if largest == f64::NEG_INFINITY {
            largest = ln_p;
        }
        let term = (ln_p - largest).exp();
        tail += term;
        if term < 1e-12 * tail {
            break;
        }
    }
    if tail > 0.0 { (-(largest + tail.ln()) / std::f64::consts::LN_10).max(0.0) } else { 0.0 }
}

impl FirstSeen {
    /// Values of a row that are new in the scope.
    fn news(&self, view: &BucketView<'_>, row: usize) -> Vec<(u64, u64)> {
        let Some(values) = view.bucket.values.get(self.feature) else { return Vec::new() };
        let since = view.bucket.start_ms.saturating_sub(self.forget_after_ms);
        let is_known = |value: u64| match self.scope {
            Scope::Anyone => self.state.all.holds(value, since),
            Scope::Entity => view.slot(row).and_then(|s| self.state.entities.get(s)).is_some_and(|seen| seen.holds(value, since)),
        };
        values.row(row).filter(|&(value, _)| !is_known(value)).collect()
    }

    /// Shape and rate of the Gamma law of an entity's news; `None` while nothing can be said.
    fn law(&self, view: &BucketView<'_>, row: usize) -> Option<(f64, f64)> {
        if self.state.rate.buckets < SETTLED {
            return None;
        }
        let own = view.slot(row).and_then(|s| self.state.rates.get(s)).copied().unwrap_or_default();
        // To an entity never seen before everything is new: that it is there at all is for `population` to judge.
        if self.scope == Scope::Entity && own.buckets <= 0.0 {
            return None;
        }
        let usual = (self.state.rate.news / self.state.rate.buckets).max(LEAST_RATE);
        Some((own.news + PRIOR_BUCKETS * usual, own.buckets + PRIOR_BUCKETS))
    }

    fn surprise(&self, view: &BucketView<'_>, row: usize) -> f64 {
        self.law(view, row).map_or(0.0, |(a, b)| surprise_of_count(self.news(view, row).len() as u64, a, b))
    }
}

impl Detector for FirstSeen {
    fn name(&self) -> &'static str {
        FIRST_SEEN.part.name
    }

    fn score(&self, view: &BucketView<'_>) -> Vec<f64> {
        (0..view.rows()).map(|r| self.surprise(view, r)).collect()
    }

    fn learn(&mut self, view: &BucketView<'_>, weights: &[f64]) {
        let at = view.bucket.start_ms;
        let news: Vec<usize> = (0..view.rows()).map(|r| self.news(view, r).len()).collect();
        for (row, &count) in news.iter().enumerate() {
            let (Some(slot), Some(values)) = (view.slot(row), view.bucket.values.get(self.feature)) else { continue };
            let weight = weights.get(row).copied().filter(|w| w.is_finite()).unwrap_or(1.0).max(0.0);
            if self.state.rates.len() <= slot {
                self.state.rates.resize(slot + 1, Rate::default());
            }
            // The first bucket of an entity is all news, and says nothing about those to come.
            let is_first = self.scope == Scope::Entity && self.state.entities.get(slot).is_none_or(|seen| seen.0.is_empty());
            let count = if is_first { 0.0 } else { count as f64 };
            self.state.rates[slot].add(count, weight.max(if is_first { 1.0 } else { 0.0 }));
            self.state.rate.add(count, if is_first { 0.0 } else { weight });
            let (seen, max) = match self.scope {
                Scope::Anyone => (&mut self.state.all, MAX_VALUES),
                Scope::Entity => {
                    if self.state.entities.len() <= slot {
                        self.state.entities.resize(slot + 1, Seen::default());
                    }
                    (&mut self.state.entities[slot], MAX_VALUES_PER_ENTITY)
                }
            };
            for (value, _) in values.row(row) {
                let last = seen.0.entry(value).or_insert(at);
                *last = (*last).max(at);
            }
            seen.trim(max);
        }
    }

    fn explain(&self, view: &BucketView<'_>, row: usize) -> Vec<Contributor> {
        let (Some((a, b)), Some(values)) = (self.law(view, row), view.bucket.values.get(self.feature)) else { return Vec::new() };
        let news = self.news(view, row);
        let surprise = surprise_of_count(news.len() as u64, a, b);
        let reference = if self.scope == Scope::Entity { "first seen for this entity" } else { "first seen anywhere" };
        let share = surprise / news.len().max(1) as f64;
        let one = |(value, count): (u64, u64)| Contributor::of_value(&self.name, &values.name(value), count as f64, 0.0, share, reference);
        news.into_iter().map(one).collect()
    }

    fn confidence(&self, view: &BucketView<'_>, row: usize) -> f64 {
        let own = view.slot(row).and_then(|s| self.state.rates.get(s)).map_or(0.0, |r| r.buckets);
        own / (own + 20.0)
    }

    fn forget(&mut self, slots: &[Slot]) {
        for &s in slots {
            if let Some(seen) = self.state.entities.get_mut(s as usize) {
                *seen = Seen::default();
            }
            if let Some(rate) = self.state.rates.get_mut(s as usize) {
                *rate = Rate::default();
            }
        }
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

    fn detector(text: &str) -> Box<dyn Detector> {
        let job = Board::job(&[], &["countries"]);
        (FIRST_SEEN.build)(&job, &options(text)).unwrap_or_else(|e| panic!("{e}"))
    }

    /// One user stays at home, one travels: a new country every fourth bucket.
    fn history(d: &mut Box<dyn Detector>) -> Board {
        let mut board = Board::new(&["countries"], 0);
        for i in 0..80 {
            let country = format!("C{}", i / 4);
            board.bucket(&[("home", &[&[("DE", 3)]], &[]), ("travels", &[&[("DE", 1), (country.as_str(), 2)]], &[])]);
            board.learn(d.as_mut());
        }
        board
    }

    #[test]
    fn a_new_value_surprises_where_news_are_rare() {
        let mut d = detector("{}");
        let mut board = history(&mut d);
        board.bucket(&[("home", &[&[("KP", 1), ("DE", 2)]], &[]), ("travels", &[&[("KP", 1)]], &[]), ("new here", &[&[("KP", 1)]], &[])]);
        let s = board.score(d.as_ref());
        assert!(s["home"] > 1.5 && s["home"] > s["travels"] + 1.0 && s["new here"] == 0.0, "{s:?}");
        let parts = board.explain(d.as_ref(), "home");
        assert_eq!(parts.iter().map(|c| c.feature.as_str()).collect::<Vec<_>>(), ["countries=KP"]);
        assert!((parts[0].surprise - s["home"]).abs() < 1e-12 && parts[0].reference == "first seen for this entity");
        board.learn(d.as_mut());
        assert_eq!(board.score(d.as_ref())["home"], 0.0, "a value is first seen once");
    }

    #[test]
    fn what_one_entity_showed_is_known_of_all_when_the_scope_is_anyone() {
        let mut d = detector(r#"{"scope":"anyone"}"#);
        let mut board = history(&mut d);
        board.bucket(&[("home", &[&[("C3", 1)]], &[]), ("new here", &[&[("KP", 1)]], &[])]);
        let s = board.score(d.as_ref());
        assert!(s["home"] == 0.0 && s["new here"] > 0.5, "{s:?}");
    }

    #[test]
    fn many_news_at_once_surprise_more_and_the_tail_is_a_tail() {
        let mut last = -1.0;
        for k in [0, 1, 2, 3, 10, 100, 10_000] {
            let s = surprise_of_count(k, 0.5, 85.0);
            assert!(s.is_finite() && s > last, "{k}: {s} after {last}");
            last = s;
        }
        // Gamma(1, 1) and exposure 1: geometric with 1/2, so that P(X >= 3) = 1/8.
        assert!((surprise_of_count(3, 1.0, 1.0) - 8f64.log10()).abs() < 1e-9);
    }

    #[test]
    fn memory_is_bounded_snapshots_hold_and_wrong_options_are_refused() {
        let mut d = detector(r#"{"forget_after_days":0.01}"#);
        let mut board = history(&mut d);
        for i in 0..40u64 {
            let names: Vec<String> = (0..50).map(|n| format!("{i}/{n}")).collect();
            let list: Vec<(&str, u64)> = names.iter().map(|n| (n.as_str(), 1)).collect();
            board.bucket(&[("flood", &[&list], &[])]);
            board.learn(d.as_mut());
        }
        assert!(d.snapshot().len() < 40_000, "{}", d.snapshot().len());
        board.bucket(&[("home", &[&[("DE", 1)]], &[])]);
        assert!(board.score(d.as_ref())["home"] > 0.0, "what was away for longer than it is remembered is new again");
        let mut e = detector(r#"{"forget_after_days":0.01}"#);
        assert_eq!(e.restore(&d.snapshot()), Ok(()));
        assert_eq!(board.score(e.as_ref()), board.score(d.as_ref()));
        d.forget(&[0, 1]);
        assert_eq!(board.score(d.as_ref())["home"], 0.0);
        let job = Board::job(&["requests"], &[]);
        assert!((FIRST_SEEN.build)(&job, &options("{}")).is_err());
        let job = Board::job(&[], &["countries"]);
        for bad in [r#"{"forget_after_days":-1}"#, r#"{"scope":"x"}"#, r#"{"feature":"x"}"#, r#"{"x":1}"#] {
            assert!((FIRST_SEEN.build)(&job, &options(bad)).is_err(), "{bad}");
        }
    }
}
