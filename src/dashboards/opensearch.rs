//! Saved objects for OpenSearch Dashboards 1 to 3: shapes of 7.10, visualizations by reference, versions stated.
//!
//! What the importer and the browser accept was tried on a running server; the shapes here are those that rendered.

use serde_json::{Map, Value, json};

use super::panel::{COLOURS, Column, Dashboard, Index, Measure, Panel, Shape, Split, Terms, View, severity_is};
use super::{Logs, fields, list, vega};
use crate::model::ids::log_view_id;

/// Newest versions that every OpenSearch Dashboards knows, by type.
pub const VERSIONS: [(&str, &str); 4] = [("index-pattern", "7.6.0"), ("visualization", "7.10.0"), ("search", "7.9.3"), ("dashboard", "7.9.3")];

/// All objects, index patterns first.
pub fn objects(prefix: &str) -> Vec<Value> {
    let mut out: Vec<Value> = Index::ALL.iter().map(|i| index_pattern(*i, prefix)).collect();
    for d in list::ALL {
        out.extend(d.panels.iter().map(|p| object_of(p, prefix)));
        out.push(dashboard(d, prefix));
    }
    out
}

fn version(kind: &str) -> Value {
    let version = VERSIONS.iter().find(|(k, _)| *k == kind).map_or("", |(_, v)| v);
    json!({ kind: version })
}

/// Id of the object behind a panel.
pub fn object_id(panel: &Panel, prefix: &str) -> String {
    format!("{prefix}-{}", panel.id)
}

fn index_pattern(index: Index, prefix: &str) -> Value {
    let mut attributes = json!({
        "title": index.pattern(prefix),
        "fields": fields::stored_list(index).to_string(),
        "fieldFormatMap": fields::formats(index, prefix).to_string(),
    });
    if let Some(field) = index.time_field() {
        attributes["timeFieldName"] = json!(field);
    }
    json!({ "type": "index-pattern", "id": index.object_id(prefix), "attributes": attributes, "references": [], "migrationVersion": version("index-pattern") })
}

/// The index pattern of the logs that a job reads; its fields are the server's to find out.
pub fn log_view(logs: &Logs, prefix: &str) -> Value {
    json!({
        "type": "index-pattern", "id": log_view_id(prefix, &logs.index, &logs.time_field),
        "attributes": { "title": logs.index, "timeFieldName": logs.time_field },
        "references": [], "migrationVersion": version("index-pattern"),
    })
}

fn object_of(panel: &Panel, prefix: &str) -> Value {
    match panel.view {
        View::Records(columns) => search(panel, columns, prefix),
        _ => visualization(panel, prefix),
    }
}

fn query(condition: &str) -> Value {
    json!({ "query": condition, "language": "kuery" })
}

fn search(panel: &Panel, columns: &[&str], prefix: &str) -> Value {
    let source = json!({ "query": query(panel.condition), "filter": [], "highlightAll": false, "version": true, "indexRefName": INDEX_REFERENCE });
    json!({
        "type": "search",
        "id": object_id(panel, prefix),
        "attributes": {
            "title": panel.title, "description": panel.answers, "hits": 0, "version": 1, "columns": columns, "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
        },
        "references": [{ "name": INDEX_REFERENCE, "type": "index-pattern", "id": panel.index.object_id(prefix) }],
        "migrationVersion": version("search"),
    })
}

/// Name of the reference to the index pattern, as both products expect it.
pub const INDEX_REFERENCE: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

fn visualization(panel: &Panel, prefix: &str) -> Value {
    let (kind, params, aggs) = state(panel, prefix);
    let mut references = Vec::new();
    let mut source = json!({ "query": query(panel.condition), "filter": [] });
    match panel.view {
        View::Note(_) | View::Drawing(_) => source["query"] = query(""),
        View::Controls(lists) => {
            source["query"] = query("");
            references.extend(
                (0..lists.len())
                    .map(|i| json!({ "name": format!("control_{i}_index_pattern"), "type": "index-pattern", "id": panel.index.object_id(prefix) })),
            );
        }
        _ => {
            source["indexRefName"] = json!(INDEX_REFERENCE);
            references.push(json!({ "name": INDEX_REFERENCE, "type": "index-pattern", "id": panel.index.object_id(prefix) }));
        }
    }
    let state = json!({ "title": panel.title, "type": kind, "params": params, "aggs": aggs });
    json!({
        "type": "visualization",
        "id": object_id(panel, prefix),
        "attributes": {
            "title": panel.title, "description": panel.answers, "version": 1, "visState": state.to_string(), "uiStateJSON": ui_state(panel).to_string(),
            "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
        },
        "references": references,
        "migrationVersion": version("visualization"),
    })
}

