//! Faults of a cluster, scripted: what is retried, what is held, what stops, and what it says.

use std::time::Duration;

use elkhound::cluster::aggregate::{CompositeQuery, PageSize, composite};
use elkhound::cluster::bulk::{self, NewDocument, Verdict};
use elkhound::cluster::search::{HitsQuery, hits};
use elkhound::cluster::{Answer, Call, Cluster, ClusterError, ClusterOptions, Credentials, ErrorKind, Flavor, Timer};
use serde_json::{Map, Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::cut;
use crate::support::script::{connect, flavor, json as answer, on, options};

const OK_SHARDS: &str = r#"{"total":3,"successful":3,"failed":0}"#;

async fn scripted(answers: Vec<ResponseTemplate>) -> (MockServer, Cluster) {
    let server = MockServer::start().await;
    on(&server, "POST", "/logs/_search", answers).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    (server, cluster)
}

fn page(rows: &[&str], after: Option<&str>) -> Value {
    let buckets: Vec<_> = rows.iter().map(|r| json!({ "key": { "e0": r }, "doc_count": 1 })).collect();
    let mut inner = json!({ "buckets": buckets });
    if let Some(after) = after {
        inner["after_key"] = json!({ "e0": after });
    }
    let shards: Value = serde_json::from_str(OK_SHARDS).unwrap();
    json!({ "took": 1, "timed_out": false, "_shards": shards, "hits": { "total": { "value": 4, "relation": "eq" }, "hits": [] }, "aggregations": { "rows": inner } })
}

async fn read(cluster: &Cluster, page_size: &PageSize) -> Result<Vec<String>, ClusterError> {
    let keys = ["source.ip".to_owned()];
    let aggregations = Map::new();
    let query = CompositeQuery { index: "logs", query: json!({ "match_all": {} }), time: None, keys: &keys, aggregations: &aggregations };
    let mut seen = Vec::new();
    composite(cluster, &flavor(), page_size, &query, &mut |row| seen.extend(row.key)).await?;
    Ok(seen)
}

fn engine_error(kind: &str, reason: &str) -> Value {
    json!({ "error": { "root_cause": [{ "type": kind, "reason": reason }], "type": kind, "reason": reason } })
}

#[tokio::test]
async fn paging_follows_after_key_through_an_empty_page_until_it_is_gone() {
    let (server, cluster) = scripted(vec![
        answer(200, page(&["a", "b"], Some("b"))),
        answer(200, page(&[], Some("c"))),
        answer(200, page(&["d"], Some("zz"))),
        answer(200, page(&[], None)),
    ])
    .await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap(), ["a", "b", "d"]);
    let requests = server.received_requests().await.unwrap();
    let last: Value = serde_json::from_slice(&requests[3].body).unwrap();
    assert_eq!(last.pointer("/aggs/rows/composite/after/e0"), Some(&json!("zz")));
}

#[tokio::test]
async fn an_incomplete_answer_is_asked_for_again_and_never_taken() {
    let partial = {
        let mut p = page(&["half"], None);
        p["_shards"] = json!({ "total": 3, "successful": 2, "failed": 1, "failures": [{ "reason": { "type": "node_disconnected" } }] });
        p
    };
    let timed_out = {
        let mut p = page(&["half"], None);
        p["timed_out"] = json!(true);
        p
    };
    let html = ResponseTemplate::new(200).set_body_raw("<html>Please log in</html>", "text/html");
    let (_server, cluster) =
        scripted(vec![answer(200, partial.clone()), answer(200, timed_out), html.clone(), answer(200, page(&["a"], None))]).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap(), ["a"]);
    assert_eq!(cluster.usage().retries, 3);

    for (bad, kind) in [(answer(200, partial), ErrorKind::Partial), (html, ErrorKind::NotJson)] {
        let (_server, cluster) = scripted(vec![bad]).await;
        let error = read(&cluster, &PageSize::new(&flavor())).await.unwrap_err();
        assert_eq!((error.kind, error.is_permanent()), (kind, false), "{error}");
    }
}

