//! A scripted cluster: answers in the order they were written down, the last one for ever.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use elkhound::cluster::{Cluster, ClusterOptions, Flavor, Limits, Product, SimulatedTimer};
use serde_json::Value;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Answers one after the other.
pub struct Script {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let i = self.next.fetch_add(1, Ordering::SeqCst);
        self.answers[i.min(self.answers.len() - 1)].clone()
    }
}

/// A JSON answer.
pub fn json(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// Answers `verb at` with these, in order.
pub async fn on(server: &MockServer, verb: &str, at: &str, answers: Vec<ResponseTemplate>) {
    Mock::given(method(verb)).and(path(at)).respond_with(Script { answers, next: AtomicUsize::new(0) }).mount(server).await;
}

/// Options for a loopback address, with so generous a budget that only faults slow anything down.
pub fn options(url: &str) -> ClusterOptions {
    let many = NonZeroU32::new(1 << 30).unwrap();
    let limits = Limits { requests_per_second: NonZeroU32::new(100_000).unwrap(), bytes_per_second: many, ..Limits::default() };
    ClusterOptions { hosts: vec![url.to_owned()], allow_http: true, compress: false, limits, ..ClusterOptions::default() }
}

/// A cluster whose waits are over at once, and its clock.
pub async fn connect(options: &ClusterOptions) -> (Cluster, Arc<SimulatedTimer>) {
    let timer = Arc::new(SimulatedTimer::default());
    (Cluster::connect(options, timer.clone()).await.unwrap(), timer)
}

/// An engine without points in time, so that a script is only searches.
pub fn flavor() -> Flavor {
    Flavor {
        product: Product::OpenSearch,
        version: "2.19.1".into(),
        point_in_time: None,
        has_tier: false,
        has_ilm: false,
        has_ism: false,
        has_security: false,
        user: None,
        max_buckets: Some(65_535),
    }
}
