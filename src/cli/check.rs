//! `elkhound check`: configuration, connection, version, privileges, and the fields of each job.

use super::connect::{ConfigFile, block_on, exit_of};
use super::exit::Exit;
use super::failed;
use crate::app::connect;
use crate::config::{self, Config, Environment};
use crate::model::problem::counted;
use crate::schedule::clock::{Clock, SystemClock};
use crate::setup::check::{check, of_connection, of_mistakes};
use crate::setup::{Finding, Level};

/// Arguments of `check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Look at the configuration only, ask no cluster.
    #[arg(long)]
    offline: bool,
}

/// Checks and prints what it found.
pub fn run(args: &Args, json: bool) -> Exit {
    let config = match config::load(args.file.config.as_deref(), &Environment::of_process()) {
        Ok(config) => config,
        Err(e) => {
            return print(&of_mistakes(&e), Exit::BadConfig, json);
        }
    };
    let mut findings = missing(&config);
    if findings.is_empty() {
        findings.push(Finding::new(Level::Ok, "configuration", summary(&config), ""));
    }
    let mut exit = Exit::Ok;
    match &config.cluster {
        None => {}
        Some(_) if args.offline => {}
        Some(cluster) => {
            let asked = block_on(async {
                match connect(cluster).await {
                    Ok(c) => (check(&c.cluster, &c.flavor, &config, SystemClock.now_ms()).await, Exit::Ok),
                    Err(e) => (vec![of_connection(&e)], exit_of(&e)),
                }
            });
            match asked {
                Ok((list, end)) => {
                    findings.extend(list);
                    exit = end;
                }
                Err(e) => findings.push(Finding::new(Level::Error, "connection", e, "this machine cannot run it")),
            }
        }
    }
    let exit = if exit == Exit::Ok { worst(&findings) } else { exit };
    print(&findings, exit, json)
}

/// What `elkhound run` cannot do without.
fn missing(config: &Config) -> Vec<Finding> {
    let mut out = Vec::new();
    if config.cluster.is_none() {
        let mend = "write `cluster: { hosts: [\"https://localhost:9200\"] }`; `elkhound scan` needs no cluster and no configuration";
        out.push(Finding::new(Level::Error, "connection", "no cluster is named", mend));
    }
    if config.jobs.is_empty() {
        let mend = "write `jobs: [{ id: web, preset: web_access, index: \"logs-nginx.access-*\" }]`; `elkhound parts presets` lists the presets, `elkhound export config` every setting";
        out.push(Finding::new(Level::Error, "jobs", "there is no job, so `elkhound run` has nothing to do", mend));
    }
    out
}

fn summary(config: &Config) -> String {
    format!("{}, no mistakes", counted(config.jobs.len() as u64, "job", "jobs"))
}

/// Warnings do not fail; missing privileges and misfits of jobs do.
fn worst(findings: &[Finding]) -> Exit {
    let mut errors = findings.iter().filter(|f| f.level == Level::Error).peekable();
    if errors.peek().is_none() {
        return Exit::Ok;
    }
    if errors.any(|f| f.about == "privileges") { Exit::NoPermission } else { Exit::BadConfig }
}

fn print(findings: &[Finding], exit: Exit, json: bool) -> Exit {
    if json {
        say!("{}", serde_json::json!({ "findings": findings }));
        if exit != Exit::Ok {
            let errors = findings.iter().filter(|f| f.level == Level::Error).map(|f| format!("{}: {}", f.about, f.text));
            failed(true, exit, &errors.collect::<Vec<_>>().join("\n"));
        }
        return exit;
    }
    for f in findings {
        let level = match f.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        say!("{level:<8} {}: {}", f.about, f.text);
        if !f.mend.is_empty() {
            say!("{:<8} -> {}", "", f.mend);
        }
    }
    exit
}
