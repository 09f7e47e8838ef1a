//! What is installed, as JSON: component and index templates, retention policies, roles. Pure.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Kind;
use crate::cluster::{Product, path};
use crate::config::IndicesConfig;
use crate::model::anomaly::SCHEMA_VERSION;
use crate::model::time::DAY_MS;

/// Above the templates that engines ship (100, 200), so that ours wins on our own names.
const PRIORITY: u32 = 300;

/// Who deletes expired indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// Index lifecycle management (Elasticsearch).
    Ilm,
    /// Index state management (OpenSearch).
    Ism,
    /// We do.
    Own,
}

/// A thing to install: where it goes and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Artefact {
    /// For people, such as `index template elkhound-runs`.
    pub title: String,
    /// Path that it is put to.
    pub path: String,
    /// The body.
    pub body: Value,
    /// Where our mark (a hash of the content) stands in the stored body.
    pub mark_at: &'static str,
}

/// All templates, components first.
pub fn templates(indices: &IndicesConfig, lifecycle: Lifecycle) -> Vec<Artefact> {
    let prefix = &indices.prefix;
    let settings_name = format!("{prefix}-settings");
    let refresh = format!("{}ms", indices.refresh_interval_ms);
    let settings = json!({ "index": { "number_of_shards": 1, "auto_expand_replicas": indices.auto_expand_replicas, "refresh_interval": refresh } });
    let mut out = vec![component(&settings_name, json!({ "settings": settings }))];
    for kind in Kind::ALL {
        out.push(component(&format!("{prefix}-{}-mappings", kind.name()), json!({ "mappings": kind.mapping() })));
    }
    for kind in Kind::ALL {
        let name = kind.alias(prefix);
        let mut template = json!({});
        if kind.is_monthly() {
            template["aliases"] = json!({ name.as_str(): {} });
            if lifecycle == Lifecycle::Ilm {
                template["settings"] = json!({ "index": { "lifecycle": { "name": name } } });
            }
        }
        let body = json!({
            "index_patterns": [kind.pattern(prefix)],
            "composed_of": [settings_name, format!("{prefix}-{}-mappings", kind.name())],
            "priority": PRIORITY,
            "version": SCHEMA_VERSION,
            "template": template,
        });
        out.push(marked(format!("index template {name}"), path(&["_index_template", &name]), body, "/_meta/hash"));
    }
    out
}

fn component(name: &str, template: Value) -> Artefact {
    let body = json!({ "version": SCHEMA_VERSION, "template": template });
    marked(format!("component template {name}"), path(&["_component_template", name]), body, "/_meta/hash")
}

/// Retention policies, one per monthly kind; none where we delete ourselves.
pub fn policies(indices: &IndicesConfig, lifecycle: Lifecycle) -> Vec<Artefact> {
    let monthly = Kind::ALL.into_iter().filter_map(|k| Some((k, k.keep_ms(indices)?)));
    monthly
        .filter_map(|(kind, keep_ms)| {
            let name = kind.alias(&indices.prefix);
            let keep = format!("{}d", (keep_ms / DAY_MS).max(1));
            match lifecycle {
                Lifecycle::Ilm => {
                    let body = filled(include_str!("../../mappings/elasticsearch/policy.json"), &[("KEEP", &[keep])]);
                    Some(marked(format!("lifecycle policy {name}"), path(&["_ilm", "policy", &name]), body, "/policy/_meta/hash"))
                }
                Lifecycle::Ism => {
                    let slots: [(&str, &[String]); 2] = [("KEEP", &[keep]), ("PATTERN", &[kind.pattern(&indices.prefix)])];
                    let body = filled(include_str!("../../mappings/opensearch/policy.json"), &slots);
                    Some(marked(
                        format!("state management policy {name}"),
                        path(&["_plugins", "_ism", "policies", &name]),
                        body,
                        "/policy/description",
                    ))
                }
                Lifecycle::Own => None,
            }
        })
        .collect()
}

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads the sources and writes our indices.
    Worker,
    /// Installs.
    Setup,
}

/// The smallest role that suffices, for the sources of these jobs.
pub fn role(product: Product, role: Role, prefix: &str, sources: &[String]) -> Artefact {
    let text = match (product, role) {
        (Product::Elasticsearch, Role::Worker) => include_str!("../../mappings/elasticsearch/role_worker.json"),
        (Product::Elasticsearch, Role::Setup) => include_str!("../../mappings/elasticsearch/role_setup.json"),
        (Product::OpenSearch, Role::Worker) => include_str!("../../mappings/opensearch/role_worker.json"),
        (Product::OpenSearch, Role::Setup) => include_str!("../../mappings/opensearch/role_setup.json"),
    };
    let name = format!("{prefix}-{}", if role == Role::Worker { "worker" } else { "setup" });
    let at = match product {
        Product::Elasticsearch => path(&["_security", "role", &name]),
        Product::OpenSearch => path(&["_plugins", "_security", "api", "roles", &name]),
    };
    let own = [format!("{prefix}-*")];
    let body = filled(text, &[("SOURCE", sources), ("OWN", &own)]);
    Artefact { title: format!("role {name}"), path: at, body, mark_at: "" }
}

