//! Single documents, read in real time and changed by compare-and-set: leases, checkpoints, manifests.

use serde::Deserialize;
use serde_json::Value;

use super::client::{Call, Cluster, path};
use super::error::{ClusterError, ErrorKind};

/// The version of a document that a change is made against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// Sequence number.
    #[serde(rename = "_seq_no")]
    pub seq_no: u64,
    /// Primary term.
    #[serde(rename = "_primary_term")]
    pub primary_term: u64,
}

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Stored {
    /// Its version.
    #[serde(flatten)]
    pub version: Version,
    /// Its content.
    #[serde(rename = "_source")]
    pub source: Value,
}

/// Result of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Done; this is its version now.
    Done(Version),
    /// Somebody else was faster, or an answer of ours was lost: read it again.
    Conflict,
}

/// Reads a document by id: real time, unlike a search. `None` when the index is there and the document is not.
pub async fn get(cluster: &Cluster, index: &str, id: &str) -> Result<Option<Stored>, ClusterError> {
    match cluster.fetch(Call::get(path(&[index, "_doc", id]))).await {
        Ok(stored) => Ok(Some(stored)),
        Err(e) if e.kind == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a document, given that it still has `expected` (or does not exist yet, with `None`).
pub async fn put(cluster: &Cluster, index: &str, id: &str, source: &Value, expected: Option<Version>) -> Result<Change, ClusterError> {
    let call = match expected {
        Some(v) => Call::put(path(&[index, "_doc", id])).with("if_seq_no", v.seq_no).with("if_primary_term", v.primary_term),
        None => Call::put(path(&[index, "_create", id])),
    };
    // Once: after a lost answer a second try would meet our own write and call it somebody else's.
    match cluster.fetch::<Version>(call.json(source).once()).await {
        Ok(version) => Ok(Change::Done(version)),
        Err(e) if e.kind == ErrorKind::Conflict => Ok(Change::Conflict),
        Err(e) => Err(e),
    }
}

/// Deletes a document; one that is not there is no error.
pub async fn delete(cluster: &Cluster, index: &str, id: &str) -> Result<(), ClusterError> {
    match cluster.send(Call::delete(path(&[index, "_doc", id]))).await {
        Ok(_) => Ok(()),
        Err(e) if matches!(e.kind, ErrorKind::NotFound | ErrorKind::NoIndex) => Ok(()),
        Err(e) => Err(e),
    }
}
