//! Sinks: where anomalies and run documents go. Delivery is idempotent: the same document twice is one document.

pub mod anomaly_index;
pub mod memory;
pub mod ndjson;

use crate::model::{Anomaly, RunDocument};

/// What became of documents that were delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Written now.
    pub created: u64,
    /// Were there already (a replay).
    pub already_there: u64,
    /// Refused for good and put aside.
    pub rejected: u64,
    /// Requests sent again.
    pub retries: u64,
}

impl Receipt {
    /// Adds the figures of another.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.already_there += other.already_there;
        self.rejected += other.rejected;
        self.retries += other.retries;
    }
}

/// Why a delivery did not happen; the window is held and tried again.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What is wrong, where, and what to do.
    pub message: String,
    /// True when trying again cannot help until a person acts.
    pub is_permanent: bool,
}

/// A place that takes documents.
#[async_trait::async_trait]
pub trait Sink: Send {
    /// Delivers anomalies; returns only when each is safe, was there already or was refused for good.
    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError>;

    /// Delivers the proof of a window.
    async fn deliver_run(&mut self, run: &RunDocument) -> Result<Receipt, SinkError>;
}
