//! Which fields an index pattern has, of what type, and whether they can be aggregated.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::{Call, Cluster, path};
use super::error::ClusterError;

/// What a pattern says about one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldReport {
    /// The types it has, by name, and how many indices have it so (`None`: all that have the field).
    pub types: BTreeMap<String, Option<usize>>,
    /// Whether it can be aggregated and sorted in every index that has it.
    pub is_aggregatable: bool,
    /// Whether it can be searched in every index that has it.
    pub is_searchable: bool,
    /// Indices that lack it, where the engine says so.
    pub unmapped_in: Vec<String>,
}

impl FieldReport {
    /// True when no index has the field.
    pub fn is_missing(&self) -> bool {
        self.types.is_empty()
    }

    /// True when indices disagree about its type.
    pub fn is_clashing(&self) -> bool {
        self.types.len() > 1
    }
}

/// What an index pattern holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldsReport {
    /// Indices that the pattern matches.
    pub indices: Vec<String>,
    /// One report per field asked for.
    pub fields: BTreeMap<String, FieldReport>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    indices: Indices,
    #[serde(default)]
    fields: BTreeMap<String, BTreeMap<String, Capability>>,
}

/// One name or a list of names.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Indices(Vec<String>);

impl From<serde_json::Value> for Indices {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(one) => Self(vec![one]),
            serde_json::Value::Array(many) => Self(many.iter().filter_map(|v| v.as_str().map(ToOwned::to_owned)).collect()),
            _ => Self::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Capability {
    #[serde(default)]
    searchable: bool,
    #[serde(default)]
    aggregatable: bool,
    #[serde(default)]
    indices: Indices,
}

/// Asks what a pattern says about some fields. A pattern that matches nothing is an error.
pub async fn field_caps(cluster: &Cluster, index: &str, fields: &[String]) -> Result<FieldsReport, ClusterError> {
    let call =
        Call::post(path(&[index, "_field_caps"])).with("fields", fields.join(",")).with("include_unmapped", true).with("allow_no_indices", false);
    let answer: Answer = cluster.fetch(call).await?;
    let mut report = FieldsReport { indices: answer.indices.0, fields: BTreeMap::new() };
    report.indices.sort_unstable();
    for field in fields {
        let mut one = FieldReport { is_aggregatable: true, is_searchable: true, ..FieldReport::default() };
        for (name, capability) in answer.fields.get(field).into_iter().flatten() {
            if name == "unmapped" {
                one.unmapped_in = capability.indices.0.clone();
                continue;
            }
            let count = capability.indices.0.len();
            one.types.insert(name.clone(), (count > 0).then_some(count));
            one.is_aggregatable &= capability.aggregatable;
            one.is_searchable &= capability.searchable;
        }
        if one.is_missing() {
            (one.is_aggregatable, one.is_searchable) = (false, false);
        }
        report.fields.insert(field.clone(), one);
    }
    Ok(report)
}
