//! Explanations that hold: for every reported row the contributions sum to the surprise of the detector that spoke, taking
//! the strongest one away lowers the score, and what is called typical is never what was seen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use elkhound::config::{Environment, load_text, preset_job};
use elkhound::demo::{plants, traffic};
use elkhound::formats;
use elkhound::math::chance::Chance;
use elkhound::model::keys::stable_hash;
use elkhound::model::time::{DAY_MS, iso};
use elkhound::model::{Anomaly, Bucket, Contributor, FeatureSpec, Job, ValueCounts, Window};
use elkhound::pipeline::models::Models;
use elkhound::score::Scores;
use elkhound::source::Source;
use elkhound::source::memory::{Lines, MemorySource};
use serde_json::json;

const HOUR: i64 = 3_600_000;
/// 2026-01-19, a Monday.
const MONDAY: i64 = 1_768_780_800_000;

/// Buckets that are played again to take back what a detector remembers.
const REMEMBERED: usize = 24;

/// A bucket as it came, and the models before it.
struct Past {
    snapshot: Vec<u8>,
    bucket: Bucket,
    is_learning: bool,
}

/// A job at work whose every reported row is looked at.
struct Looked {
    models: Models,
    job: Arc<Job>,
    /// What each entity showed in the last buckets in which nothing was said about it.
    usual: BTreeMap<String, VecDeque<Vec<f64>>>,
    /// The last buckets, each with what had been learned before it.
    past: VecDeque<Past>,
    /// Rows by the detector that spoke.
    rows: BTreeMap<String, usize>,
    /// Rows whose score falls only when all that the sentence names is taken back.
    together: usize,
    /// Rows with a rule box.
    boxes: usize,
    wrong: Vec<String>,
}

impl Looked {
    fn new(job: Job) -> Self {
        let job = Arc::new(job);
        Self {
            models: Models::new(job.clone()).unwrap(),
            job,
            usual: BTreeMap::new(),
            past: VecDeque::new(),
            rows: BTreeMap::new(),
            together: 0,
            boxes: 0,
            wrong: Vec::new(),
        }
    }

    /// The verbs of the pipeline on one bucket; nothing is looked at while the job only learns.
    fn step(&mut self, bucket: Bucket, is_learning: bool) {
        if self.job.detectors.iter().any(|d| d.kind == "robust") {
            self.past.push_back(Past { snapshot: self.models.snapshot(), bucket: bucket.clone(), is_learning });
            if self.past.len() > REMEMBERED {
                self.past.pop_front();
            }
        }
        let bucket = self.models.fill_silent(bucket);
        let claimed = self.models.claim(&bucket);
        let scores = self.models.score(&bucket, &claimed);
        let graded = if is_learning { Vec::new() } else { self.models.grade(&bucket, &scores) };
        let anomalies = self.models.decide(graded);
        for a in &anomalies {
            self.look(&bucket, &claimed, &scores, a);
        }
        for row in (0..bucket.rows()).filter(|&r| !bucket.imputed[r] && anomalies.iter().all(|a| a.entity_key != bucket.keys.text(r))) {
            let usual = self.usual.entry(bucket.keys.text(row).into_owned()).or_default();
            usual.push_back(bucket.columns.iter().map(|c| c[row]).collect());
            if usual.len() > REMEMBERED {
                usual.pop_front();
            }
        }
        self.models.learn(&bucket, &claimed, &scores, &anomalies);
    }

