//! READ THIS FIRST: the verbs of Elkhound in the order in which they run, and no I/O of its own.
//!
//! ```text
//! Job -plan-> Window -fetch-> Bucket -score-> Scores -grade-> Anomaly -decide-> Anomaly -deliver-> Receipt
//!                                \-learn-> Models                                 -commit-> Checkpoint
//! ```
//! The planner (`schedule`, or the reader of a file) says which window is due; [`Pipeline::cycle`] does the rest, the same
//! way for a cluster and for files. A cycle that fails anywhere changes nothing that counts: it is held and tried again,
//! and what it had already delivered is written again under the same ids.

pub mod models;

use std::sync::Arc;

use crate::model::time::DAY_MS;
use crate::model::{Anomaly, Bucket, Job, Problems, RunDocument, Window};
use crate::score::Scores;
use crate::sinks::{Receipt, Sink, SinkError};
use crate::source::{Fetched, Source, SourceError};
use crate::state::{Checkpoint, StateError, StateStore};
use models::Models;

/// Why a cycle was held.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The window could not be read.
    #[error(transparent)]
    Fetch(#[from] SourceError),
    /// Documents could not be delivered.
    #[error(transparent)]
    Deliver(#[from] SinkError),
    /// Checkpoint or snapshot could not be stored.
    #[error(transparent)]
    Commit(#[from] StateError),
}

impl CycleError {
    /// True when trying again cannot help until a person acts.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Fetch(e) => e.is_permanent,
            Self::Deliver(e) => e.is_permanent,
            Self::Commit(StateError::Store { is_permanent, .. }) => *is_permanent,
            Self::Commit(StateError::Unreadable(_)) => true,
            Self::Commit(StateError::Conflict { .. }) => false,
        }
    }
}

/// Sees every judged bucket, reported or not (`--scores`, progress, backtest).
pub trait Tap: Send {
    /// A bucket was judged by these models, which learn it afterwards; `anomalies` are those of it that are reported.
    fn judged(&mut self, models: &Models, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly]);
}

/// How a pipeline is to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Buckets that end at or before this instant are learned and not reported.
    pub learn_until_ms: i64,
    /// Where the documents end for good: what is missing in a bucket that goes on after that is no finding.
    pub data_ends_ms: i64,
    /// Windows between two snapshots.
    pub snapshot_every: u32,
    /// Raw documents kept as evidence per anomaly.
    pub samples: usize,
    /// False: nothing is delivered and nothing committed (dry run).
    pub is_writing: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { learn_until_ms: i64::MIN, data_ends_ms: i64::MAX, snapshot_every: 12, samples: 3, is_writing: true }
    }
}

/// One job on its way: its models, where its documents come from and where its anomalies go.
pub struct Pipeline {
    /// The job.
    pub job: Arc<Job>,
    /// Everything that it has learned.
    pub models: Models,
    /// Where documents come from.
    pub source: Box<dyn Source>,
    /// Where anomalies and run documents go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Where checkpoint and snapshots are kept.
    pub store: Box<dyn StateStore>,
    /// Sees every judged bucket.
    pub tap: Option<Box<dyn Tap>>,
    /// How it behaves.
    pub options: Options,
    /// The checkpoint as last loaded or committed.
    pub checkpoint: Option<Checkpoint>,
    windows_since_snapshot: u32,
}

impl Pipeline {
    /// A pipeline with fresh models and no checkpoint yet; call [`Pipeline::load`] to go on where the last one stopped.
    pub fn new(
        job: Arc<Job>,
        source: Box<dyn Source>,
        sinks: Vec<Box<dyn Sink>>,
        store: Box<dyn StateStore>,
        options: Options,
    ) -> Result<Self, String> {
        let models = Models::new(job.clone())?;
        Ok(Self { job, models, source, sinks, store, tap: None, options, checkpoint: None, windows_since_snapshot: 0 })
    }

    /// Loads checkpoint and snapshot. Returns the instant from which windows must be read again: the snapshot's, or `None`
    /// when there is no usable one and the job has to learn from its look-back.
    pub async fn load(&mut self) -> Result<Option<i64>, StateError> {
        self.checkpoint = self.store.load_checkpoint(&self.job.id).await?;
        self.models = Models::new(self.job.clone()).map_err(StateError::Unreadable)?;
        let Some(checkpoint) = &self.checkpoint else { return Ok(None) };
        if checkpoint.config_hash != self.models.config_hash() {
            return Ok(None);
        }
        let Some(at_ms) = checkpoint.snapshot_ms else { return Ok(None) };
        let bytes = self.store.load_snapshot(&self.job.id, at_ms).await?;
        self.models.restore(&bytes).map_err(StateError::Unreadable)?;
        Ok(Some(at_ms))
    }

