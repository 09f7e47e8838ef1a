//! Plays a configuration over the past: the pipeline of `scan` or `run`, with somebody who writes down every score.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use tokio::sync::watch;

use super::labels::verdicts;
use super::{Args, Play, Stop, THRESHOLDS};
use crate::app::{self, Connection, Purpose};
use crate::cli::connect::{block_on, exit_of};
use crate::cli::exit::Exit;
use crate::cli::{progress, run, scan};
use crate::config::{self, Config, Environment};
use crate::model::keys::stable_hash;
use crate::model::{Anomaly, Bucket, Job, RunDocument, Window};
use crate::pipeline::Tap;
use crate::pipeline::models::Models;
use crate::schedule::clock::SystemClock;
use crate::schedule::runner::{self, Mode};
use crate::score::Scores;
use crate::score::evaluate::{Judged, Truth};
use crate::telemetry::Telemetry;

/// Rows that are kept, at most.
const MAX_ROWS: usize = 2_000_000;
/// Sentences that are kept, at most.
const MAX_REASONS: usize = 100_000;

/// Writes down what is judged; clones share it.
#[derive(Clone, Default)]
pub struct Listener {
    play: Arc<Mutex<Play>>,
    /// What entities are called where the rows do not say it: the file of a series.
    entity: Option<String>,
    /// Hashes of labelled entities.
    labelled: Arc<BTreeSet<u64>>,
}

impl Listener {
    fn new(truth: Option<&Truth>) -> Self {
        let events = truth.map(|t| t.events.as_slice()).unwrap_or_default();
        Self { labelled: Arc::new(events.iter().map(|l| stable_hash(l.entity.as_bytes())).collect()), ..Self::default() }
    }

    /// The same notes, of a file whose one entity is called so.
    fn of(&self, entity: &str) -> Self {
        Self { entity: Some(entity.to_owned()), ..self.clone() }
    }

    fn play(&self, name: &str) -> Play {
        let mut play = std::mem::take(&mut *self.play.lock().unwrap_or_else(PoisonError::into_inner));
        name.clone_into(&mut play.name);
        play
    }
}

impl Tap for Listener {
    fn judged(&mut self, _: &Models, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly]) {
        let mut play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        let (start_ms, end_ms) = (bucket.start_ms, bucket.end_ms());
        let judged = play.judged.get_or_insert(Window::new(start_ms, end_ms));
        *judged = Window::new(judged.start_ms.min(start_ms), judged.end_ms.max(end_ms));
        play.rows += bucket.rows() as u64;
        match &self.entity {
            Some(entity) => drop(play.seen.insert(stable_hash(entity.as_bytes()))),
            None => play.seen.extend((0..bucket.rows()).map(|r| bucket.keys.hash(r)).filter(|h| self.labelled.contains(h))),
        }
        let named = |key: &str| self.entity.clone().unwrap_or_else(|| key.to_owned());
        for row in (0..bucket.rows()).filter(|&r| scores.score(r) >= THRESHOLDS[0]) {
            if play.scored.len() >= MAX_ROWS {
                play.left_out += 1;
                continue;
            }
            let entity = named(&bucket.keys.text(row));
            play.scored.push(Judged { entity, start_ms, span_ms: bucket.span_ms, score: scores.score(row) });
        }
        for a in anomalies {
            if play.reported.len() >= MAX_ROWS {
                play.left_out += 1;
                continue;
            }
            let entity = named(&a.entity_key);
            if play.reasons.len() < MAX_REASONS {
                play.reasons.insert((entity.clone(), a.start_ms), a.reason.clone());
            }
            play.reported.push(Judged { entity, start_ms: a.start_ms, span_ms: a.span_ms, score: a.score });
        }
    }
}

/// Over files, with one preset or two.
pub fn files(args: &Args, truth: Option<&Truth>) -> Result<Vec<Play>, Stop> {
    let presets = std::iter::once(&args.preset).chain(&args.against_preset);
    if presets.clone().any(|p| p == "table") {
        let why = "preset `table` has rows without a time; `scan --scores FILE` gives a score for every one of them";
        return Err(Stop::config(why));
    }
    presets
        .map(|preset| {
            let scan_args = scan::Args {
                inputs: args.inputs.clone(),
                preset: preset.clone(),
                bucket_span: args.bucket_span,
                train_until: args.train_until.clone(),
                format: args.format.clone(),
                time: args.time.clone(),
                value: args.value.clone(),
                map: args.map.clone(),
                entity: args.entity.clone(),
                ..scan::Args::default()
            };
            let listener = Listener::new(truth);
            let tap = |file: Option<&str>| Box::new(file.map_or_else(|| listener.clone(), |f| listener.of(f))) as Box<dyn Tap>;
            let problems = scan::judge(&scan_args, &tap).map_err(|(exit, message)| Stop::new(exit, message))?;
            Ok(Play { problems, ..listener.play(preset) })
        })
        .collect()
}

