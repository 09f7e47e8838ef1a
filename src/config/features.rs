//! Features of a job as configuration spells them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::section::Section;
use super::{filter, words};
use crate::features::values::{VALUES, Values};
use crate::features::{self, CATALOGUE};
use crate::model::{Direction, FeatureSpec, Job};

/// Numeric features: each is built once, because only its kind knows what it needs.
pub fn read(s: &Section<'_>, key: &'static str) -> Vec<FeatureSpec> {
    let names = features::names();
    let check = |path: &str, spec: &FeatureSpec| {
        if spec.kind == VALUES.name {
            s.mistakes().add(path, "kind `values` gives no number", "move it to `value_features`");
        } else if !names.contains(&spec.kind.as_str()) {
            let mend = words::suggestion(&spec.kind, &names).unwrap_or_else(|| format!("there are: {}", names.join(", ")));
            s.mistakes().add(format!("{path}.kind"), format!("there is no feature kind `{}`", words::printable_key(&spec.kind)), mend);
        } else if let Err(e) = features::build(spec) {
            let example = CATALOGUE.iter().find(|f| f.part.name == spec.kind).map_or("", |f| f.part.example);
            s.mistakes().add(path, e, format!("for example: {example}"));
        }
    };
    read_list(s, key, &names, &check)
}

/// Keyword-valued features.
pub fn read_values(s: &Section<'_>, key: &'static str) -> Vec<FeatureSpec> {
    let check = |path: &str, spec: &FeatureSpec| {
        if spec.kind != VALUES.name {
            s.mistakes().add(format!("{path}.kind"), format!("kind `{}` gives no values", words::printable_key(&spec.kind)), "move it to `features`");
        } else if let Err(e) = Values::new(spec) {
            s.mistakes().add(path, e, format!("for example: {}", VALUES.example));
        }
    };
    read_list(s, key, &[VALUES.name], &check)
}

fn read_list(s: &Section<'_>, key: &'static str, kinds: &[&str], check: &dyn Fn(&str, &FeatureSpec)) -> Vec<FeatureSpec> {
    let Some(value) = s.raw(key) else { return Vec::new() };
    let Some(items) = value.as_array() else {
        s.wrong(key, format!("{} is no list", words::shown(value)), "write a list of `{ name, kind, ... }`");
        return Vec::new();
    };
    let mut out = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{}[{i}]", s.path_of(key));
        let before = s.mistakes().count();
        let spec = read_one(&path, item, kinds, s);
        if s.mistakes().count() == before {
            check(&path, &spec);
        }
        out.push(spec);
    }
    out
}

/// One feature. A bare word is a kind that needs nothing else; without `kind` the name says it, or there is only one.
fn read_one(path: &str, item: &Value, kinds: &[&str], s: &Section<'_>) -> FeatureSpec {
    let spelt_out;
    let item = match item.as_str() {
        Some(word) => {
            spelt_out = json!({ "name": word, "kind": word });
            &spelt_out
        }
        None => item,
    };
    let f = Section::new(path, item, s.mistakes());
    let name = f.text("name").unwrap_or_default();
    if name.is_empty() || name.len() > 100 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        f.wrong("name", "the feature has no usable name", "use letters, digits and `_`");
    }
    let kind = f.text("kind").unwrap_or_else(|| match kinds {
        [only] => (*only).to_owned(),
        many if many.contains(&name.as_str()) => name.clone(),
        _ => {
            f.wrong("kind", "the feature has no kind", format!("choose from: {}", kinds.join(", ")));
            String::new()
        }
    });
    let direction = match f.choice("direction", &["up", "down", "both"]) {
        Some("up") => Direction::Up,
        Some("down") => Direction::Down,
        _ => Direction::Both,
    };
    let spec = FeatureSpec {
        kind,
        field: f.text("field"),
        filter: f.raw("filter").and_then(|v| filter::read(&f.path_of("filter"), v, s.mistakes())),
        percent: f.number("percent", 0.0, 100.0),
        limit: f.count("limit", 1, 10_000).map(|n| n as usize),
        direction,
        title: f.text("title").unwrap_or_default(),
        name,
    };
    f.done();
    spec
}

/// Names are unique over all features, and there is at least one.
pub fn check_names(s: &Section<'_>, job: &Job) {
    let mut seen = BTreeSet::new();
    for (key, list) in [("features", &job.features), ("value_features", &job.value_features)] {
        for (i, f) in list.iter().enumerate().filter(|(_, f)| !f.name.is_empty()) {
            if !seen.insert(&f.name) {
                s.wrong(
                    &format!("{key}[{i}].name"),
                    format!("the name `{}` is taken", words::printable_key(&f.name)),
                    "give each feature its own name",
                );
            }
        }
    }
    // A preset that is not there has been told already.
    let has_preset = s.raw("preset").is_none_or(|p| p.as_str().and_then(crate::presets::find).is_some());
    if has_preset && job.features.is_empty() && job.value_features.is_empty() {
        s.wrong("features", "the job has no feature", "choose a `preset`, or write `features: [count]`");
    }
}
