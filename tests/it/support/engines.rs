//! The real engines, from ELKHOUND_TEST_ENGINES (`name=url,name=url`); `tests/engines/run env` prints it.

use std::sync::Arc;

use elkhound::cluster::{Call, Cluster, ClusterOptions, Credentials, Flavor, RealTimer, Tls, bulk, path};
use serde_json::{Value, json};

use super::script;

/// One engine.
pub struct Engine {
    pub name: String,
    pub url: String,
    pub cluster: Cluster,
    pub flavor: Flavor,
}

/// Connects to all engines that there are. Without any a test is skipped, loudly; in CI that is a failure.
pub async fn all() -> Vec<Engine> {
    let list = setting("ELKHOUND_TEST_ENGINES").unwrap_or_default();
    let mut out = Vec::new();
    for (name, url) in list.split(',').filter_map(|e| e.split_once('=')) {
        let cluster = Cluster::connect(&options(name, url), Arc::new(RealTimer::default())).await.unwrap();
        let flavor = Flavor::probe(&cluster).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        out.push(Engine { name: name.to_owned(), url: url.to_owned(), cluster, flavor });
    }
    if out.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "in CI the live tests need engines: set ELKHOUND_TEST_ENGINES");
        eprintln!("SKIPPED: no engine given; run tests/engines/run start and set ELKHOUND_TEST_ENGINES");
    }
    out
}

/// A variable of the environment that says how engines were started.
pub fn setting(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// Options for an engine: security and TLS as `tests/engines/run` was told to set them up.
pub fn options(name: &str, url: &str) -> ClusterOptions {
    let mut options = script::options(url);
    if let Some(password) = setting("ENGINE_PASSWORD")
        && name.starts_with("elasticsearch")
    {
        options.credentials = Credentials::Basic { user: "elastic".into(), password };
    }
    if let Some(file) = setting("ENGINE_CA_FILE")
        && url.starts_with("https")
    {
        options.tls = Tls { ca_pem: Some(std::fs::read(file).unwrap()), ..Tls::default() };
    }
    options
}

impl Engine {
    /// The `cluster` line of a configuration for it.
    pub fn cluster_yaml(&self) -> String {
        let login = if self.flavor.user.is_some() { ", user: elastic, password: \"${ENGINE_PASSWORD}\"" } else { "" };
        format!("cluster: {{ hosts: [\"{}\"], allow_http: true{login} }}", self.url)
    }

    /// Makes an index anew, with mapping properties and settings.
    pub async fn recreate(&self, index: &str, shards: u32, properties: Value) {
        let _ = self.cluster.send(Call::delete(path(&[index]))).await;
        let body = json!({ "settings": { "number_of_shards": shards, "number_of_replicas": 0 }, "mappings": { "properties": properties } });
        self.send(Call::put(path(&[index])).json(&body)).await;
    }

    /// Creates documents and makes them visible.
    pub async fn fill(&self, index: &str, documents: impl Iterator<Item = Value>) {
        let new = documents.enumerate().map(|(i, d)| bulk::NewDocument { index: index.into(), id: i.to_string(), body: d.to_string().into() });
        let new: Vec<_> = new.collect();
        let outcome = bulk::create(&self.cluster, &new).await.unwrap();
        assert!(outcome.verdicts.iter().all(|v| *v == bulk::Verdict::Created), "{}: {:?}", self.name, outcome.verdicts.first());
        self.send(Call::post(path(&[index, "_refresh"]))).await;
    }

    /// Sends a call that must work.
    pub async fn send(&self, call: Call) -> Value {
        self.cluster.fetch(call).await.unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}
