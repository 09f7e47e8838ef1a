//! The cluster rim on real engines: probing, paging, bulk, compare-and-set, blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use elkhound::cluster::aggregate::{CompositeQuery, PageSize, composite};
use elkhound::cluster::bulk::{self, NewDocument, Verdict};
use elkhound::cluster::document::{self, Change};
use elkhound::cluster::fields::field_caps;
use elkhound::cluster::flavor::{PointInTimeApi, Product};
use elkhound::cluster::search::{HitsQuery, hits};
use elkhound::cluster::{Call, ErrorKind, path};
use elkhound::config::preset_job;
use elkhound::model::Window;
use elkhound::source::Source;
use elkhound::source::index::IndexSource;
use serde_json::json;

use crate::support::engines;

#[tokio::test]
async fn an_engine_is_recognised_by_what_it_answers() {
    for engine in engines::all().await {
        let f = &engine.flavor;
        let opensearch = engine.name.starts_with("opensearch");
        assert_eq!(f.product, if opensearch { Product::OpenSearch } else { Product::Elasticsearch }, "{f:?}");
        assert_eq!(f.point_in_time, Some(if opensearch { PointInTimeApi::SearchPointInTime } else { PointInTimeApi::Pit }));
        assert!(engine.name.ends_with(&f.major().to_string()), "{} {f:?}", engine.name);
        assert!(f.max_buckets.is_some_and(|n| n >= 10_000), "{f:?}");
        // None of the engines that can be started here has these modules.
        assert!(!f.has_ism && !f.has_ilm, "{f:?}");
        assert_eq!(f.has_tier, !opensearch && f.major() >= 8, "{f:?}");
    }
}

#[tokio::test]
async fn raw_documents_that_tie_over_three_shards_come_exactly_once() {
    for engine in engines::all().await {
        let index = "elkhound-test-ties";
        engine.recreate(index, 3, json!({ "k": { "type": "integer" }, "@timestamp": { "type": "date" } })).await;
        engine.fill(index, (0..3000).map(|i| json!({ "k": i % 2, "@timestamp": 1_700_000_000_000_i64 + i % 2 }))).await;
        let query = HitsQuery {
            index,
            query: json!({ "match_all": {} }),
            sort_field: "@timestamp",
            docvalue_fields: vec![json!("k"), json!({ "field": "@timestamp", "format": "epoch_millis" })],
            source_fields: vec![],
            page_size: 77,
        };
        let mut seen = BTreeSet::new();
        let stats = hits(&engine.cluster, &engine.flavor, &query, &mut |page| {
            seen.extend(page.iter().map(|h| h.id.clone()));
            page.iter().all(|h| h.fields.contains_key("k"))
        })
        .await
        .unwrap_or_else(|e| panic!("{}: {e}", engine.name));
        assert_eq!((seen.len(), stats.rows, stats.documents), (3000, 3000, 3000), "{}", engine.name);
        assert_eq!(engine.cluster.usage().open_points_in_time, 0);
    }
}

