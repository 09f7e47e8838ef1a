//! State in the cluster: the checkpoint in `elkhound-state`, moved by compare-and-set; snapshots in `elkhound-models`,
//! compressed, in chunks, and counted only once the list of snapshots names them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Checkpoint, StateError, StateStore};
use crate::cluster::bulk::{self, NewDocument, Verdict};
use crate::cluster::document::{self, Change, Stored, Version};
use crate::cluster::{Cluster, ClusterError, ErrorKind};
use crate::model::ids::document_id;

/// Version of the documents written here; a newer one is refused, never overwritten.
const FORMAT: u32 = 1;
/// Bytes of a compressed snapshot in one document.
const CHUNK_BYTES: usize = 1 << 20;
/// Snapshots kept per job.
const KEPT: usize = 3;
/// Largest snapshot that is read back, decompressed.
const MAX_SNAPSHOT_BYTES: u64 = 4 << 30;

/// Checkpoints and snapshots in a cluster.
pub struct ClusterStore {
    cluster: Cluster,
    prefix: String,
    owner: String,
    /// The checkpoint of each job as this worker last saw it, and the version of its document.
    seen: BTreeMap<String, (Checkpoint, Version)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CheckpointDocument {
    format: u32,
    kind: String,
    owner: String,
    job: String,
    next_ms: i64,
    report_from_ms: i64,
    snapshot_ms: Option<i64>,
    epoch: u64,
    config_hash: String,
}

/// The list of a job's snapshots, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SnapshotList {
    format: u32,
    kind: String,
    job: String,
    snapshots: Vec<SnapshotEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SnapshotEntry {
    at_ms: i64,
    chunks: usize,
    size_bytes: u64,
    sha256: String,
}

impl From<ClusterError> for StateError {
    fn from(e: ClusterError) -> Self {
        Self::Store { message: e.to_string(), is_permanent: e.is_permanent() }
    }
}

impl ClusterStore {
    /// Keeps state in indices whose names begin with `prefix`; `owner` names this worker and no other.
    pub fn new(cluster: Cluster, prefix: impl Into<String>, owner: impl Into<String>) -> Self {
        Self { cluster, prefix: prefix.into(), owner: owner.into(), seen: BTreeMap::new() }
    }

    fn state_index(&self) -> String {
        format!("{}-state", self.prefix)
    }

    fn models_index(&self) -> String {
        format!("{}-models", self.prefix)
    }

    /// Reads a document of the state index; an index that is not there yet holds nothing.
    async fn read(&self, id: &str) -> Result<Option<Stored>, ClusterError> {
        match document::get(&self.cluster, &self.state_index(), id).await {
            Err(e) if e.kind == ErrorKind::NoIndex => Ok(None),
            other => other,
        }
    }

    async fn read_checkpoint(&self, job: &str) -> Result<Option<(CheckpointDocument, Version)>, StateError> {
        let Some(stored) = self.read(&checkpoint_id(job)).await? else { return Ok(None) };
        let document = readable::<CheckpointDocument>(&stored.source, "checkpoint", job)?;
        Ok(Some((document, stored.version)))
    }

    async fn read_list(&self, job: &str) -> Result<(Vec<SnapshotEntry>, Option<Version>), StateError> {
        let Some(stored) = self.read(&list_id(job)).await? else { return Ok((Vec::new(), None)) };
        let list = readable::<SnapshotList>(&stored.source, "list of snapshots", job)?;
        Ok((list.snapshots, Some(stored.version)))
    }

    /// Writes the chunks of a snapshot. Their ids contain its checksum, so a chunk that is there already is the same.
    async fn write_chunks(&self, job: &str, entry: &SnapshotEntry, compressed: &[u8]) -> Result<(), StateError> {
        let index = self.models_index();
        for (i, chunk) in compressed.chunks(CHUNK_BYTES).enumerate() {
            let body = json!({ "format": FORMAT, "job": job, "at_ms": entry.at_ms, "chunk": i, "data": BASE64.encode(chunk) });
            let document = NewDocument { index: index.clone(), id: chunk_id(job, entry, i), body: body.to_string().into() };
            let outcome = bulk::create(&self.cluster, &[document]).await?;
            if let Some(Verdict::Rejected { reason, .. }) = outcome.verdicts.first() {
                let message = format!("`{index}` refuses a part of the snapshot of job `{job}`: {reason}. Run `elkhound setup`");
                return Err(StateError::Store { message, is_permanent: true });
            }
        }
        Ok(())
    }

