//! `elkhound demo`: a seeded day of web traffic with planted attacks, run through the worker window after window.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::watch;

use super::connect::{exit_of, no_setup};
use super::exit::Exit;
use super::failed;
use super::page::Pages;
use crate::app::{Connection, connect};
use crate::cluster::ClusterError;
use crate::config::{self, Config, Environment};
use crate::demo::plants::{Plant, plant};
use crate::demo::traffic::{quiet, torn};
use crate::formats;
use crate::model::document::{run_to_document, to_document};
use crate::model::time::{DAY_MS, iso};
use crate::model::{Anomaly, Job, RunDocument};
use crate::pipeline::{Options, Pipeline};
use crate::schedule::clock::{Clock, SimulatedClock, SystemClock};
use crate::schedule::runner::{Listener, Mode, Runner};
use crate::sinks::Sink;
use crate::sinks::anomaly_index::AnomalyIndex;
use crate::sinks::memory::MemorySink;
use crate::source::memory::{Lines, MemorySource};
use crate::state::StateStore;
use crate::state::cluster_store::ClusterStore;
use crate::state::memory::MemoryStore;

/// The day that is played: a Tuesday, with the Monday before it as history.
const DAY_START_MS: i64 = 1_768_867_200_000;

const WEEK_MS: i64 = 7 * DAY_MS;

/// The jobs, as a user would configure them.
const JOBS: &str = include_str!("../demo/jobs.yaml");

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which day: the same seed makes the same traffic, attacks and findings.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the findings as a page to look at in a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the anomaly documents, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the run documents, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub runs: Option<PathBuf>,
    /// Write findings, run documents and state into the cluster of this configuration too, as the worker would, so that
    /// the dashboards have something to show. The day is then the latest Tuesday. Run `elkhound setup` first.
    #[arg(long, value_name = "CONFIG")]
    pub into: Option<PathBuf>,
    /// Write the traffic as an access log, to try `elkhound scan` on.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// What became of the day.
struct Outcome {
    plants: Vec<(Plant, Option<Anomaly>)>,
    false_alarms: Vec<Anomaly>,
    anomalies: Vec<Anomaly>,
    runs: Vec<RunDocument>,
}

/// Why there was no day.
struct Failure(Exit, String);

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(Exit::Failure, message)
    }
}

impl From<ClusterError> for Failure {
    fn from(e: ClusterError) -> Self {
        Self(exit_of(&e), e.to_string())
    }
}

/// Plays the day and prints what was found.
pub fn run(args: &Args, is_json: bool) -> Exit {
    match play(args, is_json) {
        Ok(()) => Exit::Ok,
        Err(Failure(exit, message)) => failed(is_json, exit, &message),
    }
}

fn play(args: &Args, is_json: bool) -> Result<(), Failure> {
    let config = args.into.as_deref().map(|file| config::load(Some(file), &Environment::of_process())).transpose();
    let config = config.map_err(|e| Failure(Exit::BadConfig, e.to_string()))?;
    let day_ms = if config.is_some() { latest_tuesday(SystemClock.now_ms()) } else { DAY_START_MS };
    let jobs = config::load_text(JOBS, std::path::Path::new("."), &Environment::of(&[])).map_err(|e| e.to_string())?.jobs;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| format!("no runtime: {e}"))?;
    let to = config.as_ref().map(|c| runtime.block_on(Cabinet::open(c, &jobs))).transpose()?;
    let mut requests = quiet(args.seed, day_ms - DAY_MS, day_ms + DAY_MS);
    let plants = plant(args.seed, day_ms, &mut requests);
    let count = requests.len();
    let lines = Lines::new(requests.iter().map(|r| (r.time_ms, r.line())).chain(torn(day_ms)).collect());
    drop(requests);
    if let Some(path) = &args.log {
        write(path, &lines.text())?;
    }
    if !is_json {
        say!("{count} requests over two days (seed {}); {} attacks are planted in the second.\n", args.seed, plants.len());
    }
    let pages = args.html.is_some().then(Pages::default);
    let day = Day { day_ms, lines: &lines, pages: pages.as_ref(), to, is_json };
    let (anomalies, runs) = runtime.block_on(day.work(jobs))?;
    let outcome = judge(plants, anomalies, runs);
    if let Some(path) = &args.out {
        let text: String = outcome.anomalies.iter().map(|a| format!("{}\n", to_document(a))).collect();
        write(path, &text)?;
    }
    if let Some(path) = &args.runs {
        let text: String = outcome.runs.iter().map(|r| format!("{}\n", run_to_document(r))).collect();
        write(path, &text)?;
    }
    if let (Some(path), Some(pages)) = (&args.html, &pages) {
        let from = format!("a made-up day of web traffic (seed {}), {count} requests over two days", args.seed);
        pages.write(path, "Elkhound demo", &from, &outcome.anomalies, &outcome.runs)?;
    }
    if is_json {
        print_json(args.seed, &outcome)
    } else {
        print_text(&outcome);
        if let Some(config) = &config {
            let (from, to) = (iso(day_ms), iso(day_ms + DAY_MS));
            say!("All of it is in {}-anomalies and {}-runs, from {from} to {to}.", config.indices.prefix, config.indices.prefix);
        }
    }
    Ok(())
}

