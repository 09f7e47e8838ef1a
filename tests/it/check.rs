//! Setup and check against scripted clusters: policies that the engines in the tests do not have, and every way in which
//! a check can fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use elkhound::cluster::{Cluster, Flavor, Product};
use elkhound::config::{Config, Environment, load_text};
use elkhound::setup::check::check;
use elkhound::setup::install::{Change, SetupError, Step, apply, plan};
use elkhound::setup::{Finding, Level};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::script::{connect, flavor, json as answer, on, options};

/// 2026-01-15, in milliseconds of the epoch.
const NOW_MS: i64 = 1_768_435_200_000;

/// An engine that remembers what is put and answers with it.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Value>>>);

impl Memory {
    fn at(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().get(path).cloned()
    }

    fn list(&self, api: &str, inner: &str) -> Vec<Value> {
        let held = self.0.lock().unwrap();
        let of_api = held.iter().filter_map(|(path, body)| Some((path.strip_prefix(api)?, body)));
        of_api.map(|(name, body)| json!({ "name": name, inner: body })).collect()
    }

    fn get(&self, path: &str) -> ResponseTemplate {
        let not_found = || answer(404, json!({ "error": { "type": "resource_not_found_exception", "reason": "none" }, "status": 404 }));
        match path {
            "/_component_template/elkhound-*" => {
                answer(200, json!({ "component_templates": self.list("/_component_template/", "component_template") }))
            }
            "/_index_template/elkhound-*" => answer(200, json!({ "index_templates": self.list("/_index_template/", "index_template") })),
            "/elkhound-*/_alias" => {
                let held = self.0.lock().unwrap();
                let names = held.keys().filter_map(|p| p.strip_prefix('/').filter(|n| !n.contains('/') && n.starts_with("elkhound-")));
                let alias = |n: &str| n.rsplit_once('-').map_or_else(String::new, |(a, _)| a.to_owned());
                answer(200, names.map(|n| (n.to_owned(), json!({ "aliases": { alias(n): {} } }))).collect::<serde_json::Map<_, _>>().into())
            }
            _ => match (self.at(path), path.rsplit('/').next()) {
                (Some(body), Some(name)) if path.starts_with("/_ilm/policy/") => {
                    answer(200, json!({ name: { "version": 1, "policy": body["policy"] } }))
                }
                (Some(body), Some(name)) => answer(200, json!({ "_id": name, "_seq_no": 7, "_primary_term": 2, "policy": body["policy"] })),
                _ => not_found(),
            },
        }
    }
}

impl Respond for Memory {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().to_owned();
        if request.method.as_str() == "GET" {
            return self.get(&path);
        }
        let is_change = path.starts_with("/_plugins/_ism/policies/") && self.at(&path).is_some();
        if is_change && request.url.query() != Some("if_seq_no=7&if_primary_term=2") {
            return answer(409, json!({ "error": { "type": "version_conflict_engine_exception", "reason": "stale" }, "status": 409 }));
        }
        if request.method.as_str() == "DELETE" {
            self.0.lock().unwrap().remove(&path);
        } else {
            self.0.lock().unwrap().insert(path, serde_json::from_slice(&request.body).unwrap());
        }
        answer(200, json!({ "acknowledged": true }))
    }
}

fn config(yaml: &str) -> Config {
    load_text(yaml, Path::new("."), &Environment::default()).unwrap()
}

fn elasticsearch() -> Flavor {
    Flavor { product: Product::Elasticsearch, version: "8.19.13".into(), has_ilm: true, ..flavor() }
}

async fn remembering() -> (MockServer, Cluster, Memory) {
    let (server, memory) = (MockServer::start().await, Memory::default());
    Mock::given(any()).respond_with(memory.clone()).mount(&server).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    (server, cluster, memory)
}

fn changes(steps: &[Step]) -> BTreeMap<&'static str, usize> {
    let mut out = BTreeMap::new();
    for step in steps {
        let word = match step.change {
            Change::Unchanged => "unchanged",
            Change::Create => "create",
            Change::Update => "update",
            Change::Delete => "delete",
        };
        *out.entry(word).or_insert(0) += 1;
    }
    out
}