    fn look(&mut self, bucket: &Bucket, claimed: &[Vec<f64>], scores: &Scores, a: &Anomaly) {
        *self.rows.entry(a.detector.clone()).or_default() += 1;
        let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == a.entity_key).unwrap();
        let mut wrong = Vec::new();
        let said: f64 = a.contributors.iter().map(|c| c.surprise).sum();
        let detector = scores.loudest(row).unwrap().0;
        let spoken = claimed[detector][row];
        if (said - spoken).abs() > 1e-6 * spoken.max(1.0) {
            wrong.push(format!("contributions sum to {said}, the surprise is {spoken}"));
        }
        for c in a.contributors.iter().filter(|c| c.actual == c.typical) {
            wrong.push(format!("{}: typical is the actual, {}", c.feature, c.actual));
        }
        if !a.rule_box.is_empty() {
            self.boxes += 1;
            wrong.extend(rule_is_wrong(&self.job, bucket, row, &a.rule_box));
        }
        wrong.extend(sentence_is_wrong(&self.job, a));
        let (now, top) = (scores.score(row), a.contributors.first().map_or(f64::NAN, |c| c.surprise));
        // What moves together falls together: the sentence names the second where it adds a quarter of the first.
        let named = a.contributors.iter().filter(|c| c.surprise >= 0.25 * top).count();
        let alone = a.contributors.first().map_or(now, |c| self.score_without(bucket, row, c));
        if alone >= now {
            self.together += 1;
            let then = self.score_without_named(&a.entity_key, a.contributors.get(..named).unwrap_or_default());
            if then >= now {
                wrong.push(format!(
                    "without the strongest the score is {alone}, without what is named {then}, not lower; {:?}",
                    a.contributors.first()
                ));
            }
        }
        let of = format!("{} {} of {} by {}, score {}", iso(a.start_ms), a.entity_key, self.job.id, a.detector, a.score);
        self.wrong.extend(
            wrong.into_iter().map(|w| format!("{of}: {w}; {:?}", a.contributors.iter().map(|c| (&c.feature, c.surprise)).collect::<Vec<_>>())),
        );
    }

    /// Score of a row when one contributor is taken back to what is typical.
    fn score_without(&self, bucket: &Bucket, row: usize, c: &Contributor) -> f64 {
        if c.feature == "other_entities" {
            let alone = alone(bucket, row);
            return self.models.score(&alone, &self.models.claim(&alone)).score(0);
        }
        if is_remembered(c) {
            return self.score_as_usual(&bucket.keys.text(row), REMEMBERED, &self.with_companions(std::slice::from_ref(c)));
        }
        if bucket.imputed[row] {
            // Silence is taken back by what the entity shows when it is there.
            return self.score_as_usual(&bucket.keys.text(row), 1, &self.all_features());
        }
        let mut less = bucket.clone();
        take_back(&self.job, &mut less, row, c);
        self.models.score(&less, &self.models.claim(&less)).score(row)
    }

    /// Score of an entity's last bucket when all that the sentence names is as it usually is there, and everything where it is
    /// the relation of several buckets that was surprising.
    fn score_without_named(&self, entity: &str, named: &[Contributor]) -> f64 {
        match named.iter().any(is_remembered) {
            true => self.score_as_usual(entity, REMEMBERED, &self.all_features()),
            false => self.score_as_usual(entity, 1, &self.with_companions(named)),
        }
    }

    fn all_features(&self) -> Vec<usize> {
        (0..self.job.features.len()).collect()
    }

    /// Features of contributors, with those that go along with them.
    fn with_companions(&self, named: &[Contributor]) -> Vec<usize> {
        let is_named = |f: usize| named.iter().any(|c| c.feature == self.job.features[f].name);
        let all = self.all_features();
        all.iter().copied().filter(|&g| is_named(g) || all.iter().any(|&f| is_named(f) && goes_along(&self.job, f, g))).collect()
    }

    /// Score of an entity in the last bucket when these features are as they were in buckets in which nothing was said about it, in
    /// so many of the last buckets: these are learned anew.
    fn score_as_usual(&self, entity: &str, buckets: usize, features: &[usize]) -> f64 {
        let past = self.past.iter().skip(self.past.len().saturating_sub(buckets));
        let mut models = Models::new(self.job.clone()).unwrap();
        let mut usual = self.usual[entity].iter().rev().cycle();
        let mut last = f64::NAN;
        for (i, past) in past.enumerate() {
            if i == 0 {
                models.restore(&past.snapshot).unwrap();
            }
            let mut bucket = models.fill_silent(past.bucket.clone());
            let row = (0..bucket.rows()).find(|&r| bucket.keys.text(r) == entity);
            if let (Some(row), Some(usual)) = (row, usual.next()) {
                (bucket.imputed[row], bucket.doc_counts[row]) = (false, bucket.doc_counts[row].max(1));
                features.iter().for_each(|&f| bucket.columns[f][row] = usual[f]);
            }
            let claimed = models.claim(&bucket);
            let scores = models.score(&bucket, &claimed);
            last = row.map_or(f64::NAN, |r| scores.score(r));
            let graded = if past.is_learning { Vec::new() } else { models.grade(&bucket, &scores) };
            let anomalies = models.decide(graded);
            models.learn(&bucket, &claimed, &scores, &anomalies);
        }
        last
    }

    /// Every row was explained as it should be, and there were some.
    fn is_fine(&self, at_least: usize) {
        println!("{}: {:?}, {} only together, {} rule boxes", self.job.id, self.rows, self.together, self.boxes);
        assert!(self.rows.values().sum::<usize>() >= at_least, "{}: too few rows were reported: {:?}", self.job.id, self.rows);
        let shown = self.wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
        assert!(4 * self.together <= self.rows.values().sum(), "{}: {} rows fall only together of {:?}", self.job.id, self.together, self.rows);
        assert!(self.wrong.is_empty(), "{}: {} of {:?}\n{shown}", self.job.id, self.wrong.len(), self.rows);
    }
}

