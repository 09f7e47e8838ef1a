//! Builds and connects everything: configuration -> cluster, pipelines, runners.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cluster::client::Cluster;
use crate::cluster::connect::{ClusterOptions, Credentials, Tls, plainly_said};
use crate::cluster::error::ClusterError;
use crate::cluster::flavor::{Flavor, Product};
use crate::cluster::limit::Limits;
use crate::cluster::timer::RealTimer;
use crate::config::{ClusterConfig, Config, IndicesConfig, Login};
use crate::model::time::DAY_MS;
use crate::model::{Job, RunDocument};
use crate::pipeline::{Options, Pipeline};
use crate::schedule::clock::Clock;
use crate::schedule::runner::{Listener, Runner};
use crate::setup::artefacts::Lifecycle;
use crate::setup::{install, retention};
use crate::sinks::anomaly_index::AnomalyIndex;
use crate::source::discover::{Discover, Form};
use crate::source::index::IndexSource;
use crate::state::StateStore;
use crate::state::cluster_store::ClusterStore;
use crate::state::folder::FolderStore;
use crate::state::memory::MemoryStore;
use crate::telemetry::Telemetry;

/// A cluster that answered, and what it is.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub cluster: Cluster,
    /// What it can do.
    pub flavor: Flavor,
}

/// Options of the client as the configuration has them.
pub fn cluster_options(config: &ClusterConfig) -> ClusterOptions {
    let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let rate = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    let l = &config.limits;
    ClusterOptions {
        hosts: config.hosts.clone(),
        credentials: match &config.login {
            Login::None => Credentials::None,
            Login::Basic { user, password } => Credentials::Basic { user: user.clone(), password: password.reveal().to_owned() },
            Login::ApiKey(key) => Credentials::ApiKey(key.reveal().to_owned()),
            Login::Bearer(token) => Credentials::Bearer(token.reveal().to_owned()),
        },
        tls: Tls { ca_pem: config.ca_pem.clone(), fingerprint: config.fingerprint.clone(), verify: config.verify },
        allow_http: config.allow_http,
        request_timeout: ms(config.request_timeout_ms),
        max_body_bytes: config.max_body_bytes,
        compress: config.compress,
        limits: Limits {
            requests_per_second: rate(l.requests_per_second),
            bytes_per_second: rate(l.bytes_per_second),
            max_concurrent: l.max_concurrent.max(1),
            slow_after: ms(l.slow_after_ms),
            attempts: l.attempts.max(1),
            ..Limits::default()
        },
        ..ClusterOptions::default()
    }
}

/// Connects and asks the cluster what it is.
pub async fn connect(config: &ClusterConfig) -> Result<Connection, ClusterError> {
    let options = cluster_options(config);
    let cluster = Cluster::connect(&options, Arc::new(RealTimer::default())).await?;
    match Flavor::probe(&cluster).await {
        Ok(flavor) => Ok(Connection { cluster, flavor }),
        Err(e) => Err(plainly_said(e, &options).await),
    }
}

/// Which Discover stands beside a cluster.
pub fn discover_form(flavor: &Flavor) -> Form {
    let mut parts = flavor.version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if flavor.product == Product::OpenSearch && version >= (2, 10) { Form::DataExplorer } else { Form::Kibana }
}

/// What a runner is to do with what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Write anomalies, run documents and state.
    Work,
    /// Write anomalies and run documents of a range of the past; the live checkpoint stays where it is.
    Backfill,
    /// As work, and write nothing: go on from the state there is, and leave it as it is.
    DryRun,
    /// As backfill, and write nothing.
    DryBackfill,
}

impl Purpose {
    /// True when anomalies and run documents are written.
    pub fn is_writing(self) -> bool {
        matches!(self, Self::Work | Self::Backfill)
    }
}

/// A runner for a job of a cluster.
pub fn runner(
    config: &Config,
    job: Job,
    to: &Connection,
    purpose: Purpose,
    clock: Arc<dyn Clock>,
    telemetry: &Telemetry,
    stop: watch::Receiver<bool>,
) -> Result<Runner, String> {
    let job = Arc::new(job);
    let prefix = &config.indices.prefix;
    let links = Discover { url: config.dashboards_url.clone(), form: discover_form(&to.flavor), prefix: prefix.clone() };
    let source = IndexSource::new(job.clone(), to.cluster.clone(), to.flavor.clone())?.with_links(links);
    let now = clock.clone();
    let sink = AnomalyIndex::new(to.cluster.clone(), prefix, Arc::new(move || now.now_ms()));
    let owner = format!("{}-{}", std::process::id(), clock.now_ms());
    let live = || -> Box<dyn StateStore> {
        match &config.state.folder {
            Some(folder) => Box::new(FolderStore::new(folder)),
            None => Box::new(ClusterStore::new(to.cluster.clone(), prefix, owner)),
        }
    };
    let store: Box<dyn StateStore> = match purpose {
        Purpose::Work => live(),
        Purpose::DryRun => Box::new(MemoryStore::over(live())),
        Purpose::Backfill | Purpose::DryBackfill => Box::new(MemoryStore::default()),
    };
    let options = Options {
        snapshot_every: config.state.snapshot_every,
        samples: config.evidence_samples,
        is_writing: purpose.is_writing(),
        ..Options::default()
    };
    let pipeline = Pipeline::new(job, Box::new(source), vec![Box::new(sink)], store, options)?;
    Ok(Runner { pipeline, clock, listener: Arc::new(Told(telemetry.clone())), stop })
}

/// Where no policy of the engine ends the life of our indices the worker does: at once, then once a day, until a stop. A fault
/// is told and tried again the next day; windows go on meanwhile.
pub async fn keep_house(connection: Connection, indices: IndicesConfig, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    if install::lifecycle(&connection.flavor) != Lifecycle::Own {
        return;
    }
    loop {
        match retention::delete_expired(&connection.cluster, &indices, clock.now_ms()).await {
            Ok(gone) if gone.is_empty() => {}
            Ok(gone) => tracing::info!("expired indices were deleted: {}", gone.join(", ")),
            Err(e) => tracing::warn!("expired indices could not be deleted, next try in a day: {e}"),
        }
        tokio::select! {
            () = clock.sleep_ms(DAY_MS) => {}
            _ = stop.wait_for(|&s| s) => return,
        }
    }
}

/// Telemetry as a runner's listener.
struct Told(Telemetry);

impl Listener for Told {
    fn job_planned(&self, job: &str) {
        self.0.job_ready(job);
    }

    fn window_done(&self, run: &RunDocument) {
        self.0.window_done(run);
    }

    fn window_held(&self, job: &str, error: &str, is_permanent: bool) {
        self.0.window_held(job, error, is_permanent);
    }
}
