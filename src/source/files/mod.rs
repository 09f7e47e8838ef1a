//! Files as a source: every line is parsed once, for all jobs; buckets are handed out window by window, in order of time.
//!
//! Files are read in order of time, side by side where they overlap. A bucket stays open until there is too much in memory
//! and the files have been read past it; what comes after that is late and counted.

pub mod input;
pub mod lines;
pub mod open;
mod sample;
mod strange;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FetchStats, Fetched, Source, SourceError};
use crate::features::extract::{Extractor, FeatureSet};
use crate::model::{Bucket, EventBatch, FieldKind, Fields, Job, Problems, Window};
use input::{Input, ReadOptions};
use open::{InputError, list};
use sample::Samples;

/// Rows (and keyword values) in open buckets of a job from which on buckets are closed.
const MAX_OPEN: usize = 200_000;
/// Buckets without documents that are filled in between two buckets; a longer gap is jumped over.
const MAX_GAP_BUCKETS: i64 = 10_000;
/// Files that stay open while they wait for their turn.
const MAX_WAITING_OPEN: usize = 16;

/// Reads files for one or more jobs.
pub struct Feed {
    inputs: Vec<Input>,
    fields: Fields,
    options: ReadOptions,
    batch: EventBatch,
    places: Vec<u64>,
    jobs: Vec<JobFeed>,
    samples: Samples,
    bytes: Arc<AtomicU64>,
    lines: u64,
    latest_ms: i64,
    is_done: bool,
    failures: Vec<InputError>,
    /// For each column of `fields` whether an event had it.
    seen: Vec<bool>,
}

/// What a job takes from the feed.
struct JobFeed {
    job: Arc<Job>,
    set: Arc<FeatureSet>,
    extractor: Extractor<Arc<Job>, Arc<FeatureSet>>,
    closed: VecDeque<Bucket>,
    /// Everything before this was handed out.
    next_ms: Option<i64>,
    problems: Problems,
    late_before: u64,
    lines: u64,
}

impl Feed {
    /// Opens files, folders (all files in them) or `-`. A file that was named and is of no use is an error when it is the only
    /// one; among others it is a failure that is told at the end.
    pub fn open(paths: &[PathBuf], jobs: &[Arc<Job>], options: ReadOptions) -> Result<Self, InputError> {
        let bytes = Arc::new(AtomicU64::new(0));
        let files = list(paths)?;
        let (mut inputs, mut failures) = (Vec::new(), Vec::new());
        for (i, path) in files.iter().enumerate() {
            match Input::new(path, &options, &bytes) {
                Ok(mut input) => {
                    if i >= MAX_WAITING_OPEN {
                        input.rest();
                    }
                    inputs.push(input);
                }
                Err(e) => failures.push(e),
            }
        }
        if inputs.is_empty() {
            return Err(all_useless(failures));
        }
        bytes.store(0, Ordering::Relaxed);
        let sets = jobs.iter().map(|j| FeatureSet::new(j).map(Arc::new)).collect::<Result<Vec<_>, _>>();
        let sets = sets.map_err(|message| InputError { message, is_missing: false })?;
        let mut fields = Fields::default();
        for (name, kind) in sets.iter().flat_map(|s| s.fields.iter()) {
            fields.request(name, kind);
        }
        let jobs = jobs.iter().zip(sets).map(|(j, s)| JobFeed::new(j.clone(), s, &fields)).collect();
        let batch = EventBatch::new(&fields);
        let (samples, seen) = (Samples::default(), vec![false; fields.len()]);
        let (places, lines, latest_ms, is_done) = (Vec::new(), 0, i64::MIN, false);
        Ok(Self { inputs, fields, options, batch, places, jobs, samples, bytes, lines, latest_ms, is_done, failures, seen })
    }

    /// Reads one batch; false when everything was read and closed.
    pub fn pump(&mut self) -> bool {
        if self.is_done {
            return false;
        }
        let next = self.inputs.iter().enumerate().filter(|(_, f)| !f.is_done()).min_by_key(|(i, f)| (f.time_ms, *i)).map(|(i, _)| i);
        let Some(index) = next else {
            self.is_done = true;
            self.jobs.iter_mut().for_each(|j| j.closed.extend(j.extractor.close_all()));
            return true;
        };
        self.read(index);
        let read_to = self.inputs.iter().filter(|f| !f.is_done()).map(|f| f.time_ms).min().unwrap_or(i64::MIN);
        self.jobs.iter_mut().for_each(|j| j.close(read_to));
        true
    }

    fn read(&mut self, index: usize) {
        let Some(input) = self.inputs.get_mut(index) else { return };
        self.batch.clear();
        self.places.clear();
        let mut problems = Problems::default();
        let read = input.read(&mut self.batch, &mut self.places, &self.fields, &self.options, &mut problems, &self.bytes);
        self.lines += read.lines;
        self.latest_ms = self.batch.time_ms.iter().copied().fold(self.latest_ms, i64::max);
        self.failures.extend(read.failure);
        for (column, seen) in self.seen.iter_mut().enumerate().filter(|(_, seen)| !**seen) {
            *seen = self.batch.has_any(column);
        }
        input.time_ms = middle(&self.batch.time_ms).map_or(input.time_ms, |t| t.max(input.time_ms));
        sample::number(index, &mut self.places);
        for job in &mut self.jobs {
            job.extractor.add_from(&self.batch, &self.fields, &self.places);
            job.problems.merge(problems.clone());
            job.lines += read.lines;
        }
    }

