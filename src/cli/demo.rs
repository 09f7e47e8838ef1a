//! `elkhound demo`: a seeded day of web traffic with planted attacks, run through the worker window after window.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::watch;

use super::exit::Exit;
use super::page::Pages;
use crate::config;
use crate::demo::plants::{Plant, plant};
use crate::demo::traffic::quiet;
use crate::formats;
use crate::model::document::to_document;
use crate::model::time::{DAY_MS, iso};
use crate::model::{Anomaly, Job, RunDocument};
use crate::pipeline::{Options, Pipeline};
use crate::schedule::clock::SimulatedClock;
use crate::schedule::runner::{Listener, Mode, Runner};
use crate::sinks::memory::MemorySink;
use crate::source::memory::{Lines, MemorySource};
use crate::state::memory::MemoryStore;

/// The day that is played: a Tuesday, with the Monday before it as history.
const DAY_START_MS: i64 = 1_768_867_200_000;

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

/// Plays the day and prints what was found.
pub fn run(args: &Args, is_json: bool) -> Exit {
    match play(args, is_json) {
        Ok(()) => Exit::Ok,
        Err(message) => {
            eprintln!("elkhound: {message}");
            Exit::Failure
        }
    }
}

fn play(args: &Args, is_json: bool) -> Result<(), String> {
    let mut requests = quiet(args.seed, DAY_START_MS - DAY_MS, DAY_START_MS + DAY_MS);
    let plants = plant(args.seed, DAY_START_MS, &mut requests);
    let lines = Lines::new(requests.iter().map(|r| (r.time_ms, r.line())).collect());
    drop(requests);
    if let Some(path) = &args.log {
        write(path, &lines.text())?;
    }
    if !is_json {
        println!("{} requests over two days (seed {}); {} attacks are planted in the second.\n", lines.len(), args.seed, plants.len());
    }
    let jobs = config::load_text(JOBS, std::path::Path::new("."), &config::Environment::of(&[])).map_err(|e| e.to_string())?.jobs;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| format!("no runtime: {e}"))?;
    let pages = args.html.is_some().then(Pages::default);
    let (anomalies, runs) = runtime.block_on(work(jobs, &lines, pages.as_ref(), is_json))?;
    let outcome = judge(plants, anomalies, runs);
    if let Some(path) = &args.out {
        let text: String = outcome.anomalies.iter().map(|a| format!("{}\n", to_document(a))).collect();
        write(path, &text)?;
    }
    if let (Some(path), Some(pages)) = (&args.html, &pages) {
        let from = format!("a made-up day of web traffic (seed {}), {} requests over two days", args.seed, lines.len());
        pages.write(path, "Elkhound demo", &from, &outcome.anomalies, &outcome.runs)?;
    }
    if is_json {
        print_json(args.seed, &outcome)
    } else {
        print_text(&outcome)
    }
    Ok(())
}

fn write(path: &std::path::Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

/// Runs every job through the worker, all at once, on clocks that jump from window to window.
async fn work(jobs: Vec<Job>, lines: &Lines, pages: Option<&Pages>, is_json: bool) -> Result<(Vec<Anomaly>, Vec<RunDocument>), String> {
    let format = formats::by_name("access_log")?;
    let sink = MemorySink::new(1_000_000);
    let mut tasks = Vec::new();
    for job in jobs {
        let job = Arc::new(job);
        let source = Box::new(MemorySource::new(job.clone(), lines.clone(), format)?);
        let mut pipeline = Pipeline::new(job.clone(), source, vec![Box::new(sink.clone())], Box::new(MemoryStore::default()), Options::default())?;
        pipeline.tap = pages.map(|p| p.tap(&job));
        let (stopper, stop) = watch::channel(false);
        let progress = (!is_json).then(|| super::progress::bar(&job.id, 24));
        let listener = Arc::new(UntilMidnight { stopper, progress, failed: Mutex::default() });
        let clock = Arc::new(SimulatedClock::new(DAY_START_MS + job.window_delay_ms));
        let runner = Runner { pipeline, clock, listener: listener.clone(), stop };
        tasks.push(tokio::spawn(async move { runner.run(Mode::Forever).await.map_err(|e| e.to_string()) }));
    }
    for task in tasks {
        task.await.map_err(|e| format!("a job broke: {e}"))??;
    }
    let delivered = std::mem::take(&mut *sink.delivered());
    Ok((delivered.anomalies, delivered.runs))
}

/// Stops a job when its day is over.
struct UntilMidnight {
    stopper: watch::Sender<bool>,
    progress: Option<indicatif::ProgressBar>,
    failed: Mutex<Option<String>>,
}

impl Listener for UntilMidnight {
    fn window_done(&self, run: &RunDocument) {
        if let Some(p) = &self.progress {
            p.set_position(u64::try_from((run.end_ms - DAY_START_MS) / 3_600_000).unwrap_or(0));
        }
        if run.end_ms >= DAY_START_MS + DAY_MS {
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
    println!("Planted attacks found: {found} of {}", o.plants.len());
    for (plant, anomaly) in &o.plants {
        match anomaly {
            Some(a) => println!("  found   {}\n          score {:.0} {}, job {}: {}", plant.title(), a.score, a.severity.as_str(), a.job, a.reason),
            None => println!("  MISSED  {}", plant.title()),
        }
    }
    println!("\nFalse alarms: {}", o.false_alarms.len());
    for a in &o.false_alarms {
        println!("  score {:.0} {}, job {}: {}", a.score, a.severity.as_str(), a.job, a.reason);
    }
    let (windows, documents) = (o.runs.len(), o.runs.iter().map(|r| r.documents).sum::<u64>());
    println!("\n{windows} windows, {documents} documents read, {} anomaly documents.", o.anomalies.len());
    println!("Next: `elkhound scan FILE` on a log of your own; `elkhound export config` for a configuration to start from.");
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
    println!("{}", json!({ "seed": seed, "plants": plants, "false_alarms": false_alarms, "anomalies": o.anomalies.len(), "windows": o.runs.len() }));
}
