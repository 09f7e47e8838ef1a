//! Runs one job: plan, cycle, commit, again; holds and retries a window that fails; stops at a safe point.

use std::sync::Arc;

use tokio::sync::watch;

use super::backoff;
use super::clock::{Clock, cpu_ms};
use super::planner::Progress;
use crate::model::{RunDocument, ids};
use crate::pipeline::{CycleError, Pipeline};
use crate::state::StateError;

/// What a runner tells others while it works.
pub trait Listener: Send + Sync {
    /// A job has loaded what is stored and knows its next window: it is at work, also while the first one is read.
    fn job_planned(&self, _job: &str) {}

    /// A window is done.
    fn window_done(&self, run: &RunDocument);

    /// A window is held and will be tried again.
    fn window_held(&self, job: &str, error: &str, is_permanent: bool);
}

/// Which windows a runner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every window, for ever.
    Forever,
    /// Every window that is due now, then stop; the first fault ends it.
    Once,
    /// From an instant to another, reported whatever the checkpoint says; the first fault ends it.
    Range {
        /// First instant reported, milliseconds of the epoch.
        from_ms: i64,
        /// End, outside, milliseconds of the epoch.
        to_ms: i64,
    },
}

/// How a runner came to an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Windows done.
    pub windows: u64,
    /// Of these, windows that were only learned from.
    pub learned: u64,
    /// Anomalies reported.
    pub anomalies: u64,
}

impl Summary {
    /// Adds another job's.
    pub fn add(&mut self, other: Self) {
        self.windows += other.windows;
        self.learned += other.learned;
        self.anomalies += other.anomalies;
    }
}

/// One job with its pipeline, clock and listener.
pub struct Runner {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is told.
    pub listener: Arc<dyn Listener>,
    /// Becomes true when the runner should stop at the next safe point.
    pub stop: watch::Receiver<bool>,
}

impl Runner {
    /// Runs until the mode is fulfilled, a stop is asked for, or (except for ever) the first fault.
    pub async fn run(mut self, mode: Mode) -> Result<Summary, CycleError> {
        let mut summary = Summary::default();
        let mut tries = 0;
        let mut progress = None;
        loop {
            match self.step(mode, &mut progress, &mut summary).await {
                Ok(true) => tries = 0,
                Ok(false) => break,
                Err(CycleError::Commit(StateError::Conflict { .. })) if mode == Mode::Forever => progress = None,
                Err(error) => {
                    let job = self.pipeline.job.id.clone();
                    self.listener.window_held(&job, &error.to_string(), error.is_permanent());
                    if mode != Mode::Forever {
                        return Err(error);
                    }
                    tries += 1;
                    let seed = ids::seed(&job, "backoff", self.clock.now_ms());
                    if !self.wait(backoff::wait_ms(tries, error.is_permanent(), seed)).await {
                        break;
                    }
                }
            }
        }
        self.snapshot_at_end().await?;
        Ok(summary)
    }

    /// Does one window or waits for one; false when there is nothing more to do.
    async fn step(&mut self, mode: Mode, progress: &mut Option<Progress>, summary: &mut Summary) -> Result<bool, CycleError> {
        if *self.stop.borrow() {
            return Ok(false);
        }
        let now = self.clock.now_ms();
        let p = match progress {
            Some(p) => p,
            None => {
                let planned = self.begin(mode, now).await?;
                self.listener.job_planned(&self.pipeline.job.id);
                progress.insert(planned)
            }
        };
        self.pipeline.options.learn_until_ms = p.learn_until_ms;
        let until = if let Mode::Range { to_ms, .. } = mode { to_ms } else { i64::MAX };
        let job = self.pipeline.job.clone();
        let Some(window) = p.due(&job, now, until) else {
            let wait = p.wait_ms(&job, now);
            return Ok(mode == Mode::Forever && self.wait(wait).await);
        };
        let cpu_before = cpu_ms();
        let mut run = self.pipeline.cycle(window).await?;
        if window.end_ms <= p.learn_until_ms {
            run.verdict = "learned".into();
        }
        run.cpu_ms = cpu_ms().saturating_sub(cpu_before);
        run.duration_ms = u64::try_from(self.clock.now_ms() - now).unwrap_or(0);
        self.pipeline.commit(&run).await?;
        p.done(window);
        summary.windows += 1;
        summary.learned += u64::from(window.end_ms <= p.learn_until_ms);
        summary.anomalies += run.anomalies;
        self.listener.window_done(&run);
        Ok(true)
    }

    async fn begin(&mut self, mode: Mode, now_ms: i64) -> Result<Progress, StateError> {
        if let Mode::Range { from_ms, to_ms } = mode {
            let job = &self.pipeline.job;
            let (over_ms, planned) = (now_ms.saturating_sub(job.window_delay_ms), Progress::range(job, from_ms));
            self.pipeline.source.look_ahead(to_ms.min(over_ms));
            return Ok(planned);
        }
        let snapshot = self.pipeline.load().await?;
        Ok(Progress::start(&self.pipeline.job, snapshot, self.pipeline.checkpoint.as_ref(), now_ms))
    }

    /// Waits, unless a stop comes first; false when it did.
    async fn wait(&mut self, ms: i64) -> bool {
        tokio::select! {
            () = self.clock.sleep_ms(ms) => true,
            _ = self.stop.wait_for(|&s| s) => false,
        }
    }

    /// Saves what was learned since the last snapshot, so that the next start need not read it again.
    async fn snapshot_at_end(&mut self) -> Result<(), CycleError> {
        match &self.pipeline.checkpoint {
            Some(c) if c.snapshot_ms != Some(c.next_ms) && self.pipeline.models.learned_until_ms() == c.next_ms => {
                self.pipeline.save_snapshot().await.map_err(CycleError::from)
            }
            _ => Ok(()),
        }
    }
}
