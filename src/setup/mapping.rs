//! Live mappings of our indices against ours: an index that was made before its template keeps what the engine made up then.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Kind;
use crate::cluster::{Call, Cluster, ClusterError, ErrorKind, path};
use crate::model::problem::{counted, printable};

/// Fields that a message names.
const SHOWN: usize = 5;

/// The mapping of each of our indices, by name.
pub type Live = BTreeMap<String, Value>;

/// How a live mapping differs from ours.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Fields of another type, which stay so: name, type there, our type.
    pub clashing: Vec<(String, String, String)>,
    /// True when fields are missing or unknown fields are taken in, both of which a new mapping mends.
    pub is_short: bool,
}

/// An index whose mapping cannot be brought into our form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The index.
    pub index: String,
    /// What differs.
    pub text: String,
    /// What to do about it.
    pub mend: String,
}

/// Asks for the mappings; where there are none, or we may not look, nothing is known.
pub async fn live(cluster: &Cluster, prefix: &str) -> Result<Live, ClusterError> {
    let answer: Value = match cluster.fetch(Call::get(path(&[&format!("{prefix}-*"), "_mapping"]))).await {
        Err(e) if matches!(e.kind, ErrorKind::NotFound | ErrorKind::NoIndex | ErrorKind::Forbidden) => return Ok(Live::new()),
        other => other?,
    };
    let indices = answer.as_object().into_iter().flatten();
    Ok(indices.filter_map(|(name, body)| Some((name.clone(), body.get("mappings")?.clone()))).collect())
}

/// Compares a live mapping with ours.
pub fn compare(ours: &Value, live: &Value) -> Differences {
    let is_closed = matches!(live.get("dynamic"), Some(d) if d == "false" || d == false);
    let mut out = Differences { is_short: !is_closed, ..Differences::default() };
    walk("", ours, live, &mut out);
    out
}

fn walk(at: &str, ours: &Value, live: &Value, out: &mut Differences) {
    for (name, wanted) in ours.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let field = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let Some(there) = live.get("properties").and_then(|p| p.get(name)) else {
            out.is_short = true;
            continue;
        };
        let (is, should) = (type_of(there), type_of(wanted));
        if is != should {
            out.clashing.push((field, is, should));
        } else {
            walk(&field, wanted, there, out);
        }
    }
}

/// The type of a field; an object that is kept and not indexed is one of its own.
fn type_of(field: &Value) -> String {
    let is_stored_only = field.get("enabled").is_some_and(|e| e == false || e == "false");
    match field.get("type").and_then(Value::as_str) {
        None | Some("object") => if is_stored_only { "object without index" } else { "object" }.to_owned(),
        Some(other) => printable(other.as_bytes(), 40),
    }
}

/// Our indices whose mapping has fields of another type, with what to do.
pub async fn misfits(cluster: &Cluster, prefix: &str) -> Result<Vec<Misfit>, ClusterError> {
    let mut out = Vec::new();
    for (index, mapping) in live(cluster, prefix).await? {
        let Some(kind) = Kind::ALL.into_iter().find(|k| is_of(*k, &index, prefix)) else { continue };
        let differences = compare(&kind.mapping(), &mapping);
        if !differences.clashing.is_empty() {
            let count: Value = cluster.fetch(Call::get(path(&[&index, "_count"]))).await?;
            out.push(misfit(index, &differences.clashing, count.get("count").and_then(Value::as_u64)));
        }
    }
    Ok(out)
}

/// True for an index of a kind.
pub fn is_of(kind: Kind, index: &str, prefix: &str) -> bool {
    let alias = kind.alias(prefix);
    if kind.is_monthly() { index.strip_prefix(&alias).is_some_and(|rest| rest.starts_with('-')) } else { index == alias }
}

fn misfit(index: String, clashing: &[(String, String, String)], documents: Option<u64>) -> Misfit {
    let shown: Vec<String> = clashing.iter().take(SHOWN).map(|(field, is, should)| format!("`{field}` is {is}, not {should}")).collect();
    let more = if clashing.len() > SHOWN { format!(", and {} more", clashing.len() - SHOWN) } else { String::new() };
    let fields = counted(clashing.len() as u64, "field", "fields");
    let text = format!("{index} was made without our template, and {fields} cannot be changed there: {}{more}", shown.join(", "));
    let mend = match documents {
        Some(0) => format!("it holds no document: DELETE /{index} and run `elkhound setup` again"),
        _ => format!(
            "stop the worker, POST /_reindex from {index} to another name, DELETE /{index}, run `elkhound setup`, and reindex back; or, if its documents may go, DELETE it"
        ),
    };
    Misfit { index, text, mend }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_by_field_and_what_can_be_added_is_no_clash() {
        let ours = json!({ "dynamic": false, "properties": { "@timestamp": { "type": "date" }, "a": { "properties": { "b": { "type": "keyword" },
            "c": { "type": "object", "enabled": false } } }, "new": { "type": "long" } } });
        let mut live = ours.clone();
        live["dynamic"] = json!("false");
        assert_eq!(compare(&ours, &live), Differences::default());
        live["properties"].as_object_mut().unwrap().remove("new");
        assert_eq!(compare(&ours, &live), Differences { is_short: true, ..Differences::default() });
        live["properties"]["a"]["properties"]["b"]["type"] = json!("text");
        live["properties"]["a"]["properties"]["c"] = json!({ "properties": { "x": { "type": "long" } } });
        let clashing = compare(&ours, &live).clashing;
        let names: Vec<String> = clashing.iter().map(|(f, is, should)| format!("{f}: {is}/{should}")).collect();
        assert_eq!(names, ["a.b: text/keyword", "a.c: object/object without index"]);
        let told = misfit("elkhound-runs-2026.01".into(), &clashing, Some(0));
        assert!(told.text.contains("2 fields cannot be changed there: `a.b` is text, not keyword, `a.c`"), "{told:?}");
        assert!(told.mend.contains("DELETE /elkhound-runs-2026.01 and run `elkhound setup`"), "{told:?}");
        assert!(misfit("x".into(), &clashing, Some(3)).mend.contains("_reindex"));
        assert!(compare(&ours, &json!({})).is_short && compare(&ours, &json!({})).clashing.is_empty());
    }
}