    /// Names a snapshot in the job's list and returns the entries that fell off its end.
    async fn add_to_list(&self, job: &str, entry: &SnapshotEntry) -> Result<Vec<SnapshotEntry>, StateError> {
        for _ in 0..5 {
            let (mut snapshots, version) = self.read_list(job).await?;
            let mut dropped: Vec<_> = snapshots.extract_if(.., |s| s.at_ms == entry.at_ms).filter(|s| s != entry).collect();
            // In the order in which they were saved: after a change of configuration a newer one may be about an older time.
            snapshots.push(entry.clone());
            dropped.extend(snapshots.drain(..snapshots.len().saturating_sub(KEPT)));
            let list = SnapshotList { format: FORMAT, kind: "snapshots".into(), job: job.into(), snapshots };
            let source = serde_json::to_value(&list).map_err(|e| StateError::Unreadable(e.to_string()))?;
            if let Change::Done(_) = document::put(&self.cluster, &self.state_index(), &list_id(job), &source, version).await? {
                return Ok(dropped);
            }
        }
        Err(StateError::Conflict { job: job.into() })
    }

    async fn read_chunk(&self, job: &str, entry: &SnapshotEntry, i: usize) -> Result<Vec<u8>, StateError> {
        let broken = |what: &str| StateError::Unreadable(format!("the snapshot of job `{job}` at {} cannot be used: chunk {i} {what}", entry.at_ms));
        let stored = document::get(&self.cluster, &self.models_index(), &chunk_id(job, entry, i)).await?;
        let stored = stored.ok_or_else(|| broken("is missing"))?;
        let text = stored.source.get("data").and_then(Value::as_str).ok_or_else(|| broken("has no data"))?;
        BASE64.decode(text).map_err(|_| broken("is not base64"))
    }
}

fn checkpoint_id(job: &str) -> String {
    document_id(&[b"checkpoint", job.as_bytes()])
}

fn list_id(job: &str) -> String {
    document_id(&[b"snapshots", job.as_bytes()])
}

fn chunk_id(job: &str, entry: &SnapshotEntry, i: usize) -> String {
    document_id(&[b"chunk", job.as_bytes(), &entry.at_ms.to_be_bytes(), entry.sha256.as_bytes(), &(i as u64).to_be_bytes()])
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads one of our own documents; a newer version than ours is refused loudly.
fn readable<T: serde::de::DeserializeOwned>(source: &Value, what: &str, job: &str) -> Result<T, StateError> {
    let format = source.get("format").and_then(Value::as_u64).unwrap_or(0);
    if format != u64::from(FORMAT) {
        return Err(StateError::Unreadable(format!(
            "the {what} of job `{job}` has format {format}, this version reads {FORMAT}: use a newer Elkhound, or another prefix"
        )));
    }
    serde_json::from_value(source.clone()).map_err(|e| StateError::Unreadable(format!("the {what} of job `{job}` cannot be read: {e}")))
}

impl CheckpointDocument {
    fn new(checkpoint: &Checkpoint, owner: &str) -> Self {
        Self {
            format: FORMAT,
            kind: "checkpoint".into(),
            owner: owner.into(),
            job: checkpoint.job.clone(),
            next_ms: checkpoint.next_ms,
            report_from_ms: checkpoint.report_from_ms,
            snapshot_ms: checkpoint.snapshot_ms,
            epoch: checkpoint.epoch,
            config_hash: checkpoint.config_hash.clone(),
        }
    }

    fn checkpoint(self) -> Checkpoint {
        Checkpoint {
            job: self.job,
            next_ms: self.next_ms,
            report_from_ms: self.report_from_ms,
            snapshot_ms: self.snapshot_ms,
            epoch: self.epoch,
            config_hash: self.config_hash,
        }
    }
}

#[async_trait::async_trait]
impl StateStore for ClusterStore {
    async fn load_checkpoint(&mut self, job: &str) -> Result<Option<Checkpoint>, StateError> {
        self.seen.remove(job);
        let Some((document, version)) = self.read_checkpoint(job).await? else { return Ok(None) };
        let checkpoint = document.checkpoint();
        self.seen.insert(job.to_owned(), (checkpoint.clone(), version));
        Ok(Some(checkpoint))
    }

    async fn load_snapshot(&mut self, job: &str, at_ms: i64) -> Result<Vec<u8>, StateError> {
        let (list, _) = self.read_list(job).await?;
        let entry = list.into_iter().find(|s| s.at_ms == at_ms);
        let entry = entry.ok_or_else(|| StateError::Unreadable(format!("job `{job}` has no snapshot at {at_ms}")))?;
        let mut compressed = Vec::new();
        for i in 0..entry.chunks {
            compressed.extend(self.read_chunk(job, &entry, i).await?);
        }
        if hex_sha256(&compressed) != entry.sha256 || entry.size_bytes > MAX_SNAPSHOT_BYTES {
            return Err(StateError::Unreadable(format!("the snapshot of job `{job}` at {at_ms} does not fit its checksum")));
        }
        let capacity = usize::try_from(entry.size_bytes).unwrap_or(usize::MAX);
        zstd::bulk::decompress(&compressed, capacity).map_err(|e| StateError::Unreadable(format!("the snapshot of job `{job}` at {at_ms}: {e}")))
    }

    async fn save_snapshot(&mut self, job: &str, at_ms: i64, bytes: &[u8]) -> Result<(), StateError> {
        let compressed = zstd::bulk::compress(bytes, 3).map_err(|e| StateError::Unreadable(format!("the snapshot of job `{job}`: {e}")))?;
        let entry =
            SnapshotEntry { at_ms, chunks: compressed.chunks(CHUNK_BYTES).len(), size_bytes: bytes.len() as u64, sha256: hex_sha256(&compressed) };
        self.write_chunks(job, &entry, &compressed).await?;
        for old in self.add_to_list(job, &entry).await? {
            for i in 0..old.chunks {
                document::delete(&self.cluster, &self.models_index(), &chunk_id(job, &old, i)).await?;
            }
        }
        Ok(())
    }

    async fn commit(&mut self, from: Option<&Checkpoint>, to: &Checkpoint) -> Result<(), StateError> {
        let conflict = || StateError::Conflict { job: to.job.clone() };
        let document = CheckpointDocument::new(to, &self.owner);
        let source = serde_json::to_value(&document).map_err(|e| StateError::Unreadable(e.to_string()))?;
        let version = match (from, self.seen.get(&to.job)) {
            (None, _) => None,
            (Some(from), Some((seen, version))) if seen == from => Some(*version),
            (Some(from), _) => match self.read_checkpoint(&to.job).await? {
                Some((there, version)) if there.clone().checkpoint() == *from || there == document => Some(version),
                _ => return Err(conflict()),
            },
        };
        let version = match document::put(&self.cluster, &self.state_index(), &checkpoint_id(&to.job), &source, version).await? {
            Change::Done(version) => version,
            // Perhaps it was we who moved it, and the answer was lost.
            Change::Conflict => match self.read_checkpoint(&to.job).await? {
                Some((there, version)) if there == document => version,
                _ => return Err(conflict()),
            },
        };
        self.seen.insert(to.job.clone(), (to.clone(), version));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_ids_differ_by_content() {
        let checkpoint = Checkpoint { job: "web".into(), next_ms: 5, ..Checkpoint::default() };
        let mut source = serde_json::to_value(CheckpointDocument::new(&checkpoint, "me")).unwrap();
        assert_eq!(readable::<CheckpointDocument>(&source, "checkpoint", "web").unwrap().checkpoint(), checkpoint);
        source["format"] = json!(2);
        let error = readable::<CheckpointDocument>(&source, "checkpoint", "web").unwrap_err();
        assert!(error.to_string().contains("format 2"), "{error}");
        let entry = |sha: &str| SnapshotEntry { at_ms: 0, chunks: 1, size_bytes: 1, sha256: sha.into() };
        assert_ne!(chunk_id("web", &entry("a"), 0), chunk_id("web", &entry("b"), 0));
        assert_ne!(chunk_id("web", &entry("a"), 0), chunk_id("web", &entry("a"), 1));
    }
}