#[tokio::test]
async fn a_page_that_is_too_big_is_halved_and_stays_small() {
    for (status, kind) in [(429, "circuit_breaking_exception"), (400, "too_many_buckets_exception"), (503, "too_many_buckets_exception")] {
        let refused = answer(status, engine_error(kind, "too much"));
        let (server, cluster) = scripted(vec![refused.clone(), refused, answer(200, page(&["a"], None))]).await;
        let size = PageSize::new(&flavor());
        assert_eq!(read(&cluster, &size).await.unwrap(), ["a"], "{kind}");
        assert_eq!(size.next(0), 65_535 / 4);
        assert_eq!(server.received_requests().await.unwrap().len(), 3);
    }
    // When even the smallest page is too big, the window is held: nothing is dropped.
    let (_server, cluster) = scripted(vec![answer(429, engine_error("circuit_breaking_exception", "too much"))]).await;
    let error = read(&cluster, &PageSize::new(&flavor())).await.unwrap_err();
    assert_eq!((error.kind, error.answer()), (ErrorKind::Breaker, Answer::Hold));
}

#[tokio::test]
async fn a_busy_cluster_is_given_the_time_it_asks_for() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "9").set_body_json(engine_error("rejected", "queue full"));
    on(&server, "POST", "/logs/_search", vec![busy, ResponseTemplate::new(503), answer(200, page(&["a"], None))]).await;
    let (cluster, timer) = connect(&options(&server.uri())).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap(), ["a"]);
    assert!(timer.now() >= Duration::from_secs(9), "{:?}", timer.now());
}

