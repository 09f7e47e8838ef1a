//! Files and environment -> one tree: the reference, the main file, the job folder, `ELKHOUND__...`, `${NAME:fallback}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::section::Mistakes;
use super::{Config, ConfigError, DEFAULT_YAML, resolve, words};

/// What environment variables of ours begin with.
const PREFIX: &str = "ELKHOUND";
/// Keys that never stand in a file as they are.
const SECRET_KEYS: &[&str] = &["password", "api_key", "bearer"];
/// Largest file that is taken for a configuration.
const MAX_BYTES: u64 = 16 << 20;

/// Environment variables, as an argument.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are no text are left out.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// Just these variables.
    pub fn of(list: &[(&str, &str)]) -> Self {
        Self(list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// A job as it was typed, and where.
pub(super) struct RawJob {
    pub(super) path: String,
    pub(super) value: Value,
}

/// Everything that was read, defaults included.
pub(super) struct Tree {
    pub(super) settings: Value,
    pub(super) jobs: Vec<RawJob>,
    /// Folder that paths are relative to.
    pub(super) folder: PathBuf,
}

/// Reads a configuration file (none: defaults and environment alone) and resolves it.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let mistakes = Mistakes::default();
    let text = match file.map(read_file) {
        None => String::new(),
        Some(Ok(text)) => text,
        Some(Err(e)) => {
            let name = file.map_or_else(String::new, |f| f.display().to_string());
            mistakes.add(name, format!("the file cannot be read: {e}"), "check its path and permissions");
            return Err(ConfigError { mistakes: mistakes.into_list() });
        }
    };
    let folder = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
    load_tree(&text, &folder, environment, mistakes)
}

/// As [`load`], from a text; paths in it are relative to `folder`.
pub fn load_text(text: &str, folder: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    load_tree(text, folder, environment, Mistakes::default())
}

fn load_tree(text: &str, folder: &Path, environment: &Environment, mistakes: Mistakes) -> Result<Config, ConfigError> {
    let mut settings = parse_yaml(DEFAULT_YAML).unwrap_or_else(|e| {
        mistakes.add("default.yaml", e, "this is a defect of this build");
        Value::Null
    });
    let typed = parse_yaml(text).unwrap_or_else(|e| {
        mistakes.add("(file)", format!("it is no YAML: {e}"), "check indentation and quotes near that place");
        Value::Null
    });
    merge(&mut settings, substituted("", typed, environment, &mistakes));
    match overlay(environment) {
        Ok(values) => merge(&mut settings, values),
        Err(e) => mistakes.add("(environment)", e, "check the variables that begin with ELKHOUND__"),
    }
    let mut jobs = Vec::new();
    add_jobs("", &settings, &mut jobs, &mistakes);
    if let Some(path) = settings.get("jobs_path").filter(|v| !v.is_null()) {
        match path.as_str() {
            Some(path) => add_job_folder(&folder.join(path), path, environment, &mut jobs, &mistakes),
            None => mistakes.add("jobs_path", format!("{} does not fit", words::shown(path)), "expected the path of a folder"),
        }
    }
    resolve::resolve(&Tree { settings, jobs, folder: folder.to_path_buf() }, mistakes)
}

/// Parses YAML whose top is a mapping (or nothing).
pub(super) fn parse_yaml(text: &str) -> Result<Value, String> {
    if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        return Ok(Value::Object(Map::new()));
    }
    if text.contains('\0') {
        return Err("it holds a NUL byte, so it is no text".into());
    }
    let file = config::File::from_str(text, config::FileFormat::Yaml);
    let parsed = config::Config::builder().add_source(file).build().map_err(|e| e.to_string())?;
    parsed.try_deserialize::<Value>().map_err(|e| e.to_string())
}

fn read_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, a configuration has at most {MAX_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// `ELKHOUND__CLUSTER__HOSTS=...` as a tree of texts.
fn overlay(environment: &Environment) -> Result<Value, String> {
    let ours: config::Map<String, String> =
        environment.0.iter().filter(|(k, _)| k.starts_with("ELKHOUND__")).map(|(k, v)| (k.clone(), v.clone())).collect();
    let source = config::Environment::with_prefix(PREFIX).prefix_separator("__").separator("__").source(Some(ours));
    let built = config::Config::builder().add_source(source).build().map_err(|e| e.to_string())?;
    built.try_deserialize::<Value>().map_err(|e| e.to_string())
}

/// Puts `from` over `into`, mapping by mapping; `null` leaves what is there.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn add_jobs(file: &str, tree: &Value, jobs: &mut Vec<RawJob>, mistakes: &Mistakes) {
    let path = if file.is_empty() { "jobs".to_owned() } else { format!("{file}: jobs") };
    match tree.get("jobs") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => jobs.extend(list.iter().enumerate().map(|(i, v)| RawJob { path: format!("{path}[{i}]"), value: v.clone() })),
        Some(other) => mistakes.add(
            path,
            format!("{} is no list of jobs", words::shown(other)),
            "write `jobs:` and below it `- id: ...` (jobs cannot be set from the environment)",
        ),
    }
}