/// The start of the newest Tuesday that is over.
fn latest_tuesday(now_ms: i64) -> i64 {
    DAY_START_MS + (now_ms - DAY_MS - DAY_START_MS).div_euclid(WEEK_MS) * WEEK_MS
}

/// The cluster that the day is written into.
struct Cabinet {
    connection: Connection,
    prefix: String,
}

impl Cabinet {
    /// Connects. Refused before `setup`, and where a demo is already: a second one would go on behind the day of the first.
    async fn open(config: &Config, jobs: &[Job]) -> Result<Self, Failure> {
        let to = config.cluster.as_ref().ok_or_else(|| Failure(Exit::BadConfig, "--into: the configuration names no cluster".into()))?;
        let connection = connect(to).await?;
        if let Some(message) = no_setup(&connection.cluster, &config.indices.prefix).await? {
            return Err(Failure(Exit::BadConfig, message));
        }
        let cabinet = Self { connection, prefix: config.indices.prefix.clone() };
        for job in jobs {
            let id = Self::job_id(job);
            if cabinet.store().load_checkpoint(&id).await.map_err(|e| e.to_string())?.is_some() {
                let advice = "choose another `indices.prefix` for this one, such as `elkhound-demo`, and set it up";
                return Err(format!("a demo is in this cluster already (job `{id}`); {advice}").into());
            }
        }
        Ok(cabinet)
    }

    /// A job of the plain name may be at work there.
    fn job_id(job: &Job) -> String {
        format!("demo-{}", job.id)
    }

    fn sink(&self) -> Box<dyn Sink> {
        Box::new(AnomalyIndex::new(self.connection.cluster.clone(), &self.prefix, Arc::new(|| SystemClock.now_ms())))
    }

    fn store(&self) -> Box<dyn StateStore> {
        let owner = format!("demo-{}-{}", std::process::id(), SystemClock.now_ms());
        Box::new(ClusterStore::new(self.connection.cluster.clone(), &self.prefix, owner))
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

/// The day and where it goes.
struct Day<'a> {
    day_ms: i64,
    lines: &'a Lines,
    pages: Option<&'a Pages>,
    to: Option<Cabinet>,
    is_json: bool,
}

impl Day<'_> {
    /// Runs every job through the worker, all at once, on clocks that jump from window to window.
    async fn work(&self, jobs: Vec<Job>) -> Result<(Vec<Anomaly>, Vec<RunDocument>), Failure> {
        let format = formats::by_name("access_log")?;
        let sink = MemorySink::new(1_000_000);
        let mut tasks = Vec::new();
        for mut job in jobs {
            let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(sink.clone())];
            let mut store: Box<dyn StateStore> = Box::new(MemoryStore::default());
            if let Some(to) = &self.to {
                job.id = Cabinet::job_id(&job);
                sinks.push(to.sink());
                store = to.store();
            }
            let job = Arc::new(job);
            let source = Box::new(MemorySource::new(job.clone(), self.lines.clone(), format)?);
            let mut pipeline = Pipeline::new(job.clone(), source, sinks, store, Options::default())?;
            pipeline.tap = self.pages.map(|p| p.tap(&job));
            let (stopper, stop) = watch::channel(false);
            let progress = (!self.is_json).then(|| super::progress::bar(&job.id, 24));
            let listener = Arc::new(UntilMidnight { day_ms: self.day_ms, stopper, progress, failed: Mutex::default() });
            let clock = Arc::new(SimulatedClock::new(self.day_ms + job.window_delay_ms));
            let runner = Runner { pipeline, clock, listener: listener.clone(), stop };
            tasks.push((listener, tokio::spawn(async move { runner.run(Mode::Forever).await.map_err(|e| e.to_string()) })));
        }
        for (listener, task) in tasks {
            task.await.map_err(|e| format!("a job broke: {e}"))??;
            if let Some(message) = listener.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                return Err(message.into());
            }
        }
        let delivered = std::mem::take(&mut *sink.delivered());
        Ok((delivered.anomalies, delivered.runs))
    }
}