#[tokio::test]
async fn composite_rows_equal_brute_force_whatever_the_page_size() {
    let count = 5000_u64;
    let doc = |i: u64| {
        let (ip, status, bytes) = (i * i % 311, if i.is_multiple_of(7) { 404 } else { 200 }, i * 13 % 1000);
        (format!("10.0.{}.{}", ip / 256, ip % 256), status, bytes, 1_700_000_100_000 + i * 120)
    };
    let mut expected: BTreeMap<(i64, String), (u64, u64, u64)> = BTreeMap::new();
    for i in 0..count {
        let (ip, status, bytes, t) = doc(i);
        let start = i64::try_from(t - t % 300_000).unwrap();
        let row = expected.entry((start, ip)).or_default();
        *row = (row.0 + 1, row.1 + u64::from(status == 404), row.2 + bytes);
    }
    for engine in engines::all().await {
        let index = "elkhound-test-composite";
        engine
            .recreate(index, 3, json!({ "@timestamp": { "type": "date" }, "source": { "properties": { "ip": { "type": "ip" } } }, "status": { "type": "integer" }, "bytes": { "type": "long" } }))
            .await;
        engine
            .fill(
                index,
                (0..count).map(|i| {
                    let (ip, status, bytes, t) = doc(i);
                    json!({ "@timestamp": t, "source": { "ip": ip }, "status": status, "bytes": bytes })
                }),
            )
            .await;
        let keys = ["source.ip".to_owned()];
        let aggregations = json!({
            "bytes": { "sum": { "field": "bytes" } },
            "errors": { "filter": { "term": { "status": 404 } } },
            "statuses": { "terms": { "field": "status", "size": 10 } },
        });
        let aggregations = aggregations.as_object().unwrap();
        for max_buckets in [None, Some(250)] {
            let query = CompositeQuery { index, query: json!({ "match_all": {} }), time: Some(("@timestamp", 300_000)), keys: &keys, aggregations };
            let mut flavor = engine.flavor.clone();
            flavor.max_buckets = max_buckets.or(flavor.max_buckets);
            let mut seen = BTreeMap::new();
            let outcome = composite(&engine.cluster, &flavor, &PageSize::new(&flavor), &query, &mut |row| {
                let node = |name: &str| row.nodes.get(name).cloned().unwrap_or_default();
                let value = (row.doc_count, node("errors").doc_count.unwrap_or(0), node("bytes").value.unwrap_or(-1.0) as u64);
                assert_eq!(node("statuses").buckets.iter().map(|b| b.doc_count).sum::<u64>(), row.doc_count);
                assert!(seen.insert((row.time_ms.unwrap_or(-1), row.key[0].clone()), value).is_none());
            })
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", engine.name));
            assert_eq!(seen, expected, "{}", engine.name);
            assert_eq!((outcome.stats.documents, outcome.totals.values().sum::<u64>()), (count, count));
            assert_eq!(engine.cluster.usage().open_points_in_time, 0);
        }
    }
}

#[tokio::test]
async fn an_index_that_is_not_there_is_told_apart_from_an_empty_one() {
    for engine in engines::all().await {
        let keys = ["k".to_owned()];
        let none = serde_json::Map::new();
        let ask = async |index: &str| {
            let query = CompositeQuery { index, query: json!({ "match_all": {} }), time: None, keys: &keys, aggregations: &none };
            composite(&engine.cluster, &engine.flavor, &PageSize::new(&engine.flavor), &query, &mut |_| {}).await
        };
        for missing in ["elkhound-test-none", "elkhound-test-none-*"] {
            assert_eq!(ask(missing).await.unwrap_err().kind, ErrorKind::NoIndex, "{} {missing}", engine.name);
        }
        engine.recreate("elkhound-test-empty", 1, json!({ "k": { "type": "keyword" } })).await;
        assert_eq!(ask("elkhound-test-empty").await.unwrap().stats.rows, 0, "{}", engine.name);
    }
}

