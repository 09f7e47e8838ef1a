//! Vega-Lite specifications for what neither product draws by itself. The same text suits both: version 5 of the schema,
//! no product words, colours that can be read on light and dark ground, expressions that need no `eval`.

use serde_json::{Value, json};

use super::panel::{COLOURS, Drawing, Index, Terms};

/// Grey that can be read on white and on black.
const INK: &str = "#8592a8";
/// Cells over the time range, about.
const CELLS: u32 = 60;

/// The index that a drawing reads.
pub fn index(drawing: Drawing) -> Index {
    match drawing {
        Drawing::Lanes(_) | Drawing::Band => Index::Anomalies,
        Drawing::WindowLanes | Drawing::Lag => Index::Runs,
        Drawing::SnapshotAge => Index::State,
    }
}

/// The search body of a drawing, with the placeholders that the products fill in.
pub fn body(drawing: Drawing) -> Value {
    match drawing {
        Drawing::Lanes(rows) => lanes_body(rows.field, rows.size, json!({ "s": { "max": { "field": "elkhound.score" } } })),
        Drawing::WindowLanes => lanes_body("elkhound.job", 20, json!({ "s": { "sum": { "field": "elkhound.run.documents" } } })),
        Drawing::Band => band_body(),
        Drawing::Lag => {
            json!({ "size": 0, "aggs": { "lanes": { "terms": { "field": "elkhound.job", "size": 30, "order": { "s": "asc" } }, "aggs": { "s": { "max": { "field": "event.end" } } } } } })
        }
        Drawing::SnapshotAge => json!({
            "size": 0,
            "query": { "exists": { "field": "snapshot_ms" } },
            "aggs": { "lanes": { "terms": { "field": "job", "size": 30, "order": { "s": "asc" } }, "aggs": { "s": { "max": { "field": "snapshot_ms" } } } } },
        }),
    }
}

/// The specification of a drawing.
pub fn spec(drawing: Drawing, prefix: &str) -> Value {
    let mut url = json!({ "index": index(drawing).pattern(prefix), "body": body(drawing) });
    if let Some(field) = index(drawing).time_field() {
        url["%context%"] = json!(true);
        url["%timefield%"] = json!(field);
    }
    let mut out = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "autosize": { "type": "fit", "contains": "padding" },
        "background": null,
        "data": { "url": url, "format": { "property": "aggregations" } },
        "config": {
            "kibana": { "hideWarnings": false },
            "view": { "stroke": null },
            "axis": { "labelColor": INK, "titleColor": INK, "gridColor": INK, "gridOpacity": 0.2, "domainColor": INK, "tickColor": INK, "labelFontSize": 11 },
            "legend": { "labelColor": INK, "titleColor": INK },
            "text": { "color": INK },
        },
    });
    let drawn = match drawing {
        Drawing::Lanes(rows) => lanes(rows),
        Drawing::WindowLanes => window_lanes(),
        Drawing::Band => band(),
        Drawing::Lag => hours("behind the clock", NOTHING),
        Drawing::SnapshotAge => hours("since the newest snapshot", "no snapshot yet"),
    };
    if let (Some(out), Value::Object(drawn)) = (out.as_object_mut(), drawn) {
        out.extend(drawn);
    }
    out
}

/// The values of a field with the greatest figure, each cut into cells of one width over the whole time range.
fn lanes_body(field: &str, size: u32, figure: Value) -> Value {
    json!({
        "size": 0,
        "aggs": { "lanes": {
            "terms": { "field": field, "size": size, "order": { "s": "desc" } },
            "aggs": {
                "s": figure["s"].clone(),
                "t": {
                    "date_histogram": {
                        "field": "@timestamp", "fixed_interval": { "%autointerval%": CELLS }, "min_doc_count": 0,
                        "extended_bounds": { "min": { "%timefilter%": "min" }, "max": { "%timefilter%": "max" } },
                    },
                    "aggs": figure,
                },
            },
        } },
    })
}

/// What an axis says where an answer holds nothing.
const NOTHING: &str = "no data in this range";

/// One row per bucket of an aggregation. Without any there is one row all the same, not seen (`isEmpty`), whose name says so:
/// an axis without a value cannot be drawn, and the panel would show a warning.
fn buckets(agg: &str, instead: &str) -> Vec<Value> {
    let own = format!("datum.{agg} && length(datum.{agg}.buckets) > 0 ? datum.{agg}.buckets : [{instead}]");
    let mut out = vec![json!({ "calculate": own, "as": "row" }), json!({ "flatten": ["row"] })];
    out.extend(["key", "s", "t", "f", "isEmpty"].map(|name| json!({ "calculate": format!("datum.row.{name}"), "as": name })));
    out
}

/// Unseen while there is nothing to see.
fn seen(opacity: f64) -> Value {
    json!({ "condition": { "test": "datum.isEmpty", "value": 0 }, "value": opacity })
}