#[tokio::test]
async fn setup_on_elasticsearch_installs_ilm_and_twice_changes_nothing() {
    let (server, cluster, memory) = remembering().await;
    let (config, flavor) = (config(""), elasticsearch());
    let steps = plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap();
    assert!(server.received_requests().await.unwrap().iter().all(|r| r.method.as_str() == "GET"), "planning writes nothing");
    // 3 policies, 7 component and 6 index templates, 5 indices.
    assert_eq!(changes(&steps), BTreeMap::from([("create", 21)]));
    apply(&cluster, &steps).await.unwrap();
    let template = memory.at("/_index_template/elkhound-anomalies").unwrap();
    assert_eq!(template.pointer("/template/settings/index/lifecycle/name"), Some(&json!("elkhound-anomalies")));
    assert_eq!(memory.at("/_ilm/policy/elkhound-runs").unwrap().pointer("/policy/phases/delete/min_age"), Some(&json!("90d")));
    assert!(memory.at("/elkhound-anomalies-2026.01").is_some());
    let again = plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap();
    assert_eq!(changes(&again), BTreeMap::from([("unchanged", 21)]));
}

#[tokio::test]
async fn setup_on_opensearch_changes_an_ism_policy_against_its_version() {
    let (_server, cluster, memory) = remembering().await;
    let flavor = Flavor { has_ism: true, ..flavor() };
    let steps = plan(&cluster, &flavor, &config("").indices, NOW_MS).await.unwrap();
    apply(&cluster, &steps).await.unwrap();
    let policy = memory.at("/_plugins/_ism/policies/elkhound-anomalies").unwrap();
    assert_eq!(policy.pointer("/policy/ism_template/0/priority"), Some(&json!(300)));
    assert_eq!(memory.at("/_index_template/elkhound-anomalies").unwrap().pointer("/template/settings"), None);
    let longer = config("indices: { retention: { anomalies: 400d } }");
    let steps = plan(&cluster, &flavor, &longer.indices, NOW_MS).await.unwrap();
    assert_eq!(changes(&steps).get("update"), Some(&1));
    apply(&cluster, &steps).await.unwrap();
    let policy = memory.at("/_plugins/_ism/policies/elkhound-anomalies").unwrap();
    assert_eq!(policy.pointer("/policy/states/0/transitions/0/conditions/min_index_age"), Some(&json!("400d")));
}

#[tokio::test]
async fn an_upgrade_reaches_indices_that_are_there_and_what_is_in_the_way_is_told() {
    let (_server, cluster, memory) = remembering().await;
    let (config, flavor) = (config("indices: { retention: { anomalies: 30d } }"), flavor());
    apply(&cluster, &plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap()).await.unwrap();
    memory.0.lock().unwrap().insert("/_component_template/elkhound-anomalies-mappings".into(), json!({ "_meta": { "hash": "older" } }));
    memory.0.lock().unwrap().insert("/elkhound-anomalies-2025.10".into(), json!({}));
    let steps = plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap();
    let due: Vec<(&str, Change)> = steps.iter().filter(|s| s.change != Change::Unchanged).map(|s| (s.title.as_str(), s.change)).collect();
    assert_eq!(
        due,
        [
            ("component template elkhound-anomalies-mappings", Change::Update),
            ("mapping of elkhound-anomalies-2025.10", Change::Update),
            ("mapping of elkhound-anomalies-2026.01", Change::Update),
            ("expired index elkhound-anomalies-2025.10", Change::Delete),
        ]
    );
    apply(&cluster, &steps).await.unwrap();
    assert!(memory.at("/elkhound-anomalies-2025.10").is_none() && memory.at("/elkhound-anomalies-2026.01/_mapping").is_some());
    memory.0.lock().unwrap().insert("/elkhound-runs".into(), json!({}));
    let error = plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap_err();
    assert!(matches!(&error, SetupError::InTheWay(name) if name == "elkhound-runs"), "{error}");
}

const JOBS: &str = "cluster: { hosts: [\"http://localhost:9200\"] }\njobs:\n  - { id: ssh, preset: ssh_auth, index: \"auth-*\" }\n";

fn told(findings: &[Finding], level: Level) -> Vec<String> {
    findings.iter().filter(|f| f.level == level).map(|f| format!("{}: {}; {}", f.about, f.text, f.mend)).collect()
}

/// A cluster with these fields and no templates.
async fn with_fields(fields: ResponseTemplate) -> (MockServer, Cluster) {
    let server = MockServer::start().await;
    on(&server, "POST", "/auth-*/_field_caps", vec![fields]).await;
    Mock::given(any()).respond_with(Memory::default()).mount(&server).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    (server, cluster)
}

