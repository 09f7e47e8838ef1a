//! Counters in the Prometheus text format, labelled by job.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

use crate::model::RunDocument;

/// The only label there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabel {
    job: String,
}

type Counters = Family<JobLabel, Counter>;
type Gauges = Family<JobLabel, Gauge>;
type Shares = Family<JobLabel, Gauge<f64, AtomicU64>>;

/// A figure of a run document.
type Figure = fn(&RunDocument) -> u64;

/// A gauge of a run document; nothing is shown before there is something to show.
type Share = fn(&RunDocument) -> Option<f64>;

/// Name, help and figure of the gauges that the last run document sets.
const SHARES: &[(&str, &str, Share)] = &[
    ("flagged_share", "Share of judged rows that were reported, over about the last day", |r| r.flagged_share),
    ("flagged_of_budget", "Rows reported a day, over about the last day, as a multiple of the alert budget", |r| r.flagged_of_budget),
    ("feature_shift", "Population stability index of the feature that moved most, last day against last two weeks", |r| r.feature_shift),
    ("model_age_seconds", "Seconds between the last row learned and the end of the last window", |r| Some(r.model_age_ms as f64 / 1_000.0)),
];

/// All counters of the program.
pub struct Metrics {
    registry: Registry,
    windows_done: Counters,
    windows_held: Counters,
    per_run: Vec<(Counters, Figure)>,
    shares: Vec<(Shares, Share)>,
    lag_ms: Gauges,
    ready: Gauges,
}

/// Name, help and figure of the counters that run documents move.
const PER_RUN: &[(&str, &str, Figure)] = &[
    ("documents_read", "Documents or lines read or counted", |r| r.documents),
    ("documents_skipped", "Documents that are in no row", |r| r.skipped_documents),
    ("documents_late", "Documents that came too late for their bucket", |r| r.late_documents),
    ("rows_scored", "Rows (one for each entity and bucket) that were scored", |r| r.rows),
    ("entities_dropped", "Entities dropped or evicted because of the memory bound", |r| r.dropped_entities),
    ("anomalies", "Anomalies reported", |r| r.anomalies),
    ("searches", "Searches sent to the cluster", |r| r.searches),
    ("pages", "Pages of results read", |r| r.pages),
    ("retries", "Requests sent again", |r| r.retries),
    ("received_bytes", "Bytes received from the cluster", |r| r.received_bytes),
    ("engine_took_ms", "Milliseconds that the engine said it took", |r| r.engine_took_ms),
    ("cpu_ms", "Milliseconds of CPU time of Elkhound", |r| r.cpu_ms),
    ("window_ms", "Milliseconds that windows took", |r| r.duration_ms),
    ("problems", "Counted problems with data", |r| r.problems.iter().map(|p| p.count).sum()),
];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("elkhound");
        let mut counter = |name: &str, help: &str| {
            let family = Counters::default();
            registry.register(name, help, family.clone());
            family
        };
        let windows_done = counter("windows_done", "Windows done, delivered and committed");
        let windows_held = counter("windows_held", "Times that a window was held and put off");
        let per_run = PER_RUN.iter().map(|(name, help, figure)| (counter(name, help), *figure)).collect();
        let mut share = |name: &str, help: &str| {
            let family = Shares::default();
            registry.register(name, help, family.clone());
            family
        };
        let shares = SHARES.iter().map(|(name, help, figure)| (share(name, help), *figure)).collect();
        let (lag_ms, ready) = (Gauges::default(), Gauges::default());
        registry.register("lag_ms", "Milliseconds between the clock and the end of the last window done", lag_ms.clone());
        registry.register("job_ready", "1 when the job is at work", ready.clone());
        Self { registry, windows_done, windows_held, per_run, shares, lag_ms, ready }
    }

    /// Adds the figures of a window.
    pub fn add_run(&self, run: &RunDocument) {
        let label = JobLabel { job: run.job.clone() };
        self.windows_done.get_or_create(&label).inc();
        self.ready.get_or_create(&label).set(1);
        for (family, figure) in &self.per_run {
            family.get_or_create(&label).inc_by(figure(run));
        }
        for (family, figure) in &self.shares {
            if let Some(x) = figure(run) {
                family.get_or_create(&label).set(x);
            }
        }
    }

    /// Counts a window that was held.
    pub fn add_held(&self, job: &str) {
        self.windows_held.get_or_create(&JobLabel { job: job.into() }).inc();
    }

    /// Says whether a job is at work.
    pub fn set_ready(&self, job: &str, is_ready: bool) {
        self.ready.get_or_create(&JobLabel { job: job.into() }).set(i64::from(is_ready));
    }

    /// Sets how far a job lies behind the clock; nothing is shown before its first window.
    pub fn set_lag(&self, job: &str, lag_ms: Option<i64>) {
        if let Some(lag_ms) = lag_ms {
            self.lag_ms.get_or_create(&JobLabel { job: job.into() }).set(lag_ms);
        }
    }

    /// All counters as text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_prefix_and_unit_and_job_is_the_only_label() {
        let m = Metrics::new();
        m.add_run(&RunDocument { job: "a\"b\n".into(), retries: 3, feature_shift: Some(0.25), ..RunDocument::default() });
        m.add_held("web");
        let text = m.text();
        assert!(text.contains("elkhound_retries_total{job=\"a\\\"b\\n\"} 3"), "{text}");
        assert!(text.contains("elkhound_feature_shift{job=\"a\\\"b\\n\"} 0.25") && !text.contains("elkhound_flagged_share{"), "{text}");
        assert!(text.contains("elkhound_windows_held_total{job=\"web\"} 1"), "{text}");
        assert!(text.lines().all(|l| l.starts_with('#') || (l.starts_with("elkhound_") && l.contains("{job=\""))), "{text}");
    }
}