/// Over the indices of a job, with one configuration or two; reads the verdicts too when they are the labels.
pub fn cluster(args: &Args, truth: &mut Option<Truth>) -> Result<Vec<Play>, Stop> {
    let first = load(args.config.config.as_deref())?;
    let second = args.against.as_deref().map(|p| load(Some(p))).transpose()?;
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        return Err(Stop::config("name files, or a range of the past: --from TIME --to TIME"));
    };
    let mode = run::range(from, to).map_err(Stop::config)?;
    let job = |config: &Config| -> Result<Job, Stop> {
        let jobs = run::chosen(config, args.job.as_slice()).map_err(Stop::config)?;
        match <[Job; 1]>::try_from(jobs) {
            Ok([job]) => Ok(job),
            Err(jobs) => {
                Err(Stop::config(format!("say which job: --job {}", jobs.iter().map(|j| j.id.as_str()).collect::<Vec<_>>().join(" or --job "))))
            }
        }
    };
    let mut sides = Vec::new();
    for (path, config) in std::iter::once((args.config.config.as_deref(), first)).chain(second.map(|c| (args.against.as_deref(), c))) {
        let job = job(&config)?;
        let file = path.map_or_else(String::new, |p| format!(" ({})", p.display()));
        sides.push((format!("job {} over {}{file}", job.id, job.index), config, job));
    }
    block_on(async {
        let mut plays = Vec::new();
        for (name, config, job) in sides {
            let connection = connect(&config).await?;
            let mut problems = Vec::new();
            if args.verdicts && truth.is_none() {
                let found = verdicts(&connection.cluster, &config.indices.prefix, &job.id).await;
                let (said, more) = found.map_err(|e| Stop::new(exit_of(&e), e.to_string()))?;
                *truth = Some(said);
                problems.extend(more);
            }
            plays.push(Play { problems, ..range(&config, job, &connection, (mode, &name), truth.as_ref()).await? });
        }
        Ok(plays)
    })
    .map_err(|m| Stop::new(Exit::Failure, m))?
}

fn load(path: Option<&std::path::Path>) -> Result<Config, Stop> {
    config::load(path, &Environment::of_process()).map_err(|e| Stop::config(e.to_string()))
}

async fn connect(config: &Config) -> Result<Connection, Stop> {
    let Some(cluster) = &config.cluster else { return Err(Stop::config("cluster.hosts is empty: name the cluster, or files")) };
    app::connect(cluster).await.map_err(|e| Stop::new(exit_of(&e), e.to_string()))
}

async fn range(config: &Config, job: Job, to: &Connection, (mode, name): (Mode, &str), truth: Option<&Truth>) -> Result<Play, Stop> {
    let telemetry = Telemetry::new(Arc::new(|| 0));
    let (_stopper, stop) = watch::channel(false);
    let bar = progress::bar(&job.id, 1_000);
    let mut runner = app::runner(config, job, to, Purpose::DryBackfill, Arc::new(SystemClock), &telemetry, stop).map_err(Stop::config)?;
    let listener = Listener::new(truth);
    let watched = Arc::new(Watched(bar, mode));
    runner.listener = watched.clone();
    runner.pipeline.tap = Some(Box::new(listener.clone()));
    runner.pipeline.options.samples = 0;
    runner.run(mode).await.map_err(|e| Stop::new(if e.is_permanent() { Exit::Failure } else { Exit::Unavailable }, e.to_string()))?;
    watched.0.finish_and_clear();
    Ok(listener.play(name))
}

/// Moves the bar along the judged time.
struct Watched(ProgressBar, Mode);

impl runner::Listener for Watched {
    fn window_done(&self, run: &RunDocument) {
        if let Mode::Range { from_ms, to_ms } = self.1 {
            let share = (run.end_ms - from_ms) as f64 / (to_ms - from_ms).max(1) as f64;
            self.0.set_position((share.clamp(0.0, 1.0) * 1_000.0) as u64);
        }
    }

    fn window_held(&self, _job: &str, _error: &str, _is_permanent: bool) {
        // The first fault ends a backtest and is told there.
        self.0.finish_and_clear();
    }
}