/// Fixed colours for severities; the strongest first in tables.
fn ui_state(panel: &Panel) -> Value {
    match panel.view {
        View::OverTime(_, _, Split::Severity) => {
            let colours: Map<String, Value> = COLOURS.iter().map(|(name, colour)| ((*name).to_owned(), json!(colour))).collect();
            json!({ "vis": { "colors": colours } })
        }
        View::Ranking(rows, _) => json!({ "vis": { "params": { "sort": { "columnIndex": rows.len(), "direction": "desc" } } } }),
        _ => json!({}),
    }
}

/// Kind, parameters and aggregations of a visualization.
fn state(panel: &Panel, prefix: &str) -> (&'static str, Value, Value) {
    match panel.view {
        View::Note(text) => ("markdown", json!({ "markdown": note(text, prefix), "fontSize": 12, "openLinksInNewTab": false }), json!([])),
        View::Tile(column, _) => ("metric", tile(), Value::Array(measures(&[column]))),
        View::OverTime(shape, columns, split) => over_time(shape, columns, split),
        View::Ranking(rows, columns) => ranking(rows, columns),
        View::Drawing(d) => ("vega", json!({ "spec": pretty(&vega::spec(d, prefix)) }), json!([])),
        View::Controls(lists) => ("input_control_vis", controls(lists), json!([])),
        // Written as a search of its own.
        View::Records(_) => ("table", json!({}), json!([])),
    }
}

/// Text with its links turned to the dashboards of this prefix.
pub fn note(text: &str, prefix: &str) -> String {
    text.replace("#/view/elkhound-", &format!("#/view/{prefix}-"))
}

/// A specification that can be read in the editor.
pub fn pretty(spec: &Value) -> String {
    serde_json::to_string_pretty(spec).unwrap_or_default()
}

fn tile() -> Value {
    json!({
        "addTooltip": true, "addLegend": false, "type": "metric",
        "metric": {
            "percentageMode": false, "useRanges": false, "colorSchema": "Green to Red", "metricColorMode": "None", "colorsRange": [{ "from": 0, "to": 10000 }],
            "labels": { "show": true }, "invertColors": false,
            "style": { "bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 42 },
        },
    })
}

/// Figures as aggregations with the ids `1`, `2`, ...
fn measures(columns: &[Column]) -> Vec<Value> {
    columns
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let (kind, params) = match c.measure {
                Measure::Count => ("count", json!({})),
                Measure::Max(f) => ("max", json!({ "field": f })),
                Measure::Sum(f) => ("sum", json!({ "field": f })),
                Measure::Average(f) => ("avg", json!({ "field": f })),
                Measure::Distinct(f) => ("cardinality", json!({ "field": f })),
            };
            let mut params = params;
            params["customLabel"] = json!(c.label);
            json!({ "id": (i + 1).to_string(), "enabled": true, "type": kind, "schema": "metric", "params": params })
        })
        .collect()
}

fn terms_agg(id: usize, schema: &str, t: &Terms, order_by: &str) -> Value {
    json!({ "id": id.to_string(), "enabled": true, "type": "terms", "schema": schema, "params": {
        "field": t.field, "orderBy": order_by, "order": "desc", "size": t.size, "otherBucket": false, "otherBucketLabel": "Other",
        "missingBucket": false, "missingBucketLabel": "Missing", "customLabel": t.label,
    } })
}

fn ranking(rows: &[Terms], columns: &[Column]) -> (&'static str, Value, Value) {
    let mut aggs = measures(columns);
    aggs.extend(rows.iter().enumerate().map(|(i, t)| terms_agg(columns.len() + i + 1, "bucket", t, "1")));
    let params = json!({
        "perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "sort": { "columnIndex": rows.len(), "direction": "desc" },
        "showTotal": false, "totalFunc": "sum", "percentageCol": "",
    });
    ("table", params, Value::Array(aggs))
}

