//! The search that a panel sends: used to run every panel against a real engine.

use serde_json::{Map, Value, json};

use super::fields;
use super::panel::{Column, Index, Measure, Panel, Split, Terms, View};
use super::vega;
use crate::model::Severity;

/// A time range and the width of its cells, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First instant.
    pub from_ms: i64,
    /// Last instant.
    pub to_ms: i64,
    /// Width of a cell.
    pub interval_ms: i64,
}

/// The search of a panel; `None` for one that reads nothing.
pub fn search(panel: &Panel, range: Range) -> Option<Value> {
    let aggs = match panel.view {
        View::Note(_) => return None,
        View::Tile(column, _) => figures(&[column]),
        View::OverTime(_, columns, split) => over_time(columns, split, range),
        View::Ranking(rows, columns) => ranking(rows, columns),
        View::Records(columns) => return Some(records(panel, columns, range)),
        View::Drawing(drawing) => {
            let mut body = vega::filled(&vega::body(drawing), range.from_ms, range.to_ms, range.interval_ms);
            if vega::index(drawing).time_field().is_some() {
                body["query"] = condition(panel.index, "", range);
            }
            return Some(body);
        }
        View::Controls(lists) => {
            Value::Object(lists.iter().map(|(field, label)| ((*label).to_owned(), json!({ "terms": { "field": field, "size": 10 } }))).collect())
        }
    };
    Some(json!({ "size": 0, "track_total_hits": true, "query": condition(panel.index, panel.condition, range), "aggs": aggs }))
}

/// True when the answer to a panel's search holds something to show.
pub fn has_content(panel: &Panel, answer: &Value) -> bool {
    let buckets = |agg: &Value| {
        agg.get("buckets").is_some_and(|b| match b {
            Value::Array(list) => list.iter().any(|x| x["doc_count"].as_u64().unwrap_or(0) > 0),
            Value::Object(map) => map.values().any(|x| x["doc_count"].as_u64().unwrap_or(0) > 0),
            _ => false,
        })
    };
    let hits = answer["hits"]["total"]["value"].as_u64().unwrap_or(0);
    match panel.view {
        View::Note(_) => true,
        View::Records(_) => hits > 0,
        View::Tile(Column { measure: Measure::Count, .. }, _) => hits > 0,
        View::Tile(..) => hits > 0 && answer["aggregations"]["m0"].as_object().is_some_and(|m| m.values().any(|v| !v.is_null())),
        View::Controls(lists) => lists.iter().all(|(_, label)| buckets(&answer["aggregations"][label])),
        View::OverTime(..) => buckets(&answer["aggregations"]["x"]),
        View::Ranking(..) => buckets(&answer["aggregations"]["r0"]),
        View::Drawing(_) => answer["aggregations"].as_object().is_some_and(|m| m.values().all(buckets)),
    }
}

/// Time range and KQL condition as a query. Conditions are `field : "value"` and `field > number`, joined by `and`.
fn condition(index: Index, kql: &str, range: Range) -> Value {
    let mut filter: Vec<Value> = kql.split(" and ").filter(|p| !p.trim().is_empty()).map(clause).collect();
    if let Some(field) = index.time_field() {
        filter.push(json!({ "range": { field: { "gte": range.from_ms, "lte": range.to_ms, "format": "epoch_millis" } } }));
    }
    json!({ "bool": { "filter": filter } })
}

fn clause(text: &str) -> Value {
    if let Some((field, value)) = text.split_once(" : ") {
        return json!({ "term": { field.trim(): value.trim().trim_matches('"') } });
    }
    let (field, bound) = text.split_once(" > ").unwrap_or((text, "0"));
    json!({ "range": { field.trim(): { "gt": bound.trim().parse::<f64>().unwrap_or(0.0) } } })
}

/// Figures as `m0`, `m1`, ...
fn figures(columns: &[Column]) -> Value {
    let mut out = Map::new();
    for (i, c) in columns.iter().enumerate() {
        let agg = match c.measure {
            Measure::Count => continue,
            Measure::Max(f) => json!({ "max": { "field": f } }),
            Measure::Sum(f) => json!({ "sum": { "field": f } }),
            Measure::Average(f) => json!({ "avg": { "field": f } }),
            Measure::Distinct(f) => json!({ "cardinality": { "field": f } }),
        };
        out.insert(format!("m{i}"), agg);
    }
    Value::Object(out)
}

