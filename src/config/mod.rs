//! Configuration: `default.yaml` is the reference manual and holds every default; `load` reads files and environment into
//! one tree, `resolve` makes [`Config`] of it or tells every mistake at once.

mod features;
mod filter;
mod job;
pub mod load;
pub mod resolve;
pub mod secret;
mod section;
mod words;

use std::fmt;
use std::path::PathBuf;

use crate::model::Job;
pub use load::{Environment, load, load_text};
pub use resolve::preset_job;
pub use secret::{Login, Secret};
pub use section::Mistake;

/// The commented reference, with every default.
pub const DEFAULT_YAML: &str = include_str!("default.yaml");

/// A configuration in which every value is valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach the cluster; `None` when no host is given.
    pub cluster: Option<ClusterConfig>,
    /// The indices that we write.
    pub indices: IndicesConfig,
    /// Where state is kept.
    pub state: StateConfig,
    /// Address of Kibana or OpenSearch Dashboards, if one is given.
    pub dashboards_url: Option<String>,
    /// Example documents per anomaly.
    pub evidence_samples: usize,
    /// What we say about ourselves.
    pub telemetry: TelemetryConfig,
    /// The jobs, in the order of the files.
    pub jobs: Vec<Job>,
}

/// How to reach a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Addresses, with scheme; each has been checked.
    pub hosts: Vec<String>,
    /// Whether `http://` may be used: it was asked for, or all hosts of that kind are this machine.
    pub allow_http: bool,
    /// Who we are.
    pub login: Login,
    /// PEM of the authority to trust, if one was named.
    pub ca_pem: Option<Vec<u8>>,
    /// SHA-256 fingerprint of a certificate to trust, if one was given.
    pub fingerprint: Option<String>,
    /// False accepts any certificate.
    pub verify: bool,
    /// Longest wait for an answer, milliseconds.
    pub request_timeout_ms: i64,
    /// Largest answer, decompressed.
    pub max_body_bytes: u64,
    /// Whether request bodies are compressed.
    pub compress: bool,
    /// The load budget.
    pub limits: LimitsConfig,
}

/// How much may be asked of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Requests a second, at least 1.
    pub requests_per_second: u32,
    /// Bytes a second, at least 1.
    pub bytes_per_second: u32,
    /// Requests at the same time, at least 1.
    pub max_concurrent: usize,
    /// An answer slower than this is a sign of trouble, milliseconds.
    pub slow_after_ms: i64,
    /// How often a request is sent, at least 1.
    pub attempts: u32,
}

/// The indices that we write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndicesConfig {
    /// What all their names begin with.
    pub prefix: String,
    /// How long anomalies are kept, milliseconds.
    pub keep_anomalies_ms: i64,
    /// How long run documents are kept, milliseconds.
    pub keep_runs_ms: i64,
    /// How long feature rows are kept, milliseconds.
    pub keep_features_ms: i64,
    /// `index.auto_expand_replicas`.
    pub auto_expand_replicas: String,
    /// `index.refresh_interval`, milliseconds.
    pub refresh_interval_ms: i64,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// A folder, or `None` for the cluster.
    pub folder: Option<PathBuf>,
    /// Windows between two snapshots.
    pub snapshot_every: u32,
}

/// What we say about ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Where the status page is served, if anywhere.
    pub listen: Option<std::net::SocketAddr>,
    /// `auto`, `text` or `json`.
    pub log_format: &'static str,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: &'static str,
}

/// A configuration that cannot be used, with everything that is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Every mistake, by path.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => write!(f, "the configuration has a mistake:")?,
            n => write!(f, "the configuration has {n} mistakes:")?,
        }
        for m in &self.mistakes {
            write!(f, "\n  {}: {}; {}", m.path, m.message, m.mend)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