/// One row per cell that holds something: `key`, `start`, `end`, `b.doc_count`, `b.s.value`.
fn cells() -> Value {
    let instead = format!("{{key: '{NOTHING}', isEmpty: true, t: {{buckets: [{{key: now(), doc_count: 1, s: {{value: 0}}}}]}}}}");
    let mut out = buckets("lanes", &instead);
    out.extend(per_cell());
    Value::Array(out)
}

fn per_cell() -> [Value; 5] {
    let width = "length(datum.t.buckets) > 1 ? datum.t.buckets[1].key - datum.t.buckets[0].key : 3600000";
    [
        json!({ "calculate": width, "as": "width" }),
        json!({ "flatten": ["t.buckets"], "as": ["b"] }),
        json!({ "filter": "datum.b.doc_count > 0" }),
        json!({ "calculate": "datum.b.key", "as": "start" }),
        json!({ "calculate": "datum.b.key + datum.width", "as": "end" }),
    ]
}

fn threshold_scale() -> Value {
    json!({ "type": "threshold", "domain": [25, 50, 75], "range": COLOURS.iter().map(|(_, c)| *c).collect::<Vec<_>>() })
}

fn lane_encoding(title: &str, colour: Value, tooltip: Value) -> Value {
    json!({
        "mark": { "type": "rect", "cornerRadius": 2, "tooltip": true },
        "transform": cells(),
        "encoding": {
            "x": { "field": "start", "type": "temporal", "scale": { "type": "utc" }, "axis": { "title": null, "labelOverlap": true } },
            "x2": { "field": "end" },
            "y": { "field": "key", "type": "nominal", "sort": { "field": "b.s.value", "op": "max", "order": "descending" }, "axis": { "title": null, "labelLimit": 200, "grid": true } },
            "color": colour,
            "opacity": seen(1.0),
            "tooltip": tooltip,
        },
        "description": title,
    })
}

fn lanes(rows: Terms) -> Value {
    lane_encoding(
        &format!("Highest score by {} and time", rows.label.to_lowercase()),
        json!({ "field": "b.s.value", "type": "quantitative", "scale": threshold_scale(), "legend": { "title": "Score" } }),
        json!([
            { "field": "key", "type": "nominal", "title": rows.label },
            { "field": "start", "type": "temporal", "title": "From", "format": "%Y-%m-%d %H:%M" },
            { "field": "b.s.value", "type": "quantitative", "title": "Highest score", "format": ".1f" },
            { "field": "b.doc_count", "type": "quantitative", "title": "Anomalies" },
        ]),
    )
}

fn window_lanes() -> Value {
    lane_encoding(
        "Windows done by job and time",
        json!({ "field": "b.doc_count", "type": "quantitative", "scale": { "range": ["#9cc7a8", "#2f8f57"] }, "legend": { "title": "Windows" } }),
        json!([
            { "field": "key", "type": "nominal", "title": "Job" },
            { "field": "start", "type": "temporal", "title": "From", "format": "%Y-%m-%d %H:%M" },
            { "field": "b.doc_count", "type": "quantitative", "title": "Windows" },
            { "field": "b.s.value", "type": "quantitative", "title": "Documents", "format": "," },
        ]),
    )
}

/// The strongest entity in view, its most frequent feature, and that feature's figures over time.
fn band_body() -> Value {
    let figure = |kind: &str, field: &str| json!({ kind: { "field": field } });
    json!({
        "size": 0,
        "aggs": { "e": {
            "terms": { "field": "elkhound.entity.key", "size": 1, "order": { "s": "desc" } },
            "aggs": {
                "s": figure("max", "elkhound.score"),
                "f": {
                    "terms": { "field": "elkhound.feature", "size": 1 },
                    "aggs": { "t": {
                        "date_histogram": { "field": "@timestamp", "fixed_interval": { "%autointerval%": 200 }, "min_doc_count": 1 },
                        "aggs": {
                            "actual": figure("max", "elkhound.actual"),
                            "typical": figure("avg", "elkhound.typical"),
                            "lower": figure("min", "elkhound.lower"),
                            "upper": figure("max", "elkhound.upper"),
                            "s": figure("max", "elkhound.score"),
                        },
                    } },
                },
            },
        } },
    })
}

