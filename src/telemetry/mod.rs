//! What Elkhound says about itself: named events, counters, log lines, and a small server that shows them.
//!
//! Everything goes through one [`Telemetry`] handle. Labels are jobs, never entities: what users or addresses do stands
//! in the documents, not in counters or log lines.

mod events;
pub mod health;
pub mod logging;
pub mod metrics;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::RunDocument;
use events::{Event, JobReady, JobStopped, WindowDone, WindowHeld};
use health::{JobStats, Stats};
use metrics::Metrics;

/// Run documents kept for the status page.
const MAX_RECENT: usize = 20;

/// Milliseconds of the epoch, from whichever clock the program runs on.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Handle to everything that Elkhound says about itself; cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    now: Now,
    started_ms: i64,
    metrics: Metrics,
    state: Mutex<State>,
}

/// What the health server shows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) jobs: BTreeMap<String, JobStats>,
    pub(crate) recent: VecDeque<RunDocument>,
}

impl State {
    pub(crate) fn job(&mut self, job: &str) -> &mut JobStats {
        self.jobs.entry(job.to_owned()).or_insert_with(|| JobStats { job: job.to_owned(), state: "starting".into(), ..JobStats::default() })
    }
}

impl Telemetry {
    /// A handle that reads time from `now`.
    pub fn new(now: Now) -> Self {
        let started_ms = now();
        Self { inner: Arc::new(Inner { now, started_ms, metrics: Metrics::new(), state: Mutex::default() }) }
    }

    /// A handle whose clock stands at 0, for tests and for runs over files.
    pub fn silent() -> Self {
        Self::new(Arc::new(|| 0))
    }

    /// A job is known and has not done anything yet: the program is not ready before it is.
    pub fn job_starting(&self, job: &str) {
        self.state().job(job);
    }

    /// A job has loaded what is stored and knows its next window.
    pub fn job_ready(&self, job: &str) {
        self.emit(&JobReady { job });
    }

    /// A job has ended, because it was told to or because its time is over.
    pub fn job_stopped(&self, job: &str) {
        self.emit(&JobStopped { job });
    }

    /// A window is done, delivered and committed.
    pub fn window_done(&self, run: &RunDocument) {
        let lag_ms = (self.inner.now)().saturating_sub(run.end_ms).max(0);
        self.emit(&WindowDone { run, lag_ms });
    }

    /// A window could not be done and will be tried again; `is_permanent` when only a person can mend it.
    pub fn window_held(&self, job: &str, why: &str, is_permanent: bool) {
        self.emit(&WindowHeld { job, why, is_permanent });
    }

    /// Moves the counters of an event and writes its log line.
    fn emit(&self, event: &dyn Event) {
        event.count(&self.inner.metrics);
        event.remember(&mut self.state());
        event.log();
    }

    /// Everything that `/stats` and the status page show.
    pub fn stats(&self) -> Stats {
        let now_ms = (self.inner.now)();
        let state = self.state();
        let mut jobs: Vec<JobStats> = state.jobs.values().cloned().collect();
        for job in &mut jobs {
            job.lag_ms = job.done_until_ms.map(|t| now_ms.saturating_sub(t).max(0));
        }
        let is_ready = !jobs.is_empty() && jobs.iter().all(|j| matches!(j.state.as_str(), "running" | "stopped"));
        let uptime_ms = u64::try_from(now_ms.saturating_sub(self.inner.started_ms)).unwrap_or(0);
        Stats { version: env!("CARGO_PKG_VERSION").into(), uptime_ms, is_ready, jobs, recent: state.recent.iter().cloned().collect() }
    }

    /// The counters in the Prometheus text format.
    pub fn metrics_text(&self) -> String {
        for job in self.stats().jobs {
            self.inner.metrics.set_lag(&job.job, job.lag_ms);
        }
        self.inner.metrics.text()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a run document for the status page, newest first.
pub(crate) fn keep_recent(recent: &mut VecDeque<RunDocument>, run: &RunDocument) {
    recent.push_front(run.clone());
    recent.truncate(MAX_RECENT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_counters_and_state_together() {
        let t = Telemetry::new(Arc::new(|| 1_000_000));
        t.job_starting("web");
        assert!(!t.stats().is_ready);
        t.job_ready("web");
        let run = RunDocument { job: "web".into(), end_ms: 400_000, documents: 7, anomalies: 2, verdict: "done".into(), ..RunDocument::default() };
        t.window_done(&run);
        t.window_done(&run);
        let stats = t.stats();
        assert!(stats.is_ready);
        assert_eq!((stats.jobs[0].documents, stats.jobs[0].windows_done, stats.jobs[0].lag_ms), (14, 2, Some(600_000)));
        let text = t.metrics_text();
        for line in
            ["elkhound_windows_done_total{job=\"web\"} 2", "elkhound_documents_read_total{job=\"web\"} 14", "elkhound_lag_ms{job=\"web\"} 600000"]
        {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn only_a_permanent_hold_takes_readiness_away() {
        let t = Telemetry::silent();
        t.job_ready("web");
        t.window_held("web", "the cluster is slow", false);
        assert!(t.stats().is_ready, "a passing trouble is shown, and the worker stays in service");
        t.window_held("web", "no privileges", true);
        let stats = t.stats();
        assert_eq!((stats.is_ready, stats.jobs[0].windows_held, stats.jobs[0].why.as_str()), (false, 2, "no privileges"));
        t.window_done(&RunDocument { job: "web".into(), ..RunDocument::default() });
        assert!(t.stats().is_ready && t.stats().jobs[0].why.is_empty());
    }

    #[test]
    fn memory_stays_bounded() {
        let t = Telemetry::silent();
        for i in 0..100 {
            t.window_done(&RunDocument { job: "web".into(), end_ms: i, ..RunDocument::default() });
        }
        assert_eq!(t.stats().recent.len(), MAX_RECENT);
        assert_eq!(t.stats().recent[0].end_ms, 99);
    }
}
