//! Configuration: what is read, in which order, and what a wrong one says.

use std::path::Path;

use elkhound::config::{Config, ConfigError, DEFAULT_YAML, Environment, Login, load, load_text, preset_job};
use elkhound::presets;
use serde_json::json;

fn text(yaml: &str) -> Result<Config, ConfigError> {
    load_text(yaml, Path::new("."), &Environment::default())
}

fn paths(result: Result<Config, ConfigError>) -> Vec<String> {
    result.map_or_else(|e| e.mistakes.into_iter().map(|m| m.path).collect(), |_| Vec::new())
}

#[test]
fn the_reference_loads_alone_and_laid_over_itself() {
    for yaml in ["", DEFAULT_YAML] {
        let config = text(yaml).unwrap();
        assert_eq!((config.indices.prefix.as_str(), config.jobs.len(), config.cluster.is_none()), ("elkhound", 0, true));
        assert_eq!(config.telemetry.listen.map(|a| a.to_string()).as_deref(), Some("127.0.0.1:9600"));
    }
}

#[test]
fn the_alert_budget_is_said_in_the_same_words_everywhere() {
    let words = "larms a day to expect at most while nothing is wrong; real events may bring more";
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_elkhound")).args(["scan", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8_lossy(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    for (place, text) in [("README", include_str!("../../README.md")), ("reference", DEFAULT_YAML), ("help", &help)] {
        assert!(text.contains(words), "{place}");
    }
}

#[test]
fn the_example_in_the_reference_loads() {
    let at = DEFAULT_YAML.find("# - id: web").unwrap();
    let example: String = DEFAULT_YAML[at..].lines().map(|l| format!("{}\n", l.strip_prefix("# ").unwrap_or(l))).collect();
    let config = text(&format!("cluster: {{ hosts: [\"https://localhost:9200\"] }}\njobs:\n{example}")).unwrap();
    let job = &config.jobs[0];
    assert_eq!((job.id.as_str(), job.features.len(), job.alert_budget.per_day), ("web", 2, 5.0));
}

#[test]
fn every_preset_loads_and_so_does_its_example() {
    for preset in presets::CATALOGUE {
        let job = preset_job(preset.part.name, &json!({})).unwrap_or_else(|e| panic!("{}: {e}", preset.part.name));
        assert!(!job.features.is_empty() && !job.labels.entity_noun.is_empty(), "{}", preset.part.name);
        let yaml = format!("cluster: {{ hosts: [\"https://localhost:9200\"] }}\njobs:\n  - {}", preset.part.example);
        text(&yaml).unwrap_or_else(|e| panic!("{}: {e}", preset.part.name));
    }
}

