//! Which product answers, in which version, and what it can do: found by asking, not assumed from the version.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Call, Cluster};
use super::error::{ClusterError, ErrorKind};

/// The two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    OpenSearch,
}

/// How a point in time is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PointInTimeApi {
    /// `POST /index/_pit`.
    Pit,
    /// `POST /index/_search/point_in_time`.
    SearchPointInTime,
}

/// Who answers and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flavor {
    /// The product.
    pub product: Product,
    /// Its version as it says it, for example `2.19.1`.
    pub version: String,
    /// How points in time are opened, if at all.
    pub point_in_time: Option<PointInTimeApi>,
    /// Whether the `_tier` field of an index can be queried.
    pub has_tier: bool,
    /// Whether index lifecycle management answers (Elasticsearch).
    pub has_ilm: bool,
    /// Whether index state management answers (OpenSearch).
    pub has_ism: bool,
    /// Whether the security module answers.
    pub has_security: bool,
    /// Whether it knows who we are only after we say so (security is on).
    pub user: Option<String>,
    /// `search.max_buckets`, where we may read it.
    pub max_buckets: Option<u32>,
}

/// A name that no index has; probes ask about it, so that they find out about the call and not about an index.
const NO_INDEX: &str = "elkhound-probe-none";

#[derive(Debug, Default, Deserialize)]
struct Root {
    version: Option<RootVersion>,
    tagline: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RootVersion {
    number: String,
    distribution: Option<String>,
}

impl Flavor {
    /// Asks the cluster. Fails when nobody answers, when we are not let in, or when it is no search engine.
    pub async fn probe(cluster: &Cluster) -> Result<Self, ClusterError> {
        let root = cluster
            .send_checked(Call::get("/"), |reply| {
                let root: Root = reply.read()?;
                match (root.version, root.tagline) {
                    (Some(version), _) if !version.number.is_empty() => Ok(version),
                    _ => Err(ClusterError::new(ErrorKind::NotJson, reply.place.clone(), "no version in the answer")),
                }
            })
            .await?
            .1;
        let pit = answers(cluster, Call::post(format!("/{NO_INDEX}/_pit")).with("keep_alive", "1s")).await?;
        let search_pit = answers(cluster, Call::post(format!("/{NO_INDEX}/_search/point_in_time")).with("keep_alive", "1s")).await?;
        let says_opensearch = root.distribution.as_deref() == Some("opensearch");
        // With its compatibility setting OpenSearch calls itself Elasticsearch 7.10.2; the endpoints tell the truth.
        let product = if says_opensearch || (search_pit && !pit) { Product::OpenSearch } else { Product::Elasticsearch };
        let is_elastic = product == Product::Elasticsearch;
        let (security, who) = if is_elastic { ("/_security/_authenticate", "/username") } else { ("/_plugins/_security/authinfo", "/user_name") };
        let user = ask(cluster, Call::get(security)).await?;
        Ok(Self {
            product,
            version: root.number,
            point_in_time: if search_pit && !pit { Some(PointInTimeApi::SearchPointInTime) } else { pit.then_some(PointInTimeApi::Pit) },
            has_tier: is_elastic && tier_is_a_field(cluster).await?,
            has_ilm: is_elastic && answers(cluster, Call::get("/_ilm/status")).await?,
            has_ism: !is_elastic && answers(cluster, Call::get("/_plugins/_ism/policies")).await?,
            has_security: user.is_some(),
            user: user.and_then(|u| u.pointer(who).and_then(Value::as_str).map(ToOwned::to_owned)),
            max_buckets: max_buckets(cluster).await?,
        })
    }

    /// Major version, 0 when it cannot be read.
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// The product and its version, for example `OpenSearch 2.19.1`.
    pub fn name(&self) -> String {
        let product = match self.product {
            Product::Elasticsearch => "Elasticsearch",
            Product::OpenSearch => "OpenSearch",
        };
        format!("{product} {}", self.version)
    }
}

/// Failures that say nothing about the call that was probed.
fn is_telling(error: &ClusterError) -> bool {
    !matches!(
        error.kind,
        ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Busy
            | ErrorKind::Unauthorized
            | ErrorKind::CutBody
            | ErrorKind::UntrustedCertificate
            | ErrorKind::Misconfigured
    )
}

/// The answer to a call, or `None` when the engine does not know the call or does not let us make it.
async fn ask(cluster: &Cluster, call: Call) -> Result<Option<Value>, ClusterError> {
    match cluster.fetch::<Value>(call).await {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_telling(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the engine knows a call: it answers it, misses the index, or forbids it to us.
async fn answers(cluster: &Cluster, call: Call) -> Result<bool, ClusterError> {
    match cluster.send(call).await {
        Ok(_) => Ok(true),
        Err(error) if is_telling(&error) => Ok(matches!(error.kind, ErrorKind::NoIndex | ErrorKind::Forbidden)),
        Err(error) => Err(error),
    }
}

/// `_tier` is a field where the engine has data tiers. Elsewhere a query on it is accepted and matches nothing, which
/// is why it must be known before.
async fn tier_is_a_field(cluster: &Cluster) -> Result<bool, ClusterError> {
    let call = Call::get("/_field_caps").with("fields", "_tier");
    let caps = ask(cluster, call).await?.unwrap_or_default();
    Ok(caps.pointer("/fields/_tier").is_some_and(|f| f.as_object().is_some_and(|o| !o.is_empty())))
}

async fn max_buckets(cluster: &Cluster) -> Result<Option<u32>, ClusterError> {
    let call = Call::get("/_cluster/settings").with("include_defaults", true).with("filter_path", "*.search.max_buckets");
    let settings = ask(cluster, call).await?.unwrap_or_default();
    Ok(["transient", "persistent", "defaults"].iter().find_map(|group| {
        let value = settings.get(group)?.pointer("/search/max_buckets")?;
        value.as_str().and_then(|s| s.parse().ok()).or_else(|| value.as_u64().and_then(|n| u32::try_from(n).ok()))
    }))
}

/// A query that keeps an index's documents out when it lies in a colder tier. An index without a tier stays in.
pub fn hot_tier_only() -> Value {
    json!({ "bool": { "must_not": [{ "terms": { "_tier": ["data_warm", "data_cold", "data_frozen"] } }] } })
}