#[tokio::test]
async fn what_needs_a_person_is_not_repeated_and_says_what_mends_it() {
    for (status, body, kind, says) in [
        (401, engine_error("security_exception", "unable to authenticate user [elkhound]"), ErrorKind::Unauthorized, "Check the user and password"),
        (403, engine_error("security_exception", "action is unauthorized"), ErrorKind::Forbidden, "elkhound export role"),
        (400, engine_error("parsing_exception", "unknown query"), ErrorKind::Refused, "elkhound check"),
    ] {
        let (server, cluster) = scripted(vec![answer(status, body)]).await;
        let error = read(&cluster, &PageSize::new(&flavor())).await.unwrap_err();
        assert_eq!((error.kind, error.answer()), (kind, Answer::Stop));
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn no_index_is_not_no_documents() {
    let nothing = json!({ "took": 0, "timed_out": false, "_shards": { "total": 0, "failed": 0 }, "hits": { "total": { "value": 0 }, "hits": [] } });
    for bad in [answer(404, engine_error("index_not_found_exception", "no such index [logs]")), answer(200, nothing)] {
        let (_server, cluster) = scripted(vec![bad]).await;
        let error = read(&cluster, &PageSize::new(&flavor())).await.unwrap_err();
        assert_eq!((error.kind, error.answer()), (ErrorKind::NoIndex, Answer::Hold), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_or_too_large_is_an_error() {
    let whole = r#"{"took":1,"timed_out":false,"_shards":{"total":1,"failed":0},"aggregations":{"rows":{"buckets":[]}}}"#;
    // Cut on the wire: fewer bytes than announced.
    let url = cut::serve("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 200", whole, 40).await;
    let (cluster, _) = connect(&options(&url)).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap_err().kind, ErrorKind::CutBody);
    // Cut by something in between that announces what it sends, and without a content type.
    let url = cut::serve("HTTP/1.1 200 OK\r\ncontent-length: 40", whole, 40).await;
    let (cluster, _) = connect(&options(&url)).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap_err().kind, ErrorKind::CutBody);

    let server = MockServer::start().await;
    on(&server, "POST", "/logs/_search", vec![answer(200, page(&["x".repeat(5000).as_str()], None))]).await;
    let (cluster, _) = connect(&ClusterOptions { max_body_bytes: 4096, ..options(&server.uri()) }).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap_err().kind, ErrorKind::BodyTooLarge);
}

#[tokio::test]
async fn a_host_that_is_down_is_left_for_the_next_one() {
    let server = MockServer::start().await;
    on(&server, "POST", "/logs/_search", vec![answer(200, page(&["a"], None))]).await;
    let hosts = vec!["http://127.0.0.1:9".to_owned(), server.uri()];
    let (cluster, _) = connect(&ClusterOptions { hosts, ..options("") }).await;
    assert_eq!(read(&cluster, &PageSize::new(&flavor())).await.unwrap(), ["a"]);

    let (cluster, _) = connect(&options("http://127.0.0.1:9")).await;
    let error = read(&cluster, &PageSize::new(&flavor())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.to_string().contains("127.0.0.1:9") && error.to_string().contains("cluster.hosts"), "{error}");
}

#[tokio::test]
async fn credentials_are_sent_as_given_and_never_shown() {
    for (credentials, header) in [
        (Credentials::Basic { user: "u".into(), password: "p".into() }, "Basic dTpw"),
        (Credentials::ApiKey("aWQ6a2V5".into()), "ApiKey aWQ6a2V5"),
        (Credentials::Bearer("token".into()), "Bearer token"),
    ] {
        let server = MockServer::start().await;
        on(&server, "POST", "/logs/_search", vec![answer(200, page(&["a"], None))]).await;
        let (cluster, _) = connect(&ClusterOptions { credentials, ..options(&server.uri()) }).await;
        read(&cluster, &PageSize::new(&flavor())).await.unwrap();
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.headers.get("authorization").unwrap(), header);
        assert_eq!(request.headers.get("content-type").unwrap(), "application/json");
        assert!(request.headers.get("x-elastic-client-meta").is_none());
    }
}

fn documents(n: usize) -> Vec<NewDocument> {
    (0..n).map(|i| NewDocument { index: "elkhound-anomalies-2026.01".into(), id: format!("id{i}"), body: format!(r#"{{"n":{i}}}"#).into() }).collect()
}

fn items(statuses: &[u16]) -> ResponseTemplate {
    let items: Vec<_> = statuses
        .iter()
        .map(|s| match s {
            200 | 201 => json!({ "create": { "status": s } }),
            400 => json!({ "create": { "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "failed to parse field [x]" } } }),
            403 => json!({ "create": { "status": 403, "error": { "type": "cluster_block_exception", "reason": "index [i] blocked by: [FORBIDDEN/8/index write (api)];" } } }),
            _ => json!({ "create": { "status": s, "error": { "type": "es_rejected_execution_exception", "reason": "queue" } } }),
        })
        .collect();
    answer(200, json!({ "errors": statuses.iter().any(|s| *s > 299), "items": items }))
}

#[tokio::test]
async fn only_the_items_that_failed_are_sent_again() {
    let server = MockServer::start().await;
    on(&server, "POST", "/_bulk", vec![items(&[201, 429, 409, 400, 503]), items(&[429, 201]), items(&[201])]).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    let outcome = bulk::create(&cluster, &documents(5)).await.unwrap();
    let plain: Vec<_> = outcome.verdicts.iter().map(|v| matches!(v, Verdict::Rejected { .. })).collect();
    assert_eq!(plain, [false, false, false, true, false]);
    assert_eq!((&outcome.verdicts[1], &outcome.verdicts[2]), (&Verdict::Created, &Verdict::AlreadyThere));
    assert_eq!(outcome.retries, 2);
    let requests = server.received_requests().await.unwrap();
    let sent = |i: usize| String::from_utf8(requests[i].body.clone()).unwrap().matches(r#""_id""#).count();
    assert_eq!((sent(0), sent(1), sent(2)), (5, 2, 1));
    assert!(String::from_utf8_lossy(&requests[2].body).contains(r#""_id":"id1""#));
}

#[tokio::test]
async fn a_read_only_index_a_full_queue_and_a_short_answer_hold_the_window() {
    for (replies, kind) in [
        (vec![items(&[201, 403])], ErrorKind::ReadOnly),
        (vec![items(&[429, 201]), items(&[429])], ErrorKind::Busy),
        (vec![items(&[201])], ErrorKind::CutBody),
    ] {
        let server = MockServer::start().await;
        on(&server, "POST", "/_bulk", replies).await;
        let (cluster, _) = connect(&options(&server.uri())).await;
        let error = bulk::create(&cluster, &documents(2)).await.unwrap_err();
        assert_eq!((error.kind, error.is_permanent()), (kind, false), "{error}");
    }
}

#[tokio::test]
async fn a_point_in_time_is_closed_after_success_failure_and_being_dropped() {
    let opensearch = Flavor { point_in_time: Some(elkhound::cluster::flavor::PointInTimeApi::SearchPointInTime), ..flavor() };
    let query = HitsQuery {
        index: "logs",
        query: json!({ "match_all": {} }),
        sort_field: "@timestamp",
        docvalue_fields: vec![],
        source_fields: vec![],
        page_size: 10,
    };
    for search in [
        answer(
            200,
            json!({ "took": 1, "timed_out": false, "_shards": { "total": 1, "failed": 0 }, "hits": { "total": { "value": 0 }, "hits": [] } }),
        ),
        answer(404, engine_error("search_context_missing_exception", "No search context found for id [1]")),
        ResponseTemplate::new(200).set_delay(Duration::from_secs(60)).set_body_json(json!({})),
    ] {
        let server = MockServer::start().await;
        on(&server, "POST", "/logs/_search/point_in_time", vec![answer(200, json!({ "pit_id": "frozen" }))]).await;
        on(&server, "DELETE", "/_search/point_in_time", vec![answer(200, json!({ "pits": [] }))]).await;
        on(&server, "POST", "/_search", vec![search]).await;
        let (cluster, _) = connect(&options(&server.uri())).await;
        let reading = tokio::time::timeout(Duration::from_millis(300), hits(&cluster, &opensearch, &query, &mut |_| true)).await;
        if let Ok(Err(error)) = &reading {
            assert_eq!((error.kind, error.answer()), (ErrorKind::PointInTimeGone, Answer::Hold));
        }
        for _ in 0..100 {
            if server.received_requests().await.unwrap().iter().any(|r| r.method.as_str() == "DELETE") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let requests = server.received_requests().await.unwrap();
        let closing = requests.iter().find(|r| r.method.as_str() == "DELETE").expect("the point in time was left open");
        assert!(String::from_utf8_lossy(&closing.body).contains("frozen"));
        assert_eq!(cluster.usage().open_points_in_time, 0);
    }
}

#[tokio::test]
async fn documents_missing_from_a_frozen_view_are_noticed() {
    let pit = Flavor { point_in_time: Some(elkhound::cluster::flavor::PointInTimeApi::Pit), ..flavor() };
    let query = HitsQuery {
        index: "logs",
        query: json!({ "match_all": {} }),
        sort_field: "@timestamp",
        docvalue_fields: vec![],
        source_fields: vec![],
        page_size: 10,
    };
    let server = MockServer::start().await;
    on(&server, "POST", "/logs/_pit", vec![answer(200, json!({ "id": "frozen" }))]).await;
    on(&server, "DELETE", "/_pit", vec![answer(200, json!({}))]).await;
    let hit = json!({ "_index": "logs", "_id": "1", "sort": [1, 2] });
    let with = |hits: Vec<Value>| {
        answer(
            200,
            json!({ "took": 1, "timed_out": false, "_shards": { "total": 1, "failed": 0 }, "hits": { "total": { "value": 2 }, "hits": hits } }),
        )
    };
    on(&server, "POST", "/_search", vec![with(vec![hit]), with(vec![])]).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    let error = hits(&cluster, &pit, &query, &mut |_| true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Partial);
    assert!(error.to_string().contains("1 of 2 documents"), "{error}");
}

#[tokio::test]
async fn something_that_is_no_search_engine_is_recognised() {
    let server = MockServer::start().await;
    on(&server, "GET", "/", vec![answer(200, json!({ "message": "hello" }))]).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    assert_eq!(Flavor::probe(&cluster).await.unwrap_err().kind, ErrorKind::NotJson);
    let error = Cluster::connect(
        &ClusterOptions { allow_http: false, ..options(&server.uri()) },
        std::sync::Arc::new(elkhound::cluster::SimulatedTimer::default()),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    let _ = Call::get("/");
}
