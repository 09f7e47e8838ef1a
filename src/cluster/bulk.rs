//! Bulk writes that account for every item. Only creation: an id that is there already is a success, so a window can
//! be delivered twice.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Call, Cluster};
use super::error::{Answer, ClusterError, kind_of};

/// Largest request body before compression: far below the 100 MB a node accepts, large enough to be worth a round trip.
const MAX_BULK_BYTES: usize = 5 << 20;

/// A document to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Index it belongs to.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Its JSON, in one line.
    pub body: Bytes,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Written now.
    Created,
    /// Was there already.
    AlreadyThere,
    /// Refused for good: the document does not fit the mapping. It belongs on the dead-letter list.
    Rejected {
        /// Status of the item.
        status: u16,
        /// What the engine said.
        reason: String,
    },
}

/// Result of a bulk write: one verdict per document, in order, and how often something was sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// One per document.
    pub verdicts: Vec<Verdict>,
    /// Requests sent again, whole or in part.
    pub retries: u64,
}

#[derive(Debug, Deserialize)]
struct BulkAnswer {
    items: Vec<BulkItem>,
}

#[derive(Debug, Deserialize)]
struct BulkItem {
    create: ItemResult,
}

#[derive(Debug, Deserialize)]
struct ItemResult {
    status: u16,
    #[serde(default)]
    error: Value,
}

/// Creates documents. `Ok` only when each one is written, was there, or was refused for good; any other failure is an
/// error, and doing it all again later is safe.
pub async fn create(cluster: &Cluster, documents: &[NewDocument]) -> Result<BulkOutcome, ClusterError> {
    let mut outcome = BulkOutcome::default();
    let mut rest = documents;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        let verdicts = create_batch(cluster, batch, &mut outcome.retries).await?;
        outcome.verdicts.extend(verdicts);
        rest = after;
    }
    Ok(outcome)
}

/// How many of the first documents go into one request: at least one.
fn batch_len(documents: &[NewDocument]) -> usize {
    let mut bytes = 0;
    let fitting = documents.iter().take_while(|d| {
        bytes += d.body.len() + 200;
        bytes <= MAX_BULK_BYTES
    });
    fitting.count().max(1)
}

async fn create_batch(cluster: &Cluster, batch: &[NewDocument], retries: &mut u64) -> Result<Vec<Verdict>, ClusterError> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.len()];
    let mut open: Vec<usize> = (0..batch.len()).collect();
    let attempts = cluster.budget().limits().attempts.max(1);
    for attempt in 1..=attempts {
        let expected = open.len();
        let call = Call::post("/_bulk").with("filter_path", "errors,items.*.status,items.*.error").ndjson(body(batch, &open));
        let (reply, answer) = cluster
            .send_checked(call, |reply| {
                let answer: BulkAnswer = reply.read()?;
                if answer.items.len() == expected {
                    return Ok(answer);
                }
                let detail = format!("{} verdicts for {expected} documents", answer.items.len());
                Err(ClusterError::new(super::ErrorKind::CutBody, reply.place.clone(), detail))
            })
            .await?;
        *retries += u64::from(reply.retries);
        let mut failed = Vec::new();
        let mut worst: Option<ClusterError> = None;
        for (&i, item) in open.iter().zip(answer.items) {
            match verdict(&item.create, &reply.place) {
                Ok(v) => verdicts[i] = Some(v),
                Err(e) if is_passing(&e) => {
                    failed.push(i);
                    worst = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        let Some(error) = worst else { break };
        if attempt == attempts {
            return Err(error);
        }
        *retries += 1;
        let pause = cluster.before_retry(&error, attempt);
        cluster.budget().sleep(pause).await;
        open = failed;
    }
    Ok(verdicts.into_iter().flatten().collect())
}

/// Whether an item's failure may pass by itself within this call.
fn is_passing(error: &ClusterError) -> bool {
    error.answer() == Answer::Retry || error.kind == super::ErrorKind::Breaker
}

/// Judges one item.
fn verdict(item: &ItemResult, place: &str) -> Result<Verdict, ClusterError> {
    let text = item.error.to_string();
    let name = item.error.get("type").and_then(Value::as_str).unwrap_or_default();
    match item.status {
        200 | 201 => Ok(Verdict::Created),
        409 => Ok(Verdict::AlreadyThere),
        400 if kind_of(400, name, &text) == super::ErrorKind::Refused => Ok(Verdict::Rejected { status: 400, reason: text }),
        413 => Ok(Verdict::Rejected { status: 413, reason: text }),
        status => Err(ClusterError::new(kind_of(status, name, &text), place, format!("an item failed with status {status}: {text}"))),
    }
}

fn body(batch: &[NewDocument], open: &[usize]) -> Bytes {
    let mut out = BytesMut::new();
    for document in open.iter().filter_map(|&i| batch.get(i)) {
        out.put_slice(json!({ "create": { "_index": document.index, "_id": document.id } }).to_string().as_bytes());
        out.put_u8(b'\n');
        out.put_slice(&document.body);
        out.put_u8(b'\n');
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ErrorKind;

    fn item(status: u16, error: Value) -> ItemResult {
        ItemResult { status, error }
    }

    #[test]
    fn every_item_is_judged_by_itself() {
        let p = "POST /_bulk";
        assert_eq!(verdict(&item(201, Value::Null), p), Ok(Verdict::Created));
        assert_eq!(verdict(&item(409, json!({"type":"version_conflict_engine_exception"})), p), Ok(Verdict::AlreadyThere));
        assert!(matches!(verdict(&item(400, json!({"type":"mapper_parsing_exception"})), p), Ok(Verdict::Rejected { status: 400, .. })));
        for (status, error, kind) in [
            (429, json!({"type":"es_rejected_execution_exception"}), ErrorKind::Busy),
            (503, json!({"type":"unavailable_shards_exception"}), ErrorKind::Busy),
            (403, json!({"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/8/index write (api)];"}), ErrorKind::ReadOnly),
            (404, json!({"type":"index_not_found_exception"}), ErrorKind::NoIndex),
            (403, json!({"type":"security_exception"}), ErrorKind::Forbidden),
            (400, json!({"type":"index_closed_exception"}), ErrorKind::NoIndex),
        ] {
            assert_eq!(verdict(&item(status, error), p).unwrap_err().kind, kind);
        }
    }

    #[test]
    fn a_batch_is_bounded_by_bytes_and_never_empty() {
        let doc = |n: usize| NewDocument { index: "i".into(), id: "1".into(), body: vec![b'x'; n].into() };
        assert_eq!(batch_len(&[doc(MAX_BULK_BYTES * 2), doc(1)]), 1);
        assert_eq!(batch_len(&[doc(2 << 20), doc(2 << 20), doc(2 << 20)]), 2);
        assert_eq!(batch_len(&[]), 1);
    }
}