    /// The next window of a job that can be handed out: a bucket that is closed, or an empty one in front of it.
    pub fn next_window(&self, job: usize) -> Option<Window> {
        let feed = self.jobs.get(job)?;
        let (first, span) = (feed.closed.front()?.start_ms, feed.job.bucket_span_ms);
        let start = match feed.next_ms {
            Some(next) if first.saturating_sub(next) <= MAX_GAP_BUCKETS.saturating_mul(span) => next.min(first),
            _ => first,
        };
        Some(Window::new(start, start.saturating_add(span)))
    }

    /// Where the events end, once everything was read: a bucket that goes on after that is cut off. Milliseconds of the epoch.
    pub fn ends_ms(&self) -> Option<i64> {
        self.is_done.then_some(self.latest_ms.saturating_add(1))
    }

    /// Lines read so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes read from disk so far, a counter that can be watched.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// Bytes on disk of all files; `None` when standard input is among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.inputs.iter().map(|f| std::fs::metadata(f.path()).ok().map(|m| m.len())).sum()
    }

    /// What went wrong with whole files, so far.
    pub fn failures(&self) -> &[InputError] {
        &self.failures
    }

    /// Format and path of every file.
    pub fn formats(&self) -> Vec<(&'static str, &std::path::Path)> {
        self.inputs.iter().map(|f| (f.format(), f.path())).collect()
    }

    /// The fields that a reader fills, under the names of the jobs.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What the first lines of the files call their fields.
    pub fn names(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for name in self.inputs.iter().flat_map(|f| &f.names) {
            if !out.contains(name) {
                out.push(name.clone());
            }
        }
        out
    }

    /// Fields that no event has had so far, and as what they are read.
    pub fn unseen(&self) -> Vec<(String, FieldKind)> {
        self.fields.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|((name, kind), _)| (name.to_owned(), kind)).collect()
    }

    fn fetch(&mut self, job: usize, window: Window) -> Fetched {
        let Some(feed) = self.jobs.get_mut(job) else { return Fetched::default() };
        let span = feed.job.bucket_span_ms;
        let (numeric, values) = (feed.set.numeric.len(), feed.set.values.len());
        let mut buckets = Vec::new();
        for start in window.bucket_starts(span) {
            match feed.closed.pop_front_if(|b| b.start_ms == start) {
                Some(bucket) => {
                    self.samples.begin(job, &bucket, feed.extractor.take_evidence(start));
                    buckets.push(bucket);
                }
                None => buckets.push(Bucket::empty(start, span, numeric, values)),
            }
        }
        feed.next_ms = Some(window.end_ms);
        let late = feed.extractor.late();
        let stats = FetchStats {
            strategy: "file".into(),
            documents: buckets.iter().map(|b| b.doc_counts.iter().sum::<u64>() + b.skipped_docs).sum(),
            late_documents: late - std::mem::replace(&mut feed.late_before, late),
            ..FetchStats::default()
        };
        Fetched { buckets, stats, problems: std::mem::take(&mut feed.problems) }
    }
}

impl JobFeed {
    fn new(job: Arc<Job>, set: Arc<FeatureSet>, fields: &Fields) -> Self {
        let extractor = Extractor::new(job.clone(), set.clone(), fields);
        Self { job, set, extractor, closed: VecDeque::new(), next_ms: None, problems: Problems::default(), late_before: 0, lines: 0 }
    }

    /// Closes what lies behind the point that all files have been read to, once there is much in memory.
    fn close(&mut self, read_to_ms: i64) {
        if self.extractor.open_size() > MAX_OPEN {
            let disorder = self.job.window_delay_ms.max(self.job.bucket_span_ms);
            self.closed.extend(self.extractor.close_before(read_to_ms.saturating_sub(disorder)));
        }
    }
}

/// A time in the middle of a batch: unlike the last or the largest, one wrong clock does not move it.
fn middle(times: &[i64]) -> Option<i64> {
    let mut some: Vec<i64> = times.iter().step_by(times.len() / 128 + 1).copied().collect();
    some.sort_unstable();
    some.get(some.len() / 2).copied()
}

fn all_useless(failures: Vec<InputError>) -> InputError {
    let is_missing = failures.iter().all(|e| e.is_missing);
    let message = failures.into_iter().map(|e| e.message).collect::<Vec<_>>().join("\n");
    InputError { message, is_missing }
}

/// The files as one job's source.
pub struct FileSource {
    feed: Arc<Mutex<Feed>>,
    job: usize,
}

impl FileSource {
    /// The source of the `job`-th job of a feed.
    pub fn new(feed: Arc<Mutex<Feed>>, job: usize) -> Self {
        Self { feed, job }
    }
}

/// The feed, also after another thread gave up with it in its hands.
pub fn lock(feed: &Mutex<Feed>) -> MutexGuard<'_, Feed> {
    feed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl Source for FileSource {
    /// Hands a window out; each is given once, because files are read once.
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        Ok(lock(&self.feed).fetch(self.job, window))
    }

    async fn sample(&mut self, entity_key: &[u8], window: Window, limit: usize) -> Result<Vec<String>, SourceError> {
        let feed = lock(&self.feed);
        Ok(feed.samples.lines(self.job, entity_key, window, limit, &feed.inputs))
    }
}

#[cfg(test)]
mod tests;
