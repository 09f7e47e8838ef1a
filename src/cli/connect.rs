//! What commands that talk to a cluster share: the configuration file, the connection, and how trouble ends.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::exit::Exit;
use crate::cluster::{Cluster, ClusterError, ClusterOptions, Credentials, ErrorKind, Flavor, Limits, RealTimer, Tls};
use crate::config::{ClusterConfig, Login};

/// Where the configuration is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigFile {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", env = "ELKHOUND_CONFIG")]
    pub config: Option<PathBuf>,
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
pub async fn connect(config: &ClusterConfig) -> Result<(Cluster, Flavor), ClusterError> {
    let cluster = Cluster::connect(&cluster_options(config), Arc::new(RealTimer::default())).await?;
    let flavor = Flavor::probe(&cluster).await?;
    Ok((cluster, flavor))
}

/// How the program ends after this error of a cluster.
pub fn exit_of(error: &ClusterError) -> Exit {
    match error.kind {
        ErrorKind::Unauthorized | ErrorKind::Forbidden => Exit::NoPermission,
        ErrorKind::Misconfigured => Exit::BadConfig,
        ErrorKind::Refused | ErrorKind::ReadOnly => Exit::Failure,
        _ => Exit::Unavailable,
    }
}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    Ok(runtime.block_on(future))
}
