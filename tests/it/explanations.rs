//! Explanations that hold: for every reported row the contributions sum to the surprise of the detector that spoke, without
//! the strongest one the score is lower, and what is called typical is never what was seen.

use std::sync::{Arc, Mutex};

use clap::Parser;
use elkhound::config::{Environment, load_text, preset_job};
use elkhound::demo::{plants, traffic};
use elkhound::formats;
use elkhound::math::chance::Chance;
use elkhound::model::keys::stable_hash;
use elkhound::model::time::{DAY_MS, iso};
use elkhound::model::{Anomaly, Bucket, FeatureSpec, Job, Window};
use elkhound::pipeline::Tap;
use elkhound::pipeline::models::Models;
use elkhound::score::Scores;
use elkhound::source::Source;
use elkhound::source::memory::{Lines, MemorySource};
use serde_json::json;

use crate::support::looked::Looked;

const HOUR: i64 = 3_600_000;
/// 2026-01-19, a Monday.
const MONDAY: i64 = 1_768_780_800_000;

/// A job that learns and judges made buckets, with somebody who looks.
struct Played {
    models: Models,
    looked: Looked,
}

impl Played {
    fn new(job: Job) -> Self {
        Self { models: Models::new(Arc::new(job)).unwrap(), looked: Looked::default() }
    }

    /// The verbs of the pipeline on one bucket; nothing is looked at while the job only learns.
    fn step(&mut self, bucket: Bucket, is_learning: bool) {
        let bucket = self.models.fill_silent(bucket);
        let claimed = self.models.claim(&bucket);
        let scores = self.models.score(&bucket, &claimed);
        let graded = if is_learning { Vec::new() } else { self.models.grade(&bucket, &scores) };
        let anomalies = self.models.decide(graded);
        self.looked.judged(&self.models, &bucket, &scores, &anomalies, is_learning);
        self.models.learn(&bucket, &claimed, &scores, &anomalies);
    }

    /// Every row was explained as it should be, and there were some.
    fn is_fine(&self, at_least: usize) {
        let (id, l) = (&self.models.job().id, &self.looked);
        println!("{id}: {:?}, {} only together, {} rule boxes", l.rows, l.together, l.boxes);
        let all: usize = l.rows.values().sum();
        assert!(all >= at_least, "{id}: too few rows were reported: {:?}", l.rows);
        assert!(4 * l.together <= all && l.stubborn == 0, "{id}: {} rows fall only together, {} not at all, of {:?}", l.together, l.stubborn, l.rows);
        let shown = l.wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
        assert!(l.wrong.is_empty(), "{id}: {} of {:?}\n{shown}", l.wrong.len(), l.rows);
    }
}

/// Plays lines through a job: learns up to an instant, looks at everything after it.
fn play(job: Job, lines: &Lines, format: &str, window: Window, learn_until_ms: i64) -> Played {
    let mut played = Played::new(job);
    let mut source = MemorySource::new(played.models.job().clone(), lines.clone(), formats::by_name(format).unwrap()).unwrap();
    for bucket in futures::executor::block_on(source.fetch(window)).unwrap().buckets {
        let is_learning = bucket.end_ms() <= learn_until_ms;
        played.step(bucket, is_learning);
    }
    played
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
    let played: Vec<Played> = config.jobs.into_iter().map(|job| play(job, &lines, "access_log", window, day)).collect();
    played.iter().for_each(|p| p.is_fine(1));
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
    all.iter().for_each(|(played, at_least)| played.is_fine(*at_least));
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
    let mut played = Played::new(job);
    played.step(table(0, "train:", 600, 0), true);
    played.step(table(DAY_MS, "", 300, 12), false);
    played.is_fine(8);
}

/// Looks at a scan: its rows are those of [`Looked`].
#[derive(Clone, Default)]
struct Looking(Arc<Mutex<Looked>>);

impl Tap for Looking {
    fn judged(&mut self, models: &Models, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly]) {
        self.0.lock().unwrap().judged(models, bucket, scores, anomalies, false);
    }
}

#[derive(clap::Parser)]
struct ScanOfTheBench {
    #[command(flatten)]
    args: elkhound::cli::scan::Args,
}

/// `tests/bench/quality/run --only explanations` asks this for every scan of the bench: the arguments of `scan` come in
/// `ELKHOUND_EXPLAINED`, one to a line; what was seen is printed as one line of JSON.
#[test]
#[ignore = "the bench runs it on labelled data"]
fn every_finding_of_a_scan_is_explained() {
    let asked = std::env::var_os("ELKHOUND_EXPLAINED").and_then(|a| a.into_string().ok());
    let asked = asked.expect("ELKHOUND_EXPLAINED has the arguments of a scan, one to a line");
    let scan = ScanOfTheBench::parse_from(std::iter::once("scan").chain(asked.lines()));
    let looking = Looking::default();
    elkhound::cli::scan::judge(&scan.args, &|_| Box::new(looking.clone())).map_err(|(_, why)| why).unwrap();
    let looked = looking.0.lock().unwrap();
    println!(
        "\n{}",
        json!({ "rows": looked.rows, "together": looked.together, "stubborn": looked.stubborn, "several": looked.several, "boxes": looked.boxes, "wrong": looked.wrong })
    );
    assert!(looked.wrong.is_empty(), "{} of {:?}", looked.wrong.len(), looked.rows);
}
