//! `elkhound setup`: installs templates, policies and indices; twice is as good as once.

use std::path::PathBuf;

use serde_json::json;

use super::connect::{ConfigFile, block_on, exit_of};
use super::dashboards;
use super::exit::Exit;
use super::failed;
use crate::app::{Connection, connect};
use crate::config::{self, Config, Environment, Login};
use crate::schedule::clock::{Clock, SystemClock};
use crate::setup::artefacts::Lifecycle;
use crate::setup::install::{Change, SetupError, Step, apply, lifecycle, plan};
use crate::setup::mapping::misfits;

/// Arguments of `setup`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Print what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Log in as this user instead of the worker's.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File with that user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// File with an API key to use instead of the worker's.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    api_key_file: Option<PathBuf>,
    #[command(flatten)]
    dashboards: dashboards::To,
}

/// Why a setup did not happen.
struct Failure(Exit, String);

impl From<SetupError> for Failure {
    fn from(e: SetupError) -> Self {
        let exit = if let SetupError::Cluster(c) = &e { exit_of(c) } else { Exit::Failure };
        Self(exit, e.to_string())
    }
}

/// Installs, or prints what it would install.
pub fn run(args: &Args, is_json: bool) -> Exit {
    let done = load(args).and_then(|config| block_on(set_up(config, args, is_json)).map_err(|e| Failure(Exit::Failure, e))?);
    match done {
        Ok(()) => Exit::Ok,
        Err(Failure(exit, message)) => failed(is_json, exit, &message),
    }
}

fn load(args: &Args) -> Result<Config, Failure> {
    let mut config = config::load(args.file.config.as_deref(), &Environment::of_process()).map_err(|e| Failure(Exit::BadConfig, e.to_string()))?;
    if args.user.is_some() || args.api_key_file.is_some() {
        let login = Login::from_files(args.user.as_deref(), args.password_file.as_deref(), args.api_key_file.as_deref());
        let login = login.map_err(|e| Failure(Exit::BadConfig, e.to_string()))?;
        if let Some(cluster) = &mut config.cluster {
            cluster.login = login;
        }
    }
    Ok(config)
}

async fn set_up(config: Config, args: &Args, is_json: bool) -> Result<(), Failure> {
    let is_dry = args.dry_run;
    let Some(to) = &config.cluster else {
        return Err(Failure(
            Exit::BadConfig,
            "no cluster is named; set `cluster.hosts`, such as ELKHOUND__CLUSTER__HOSTS=https://localhost:9200".into(),
        ));
    };
    let Connection { cluster, flavor } = connect(to).await.map_err(|e| Failure(exit_of(&e), e.to_string()))?;
    let steps = plan(&cluster, &flavor, &config.indices, SystemClock.now_ms()).await?;
    if !is_dry {
        apply(&cluster, &steps).await?;
    }
    let misfits = misfits(&cluster, &config.indices.prefix).await.map_err(|e| Failure(exit_of(&e), e.to_string()))?;
    let by = match lifecycle(&flavor) {
        Lifecycle::Ilm => "index lifecycle management",
        Lifecycle::Ism => "index state management",
        Lifecycle::Own => "Elkhound itself, this engine has no policies",
    };
    if is_json {
        say!("{}", json!({ "engine": flavor.name(), "retention_by": by, "dry_run": is_dry, "steps": steps, "misfits": misfits }));
    } else {
        print(&flavor.name(), by, &steps, is_dry);
    }
    dashboards::install(&args.dashboards, &config, is_dry, is_json).await.map_err(|(exit, message)| Failure(exit, message))?;
    match misfits.iter().map(|m| format!("{}\n  -> {}", m.text, m.mend)).collect::<Vec<_>>() {
        told if told.is_empty() => Ok(()),
        told => Err(Failure(Exit::Failure, told.join("\n"))),
    }
}

fn print(engine: &str, by: &str, steps: &[Step], is_dry: bool) {
    say!("{engine}; expired indices are deleted by {by}");
    let count = |change: Change| steps.iter().filter(|s| s.change == change).count();
    for step in steps {
        let word = match step.change {
            Change::Unchanged => "unchanged",
            Change::Create => "create",
            Change::Update => "update",
            Change::Delete => "delete",
        };
        let call = if is_dry && step.change != Change::Unchanged { format!("  ({} {})", step.method, step.path) } else { String::new() };
        say!("  {word:<10} {}{call}", step.title);
    }
    let would = if is_dry { "would create" } else { "created" };
    let (created, updated, deleted) = (count(Change::Create), count(Change::Update), count(Change::Delete));
    say!("{would} {created}, update {updated}, delete {deleted}; {} unchanged", count(Change::Unchanged));
}