/// Takes a contributor back to its typical value as documents could: a sum goes with its mean, and sums, counts and rates with
/// the number of documents; a row that no documents can make would be surprising for that alone. What is held against the
/// other features moves alone: it is their relation that was broken.
fn take_back(job: &Job, b: &mut Bucket, row: usize, c: &Contributor) {
    let Some(f) = job.features.iter().position(|f| f.name == c.feature) else {
        let (feature, value) = c.feature.split_once('=').unwrap_or_else(|| panic!("{} is no feature", c.feature));
        let f = job.value_features.iter().position(|f| f.name == feature).unwrap();
        b.values[f] = usual_instead(&b.values[f], b.rows(), row, value);
        return;
    };
    let before = b.columns[f][row];
    // What goes on for too long without a change is taken back by a change.
    b.columns[f][row] = if c.typical.is_nan() { before * 1.2 + 1.0 } else { c.typical };
    let factor = b.columns[f][row] / before;
    if c.reference.starts_with("expected ") || !factor.is_finite() {
        return;
    }
    for g in (0..job.features.len()).filter(|&g| goes_along(job, f, g)) {
        b.columns[g][row] *= factor;
    }
}

/// True when documents that change one feature change the other in proportion.
fn goes_along(job: &Job, f: usize, g: usize) -> bool {
    let (one, other) = (&job.features[f], &job.features[g]);
    let is_size = |s: &FeatureSpec| matches!(s.kind.as_str(), "sum" | "mean");
    let is_number = |s: &FeatureSpec| matches!(s.kind.as_str(), "count" | "rate") && s.filter.is_none();
    f != g
        && if is_number(one) {
            is_number(other) || other.kind == "sum"
        } else {
            (is_size(one) && is_size(other) && one.field == other.field) || (one.filter.is_some() && one.filter == other.filter)
        }
}

/// The values of a row with those of one name replaced by the value that most rows show, or dropped where it is that one.
fn usual_instead(counts: &ValueCounts, rows: usize, row: usize, value: &str) -> ValueCounts {
    // A path stands for everything below its first segment.
    let is_it = |name: &str| name == value || (name.starts_with('/') && name.split(['/', '?']).nth(1) == value.split('/').nth(1));
    let mut shown: BTreeMap<u64, usize> = BTreeMap::new();
    (0..rows).filter(|&r| r != row).flat_map(|r| counts.row(r)).for_each(|(h, _)| *shown.entry(h).or_default() += 1);
    let usual = shown.into_iter().filter(|(h, _)| !is_it(&counts.name(*h))).max_by_key(|&(h, n)| (n, h)).map(|(h, _)| h);
    let (odd, mut kept): (Vec<_>, Vec<_>) = counts.row(row).partition(|(h, _)| is_it(&counts.name(*h)));
    let freed: u64 = odd.iter().map(|(_, n)| n).sum();
    if let Some(usual) = usual {
        match kept.iter_mut().find(|(h, _)| *h == usual) {
            Some((_, n)) => *n += freed,
            None => kept.push((usual, freed)),
        }
    }
    let all = (0..rows).map(|r| if r == row { std::mem::take(&mut kept) } else { counts.row(r).collect() }).collect();
    ValueCounts::from_rows(all, counts.names.clone(), counts.other.clone())
}

/// What is wrong with a sentence, if anything: features have their titles, and of who is silent it says since when.
fn sentence_is_wrong(job: &Job, a: &Anomaly) -> Option<String> {
    let numbers = job.features.iter().map(|f| (f.name.replace('_', " "), f));
    let values = job.value_features.iter().map(|f| (format!(" x {} ", f.name.replace('_', " ")), f));
    let mut untitled = numbers.chain(values).filter(|(name, f)| !f.title.is_empty() && !f.title.contains(name.trim_start_matches(" x ").trim()));
    let name = untitled.find(|(name, _)| a.reason.contains(name));
    let is_unsaid = a.imputed && !a.reason.contains(&format!(": no {} since 20", job.labels.document_noun));
    (name.is_some() || is_unsaid).then(|| format!("the sentence is `{}`", a.reason))
}

