//! Points in time, and paging through raw documents under one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Call, Cluster, path};
use super::error::{ClusterError, ErrorKind};
use super::flavor::{Flavor, PointInTimeApi};
use super::page::Envelope;

/// How long an idle point in time lives: longer than one page may take, short enough that a killed worker's are gone soon.
const KEEP_ALIVE: &str = "2m";

/// A frozen view of an index pattern. Close it; a dropped one is closed in the background.
#[derive(Debug)]
pub struct PointInTime {
    cluster: Cluster,
    api: PointInTimeApi,
    id: Option<String>,
}

#[derive(Deserialize)]
struct Opened {
    #[serde(alias = "pit_id")]
    id: String,
}

impl PointInTime {
    /// Opens one over an index pattern, or `None` when the engine has no such thing.
    pub async fn open(cluster: &Cluster, flavor: &Flavor, index: &str) -> Result<Option<Self>, ClusterError> {
        let Some(api) = flavor.point_in_time else { return Ok(None) };
        let call = match api {
            PointInTimeApi::Pit => Call::post(path(&[index, "_pit"])),
            // A view without some of its shards would lose their documents in silence.
            PointInTimeApi::SearchPointInTime => Call::post(path(&[index, "_search", "point_in_time"])).with("allow_partial_pit_creation", false),
        };
        let opened: Opened = cluster.fetch(call.with("keep_alive", KEEP_ALIVE)).await.map_err(|e| no_index_in_disguise(e, index))?;
        cluster.count_point_in_time(1);
        Ok(Some(Self { cluster: cluster.clone(), api, id: Some(opened.id) }))
    }

    /// Its part of a search body.
    pub(super) fn clause(&self) -> Value {
        json!({ "id": self.id.as_deref().unwrap_or_default(), "keep_alive": KEEP_ALIVE })
    }

    /// Takes over the id that the last answer gave.
    pub(super) fn renew(&mut self, id: Option<String>) {
        if id.is_some() {
            self.id = id;
        }
    }

    /// Gives it back to the engine. A failure is of no consequence: it expires by itself.
    pub async fn close(mut self) {
        if let Some(call) = self.take_closing() {
            let _ = self.cluster.send(call).await;
        }
    }

    fn take_closing(&mut self) -> Option<Call> {
        let id = self.id.take()?;
        self.cluster.count_point_in_time(-1);
        Some(match self.api {
            PointInTimeApi::Pit => Call::delete("/_pit").json(&json!({ "id": id })),
            PointInTimeApi::SearchPointInTime => Call::delete("/_search/point_in_time").json(&json!({ "pit_id": [id] })),
        })
    }
}

/// OpenSearch answers 400 with a null pointer when the pattern matches no index.
fn no_index_in_disguise(error: ClusterError, index: &str) -> ClusterError {
    if error.kind == ErrorKind::Refused && error.detail.contains("invalid id: [null]") {
        return ClusterError::new(ErrorKind::NoIndex, error.place, format!("`{index}` matches no index"));
    }
    error
}

impl Drop for PointInTime {
    fn drop(&mut self) {
        let Some(call) = self.take_closing() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let cluster = self.cluster.clone();
            runtime.spawn(async move {
                let _ = cluster.send(call).await;
            });
        }
    }
}

/// What reading cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Searches that were answered.
    pub searches: u64,
    /// Pages that held rows.
    pub pages: u64,
    /// Rows (entities or documents).
    pub rows: u64,
    /// Documents that matched, as the engine counted them.
    pub documents: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Bytes received, decompressed.
    pub received_bytes: u64,
    /// What the engine says it took, milliseconds.
    pub took_ms: u64,
}

/// Sends one search under a point in time, or at an index where there is none, and checks its envelope.
pub(super) async fn search(
    cluster: &Cluster,
    pit: &mut Option<PointInTime>,
    index: &str,
    mut body: Value,
    stats: &mut ReadStats,
) -> Result<(super::Reply, Envelope), ClusterError> {
    let call = match pit {
        Some(pit) => {
            body["pit"] = pit.clause();
            Call::post("/_search")
        }
        None => Call::post(path(&[index, "_search"])).with("allow_no_indices", false),
    };
    let call = call.with("allow_partial_search_results", false).with("request_cache", false).json(&body);
    let (reply, mut envelope) = cluster.send_checked(call, Envelope::of).await?;
    stats.searches += 1;
    stats.retries += u64::from(reply.retries);
    stats.received_bytes += reply.body.len() as u64;
    stats.took_ms += envelope.took;
    if let Some(pit) = pit {
        pit.renew(envelope.pit_id.take());
    }
    Ok((reply, envelope))
}