fn over_time(shape: Shape, columns: &[Column], split: Split) -> (&'static str, Value, Value) {
    let mut aggs = measures(columns);
    let x = columns.len() + 1;
    aggs.push(json!({ "id": x.to_string(), "enabled": true, "type": "date_histogram", "schema": "segment", "params": {
        "field": "@timestamp", "interval": "auto", "drop_partials": false, "min_doc_count": 1, "extended_bounds": {}, "customLabel": "Time",
    } }));
    match split {
        Split::None => {}
        Split::Severity => {
            let filters: Vec<Value> = COLOURS.iter().map(|(name, _)| json!({ "input": query(&severity_is(name)), "label": name })).collect();
            aggs.push(json!({ "id": (x + 1).to_string(), "enabled": true, "type": "filters", "schema": "group", "params": { "filters": filters } }));
        }
        Split::Terms(t) => aggs.push(terms_agg(x + 1, "group", &t, "1")),
    }
    let (kind, series_kind, mode) = match shape {
        Shape::Bars => ("histogram", "histogram", "stacked"),
        Shape::Lines => ("line", "line", "normal"),
    };
    let series: Vec<Value> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| {
            json!({
                "show": true, "type": series_kind, "mode": mode, "data": { "label": c.label, "id": (i + 1).to_string() }, "valueAxis": "ValueAxis-1",
                "drawLinesBetweenPoints": true, "lineWidth": 2, "interpolate": "linear", "showCircles": true,
            })
        })
        .collect();
    let title = if columns.len() == 1 { columns.first().map_or("", |c| c.label) } else { "" };
    let params = json!({
        "type": kind, "grid": { "categoryLines": false },
        "categoryAxes": [{ "id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": {}, "scale": { "type": "linear" },
            "labels": { "show": true, "filter": true, "truncate": 100 }, "title": {} }],
        "valueAxes": [{ "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true, "style": {},
            "scale": { "type": "linear", "mode": "normal" }, "labels": { "show": true, "rotate": 0, "filter": false, "truncate": 100 }, "title": { "text": title } }],
        "seriesParams": series, "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": [], "addTimeMarker": false, "labels": { "show": false },
        "thresholdLine": { "show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C" },
    });
    (kind, params, Value::Array(aggs))
}

fn controls(lists: &[(&str, &str)]) -> Value {
    let list: Vec<Value> = lists
        .iter()
        .enumerate()
        .map(|(i, (field, label))| {
            json!({
                "id": format!("list-{i}"), "fieldName": field, "parent": "", "label": label, "type": "list",
                "options": { "type": "terms", "multiselect": true, "dynamicOptions": true, "size": 5, "order": "desc" },
                "indexPatternRefName": format!("control_{i}_index_pattern"),
            })
        })
        .collect();
    json!({ "controls": list, "updateFiltersOnChange": true, "useTimeFilter": false, "pinFilters": false })
}

fn dashboard(d: &Dashboard, prefix: &str) -> Value {
    let mut panels = Vec::new();
    let mut references = Vec::new();
    for (i, p) in d.panels.iter().enumerate() {
        let (name, kind) = (format!("panel_{i}"), if matches!(p.view, View::Records(_)) { "search" } else { "visualization" });
        panels.push(json!({
            "version": "7.9.3", "type": kind, "panelIndex": p.id, "panelRefName": name, "title": p.title, "embeddableConfig": embeddable(p),
            "gridData": { "x": p.grid.x, "y": p.grid.y, "w": p.grid.w, "h": p.grid.h, "i": p.id },
        }));
        references.push(json!({ "name": name, "type": kind, "id": object_id(p, prefix) }));
    }
    json!({
        "type": "dashboard",
        "id": format!("{prefix}-{}", d.id),
        "attributes": {
            "title": d.title, "description": d.description, "hits": 0, "version": 1, "timeRestore": true, "timeFrom": d.from, "timeTo": "now",
            "refreshInterval": { "display": "Off", "pause": true, "section": 0, "value": 0 },
            "optionsJSON": json!({ "hidePanelTitles": false, "useMargins": true }).to_string(),
            "panelsJSON": Value::Array(panels).to_string(),
            "kibanaSavedObjectMeta": { "searchSourceJSON": json!({ "query": query(""), "filter": [] }).to_string() },
        },
        "references": references,
        "migrationVersion": version("dashboard"),
    })
}

/// What a panel keeps in the dashboard itself: notes, filters and figures need no heading of their own.
fn embeddable(panel: &Panel) -> Value {
    match panel.view {
        View::Note(_) | View::Tile(..) => json!({ "hidePanelTitles": true }),
        _ => json!({}),
    }
}