#[tokio::test]
async fn a_check_tells_missing_text_only_and_clashing_fields_with_the_mend() {
    let caps = |types: &[(&str, bool)]| {
        types.iter().map(|(t, a)| ((*t).to_owned(), json!({ "type": t, "searchable": true, "aggregatable": a }))).collect::<serde_json::Map<_, _>>()
    };
    let fields = json!({ "indices": ["auth-1", "auth-2"], "fields": {
        "@timestamp": caps(&[("date", true)]),
        "source.ip": caps(&[("ip", true), ("keyword", true)]),
        "user.name": caps(&[("text", false)]),
        "user.name.keyword": caps(&[("keyword", true)]),
        "event.category": caps(&[("keyword", true)]),
        "event.outcome": caps(&[("text", false)]),
    } });
    let (_server, cluster) = with_fields(answer(200, fields)).await;
    let findings = check(&cluster, &flavor(), &config(JOBS), NOW_MS).await;
    let errors = told(&findings, Level::Error);
    for expected in [
        "job ssh: field `host.name` is in no index; check its spelling",
        "job ssh: field `source.ip` clashes: it is ip and keyword in different indices; narrow the index pattern",
        "job ssh: field `user.name` is text only and cannot be grouped or counted; use `user.name.keyword` in the job",
    ] {
        assert!(errors.iter().any(|e| e.starts_with(expected)), "no {expected:?} in {errors:#?}");
    }
    assert_eq!(errors.len(), 3, "{errors:#?}");
    let warnings = told(&findings, Level::Warning);
    assert!(warnings.iter().any(|w| w.contains("`event.outcome` is text")), "{warnings:#?}");
    assert!(warnings.iter().any(|w| w.contains("no security")), "{warnings:#?}");
    let missing = "18 of the 18 things that a setup makes are missing or out of date (7 component templates, 6 index templates, 5 indices)";
    assert!(warnings.iter().any(|w| w.contains(missing) && w.contains("run `elkhound setup`")), "{warnings:#?}");
}

#[tokio::test]
async fn a_check_counts_what_a_setup_makes() {
    let (_server, cluster, memory) = remembering().await;
    let (config, flavor) = (config(""), flavor());
    let steps = plan(&cluster, &flavor, &config.indices, NOW_MS).await.unwrap();
    apply(&cluster, &steps).await.unwrap();
    let about = |findings: &[Finding]| {
        let own = findings.iter().find(|f| f.about == "own indices").unwrap();
        (own.level, own.text.clone())
    };
    let all = format!("all {} things that a setup makes are there and up to date", steps.len());
    let (level, text) = about(&check(&cluster, &flavor, &config, NOW_MS).await);
    assert!(level == Level::Ok && text.starts_with(&all) && text.contains("5 indices"), "{text}");
    memory.0.lock().unwrap().remove("/elkhound-runs-2026.01");
    let (level, text) = about(&check(&cluster, &flavor, &config, NOW_MS).await);
    assert!(level == Level::Ok && text.ends_with("1 index of this month will come with the first document"), "{text}");
    memory.0.lock().unwrap().remove("/elkhound-state");
    let (level, text) = about(&check(&cluster, &flavor, &config, NOW_MS).await);
    assert!(level == Level::Warning && text.starts_with("2 of the 18 things") && text.ends_with("(2 indices)"), "{text}");
}

#[tokio::test]
async fn an_index_that_is_not_there_and_one_that_is_forbidden_are_told_apart() {
    let error = |kind: &str| json!({ "error": { "type": kind, "reason": "x", "root_cause": [{ "type": kind, "reason": "x" }] }, "status": 0 });
    for (status, kind, says) in
        [(404, "index_not_found_exception", "`auth-*` matches no index"), (403, "security_exception", "do not allow this (403)")]
    {
        let (_server, cluster) = with_fields(answer(status, error(kind))).await;
        let errors = told(&check(&cluster, &flavor(), &config(JOBS), NOW_MS).await, Level::Error);
        assert!(errors.iter().any(|e| e.starts_with("job ssh") && e.contains(says)), "{errors:#?}");
    }
}

#[tokio::test]
async fn privileges_that_are_missing_are_listed_and_a_superuser_is_warned_about() {
    let server = MockServer::start().await;
    let (lacking, all) = (
        json!({ "username": "w", "has_all_requested": false, "cluster": { "monitor": true }, "index": { "elkhound-*": { "index": false, "read": true } } }),
        json!({ "username": "w", "has_all_requested": true, "cluster": {}, "index": {} }),
    );
    on(&server, "GET", "/_security/_authenticate", vec![answer(200, json!({ "roles": ["worker"] })), answer(200, json!({ "roles": ["superuser"] }))])
        .await;
    on(&server, "POST", "/_security/user/_has_privileges", vec![answer(200, lacking), answer(200, all)]).await;
    let (cluster, _) = connect(&options(&server.uri())).await;
    let flavor = Flavor { has_security: true, user: Some("w".into()), ..elasticsearch() };
    let first = check(&cluster, &flavor, &config(""), NOW_MS).await;
    assert!(
        told(&first, Level::Error)
            .iter()
            .any(|e| e == "privileges: missing on `elkhound-*`: index; grant the role that `elkhound export role` prints"),
        "{first:#?}"
    );
    let second = check(&cluster, &flavor, &config(""), NOW_MS).await;
    assert!(told(&second, Level::Warning).iter().any(|w| w.contains("`superuser` may do everything")), "{second:#?}");
    assert_eq!(told(&second, Level::Error), [] as [&str; 0]);
}

