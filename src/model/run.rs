//! The proof of a window: what was read, scored, skipped, and what it cost.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// One document per job and window. A missing one is an alarm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunDocument {
    /// Job id.
    pub job: String,
    /// Window start, milliseconds of the epoch.
    pub start_ms: i64,
    /// Window end, milliseconds of the epoch.
    pub end_ms: i64,
    /// `done`, or why the window was held.
    pub verdict: String,
    /// How the data was read: `aggregations`, `documents`, `file`, and why.
    pub strategy: String,
    /// Buckets in the window.
    pub buckets: u64,
    /// Documents (or lines) read or counted.
    pub documents: u64,
    /// Documents that are in no row.
    pub skipped_documents: u64,
    /// Rows that were scored: one for each entity and bucket.
    pub rows: u64,
    /// Entities dropped or evicted because of the memory bound.
    pub dropped_entities: u64,
    /// Anomalies reported.
    pub anomalies: u64,
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
    /// Our own CPU time, milliseconds (not part of what replays compare).
    pub cpu_ms: u64,
    /// Wall time of the cycle, milliseconds (not part of what replays compare).
    pub duration_ms: u64,
    /// Share of judged rows that were reported, over about the last day.
    pub flagged_share: Option<f64>,
    /// Rows reported a day, over about the last day, as a multiple of the alert budget.
    pub flagged_of_budget: Option<f64>,
    /// Population stability index of the feature that has moved most: the last day against the last two weeks.
    pub feature_shift: Option<f64>,
    /// That feature's name.
    pub shifted_feature: String,
    /// How long before the window's end the models last learned a row, milliseconds; 0 when they never did.
    pub model_age_ms: u64,
    /// Counted skips.
    pub problems: Vec<Problem>,
    /// Revision of the window: 0 at first.
    pub revision: u32,
}