/// A question for raw documents.
#[derive(Debug, Clone)]
pub struct HitsQuery<'a> {
    /// Index pattern.
    pub index: &'a str,
    /// Which documents.
    pub query: Value,
    /// Field to sort by, ascending: the time field.
    pub sort_field: &'a str,
    /// Fields to return from doc values, with a format where one is needed.
    pub docvalue_fields: Vec<Value>,
    /// Fields to return from the source document; empty: none.
    pub source_fields: Vec<String>,
    /// Documents a page (at most `index.max_result_window`, 10,000 unless changed).
    pub page_size: u32,
}

/// A raw document.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hit {
    /// Index that holds it.
    #[serde(rename = "_index")]
    pub index: String,
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// What was asked for of the source document.
    #[serde(rename = "_source")]
    pub source: Value,
    /// What was asked for of doc values; each is a list.
    pub fields: BTreeMap<String, Vec<Value>>,
    /// Its place in the order.
    pub sort: Vec<Value>,
}

#[derive(Deserialize)]
struct HitsPage {
    hits: HitsList,
}

#[derive(Deserialize)]
struct HitsList {
    hits: Vec<Hit>,
}

/// Orders that break ties, best first. Without one OpenSearch loses documents that tie, with HTTP 200; with `_doc` or
/// `_seq_no` it loses those of other shards. `_shard_doc` is refused by OpenSearch 2, `_id` by Elasticsearch 8 and later.
const TIEBREAKS: [&str; 2] = ["_shard_doc", "_id"];

/// Pages through all documents of a query, in the order of `sort_field`; `on_page` is handed whole pages and may end
/// the reading by answering `false`. On an error nothing that was handed out counts.
pub async fn hits(
    cluster: &Cluster,
    flavor: &Flavor,
    query: &HitsQuery<'_>,
    on_page: &mut (dyn FnMut(&[Hit]) -> bool + Send),
) -> Result<ReadStats, ClusterError> {
    let mut pit = PointInTime::open(cluster, flavor, query.index).await?;
    if pit.is_none() {
        let place = path(&[query.index, "_search"]);
        return Err(ClusterError::new(
            ErrorKind::Misconfigured,
            place,
            "raw documents need points in time: Elasticsearch 7.10, OpenSearch 2.4 or later",
        ));
    }
    let result = hits_under(cluster, &mut pit, query, on_page).await;
    if let Some(pit) = pit {
        pit.close().await;
    }
    result
}

/// The first document of a query in the order of its sort field, without a point in time: one search that looks at few documents.
pub async fn first_hit(cluster: &Cluster, query: &HitsQuery<'_>, stats: &mut ReadStats) -> Result<Option<Hit>, ClusterError> {
    let body = json!({
        "size": 1,
        "track_total_hits": false,
        "query": query.query,
        "sort": [{ query.sort_field: "asc" }],
        "_source": false,
        "docvalue_fields": query.docvalue_fields,
    });
    let (reply, _) = search(cluster, &mut None, query.index, body, stats).await?;
    let page: HitsPage = reply.read()?;
    Ok(page.hits.hits.into_iter().next())
}

async fn hits_under(
    cluster: &Cluster,
    pit: &mut Option<PointInTime>,
    query: &HitsQuery<'_>,
    on_page: &mut (dyn FnMut(&[Hit]) -> bool + Send),
) -> Result<ReadStats, ClusterError> {
    let mut stats = ReadStats::default();
    let mut tiebreaks = TIEBREAKS.iter();
    let mut tiebreak = tiebreaks.next().copied().unwrap_or_default();
    let mut after: Option<Vec<Value>> = None;
    loop {
        let mut body = json!({
            "size": query.page_size,
            "track_total_hits": after.is_none(),
            "query": query.query,
            "sort": [{ query.sort_field: "asc" }, { tiebreak: "asc" }],
            "_source": if query.source_fields.is_empty() { json!(false) } else { json!(query.source_fields) },
            "docvalue_fields": query.docvalue_fields,
        });
        if let Some(after) = &after {
            body["search_after"] = json!(after);
        }
        let (reply, envelope) = match search(cluster, pit, query.index, body, &mut stats).await {
            Err(e) if e.kind == ErrorKind::Refused && after.is_none() => match tiebreaks.next() {
                Some(next) => {
                    tiebreak = next;
                    continue;
                }
                None => return Err(e),
            },
            other => other?,
        };
        if after.is_none() {
            stats.documents = envelope.hits.total.map_or(0, |t| t.value);
        }
        let page: HitsPage = reply.read()?;
        let hits = page.hits.hits;
        let Some(last) = hits.last() else { break };
        after = Some(last.sort.clone());
        stats.pages += 1;
        stats.rows += hits.len() as u64;
        if !on_page(&hits) {
            return Ok(stats);
        }
    }
    if stats.rows != stats.documents {
        // The view is frozen, so the two can only differ when paging went wrong.
        let detail = format!("{} of {} documents came", stats.rows, stats.documents);
        return Err(ClusterError::new(ErrorKind::Partial, path(&[query.index, "_search"]), detail));
    }
    Ok(stats)
}
