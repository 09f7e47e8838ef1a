//! The fields that panels may name: those of the mappings, nothing else.

use serde_json::{Map, Value, json};

use super::panel::{COLOURS, Index};

/// A field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Full name.
    pub name: String,
    /// Type in the mapping, such as `keyword`.
    pub kind: String,
    /// True when it can be searched.
    pub is_indexed: bool,
    /// The field of which this is another view.
    pub parent: Option<String>,
}

impl FieldInfo {
    /// True when terms, figures and histograms can be made of it.
    pub fn is_aggregatable(&self) -> bool {
        self.kind != "text"
    }

    /// True for numbers.
    pub fn is_number(&self) -> bool {
        matches!(self.kind.as_str(), "long" | "float" | "double")
    }

    /// The word that both products use for the type.
    fn shown_kind(&self) -> &str {
        match self.kind.as_str() {
            "keyword" | "text" => "string",
            _ if self.is_number() => "number",
            other => other,
        }
    }
}

/// The mapping of an index.
fn mapping(index: Index) -> Value {
    let text = match index {
        Index::Anomalies => include_str!("../../mappings/common/anomalies.json"),
        Index::Runs => include_str!("../../mappings/common/runs.json"),
        Index::Triage => include_str!("../../mappings/common/triage.json"),
        Index::State => include_str!("../../mappings/common/state.json"),
    };
    // Part of the program, read by its tests.
    serde_json::from_str(text).unwrap_or_default()
}

/// All fields of an index, by name.
pub fn of(index: Index) -> Vec<FieldInfo> {
    let mut out = Vec::new();
    walk("", &mapping(index), &mut out);
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

fn walk(prefix: &str, node: &Value, out: &mut Vec<FieldInfo>) {
    let Some(properties) = node.get("properties").and_then(Value::as_object) else { return };
    for (name, field) in properties {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if field.get("properties").is_some() {
            walk(&name, field, out);
            continue;
        }
        let kind = field.get("type").and_then(Value::as_str).unwrap_or("object");
        if kind == "object" {
            continue;
        }
        let is_indexed = field.get("index").and_then(Value::as_bool).unwrap_or(true);
        out.push(FieldInfo { name: name.clone(), kind: kind.into(), is_indexed, parent: None });
        for (sub, view) in field.get("fields").and_then(Value::as_object).into_iter().flatten() {
            let kind = view.get("type").and_then(Value::as_str).unwrap_or("keyword");
            out.push(FieldInfo { name: format!("{name}.{sub}"), kind: kind.into(), is_indexed: true, parent: Some(name.clone()) });
        }
    }
}

/// The field list of an index pattern, as OpenSearch Dashboards itself would store it: without it every panel asks for it
/// at the first opening, and the answers collide.
pub fn stored_list(index: Index) -> Value {
    let mut out: Vec<Value> = of(index).iter().map(stored).collect();
    for (name, kind, searchable) in
        [("_id", "string", true), ("_index", "string", true), ("_score", "number", false), ("_source", "_source", false), ("_type", "string", true)]
    {
        let mut field = json!({ "count": 0, "name": name, "type": kind, "scripted": false, "searchable": searchable, "aggregatable": searchable, "readFromDocValues": false });
        if name != "_score" {
            field["esTypes"] = json!([name]);
        }
        out.push(field);
    }
    Value::Array(out)
}

fn stored(field: &FieldInfo) -> Value {
    let aggregatable = field.is_aggregatable();
    let mut out = json!({
        "count": 0, "name": field.name, "type": field.shown_kind(), "esTypes": [field.kind], "scripted": false,
        "searchable": field.is_indexed, "aggregatable": aggregatable, "readFromDocValues": aggregatable,
    });
    if let Some(parent) = &field.parent {
        out["subType"] = json!({ "multi": { "parent": parent } });
    }
    out
}

/// How values are shown: links, colours, decimals.
pub fn formats(index: Index, prefix: &str) -> Value {
    let known: Vec<String> = of(index).into_iter().map(|f| f.name).collect();
    let number = |pattern: &str| json!({ "id": "number", "params": { "pattern": pattern } });
    let colours: Vec<Value> = COLOURS
        .iter()
        .map(|(name, colour)| {
            let text = if *name == "critical" { "#ffffff" } else { "#10151d" };
            json!({ "regex": name, "range": "-Infinity:Infinity", "text": text, "background": colour })
        })
        .collect();
    let entity = format!("dashboards#/view/{prefix}-entity?_a=(query:(language:kuery,query:'elkhound.entity.key:%22{{{{value}}}}%22'))");
    let link = |template: &str, label: &str| json!({ "id": "url", "params": { "urlTemplate": template, "labelTemplate": label, "openLinkInCurrentTab": false } });
    let all = [
        ("elkhound.actual", number("0,0.[00]")),
        ("elkhound.confidence", number("0 %")),
        ("elkhound.entity.key", link(&entity, "{{value}}")),
        ("elkhound.link", link("{{rawValue}}", "raw logs")),
        ("elkhound.lower", number("0,0.[00]")),
        ("elkhound.score", number("0.0")),
        ("elkhound.severity", json!({ "id": "color", "params": { "fieldType": "string", "colors": colours } })),
        ("elkhound.typical", number("0,0.[00]")),
        ("elkhound.upper", number("0,0.[00]")),
        ("elkhound.was.score", number("0.0")),
        ("event.risk_score", number("0.0")),
    ];
    Value::Object(all.into_iter().filter(|(name, _)| known.iter().any(|k| k == name)).map(|(n, f)| (n.to_owned(), f)).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_from_the_mappings() {
        let all = of(Index::Anomalies);
        let find = |name: &str| all.iter().find(|f| f.name == name);
        assert!(find("elkhound.score").is_some_and(FieldInfo::is_number));
        assert!(find("event.reason").is_some_and(|f| !f.is_aggregatable()));
        assert!(find("event.reason.keyword").is_some_and(|f| f.parent.as_deref() == Some("event.reason")));
        assert!(find("elkhound.values").is_none(), "an object that is not indexed is no field to name");
        assert!(find("elkhound.link").is_some_and(|f| !f.is_indexed && f.is_aggregatable()));
        for index in Index::ALL {
            assert!(of(index).len() > 5, "{index:?}");
        }
    }

    #[test]
    fn only_fields_of_the_index_have_a_format() {
        assert!(formats(Index::Runs, "elkhound").as_object().is_some_and(|m| m.keys().all(|k| of(Index::Runs).iter().any(|f| f.name == *k))));
        assert!(
            formats(Index::Anomalies, "dogs")["elkhound.entity.key"]["params"]["urlTemplate"]
                .as_str()
                .is_some_and(|u| u.contains("/view/dogs-entity?"))
        );
    }
}
