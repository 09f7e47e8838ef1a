//! The dashboards: generated files up to date, and every rule that a running server or browser taught.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use elkhound::dashboards::panel::{Drawing, GRID_COLUMNS, Index, View};
use elkhound::dashboards::{Logs, Target, kibana, list, log_views, ndjson, objects, opensearch, query, readme};
use serde_json::Value;

/// Attributes that each type may have: others are refused by a strict mapping.
const OPENSEARCH_ATTRIBUTES: &[(&str, &[&str])] = &[
    (
        "dashboard",
        &[
            "title",
            "description",
            "hits",
            "kibanaSavedObjectMeta",
            "optionsJSON",
            "panelsJSON",
            "refreshInterval",
            "timeFrom",
            "timeRestore",
            "timeTo",
            "version",
        ],
    ),
    ("visualization", &["title", "description", "kibanaSavedObjectMeta", "savedSearchRefName", "uiStateJSON", "version", "visState"]),
    ("search", &["title", "description", "columns", "sort", "hits", "version", "kibanaSavedObjectMeta"]),
    ("index-pattern", &["title", "timeFieldName", "fields", "fieldFormatMap"]),
];
const KIBANA_ATTRIBUTES: &[(&str, &[&str])] = &[
    (
        "dashboard",
        &[
            "title",
            "description",
            "kibanaSavedObjectMeta",
            "timeRestore",
            "timeFrom",
            "timeTo",
            "refreshInterval",
            "controlGroupInput",
            "panelsJSON",
            "optionsJSON",
            "hits",
            "version",
        ],
    ),
    ("search", &["title", "description", "columns", "sort", "hits", "version", "kibanaSavedObjectMeta"]),
    ("index-pattern", &["title", "name", "timeFieldName", "fieldFormatMap"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a generated file with the committed one; `ELKHOUND_UPDATE=1` writes it.
fn same(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("ELKHOUND_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{path} is not what the panel list gives; run ELKHOUND_UPDATE=1 cargo test --test it dashboards");
}

#[test]
fn committed_files_are_what_the_panel_list_gives() {
    for target in Target::ALL {
        same(&format!("dashboards/{}/elkhound.ndjson", target.name()), &ndjson(target, "elkhound"));
    }
    same("dashboards/README.md", &readme());
}

fn parse(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap_or_else(|| panic!("has to be a string: {text}"))).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn key(object: &Value) -> (String, String) {
    (object["type"].as_str().unwrap().to_owned(), object["id"].as_str().unwrap().to_owned())
}

/// Every attribute that holds JSON is a string and parses.
fn strings_parse(value: &Value) {
    match value {
        Value::Object(map) => {
            for (k, v) in map {
                if k.ends_with("JSON") || matches!(k.as_str(), "visState" | "fieldFormatMap" | "fields") {
                    strings_parse(&parse(v));
                } else {
                    strings_parse(v);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(strings_parse),
        _ => {}
    }
}

fn references(object: &Value) -> BTreeMap<String, (String, String)> {
    let list = object["references"].as_array().unwrap();
    let map: BTreeMap<_, _> = list.iter().map(|r| (r["name"].as_str().unwrap().to_owned(), key(r))).collect();
    assert_eq!(map.len(), list.len(), "{:?}: two references of one name", key(object));
    map
}

/// Names of references that the attributes use.
fn used(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (k, v) in map {
                match v.as_str() {
                    Some(name) if k == "indexRefName" || k == "indexPatternRefName" || k == "panelRefName" => {
                        out.insert(name.to_owned());
                    }
                    Some(_) if k.ends_with("JSON") || k == "visState" => used(&parse(v), out),
                    _ => used(v, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| used(v, out)),
        _ => {}
    }
}

fn common_rules(target: Target, allowed: &[(&str, &[&str])]) -> Vec<Value> {
    let text = ndjson(target, "elkhound");
    assert!(!text.starts_with('\u{feff}') && text.ends_with('\n'));
    let all: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let keys: BTreeSet<_> = all.iter().map(key).collect();
    assert_eq!(keys.len(), all.len(), "type and id are unique");
    for object in &all {
        let (kind, id) = key(object);
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}: only letters, digits and hyphens are safe");
        let names = allowed.iter().find(|(k, _)| *k == kind).unwrap_or_else(|| panic!("type {kind} is not to be written")).1;
        for name in object["attributes"].as_object().unwrap().keys() {
            assert!(names.contains(&name.as_str()), "{id}: attribute {name} is not allowed");
        }
        for extra in ["namespaces", "updated_at", "version", "created_at", "managed"] {
            assert!(object.get(extra).is_none(), "{id}: {extra} changes with every export");
        }
        strings_parse(&object["attributes"]);
        inner_rules(object);
        for (name, to) in references(object) {
            assert!(keys.contains(&to), "{id}: reference {name} points at {to:?}, which is not in the file");
        }
    }
    all
}

fn of_kind<'a>(all: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |o| o["type"] == kind)
}

/// Rules for panels that both products share.
fn panel_rules(dashboard: &Value) -> Vec<Value> {
    let panels = parse(&dashboard["attributes"]["panelsJSON"]);
    let panels = panels.as_array().unwrap().clone();
    let mut seen = BTreeSet::new();
    let mut taken: Vec<(u64, u64, u64, u64, String)> = Vec::new();
    for p in &panels {
        let id = p["panelIndex"].as_str().expect("panelIndex is a string").to_owned();
        assert_eq!(p["gridData"]["i"].as_str(), Some(id.as_str()), "gridData.i equals panelIndex, both strings");
        assert!(p["version"].is_string() && p["type"].is_string(), "{id}: version and type are stated");
        assert!(seen.insert(id.clone()), "{id}: panelIndex is unique");
        let n = |name: &str| p["gridData"][name].as_u64().unwrap();
        let (x, y, w, h) = (n("x"), n("y"), n("w"), n("h"));
        assert!(w > 0 && h > 0 && x + w <= u64::from(GRID_COLUMNS), "{id}: outside the grid");
        for (ox, oy, ow, oh, other) in &taken {
            assert!(x >= ox + ow || ox >= &(x + w) || y >= oy + oh || oy >= &(y + h), "{id} overlaps {other}");
        }
        taken.push((x, y, w, h, id));
    }
    // No gaps: every row of the grid up to the last is used.
    let bottom = taken.iter().map(|t| t.1 + t.3).max().unwrap();
    for row in 0..bottom {
        assert!(taken.iter().any(|t| t.1 <= row && row < t.1 + t.3), "row {row} of {} is empty", dashboard["id"]);
    }
    let a = &dashboard["attributes"];
    assert!(a["timeRestore"] == true && a["timeFrom"].is_string() && a["timeTo"].is_string(), "a time range is stored as a whole");
    panels
}

/// The newest version of each type that the oldest supported server knows: one that is newer fails the whole file.
#[test]
fn versions_are_those_that_running_servers_know() {
    let opensearch: BTreeMap<_, _> = opensearch::VERSIONS.into_iter().collect();
    assert_eq!(opensearch, [("dashboard", "7.9.3"), ("index-pattern", "7.6.0"), ("search", "7.9.3"), ("visualization", "7.10.0")].into());
    let kibana: BTreeMap<_, _> = kibana::VERSIONS.into_iter().collect();
    assert_eq!((kibana, kibana::CORE_VERSION), ([("dashboard", "8.9.0"), ("index-pattern", "7.11.0"), ("search", "7.9.3")].into(), "8.8.0"));
}

/// What a written object says about itself beyond its names: strict mappings reach further down than the first level.
fn inner_rules(object: &Value) {
    let (kind, id) = key(object);
    let a = &object["attributes"];
    if let Some(meta) = a.get("kibanaSavedObjectMeta") {
        assert_eq!(meta.as_object().unwrap().keys().collect::<Vec<_>>(), ["searchSourceJSON"], "{id}");
    }
    assert!(a.get("version").is_none_or(Value::is_i64) && a.get("hits").is_none_or(Value::is_i64), "{id}: whole numbers");
    for name in a["refreshInterval"].as_object().into_iter().flat_map(|m| m.keys()) {
        assert!(["display", "pause", "section", "value"].contains(&name.as_str()), "{id}: refreshInterval.{name}");
    }
    match kind.as_str() {
        "search" => {
            let sort = a["sort"].as_array().unwrap();
            assert!(!a["columns"].as_array().unwrap().is_empty() && sort.iter().all(|s| s.as_array().is_some_and(|s| s.len() == 2)), "{id}");
        }
        "index-pattern" => {
            for (field, format) in parse(&a["fieldFormatMap"]).as_object().unwrap() {
                assert!(["url", "number", "color"].contains(&format["id"].as_str().unwrap()) && format["params"].is_object(), "{id}: {field}");
            }
        }
        _ => {}
    }
}

/// The fields that an index pattern of the file has, with whether they can be aggregated: written ones, or the mapping's.
fn pattern_fields(all: &[Value], id: &str) -> BTreeMap<String, bool> {
    let pattern = of_kind(all, "index-pattern").find(|p| p["id"] == id).unwrap_or_else(|| panic!("no index pattern {id}"));
    if let Some(fields) = pattern["attributes"].get("fields") {
        return parse(fields).as_array().unwrap().iter().map(|f| (f["name"].as_str().unwrap().into(), f["aggregatable"] == true)).collect();
    }
    let index = Index::ALL.into_iter().find(|i| i.object_id("elkhound") == id).unwrap();
    elkhound::dashboards::fields::of(index).into_iter().map(|f| (f.name.clone(), f.is_aggregatable())).collect()
}

/// Values of all keys of a name.
fn values_of(value: &Value, name: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (k, v) in map {
                match v.as_str() {
                    Some(text) if k == name => out.push(text.to_owned()),
                    _ => values_of(v, name, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| values_of(v, name, out)),
        _ => {}
    }
}

/// A field that the index pattern lacks is an error in the panel, so it is looked for in what is written, not in the list.
#[test]
fn written_objects_name_only_fields_that_their_index_pattern_has() {
    let all = common_rules(Target::OpenSearch, OPENSEARCH_ATTRIBUTES);
    let mut checked = 0;
    for o in of_kind(&all, "visualization").chain(of_kind(&all, "search")) {
        let Some((_, pattern)) = references(o).into_values().next() else { continue };
        let known = pattern_fields(&all, &pattern);
        let mut named = Vec::new();
        if o["type"] == "visualization" {
            let state = parse(&o["attributes"]["visState"]);
            values_of(&state["aggs"], "field", &mut named);
            values_of(&state["params"], "fieldName", &mut named);
        }
        for name in &named {
            assert_eq!(known.get(name), Some(&true), "{}: {name}", o["id"]);
        }
        for column in o["attributes"]["columns"].as_array().into_iter().flatten() {
            assert!(known.contains_key(column.as_str().unwrap()), "{}: {column}", o["id"]);
        }
        checked += named.len();
    }
    assert!(checked > 40, "{checked}");
    let all = common_rules(Target::Kibana, KIBANA_ATTRIBUTES);
    let mut checked = 0;
    for d in of_kind(&all, "dashboard") {
        for p in parse(&d["attributes"]["panelsJSON"]).as_array().unwrap().iter().filter(|p| p["type"] == "lens") {
            let a = &p["embeddableConfig"]["attributes"];
            let known = pattern_fields(&all, a["references"][0]["id"].as_str().unwrap());
            let mut named = Vec::new();
            values_of(&a["state"]["datasourceStates"], "sourceField", &mut named);
            for name in named.iter().filter(|n| *n != "___records___") {
                assert_eq!(known.get(name), Some(&true), "{}: {name}", p["panelIndex"]);
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn index_patterns_are_stored_as_the_server_itself_would() {
    let all = common_rules(Target::OpenSearch, OPENSEARCH_ATTRIBUTES);
    for p in of_kind(&all, "index-pattern") {
        let fields = parse(&p["attributes"]["fields"]);
        let names: BTreeSet<&str> = fields.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), fields.as_array().unwrap().len(), "{}: a field twice", p["id"]);
        assert!(["_source", "_id", "_index", "_score", "_type"].iter().all(|n| names.contains(n)), "{}", p["id"]);
        for f in fields.as_array().unwrap() {
            for name in ["count", "type", "scripted", "searchable", "aggregatable", "readFromDocValues"] {
                assert!(f.get(name).is_some(), "{}: {f} has no {name}", p["id"]);
            }
        }
        for (field, _) in parse(&p["attributes"]["fieldFormatMap"]).as_object().unwrap() {
            assert!(names.contains(field.as_str()), "{}: a format for {field}", p["id"]);
        }
    }
}

#[test]
fn opensearch_objects_keep_every_rule_of_importer_and_browser() {
    let all = common_rules(Target::OpenSearch, OPENSEARCH_ATTRIBUTES);
    for object in &all {
        let (kind, id) = key(object);
        let version = object["migrationVersion"].as_object().unwrap();
        let known = opensearch::VERSIONS.iter().find(|(k, _)| *k == kind).unwrap().1;
        assert!(version.len() == 1 && version[&kind] == known, "{id}: version");
        assert!(object.get("typeMigrationVersion").is_none() && object.get("coreMigrationVersion").is_none(), "{id}");
        let mut names = BTreeSet::new();
        used(&object["attributes"], &mut names);
        assert_eq!(names, references(object).into_keys().collect(), "{id}: references used and declared");
        assert!(kind == "index-pattern" || object["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"].is_string(), "{id}");
    }
    for v in of_kind(&all, "visualization") {
        visualization_rules(v);
    }
    for d in of_kind(&all, "dashboard") {
        for (i, p) in panel_rules(d).iter().enumerate() {
            assert_eq!(p["panelRefName"], format!("panel_{i}"), "the reference of a panel is named exactly so");
            assert_eq!(references(d)[&format!("panel_{i}")].0, p["type"].as_str().unwrap());
        }
    }
    for p in of_kind(&all, "index-pattern") {
        let fields = parse(&p["attributes"]["fields"]);
        assert!(fields.as_array().unwrap().iter().all(|f| f["name"].is_string() && f["aggregatable"].is_boolean()), "fields are shipped");
    }
}

fn visualization_rules(v: &Value) {
    let (id, state) = (&v["id"], parse(&v["attributes"]["visState"]));
    let source = parse(&v["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]);
    let aggs = state["aggs"].as_array().unwrap();
    let kind = state["type"].as_str().unwrap();
    assert!(["metric", "histogram", "line", "table", "markdown", "vega", "input_control_vis"].contains(&kind), "{id}: {kind} was not tried");
    if ["markdown", "vega", "input_control_vis"].contains(&kind) {
        assert!(aggs.is_empty() && source.get("indexRefName").is_none(), "{id}");
    } else {
        assert!(!aggs.is_empty() && source["indexRefName"].is_string(), "{id}: aggregations need an index pattern");
    }
    let ids: BTreeSet<_> = aggs.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), aggs.len(), "{id}: ids of aggregations");
    for a in aggs {
        if let Some(by) = a["params"]["orderBy"].as_str() {
            assert!(ids.contains(by), "{id}: ordered by an aggregation that is not there");
        }
    }
    assert!(state["params"].as_object().is_some_and(|p| !p.is_empty()), "{id}: parameters are stated, whatever the version fills in");
    if kind == "metric" {
        // Split by severity, it would colour each number by its size.
        assert!(aggs.len() == 1 && state["params"]["metric"]["metricColorMode"] == "None", "{id}: one figure in one colour");
    }
    if kind == "histogram" || kind == "line" {
        let severity = aggs.iter().find(|a| a["type"] == "filters");
        assert!(!aggs.iter().any(|a| a["type"] == "terms" && a["params"]["field"] == "elkhound.severity"), "{id}: no fixed order");
        let labels = severity.map(|s| s["params"]["filters"].as_array().unwrap().iter().map(|f| f["label"].as_str().unwrap().to_owned()));
        let labels: BTreeSet<String> = labels.into_iter().flatten().collect();
        let colours = parse(&v["attributes"]["uiStateJSON"])["vis"]["colors"].as_object().map(|c| c.keys().cloned().collect()).unwrap_or_default();
        assert_eq!(labels, colours, "{id}: every severity has its colour");
    }
    for s in state["params"]["seriesParams"].as_array().into_iter().flatten() {
        assert!(ids.contains(s["data"]["id"].as_str().unwrap()), "{id}: a series without its figure");
    }
    if kind == "vega" {
        vega_rules(id, &state["params"]["spec"]);
    }
}

fn vega_rules(id: &Value, spec: &Value) {
    let text = spec.as_str().expect("the specification is a string");
    let spec: Value = serde_json::from_str(text).unwrap();
    assert_eq!(spec["$schema"], "https://vega.github.io/schema/vega-lite/v5.json", "{id}: another version draws a warning");
    assert!(!text.contains("%type%"), "{id}: only one product knows it");
    let url = &spec["data"]["url"];
    assert!(url["index"].as_str().is_some_and(|i| i.starts_with("elkhound-")), "{id}");
    assert!(["signal", "function", "javascript"].iter().all(|w| !text.contains(&format!("\"{w}\""))), "{id}: nothing that needs `eval`");
    assert_eq!(spec["config"]["kibana"]["hideWarnings"], false, "{id}: host settings stand where both products look");
    if text.contains("date_histogram") {
        assert!(text.contains("fixed_interval"), "{id}: both engines know it");
    }
    assert!(url.get("%context%").is_none() || url["body"].get("query").is_none(), "{id}: a context and a query exclude each other");
    assert!(spec.get("width").is_none() && spec.get("height").is_none() && spec["autosize"]["type"] == "fit", "{id}: fills its panel");
}

#[test]
fn kibana_objects_keep_every_rule_of_its_schemas() {
    let all = common_rules(Target::Kibana, KIBANA_ATTRIBUTES);
    for object in &all {
        let (kind, id) = key(object);
        let known = kibana::VERSIONS.iter().find(|(k, _)| *k == kind).unwrap().1;
        assert!(object["typeMigrationVersion"] == known && object["coreMigrationVersion"] == kibana::CORE_VERSION, "{id}: versions");
        assert!(object.get("migrationVersion").is_none(), "{id}");
    }
    for d in of_kind(&all, "dashboard") {
        let mut declared: BTreeSet<String> = references(d).into_keys().collect();
        for p in panel_rules(d) {
            let id = p["panelIndex"].as_str().unwrap();
            let config = &p["embeddableConfig"];
            assert!(config.get("savedObjectId").is_none(), "{id}: never by reference and by value");
            match p["type"].as_str().unwrap() {
                "search" => assert!(declared.remove(&format!("{id}:{}", p["panelRefName"].as_str().unwrap())), "{id}"),
                "lens" => {
                    lens_rules(id, &config["attributes"]);
                    assert!(declared.remove(&format!("{id}:indexpattern-datasource-layer-layer1")), "{id}");
                }
                "visualization" => {
                    let vis = &config["savedVis"];
                    assert!(vis["type"] == "markdown" || vis["type"] == "vega", "{id}");
                    if vis["type"] == "vega" {
                        vega_rules(&p["panelIndex"], &vis["params"]["spec"]);
                    }
                }
                other => panic!("{id}: panel type {other}"),
            }
        }
        if let Some(group) = d["attributes"].get("controlGroupInput") {
            let names: BTreeSet<_> = group.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, ["chainingSystem", "controlStyle", "ignoreParentSettingsJSON", "panelsJSON"].into());
            for (id, c) in parse(&group["panelsJSON"]).as_object().unwrap() {
                assert!(c["explicitInput"]["id"] == *id && declared.remove(&format!("controlGroup_{id}:optionsListDataView")), "{id}");
            }
        }
        assert!(declared.is_empty(), "{}: references that nothing uses: {declared:?}", d["id"]);
    }
}

fn lens_rules(id: &str, a: &Value) {
    assert!(["lnsMetric", "lnsXY", "lnsDatatable", "lnsHeatmap"].contains(&a["visualizationType"].as_str().unwrap()), "{id}");
    assert_eq!(a["references"][0]["name"], "indexpattern-datasource-layer-layer1", "{id}");
    let layer = &a["state"]["datasourceStates"]["formBased"]["layers"]["layer1"];
    let columns = layer["columns"].as_object().unwrap();
    let order: Vec<&str> = layer["columnOrder"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), columns.keys().map(String::as_str).collect(), "{id}: order and columns");
    let is_bucketed: Vec<bool> = order.iter().map(|c| columns[*c]["isBucketed"].as_bool().unwrap()).collect();
    assert!(is_bucketed.is_sorted_by(|a, b| a >= b), "{id}: buckets come before figures");
    for c in columns.values() {
        if let Some(by) = c["params"]["orderBy"]["columnId"].as_str() {
            assert!(columns.contains_key(by), "{id}: ordered by a column that is not there");
        }
    }
    let mut named = BTreeSet::new();
    accessors(&a["state"]["visualization"], &mut named);
    assert!(!named.is_empty() && named.iter().all(|n| columns.contains_key(n)), "{id}: {named:?}");
    assert_eq!(named.len(), columns.len(), "{id}: every column is shown");
}

fn accessors(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (k, v) in map {
                if (k.to_lowercase().ends_with("accessor") || k == "columnId")
                    && let Some(name) = v.as_str()
                {
                    out.insert(name.to_owned());
                }
                if k == "accessors" {
                    out.extend(v.as_array().unwrap().iter().map(|x| x.as_str().unwrap().to_owned()));
                }
                accessors(v, out);
            }
        }
        Value::Array(list) => list.iter().for_each(|v| accessors(v, out)),
        _ => {}
    }
}

#[test]
fn panels_name_only_fields_of_the_mappings_and_use_them_as_they_can_be() {
    let faults: Vec<String> = list::ALL.iter().flat_map(|d| d.panels).flat_map(query::field_faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The check itself works: a text field cannot be aggregated, an unknown one is named.
    let mut bad = *list::ALL[0].panels.last().unwrap();
    bad.view = View::Records(&["elkhound.nothing"]);
    assert_eq!(query::field_faults(&bad).len(), 1);
    bad.view = View::Controls(&[("event.reason", "Reason"), ("elkhound.values", "Values")]);
    assert_eq!(query::field_faults(&bad).len(), 2);
}

#[test]
fn every_panel_says_what_it_answers_and_has_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for p in list::ALL.iter().flat_map(|d| d.panels) {
        assert!(ids.insert(p.id), "{} twice", p.id);
        assert!(p.answers.ends_with(['?', ')']) && !p.title.is_empty(), "{}", p.id);
        let least = match p.view {
            View::Note(_) => 4,
            View::Controls(_) => 5,
            View::Tile(..) => 6,
            View::Drawing(Drawing::Lanes(_) | Drawing::WindowLanes) => 10,
            _ => 11,
        };
        assert!(p.grid.h >= least && p.grid.w >= 10, "{}: too small to be read", p.id);
        assert!(!matches!(p.view, View::Drawing(_)) || p.condition.is_empty(), "{}: a drawing takes its condition from the dashboard", p.id);
    }
    assert_eq!(list::ALL.len(), 5);
}

#[test]
fn another_prefix_reaches_every_name() {
    for target in Target::ALL {
        for object in objects(target, "dogs") {
            let text = object.to_string();
            assert!(!text.contains("elkhound-"), "{}", text.split("elkhound-").nth(1).unwrap().chars().take(60).collect::<String>());
        }
    }
}

#[test]
fn logs_get_a_view_each_under_the_id_that_links_name() {
    let logs = |index: &str| Logs { index: index.into(), time_field: "@timestamp".into() };
    for target in Target::ALL {
        let text = log_views(target, "elkhound", &[logs("logs-b*,-logs-bad"), logs("logs-a"), logs("logs-a")]);
        let all: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(all.len(), 2, "each once");
        for o in &all {
            let index = o["attributes"]["title"].as_str().unwrap();
            assert_eq!(o["id"], elkhound::model::ids::log_view_id("elkhound", index, "@timestamp"));
            let own = objects(target, "elkhound");
            assert!(own.iter().all(|x| x["id"] != o["id"]), "no other object has this id");
            let like = own.iter().find(|x| x["type"] == "index-pattern").unwrap();
            assert_eq!((&o["migrationVersion"], &o["typeMigrationVersion"]), (&like["migrationVersion"], &like["typeMigrationVersion"]));
            assert!(o["references"].as_array().is_some_and(Vec::is_empty) && o["attributes"]["timeFieldName"] == "@timestamp");
        }
    }
}

#[test]
fn vega_specifications_compile_and_draw() {
    let folder = root().join("tests/dashboards");
    if !folder.join("node_modules/vega").is_dir() {
        assert!(std::env::var_os("ELKHOUND_REQUIRE_NODE").is_none(), "npm packages are missing: run `npm ci` in tests/dashboards");
        eprintln!("SKIPPED: npm packages are not installed in tests/dashboards, no drawing was compiled");
        return;
    }
    for target in Target::ALL {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots").join(target.name());
        let file = root().join(format!("dashboards/{}/elkhound.ndjson", target.name()));
        let output = Command::new("node").arg("check.mjs").arg(file).arg("").arg(out).current_dir(&folder).output().expect("node runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).lines().count() >= 4);
    }
}
