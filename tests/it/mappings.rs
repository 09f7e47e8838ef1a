//! What is written, what is mapped and what the dictionary says are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use elkhound::model::document::{ecs, run_to_document, to_document};
use elkhound::model::job::JobLabels;
use elkhound::model::problem::Problem;
use elkhound::model::{Anomaly, Contributor, RunDocument};
use elkhound::setup::Kind;
use serde_json::Value;

/// The only types that every engine has.
const TYPES: &[&str] = &["keyword", "text", "date", "long", "double", "float", "boolean", "ip", "object"];

/// Leaves of a mapping: path -> (type, searched).
fn leaves(properties: &Value, prefix: &str, out: &mut BTreeMap<String, (String, bool)>) {
    for (name, spec) in properties.as_object().unwrap() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match spec.get("properties") {
            Some(inner) => leaves(inner, &path, out),
            None => {
                let off = |key: &str| spec.get(key) == Some(&Value::Bool(false));
                out.insert(path, (spec["type"].as_str().unwrap().to_owned(), !off("index") && !off("enabled")));
            }
        }
    }
}

fn mapped(kind: Kind) -> BTreeMap<String, (String, bool)> {
    let mut out = BTreeMap::new();
    leaves(&kind.mapping()["properties"], "", &mut out);
    out
}

/// Paths of a document, not looking into objects that are not searched.
fn paths(value: &Value, prefix: &str, opaque: &BTreeSet<String>, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !opaque.contains(prefix) => {
            for (name, inner) in map {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                paths(inner, &path, opaque, out);
            }
        }
        _ => {
            out.insert(prefix.to_owned());
        }
    }
}

/// An anomaly in which everything is filled in, whose entity is `field` = `value`.
fn full(field: &str, value: &str) -> Anomaly {
    let c = Contributor {
        feature: "f".into(),
        title: "f".into(),
        actual: 2.0,
        typical: 1.0,
        lower: 0.0,
        upper: 1.5,
        surprise: 4.0,
        reference: "own history".into(),
    };
    let labels = JobLabels {
        entity_noun: "client".into(),
        category: "web".into(),
        tactic_ids: vec!["TA0010".into()],
        technique_ids: vec!["T1041".into()],
        tags: vec!["t".into()],
        ..JobLabels::default()
    };
    Anomaly {
        preset: Some("web_access".into()),
        entity_key: value.into(),
        entity_field: field.into(),
        contributors: vec![c],
        suppressed_by: Some("rule".into()),
        source: "logs".into(),
        rule_box: "r".into(),
        query: "q".into(),
        link: "https://example.org".into(),
        sample: vec!["line".into()],
        sample_ids: vec!["id".into()],
        was_score: Some(1.0),
        enrichment: ecs::ENRICHMENT_FIELDS.iter().map(|f| ((*f).to_owned(), "x".to_owned())).collect(),
        labels,
        ..Anomaly::default()
    }
}

fn written(kind: Kind) -> BTreeSet<String> {
    let opaque: BTreeSet<String> = mapped(kind).into_iter().filter(|(_, (t, _))| t == "object").map(|(p, _)| p).collect();
    let mut out = BTreeSet::from(["event.ingested".to_owned()]);
    match kind {
        Kind::Anomalies => {
            for (field, entity_kind) in ecs::ENTITY_FIELDS {
                let is_ip = matches!(entity_kind, ecs::EntityKind::Ip(_));
                paths(&to_document(&full(field, if is_ip { "10.0.0.1" } else { "name" })), "", &opaque, &mut out);
            }
        }
        Kind::Runs => {
            let run = RunDocument { problems: vec![Problem { kind: "late".into(), count: 1, example: "x".into() }], ..RunDocument::default() };
            paths(&run_to_document(&run), "", &opaque, &mut out);
        }
        _ => unreachable!("only documents that are made here"),
    }
    out
}

#[test]
fn every_field_that_is_written_is_mapped_and_every_mapped_field_is_written() {
    for kind in [Kind::Anomalies, Kind::Runs] {
        let mapped: BTreeSet<String> = mapped(kind).into_keys().collect();
        let written = written(kind);
        let (unmapped, unwritten): (Vec<_>, Vec<_>) = (written.difference(&mapped).collect(), mapped.difference(&written).collect());
        assert!(unmapped.is_empty() && unwritten.is_empty(), "{}: not mapped {unmapped:?}, never written {unwritten:?}", kind.name());
    }
}

#[test]
fn the_dictionary_has_every_mapped_field_with_its_type_and_its_indices() {
    let mut expected: BTreeMap<String, (String, BTreeSet<&str>)> = BTreeMap::new();
    for kind in Kind::ALL {
        for (path, (kind_of_field, is_searched)) in mapped(kind) {
            let shown = if is_searched { kind_of_field } else { format!("{kind_of_field} (not indexed)") };
            let entry = expected.entry(path.clone()).or_insert_with(|| (shown.clone(), BTreeSet::new()));
            assert_eq!(entry.0, shown, "{path} has two types");
            entry.1.insert(kind.name());
        }
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/README.md")).unwrap();
    let mut told = BTreeMap::new();
    for row in text.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        assert!(cells[3].len() > 2, "no meaning: {row}");
        let kinds: BTreeSet<&str> = cells[2].split(", ").collect();
        assert!(told.insert(cells[0].trim_matches('`').to_owned(), (cells[1].replace(" and `.keyword`", ""), kinds)).is_none(), "twice: {row}");
    }
    assert_eq!(told, expected);
}

#[test]
fn mappings_are_closed_flat_and_of_common_types() {
    for kind in Kind::ALL {
        let text = kind.mapping_text();
        assert_eq!(kind.mapping()["dynamic"], Value::Bool(false), "{}", kind.name());
        assert!(!text.contains("nested") && !text.contains("flattened"), "{}", kind.name());
        for (path, (field_type, _)) in mapped(kind) {
            assert!(TYPES.contains(&field_type.as_str()), "{path}: {field_type}");
        }
    }
}

#[test]
fn the_dictionary_and_the_readme_show_the_same_rule() {
    let rule = |file: &str| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let rules: Vec<String> = text.split('`').skip(1).step_by(2).filter(|code| code.ends_with(" rows)")).map(str::to_owned).collect();
        assert!(!rules.is_empty(), "{file} shows no rule");
        rules
    };
    assert_eq!(rule("mappings/README.md"), rule("README.md"));
}
