//! The index of anomalies and run documents: created once under an id that says what they are about, so that a window
//! can be delivered again without a second document.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Receipt, Sink, SinkError};
use crate::cluster::bulk::{self, NewDocument, Verdict};
use crate::cluster::document::{self, Change};
use crate::cluster::{Cluster, ClusterError, ErrorKind};
use crate::model::document::{monthly_index, run_to_document, to_document};
use crate::model::time::iso;
use crate::model::{Anomaly, RunDocument, ids};

/// How often a revision is tried again when somebody else changes the document in between.
const REVISION_ATTEMPTS: u32 = 5;

/// Tells the wall time in milliseconds of the epoch, for `event.ingested` alone.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Writes anomalies and run documents into a cluster.
pub struct AnomalyIndex {
    cluster: Cluster,
    prefix: String,
    now_ms: NowMs,
}

impl From<ClusterError> for SinkError {
    fn from(e: ClusterError) -> Self {
        Self { message: e.to_string(), is_permanent: e.is_permanent() }
    }
}

impl AnomalyIndex {
    /// Writes to indices whose names begin with `prefix`.
    pub fn new(cluster: Cluster, prefix: impl Into<String>, now_ms: NowMs) -> Self {
        Self { cluster, prefix: prefix.into(), now_ms }
    }

    fn stamped(&self, mut document: Value) -> Value {
        if let Some(event) = document.get_mut("event").and_then(Value::as_object_mut) {
            event.insert("ingested".into(), json!(iso((self.now_ms)())));
        }
        document
    }

    fn new_document(&self, kind: &str, at_ms: i64, id: String, document: Value) -> NewDocument {
        let body = Bytes::from(self.stamped(document).to_string());
        NewDocument { index: monthly_index(&self.prefix, kind, at_ms), id, body }
    }

    /// Creates documents; those that the mapping refuses go on the dead-letter list: a log line each, counted.
    async fn create(&self, documents: &[NewDocument]) -> Result<Receipt, ClusterError> {
        let outcome = bulk::create(&self.cluster, documents).await?;
        let mut receipt = Receipt { retries: outcome.retries, ..Receipt::default() };
        for (document, verdict) in documents.iter().zip(outcome.verdicts) {
            match verdict {
                Verdict::Created => receipt.created += 1,
                Verdict::AlreadyThere => receipt.already_there += 1,
                Verdict::Rejected { status, reason } => {
                    receipt.rejected += 1;
                    tracing::error!(index = document.index, id = document.id, status, reason, "the index refused a document; run `elkhound setup`");
                }
            }
        }
        Ok(receipt)
    }

    /// Writes a later revision over an earlier one, never the other way round.
    async fn revise(&self, anomaly: &Anomaly) -> Result<Receipt, ClusterError> {
        let index = monthly_index(&self.prefix, "anomalies", anomaly.start_ms);
        let mut document = self.stamped(to_document(anomaly));
        for _ in 0..REVISION_ATTEMPTS {
            let stored = match document::get(&self.cluster, &index, &anomaly.id).await {
                Err(e) if e.kind == ErrorKind::NoIndex => None,
                other => other?,
            };
            let revision = stored.as_ref().and_then(|s| s.source.pointer("/elkhound/revision").and_then(Value::as_u64));
            if revision.is_some_and(|there| there >= u64::from(anomaly.revision)) {
                return Ok(Receipt { already_there: 1, ..Receipt::default() });
            }
            // What people decided about a finding outlives its revisions.
            for name in ["status", "suppressed_by"] {
                if let Some(kept) = stored.as_ref().and_then(|s| s.source.pointer(&format!("/elkhound/{name}"))) {
                    document["elkhound"][name] = kept.clone();
                }
            }
            let version = stored.map(|s| s.version);
            if let Change::Done(_) = document::put(&self.cluster, &index, &anomaly.id, &document, version).await? {
                return Ok(Receipt { created: 1, ..Receipt::default() });
            }
        }
        Err(ClusterError::new(ErrorKind::Conflict, index, format!("revision {} of {}", anomaly.revision, anomaly.id)))
    }
}

#[async_trait::async_trait]
impl Sink for AnomalyIndex {
    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError> {
        let new: Vec<_> =
            anomalies.iter().filter(|a| a.revision == 0).map(|a| self.new_document("anomalies", a.start_ms, a.id.clone(), to_document(a))).collect();
        let mut receipt = self.create(&new).await?;
        for anomaly in anomalies.iter().filter(|a| a.revision > 0) {
            receipt.add(self.revise(anomaly).await?);
        }
        Ok(receipt)
    }

    async fn deliver_run(&mut self, run: &RunDocument) -> Result<Receipt, SinkError> {
        let id = ids::run_id(&run.job, run.start_ms, run.end_ms);
        let document = self.new_document("runs", run.start_ms, id, run_to_document(run));
        Ok(self.create(&[document]).await?)
    }
}
