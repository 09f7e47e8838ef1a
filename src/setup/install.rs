//! Compares what is to be installed with what is there, and sends the difference: run twice, the second changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::artefacts::{self, Artefact, Lifecycle};
use super::mapping::{self, Live};
use super::{Kind, retention};
use crate::cluster::{Call, Cluster, ClusterError, ErrorKind, Flavor, Product, path};
use crate::config::IndicesConfig;
use crate::model::document::monthly_index;

/// What a step does to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is there as it should be.
    Unchanged,
    /// It was not there.
    Create,
    /// It was there in another form.
    Update,
    /// It has to go.
    Delete,
}

/// One step of a setup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it is about.
    pub title: String,
    /// What it does.
    pub change: Change,
    /// HTTP method; empty when there is nothing to send.
    pub method: &'static str,
    /// Path.
    pub path: String,
    /// Body.
    pub body: Value,
    #[serde(skip)]
    version: Option<(u64, u64)>,
}

/// Why a setup stopped.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The cluster refused or could not be reached.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// Something of another make has a name that we need.
    #[error("an index named `{0}` stands where the read alias belongs; rename or delete it, or choose another indices.prefix")]
    InTheWay(String),
}

/// Who deletes expired indices in this cluster.
pub fn lifecycle(flavor: &Flavor) -> Lifecycle {
    match flavor.product {
        Product::Elasticsearch if flavor.has_ilm => Lifecycle::Ilm,
        Product::OpenSearch if flavor.has_ism => Lifecycle::Ism,
        _ => Lifecycle::Own,
    }
}

/// Everything that a setup would do now; reads only.
pub async fn plan(cluster: &Cluster, flavor: &Flavor, indices: &IndicesConfig, now_ms: i64) -> Result<Vec<Step>, SetupError> {
    let lifecycle = lifecycle(flavor);
    let there = existing(cluster, &indices.prefix).await?;
    if let Some(kind) = Kind::ALL.into_iter().find(|k| k.is_monthly() && there.contains_key(&k.alias(&indices.prefix))) {
        return Err(SetupError::InTheWay(kind.alias(&indices.prefix)));
    }
    let mut steps = Vec::new();
    for policy in artefacts::policies(indices, lifecycle) {
        let step = compared(&policy, stored_policy(cluster, &policy).await?);
        let is_new = step.change == Change::Create;
        steps.push(step);
        if is_new {
            steps.extend(attach(&policy, lifecycle, indices, &there));
        }
    }
    let stored = stored_templates(cluster, &indices.prefix).await?;
    for template in artefacts::templates(indices, lifecycle) {
        steps.push(compared(&template, stored.get(&template.title).map(|body| (body.clone(), None))));
    }
    let live = mapping::live(cluster, &indices.prefix).await?;
    for kind in Kind::ALL {
        steps.extend(index_steps(kind, indices, (&there, &live), &steps, now_ms));
    }
    if lifecycle == Lifecycle::Own {
        let names: Vec<String> = there.keys().cloned().collect();
        for name in retention::expired(&names, indices, now_ms) {
            steps.push(step(format!("expired index {name}"), Change::Delete, "DELETE", path(&[&name]), Value::Null));
        }
    }
    Ok(steps)
}