/// What is wrong with a rule box, if anything: it has to hold for the row, and for as many rows as it says.
fn rule_is_wrong(job: &Job, bucket: &Bucket, row: usize, rule: &str) -> Option<String> {
    let (conditions, share) = rule.strip_suffix(" rows)").and_then(|r| r.rsplit_once(" (")).unwrap();
    let value = |name: &str, r: usize| match job.features.iter().position(|f| f.name == name) {
        Some(f) => bucket.columns[f][r],
        None => {
            let (feature, value) = name.split_once('=').unwrap();
            let counts = &bucket.values[job.value_features.iter().position(|f| f.name == feature).unwrap()];
            let is_meant = |name: &str| name == value || (value.ends_with('/') && value.len() > 1 && name.starts_with(value));
            counts.row(r).filter(|(h, _)| is_meant(&counts.name(*h))).map(|(_, n)| n as f64).sum()
        }
    };
    let holds = |condition: &str, r: usize| {
        let [threshold, sign, name] = condition.rsplitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let (x, t): (f64, f64) = (value(name, r), threshold.parse().unwrap());
        match sign {
            ">" => x > t,
            "<" => x < t,
            ">=" => x >= t,
            _ => x <= t,
        }
    };
    let within = |r: usize| conditions.split(" and ").all(|c| holds(c, r));
    let really = format!("{} of {}", (0..bucket.rows()).filter(|&r| within(r)).count(), bucket.rows());
    (!within(row) || really != share).then(|| format!("the rule box `{rule}` holds for {really}, for the row: {}", within(row)))
}

/// True for a contributor that is about the last buckets together.
fn is_remembered(c: &Contributor) -> bool {
    c.reference.ends_with("mean of several buckets")
}

/// The row without the others.
fn alone(bucket: &Bucket, row: usize) -> Bucket {
    let mut b = Bucket::empty(bucket.start_ms, bucket.span_ms, 0, 0);
    b.keys.push(bucket.keys.get(row));
    b.doc_counts = vec![bucket.doc_counts[row]];
    b.imputed = vec![bucket.imputed[row]];
    b.columns = bucket.columns.iter().map(|c| vec![c[row]]).collect();
    let one = |v: &ValueCounts| ValueCounts::from_rows(vec![v.row(row).collect()], v.names.clone(), vec![v.other[row]]);
    b.values = bucket.values.iter().map(one).collect();
    b
}

/// Plays lines through a job: learns up to an instant, looks at everything after it.
fn play(job: Job, lines: &Lines, format: &str, window: Window, learn_until_ms: i64) -> Looked {
    let mut looked = Looked::new(job);
    let mut source = MemorySource::new(looked.job.clone(), lines.clone(), formats::by_name(format).unwrap()).unwrap();
    for bucket in futures::executor::block_on(source.fetch(window)).unwrap().buckets {
        let is_learning = bucket.end_ms() <= learn_until_ms;
        looked.step(bucket, is_learning);
    }
    looked
}

#[test]
fn every_finding_of_the_demo_is_explained() {
    let day = MONDAY + DAY_MS;
    let window = Window::new(day - DAY_MS, day + DAY_MS);
    let mut requests = traffic::quiet(1, window.start_ms, window.end_ms);
    let plants = plants::plant(1, day, &mut requests);
    // A sixth of the clients, attackers among them.
    let is_kept = |client: &str| plants.iter().any(|p| p.entity == client) || stable_hash(client.as_bytes()).is_multiple_of(6);
    let lines = Lines::new(requests.iter().filter(|r| is_kept(&r.client)).map(|r| (r.time_ms, r.line())).collect());
    let config = load_text(include_str!("../../src/demo/jobs.yaml"), std::path::Path::new("."), &Environment::of(&[])).unwrap();
    let looked: Vec<Looked> = config.jobs.into_iter().map(|job| play(job, &lines, "access_log", window, day)).collect();
    looked.iter().for_each(|l| l.is_fine(1));
}

/// Days of a small network in which every preset finds its fields: twelve hosts, users, clients and sites; strange things
/// happen from the third day on.
fn network() -> Lines {
    let mut c = Chance::new(3, 1);
    let mut lines = Vec::new();
    for hour in 0..96i64 {
        for e in 0..12i64 {
            if e == 11 && (70..74).contains(&hour) {
                continue;
            }
            let is_odd = hour >= 60 && (hour + 7 * e) % 31 == 0;
            let usual = 6 + (e % 4) * 2 + i64::from((8..18).contains(&(hour % 24))) * 6;
            let events = usual + c.below(5) as i64 + if is_odd { 25 * (1 + e % 3) } else { 0 };
            for n in 0..events {
                let at = MONDAY + hour * HOUR + n * 20_000;
                lines.push((at, event(&mut c, at, e, is_odd && n % 2 == 0)));
            }
        }
    }
    Lines::new(lines)
}

