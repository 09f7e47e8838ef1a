//! Stand-ins that several topics share: an index in memory, a scripted cluster, the real engines.

pub mod cut;
pub mod engines;
pub mod looked;
pub mod script;
pub mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use elkhound::model::{Anomaly, Bucket, RunDocument, Window};
use elkhound::sinks::{Receipt, Sink, SinkError};
use elkhound::source::{Fetched, Source, SourceError};
use elkhound::state::memory::MemoryStore;
use elkhound::state::{Checkpoint, StateError, StateStore};

/// Anomalies and run documents by id, as an index would hold them: the first one written stays.
#[derive(Clone, Default)]
pub struct Index {
    pub anomalies: Arc<Mutex<BTreeMap<String, Anomaly>>>,
    pub runs: Arc<Mutex<Vec<RunDocument>>>,
    /// Deliveries that are refused before one is taken.
    pub faults: Arc<Mutex<u32>>,
}

#[async_trait::async_trait]
impl Sink for Index {
    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError> {
        let mut faults = self.faults.lock().unwrap();
        if *faults > 0 {
            *faults -= 1;
            return Err(SinkError { message: "the index is read-only".into(), is_permanent: false });
        }
        let mut held = self.anomalies.lock().unwrap();
        let mut receipt = Receipt::default();
        for a in anomalies {
            match held.get(&a.id) {
                Some(there) => {
                    assert_eq!(format!("{there:?}"), format!("{a:?}"), "a replay changed a document");
                    receipt.already_there += 1;
                }
                None => {
                    held.insert(a.id.clone(), a.clone());
                    receipt.created += 1;
                }
            }
        }
        Ok(receipt)
    }

    async fn deliver_run(&mut self, run: &RunDocument) -> Result<Receipt, SinkError> {
        self.runs.lock().unwrap().push(run.clone());
        Ok(Receipt::default())
    }
}

/// A store that outlives the worker.
#[derive(Clone, Default)]
pub struct SharedStore(pub Arc<tokio::sync::Mutex<MemoryStore>>);

#[async_trait::async_trait]
impl StateStore for SharedStore {
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError> {
        self.0.lock().await.load_checkpoint(job).await
    }

    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError> {
        self.0.lock().await.load_snapshot(job, at_ms).await
    }

    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError> {
        self.0.lock().await.save_snapshot(job, at_ms, bytes).await
    }

    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError> {
        self.0.lock().await.commit(from, to).await
    }
}

/// A source that makes each bucket with a function of its start.
pub struct MadeBuckets {
    pub make: fn(i64) -> Bucket,
    pub span_ms: i64,
    /// Fetches that fail before one succeeds.
    pub faults: u32,
}

#[async_trait::async_trait]
impl Source for MadeBuckets {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        if self.faults > 0 {
            self.faults -= 1;
            return Err(SourceError { message: "connection refused".into(), is_permanent: false });
        }
        let buckets = window.bucket_starts(self.span_ms).map(self.make).collect();
        Ok(Fetched { buckets, ..Fetched::default() })
    }

    async fn sample(&mut self, _entity_key: &[u8], _window: Window, _limit: usize) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}
