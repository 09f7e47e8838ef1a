//! What commands that talk to a cluster share: the configuration file, the connection, and how trouble ends.

use std::path::PathBuf;

use super::exit::Exit;
use crate::cluster::{Cluster, ClusterError, ErrorKind};
use crate::setup::install::missing_templates;

/// Where the configuration is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigFile {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", env = "ELKHOUND_CONFIG")]
    pub config: Option<PathBuf>,
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

/// Why nothing may be written there yet: documents that come where no setup was leave mappings behind that no later setup can mend.
pub async fn no_setup(cluster: &Cluster, prefix: &str) -> Result<Option<String>, ClusterError> {
    let missing = missing_templates(cluster, prefix).await?;
    Ok(missing.first().map(|first| format!("{first} is missing: run `elkhound setup` first, it installs templates and mappings")))
}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    Ok(runtime.block_on(future))
}
