//! Deterministic document ids and seeds.

use sha2::{Digest, Sha256};

use super::keys::stable_hash;

/// Id of a document: the first 32 hex digits of SHA-256 over the length-prefixed parts, so that no two lists of parts
/// run together. A replay makes the same id and so the same document.
pub fn document_id(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// Id of an anomaly: job, result type, entity key and bucket start.
pub fn anomaly_id(job: &str, entity_key: &[u8], bucket_start_ms: i64) -> String {
    document_id(&[job.as_bytes(), b"anomaly", entity_key, &bucket_start_ms.to_be_bytes()])
}

/// Id of a run document: job and window.
pub fn run_id(job: &str, start_ms: i64, end_ms: i64) -> String {
    document_id(&[job.as_bytes(), b"run", &start_ms.to_be_bytes(), &end_ms.to_be_bytes()])
}

/// Id of the data view (index pattern) that shows the logs of an index: the same for everybody who knows prefix, index and
/// time field, so that a link can name it before it is there. Only letters, digits and hyphens are safe in it.
pub fn log_view_id(prefix: &str, index: &str, time_field: &str) -> String {
    let id = document_id(&[index.as_bytes(), b"log view", time_field.as_bytes()]);
    format!("{prefix}-logs-{}", id.get(..12).unwrap_or_default())
}

/// Seed for anything random that a job does at an instant: a function of job and time alone.
pub fn seed(job: &str, purpose: &str, at_ms: i64) -> u64 {
    let mut bytes = Vec::with_capacity(job.len() + purpose.len() + 16);
    for part in [job.as_bytes(), purpose.as_bytes(), &at_ms.to_be_bytes()] {
        bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    stable_hash(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_parts_do_not_run_together() {
        assert_eq!(anomaly_id("web", b"10.0.0.1", 0), anomaly_id("web", b"10.0.0.1", 0));
        assert_ne!(document_id(&[b"ab", b"c"]), document_id(&[b"a", b"bc"]));
        assert_eq!(document_id(&[]), "e3b0c44298fc1c149afbf4c8996fb924");
        assert_ne!(seed("a", "b", 1), seed("ab", "", 1));
    }
}
