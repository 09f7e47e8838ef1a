//! Saved objects for Kibana 8.9 and newer: Lens by value, data views, controls above the panels.

use serde_json::{Map, Value, json};

use super::opensearch::{INDEX_REFERENCE, note, object_id, pretty};
use super::panel::{COLOURS, Column, Dashboard, Drawing, Index, Measure, Panel, Shape, Split, Terms, View, severity_is};
use super::{Logs, fields, list, vega};
use crate::model::ids::log_view_id;

/// Versions of the shapes written here, by type: each the one that Kibana 8.9 has, which newer ones migrate.
pub const VERSIONS: [(&str, &str); 3] = [("index-pattern", "7.11.0"), ("search", "7.9.3"), ("dashboard", "8.9.0")];
/// Version of what all types share.
pub const CORE_VERSION: &str = "8.8.0";
/// The one layer of every chart.
const LAYER: &str = "layer1";

/// All objects, data views first.
pub fn objects(prefix: &str) -> Vec<Value> {
    let mut out: Vec<Value> = Index::ALL.iter().map(|i| data_view(*i, prefix)).collect();
    for d in list::ALL {
        for p in d.panels {
            if let View::Records(columns) = p.view {
                out.push(search(p, columns, prefix));
            }
        }
        out.push(dashboard(d, prefix));
    }
    out
}

fn object(kind: &str, id: String, attributes: Value, references: Vec<Value>) -> Value {
    let version = VERSIONS.iter().find(|(k, _)| *k == kind).map_or("", |(_, v)| v);
    json!({
        "type": kind, "id": id, "attributes": attributes, "references": references,
        "coreMigrationVersion": CORE_VERSION, "typeMigrationVersion": version,
    })
}

fn reference(name: String, kind: &str, id: String) -> Value {
    json!({ "name": name, "type": kind, "id": id })
}

fn query(condition: &str) -> Value {
    json!({ "query": condition, "language": "kuery" })
}

fn data_view(index: Index, prefix: &str) -> Value {
    let mut attributes = json!({
        "title": index.pattern(prefix),
        "name": format!("Elkhound {}", index.name()),
        "fieldFormatMap": fields::formats(index, prefix).to_string(),
    });
    if let Some(field) = index.time_field() {
        attributes["timeFieldName"] = json!(field);
    }
    object("index-pattern", index.object_id(prefix), attributes, Vec::new())
}

/// The data view of the logs that a job reads.
pub fn log_view(logs: &Logs, prefix: &str) -> Value {
    let attributes = json!({ "title": logs.index, "name": format!("Elkhound logs: {}", logs.index), "timeFieldName": logs.time_field });
    object("index-pattern", log_view_id(prefix, &logs.index, &logs.time_field), attributes, Vec::new())
}

fn search(panel: &Panel, columns: &[&str], prefix: &str) -> Value {
    let source = json!({ "query": query(panel.condition), "filter": [], "highlightAll": false, "version": true, "indexRefName": INDEX_REFERENCE });
    let attributes = json!({
        "title": panel.title, "description": panel.answers, "hits": 0, "version": 1, "columns": columns, "sort": [["@timestamp", "desc"]],
        "kibanaSavedObjectMeta": { "searchSourceJSON": source.to_string() },
    });
    let references = vec![reference(INDEX_REFERENCE.into(), "index-pattern", panel.index.object_id(prefix))];
    object("search", object_id(panel, prefix), attributes, references)
}

