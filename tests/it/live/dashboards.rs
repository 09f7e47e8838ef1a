//! Every panel of every dashboard on real engines, over what `elkhound demo --into` and a person at triage leave there: its
//! search must be accepted and give something. Before that, over what `elkhound setup` leaves: nothing, and no error.

use std::path::{Path, PathBuf};
use std::process::Command;

use elkhound::cluster::{Call, path};
use elkhound::config::{Environment, load_text};
use elkhound::dashboards::panel::{Index, View};
use elkhound::dashboards::query::{self, Range};
use elkhound::dashboards::{Panel, list};
use elkhound::model::time::{iso, parse_time};
use elkhound::schedule::clock::{Clock, SystemClock};
use elkhound::setup::install::{apply, plan};
use serde_json::{Value, json};

use crate::support::engines::{self, Engine};

const PREFIX: &str = "elktest-panels";
const DAY_MS: i64 = 86_400_000;

/// Takes away what an earlier run left, templates too.
async fn clean(engine: &Engine) {
    let there: Value = engine.send(Call::get(path(&[&format!("{PREFIX}-*"), "_alias"]))).await;
    for index in there.as_object().unwrap().keys() {
        engine.send(Call::delete(path(&[index]))).await;
    }
    for kind in ["anomalies", "runs", "features", "state", "models", "triage"] {
        let _ = engine.cluster.send(Call::delete(path(&["_index_template", &format!("{PREFIX}-{kind}")]))).await;
        let _ = engine.cluster.send(Call::delete(path(&["_component_template", &format!("{PREFIX}-{kind}-mappings")]))).await;
    }
    let _ = engine.cluster.send(Call::delete(path(&["_component_template", &format!("{PREFIX}-settings")]))).await;
}

async fn set_up(engine: &Engine) {
    let text = format!("cluster: {{ hosts: [\"{}\"] }}\nindices: {{ prefix: {PREFIX} }}", engine.url);
    let indices = load_text(&text, Path::new("."), &Environment::default()).unwrap().indices;
    let steps = plan(&engine.cluster, &engine.flavor, &indices, SystemClock.now_ms()).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
    apply(&engine.cluster, &steps).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
}

/// The demo's day, written into an engine by the program itself: its exit code, and what it said.
fn play_into(engine: &Engine) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("elkhound.yaml");
    std::fs::write(&config, format!("{}\nindices: {{ prefix: {PREFIX} }}\n", engine.cluster_yaml())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_elkhound")).args(["demo", "--seed", "2", "--json", "--into"]).arg(&config).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// All documents of our indices: index, id, source.
async fn documents(engine: &Engine) -> Vec<Value> {
    engine.send(Call::post(path(&[&format!("{PREFIX}-*"), "_refresh"]))).await;
    let mut out = Vec::new();
    for kind in ["anomalies-*", "runs-*", "state"] {
        let body = json!({ "size": 10_000, "query": { "match_all": {} } });
        let answer = engine.send(Call::post(path(&[&format!("{PREFIX}-{kind}"), "_search"])).json(&body)).await;
        out.extend(answer["hits"]["hits"].as_array().unwrap().iter().cloned());
    }
    out
}

async fn copy(documents: &[Value], to: &Engine) {
    for batch in documents.chunks(500) {
        let new = batch.iter().map(|d| elkhound::cluster::bulk::NewDocument {
            index: d["_index"].as_str().unwrap().into(),
            id: d["_id"].as_str().unwrap().into(),
            body: d["_source"].to_string().into(),
        });
        let outcome = elkhound::cluster::bulk::create(&to.cluster, &new.collect::<Vec<_>>()).await.unwrap();
        assert!(outcome.verdicts.iter().all(|v| *v == elkhound::cluster::bulk::Verdict::Created), "{}: {:?}", to.name, outcome.verdicts);
    }
}

/// What `dashboards/README.md` tells people to do with a finding: the status by an update, the reason as a document.
async fn triage(engine: &Engine, anomalies: &[&Value]) {
    for (i, found) in anomalies.iter().enumerate().take(12) {
        let (index, id, own) = (found["_index"].as_str().unwrap(), found["_id"].as_str().unwrap(), &found["_source"]["elkhound"]);
        let change = if i % 2 == 0 { json!({ "status": "closed" }) } else { json!({ "status": "suppressed", "suppressed_by": "own scanner" }) };
        engine.send(Call::post(path(&[index, "_update", id])).json(&json!({ "doc": { "elkhound": change } }))).await;
        let verdict = ["true_positive", "false_positive", "expected"][i % 3];
        let said = json!({ "@timestamp": found["_source"]["@timestamp"], "elkhound": {
            "schema_version": 1, "kind": "verdict", "verdict": verdict, "anomaly_id": id, "job": own["job"],
            "entity": { "key": own["entity"]["key"], "field": own["entity"]["field"] }, "author": "ann", "note": "known",
        } });
        engine.send(Call::post(path(&[&format!("{PREFIX}-triage"), "_doc"])).json(&said)).await;
    }
    engine.send(Call::post(path(&[&format!("{PREFIX}-*"), "_refresh"]))).await;
}

/// Asks every panel's question; returns the panels that have nothing to show. Answers for drawings are kept in `folder`.
async fn ask(engine: &Engine, range: Range, folder: &Path) -> Vec<&'static str> {
    std::fs::create_dir_all(folder).unwrap();
    let (mut asked, mut empty) = (0, Vec::new());
    for p in list::ALL.iter().flat_map(|d| d.panels) {
        let Some(body) = query::search(p, range) else { continue };
        let index = index_of(p).pattern(PREFIX);
        let answer = engine.send(Call::post(path(&[&index, "_search"])).json(&body)).await;
        assert!(answer["_shards"]["failed"] == 0 && answer["_shards"]["total"].as_u64() > Some(0), "{} on {}: {answer}", p.id, engine.name);
        if !query::has_content(p, &answer) {
            empty.push(p.id);
        }
        if matches!(p.view, View::Drawing(_)) {
            std::fs::write(folder.join(format!("{}.json", p.id)), answer.to_string()).unwrap();
        }
        asked += 1;
    }
    assert!(asked > 30, "{asked} panels were asked");
    empty
}

