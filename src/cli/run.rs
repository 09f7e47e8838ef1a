//! `elkhound run`: the worker.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connect::{ConfigFile, no_setup};
use super::exit::Exit;
use super::failed;
use crate::app::{self, Connection, Purpose};
use crate::cluster::{ClusterError, ErrorKind};
use crate::config::{self, ClusterConfig, Config, Environment};
use crate::model::Job;
use crate::model::problem::counted;
use crate::model::time::parse_time;
use crate::pipeline::CycleError;
use crate::report::status;
use crate::schedule::backoff;
use crate::schedule::clock::{Clock, SystemClock};
use crate::schedule::runner::{Mode, Summary};
use crate::setup::retention;
use crate::telemetry::{Telemetry, health, logging};

/// Arguments of `run`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only these jobs.
    #[arg(long = "job", value_name = "ID")]
    pub jobs: Vec<String>,
    /// Do every window that is due now, then stop.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub once: bool,
    /// Backfill: report windows from this time on (the live checkpoint stays where it is).
    #[arg(long, value_name = "TIME", requires = "to")]
    pub from: Option<String>,
    /// Backfill: up to this time, outside.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
    /// Read and score, write nothing at all.
    #[arg(long)]
    pub dry_run: bool,
}

/// Why the worker did not do what it was asked for.
struct Failure(Exit, String);

/// Runs the worker.
pub fn run(args: &Args, is_json: bool) -> Exit {
    match try_run(args, is_json) {
        Ok(exit) => exit,
        Err(Failure(exit, message)) => failed(is_json, exit, &message),
    }
}

fn try_run(args: &Args, is_json: bool) -> Result<Exit, Failure> {
    let config = config::load(args.config.config.as_deref(), &Environment::of_process()).map_err(|e| Failure(Exit::BadConfig, e.to_string()))?;
    let jobs = chosen(&config, &args.jobs).map_err(|m| Failure(Exit::BadConfig, m))?;
    let mode = mode(args).map_err(|m| Failure(Exit::BadConfig, m))?;
    let format = match config.telemetry.log_format {
        "json" => logging::LogFormat::Json,
        "text" => logging::LogFormat::Text,
        _ if is_json => logging::LogFormat::Json,
        _ => logging::LogFormat::Auto,
    };
    logging::init(format, config.telemetry.log_level).map_err(|m| Failure(Exit::BadConfig, m))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| Failure(Exit::Failure, e.to_string()))?;
    let summary = runtime.block_on(work(args, &config, jobs, mode))?;
    if is_json {
        say!("{}", json!({ "windows": summary.windows, "anomalies": summary.anomalies, "dry_run": args.dry_run }));
    } else if mode != Mode::Forever {
        let dry = if args.dry_run { " (dry run: nothing was written)" } else { "" };
        say!("{} done, {}{dry}", counted(summary.windows, "window", "windows"), counted(summary.anomalies, "anomaly", "anomalies"));
        if mode == Mode::Once && summary.learned > 0 {
            say!(
                "{} of them were only learned from: a job that is new, or whose configuration changed, learns its look-back before it reports; --from and --to report the past",
                summary.learned
            );
        }
    }
    if let (Mode::Range { from_ms, .. }, false) = (mode, args.dry_run)
        && let Some(warning) = retention::soon_gone(from_ms, &config.indices, SystemClock.now_ms())
    {
        super::warned(is_json, &warning);
    }
    Ok(Exit::Ok)
}

/// The jobs to run, or which of the asked for there are not.
pub fn chosen(config: &Config, wanted: &[String]) -> Result<Vec<Job>, String> {
    let there: Vec<&str> = config.jobs.iter().map(|j| j.id.as_str()).collect();
    if there.is_empty() {
        return Err("the configuration has no job; `elkhound export config` shows how one looks, `elkhound --help` what else there is".into());
    }
    if let Some(missing) = wanted.iter().find(|w| !there.contains(&w.as_str())) {
        return Err(format!("there is no job `{missing}`; there are: {}", there.join(", ")));
    }
    Ok(config.jobs.iter().filter(|j| wanted.is_empty() || wanted.contains(&j.id)).cloned().collect())
}

fn mode(args: &Args) -> Result<Mode, String> {
    match (&args.from, &args.to) {
        (Some(from), Some(to)) => range(from, to),
        _ if args.once => Ok(Mode::Once),
        _ => Ok(Mode::Forever),
    }
}

/// The range that `--from` and `--to` name, or what is wrong with it.
pub fn range(from: &str, to: &str) -> Result<Mode, String> {
    let time = |name: &str, text: &str| parse_time(text).ok_or_else(|| format!("--{name} `{text}` is no time; write 2026-01-31T12:00:00Z"));
    let (from_ms, to_ms) = (time("from", from)?, time("to", to)?);
    if from_ms >= to_ms {
        return Err(format!("--from `{from}` is not before --to `{to}`"));
    }
    Ok(Mode::Range { from_ms, to_ms })
}