/// Runs the program.
async fn elkhound(args: &[&str], vars: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elkhound"));
    command.args(args).envs(vars.iter().map(|(k, v)| (k, v))).env_remove("ELKHOUND_CONFIG");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_program_ends_with_a_code_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(&file, "clutser: {}\njobs: [{ id: a, preset: web, index: x, bucket_span: 5 }]\n").unwrap();
    let bad = elkhound(&["check", "--offline", "-c", file.to_str().unwrap()], &[]).await;
    let text = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert_eq!(bad.status.code(), Some(78), "{text}");
    for expected in ["clutser: unknown key", "did you mean `cluster`?", "jobs[0].bucket_span", "jobs[0].preset"] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    for args in [&["--json", "check", "--offline"][..], &["--json", "check"]] {
        let empty = elkhound(args, &[]).await;
        assert_eq!(empty.status.code(), Some(78), "nothing is configured");
        let empty: Value = serde_json::from_slice(&empty.stdout).unwrap();
        let told: Vec<_> = empty["findings"].as_array().unwrap().iter().map(|f| (f["about"].as_str(), f["level"].as_str())).collect();
        assert_eq!(told, [(Some("connection"), Some("error")), (Some("jobs"), Some("error"))], "{empty}");
        assert!(empty["findings"][1]["mend"].as_str().is_some_and(|m| m.contains("preset: web_access")), "{empty}");
    }
    std::fs::write(&file, "cluster: { hosts: [\"https://x\"] }\njobs: [{ id: a, preset: web_access, index: x }]\n").unwrap();
    let one = elkhound(&["check", "--offline", "-c", file.to_str().unwrap()], &[]).await;
    assert_eq!(String::from_utf8_lossy(&one.stdout), "ok       configuration: 1 job, no mistakes\n");

    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(answer(401, json!({ "error": { "type": "security_exception", "reason": "unable to authenticate" } })))
        .mount(&server)
        .await;
    let host = |h: String| vec![("ELKHOUND__CLUSTER__HOSTS", h), ("ELKHOUND__CLUSTER__LIMITS__ATTEMPTS", "1".to_owned())];
    for command in ["check", "setup"] {
        let denied = elkhound(&[command], &host(server.uri())).await;
        let said = format!("{}{}", String::from_utf8_lossy(&denied.stdout), String::from_utf8_lossy(&denied.stderr));
        assert!(denied.status.code() == Some(77) && said.contains("does not accept the credentials"), "{command}: {said}");
        let nobody = elkhound(&[command], &host("http://127.0.0.1:9".into())).await;
        let said = format!("{}{}", String::from_utf8_lossy(&nobody.stdout), String::from_utf8_lossy(&nobody.stderr));
        assert_eq!((nobody.status.code(), said.matches("127.0.0.1:9").count()), (Some(69), 1), "{command}: {said}");
    }
}

#[tokio::test]
async fn what_is_exported_without_an_engine_says_for_which_it_is() {
    for (what, option) in [("template", "--engine opensearch"), ("role", "--engine opensearch"), ("dashboards", "--product opensearch")] {
        let out = elkhound(&["export", what], &[]).await;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && said.contains(option) && said.lines().count() == 1, "{what}: {said}");
        let args: Vec<&str> = ["export", what].into_iter().chain(option.split(' ')).collect();
        assert!(elkhound(&args, &[]).await.stderr.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn what_is_exported_loads_again() {
    let reference = elkhound(&["export", "config"], &[]).await;
    let text = String::from_utf8(reference.stdout).unwrap();
    assert!(load_text(&text, Path::new("."), &Environment::default()).is_ok());
    for (args, count) in [
        (["template", "elasticsearch"], 13),
        (["template", "opensearch"], 13),
        (["policy", "elasticsearch"], 3),
        (["policy", "opensearch"], 3),
        (["role", "elasticsearch"], 1),
        (["role", "opensearch"], 1),
    ] {
        let out = elkhound(&["--json", "export", args[0], "--engine", args[1]], &[]).await;
        let list: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(list.as_array().map(Vec::len), Some(count), "{args:?}");
        assert!(list.as_array().unwrap().iter().all(|r| r["path"].as_str().is_some_and(|p| p.starts_with("/_")) && r["body"].is_object()));
    }
}