#[test]
fn five_mistakes_are_told_at_once_each_with_place_and_mend() {
    let error = text(
        "cluster:\n  hosts: [\"http://es.example:9200\"]\n  pasword_file: x\njobs:\n  - id: web\n    preset: web_acces\n    index: logs-*\n    bucket_spam: 5m\n    features: [count]\n    alert_budget: lots\n",
    )
    .unwrap_err();
    let lines = error.to_string();
    for expected in [
        "the configuration has 5 mistakes:",
        "cluster.hosts[0]: the connection is not encrypted; use https://, or set `allow_http: true`",
        "cluster.pasword_file: unknown key; did you mean `password_file`?",
        "jobs[0].alert_budget: `lots` does not fit; write it as `20 per day`",
        "jobs[0].bucket_spam: unknown key; did you mean `bucket_span`?",
        "jobs[0].preset: there is no preset `web_acces`; did you mean `web_access`?",
    ] {
        assert!(lines.contains(expected), "no {expected:?} in:\n{lines}");
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let env = Environment::of(&[
        ("ELKHOUND__CLUSTER__HOSTS", "https://a:9200,https://b:9200"),
        ("ELKHOUND__CLUSTER__USER", "u"),
        ("ELKHOUND__CLUSTER__PASSWORD", "hunter2"),
        ("ELKHOUND__STATE__SNAPSHOT_EVERY", "3"),
        ("OTHER", "x"),
    ]);
    let config = load_text("cluster: { hosts: [\"https://c:9200\"] }\nstate: { snapshot_every: 7 }", Path::new("."), &env).unwrap();
    let cluster = config.cluster.clone().unwrap();
    assert_eq!((cluster.hosts.len(), config.state.snapshot_every), (2, 3));
    assert!(matches!(&cluster.login, Login::Basic { user, password } if user == "u" && password.reveal() == "hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let wrong = load_text("", Path::new("."), &Environment::of(&[("ELKHOUND__CLUSTR__HOSTS", "x")])).unwrap_err();
    assert_eq!((wrong.mistakes[0].path.as_str(), wrong.mistakes[0].mend.as_str()), ("clustr", "did you mean `cluster`?"));
}

#[test]
fn secrets_come_from_files_or_references_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "id:hunter2\n").unwrap();
    let hosts = "hosts: [\"https://a:9200\"]";
    let good = load_text(&format!("cluster: {{ {hosts}, api_key_file: key }}"), folder.path(), &Environment::default()).unwrap();
    assert!(matches!(good.cluster.map(|c| c.login), Some(Login::ApiKey(_))));
    let env = Environment::of(&[("PW", "hunter2")]);
    assert!(load_text(&format!("cluster: {{ {hosts}, user: u, password: \"${{PW}}\" }}"), folder.path(), &env).is_ok());
    for typed in ["user: u, password: hunter2", "user: u, password: 12345", "user: u, password: \"${PW:hunter2}\"", "bearer: hunter2"] {
        let error = load_text(&format!("cluster: {{ {hosts}, {typed} }}"), folder.path(), &env).unwrap_err().to_string();
        assert!(error.contains("a secret stands in the file") && !error.contains("hunter2") && !error.contains("12345"), "{error}");
    }
    let in_address = text("cluster: { hosts: [\"https://u:hunter2@a:9200\"] }").unwrap_err().to_string();
    assert!(in_address.contains("cluster.hosts[0]") && !in_address.contains("hunter2"), "{in_address}");
}

#[test]
fn references_have_fallbacks_and_a_missing_one_is_told() {
    let env = Environment::of(&[("PORT", "9601")]);
    let config = load_text("telemetry: { listen: \"127.0.0.1:${PORT}\", log_level: \"${LEVEL:debug}\" }", Path::new("."), &env).unwrap();
    assert_eq!((config.telemetry.listen.map(|a| a.port()), config.telemetry.log_level), (Some(9601), "debug"));
    assert_eq!(paths(text("telemetry: { listen: \"${NOWHERE}\" }")), ["telemetry.listen"]);
}

#[test]
fn jobs_of_a_folder_are_added_by_name_and_their_mistakes_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = folder.path().join("jobs.d");
    std::fs::create_dir(&jobs).unwrap();
    std::fs::write(jobs.join("b.yaml"), "id: b\npreset: ssh_auth\nindex: auth-*\n").unwrap();
    std::fs::write(jobs.join("a.yml"), "jobs:\n  - { id: a, preset: web_access, index: web-* }\n").unwrap();
    std::fs::write(jobs.join("notes.txt"), "not read").unwrap();
    let main = folder.path().join("elkhound.yaml");
    std::fs::write(&main, "cluster: { hosts: [\"http://localhost:9200\"] }\njobs_path: jobs.d\n").unwrap();
    let config = load(Some(&main), &Environment::default()).unwrap();
    assert_eq!(config.jobs.iter().map(|j| j.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    std::fs::write(jobs.join("c.yaml"), "id: b\npreset: ssh_auth\nindx: x\n").unwrap();
    std::fs::write(jobs.join("d.yaml"), "jobs: {\n").unwrap();
    let list = paths(load(Some(&main), &Environment::default()));
    assert_eq!(list, ["jobs.d/c.yaml: job.id", "jobs.d/c.yaml: job.index", "jobs.d/c.yaml: job.indx", "jobs.d/d.yaml"]);
}

#[test]
fn hopeless_files_are_told_and_never_panic() {
    let none = load(Some(Path::new("no/such/file.yaml")), &Environment::default()).unwrap_err();
    assert!(none.to_string().contains("no/such/file.yaml: the file cannot be read"), "{none}");
    for yaml in [
        "- a\n- b",
        "just text",
        "a: [",
        "a: b: c",
        "\u{0}",
        "cluster: 5",
        "jobs: {}",
        "jobs: [1, null, []]",
        "a: &x [*x]",
        "---\na: 1\n---\nb: 2",
        "cluster: { hosts: { a: b } }",
    ] {
        assert!(text(yaml).is_err(), "{yaml:?} was taken");
    }
}

#[test]
fn plain_http_needs_to_be_asked_for_unless_it_is_this_machine() {
    for host in ["http://localhost:9200", "http://127.0.0.1:9200", "http://[::1]:9200", "https://es.example:9200"] {
        assert!(text(&format!("cluster: {{ hosts: [\"{host}\"] }}")).is_ok(), "{host}");
    }
    for host in ["http://es.example:9200", "ftp://es.example", "es.example:9200", "localhost"] {
        assert_eq!(paths(text(&format!("cluster: {{ hosts: [\"{host}\"] }}"))), ["cluster.hosts[0]"], "{host}");
    }
    assert!(text("cluster: { hosts: [\"http://es.example:9200\"], allow_http: true }").is_ok());
}
