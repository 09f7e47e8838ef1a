//! Setup and check on real engines.

use std::path::Path;

use elkhound::cluster::{Call, ErrorKind, bulk, path};
use elkhound::config::{Config, Environment, load_text};
use elkhound::model::Anomaly;
use elkhound::model::document::{monthly_index, to_document};
use elkhound::setup::check::check;
use elkhound::setup::install::{Change, apply, plan};
use elkhound::setup::{Level, retention};
use serde_json::json;

use crate::support::engines::{self, Engine};

/// 2026-01-15, in milliseconds of the epoch.
const NOW_MS: i64 = 1_768_435_200_000;

fn config(prefix: &str, yaml: &str) -> Config {
    let cluster = "cluster: { hosts: [\"http://localhost:9200\"] }";
    load_text(
        &format!("{cluster}\nindices: {{ prefix: {prefix}, retention: {{ anomalies: 30d }} }}\n{yaml}"),
        Path::new("."),
        &Environment::default(),
    )
    .unwrap()
}

/// Takes away what an earlier run left.
async fn clean(engine: &Engine, prefix: &str) {
    let names = ["anomalies", "runs", "features", "state", "models", "triage"];
    for name in names {
        for index in [format!("{prefix}-{name}"), format!("{prefix}-{name}-2026.01"), format!("{prefix}-{name}-2025.10")] {
            let _ = engine.cluster.send(Call::delete(path(&[&index]))).await;
        }
        let _ = engine.cluster.send(Call::delete(path(&["_index_template", &format!("{prefix}-{name}")]))).await;
    }
    for name in names.iter().map(|n| format!("{prefix}-{n}-mappings")).chain([format!("{prefix}-settings")]) {
        let _ = engine.cluster.send(Call::delete(path(&["_component_template", &name]))).await;
    }
}

#[tokio::test]
async fn setup_is_idempotent_and_what_it_installs_takes_our_documents() {
    const PREFIX: &str = "elktest-setup";
    for engine in engines::all().await {
        let name = &engine.name;
        clean(&engine, PREFIX).await;
        let indices = config(PREFIX, "").indices;
        let steps = plan(&engine.cluster, &engine.flavor, &indices, NOW_MS).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(steps.iter().all(|s| s.change == Change::Create), "{name}: {steps:?}");
        apply(&engine.cluster, &steps).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = plan(&engine.cluster, &engine.flavor, &indices, NOW_MS).await.unwrap();
        let changed: Vec<_> = again.iter().filter(|s| s.change != Change::Unchanged).map(|s| &s.title).collect();
        assert_eq!((again.len(), changed), (steps.len(), vec![]), "{name}");

        let anomaly = Anomaly {
            entity_key: "10.0.0.9".into(),
            entity_field: "source.ip".into(),
            start_ms: NOW_MS,
            span_ms: 300_000,
            score: 80.0,
            ..Anomaly::default()
        };
        let index = monthly_index(PREFIX, "anomalies", NOW_MS);
        let new = bulk::NewDocument { index: index.clone(), id: "a".into(), body: to_document(&anomaly).to_string().into() };
        let outcome = bulk::create(&engine.cluster, &[new]).await.unwrap();
        assert_eq!(outcome.verdicts, [bulk::Verdict::Created], "{name}");
        engine.send(Call::post(path(&[&index, "_refresh"]))).await;
        let body =
            json!({ "size": 0, "query": { "term": { "source.ip": "10.0.0.0/8" } }, "aggs": { "top": { "max": { "field": "elkhound.score" } } } });
        let found = engine.send(Call::post(path(&[&format!("{PREFIX}-anomalies"), "_search"])).json(&body)).await;
        assert_eq!(found.pointer("/aggregations/top/value"), Some(&json!(80.0)), "{name}: {found}");
        clean(&engine, PREFIX).await;
    }
}

#[tokio::test]
async fn an_index_that_was_there_before_its_template_is_filled_up_or_told_with_the_mend() {
    const PREFIX: &str = "elktest-misfit";
    for engine in engines::all().await {
        let name = &engine.name;
        clean(&engine, PREFIX).await;
        let (state, runs, anomalies) = (format!("{PREFIX}-state"), monthly_index(PREFIX, "runs", NOW_MS), monthly_index(PREFIX, "anomalies", NOW_MS));
        // A worker of another make wrote a document; an index is empty, with one wrong field; one lacks fields only.
        let document = json!({ "job": "web", "next_ms": 1_768_435_200_000i64 });
        engine.send(Call::put(path(&[&state, "_doc", "x"])).with("refresh", "true").json(&document)).await;
        engine
            .send(
                Call::put(path(&[&runs]))
                    .json(&json!({ "mappings": { "properties": { "elkhound": { "properties": { "job": { "type": "text" } } } } } })),
            )
            .await;
        engine.send(Call::put(path(&[&anomalies])).json(&json!({ "mappings": { "properties": { "@timestamp": { "type": "date" } } } }))).await;
        let config = config(PREFIX, "");
        let steps = plan(&engine.cluster, &engine.flavor, &config.indices, NOW_MS).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        apply(&engine.cluster, &steps).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = plan(&engine.cluster, &engine.flavor, &config.indices, NOW_MS).await.unwrap();
        let changed: Vec<_> = again.iter().filter(|s| s.change != Change::Unchanged).map(|s| &s.title).collect();
        assert_eq!(changed, [] as [&String; 0], "{name}: what can be added is added once");

        let findings = check(&engine.cluster, &engine.flavor, &config, NOW_MS).await;
        let told: Vec<_> = findings.iter().filter(|f| f.about == "own indices" && f.level == Level::Error).collect();
        assert_eq!(told.len(), 2, "{name}: {findings:#?}");
        assert!(
            told[0].text.contains(&runs) && told[0].text.contains("1 field cannot be changed there: `elkhound.job` is text, not keyword"),
            "{name}: {told:#?}"
        );
        assert!(told[0].mend.contains("DELETE /") && told[0].mend.contains("no document"), "{name}: {told:#?}");
        assert!(
            told[1].text.contains(&state) && told[1].text.contains("`job` is text, not keyword, `next_ms` is long, not date"),
            "{name}: {told:#?}"
        );
        assert!(told[1].mend.contains("_reindex"), "{name}: {told:#?}");
        clean(&engine, PREFIX).await;
    }
}