fn dashboard(d: &Dashboard, prefix: &str) -> Value {
    let mut panels = Vec::new();
    let mut references = Vec::new();
    let mut controls = None;
    for p in d.panels {
        if let View::Controls(lists) = p.view {
            controls = Some(control_group(p, lists, prefix, &mut references));
            continue;
        }
        panels.push(panel(p, prefix, &mut references));
    }
    close_gaps(d, &mut panels);
    let mut attributes = json!({
        "title": d.title, "description": d.description, "version": 1, "timeRestore": true, "timeFrom": d.from, "timeTo": "now",
        "refreshInterval": { "pause": true, "value": 60000 },
        "optionsJSON": json!({ "useMargins": true, "syncColors": false, "syncCursor": true, "syncTooltips": false, "hidePanelTitles": false }).to_string(),
        "panelsJSON": Value::Array(panels).to_string(),
        "kibanaSavedObjectMeta": { "searchSourceJSON": json!({ "query": query(""), "filter": [] }).to_string() },
    });
    if let Some(group) = controls {
        attributes["controlGroupInput"] = group;
    }
    object("dashboard", format!("{prefix}-{}", d.id), attributes, references)
}

/// Filters stand above the grid here, so that what stood below them moves up.
fn close_gaps(d: &Dashboard, panels: &mut [Value]) {
    let Some(gap) = d.panels.iter().find(|p| matches!(p.view, View::Controls(_))).map(|p| p.grid) else { return };
    for p in panels {
        if let Some(y) = p["gridData"]["y"].as_u64().filter(|y| *y >= u64::from(gap.y + gap.h)) {
            p["gridData"]["y"] = json!(y - u64::from(gap.h));
        }
    }
}

