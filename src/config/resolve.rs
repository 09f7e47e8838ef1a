//! Raw tree -> [`Config`], or every mistake at once.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::job::{self, Surroundings};
use super::load::{RawJob, Tree, parse_yaml};
use super::section::{Mistakes, Section};
use super::{ClusterConfig, Config, ConfigError, DEFAULT_YAML, IndicesConfig, LimitsConfig, StateConfig, TelemetryConfig, secret, words};
use crate::model::Job;
use crate::model::time::DAY_MS;

/// Words of `telemetry.log_level`.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
/// Longest time that documents can be kept.
const MAX_KEEP_MS: i64 = 3_660 * DAY_MS;

/// Resolves a tree that [`super::load()`] read; `mistakes` holds what went wrong until here.
pub(super) fn resolve(tree: &Tree, mistakes: Mistakes) -> Result<Config, ConfigError> {
    let root = Section::new("", &tree.settings, &mistakes);
    root.know(&["jobs", "jobs_path"]);
    let cluster = cluster(root.section("cluster"), &tree.folder);
    let indices = indices(root.section("indices"));
    let state = state(root.section("state"), &tree.folder);
    let dashboards_url = dashboards_url(root.section("dashboards"));
    let evidence = root.section("evidence");
    let evidence_samples = evidence.count("samples", 0, 100).unwrap_or(0) as usize;
    evidence.done();
    let telemetry = telemetry(root.section("telemetry"));
    let jobs = jobs(&tree.jobs, root.raw("job_defaults").unwrap_or(&Value::Null), &indices.prefix, &mistakes);
    root.done();
    if state.folder.is_none() && cluster.is_none() && !jobs.is_empty() {
        mistakes.add("cluster.hosts", "there are jobs and no cluster to read from", "name it, such as `hosts: [https://localhost:9200]`");
    }
    let list = mistakes.into_list();
    if list.is_empty() {
        Ok(Config { cluster, indices, state, dashboards_url, evidence_samples, telemetry, jobs })
    } else {
        Err(ConfigError { mistakes: list })
    }
}

/// A job made of a preset alone, with the defaults of the reference: for files, where no configuration is needed.
/// `keys` override the preset, as a job's keys would.
pub fn preset_job(preset: &str, keys: &Value) -> Result<Job, ConfigError> {
    let mistakes = Mistakes::default();
    let defaults = parse_yaml(DEFAULT_YAML).ok().and_then(|v| v.get("job_defaults").cloned()).unwrap_or_default();
    let mut typed = json!({ "id": preset, "preset": preset });
    for (key, value) in keys.as_object().into_iter().flatten() {
        typed[key] = value.clone();
    }
    let around = Surroundings { defaults: &defaults, prefix: "elkhound", needs_index: false };
    let job = job::resolve("job", &typed, around, &mistakes);
    job.ok_or_else(|| ConfigError { mistakes: mistakes.into_list() })
}

fn cluster(s: Section<'_>, folder: &Path) -> Option<ClusterConfig> {
    let hosts = s.list("hosts").unwrap_or_default();
    let asked_http = s.flag("allow_http").unwrap_or(false);
    let login = secret::login(&s, folder);
    let tls = s.section("tls");
    let ca_pem = tls.text("ca_file").and_then(|name| match std::fs::read(folder.join(&name)) {
        Ok(pem) if pem.windows(11).any(|w| w == b"-----BEGIN ") => Some(pem),
        Ok(_) => {
            tls.wrong("ca_file", "the file holds no PEM certificate", "it has a line `-----BEGIN CERTIFICATE-----`");
            None
        }
        Err(e) => {
            tls.wrong("ca_file", format!("the file cannot be read: {e}"), "check its path and permissions");
            None
        }
    });
    let fingerprint = tls.text("fingerprint");
    if let Some(text) = &fingerprint
        && text.chars().filter(char::is_ascii_hexdigit).count() != 64
    {
        tls.wrong("fingerprint", "it is no SHA-256 fingerprint", "it has 64 hex digits; colons between them are fine");
    }
    let verify = tls.flag("verify").unwrap_or(true);
    tls.done();
    for (i, host) in hosts.iter().enumerate() {
        check_host(&s, i, host, asked_http);
    }
    let config = ClusterConfig {
        allow_http: asked_http || hosts.iter().any(|h| h.starts_with("http:")),
        hosts,
        login,
        ca_pem,
        fingerprint,
        verify,
        request_timeout_ms: s.duration_ms("request_timeout", 100, 3_600_000).unwrap_or(60_000),
        max_body_bytes: s.bytes("max_body", 1 << 16, 4 << 30).unwrap_or(1 << 26),
        compress: s.flag("compress").unwrap_or(true),
        limits: limits(s.section("limits")),
    };
    s.done();
    (!config.hosts.is_empty()).then_some(config)
}

/// One address: a scheme, a host, no secret in it, and encrypted unless it is this machine or plain was asked for.
fn check_host(s: &Section<'_>, i: usize, host: &str, asked_http: bool) {
    let key = format!("hosts[{i}]");
    let Ok(url) = url::Url::parse(host) else {
        // What cannot be taken apart may still hold a password, so it is not shown.
        s.wrong(&key, "it is no address", "write scheme, host and port, such as `https://localhost:9200`");
        return;
    };
    if !url.username().is_empty() || url.password().is_some() {
        s.wrong(&key, "user and password stand in the address", "use `user` and `password_file`");
        return;
    }
    let is_here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if is_here || asked_http => {}
        "http" => s.wrong(&key, "the connection is not encrypted", "use https://, or set `allow_http: true`"),
        _ => s.wrong(&key, "it begins with neither https:// nor http://", "write it as `https://host:9200`"),
    }
}