#[tokio::test]
async fn an_upgrade_of_a_template_reaches_old_indices_and_expired_ones_go() {
    const PREFIX: &str = "elktest-upgrade";
    for engine in engines::all().await {
        let name = &engine.name;
        clean(&engine, PREFIX).await;
        let indices = config(PREFIX, "").indices;
        // As an older version would have left it: another mapping, no mark, an index without alias, an expired month.
        let component = path(&["_component_template", &format!("{PREFIX}-runs-mappings")]);
        engine
            .send(
                Call::put(&component)
                    .json(&json!({ "template": { "mappings": { "dynamic": false, "properties": { "@timestamp": { "type": "date" } } } } })),
            )
            .await;
        for index in ["runs-2026.01", "anomalies-2025.10"] {
            engine.send(Call::put(path(&[&format!("{PREFIX}-{index}")])).json(&json!({}))).await;
        }
        let steps = plan(&engine.cluster, &engine.flavor, &indices, NOW_MS).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        apply(&engine.cluster, &steps).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let old = format!("{PREFIX}-runs-2026.01");
        let mapping = engine.send(Call::get(path(&[&old, "_mapping"]))).await;
        assert_eq!(
            mapping.pointer(&format!("/{old}/mappings/properties/elkhound/properties/run/properties/buckets/type")),
            Some(&json!("long")),
            "{name}: {mapping}"
        );
        let count = engine.send(Call::post(path(&[&format!("{PREFIX}-runs"), "_count"]))).await;
        assert_eq!(count["count"], json!(0), "{name}");
        let left = retention::monthly_indices(&engine.cluster, PREFIX).await.unwrap();
        assert_eq!(left, [format!("{PREFIX}-anomalies-2026.01"), old], "{name}");
        let later = retention::delete_expired(&engine.cluster, &indices, NOW_MS + 90 * 86_400_000).await.unwrap();
        assert_eq!(later, [format!("{PREFIX}-anomalies-2026.01")], "{name}");
        clean(&engine, PREFIX).await;
    }
}

#[tokio::test]
async fn a_check_reads_the_fields_of_a_real_index() {
    for engine in engines::all().await {
        let name = &engine.name;
        let keyword = json!({ "type": "keyword" });
        let event = json!({ "properties": { "category": keyword, "outcome": { "type": "text" } } });
        let user = json!({ "properties": { "name": { "type": "text", "fields": { "keyword": keyword } } } });
        let ip = |t: &str| json!({ "properties": { "ip": { "type": t } } });
        for (index, kind) in [("elktest-auth-1", "ip"), ("elktest-auth-2", "keyword")] {
            engine.recreate(index, 1, json!({ "@timestamp": { "type": "date" }, "source": ip(kind), "event": event, "user": user })).await;
        }
        let ssh = config(
            "elktest-check",
            "jobs:\n  - { id: ssh, preset: ssh_auth, index: \"elktest-auth-*\" }\n  - { id: none, preset: ssh_auth, index: elktest-nowhere }\n",
        );
        let findings = check(&engine.cluster, &engine.flavor, &ssh, NOW_MS).await;
        let errors: Vec<String> =
            findings.iter().filter(|f| f.level == Level::Error).map(|f| format!("{}: {}; {}", f.about, f.text, f.mend)).collect();
        for expected in
            ["`host.name` is in no index", "`source.ip` clashes", "use `user.name.keyword`", "job none: `elktest-nowhere` matches no index"]
        {
            assert!(errors.iter().any(|e| e.contains(expected)), "{name}: no {expected:?} in {errors:#?}");
        }
        assert_eq!(errors.len(), 4, "{name}: {errors:#?}");
        for index in ["elktest-auth-1", "elktest-auth-2"] {
            engine.send(Call::delete(path(&[index]))).await;
        }
        let gone = engine.cluster.send(Call::get(path(&["elktest-auth-1"]))).await.unwrap_err();
        assert_eq!(gone.kind, ErrorKind::NoIndex, "{name}");
    }
}