fn event(c: &mut Chance, at: i64, e: i64, is_odd: bool) -> String {
    let path =
        if is_odd { format!("/hidden{}/x{}", c.below(4), c.below(50)) } else { format!("/{}/{}", ["shop", "blog", "docs"][c.below(3)], c.below(9)) };
    let status = if is_odd { [401, 404, 500][c.below(3)] } else { [200, 200, 200, 200, 304, 404][c.below(6)] };
    let fails = is_odd || c.below(12) == 0;
    let size = (if is_odd { 90_000.0 } else { 3_000.0 }) * (0.2 * c.normal()).exp();
    json!({
        "@timestamp": iso(at),
        "source": { "ip": format!("192.0.2.{e}") },
        "url": { "domain": format!("site{}.example", e % 4), "path": path },
        "http": { "request": { "method": if is_odd { "POST" } else { "GET" } }, "response": { "status_code": status, "body": { "bytes": size.round() } } },
        "user": { "name": if is_odd && c.below(2) == 0 { format!("guess{}", c.below(30)) } else { format!("user{e}") } },
        "host": { "name": format!("host{}", e % 6) },
        "event": { "category": "authentication", "outcome": if fails { "failure" } else { "success" }, "action": if is_odd { "DeleteTrail".into() } else { format!("Get{}", c.below(5)) } },
        "rule": { "id": if is_odd { format!("9{}", c.below(3)) } else { format!("{}", 1 + c.below(4)) } },
        "entity": format!("node{e}"), "requests": 100.0 + 5.0 * c.normal() + if is_odd { 900.0 } else { 0.0 }, "errors": 3.0 + c.normal(),
        "latency": 20.0 + c.normal() + if is_odd { 60.0 } else { 0.0 }, "bytes": size, "cpu": 0.3 + 0.02 * c.normal(),
        "value": 50.0 + 3.0 * c.normal() + if is_odd { 70.0 } else { 0.0 },
    })
    .to_string()
}

/// A preset in hourly buckets that reports much more than a person would want to read.
fn loose(preset: &str) -> Job {
    let keys = json!({ "bucket_span": "1h", "frequency": "1h", "alert_budget": 500, "min_score": 30 });
    Job { id: preset.into(), ..preset_job(preset, &keys).unwrap() }
}

#[test]
fn every_finding_of_every_preset_is_explained() {
    let lines = network();
    let window = Window::new(MONDAY, MONDAY + 96 * HOUR);
    let mut all = Vec::new();
    for (preset, at_least) in [
        ("web_access", 10),
        ("web_service", 5),
        ("web_total", 3),
        ("ssh_auth", 10),
        ("siem_alerts", 5),
        ("api_audit", 10),
        ("metrics", 10),
        ("series", 1),
    ] {
        all.push((play(loose(preset), &lines, "json", window, MONDAY + 48 * HOUR), at_least));
    }
    all.iter().for_each(|(looked, at_least)| looked.is_fine(*at_least));
}

#[test]
fn every_finding_of_a_table_is_explained() {
    let mut c = Chance::new(5, 1);
    let mut table = |start_ms: i64, prefix: &str, rows: usize, odd: usize| {
        let mut b = Bucket::empty(start_ms, DAY_MS, 4, 0);
        for r in 0..rows {
            let base = c.normal();
            let mut values = [base, 0.5 * base + 0.3 * c.normal(), c.normal(), 10.0 + 2.0 * c.normal()];
            if r < odd {
                values[r % 4] += 6.0 + r as f64 / 4.0;
            }
            b.keys.push(format!("{prefix}{r}").as_bytes());
            values.iter().zip(&mut b.columns).for_each(|(v, column)| column.push(*v));
        }
        b.doc_counts = vec![1; rows];
        b.imputed = vec![false; rows];
        b.canonical()
    };
    let mut job = loose("table");
    let names = ["a", "b", "c", "d"];
    job.features = names.iter().map(|n| FeatureSpec { name: (*n).into(), ..job.features[0].clone() }).collect();
    (job.bucket_span_ms, job.frequency_ms) = (DAY_MS, DAY_MS);
    let mut looked = Looked::new(job);
    looked.step(table(0, "train:", 600, 0), true);
    looked.step(table(DAY_MS, "", 300, 12), false);
    looked.is_fine(8);
}