    /// Runs one window through all stages and returns its proof. After an error the same window can be run again: buckets
    /// that were learned already are not read twice.
    pub async fn cycle(&mut self, window: Window) -> Result<RunDocument, CycleError> {
        let due = Window::new(window.start_ms.max(self.models.learned_until_ms()), window.end_ms);
        let fetched = if due.is_empty() { Fetched::default() } else { self.source.fetch(due).await? };
        let mut run = self.run_document(window, &fetched);
        let mut problems = self.over_age(window);
        let mut receipt = Receipt::default();
        for bucket in fetched.buckets {
            let bucket = self.models.fill_silent(bucket);
            let claimed = self.models.claim(&bucket);
            let scores = self.models.score(&bucket, &claimed);
            let is_learning = bucket.end_ms() <= self.options.learn_until_ms;
            let mut graded = if is_learning { Vec::new() } else { self.models.grade(&bucket, &scores) };
            if bucket.end_ms() > self.options.data_ends_ms {
                graded.retain(|a| !a.is_of_less());
            }
            let mut anomalies = self.models.decide(graded);
            self.attach_places(&mut anomalies);
            self.attach_samples(&mut anomalies).await;
            if !is_learning && let Some(tap) = &mut self.tap {
                tap.judged(&self.models, &bucket, &scores, &anomalies);
            }
            receipt.add(self.deliver(&anomalies).await?);
            run.rows += bucket.rows() as u64;
            run.anomalies += anomalies.len() as u64;
            self.models.learn(&bucket, &claimed, &scores, &anomalies);
        }
        run.retries += receipt.retries;
        run.dropped_entities += self.models.take_evicted();
        problems.merge(self.models.take_problems());
        run.problems.extend(problems.list());
        self.models.measure(&mut run);
        self.models.advance(window.end_ms);
        Ok(run)
    }

    /// Delivers the proof of a window, then moves the checkpoint; a crash in between repeats the window under the same ids.
    /// When a snapshot is due it is saved first.
    pub async fn commit(&mut self, run: &RunDocument) -> Result<(), CycleError> {
        if !self.options.is_writing {
            return Ok(());
        }
        for sink in &mut self.sinks {
            sink.deliver_run(run).await?;
        }
        self.windows_since_snapshot += 1;
        let is_due = self.windows_since_snapshot >= self.options.snapshot_every;
        self.move_checkpoint(run.end_ms, is_due).await?;
        Ok(())
    }

    /// Saves what was learned since the last snapshot, so that the next start need not read it again.
    pub async fn save_snapshot(&mut self) -> Result<(), StateError> {
        self.move_checkpoint(i64::MIN, self.options.is_writing).await
    }

    async fn move_checkpoint(&mut self, next_ms: i64, with_snapshot: bool) -> Result<(), StateError> {
        let mut next = self.checkpoint.clone().unwrap_or(Checkpoint { next_ms, ..Checkpoint::default() });
        next.job = self.job.id.clone();
        next.epoch += 1;
        next.next_ms = next.next_ms.max(next_ms);
        next.report_from_ms = self.options.learn_until_ms;
        next.config_hash = self.models.config_hash();
        if with_snapshot {
            // Models may lag behind the checkpoint while windows are replayed: the snapshot is named by what they know.
            let at_ms = self.models.learned_until_ms();
            self.store.save_snapshot(&self.job.id, at_ms, &self.models.snapshot()).await?;
            next.snapshot_ms = Some(at_ms);
            self.windows_since_snapshot = 0;
        }
        self.store.commit(self.checkpoint.as_ref(), &next).await?;
        self.checkpoint = Some(next);
        Ok(())
    }

    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError> {
        let mut receipt = Receipt::default();
        if self.options.is_writing && !anomalies.is_empty() {
            for sink in &mut self.sinks {
                receipt.add(sink.deliver(anomalies).await?);
            }
        }
        Ok(receipt)
    }

    fn attach_places(&self, anomalies: &mut [Anomaly]) {
        for a in anomalies {
            let place = self.source.place(&a.entity_key, Window::new(a.start_ms, a.start_ms.saturating_add(a.span_ms)));
            (a.query, a.link) = (place.query, place.link);
        }
    }

    /// Evidence is a courtesy: when it cannot be had the anomaly goes out without it.
    async fn attach_samples(&mut self, anomalies: &mut [Anomaly]) {
        if self.options.samples == 0 {
            return;
        }
        for a in anomalies {
            let window = Window::new(a.start_ms, a.start_ms.saturating_add(a.span_ms));
            if let Ok(lines) = self.source.sample(a.entity_key.as_bytes(), window, self.options.samples).await {
                a.sample = lines;
            }
        }
    }

    /// Counts a window that is judged by models that have learned nothing for too long.
    fn over_age(&self, window: Window) -> Problems {
        let (age, most) = (self.models.age_ms(window.end_ms).unwrap_or(0), self.job.model_max_age_ms);
        let mut out = Problems::default();
        if age > most {
            let days = |ms: i64| ms as f64 / DAY_MS as f64;
            out.add("model_over_age", || {
                format!(
                    "the models last learned a row {:.1} days ago, `model_max_age` is {:.1} days: look whether the source still sends, or let the job learn anew",
                    days(age),
                    days(most)
                )
            });
        }
        out
    }

    fn run_document(&self, window: Window, fetched: &Fetched) -> RunDocument {
        let s = &fetched.stats;
        RunDocument {
            job: self.job.id.clone(),
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            verdict: "done".into(),
            strategy: s.strategy.clone(),
            buckets: fetched.buckets.len() as u64,
            documents: s.documents,
            skipped_documents: fetched.buckets.iter().map(|b| b.skipped_docs).sum(),
            dropped_entities: fetched.buckets.iter().map(|b| b.dropped_entities).sum(),
            late_documents: s.late_documents,
            searches: s.searches,
            pages: s.pages,
            retries: s.retries,
            received_bytes: s.received_bytes,
            engine_took_ms: s.engine_took_ms,
            model_age_ms: self.models.age_ms(window.end_ms).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
            problems: fetched.problems.list(),
            ..RunDocument::default()
        }
    }
}
