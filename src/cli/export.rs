//! `elkhound export`: prints what a setup installs and what it does not, for people who install it themselves.

use serde_json::json;

use super::connect::ConfigFile;
use super::exit::Exit;
use super::{failed, warned};
use crate::cluster::Product;
use crate::config::{self, DEFAULT_YAML, Environment};
use crate::setup::artefacts::{Artefact, Lifecycle, Role, policies, role, templates};

/// Arguments of `export`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to print.
    #[command(subcommand)]
    pub what: What,
}

/// What can be printed.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum What {
    /// The commented reference of the configuration, with every default.
    Config,
    /// Component and index templates.
    Template(For),
    /// Retention policies.
    Policy(For),
    /// The smallest role for the worker (or, with --setup, for `elkhound setup`).
    Role(RoleFor),
    /// Dashboards, as a file to import.
    Dashboards(super::dashboards::For),
}

/// For which engine.
#[derive(Debug, Clone, clap::Args)]
pub struct For {
    /// Which engine it is for; Elasticsearch when it is not given.
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    #[command(flatten)]
    file: ConfigFile,
}

/// For whom a role is.
#[derive(Debug, Clone, clap::Args)]
pub struct RoleFor {
    #[command(flatten)]
    target: For,
    /// The role for `elkhound setup` instead of the worker's.
    #[arg(long)]
    setup: bool,
}

/// The engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Elasticsearch,
    Opensearch,
}

/// Prints it.
pub fn run(args: &Args, is_json: bool) -> Exit {
    let (target, is_setup) = match &args.what {
        What::Config => {
            say_text!("{DEFAULT_YAML}");
            return Exit::Ok;
        }
        What::Dashboards(to) => return super::dashboards::print(to, is_json),
        What::Template(target) | What::Policy(target) => (target, false),
        What::Role(r) => (&r.target, r.setup),
    };
    let config = match config::load(target.file.config.as_deref(), &Environment::of_process()) {
        Ok(config) => config,
        Err(e) => {
            return failed(is_json, Exit::BadConfig, &e.to_string());
        }
    };
    if target.engine.is_none() {
        warned(is_json, "this is for Elasticsearch; --engine opensearch prints it for OpenSearch");
    }
    let (product, lifecycle) = match target.engine.unwrap_or(Engine::Elasticsearch) {
        Engine::Elasticsearch => (Product::Elasticsearch, Lifecycle::Ilm),
        Engine::Opensearch => (Product::OpenSearch, Lifecycle::Ism),
    };
    let list = match &args.what {
        What::Template(_) => templates(&config.indices, lifecycle),
        What::Policy(_) => policies(&config.indices, lifecycle),
        _ => {
            let mut sources: Vec<String> =
                config.jobs.iter().flat_map(|j| j.index.split(',')).filter(|p| !p.starts_with('-')).map(str::to_owned).collect();
            if sources.is_empty() {
                sources.push("logs-*".into());
            }
            sources.sort();
            sources.dedup();
            vec![role(product, if is_setup { Role::Setup } else { Role::Worker }, &config.indices.prefix, &sources)]
        }
    };
    print(&list, is_json);
    Exit::Ok
}

/// One request after the other, as consoles of both engines take them.
fn print(list: &[Artefact], is_json: bool) {
    if is_json {
        let requests: Vec<_> = list.iter().map(|a| json!({ "method": "PUT", "path": a.path, "body": a.body })).collect();
        say!("{}", json!(requests));
        return;
    }
    for a in list {
        say!("PUT {}\n{:#}\n", a.path, a.body);
    }
}
