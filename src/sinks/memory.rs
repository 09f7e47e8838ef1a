//! Documents kept in memory: for the table and the page of a scan, and for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Receipt, Sink, SinkError};
use crate::model::{Anomaly, RunDocument};

/// What was delivered.
#[derive(Debug, Clone, Default)]
pub struct Delivered {
    /// Anomalies, in order of delivery; beyond the bound only the highest scores.
    pub anomalies: Vec<Anomaly>,
    /// Anomalies that were let go because of the bound.
    pub left_out: u64,
    /// Run documents, in order of delivery.
    pub runs: Vec<RunDocument>,
}

/// Keeps documents in memory that its owner can look at; clones share them.
#[derive(Debug, Clone)]
pub struct MemorySink {
    delivered: Arc<Mutex<Delivered>>,
    max_anomalies: usize,
}

impl MemorySink {
    /// Keeps at most this many anomalies: those with the highest scores.
    pub fn new(max_anomalies: usize) -> Self {
        Self { delivered: Arc::default(), max_anomalies: max_anomalies.max(1) }
    }

    /// What was delivered so far.
    pub fn delivered(&self) -> MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Sink for MemorySink {
    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError> {
        let mut d = self.delivered();
        d.anomalies.extend_from_slice(anomalies);
        if d.anomalies.len() > 2 * self.max_anomalies {
            d.anomalies.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
            d.left_out += (d.anomalies.len() - self.max_anomalies) as u64;
            d.anomalies.truncate(self.max_anomalies);
        }
        Ok(Receipt { created: anomalies.len() as u64, ..Receipt::default() })
    }

    async fn deliver_run(&mut self, run: &RunDocument) -> Result<Receipt, SinkError> {
        self.delivered().runs.push(run.clone());
        Ok(Receipt { created: 1, ..Receipt::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_documents_are_kept_and_shared() {
        let mut sink = MemorySink::new(1);
        let watcher = sink.clone();
        let run = RunDocument { documents: 7, ..RunDocument::default() };
        assert!(futures::executor::block_on(sink.deliver_run(&run)).is_ok());
        assert_eq!(watcher.delivered().runs[0].documents, 7);
        assert!(watcher.delivered().anomalies.is_empty());
    }
}