/// Sends the steps that change something. Stops at the first that fails: running it again goes on from there.
pub async fn apply(cluster: &Cluster, steps: &[Step]) -> Result<(), SetupError> {
    for step in steps.iter().filter(|s| s.change != Change::Unchanged) {
        let mut call = match step.method {
            "DELETE" => Call::delete(&step.path),
            "POST" => Call::post(&step.path).json(&step.body),
            _ => Call::put(&step.path).json(&step.body),
        };
        if let Some((seq_no, primary_term)) = step.version {
            call = call.with("if_seq_no", seq_no).with("if_primary_term", primary_term);
        }
        match cluster.send(call).await {
            Ok(_) => {}
            // Two setups at once, or a worker that made the index meanwhile: what we want is there.
            Err(e) if e.kind == ErrorKind::Refused && e.detail.contains("resource_already_exists_exception") => {}
            Err(e) if e.kind == ErrorKind::NoIndex && step.change == Change::Delete => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn step(title: String, change: Change, method: &'static str, path: String, body: Value) -> Step {
    Step { title, change, method, path, body, version: None }
}

/// The step that an artefact needs, given what is stored (and its version, where a change needs one).
fn compared(artefact: &Artefact, stored: Option<(Value, Option<(u64, u64)>)>) -> Step {
    let change = match &stored {
        None => Change::Create,
        Some((body, _)) if artefact.mark().is_some() && body.pointer(artefact.mark_at) == artefact.mark() => Change::Unchanged,
        Some(_) => Change::Update,
    };
    let version = stored.and_then(|(_, version)| version);
    Step { version, ..step(artefact.title.clone(), change, "PUT", artefact.path.clone(), artefact.body.clone()) }
}

/// Our indices and the aliases that each has.
async fn existing(cluster: &Cluster, prefix: &str) -> Result<BTreeMap<String, Value>, ClusterError> {
    absent_is_default(cluster.fetch(Call::get(path(&[&format!("{prefix}-*"), "_alias"]))).await)
}

/// Index templates of ours that are not there. Without them the engine makes up mappings of its own with the first document,
/// and those stay. Where we may not look nothing is said to be missing.
pub async fn missing_templates(cluster: &Cluster, prefix: &str) -> Result<Vec<String>, ClusterError> {
    let stored = match stored_templates(cluster, prefix).await {
        Err(e) if e.kind == ErrorKind::Forbidden => return Ok(Vec::new()),
        other => other?,
    };
    let titles = Kind::ALL.into_iter().map(|kind| format!("index template {}", kind.alias(prefix)));
    Ok(titles.filter(|title| !stored.contains_key(title)).collect())
}

/// What an engine that has nothing of the kind may answer with 404.
fn absent_is_default<T: Default>(result: Result<T, ClusterError>) -> Result<T, ClusterError> {
    match result {
        Err(e) if matches!(e.kind, ErrorKind::NotFound | ErrorKind::NoIndex) => Ok(T::default()),
        other => other,
    }
}

/// Stored templates by the title of the artefact.
async fn stored_templates(cluster: &Cluster, prefix: &str) -> Result<BTreeMap<String, Value>, ClusterError> {
    let mut out = BTreeMap::new();
    for (api, list, inner, title) in [
        ("_component_template", "component_templates", "component_template", "component template"),
        ("_index_template", "index_templates", "index_template", "index template"),
    ] {
        let answer: Value = absent_is_default(cluster.fetch(Call::get(path(&[api, &format!("{prefix}-*")]))).await)?;
        for entry in answer.get(list).and_then(Value::as_array).into_iter().flatten() {
            if let (Some(name), Some(body)) = (entry.get("name").and_then(Value::as_str), entry.get(inner)) {
                out.insert(format!("{title} {name}"), body.clone());
            }
        }
    }
    Ok(out)
}

/// A stored policy, with its version where a change has to name it.
async fn stored_policy(cluster: &Cluster, policy: &Artefact) -> Result<Option<(Value, Option<(u64, u64)>)>, ClusterError> {
    let answer: Option<Value> = absent_is_default(cluster.fetch::<Value>(Call::get(&policy.path)).await.map(Some))?;
    Ok(answer.map(|body| {
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let version = number("_seq_no").zip(number("_primary_term"));
        // Elasticsearch answers by name, OpenSearch with the policy itself.
        let name = policy.path.rsplit('/').next().unwrap_or_default();
        (body.get(name).cloned().unwrap_or(body), version)
    }))
}

/// A policy reaches new indices through their template; those that are there already have to be told.
fn attach(policy: &Artefact, lifecycle: Lifecycle, indices: &IndicesConfig, there: &BTreeMap<String, Value>) -> Option<Step> {
    let kind = Kind::ALL.into_iter().find(|k| policy.path.ends_with(&format!("/{}", k.alias(&indices.prefix))))?;
    let pattern = kind.pattern(&indices.prefix);
    of_kind(kind, indices, there).next()?;
    let name = kind.alias(&indices.prefix);
    let title = format!("policy of existing indices {pattern}");
    Some(match lifecycle {
        Lifecycle::Ism => step(title, Change::Update, "POST", path(&["_plugins", "_ism", "add", &pattern]), json!({ "policy_id": name })),
        _ => step(title, Change::Update, "PUT", path(&[&pattern, "_settings"]), json!({ "index.lifecycle.name": name })),
    })
}

/// Existing indices of a kind.
fn of_kind<'a>(kind: Kind, indices: &'a IndicesConfig, there: &'a BTreeMap<String, Value>) -> impl Iterator<Item = (&'a String, &'a Value)> {
    there.iter().filter(move |(name, _)| mapping::is_of(kind, name, &indices.prefix))
}

/// New mapping and missing alias for the indices of a kind that are there; the index that is needed now if it is not.
fn index_steps(kind: Kind, indices: &IndicesConfig, (there, live): (&BTreeMap<String, Value>, &Live), steps: &[Step], now_ms: i64) -> Vec<Step> {
    let mut out = Vec::new();
    let alias = kind.alias(&indices.prefix);
    let component = format!("component template {alias}-mappings");
    let is_new_mapping = steps.iter().any(|s| s.title == component && s.change != Change::Unchanged);
    for (name, aliases) in of_kind(kind, indices, there) {
        // What clashes cannot be put: `misfits` tells of it.
        let differences = live.get(name).map(|m| mapping::compare(&kind.mapping(), m)).unwrap_or_default();
        if (is_new_mapping || differences.is_short) && differences.clashing.is_empty() {
            out.push(step(format!("mapping of {name}"), Change::Update, "PUT", path(&[name, "_mapping"]), kind.mapping()));
        }
        if kind.is_monthly() && aliases.pointer(&format!("/aliases/{alias}")).is_none() {
            let body = json!({ "actions": [{ "add": { "index": name, "alias": alias } }] });
            out.push(step(format!("alias of {name}"), Change::Update, "POST", "/_aliases".into(), body));
        }
    }
    // Feature rows are optional: their index comes with the first of them.
    let wanted = if kind.is_monthly() { monthly_index(&indices.prefix, kind.name(), now_ms) } else { alias };
    if kind != Kind::Features {
        let change = if there.contains_key(&wanted) { Change::Unchanged } else { Change::Create };
        out.push(step(format!("index {wanted}"), change, "PUT", path(&[&wanted]), json!({})));
    }
    out
}