fn answers(engine: &Engine, what: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("answers").join(&engine.name).join(what)
}

#[tokio::test]
async fn every_panel_shows_the_demos_day_on_every_engine_and_an_empty_cluster_without_an_error() {
    let all = engines::all().await;
    let now = SystemClock.now_ms();
    let lately = Range { from_ms: now - 7 * DAY_MS, to_ms: now, interval_ms: 3_600_000 };
    for engine in &all {
        clean(engine).await;
        let (code, why) = play_into(engine);
        assert!(code == Some(78) && why.contains("run `elkhound setup` first"), "{}: {code:?} {why}", engine.name);
        set_up(engine).await;
        let folder = answers(engine, "empty");
        let empty = ask(engine, lately, &folder).await;
        // A count says 0; everything else is empty.
        assert!(empty.len() > 30, "{}: {empty:?}", engine.name);
        draw(&folder, true);
    }
    let Some((first, others)) = all.split_first() else { return };
    let (code, why) = play_into(first);
    assert_eq!(code, Some(0), "{}: {why}", first.name);
    let (code, why) = play_into(first);
    assert!(code == Some(1) && why.contains("is in this cluster already"), "a second day is refused: {code:?} {why}");
    let day = documents(first).await;
    for other in others {
        copy(&day, other).await;
    }
    let anomalies: Vec<&Value> = day.iter().filter(|d| d["_source"]["event"]["kind"] == "alert").collect();
    let starts = anomalies.iter().filter_map(|a| parse_time(a["_source"]["@timestamp"].as_str()?));
    let from_ms = starts.min().unwrap() / DAY_MS * DAY_MS - DAY_MS;
    let range = Range { from_ms, to_ms: from_ms + 3 * DAY_MS, interval_ms: 3_600_000 };
    eprintln!("{} documents of the demo, {} anomalies, from {}", day.len(), anomalies.len(), iso(from_ms));
    for engine in &all {
        triage(engine, &anomalies).await;
        let folder = answers(engine, "demo");
        let empty = ask(engine, range, &folder).await;
        assert!(empty.is_empty(), "{}: empty panels: {empty:?}", engine.name);
        draw(&folder, false);
        clean(engine).await;
    }
}

fn index_of(p: &Panel) -> Index {
    match p.view {
        View::Drawing(d) => elkhound::dashboards::vega::index(d),
        _ => p.index,
    }
}

/// Draws the Vega panels from what the engine answered; with nothing in it they must draw nothing and not complain.
fn draw(answers: &Path, is_empty: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/dashboards");
    if !folder.join("node_modules/vega").is_dir() {
        assert!(std::env::var_os("ELKHOUND_REQUIRE_NODE").is_none(), "npm packages are missing: run `npm ci` in tests/dashboards");
        eprintln!("SKIPPED: npm packages are not installed in tests/dashboards, no drawing was made from real answers");
        return;
    }
    let output = Command::new("node")
        .arg("check.mjs")
        .arg(root.join("dashboards/opensearch/elkhound.ndjson"))
        .arg(answers)
        .arg(answers.join("drawn"))
        .args(is_empty.then_some("empty"))
        .current_dir(&folder)
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
