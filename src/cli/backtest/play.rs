//! Plays a configuration over the past: the pipeline of `scan` or `run`, with somebody who writes down every score.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::labels::confirmed;
use super::{Args, Play, Stop, THRESHOLDS};
use crate::app::{self, Connection, Purpose};
use crate::cli::connect::{block_on, exit_of};
use crate::cli::exit::Exit;
use crate::cli::{run, scan};
use crate::config::{self, Config, Environment};
use crate::model::time::parse_time;
use crate::model::{Anomaly, Bucket, Job, Window};
use crate::pipeline::Tap;
use crate::schedule::clock::SystemClock;
use crate::schedule::runner::Mode;
use crate::score::Scores;
use crate::score::evaluate::{Judged, Label};
use crate::telemetry::Telemetry;

/// Rows that are kept, at most.
const MAX_ROWS: usize = 2_000_000;

/// Writes down what is judged; clones share it.
#[derive(Clone, Default)]
pub struct Listener(Arc<Mutex<Play>>);

impl Listener {
    fn play(&self, name: &str) -> Play {
        let mut play = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        name.clone_into(&mut play.name);
        play
    }
}

impl Tap for Listener {
    fn judged(&mut self, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly]) {
        let mut play = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start_ms, end_ms) = (bucket.start_ms, bucket.end_ms());
        let judged = play.judged.get_or_insert(Window::new(start_ms, end_ms));
        *judged = Window::new(judged.start_ms.min(start_ms), judged.end_ms.max(end_ms));
        play.rows += bucket.rows() as u64;
        for row in (0..bucket.rows()).filter(|&r| scores.score(r) >= THRESHOLDS[0]) {
            if play.scored.len() >= MAX_ROWS {
                play.left_out += 1;
                continue;
            }
            let entity = bucket.keys.text(row).into_owned();
            play.scored.push(Judged { entity, start_ms, span_ms: bucket.span_ms, score: scores.score(row) });
        }
        play.reported.extend(anomalies.iter().map(|a| Judged {
            entity: a.entity_key.clone(),
            start_ms: a.start_ms,
            span_ms: a.span_ms,
            score: a.score,
        }));
    }
}

/// Over files, with one preset or two.
pub fn files(args: &Args) -> Result<Vec<Play>, Stop> {
    let presets = std::iter::once(&args.preset).chain(&args.against_preset);
    presets
        .map(|preset| {
            let scan_args = scan::Args {
                inputs: args.inputs.clone(),
                preset: preset.clone(),
                bucket_span: args.bucket_span,
                train_until: args.train_until.clone(),
                map: args.map.clone(),
                entity: args.entity.clone(),
                ..scan::Args::default()
            };
            let listener = Listener::default();
            let problems = scan::judge(&scan_args, Box::new(listener.clone())).map_err(|(exit, message)| Stop::new(exit, message))?;
            Ok(Play { problems, ..listener.play(preset) })
        })
        .collect()
}

/// Over the indices of a job, with one configuration or two; reads the verdicts too when they are the labels.
pub fn cluster(args: &Args, labels: &mut Option<Vec<Label>>) -> Result<Vec<Play>, Stop> {
    let first = load(args.config.config.as_deref())?;
    let second = args.against.as_deref().map(|p| load(Some(p))).transpose()?;
    let mode = mode(args)?;
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
        sides.push((path.map_or("configuration".into(), |p| p.display().to_string()), config, job));
    }
    block_on(async {
        let mut plays = Vec::new();
        for (name, config, job) in sides {
            let connection = connect(&config).await?;
            let mut problems = Vec::new();
            if args.verdicts && labels.is_none() {
                let found = confirmed(&connection.cluster, &config.indices.prefix, &job.id).await;
                let (events, more) = found.map_err(|e| Stop::new(exit_of(&e), e.to_string()))?;
                *labels = Some(events);
                problems.extend(more);
            }
            plays.push(Play { problems, ..range(&config, job, &connection, mode, &name).await? });
        }
        Ok(plays)
    })
    .map_err(|m| Stop::new(Exit::Failure, m))?
}

fn load(path: Option<&std::path::Path>) -> Result<Config, Stop> {
    config::load(path, &Environment::of_process()).map_err(|e| Stop::config(e.to_string()))
}

fn mode(args: &Args) -> Result<Mode, Stop> {
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        return Err(Stop::config("name files, or a range of the past: --from TIME --to TIME"));
    };
    let time =
        |name: &str, text: &str| parse_time(text).ok_or_else(|| Stop::config(format!("--{name} `{text}` is no time; write 2026-01-31T12:00:00Z")));
    let (from_ms, to_ms) = (time("from", from)?, time("to", to)?);
    if from_ms >= to_ms {
        return Err(Stop::config(format!("--from `{from}` is not before --to `{to}`")));
    }
    Ok(Mode::Range { from_ms, to_ms })
}

async fn connect(config: &Config) -> Result<Connection, Stop> {
    let Some(cluster) = &config.cluster else { return Err(Stop::config("cluster.hosts is empty: name the cluster, or files")) };
    app::connect(cluster).await.map_err(|e| Stop::new(exit_of(&e), e.to_string()))
}

async fn range(config: &Config, job: Job, to: &Connection, mode: Mode, name: &str) -> Result<Play, Stop> {
    let telemetry = Telemetry::new(Arc::new(|| 0));
    let (_stopper, stop) = watch::channel(false);
    let mut runner = app::runner(config, job, to, Purpose::DryRun, Arc::new(SystemClock), &telemetry, stop).map_err(Stop::config)?;
    let listener = Listener::default();
    runner.pipeline.tap = Some(Box::new(listener.clone()));
    runner.pipeline.options.samples = 0;
    runner.run(mode).await.map_err(|e| Stop::new(if e.is_permanent() { Exit::Failure } else { Exit::Unavailable }, e.to_string()))?;
    Ok(listener.play(name))
}
