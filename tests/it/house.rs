//! The house rules that a machine can check: who may import whom, and how long files may be.

use std::path::{Path, PathBuf};

/// Module -> modules that it may import (itself always). A name with a slash is a submodule with a rule of its own.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("math", &["model"]),
    ("formats", &["model", "math"]),
    ("features", &["model", "math"]),
    ("detectors", &["model", "math"]),
    ("score", &["model", "math"]),
    ("cluster", &["model", "math", "telemetry"]),
    ("source", &["model", "math", "cluster", "telemetry", "formats", "features"]),
    ("enrichers", &["model", "math", "cluster", "telemetry"]),
    ("sinks", &["model", "math", "cluster", "telemetry"]),
    ("state", &["model", "math", "cluster", "telemetry"]),
    ("report", &["model", "math", "cluster", "telemetry"]),
    ("telemetry", &["model", "math"]),
    ("dashboards", &["model"]),
    ("pipeline", &["model", "math", "formats", "features", "detectors", "score", "source", "sinks", "enrichers", "state"]),
    ("schedule", &["model", "math", "formats", "features", "detectors", "score", "source", "sinks", "enrichers", "state", "pipeline", "telemetry"]),
    ("demo", &["model"]),
    ("presets", &["model", "math", "formats", "features", "detectors"]),
    ("config", &["model", "math", "formats", "features", "detectors", "presets"]),
    ("setup", &["model", "math", "features", "cluster", "config", "telemetry"]),
];
/// The rooms that connect everything and may use everything.
const TOP: &[&str] = &["app", "cli", "main", "lib"];
/// Most lines of a file before its tests.
const MAX_LINES: usize = 600;

fn source_files() -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut out);
    out.sort();
    out
}

/// The code of a file before its unit tests, without comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or("");
    code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn room(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Names that follow `crate::`, also inside `use crate::{a, b::c}`.
fn imports(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let list = rest.strip_prefix('{').and_then(|r| r.split('}').next());
        for item in list.map_or_else(|| vec![rest], |l| l.split(',').collect()) {
            let name: String = item.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                out.push(name);
            }
        }
    }
    out
}

#[test]
fn every_room_imports_only_what_its_floor_may_use() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in source_files() {
        let room = room(&path);
        if TOP.contains(&room.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: room `{room}` has no rule in MAY_USE", path.display()));
            continue;
        };
        for import in imports(&code(&path)) {
            checked += 1;
            if import != room && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{} imports crate::{import}", path.display()));
            }
        }
    }
    assert!(checked > 20, "the scan found only {checked} imports, so it does not work");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_elasticsearch_crate_is_known_to_one_folder_only() {
    let strangers: Vec<_> =
        source_files().into_iter().filter(|p| room(p) != "cluster" && code(p).contains("elasticsearch::")).map(|p| p.display().to_string()).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = source_files()
        .into_iter()
        .map(|p| (code(&p).lines().count(), p))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, p)| format!("{}: {lines} lines before its tests", p.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
