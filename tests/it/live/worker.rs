//! The worker beside a real engine, from the outside: what it finds in an index is what `scan` finds in the same lines, and
//! a kill changes no document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use elkhound::app::{self, Connection, Purpose};
use elkhound::cluster::{Call, path};
use elkhound::config::{self, Environment};
use elkhound::math::chance::Chance;
use elkhound::model::ids::log_view_id;
use elkhound::model::time::{iso, parse_time};
use elkhound::schedule::clock::SimulatedClock;
use elkhound::schedule::runner::Mode;
use elkhound::telemetry::Telemetry;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::engines::{self, Engine};

const MIN_MS: i64 = 60_000;
const SPAN_MS: i64 = 5 * MIN_MS;
/// Buckets that are learned, and buckets that are reported.
const LEARNED: i64 = 96;
const REPORTED: i64 = 24;
const REQUESTS: i64 = 200_000;

/// One request.
struct Request {
    at_ms: i64,
    client: String,
    method: &'static str,
    path: String,
    status: u16,
    bytes: u32,
}

/// Requests of some hundred clients on a small site; two attack it after the learned part.
fn requests(from_ms: i64) -> Vec<Request> {
    let mut chance = Chance::new(11, 1);
    let buckets = LEARNED + REPORTED;
    let mut pick = |n: u64| chance.below(n as usize) as u64;
    let mut out: Vec<Request> = (0..REQUESTS)
        .map(|i| {
            let low = pick(400).min(pick(400));
            let status = [200, 200, 200, 200, 304, 304, 404][pick(7) as usize];
            Request {
                at_ms: from_ms + i * (buckets * SPAN_MS) / REQUESTS / 1000 * 1000,
                client: format!("10.1.{}.{}", low / 250, low % 250),
                method: if pick(9) == 0 { "POST" } else { "GET" },
                path: format!("/{}/{}", ["news", "shop", "img", "api"][pick(4) as usize], pick(30)),
                status,
                bytes: 200 + pick(30_000) as u32,
            }
        })
        .collect();
    for n in 0..240 {
        let attack = |client: &str, bucket: i64, path: String, status| Request {
            at_ms: from_ms + (LEARNED + bucket) * SPAN_MS + n * 1000,
            client: client.into(),
            method: if status == 401 { "POST" } else { "GET" },
            path,
            status,
            bytes: 300,
        };
        out.push(attack("203.0.113.7", 5, "/login".into(), 401));
        out.push(attack("203.0.113.8", 17, format!("/.{}", n % 40), 404));
    }
    out.sort_by_key(|a| a.at_ms);
    out
}

fn log_of(requests: &[Request]) -> String {
    let mut out = String::new();
    for r in requests {
        let time = chrono::DateTime::from_timestamp_millis(r.at_ms).unwrap().format("%d/%b/%Y:%H:%M:%S +0000");
        writeln!(out, "{} - - [{time}] \"{} {} HTTP/1.1\" {} {} \"-\" \"test\"", r.client, r.method, r.path, r.status, r.bytes).unwrap();
    }
    out
}

async fn ingest(engine: &Engine, index: &str, requests: &[Request]) {
    let keyword = json!({ "type": "keyword" });
    let properties = json!({
        "@timestamp": { "type": "date" },
        "source": { "properties": { "ip": { "type": "ip" } } },
        "url": { "properties": { "path": keyword } },
        "http": { "properties": {
            "request": { "properties": { "method": keyword } },
            "response": { "properties": { "status_code": { "type": "long" }, "body": { "properties": { "bytes": { "type": "long" } } } } },
        } },
    });
    engine.recreate(index, 3, properties).await;
    let documents = requests.iter().map(|r| {
        json!({ "@timestamp": iso(r.at_ms), "source": { "ip": r.client }, "url": { "path": r.path },
            "http": { "request": { "method": r.method }, "response": { "status_code": r.status, "body": { "bytes": r.bytes } } } })
    });
    engine.fill(index, documents).await;
    let count = engine.send(Call::post(path(&[index, "_count"]))).await;
    assert_eq!(count["count"], json!(requests.len()), "{}", engine.name);
}

