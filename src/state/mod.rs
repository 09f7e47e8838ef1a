//! State: the checkpoint (how far a job has read) and the snapshot (what it has learned).

pub mod cluster_store;
pub mod folder;
pub mod memory;

use serde::{Deserialize, Serialize};

/// How far a job has read, moved only by compare-and-set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Job id.
    pub job: String,
    /// Everything before this instant is done, milliseconds of the epoch.
    pub next_ms: i64,
    /// Buckets that end at or before this instant were learned and not reported, milliseconds of the epoch.
    pub report_from_ms: i64,
    /// Bucket boundary at which the newest snapshot was taken; `None` before the first.
    pub snapshot_ms: Option<i64>,
    /// Goes up by one with every commit; two workers with the same one cannot both move on.
    pub epoch: u64,
    /// Hash of the configuration that the models were made with.
    pub config_hash: String,
}

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else moved the checkpoint: this worker has to load again.
    #[error("the checkpoint of job `{job}` was moved by another worker; loading it again")]
    Conflict {
        /// Job id.
        job: String,
    },
    /// What was stored cannot be used.
    #[error("{0}")]
    Unreadable(String),
    /// The store could not be reached or refused.
    #[error("{message}")]
    Store {
        /// What is wrong, where, and what to do.
        message: String,
        /// True when trying again cannot help until a person acts.
        is_permanent: bool,
    },
}

/// Where checkpoint and snapshots are kept.
#[async_trait::async_trait]
pub trait StateStore: Send {
    /// The job's checkpoint, if there is one.
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError>;

    /// The snapshot that was taken at a bucket boundary, checked against its checksum.
    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError>;

    /// Stores a snapshot (chunked and checksummed where the store needs it); it counts only once a checkpoint names it.
    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError>;

    /// Moves the checkpoint from `from` (`None`: there was none) to `to`, or reports a conflict.
    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError>;
}