fn control_group(panel: &Panel, lists: &[(&str, &str)], prefix: &str, references: &mut Vec<Value>) -> Value {
    let mut panels = Map::new();
    for (i, (field, label)) in lists.iter().enumerate() {
        let id = format!("control-{i}");
        references.push(reference(format!("controlGroup_{id}:optionsListDataView"), "index-pattern", panel.index.object_id(prefix)));
        let input = json!({ "id": id, "fieldName": field, "title": label, "selectedOptions": [], "enhancements": {} });
        panels.insert(id, json!({ "type": "optionsListControl", "order": i, "width": "medium", "grow": true, "explicitInput": input }));
    }
    let ignore = json!({ "ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false, "ignoreValidations": false });
    json!({
        "chainingSystem": "HIERARCHICAL", "controlStyle": "oneLine",
        "ignoreParentSettingsJSON": ignore.to_string(), "panelsJSON": Value::Object(panels).to_string(),
    })
}

fn panel(p: &Panel, prefix: &str, references: &mut Vec<Value>) -> Value {
    let grid = json!({ "x": p.grid.x, "y": p.grid.y, "w": p.grid.w, "h": p.grid.h, "i": p.id });
    let mut out = json!({ "version": "8.9.0", "panelIndex": p.id, "gridData": grid, "title": p.title });
    match p.view {
        View::Records(_) => {
            let name = format!("panel_{}", p.id);
            references.push(reference(format!("{}:{name}", p.id), "search", object_id(p, prefix)));
            out["type"] = json!("search");
            out["panelRefName"] = json!(name);
            out["embeddableConfig"] = json!({ "enhancements": {} });
        }
        View::Note(text) => {
            out["type"] = json!("visualization");
            out["embeddableConfig"] = by_value(p, "markdown", json!({ "markdown": note(text, prefix), "fontSize": 12, "openLinksInNewTab": false }));
            out["embeddableConfig"]["hidePanelTitles"] = json!(true);
        }
        View::Drawing(d @ (Drawing::Band | Drawing::Lag | Drawing::SnapshotAge | Drawing::WindowLanes)) => {
            out["type"] = json!("visualization");
            out["embeddableConfig"] = by_value(p, "vega", json!({ "spec": pretty(&vega::spec(d, prefix)) }));
        }
        _ => {
            references.push(reference(format!("{}:indexpattern-datasource-layer-{LAYER}", p.id), "index-pattern", p.index.object_id(prefix)));
            out["type"] = json!("lens");
            out["embeddableConfig"] = lens(p, prefix);
        }
    }
    out
}

fn by_value(p: &Panel, kind: &str, params: Value) -> Value {
    json!({
        "savedVis": {
            "title": p.title, "description": p.answers, "type": kind, "params": params, "uiState": {},
            "data": { "aggs": [], "searchSource": { "query": query(""), "filter": [] } },
        },
        "enhancements": {},
    })
}

fn lens(p: &Panel, prefix: &str) -> Value {
    let (kind, columns, order, visualization) = chart(p);
    let layer = json!({ "columns": columns, "columnOrder": order, "incompleteColumns": {}, "sampling": 1 });
    json!({
        "attributes": {
            "title": p.title, "description": p.answers, "type": "lens", "visualizationType": kind,
            "references": [reference(format!("indexpattern-datasource-layer-{LAYER}"), "index-pattern", p.index.object_id(prefix))],
            "state": {
                "visualization": visualization, "query": query(p.condition), "filters": [], "internalReferences": [], "adHocDataViews": {},
                "datasourceStates": { "formBased": { "layers": { LAYER: layer } } },
            },
        },
        "enhancements": {},
        "hidePanelTitles": matches!(p.view, View::Tile(..)),
    })
}

/// Type, columns by id, their order (buckets first), and what the chart does with them.
fn chart(p: &Panel) -> (&'static str, Value, Vec<String>, Value) {
    let mut columns = Map::new();
    let mut order = Vec::new();
    let mut add = |id: String, column: Value| {
        columns.insert(id.clone(), column);
        order.push(id);
    };
    let (kind, visualization) = match p.view {
        View::Tile(c, colour) => {
            add("m0".into(), figure(&c));
            ("lnsMetric", json!({ "layerId": LAYER, "layerType": "data", "metricAccessor": "m0", "color": colour }))
        }
        View::OverTime(shape, list, split) => {
            add("x".into(), time());
            let (figures, split_by) = over_time(list, split);
            if let Some(t) = &split_by {
                add("split".into(), values(t, None));
            }
            for (i, (c, _)) in figures.iter().enumerate() {
                add(format!("m{i}"), c.clone());
            }
            ("lnsXY", xy(shape, &figures, split_by.is_some()))
        }
        View::Ranking(rows, list) => {
            for (i, t) in rows.iter().enumerate() {
                add(format!("r{i}"), values(t, Some("m0")));
            }
            for (i, c) in list.iter().enumerate() {
                add(format!("m{i}"), figure(c));
            }
            let ids = (0..rows.len()).map(|i| format!("r{i}")).chain((0..list.len()).map(|i| format!("m{i}")));
            let shown: Vec<Value> = ids.map(|id| json!({ "columnId": id, "isTransposed": false })).collect();
            ("lnsDatatable", json!({ "layerId": LAYER, "layerType": "data", "columns": shown, "sorting": { "columnId": "m0", "direction": "desc" } }))
        }
        View::Drawing(Drawing::Lanes(t)) => {
            add("x".into(), time());
            add("y".into(), values(&t, Some("m0")));
            add("m0".into(), figure(&Column { measure: Measure::Max("elkhound.score"), label: "Highest score" }));
            ("lnsHeatmap", heatmap())
        }
        View::Note(_) | View::Records(_) | View::Controls(_) | View::Drawing(_) => ("lnsMetric", json!({})),
    };
    (kind, Value::Object(columns), order, visualization)
}

fn time() -> Value {
    json!({
        "label": "Time", "customLabel": true, "dataType": "date", "operationType": "date_histogram", "sourceField": "@timestamp", "isBucketed": true, "scale": "interval",
        "params": { "interval": "auto", "includeEmptyRows": true, "dropPartials": false },
    })
}

/// Values of a field, ordered by a figure or, without one, by name of count.
fn values(t: &Terms, by: Option<&str>) -> Value {
    let order = json!({ "type": "column", "columnId": by.unwrap_or("m0") });
    json!({
        "label": t.label, "customLabel": true, "dataType": "string", "operationType": "terms", "sourceField": t.field, "isBucketed": true, "scale": "ordinal",
        "params": {
            "size": t.size, "orderBy": order, "orderDirection": "desc", "otherBucket": false, "missingBucket": false, "parentFormat": { "id": "terms" },
            "include": [], "exclude": [], "includeIsRegex": false, "excludeIsRegex": false,
        },
    })
}

fn figure(c: &Column) -> Value {
    let (kind, field) = match c.measure {
        Measure::Count => ("count", "___records___"),
        Measure::Max(f) => ("max", f),
        Measure::Sum(f) => ("sum", f),
        Measure::Average(f) => ("average", f),
        Measure::Distinct(f) => ("unique_count", f),
    };
    json!({
        "label": c.label, "customLabel": true, "dataType": "number", "operationType": kind, "sourceField": field, "isBucketed": false, "scale": "ratio",
        "params": { "emptyAsNull": false },
    })
}

/// Figures with their colours, and the field that splits them. A severity is a figure of its own: only so do colours and
/// order stay fixed in every version.
fn over_time(list: &[Column], split: Split) -> (Vec<(Value, Option<&'static str>)>, Option<Terms>) {
    let plain = || list.iter().map(|c| (figure(c), None)).collect();
    match split {
        Split::None => (plain(), None),
        Split::Terms(t) => (plain(), Some(t)),
        Split::Severity => {
            let of = |name: &'static str, colour: &'static str| {
                let mut c = figure(&Column { measure: Measure::Count, label: name });
                c["filter"] = query(&severity_is(name));
                (c, Some(colour))
            };
            (COLOURS.iter().map(|(name, colour)| of(name, colour)).collect(), None)
        }
    }
}

fn xy(shape: Shape, figures: &[(Value, Option<&str>)], is_split: bool) -> Value {
    let series = match shape {
        Shape::Bars => "bar_stacked",
        Shape::Lines => "line",
    };
    let ids: Vec<String> = (0..figures.len()).map(|i| format!("m{i}")).collect();
    let colours: Vec<Value> = ids.iter().zip(figures).filter_map(|(id, (_, c))| c.map(|c| json!({ "forAccessor": id, "color": c }))).collect();
    let mut layer = json!({ "layerId": LAYER, "layerType": "data", "seriesType": series, "xAccessor": "x", "accessors": ids, "position": "top", "showGridlines": false });
    if is_split {
        layer["splitAccessor"] = json!("split");
    }
    if !colours.is_empty() {
        layer["yConfig"] = Value::Array(colours);
    }
    json!({
        "legend": { "isVisible": true, "position": "right" }, "valueLabels": "hide", "fittingFunction": "None", "preferredSeriesType": series, "layers": [layer],
        "axisTitlesVisibilitySettings": { "x": false, "yLeft": false, "yRight": false },
        "tickLabelsVisibilitySettings": { "x": true, "yLeft": true, "yRight": true },
        "gridlinesVisibilitySettings": { "x": false, "yLeft": true, "yRight": true },
        "labelsOrientation": { "x": 0, "yLeft": 0, "yRight": 0 },
    })
}

fn heatmap() -> Value {
    let bounds = [0, 25, 50, 75, 100];
    let lower: Vec<Value> = COLOURS.iter().zip(bounds).map(|((_, c), b)| json!({ "color": c, "stop": b })).collect();
    let upper: Vec<Value> = COLOURS.iter().zip(bounds.iter().skip(1)).map(|((_, c), b)| json!({ "color": c, "stop": b })).collect();
    json!({
        "shape": "heatmap", "layerId": LAYER, "layerType": "data", "xAccessor": "x", "yAccessor": "y", "valueAccessor": "m0",
        "legend": { "isVisible": true, "position": "right", "type": "heatmap_legend" },
        "gridConfig": {
            "type": "heatmap_grid", "isCellLabelVisible": false, "isYAxisLabelVisible": true, "isXAxisLabelVisible": true, "isYAxisTitleVisible": false, "isXAxisTitleVisible": false,
        },
        "palette": { "type": "palette", "name": "custom", "accessor": "m0", "params": {
            "name": "custom", "reverse": false, "rangeType": "number", "rangeMin": 0, "rangeMax": 100, "progression": "fixed", "continuity": "none",
            "steps": 4, "maxSteps": 5, "colorStops": lower, "stops": upper,
        } },
    })
}
