//! The worker's promises: whatever happens to it, the anomaly documents are the same.

use std::sync::Arc;

use elkhound::detectors;
use elkhound::features::values::counts_of;
use elkhound::model::{AlertBudget, Anomaly, Bucket, DetectorSpec, FeatureSpec, Job, RunDocument};
use elkhound::pipeline::{Options, Pipeline};
use elkhound::schedule::clock::{Clock, SimulatedClock};
use elkhound::schedule::runner::{Listener, Mode, Runner};
use tokio::sync::watch;

use crate::support::{Index, MadeBuckets, SharedStore};

const MIN: i64 = 60_000;
const SPAN: i64 = 5 * MIN;
const START: i64 = 1_767_225_600_000;
const HOUR: i64 = 12 * SPAN;

/// A small hash: traffic that is irregular and the same every time.
fn noise(a: i64, b: i64) -> f64 {
    let x = (a.wrapping_mul(0x9E37_79B9) ^ b.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35).rotate_left(17).wrapping_mul(0x27D4_EB2F);
    (x.unsigned_abs() % 10_000) as f64 / 10_000.0
}

/// Twelve entities with two numeric features and one keyword-valued one; one shouts at hour 20, one is new at hour 22.
fn make(start_ms: i64) -> Bucket {
    let i = (start_ms - START) / SPAN;
    let mut b = Bucket::empty(start_ms, SPAN, 2, 1);
    let mut values = Vec::new();
    for e in 0..13i64 {
        if (e == 12 && i < 22 * 12) || (e == 11 && noise(i, 77) < 0.5) || (e == 3 && (250..262).contains(&i)) {
            continue;
        }
        let shout = if e == 5 && (240..243).contains(&i) { 40.0 } else { 1.0 };
        let count = ((20.0 + 5.0 * e as f64) * (0.7 + 0.6 * noise(i, e)) * shout).round();
        b.keys.push(format!("10.0.0.{e}").as_bytes());
        b.doc_counts.push(count as u64);
        b.imputed.push(false);
        b.columns[0].push(count);
        b.columns[1].push(if noise(i, e + 100) < 0.1 { f64::NAN } else { 500.0 + 100.0 * noise(i, e + 50) });
        let rare = if e == 7 && i == 270 { "/secret" } else { "/about" };
        values.push((vec![("/".to_owned(), count as u64), (rare.to_owned(), 2)], 0));
    }
    b.values[0] = counts_of(values);
    b.canonical()
}

fn job() -> Job {
    let feature = |name: &str, kind: &str| FeatureSpec { name: name.into(), kind: kind.into(), field: Some("x".into()), ..FeatureSpec::default() };
    Job {
        id: "test".into(),
        entity_fields: vec!["source.ip".into()],
        features: vec![feature("requests", "count"), feature("size", "mean")],
        value_features: vec![feature("paths", "values")],
        detectors: detectors::names().into_iter().map(|kind| DetectorSpec { kind: kind.into(), ..DetectorSpec::default() }).collect(),
        alert_budget: AlertBudget { per_day: 50.0 },
        min_score: 20.0,
        lookback_ms: 18 * HOUR,
        ..Job::default()
    }
}

struct Quiet;

impl Listener for Quiet {
    fn window_done(&self, _run: &RunDocument) {}
    fn window_held(&self, _job: &str, _error: &str, _is_permanent: bool) {}
}

struct World {
    index: Index,
    store: SharedStore,
    clock: SimulatedClock,
}

impl World {
    fn new() -> Self {
        Self { index: Index::default(), store: SharedStore::default(), clock: SimulatedClock::new(START + 18 * HOUR + MIN) }
    }

    /// A worker as after a start of the process; `make` is the traffic it reads.
    fn worker(&self, faults: u32, make: fn(i64) -> Bucket) -> Runner {
        let source = Box::new(MadeBuckets { make, span_ms: SPAN, faults });
        let pipeline =
            Pipeline::new(Arc::new(job()), source, vec![Box::new(self.index.clone())], Box::new(self.store.clone()), Options::default()).unwrap();
        let (_keep, stop) = watch::channel(false);
        std::mem::forget(_keep);
        Runner { pipeline, clock: Arc::new(self.clock.clone()), listener: Arc::new(Quiet), stop }
    }

    async fn run_to_end(&self, faults: u32, make: fn(i64) -> Bucket) {
        let end = START + 24 * HOUR + MIN;
        let mut now = self.clock.now_ms();
        while now < end {
            if self.worker(faults, make).run(Mode::Once).await.is_err() {
                self.worker(0, make).run(Mode::Once).await.unwrap();
            }
            self.clock.sleep_ms(7 * SPAN).await;
            now = self.clock.now_ms();
        }
        self.worker(0, make).run(Mode::Once).await.unwrap();
    }

