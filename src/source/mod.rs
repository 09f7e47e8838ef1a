//! Sources: where documents come from.

pub mod columns;
pub mod discover;
pub mod files;
pub mod index;
pub mod memory;
mod rows;
pub mod series;
pub mod table;

use crate::model::{Bucket, Problems, Window};

/// What a fetch cost and skipped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FetchStats {
    /// How the data was read, and why.
    pub strategy: String,
    /// Documents (or lines) read or counted.
    pub documents: u64,
    /// Documents that came too late for their bucket.
    pub late_documents: u64,
    /// Searches sent.
    pub searches: u64,
    /// Pages read.
    pub pages: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// What the engine said it took, milliseconds.
    pub engine_took_ms: u64,
}

/// A window, read.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// One bucket per slice of time, in order; slices without documents are empty buckets.
    pub buckets: Vec<Bucket>,
    /// What it cost.
    pub stats: FetchStats,
    /// Counted skips.
    pub problems: Problems,
}

/// Why a window could not be read; it is held and tried again, never taken for empty.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What is wrong, where, and what to do.
    pub message: String,
    /// True when trying again cannot help until a person acts.
    pub is_permanent: bool,
}

/// A place that documents come from.
#[async_trait::async_trait]
pub trait Source: Send {
    /// Reads a window, all of it or nothing.
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError>;

    /// Up to `limit` raw documents behind a row, as printable lines, for evidence. May be empty.
    async fn sample(&mut self, entity_key: &[u8], window: Window, limit: usize) -> Result<Vec<String>, SourceError>;

    /// Windows up to this instant are over and will be asked for one after the other: a source may find out once for many of them that
    /// they hold nothing.
    fn look_ahead(&mut self, _until_ms: i64) {}

    /// How to search for the documents behind a row, and where to see them; nothing for sources that no server shows.
    fn place(&self, _entity_key: &str, _window: Window) -> discover::Place {
        discover::Place::default()
    }
}