async fn work(args: &Args, config: &Config, jobs: Vec<Job>, mode: Mode) -> Result<Summary, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let telemetry = {
        let clock = clock.clone();
        Telemetry::new(Arc::new(move || clock.now_ms()))
    };
    jobs.iter().for_each(|j| telemetry.job_starting(&j.id));
    let (stopper, stop) = watch::channel(false);
    let stopper = Arc::new(stopper);
    stop_on_signal(stopper.clone());
    if mode == Mode::Forever {
        serve_health(config, &telemetry, stop.clone()).await?;
    }
    let purpose = match mode {
        Mode::Range { .. } if args.dry_run => Purpose::DryBackfill,
        Mode::Range { .. } => Purpose::Backfill,
        _ if args.dry_run => Purpose::DryRun,
        _ => Purpose::Work,
    };
    let may_write = purpose.is_writing();
    let connection = connected(config, (mode, may_write), &telemetry, clock.as_ref(), stop.clone()).await?;
    let Some(connection) = connection else { return Ok(Summary::default()) };
    let names: Vec<&str> = jobs.iter().map(|j| j.id.as_str()).collect();
    tracing::info!("connected to {}; jobs: {}", connection.flavor.name(), names.join(", "));
    if mode == Mode::Forever && purpose == Purpose::Work {
        tokio::spawn(app::keep_house(connection.clone(), config.indices.clone(), clock.clone(), stop.clone()));
    }
    let mut tasks = JoinSet::new();
    for job in jobs {
        let runner = app::runner(config, job, &connection, purpose, clock.clone(), &telemetry, stop.clone());
        let runner = runner.map_err(|m| Failure(Exit::BadConfig, m))?;
        tasks.spawn(runner.run(mode));
    }
    let mut total = Summary::default();
    let mut failure = None;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(s)) => total.add(s),
            Ok(Err(e)) => failure = failure.or(Some(Failure(exit_of(&e), e.to_string()))),
            Err(e) => failure = failure.or(Some(Failure(Exit::Failure, format!("a job broke: {e}")))),
        }
    }
    failure.map_or(Ok(total), Err)
}

/// Connects, and refuses to write where no setup was.
async fn attempt(cluster: &ClusterConfig, prefix: &str, may_write: bool) -> Result<Result<Connection, Failure>, ClusterError> {
    let connection = app::connect(cluster).await?;
    let refusal = if may_write { no_setup(&connection.cluster, prefix).await? } else { None };
    Ok(refusal.map_or(Ok(connection), |message| Err(Failure(Exit::BadConfig, message))))
}

/// Connects; a worker that runs for ever waits for a cluster that is not there yet or fails for a while, any other gives up with
/// the exit code that fits. `None`: a stop came first.
async fn connected(
    config: &Config,
    (mode, may_write): (Mode, bool),
    telemetry: &Telemetry,
    clock: &dyn Clock,
    mut stop: watch::Receiver<bool>,
) -> Result<Option<Connection>, Failure> {
    let Some(cluster) = &config.cluster else {
        return Err(Failure(Exit::BadConfig, "cluster.hosts is empty: name the cluster, or use `elkhound scan` for files".into()));
    };
    let mut tries = 0;
    loop {
        match attempt(cluster, &config.indices.prefix, may_write).await {
            Ok(connection) => return connection.map(Some),
            Err(e) if mode != Mode::Forever || e.kind == ErrorKind::Misconfigured => return Err(Failure(super::connect::exit_of(&e), e.to_string())),
            Err(e) => {
                tries += 1;
                config.jobs.iter().for_each(|j| telemetry.window_held(&j.id, &e.to_string(), e.is_permanent()));
                let wait = backoff::wait_ms(tries, e.is_permanent(), clock.now_ms().unsigned_abs());
                tokio::select! {
                    () = clock.sleep_ms(wait) => {}
                    _ = stop.wait_for(|&s| s) => return Ok(None),
                }
            }
        }
    }
}

fn exit_of(e: &CycleError) -> Exit {
    if e.is_permanent() { Exit::Failure } else { Exit::Unavailable }
}

/// SIGTERM and ctrl-c ask for a stop at the next safe point; a second one ends the program at once.
fn stop_on_signal(stopper: Arc<watch::Sender<bool>>) {
    tokio::spawn(async move {
        let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
        for _ in 0..2 {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            if stopper.send_replace(true) {
                std::process::exit(i32::from(Exit::Failure.code()));
            }
            tracing::info!("stopping after the window at work; a second signal stops at once");
        }
    });
}

async fn serve_health(config: &Config, telemetry: &Telemetry, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
    let Some(address) = config.telemetry.listen else { return Ok(()) };
    let listener = health::bind(&address.to_string()).await.map_err(|m| Failure(Exit::BadConfig, m))?;
    let telemetry = telemetry.clone();
    tokio::spawn(async move {
        let until = async move {
            let _ = stop.wait_for(|&s| s).await;
        };
        if let Err(e) = health::serve(listener, telemetry, Arc::new(status::render), until).await {
            tracing::warn!("the health server stopped: {e}");
        }
    });
    Ok(())
}
