//! What commands that talk to a cluster share: the configuration file, the connection, and how trouble ends.

use std::path::PathBuf;

use super::exit::Exit;
use crate::cluster::{ClusterError, ErrorKind};

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

/// Runs a future to its end on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    Ok(runtime.block_on(future))
}
