//! Events by name: one struct moves the counters, changes what is shown, and writes the log line.

use super::metrics::Metrics;
use super::{State, keep_recent};
use crate::model::RunDocument;
use crate::model::problem::printable;
use crate::model::time::iso;

/// Characters of a reason that a log line shows.
const MAX_REASON: usize = 500;

/// Kinds of problems that are more than a counted skip.
const WARNED: &[&str] = &["model_over_age", "metrics_without_model", "no_entity"];

/// Something that happened and that counters, status page and log should all know.
pub(crate) trait Event {
    /// Moves the counters.
    fn count(&self, metrics: &Metrics);
    /// Changes what the health server shows.
    fn remember(&self, _state: &mut State) {}
    /// Writes the log line: a sentence with dotted fields.
    fn log(&self);
}

/// A job is at work.
pub(crate) struct JobReady<'a> {
    /// Job id.
    pub job: &'a str,
}

impl Event for JobReady<'_> {
    fn count(&self, metrics: &Metrics) {
        metrics.set_ready(self.job, true);
    }
    fn remember(&self, state: &mut State) {
        state.job(self.job).state = "running".into();
    }
    fn log(&self) {
        tracing::info!(elkhound.job = self.job, "job is at work");
    }
}

/// A job has ended.
pub(crate) struct JobStopped<'a> {
    /// Job id.
    pub job: &'a str,
}

impl Event for JobStopped<'_> {
    fn count(&self, metrics: &Metrics) {
        metrics.set_ready(self.job, false);
    }
    fn remember(&self, state: &mut State) {
        state.job(self.job).state = "stopped".into();
    }
    fn log(&self) {
        tracing::info!(elkhound.job = self.job, "job has ended");
    }
}

/// A window is done.
pub(crate) struct WindowDone<'a> {
    /// Its proof.
    pub run: &'a RunDocument,
    /// How far its end lies behind the clock, milliseconds.
    pub lag_ms: i64,
}

impl Event for WindowDone<'_> {
    fn count(&self, metrics: &Metrics) {
        metrics.add_run(self.run);
    }
    fn remember(&self, state: &mut State) {
        let run = self.run;
        let job = state.job(&run.job);
        job.state = "running".into();
        job.why.clear();
        job.windows_done += 1;
        job.done_until_ms = Some(job.done_until_ms.map_or(run.end_ms, |t| t.max(run.end_ms)));
        job.documents += run.documents;
        job.skipped_documents += run.skipped_documents;
        job.late_documents += run.late_documents;
        job.rows += run.rows;
        job.anomalies += run.anomalies;
        job.searches += run.searches;
        job.retries += run.retries;
        job.cpu_ms += run.cpu_ms;
        job.strategy.clone_from(&run.strategy);
        job.warnings = warnings(run);
        keep_recent(&mut state.recent, run);
    }
    fn log(&self) {
        let r = self.run;
        tracing::info!(
            elkhound.job = r.job,
            elkhound.window.start = iso(r.start_ms),
            elkhound.window.end = iso(r.end_ms),
            elkhound.documents = r.documents,
            elkhound.rows = r.rows,
            elkhound.anomalies = r.anomalies,
            elkhound.searches = r.searches,
            elkhound.retries = r.retries,
            elkhound.lag_ms = self.lag_ms,
            elkhound.duration_ms = r.duration_ms,
            "window is done"
        );
        for warning in warnings(r) {
            tracing::warn!(elkhound.job = r.job, "{warning}");
        }
    }
}

/// What a person should look at although the window is done.
fn warnings(run: &RunDocument) -> Vec<String> {
    let serious = run.problems.iter().filter(|p| WARNED.contains(&p.kind.as_str()));
    serious.map(|p| printable(p.example.as_bytes(), MAX_REASON)).collect()
}

/// A window is held.
pub(crate) struct WindowHeld<'a> {
    /// Job id.
    pub job: &'a str,
    /// What is wrong, and what to do.
    pub why: &'a str,
    /// True when only a person can mend it.
    pub is_permanent: bool,
}

impl Event for WindowHeld<'_> {
    fn count(&self, metrics: &Metrics) {
        metrics.add_held(self.job);
    }
    fn remember(&self, state: &mut State) {
        let job = state.job(self.job);
        if self.is_permanent {
            job.state = "held".into();
        }
        job.why = printable(self.why.as_bytes(), MAX_REASON);
        job.windows_held += 1;
    }
    fn log(&self) {
        let why = printable(self.why.as_bytes(), MAX_REASON);
        if self.is_permanent {
            tracing::error!(elkhound.job = self.job, error.message = why, "window is held until somebody acts");
        } else {
            tracing::warn!(elkhound.job = self.job, error.message = why, "window is held and will be tried again");
        }
    }
}