/// Configuration of a worker whose indices begin with `prefix`.
fn configuration(folder: &Path, engine: &Engine, prefix: &str, index: &str) -> PathBuf {
    let cluster = engine.cluster_yaml();
    let yaml = format!(
        "{cluster}\nindices: {{ prefix: {prefix} }}\nstate: {{ snapshot_every: 7 }}\n\
         jobs:\n  - {{ id: web_access, preset: web_access, index: {index}, bucket_span: 5m, window_delay: 1m, lookback: {}m }}\n",
        LEARNED * SPAN_MS / MIN_MS
    );
    let file = folder.join(format!("{prefix}.yaml"));
    std::fs::write(&file, yaml).unwrap();
    file
}

fn elkhound(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elkhound"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Standard output of a command that has to succeed.
fn output(args: &[&str]) -> String {
    let out = elkhound(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Documents of an alias by `_id`, without what tells when they were written.
async fn documents(engine: &Engine, alias: &str) -> BTreeMap<String, Value> {
    engine.send(Call::post(path(&[alias, "_refresh"]))).await;
    let found = engine.send(Call::post(path(&[alias, "_search"])).json(&json!({ "size": 5000 }))).await;
    let hits = found.pointer("/hits/hits").and_then(Value::as_array).cloned().unwrap_or_default();
    let total = found.pointer("/hits/total/value").and_then(Value::as_u64);
    assert_eq!(total, Some(hits.len() as u64), "{}: more documents than one page holds", engine.name);
    let mut out = BTreeMap::new();
    for mut hit in hits {
        let mut body = hit["_source"].take();
        if let Some(event) = body.get_mut("event").and_then(Value::as_object_mut) {
            event.remove("created");
            event.remove("ingested");
        }
        let id = hit["_id"].as_str().unwrap().to_owned();
        assert_eq!(out.insert(id, body), None, "{}: an id stands in two indices", engine.name);
    }
    out
}

/// Score and number of documents by entity and bucket.
fn findings<'a>(documents: impl Iterator<Item = &'a Value>) -> BTreeMap<(String, String), (f64, Value)> {
    let text = |d: &Value, at: &str| d.pointer(at).and_then(Value::as_str).unwrap().to_owned();
    documents
        .map(|d| {
            let score = d.pointer("/elkhound/score").and_then(Value::as_f64).unwrap();
            ((text(d, "/elkhound/entity/key"), text(d, "/@timestamp")), (score, d["elkhound"]["doc_count"].clone()))
        })
        .collect()
}

async fn wipe(engine: &Engine, prefix: &str) {
    let pattern = format!("{prefix}-*");
    let there = engine.send(Call::get("/_cat/indices").with("format", "json")).await;
    let names = there.as_array().cloned().unwrap_or_default();
    for name in names.iter().filter_map(|i| i["index"].as_str()).filter(|n| n.starts_with(pattern.trim_end_matches('*'))) {
        engine.send(Call::delete(path(&[name]))).await;
    }
}

/// The learned part, as a worker that stopped at the end of it leaves it behind.
async fn learn(file: &Path, engine: &Engine, until_ms: i64) {
    let config = config::load(Some(file), &Environment::of_process()).unwrap();
    let clock = Arc::new(SimulatedClock::new(until_ms + 2 * MIN_MS));
    let connection = Connection { cluster: engine.cluster.clone(), flavor: engine.flavor.clone() };
    let telemetry = Telemetry::new(Arc::new(move || until_ms));
    let (_stopper, stop) = watch::channel(false);
    let job = config.jobs[0].clone();
    let runner = app::runner(&config, job, &connection, Purpose::Work, clock, &telemetry, stop).unwrap();
    let summary = runner.run(Mode::Once).await.unwrap();
    assert_eq!(summary.anomalies, 0, "{}: learning reports nothing", engine.name);
}

/// Starts the worker and kills it as soon as it has delivered a few windows.
async fn kill_in_mid_run(file: &Path, engine: &Engine, prefix: &str) {
    let runs = format!("{prefix}-runs");
    let before = documents(engine, &runs).await.len();
    let mut child = elkhound(&["run", "--once", "-c", file.to_str().unwrap()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while documents(engine, &runs).await.len() < before + 4 {
        assert_eq!(child.try_wait().unwrap(), None, "{}: the worker ended before it could be killed", engine.name);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "{}: {status}", engine.name);
}

#[tokio::test]
async fn the_worker_finds_what_scan_finds_and_a_kill_changes_no_document() {
    const INDEX: &str = "elkhound-test-access";
    let folder = tempfile::tempdir().unwrap();
    let engines = engines::all().await;
    let Some(now_ms) = elkhound_now(&engines) else { return };
    let end_ms = (now_ms - 10 * MIN_MS) / SPAN_MS * SPAN_MS;
    let learned_ms = end_ms - REPORTED * SPAN_MS;
    let requests = requests(learned_ms - LEARNED * SPAN_MS);
    let log = folder.path().join("access.log");
    std::fs::write(&log, log_of(&requests)).unwrap();
    let out = folder.path().join("scan.ndjson");
    let (learned, end) = (iso(learned_ms), iso(end_ms));
    output(&[
        "scan",
        log.to_str().unwrap(),
        "--preset",
        "web_access",
        "--bucket-span",
        "5m",
        "--train-until",
        &learned,
        "--out",
        out.to_str().unwrap(),
    ]);
    let scanned: Vec<Value> = std::fs::read_to_string(&out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let scanned = findings(scanned.iter());
    for attacker in ["203.0.113.7", "203.0.113.8"] {
        assert!(scanned.keys().any(|(entity, _)| entity == attacker), "scan finds {attacker}: {scanned:?}");
    }

    for engine in &engines {
        ingest(engine, INDEX, &requests).await;
        let [straight, killed] = ["elktest-straight", "elktest-killed"];
        for prefix in [straight, killed] {
            wipe(engine, prefix).await;
            let file = configuration(folder.path(), engine, prefix, INDEX);
            (0..2).for_each(|_| drop(output(&["setup", "-c", file.to_str().unwrap()])));
        }
        let file = folder.path().join(format!("{straight}.yaml"));
        output(&["run", "--from", &learned, "--to", &end, "-c", file.to_str().unwrap()]);
        let anomalies = documents(engine, &format!("{straight}-anomalies")).await;
        let found = findings(anomalies.values());
        assert_eq!(found.keys().collect::<Vec<_>>(), scanned.keys().collect::<Vec<_>>(), "{}: not what scan found", engine.name);
        for (key, (score, documents)) in &found {
            let (wanted, lines) = &scanned[key];
            assert!((score - wanted).abs() < 1e-6 && documents == lines, "{} {key:?}: {score} {wanted}", engine.name);
        }
        look_back(engine, &file, straight, (&learned, &end), &anomalies).await;
        let view = log_view_id(straight, INDEX, "@timestamp");
        for d in anomalies.values() {
            let (link, query) = (d["elkhound"]["link"].as_str().unwrap(), d["elkhound"]["query"].as_str().unwrap());
            let entity = d["elkhound"]["entity"]["key"].as_str().unwrap();
            let is_explorer = engine.flavor.product == elkhound::cluster::Product::OpenSearch;
            assert_eq!(link.starts_with("data-explorer/discover#/?"), is_explorer, "{}: {link}", engine.name);
            assert!(link.contains(&view) && link.contains(entity) && query.ends_with(&format!("\"{entity}\"")), "{}: {link} {query}", engine.name);
        }

        let file = folder.path().join(format!("{killed}.yaml"));
        learn(&file, engine, learned_ms).await;
        kill_in_mid_run(&file, engine, killed).await;
        output(&["run", "--once", "-c", file.to_str().unwrap()]);
        let again = documents(engine, &format!("{killed}-anomalies")).await;
        let inside: BTreeMap<String, Value> =
            again.into_iter().filter(|(_, d)| d["@timestamp"].as_str().and_then(parse_time).is_some_and(|t| t < end_ms)).collect();
        // Links name the data view of the logs, whose id begins with the prefix.
        let inside: BTreeMap<String, Value> = serde_json::from_str(&serde_json::to_string(&inside).unwrap().replace(killed, straight)).unwrap();
        assert_eq!(inside, anomalies, "{}: a kill changed documents", engine.name);
        for prefix in [straight, killed] {
            wipe(engine, prefix).await;
        }
        engine.send(Call::delete(path(&[INDEX]))).await;
    }
}

/// Looks back on what a run found: a backtest of the same range against verdicts on it, and the evidence of one finding. Neither
/// writes anything.
async fn look_back(engine: &Engine, file: &Path, prefix: &str, (from, to): (&str, &str), anomalies: &BTreeMap<String, Value>) {
    let (file, triage) = (file.to_str().unwrap(), format!("{prefix}-triage"));
    let entity = |d: &Value| d.pointer("/elkhound/entity/key").and_then(Value::as_str).unwrap().to_owned();
    let of = |client: &str| anomalies.iter().filter(|(_, d)| entity(d) == client).map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let (real, false_alarms) = (of("203.0.113.7"), of("203.0.113.8"));
    assert!(!real.is_empty() && !false_alarms.is_empty(), "{}: both attacks were found", engine.name);
    let said = [(&real, "true_positive"), (&false_alarms, "false_positive")];
    let verdicts = said.iter().flat_map(|(ids, verdict)| ids.iter().map(move |id| (id, *verdict)));
    let document = |(id, verdict): (&String, &str)| {
        let own = json!({ "kind": "verdict", "job": "web_access", "verdict": verdict, "anomaly_id": id });
        json!({ "@timestamp": from, "elkhound": own })
    };
    engine.fill(&triage, verdicts.map(document)).await;
    let everything = || async {
        let (a, r) = (documents(engine, &format!("{prefix}-anomalies")).await, documents(engine, &format!("{prefix}-runs")).await);
        (a, r, documents(engine, &format!("{prefix}-state")).await)
    };
    let before = everything().await;
    let told = output(&["--json", "backtest", "-c", file, "--from", from, "--to", to, "--verdicts", "--against", file]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let named = |side: usize| told["sides"][side]["name"].as_str().unwrap_or_default().to_owned();
    assert_eq!([named(0), named(1)], [(); 2].map(|()| format!("job web_access over elkhound-test-access ({file})")), "{}", engine.name);
    let figures = &told["sides"][0]["as_reported"];
    assert_eq!(told["labels"], json!(real.len()), "{}", engine.name);
    assert_eq!((figures["found"].as_u64(), figures["recall"].as_f64()), (Some(real.len() as u64), Some(1.0)), "{}: {figures}", engine.name);
    let judged = figures["alarms"].as_u64().unwrap() - figures["unjudged"].as_u64().unwrap();
    assert!(figures["true_alarms"].as_u64() == Some(1) && judged == 2, "{}: one alarm of each client: {figures}", engine.name);
    assert_eq!(figures["precision"], json!(0.5), "{}", engine.name);
    let wrong = &told["sides"][0]["false_alarms"][0];
    assert!(wrong["entity"] == "203.0.113.8" && wrong["why"].as_str().unwrap().contains("203.0.113.8"), "{}: {wrong}", engine.name);
    let difference = &told["difference"];
    assert_eq!((&difference["appear"], &difference["vanish"]), (&json!([]), &json!([])), "{}: the same twice", engine.name);
    let text = output(&["explain", &real[0], "-c", file]);
    for word in ["203.0.113.7", "what adds to it", "rule ", "query"] {
        assert!(text.contains(word), "{}: no {word:?} in {text}", engine.name);
    }
    let all: Value = serde_json::from_str(&output(&["--json", "explain", &real[0], "-c", file])).unwrap();
    assert_eq!(all["event"]["id"], json!(real[0]), "{}", engine.name);
    assert!(everything().await == before, "{}: looking back has written something", engine.name);
}

/// The clock, when there is an engine at all.
fn elkhound_now(engines: &[Engine]) -> Option<i64> {
    use elkhound::schedule::clock::{Clock, SystemClock};
    (!engines.is_empty()).then(|| SystemClock.now_ms())
}