    /// What all worlds have judged: the day, whenever their workers were stopped after it.
    fn anomalies(&self) -> Vec<Anomaly> {
        self.index.anomalies.lock().unwrap().values().filter(|a| a.start_ms < START + 24 * HOUR).cloned().collect()
    }

    /// Every document in full, as text: absent numbers (`NaN`) are equal to themselves here.
    fn documents(&self) -> Vec<String> {
        self.anomalies().iter().map(|a| format!("{a:?}")).collect()
    }
}

/// One worker that is never disturbed, window after window.
async fn golden() -> World {
    let world = World::new();
    world.clock.sleep_ms(6 * HOUR + 7 * SPAN).await;
    // A first run at this time would learn everything: begin where the disturbed ones begin.
    let late = world.clock.now_ms();
    let early = World { clock: SimulatedClock::new(START + 18 * HOUR + MIN), ..World::new() };
    early.worker(0, make).run(Mode::Once).await.unwrap();
    let world = World { clock: SimulatedClock::new(late), ..early };
    world.worker(0, make).run(Mode::Once).await.unwrap();
    world
}

fn ids(documents: &[Anomaly]) -> Vec<String> {
    documents.iter().map(|a| format!("{} {} {:.3}", a.entity_key, (a.start_ms - START) / SPAN, a.score)).collect()
}

#[tokio::test]
async fn restarts_and_faults_change_no_document() {
    let golden = golden().await;
    let found = golden.anomalies();
    assert!(found.iter().any(|a| a.entity_key == "10.0.0.5"), "the one that shouts is found: {:?}", ids(&found));
    assert!(found.len() > 2, "there is something to compare: {:?}", ids(&found));
    for faults in [0, 1] {
        let world = World::new();
        world.run_to_end(faults, make).await;
        assert_eq!(ids(&world.anomalies()), ids(&found));
        assert_eq!(world.documents(), golden.documents());
    }
}

/// The same traffic with its rows made in reverse order.
fn make_reversed(start_ms: i64) -> Bucket {
    let b = make(start_ms);
    let mut r = Bucket::empty(start_ms, SPAN, 2, 1);
    let mut values = Vec::new();
    for row in (0..b.rows()).rev() {
        r.keys.push(b.keys.get(row));
        r.doc_counts.push(b.doc_counts[row]);
        r.imputed.push(b.imputed[row]);
        (0..2).for_each(|f| r.columns[f].push(b.value(f, row)));
        values.push((b.values[0].row(row).map(|(h, n)| (b.values[0].name(h), n)).collect(), 0));
    }
    r.values[0] = counts_of(values);
    r.canonical()
}

#[tokio::test]
async fn the_order_of_rows_changes_no_document() {
    let world = World::new();
    world.run_to_end(0, make_reversed).await;
    assert_eq!(world.documents(), golden().await.documents());
}

#[tokio::test]
async fn a_delivery_that_fails_is_repeated_and_nothing_is_lost() {
    let golden = golden().await;
    let world = World::new();
    world.worker(0, make).run(Mode::Once).await.unwrap();
    world.clock.sleep_ms(6 * HOUR + 7 * SPAN).await;
    *world.index.faults.lock().unwrap() = 3;
    while world.worker(0, make).run(Mode::Once).await.is_err() {}
    assert_eq!(world.documents(), golden.documents());
}

#[tokio::test]
async fn every_window_has_one_proof_and_a_dry_run_writes_nothing() {
    let world = World::new();
    world.run_to_end(0, make).await;
    let mut done: Vec<i64> = world.index.runs.lock().unwrap().iter().filter(|r| r.verdict == "done").map(|r| r.start_ms).collect();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done, (18 * 12..24 * 12 + done.len() as i64 - 72).map(|i| START + i * SPAN).collect::<Vec<_>>());

    let dry = World::new();
    let mut worker = dry.worker(0, make);
    worker.pipeline.options.is_writing = false;
    let from_ms = START + 18 * HOUR;
    dry.clock.sleep_ms(10 * HOUR).await;
    let summary = worker.run(Mode::Range { from_ms, to_ms: from_ms + 6 * HOUR }).await.unwrap();
    assert!(summary.anomalies > 0);
    assert!(dry.documents().is_empty() && dry.index.runs.lock().unwrap().is_empty());
}
