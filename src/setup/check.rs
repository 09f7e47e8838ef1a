//! `check`: does everything fit together? Reads only; finds all it can instead of stopping at the first trouble.

use serde::Serialize;

use super::install::{self, Change, Step};
use super::{Kind, fields, mapping, privileges};
use crate::cluster::fields::field_caps;
use crate::cluster::{Cluster, ClusterError, ErrorKind, Flavor, Product};
use crate::config::{Config, ConfigError};
use crate::model::Job;
use crate::model::document::monthly_index;
use crate::model::problem::counted;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It will not work.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, such as `connection` or `job web`.
    pub about: String,
    /// What was found.
    pub text: String,
    /// What to do about it; empty when nothing is to be done.
    pub mend: String,
}

impl Finding {
    /// A finding.
    pub fn new(level: Level, about: impl Into<String>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level, about: about.into(), text: text.into(), mend: mend.into() }
    }

    fn of_error(about: &str, e: &ClusterError) -> Self {
        let text = format!("{}: {} ({})", e.kind.says(), e.detail, e.place);
        Self::new(Level::Error, about, text, e.kind.mend())
    }
}

/// The mistakes of a configuration as findings.
pub fn of_mistakes(error: &ConfigError) -> Vec<Finding> {
    error.mistakes.iter().map(|m| Finding::new(Level::Error, format!("configuration, {}", m.path), m.message.clone(), m.mend.clone())).collect()
}

/// A connection that could not be made.
pub fn of_connection(error: &ClusterError) -> Finding {
    Finding::of_error("connection", error)
}

/// Everything about a cluster that answers: what it is, what we may do there, what is installed, and each job's fields.
pub async fn check(cluster: &Cluster, flavor: &Flavor, config: &Config, now_ms: i64) -> Vec<Finding> {
    let mut out = vec![connection(flavor)];
    out.extend(version(flavor));
    let prefix = &config.indices.prefix;
    let mut sources: Vec<String> = config.jobs.iter().flat_map(|j| j.index.split(',').map(str::to_owned)).collect();
    sources.sort();
    sources.dedup();
    match privileges::check(cluster, flavor, prefix, &sources).await {
        Ok(list) => out.extend(list),
        Err(e) => out.push(Finding::of_error("privileges", &e)),
    }
    out.push(installed(cluster, flavor, config, now_ms).await);
    match mapping::misfits(cluster, prefix).await {
        Ok(misfits) => out.extend(misfits.into_iter().map(|m| Finding::new(Level::Error, "own indices", m.text, m.mend))),
        Err(e) => out.push(Finding { level: Level::Warning, ..Finding::of_error("own indices", &e) }),
    }
    for job in &config.jobs {
        out.extend(job_fields(cluster, job).await);
    }
    out
}

fn connection(flavor: &Flavor) -> Finding {
    let has = |yes: bool, what: &'static str| yes.then_some(what);
    let features: Vec<&str> = [
        has(flavor.point_in_time.is_some(), "point in time"),
        has(flavor.has_tier, "data tiers"),
        has(flavor.has_ilm, "index lifecycle management"),
        has(flavor.has_ism, "index state management"),
        has(flavor.has_security, "security"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let features = if features.is_empty() { "nothing optional".to_owned() } else { features.join(", ") };
    Finding::new(Level::Ok, "connection", format!("{} answers; it has {features}", flavor.name()), "")
}

/// Versions that were tested: Elasticsearch from 7.17 on, OpenSearch from 2 on.
fn version(flavor: &Flavor) -> Option<Finding> {
    let oldest = if flavor.product == Product::Elasticsearch { 7 } else { 2 };
    let text = format!("{} is older than what was tested", flavor.name());
    (flavor.major() < oldest)
        .then(|| Finding::new(Level::Warning, "connection", text, "Elasticsearch 7.17 and OpenSearch 2 are the oldest that were tested"))
}

/// What a step of a setup is about, by the beginning of its title: one of them, several.
const STEPS: [(&str, &str, &str); 6] = [
    ("component template ", "component template", "component templates"),
    ("index template ", "index template", "index templates"),
    ("index ", "index", "indices"),
    ("mapping of ", "mapping", "mappings"),
    ("alias of ", "alias", "aliases"),
    ("", "policy", "policies"),
];

/// Steps in words: "7 component templates, 2 indices".
fn listed(steps: &[&Step]) -> String {
    let of = |step: &Step| STEPS.iter().position(|(start, ..)| step.title.starts_with(start));
    let count = |kind: usize| steps.iter().filter(|s| of(s) == Some(kind)).count() as u64;
    let words = STEPS.iter().enumerate().map(|(i, (_, one, many))| (count(i), one, many)).filter(|(n, ..)| *n > 0);
    words.map(|(n, one, many)| counted(n, one, many)).collect::<Vec<_>>().join(", ")
}

/// Whether a setup would change anything: counted as a setup counts.
async fn installed(cluster: &Cluster, flavor: &Flavor, config: &Config, now_ms: i64) -> Finding {
    let about = "own indices";
    match install::plan(cluster, flavor, &config.indices, now_ms).await {
        Ok(steps) => {
            // An expired index is retention's daily work.
            let steps: Vec<&Step> = steps.iter().filter(|s| s.change != Change::Delete).collect();
            let due: Vec<&Step> = steps.iter().copied().filter(|s| s.change != Change::Unchanged).collect();
            // The month's index is made by the first document.
            let prefix = &config.indices.prefix;
            let months: Vec<String> =
                Kind::ALL.iter().filter(|k| k.is_monthly()).map(|k| format!("index {}", monthly_index(prefix, k.name(), now_ms))).collect();
            let all = counted(steps.len() as u64, "thing", "things");
            if due.is_empty() {
                return Finding::new(Level::Ok, about, format!("all {all} that a setup makes are there and up to date ({})", listed(&steps)), "");
            }
            if due.iter().all(|s| months.contains(&s.title)) {
                let text = format!("templates are installed and up to date; {} of this month will come with the first document", listed(&due));
                return Finding::new(Level::Ok, about, text, "");
            }
            let text = format!("{} of the {all} that a setup makes are missing or out of date ({})", due.len(), listed(&due));
            Finding::new(Level::Warning, about, text, "run `elkhound setup`")
        }
        Err(install::SetupError::Cluster(e)) => Finding { level: Level::Warning, ..Finding::of_error(about, &e) },
        Err(e) => Finding::new(Level::Error, about, e.to_string(), "see there"),
    }
}

async fn job_fields(cluster: &Cluster, job: &Job) -> Vec<Finding> {
    let about = format!("job {}", job.id);
    let needs = match fields::needs(job) {
        Ok(needs) => needs,
        Err(e) => return vec![Finding::new(Level::Error, about, e, "correct the job")],
    };
    match field_caps(cluster, &job.index, &fields::to_ask(&needs)).await {
        Ok(report) if report.indices.is_empty() => vec![no_index(&about, job)],
        Ok(report) => fields::judge(job, &needs, &report),
        Err(e) if e.kind == ErrorKind::NoIndex => vec![no_index(&about, job)],
        Err(e) => vec![Finding::of_error(&about, &e)],
    }
}

fn no_index(about: &str, job: &Job) -> Finding {
    let index = crate::model::problem::printable(job.index.as_bytes(), 100);
    Finding::new(Level::Error, about, format!("`{index}` matches no index that we may see"), "check the pattern, and that the role may read it")
}