fn band() -> Value {
    let x = json!({ "field": "b.key", "type": "temporal", "scale": { "type": "utc" }, "axis": { "title": null } });
    let y = |field: &str| json!({ "field": field, "type": "quantitative", "scale": { "zero": true }, "title": "Strongest feature" });
    let cell = "{key: now(), s: {value: 0}, actual: {value: 1}, typical: {value: 1}, lower: {value: 0}, upper: {value: 1}}";
    let instead = format!("{{key: '{NOTHING}', isEmpty: true, f: {{buckets: [{{key: '', t: {{buckets: [{cell}]}}}}]}}}}");
    let mut transform = buckets("e", &instead);
    transform.extend([
        json!({ "flatten": ["f.buckets"], "as": ["g"] }),
        json!({ "flatten": ["g.t.buckets"], "as": ["b"] }),
        json!({ "calculate": "datum.b.lower.value === null ? 0 : datum.b.lower.value", "as": "low" }),
        json!({ "calculate": "datum.b.upper.value === null ? datum.b.typical.value : datum.b.upper.value", "as": "high" }),
        json!({ "calculate": "datum.isEmpty ? datum.key : datum.key + ': ' + datum.g.key", "as": "what" }),
    ]);
    json!({
        "description": "Actual against typical of the strongest entity",
        "transform": transform,
        "layer": [
            { "mark": { "type": "rule", "strokeWidth": 9, "color": "#7aa7d6" }, "encoding": { "opacity": seen(0.35), "x": x, "y": y("low"), "y2": { "field": "high" } } },
            { "mark": { "type": "line", "strokeDash": [5, 4], "color": "#3d7fc4" }, "encoding": { "x": x, "y": y("b.typical.value") } },
            { "mark": { "type": "line", "opacity": 0.5, "color": INK }, "encoding": { "x": x, "y": y("b.actual.value") } },
            {
                "mark": { "type": "point", "filled": true, "size": 70 },
                "encoding": {
                    "x": x, "y": y("b.actual.value"), "opacity": seen(1.0),
                    "color": { "field": "b.s.value", "type": "quantitative", "scale": threshold_scale(), "legend": { "title": "Score" } },
                    "tooltip": [
                        { "field": "what", "type": "nominal", "title": "Entity and feature" },
                        { "field": "b.key", "type": "temporal", "title": "Time", "format": "%Y-%m-%d %H:%M" },
                        { "field": "b.actual.value", "type": "quantitative", "title": "Actual", "format": ",.4~g" },
                        { "field": "b.typical.value", "type": "quantitative", "title": "Typical", "format": ",.4~g" },
                        { "field": "b.s.value", "type": "quantitative", "title": "Score", "format": ".1f" },
                    ],
                },
            },
            {
                "transform": [{ "aggregate": [{ "op": "count", "as": "n" }], "groupby": ["what"] }],
                "mark": { "type": "text", "align": "left", "baseline": "top", "fontSize": 13, "fontWeight": 600 },
                "encoding": { "x": { "value": 8 }, "y": { "value": 2 }, "text": { "field": "what", "type": "nominal" } },
            },
        ],
    })
}

fn hours(what: &str, nothing: &str) -> Value {
    let mut transform = buckets("lanes", &format!("{{key: '{nothing}', isEmpty: true, s: {{value: now() - 3600000}}}}"));
    transform.extend([json!({ "filter": "datum.s.value !== null" }), json!({ "calculate": "(now() - datum.s.value) / 3600000", "as": "hours" })]);
    json!({
        "description": format!("Hours {what} by job"),
        "transform": transform,
        "layer": [
            { "mark": { "type": "bar", "color": "#5f93c9", "tooltip": true }, "encoding": {
                "opacity": seen(1.0),
                "x": { "field": "hours", "type": "quantitative", "title": format!("hours {what}") },
                "y": { "field": "key", "type": "nominal", "sort": null, "axis": { "title": null, "labelLimit": 200 } },
                "tooltip": [
                    { "field": "key", "type": "nominal", "title": "Job" },
                    { "field": "hours", "type": "quantitative", "title": "Hours", "format": ",.2f" },
                    { "field": "s.value", "type": "temporal", "title": "Until", "format": "%Y-%m-%d %H:%M" },
                ],
            } },
            { "mark": { "type": "text", "align": "left", "dx": 4 }, "encoding": {
                "opacity": seen(1.0),
                "x": { "field": "hours", "type": "quantitative" },
                "y": { "field": "key", "type": "nominal", "sort": null },
                "text": { "field": "hours", "type": "quantitative", "format": ",.1f" },
            } },
        ],
    })
}

/// A body with its placeholders filled in, as the products do it. `interval_ms` is the width of a cell.
pub fn filled(body: &Value, from_ms: i64, to_ms: i64, interval_ms: i64) -> Value {
    match body {
        Value::Object(map) => {
            if map.contains_key("%autointerval%") {
                return json!(format!("{}s", (interval_ms / 1000).max(1)));
            }
            match map.get("%timefilter%").and_then(Value::as_str) {
                Some("min") => return json!(from_ms),
                Some("max") => return json!(to_ms),
                _ => {}
            }
            Value::Object(map.iter().map(|(k, v)| (k.clone(), filled(v, from_ms, to_ms, interval_ms))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| filled(v, from_ms, to_ms, interval_ms)).collect()),
        other => other.clone(),
    }
}