#[tokio::test]
async fn bulk_creation_is_idempotent_and_a_misfit_is_put_aside() {
    for engine in engines::all().await {
        let index = "elkhound-test-bulk";
        engine.recreate(index, 1, json!({ "n": { "type": "integer" } })).await;
        let doc = |id: &str, body: &'static str| NewDocument { index: index.into(), id: id.into(), body: body.into() };
        let documents = [doc("a", r#"{"n":1}"#), doc("b", r#"{"n":"many"}"#), doc("c", r#"{"n":3}"#)];
        let first = bulk::create(&engine.cluster, &documents).await.unwrap().verdicts;
        assert!(matches!(&first[..], [Verdict::Created, Verdict::Rejected { status: 400, .. }, Verdict::Created]), "{}: {first:?}", engine.name);
        let second = bulk::create(&engine.cluster, &documents).await.unwrap().verdicts;
        assert!(matches!(&second[..], [Verdict::AlreadyThere, Verdict::Rejected { .. }, Verdict::AlreadyThere]), "{}: {second:?}", engine.name);

        let block = |on: bool| Call::put(path(&[index, "_settings"])).json(&json!({ "index.blocks.write": on }));
        engine.send(block(true)).await;
        let error = bulk::create(&engine.cluster, &[doc("d", r#"{"n":4}"#)]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ReadOnly, "{}: {error}", engine.name);
        engine.send(block(false)).await;
        assert_eq!(bulk::create(&engine.cluster, &[doc("d", r#"{"n":4}"#)]).await.unwrap().verdicts, [Verdict::Created]);
    }
}

#[tokio::test]
async fn compare_and_set_lets_one_of_two_writers_through() {
    for engine in engines::all().await {
        let index = "elkhound-test-cas";
        engine.recreate(index, 1, json!({ "n": { "type": "integer" } })).await;
        let put = async |n: i64, expected| document::put(&engine.cluster, index, "lease", &json!({ "n": n }), expected).await.unwrap();
        assert_eq!(document::get(&engine.cluster, index, "lease").await.unwrap(), None);
        let Change::Done(first) = put(1, None).await else { panic!("{}", engine.name) };
        assert_eq!(put(2, None).await, Change::Conflict);
        let Change::Done(second) = put(3, Some(first)).await else { panic!("{}", engine.name) };
        assert_eq!(put(4, Some(first)).await, Change::Conflict);
        let stored = document::get(&engine.cluster, index, "lease").await.unwrap().unwrap();
        assert_eq!((stored.version, &stored.source["n"]), (second, &json!(3)));
        document::delete(&engine.cluster, index, "lease").await.unwrap();
        document::delete(&engine.cluster, index, "lease").await.unwrap();
        let gone = document::get(&engine.cluster, "elkhound-test-none", "lease").await.unwrap_err();
        assert_eq!(gone.kind, ErrorKind::NoIndex);
    }
}

#[tokio::test]
async fn fields_are_reported_missing_text_only_or_clashing() {
    for engine in engines::all().await {
        engine.recreate("elkhound-test-fields-1", 1, json!({ "host": { "type": "keyword" }, "message": { "type": "text" } })).await;
        engine.recreate("elkhound-test-fields-2", 1, json!({ "host": { "type": "text" } })).await;
        let fields = ["host".to_owned(), "message".to_owned(), "nothing".to_owned()];
        let report = field_caps(&engine.cluster, "elkhound-test-fields-*", &fields).await.unwrap();
        assert_eq!(report.indices.len(), 2, "{}", engine.name);
        assert!(report.fields["host"].is_clashing() && !report.fields["host"].is_aggregatable, "{report:?}");
        assert!(!report.fields["message"].is_aggregatable && report.fields["message"].is_searchable, "{report:?}");
        assert!(report.fields["nothing"].is_missing());
        assert_eq!(field_caps(&engine.cluster, "elkhound-test-none-*", &fields).await.unwrap_err().kind, ErrorKind::NoIndex, "{}", engine.name);
    }
}

#[tokio::test]
async fn empty_stretches_are_passed_over_and_no_document_is_lost() {
    const SPAN_MS: i64 = 300_000;
    let keys = json!({ "features": [{ "name": "requests", "kind": "count" }], "value_features": [], "detectors": ["robust"] });
    // 2026-01-10T00:00Z; two of the documents are the last nanosecond or millisecond of their bucket, one is the first of the next.
    let start_ms = 1_768_003_200_000;
    let times = ["00:00:00.000Z", "03:04:59.999999999Z", "03:05:00.000Z", "12:34:59.999Z", "23:55:00.000Z"];
    for engine in engines::all().await {
        for kind in ["date", "date_nanos"] {
            let index = format!("elkhound-test-stretches-{kind}");
            engine.recreate(&index, 3, json!({ "@timestamp": { "type": kind }, "source.ip": { "type": "ip" } })).await;
            engine.fill(&index, times.iter().map(|t| json!({ "@timestamp": format!("2026-01-10T{t}"), "source.ip": "192.0.2.1" }))).await;
            let mut job = preset_job("web_access", &keys).unwrap();
            job.index = index;
            let mut source = IndexSource::new(Arc::new(job), engine.cluster.clone(), engine.flavor.clone()).unwrap();
            source.look_ahead(start_ms + 288 * SPAN_MS);
            let (mut full, mut searches) = (Vec::new(), 0);
            for i in 0..288 {
                let fetched = source.fetch(Window::new(start_ms + i * SPAN_MS, start_ms + (i + 1) * SPAN_MS)).await.unwrap();
                searches += fetched.stats.searches;
                if fetched.stats.documents > 0 {
                    full.push((i, fetched.stats.documents, fetched.buckets[0].rows()));
                }
            }
            let expected = [(0, 1, 1), (36, 1, 1), (37, 1, 1), (150, 1, 1), (287, 1, 1)];
            assert_eq!(full, expected, "{} {kind}", engine.name);
            assert!(searches < 30, "{} {kind}: {searches} searches", engine.name);
        }
    }
}
