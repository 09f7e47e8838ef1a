//! Every panel of every dashboard over real documents on real engines: its search must be accepted and give something.

use std::path::Path;

use elkhound::cluster::{Call, path};
use elkhound::dashboards::panel::{Index, View};
use elkhound::dashboards::query::{self, Range};
use elkhound::dashboards::{list, panel};
use elkhound::model::document::{run_to_document, to_document};
use elkhound::model::{Anomaly, Contributor, Problem, RunDocument, Severity};
use serde_json::{Value, json};

use crate::support::engines::{self, Engine};

/// 2026-01-05T00:00:00Z.
const START_MS: i64 = 1_767_571_200_000;
const SPAN_MS: i64 = 300_000;

fn anomaly(i: i64) -> Anomaly {
    let score = (i * 17 % 100) as f64;
    let contributor = |feature: &str, actual: f64| Contributor {
        feature: feature.into(),
        title: feature.into(),
        actual,
        typical: 4.0,
        lower: 1.0,
        upper: 9.0,
        surprise: 3.0,
        reference: "own history".into(),
    };
    Anomaly {
        id: format!("a{i}"),
        job: if i % 3 == 0 { "ssh".into() } else { "web".into() },
        detector: if i % 2 == 0 { "robust".into() } else { "first_seen".into() },
        entity_key: format!("203.0.113.{}", i % 7),
        entity_field: "source.ip".into(),
        start_ms: START_MS + i * SPAN_MS,
        span_ms: SPAN_MS,
        score,
        severity: Severity::of(score),
        raw_score: 5.0,
        confidence: 0.7,
        contributors: vec![contributor("requests", 90.0 + i as f64), contributor("errors", 8.0)],
        doc_count: 90,
        message: "web: unusual requests of a client".into(),
        reason: "Client sent 90 requests where 4 are usual.".into(),
        story: format!("s{}", i % 7),
        since_ms: START_MS,
        status: if i % 5 == 0 { "suppressed".into() } else { "open".into() },
        suppressed_by: (i % 5 == 0).then(|| "scanner of our own".into()),
        source: "logs-*".into(),
        query: "source.ip: \"203.0.113.1\"".into(),
        link: "https://kibana.example/app/discover".into(),
        sample: vec!["GET / HTTP/1.1".into()],
        ..Anomaly::default()
    }
}

fn run(i: i64) -> RunDocument {
    RunDocument {
        job: if i % 2 == 0 { "web".into() } else { "ssh".into() },
        start_ms: START_MS + i * SPAN_MS,
        end_ms: START_MS + (i + 1) * SPAN_MS,
        verdict: "done".into(),
        strategy: "aggregations".into(),
        documents: 1000,
        entities: 40,
        anomalies: 1,
        late_documents: 3,
        retries: 1,
        searches: 2,
        cpu_ms: 5,
        duration_ms: 60,
        engine_took_ms: 20,
        problems: vec![Problem { kind: "unparsed_line".into(), count: 2, example: "x".into() }],
        ..RunDocument::default()
    }
}

fn triage(i: i64) -> Value {
    let verdict = ["true_positive", "false_positive", "expected"][usize::try_from(i % 3).unwrap()];
    json!({ "@timestamp": START_MS + i * SPAN_MS, "elkhound": {
        "schema_version": 1, "job": "web", "entity": { "key": "203.0.113.1", "field": "source.ip" }, "kind": "verdict", "verdict": verdict,
        "anomaly_id": format!("a{i}"), "author": "ann", "note": "known",
    } })
}

async fn load(engine: &Engine, prefix: &str) {
    let mapping = |index: Index| -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("mappings/common/{}.json", index.name()));
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    };
    for index in Index::ALL {
        let name = index.pattern(prefix).replace('*', "2026.01");
        let _ = engine.cluster.send(Call::delete(path(&[&name]))).await;
        let body = json!({ "settings": { "number_of_shards": 1, "number_of_replicas": 0 }, "mappings": mapping(index) });
        engine.send(Call::put(path(&[&name])).json(&body)).await;
        let documents: Vec<Value> = match index {
            Index::Anomalies => (0..120).map(|i| to_document(&anomaly(i))).collect(),
            Index::Runs => (0..60).map(|i| run_to_document(&run(i))).collect(),
            Index::Triage => (0..9).map(triage).collect(),
            Index::State => vec![json!({ "format": 1, "kind": "checkpoint", "job": "web", "snapshot_ms": START_MS, "next_ms": START_MS })],
        };
        engine.fill(&name, documents.into_iter()).await;
    }
}

#[tokio::test]
async fn every_panel_finds_something_on_every_engine() {
    let prefix = "elkhound-test-panels";
    let range = Range { from_ms: START_MS - SPAN_MS, to_ms: START_MS + 130 * SPAN_MS, interval_ms: 900_000 };
    let answers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers");
    for engine in engines::all().await {
        load(&engine, prefix).await;
        let mut asked = 0;
        for p in list::ALL.iter().flat_map(|d| d.panels) {
            let Some(body) = query::search(p, range) else { continue };
            let index = index_of(p).pattern(prefix);
            let answer = engine.send(Call::post(path(&[&index, "_search"])).json(&body)).await;
            assert_eq!(answer["_shards"]["failed"], 0, "{} on {}", p.id, engine.name);
            assert!(query::has_content(p, &answer), "{} on {} is empty: {answer}", p.id, engine.name);
            if matches!(p.view, View::Drawing(_)) {
                let folder = answers.join(&engine.name);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("{}.json", p.id)), answer.to_string()).unwrap();
            }
            asked += 1;
        }
        assert!(asked > 30, "{asked} panels were asked");
        draw(&answers.join(&engine.name));
    }
}

fn index_of(p: &panel::Panel) -> Index {
    match p.view {
        View::Drawing(d) => elkhound::dashboards::vega::index(d),
        _ => p.index,
    }
}

/// Draws the Vega panels from what the engine answered.
fn draw(answers: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/dashboards");
    if !folder.join("node_modules/vega").is_dir() {
        eprintln!("SKIPPED: npm packages are not installed in tests/dashboards, no drawing was made from real answers");
        return;
    }
    let output = std::process::Command::new("node")
        .arg("check.mjs")
        .arg(root.join("dashboards/opensearch/elkhound.ndjson"))
        .arg(answers)
        .arg(answers.join("drawn"))
        .current_dir(&folder)
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