fn over_time(columns: &[Column], split: Split, range: Range) -> Value {
    let mut inner = figures(columns);
    match split {
        Split::None => {}
        Split::Severity => {
            let filters: Map<String, Value> =
                Severity::ALL.iter().map(|s| (s.as_str().to_owned(), json!({ "term": { "elkhound.severity": s.as_str() } }))).collect();
            inner["split"] = json!({ "filters": { "filters": filters } });
        }
        Split::Terms(t) => inner["split"] = json!({ "terms": { "field": t.field, "size": t.size } }),
    }
    let interval = format!("{}s", (range.interval_ms / 1000).max(1));
    json!({ "x": { "date_histogram": { "field": "@timestamp", "fixed_interval": interval, "min_doc_count": 1 }, "aggs": inner } })
}

/// Terms within terms, each ordered by the first figure.
fn ranking(rows: &[Terms], columns: &[Column]) -> Value {
    let mut inner = figures(columns);
    for (i, t) in rows.iter().enumerate().rev() {
        let order = match columns.first().map(|c| c.measure) {
            None | Some(Measure::Count) => json!({ "_count": "desc" }),
            Some(_) => json!({ "m0": "desc" }),
        };
        let mut aggs = figures(columns);
        if i + 1 < rows.len() {
            aggs[format!("r{}", i + 1)] = inner[format!("r{}", i + 1)].clone();
        }
        inner = json!({ format!("r{i}"): { "terms": { "field": t.field, "size": t.size, "order": order }, "aggs": aggs } });
    }
    inner
}

fn records(panel: &Panel, columns: &[&str], range: Range) -> Value {
    let sortable = panel.index.time_field().unwrap_or("_doc");
    json!({ "size": 50, "track_total_hits": true, "query": condition(panel.index, panel.condition, range), "sort": [{ sortable: "desc" }], "_source": columns })
}

/// Every field that a panel names, with whether it has to be aggregatable and whether it has to be a number.
pub fn fields_of(panel: &Panel) -> Vec<(String, bool, bool)> {
    let mut out = Vec::new();
    let figure = |c: &Column, out: &mut Vec<(String, bool, bool)>| {
        if let Some(f) = c.measure.field() {
            out.push((f.to_owned(), true, !matches!(c.measure, Measure::Distinct(_))));
        }
    };
    out.extend(condition_fields(panel.condition));
    match panel.view {
        View::Note(_) => {}
        View::Tile(c, _) => figure(&c, &mut out),
        View::OverTime(_, columns, split) => {
            columns.iter().for_each(|c| figure(c, &mut out));
            match split {
                Split::None => {}
                Split::Severity => out.push(("elkhound.severity".into(), true, false)),
                Split::Terms(t) => out.push((t.field.into(), true, false)),
            }
        }
        View::Ranking(rows, columns) => {
            columns.iter().for_each(|c| figure(c, &mut out));
            out.extend(rows.iter().map(|t| (t.field.to_owned(), true, false)));
        }
        View::Records(columns) => out.extend(columns.iter().map(|c| ((*c).to_owned(), false, false))),
        View::Controls(lists) => out.extend(lists.iter().map(|(f, _)| ((*f).to_owned(), true, false))),
        View::Drawing(d) => named(&vega::body(d), &mut out),
    }
    out
}

fn condition_fields(kql: &str) -> impl Iterator<Item = (String, bool, bool)> {
    kql.split(" and ").filter_map(|p| p.split([':', '>']).next()).map(str::trim).filter(|f| !f.is_empty()).map(|f| (f.to_owned(), true, false))
}

/// Values of all keys called `field`.
fn named(body: &Value, out: &mut Vec<(String, bool, bool)>) {
    match body {
        Value::Object(map) => {
            for (k, v) in map {
                match v.as_str() {
                    Some(field) if k == "field" => out.push((field.to_owned(), true, false)),
                    _ => named(v, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| named(v, out)),
        _ => {}
    }
}

/// What is wrong with the fields that a panel names; empty when all is well.
pub fn field_faults(panel: &Panel) -> Vec<String> {
    let known = fields::of(panel.index);
    let mut out = Vec::new();
    for (name, must_aggregate, must_be_number) in fields_of(panel) {
        match known.iter().find(|f| f.name == name) {
            None => out.push(format!("{}: field `{name}` is not in the mapping of {}", panel.id, panel.index.name())),
            Some(f) if must_aggregate && !f.is_aggregatable() => {
                out.push(format!("{}: field `{name}` is {} and cannot be aggregated", panel.id, f.kind))
            }
            Some(f) if must_be_number && !f.is_number() && f.kind != "date" => {
                out.push(format!("{}: field `{name}` is {} and no number", panel.id, f.kind))
            }
            Some(_) => {}
        }
    }
    out
}
