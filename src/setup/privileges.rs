//! What our credentials allow: asked where the engine can tell, and never by trying to write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::{Finding, Level};
use crate::cluster::{Call, Cluster, ClusterError, ErrorKind, Flavor, Product};

/// What a worker needs of Elasticsearch: cluster-wide, on its sources, on its own indices.
const CLUSTER_NEEDS: &[&str] = &["monitor"];
const SOURCE_NEEDS: &[&str] = &["read", "view_index_metadata"];
const OWN_NEEDS: &[&str] = &["read", "view_index_metadata", "create_index", "index", "delete"];
/// Roles that may do everything.
const SUPER_ROLES: &[&str] = &["superuser", "all_access", "admin"];

/// Says who we are and what we may do.
pub async fn check(cluster: &Cluster, flavor: &Flavor, prefix: &str, sources: &[String]) -> Result<Vec<Finding>, ClusterError> {
    if !flavor.has_security {
        let text = "the cluster has no security: everybody who reaches it may read and delete everything";
        return Ok(vec![Finding::new(Level::Warning, "privileges", text, "turn security on, or keep the cluster on this machine")]);
    }
    let mut out = Vec::new();
    let who = flavor.user.clone().unwrap_or_else(|| "(unnamed)".into());
    let roles = roles(cluster, flavor.product).await?;
    let listed = if roles.is_empty() { "no role that it tells".to_owned() } else { roles.iter().cloned().collect::<Vec<_>>().join(", ") };
    out.push(Finding::new(Level::Ok, "privileges", format!("user {who}, roles: {listed}"), ""));
    if let Some(role) = SUPER_ROLES.iter().find(|r| roles.contains(**r)) {
        let text = format!("the role `{role}` may do everything");
        out.push(Finding::new(Level::Warning, "privileges", text, "give the worker the role that `elkhound export role` prints"));
    }
    if flavor.product == Product::Elasticsearch {
        out.extend(missing(cluster, prefix, sources).await?);
    }
    Ok(out)
}

async fn roles(cluster: &Cluster, product: Product) -> Result<BTreeSet<String>, ClusterError> {
    let at = if product == Product::Elasticsearch { "/_security/_authenticate" } else { "/_plugins/_security/authinfo" };
    let answer: Value = match cluster.fetch(Call::get(at)).await {
        Ok(answer) => answer,
        Err(e) if matches!(e.kind, ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Refused) => Value::Null,
        Err(e) => return Err(e),
    };
    Ok(answer.get("roles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Privileges that a worker needs and has not, as Elasticsearch tells them.
async fn missing(cluster: &Cluster, prefix: &str, sources: &[String]) -> Result<Vec<Finding>, ClusterError> {
    let own = [format!("{prefix}-*")];
    // An exclusion is no name that privileges can be asked about.
    let read: Vec<&String> = sources.iter().filter(|s| !s.starts_with('-')).collect();
    let mut index = vec![json!({ "names": own, "privileges": OWN_NEEDS })];
    if !read.is_empty() {
        index.push(json!({ "names": read, "privileges": SOURCE_NEEDS }));
    }
    let call = Call::post("/_security/user/_has_privileges").json(&json!({ "cluster": CLUSTER_NEEDS, "index": index }));
    let answer: Value = cluster.fetch(call).await?;
    if answer.get("has_all_requested") == Some(&Value::Bool(true)) {
        return Ok(vec![Finding::new(Level::Ok, "privileges", "everything that a worker needs", "")]);
    }
    let mut out = Vec::new();
    let mut tell = |on: &str, granted: &Value| {
        let lacks: Vec<&str> =
            granted.as_object().into_iter().flatten().filter(|(_, has)| **has != Value::Bool(true)).map(|(p, _)| p.as_str()).collect();
        if !lacks.is_empty() {
            let text = format!("missing on {on}: {}", lacks.join(", "));
            out.push(Finding::new(Level::Error, "privileges", text, "grant the role that `elkhound export role` prints"));
        }
    };
    tell("the cluster", answer.get("cluster").unwrap_or(&Value::Null));
    for (name, granted) in answer.get("index").and_then(Value::as_object).into_iter().flatten() {
        tell(&format!("`{name}`"), granted);
    }
    Ok(out)
}