fn limits(s: Section<'_>) -> LimitsConfig {
    let whole = |key, max| s.count(key, 1, max).unwrap_or(1) as u32;
    let out = LimitsConfig {
        requests_per_second: whole("requests_per_second", 100_000),
        bytes_per_second: s.bytes("bytes_per_second", 1 << 10, u64::from(u32::MAX)).unwrap_or(1 << 26) as u32,
        max_concurrent: whole("max_concurrent", 1_000) as usize,
        slow_after_ms: s.duration_ms("slow_after", 1, 3_600_000).unwrap_or(20_000),
        attempts: whole("attempts", 100),
    };
    s.done();
    out
}

fn indices(s: Section<'_>) -> IndicesConfig {
    let prefix = s.text("prefix").unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if prefix.len() > 100 || !prefix.starts_with(|c: char| c.is_ascii_lowercase()) || !prefix.bytes().all(is_plain) {
        s.wrong("prefix", "it cannot begin the name of an index", "use small letters, digits, `-` and `_`, a letter first");
    }
    let replicas = s.text("auto_expand_replicas").unwrap_or_default();
    let is_range = replicas.split_once('-').is_some_and(|(a, b)| a.parse::<u8>().is_ok() && (b == "all" || b.parse::<u8>().is_ok()));
    if !is_range && replicas != "false" {
        s.wrong("auto_expand_replicas", "it is no range", "write it as `\"0-1\"`, `\"0-all\"` or `false`");
    }
    let r = s.section("retention");
    let keep = |key| r.duration_ms(key, DAY_MS, MAX_KEEP_MS).unwrap_or(DAY_MS);
    let out = IndicesConfig {
        keep_anomalies_ms: keep("anomalies"),
        keep_runs_ms: keep("runs"),
        keep_features_ms: keep("features"),
        prefix,
        auto_expand_replicas: replicas,
        refresh_interval_ms: s.duration_ms("refresh_interval", 100, 3_600_000).unwrap_or(10_000),
    };
    r.done();
    s.done();
    out
}

fn state(s: Section<'_>, folder: &Path) -> StateConfig {
    let named = s.text("folder").unwrap_or_default();
    let is_folder = s.choice("store", &["cluster", "folder"]) == Some("folder");
    if is_folder && named.is_empty() {
        s.wrong("folder", "no folder is named", "name one, such as `folder: elkhound-state`");
    }
    let out =
        StateConfig { folder: is_folder.then(|| folder.join(named)), snapshot_every: s.count("snapshot_every", 1, 100_000).unwrap_or(12) as u32 };
    s.done();
    out
}

/// The address that links begin with: everybody who reads an anomaly sees it, so it may hold no secret.
fn dashboards_url(s: Section<'_>) -> Option<String> {
    let text = s.text("url").filter(|t| !t.is_empty());
    if let Some(text) = &text {
        let mend = "write it as `https://kibana.example:5601`, with its base path and space";
        match url::Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                s.wrong("url", "user and password stand in the address", "leave them out: links are read by many");
            }
            Ok(url) if !matches!(url.scheme(), "http" | "https") => s.wrong("url", "it begins with neither https:// nor http://", mend),
            Ok(url) if url.query().is_some() || url.fragment().is_some() => s.wrong("url", "it goes on behind the base path", mend),
            Ok(_) => {}
            Err(_) => s.wrong("url", "it is no address", mend),
        }
    }
    s.done();
    text
}

fn telemetry(s: Section<'_>) -> TelemetryConfig {
    let listen = s.text("listen").filter(|t| !t.is_empty());
    let address = listen.as_ref().and_then(|t| t.parse().ok());
    if listen.is_some() && address.is_none() {
        s.wrong("listen", "it is no address with a port", "write it as `127.0.0.1:9600` or `[::1]:9600`");
    }
    let out = TelemetryConfig {
        listen: address,
        log_format: s.choice("log_format", &["auto", "text", "json"]).unwrap_or("auto"),
        log_level: s.choice("log_level", LEVELS).unwrap_or("info"),
    };
    s.done();
    out
}

fn jobs(raw: &[RawJob], defaults: &Value, prefix: &str, mistakes: &Mistakes) -> Vec<Job> {
    let around = Surroundings { defaults, prefix, needs_index: true };
    if !defaults.is_object() {
        mistakes.add("job_defaults", format!("{} is no mapping", words::shown(defaults)), "write the keys of a job below it");
    }
    let mut ids = BTreeSet::new();
    let mut out = Vec::new();
    for RawJob { path, value } in raw {
        if let Some(id) = value.get("id").and_then(words::text)
            && !ids.insert(id.clone())
        {
            mistakes.add(format!("{path}.id"), format!("the id `{}` is taken", words::printable_key(&id)), "give each job its own id");
        }
        out.extend(job::resolve(path, value, around, mistakes));
    }
    out
}