/// A text of JSON with its slots filled: a slot alone in a list becomes all of its values.
fn filled(text: &str, slots: &[(&str, &[String])]) -> Value {
    fn fill(value: &mut Value, slots: &[(&str, &[String])]) {
        let values_of = |v: &Value| slots.iter().find(|(name, _)| v.as_str() == Some(name)).map(|(_, values)| *values);
        match value {
            Value::Array(list) => {
                *list = list
                    .drain(..)
                    .flat_map(|v| values_of(&v).map_or_else(|| vec![v.clone()], |values| values.iter().map(|s| json!(s)).collect()))
                    .collect();
                list.iter_mut().for_each(|v| fill(v, slots));
            }
            Value::Object(map) => map.values_mut().for_each(|v| fill(v, slots)),
            other => {
                if let Some([one, ..]) = values_of(other) {
                    *other = json!(one);
                }
            }
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_default();
    fill(&mut value, slots);
    value
}

/// Puts a hash of the body into it, so that a later setup can tell whether anything changed.
fn marked(title: String, path: String, mut body: Value, mark_at: &'static str) -> Artefact {
    let digest = Sha256::digest(body.to_string().as_bytes());
    let hash: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    match mark_at {
        "/policy/description" => {
            let words = body.pointer(mark_at).and_then(Value::as_str).unwrap_or_default();
            body["policy"]["description"] = json!(format!("{words} ({hash})"));
        }
        "/policy/_meta/hash" => body["policy"]["_meta"]["hash"] = json!(hash),
        _ => body["_meta"] = json!({ "managed_by": "elkhound", "hash": hash }),
    }
    Artefact { title, path, body, mark_at }
}

impl Artefact {
    /// Our mark in this body.
    pub fn mark(&self) -> Option<&Value> {
        self.body.pointer(self.mark_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn indices() -> IndicesConfig {
        load_text("", std::path::Path::new("."), &crate::config::Environment::default()).unwrap().indices
    }

    #[test]
    fn every_embedded_text_is_json_and_every_slot_is_filled() {
        for kind in Kind::ALL {
            assert_eq!(kind.mapping()["dynamic"], json!(false), "{}", kind.name());
        }
        let sources = ["a-*".to_owned(), "b".to_owned()];
        let mut all: Vec<Artefact> = [Product::Elasticsearch, Product::OpenSearch]
            .into_iter()
            .flat_map(|p| [Role::Worker, Role::Setup].map(|r| role(p, r, "elkhound", &sources)))
            .collect();
        all.extend([Lifecycle::Ilm, Lifecycle::Ism].into_iter().flat_map(|l| policies(&indices(), l)));
        assert_eq!(all.len(), 10);
        for a in &all {
            let text = a.body.to_string();
            assert!(
                a.body.is_object() && !["KEEP", "PATTERN", "SOURCE", "OWN"].iter().any(|s| text.contains(&format!("\"{s}\""))),
                "{}: {text}",
                a.title
            );
        }
        assert_eq!(all[0].body.pointer("/indices/0/names"), Some(&json!(["a-*", "b"])));
        assert_eq!(all[4].body.pointer("/policy/phases/delete/min_age"), Some(&json!("365d")));
        assert_eq!(all[7].body.pointer("/policy/ism_template/0/index_patterns"), Some(&json!(["elkhound-anomalies-*"])));
    }

    #[test]
    fn templates_differ_between_engines_only_in_the_policy() {
        let (ilm, own) = (templates(&indices(), Lifecycle::Ilm), templates(&indices(), Lifecycle::Own));
        assert_eq!((ilm.len(), own.len()), (13, 13));
        let anomalies = |list: &[Artefact]| list.iter().find(|a| a.title == "index template elkhound-anomalies").unwrap().body.clone();
        assert_eq!(anomalies(&ilm).pointer("/template/settings/index/lifecycle/name"), Some(&json!("elkhound-anomalies")));
        assert_eq!(anomalies(&own).pointer("/template/settings"), None);
        assert_eq!(anomalies(&own).pointer("/template/aliases"), Some(&json!({ "elkhound-anomalies": {} })));
        assert_ne!(anomalies(&ilm)["_meta"], anomalies(&own)["_meta"]);
        assert_eq!(templates(&indices(), Lifecycle::Own), own);
    }
}