/// Adds the jobs of a folder's YAML files, by file name.
fn add_job_folder(folder: &Path, name: &str, environment: &Environment, jobs: &mut Vec<RawJob>, mistakes: &Mistakes) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => {
            mistakes.add("jobs_path", format!("the folder cannot be read: {e}"), "check its path and permissions");
            return;
        }
    };
    let is_yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(is_yaml).collect();
    files.sort();
    for file in files {
        let file_name = file.file_name().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        let label = format!("{}/{file_name}", name.trim_end_matches('/'));
        let tree = match read_file(&file).and_then(|text| parse_yaml(&text)) {
            Ok(tree) => substituted(&label, tree, environment, mistakes),
            Err(e) => {
                mistakes.add(label, format!("it is no YAML: {e}"), "check indentation and quotes near that place");
                continue;
            }
        };
        if tree.get("jobs").is_some() {
            for key in tree.as_object().into_iter().flat_map(Map::keys).filter(|k| *k != "jobs") {
                mistakes.add(format!("{label}: {}", words::printable_key(key)), "unknown key", "a file of the job folder holds jobs only");
            }
            add_jobs(&label, &tree, jobs, mistakes);
        } else if tree.as_object().is_some_and(|m| !m.is_empty()) {
            jobs.push(RawJob { path: format!("{label}: job"), value: tree });
        }
    }
}

/// The tree with `${NAME}` replaced in every text. A secret must be one such reference as a whole.
fn substituted(path: &str, value: Value, environment: &Environment, mistakes: &Mistakes) -> Value {
    match value {
        Value::Object(map) => {
            let below = |key: &str| match path {
                "" => key.to_owned(),
                p if p.ends_with(".yaml") || p.ends_with(".yml") => format!("{p}: {key}"),
                p => format!("{p}.{key}"),
            };
            let items = map.into_iter().map(|(key, value)| {
                let at = below(&key);
                let is_typed = value.as_str().is_some_and(|s| !(s.starts_with("${") && s.ends_with('}') && !s.contains(':')));
                let is_other = !value.is_string() && !value.is_null();
                if path == "cluster" && SECRET_KEYS.contains(&key.as_str()) && (is_typed || is_other) {
                    mistakes.add(at, "a secret stands in the file", format!("name a file with `{key}_file`, or write `{key}: ${{NAME}}`"));
                    return (key, Value::Null);
                }
                let value = substituted(&at, value, environment, mistakes);
                (key, value)
            });
            Value::Object(items.collect())
        }
        Value::Array(list) => {
            let items = list.into_iter().enumerate().map(|(i, v)| substituted(&format!("{path}[{i}]"), v, environment, mistakes));
            Value::Array(items.collect())
        }
        Value::String(text) if text.contains("${") => match replace(&text, environment) {
            Ok(text) => Value::String(text),
            Err(name) => {
                let message = format!("the environment variable `{}` is not set", words::printable_key(&name));
                mistakes.add(path, message, "set it, or give a fallback as `${NAME:fallback}`");
                Value::Null
            }
        },
        other => other,
    }
}

/// Replaces references in a text, or names the variable that is missing. What is put in is not looked at again.
fn replace(text: &str, environment: &Environment) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        let Some(end) = reference.find('}') else { break };
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &reference[2..];
            continue;
        }
        out.push_str(before);
        let inside = &reference[2..end];
        let (name, fallback) = inside.split_once(':').map_or((inside, None), |(n, f)| (n, Some(f)));
        match environment.0.get(name).map(String::as_str).or(fallback) {
            Some(value) => out.push_str(value),
            None => return Err(name.to_owned()),
        }
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_replaced_once() {
        let env = Environment::of(&[("A", "1"), ("B", "${A}")]);
        let replaced = |t: &str| replace(t, &env);
        assert_eq!(replaced("x${A}y${N:z}"), Ok("x1yz".into()));
        assert_eq!(replaced("${B}"), Ok("${A}".into()));
        assert_eq!(replaced("$${A} ${A"), Ok("${A} ${A".into()));
        assert_eq!(replaced("${N}"), Err("N".into()));
        assert_eq!(replaced("${N:}"), Ok(String::new()));
    }

    #[test]
    fn mappings_merge_and_null_means_default() {
        let mut a = json!({ "x": { "y": 1, "z": [1, 2] }, "w": 5 });
        merge(&mut a, json!({ "x": { "y": 2, "z": [3] }, "w": null }));
        assert_eq!(a, json!({ "x": { "y": 2, "z": [3] }, "w": 5 }));
    }
}