/// Stops a job when its day is over.
struct UntilMidnight {
    day_ms: i64,
    stopper: watch::Sender<bool>,
    progress: Option<indicatif::ProgressBar>,
    failed: Mutex<Option<String>>,
}

impl Listener for UntilMidnight {
    fn window_done(&self, run: &RunDocument) {
        if let Some(p) = &self.progress {
            p.set_position(u64::try_from((run.end_ms - self.day_ms) / 3_600_000).unwrap_or(0));
        }
        if run.end_ms >= self.day_ms + DAY_MS {
            if let Some(p) = &self.progress {
                p.finish_and_clear();
            }
            self.stopper.send_replace(true);
        }
    }

    fn window_held(&self, job: &str, error: &str, _is_permanent: bool) {
        // Nothing can fail for a while here: what fails once would fail for ever.
        *self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(format!("job `{job}`: {error}"));
        self.stopper.send_replace(true);
    }
}

/// Which plants were found, by the first anomaly that names their entity, and which stories no plant explains.
fn judge(plants: Vec<Plant>, mut anomalies: Vec<Anomaly>, runs: Vec<RunDocument>) -> Outcome {
    anomalies.sort_by(|a, b| a.start_ms.cmp(&b.start_ms).then(b.score.total_cmp(&a.score)).then(a.id.cmp(&b.id)));
    let explained: std::collections::BTreeSet<&str> =
        anomalies.iter().filter(|a| plants.iter().any(|p| p.causes(&a.entity_key, a.start_ms, a.span_ms))).map(|a| a.story.as_str()).collect();
    let mut seen = std::collections::BTreeSet::new();
    let false_alarms = anomalies.iter().filter(|a| !explained.contains(a.story.as_str()) && seen.insert(a.story.clone())).cloned().collect();
    let found = |p: &Plant| anomalies.iter().find(|a| p.is_found_by(&a.entity_key, a.start_ms, a.span_ms)).cloned();
    let plants = plants.into_iter().map(|p| (p.clone(), found(&p))).collect();
    Outcome { plants, false_alarms, anomalies, runs }
}

fn print_text(o: &Outcome) {
    let found = o.plants.iter().filter(|(_, a)| a.is_some()).count();
    say!("Planted attacks found: {found} of {}", o.plants.len());
    for (plant, anomaly) in &o.plants {
        match anomaly {
            Some(a) => say!("  found   {}\n          score {:.0} {}, job {}: {}", plant.title(), a.score, a.severity.as_str(), a.job, a.reason),
            None => say!("  MISSED  {}", plant.title()),
        }
    }
    say!("\nFalse alarms: {}", o.false_alarms.len());
    for a in &o.false_alarms {
        say!("  score {:.0} {}, job {}: {}", a.score, a.severity.as_str(), a.job, a.reason);
    }
    let (windows, documents) = (o.runs.len(), o.runs.iter().map(|r| r.documents).sum::<u64>());
    say!("\n{windows} windows, {documents} documents read, {} anomaly documents.", o.anomalies.len());
    say!("Next: `elkhound scan FILE` on a log of your own; `elkhound export config` for a configuration to start from.");
}

fn print_json(seed: u64, o: &Outcome) {
    let plants: Vec<_> = o
        .plants
        .iter()
        .map(|(p, a)| {
            let found = a.as_ref().map(|a| json!({ "job": a.job, "start": iso(a.start_ms), "score": a.score, "reason": a.reason }));
            json!({ "name": p.name, "entity": p.entity, "start": iso(p.start_ms), "found": found })
        })
        .collect();
    let false_alarms: Vec<_> = o
        .false_alarms
        .iter()
        .map(|a| json!({ "job": a.job, "entity": a.entity_key, "start": iso(a.start_ms), "score": a.score, "reason": a.reason }))
        .collect();
    say!("{}", json!({ "seed": seed, "plants": plants, "false_alarms": false_alarms, "anomalies": o.anomalies.len(), "windows": o.runs.len() }));
}
