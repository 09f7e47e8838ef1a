//! Empty stretches of the past: one search finds their end, and what is read around them is the same.

use std::sync::Arc;

use elkhound::config::preset_job;
use elkhound::model::Window;
use elkhound::source::index::IndexSource;
use elkhound::source::{Fetched, Source};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, Respond, ResponseTemplate};

use crate::support::script::{connect, flavor, json as answer, options};

const SPAN: i64 = 300_000;
/// Where the first bucket of the tests begins: 2026-01-15, in milliseconds of the epoch.
const START: i64 = 1_768_435_200_000;

/// An index with one request of one client at each of these times.
struct Requests {
    at_ms: Vec<i64>,
    /// Answers to searches for the next document fail.
    is_failing: bool,
}

impl Respond for Requests {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let bound = |end: &str| body.pointer(&format!("/query/bool/filter/0/range/@timestamp/{end}")).and_then(Value::as_i64).unwrap();
        let (from, to) = (bound("gte"), bound("lt"));
        let inside: Vec<i64> = self.at_ms.iter().copied().filter(|t| (from..to).contains(t)).collect();
        let shards = json!({ "total": 1, "successful": 1, "failed": 0 });
        if body["size"] == 1 {
            assert!(body.get("aggs").is_none(), "{body}");
            if self.is_failing {
                return answer(400, json!({ "error": { "type": "illegal_argument_exception", "reason": "no" }, "status": 400 }));
            }
            let hit = |t: &i64| json!({ "_index": "logs", "_id": "1", "fields": { "@timestamp": [t.to_string()] }, "sort": [t] });
            let hits: Vec<Value> = inside.iter().take(1).map(hit).collect();
            return answer(200, json!({ "took": 1, "timed_out": false, "_shards": shards, "hits": { "hits": hits } }));
        }
        let is_first = body.pointer("/aggs/rows/composite/after").is_none();
        let rows: Vec<Value> = inside
            .iter()
            .filter(|_| is_first)
            .map(|_| json!({ "key": { "e0": "192.0.2.1" }, "doc_count": 1, "requests": { "doc_count": 1 } }))
            .collect();
        let mut aggregation = json!({ "buckets": rows });
        if !rows.is_empty() {
            aggregation["after_key"] = json!({ "e0": "192.0.2.1" });
        }
        let total = json!({ "total": { "value": inside.len(), "relation": "eq" }, "hits": [] });
        answer(200, json!({ "took": 1, "timed_out": false, "_shards": shards, "hits": total, "aggregations": { "rows": aggregation } }))
    }
}

/// Reads these windows one after the other, as far as they are looked ahead of, and counts the searches of each.
async fn read(requests: Requests, until: Option<i64>, windows: i64) -> (Vec<Fetched>, Vec<usize>) {
    let server = MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(requests).mount(&server).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    let keys = json!({ "features": [{ "name": "requests", "kind": "count" }], "value_features": [], "detectors": ["robust"] });
    let mut job = preset_job("web_access", &keys).unwrap();
    job.index = "logs".into();
    let mut source = IndexSource::new(Arc::new(job), cluster, flavor()).unwrap();
    if let Some(until) = until {
        source.look_ahead(START + until * SPAN);
    }
    let (mut out, mut searches, mut before) = (Vec::new(), Vec::new(), 0);
    for i in 0..windows {
        out.push(source.fetch(Window::new(START + i * SPAN, START + (i + 1) * SPAN)).await.unwrap());
        let all = server.received_requests().await.unwrap().len();
        searches.push(all - before);
        before = all;
    }
    (out, searches)
}

fn index(buckets: &[i64]) -> Requests {
    Requests { at_ms: buckets.iter().map(|b| START + b * SPAN + 1_000).collect(), is_failing: false }
}

#[tokio::test]
async fn an_empty_stretch_costs_one_search_more_and_no_more_and_changes_nothing() {
    let buckets = |fetched: &[Fetched]| fetched.iter().map(|f| format!("{:?}", f.buckets)).collect::<Vec<_>>();
    let (plain, each) = read(index(&[0, 6, 9]), None, 12).await;
    assert_eq!(each, [2, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1], "nobody looks ahead without a promise that the windows are over");
    let (ahead, searches) = read(index(&[0, 6, 9]), Some(12), 12).await;
    assert_eq!(searches, [2, 2, 0, 0, 0, 0, 2, 2, 0, 2, 2, 0]);
    assert_eq!(buckets(&ahead), buckets(&plain));
    let documents: Vec<u64> = ahead.iter().map(|f| f.stats.documents).collect();
    assert_eq!(documents, [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]);
    assert!(ahead[2].stats.strategy.starts_with("no search") && ahead[1].stats.searches == 2, "{:?}", ahead[2].stats);
}

#[tokio::test]
async fn what_is_not_over_yet_is_not_looked_ahead_of_and_a_failure_is_of_no_consequence() {
    let (_, searches) = read(index(&[]), Some(4), 8).await;
    assert_eq!(searches, [2, 0, 0, 0, 1, 1, 1, 1], "documents may still come to the last four");
    let (fetched, searches) = read(Requests { is_failing: true, ..index(&[3]) }, Some(8), 5).await;
    assert_eq!((searches, fetched[3].stats.documents), (vec![2, 2, 2, 2, 2], 1));
}
