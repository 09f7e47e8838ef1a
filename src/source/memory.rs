//! Lines in memory as a source: the embedded store of the demo, and tests.

use std::sync::Arc;

use super::{FetchStats, Fetched, Source, SourceError};
use crate::features::extract::{Extractor, FeatureSet};
use crate::formats::{FormatOptions, LogFormat, ReadLine};
use crate::model::problem::printable;
use crate::model::{Bucket, EventBatch, Job, Problems, Window};

/// Characters of a sample line that are kept.
const SAMPLE_CHARS: usize = 300;

/// Log lines with their times, ordered by time; cheap to share between jobs.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Vec<(i64, String)>>);

impl Lines {
    /// Orders lines by time.
    pub fn new(mut lines: Vec<(i64, String)>) -> Self {
        lines.sort();
        Self(Arc::new(lines))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.0.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect()
    }

    fn within(&self, window: Window) -> &[(i64, String)] {
        let at = |t: i64| self.0.partition_point(|(x, _)| *x < t);
        self.0.get(at(window.start_ms)..at(window.end_ms)).unwrap_or(&[])
    }
}

/// A source of lines in memory.
pub struct MemorySource {
    job: Arc<Job>,
    set: FeatureSet,
    lines: Lines,
    format: &'static dyn LogFormat,
}

impl MemorySource {
    /// For a job, reading these lines with this format; or what is wrong with the job's features.
    pub fn new(job: Arc<Job>, lines: Lines, format: &'static dyn LogFormat) -> Result<Self, String> {
        Ok(Self { set: FeatureSet::new(&job)?, job, lines, format })
    }
}

#[async_trait::async_trait]
impl Source for MemorySource {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        let mut reader = self.format.reader(&self.set.fields, &FormatOptions::default());
        let mut batch = EventBatch::new(&self.set.fields);
        let mut problems = Problems::default();
        let lines = self.lines.within(window);
        for (_, line) in lines {
            if let ReadLine::Problem(kind) = reader.read(line.as_bytes(), &mut batch) {
                problems.add(kind, || printable(line.as_bytes(), SAMPLE_CHARS));
            }
        }
        let mut extractor = Extractor::new(&*self.job, &self.set, &self.set.fields);
        extractor.add(&batch, &self.set.fields);
        let stats = FetchStats { strategy: "lines in memory".into(), documents: lines.len() as u64, ..FetchStats::default() };
        Ok(Fetched { buckets: with_empty_buckets(&self.job, window, extractor.close_all()), stats, problems })
    }

    async fn sample(&mut self, entity_key: &[u8], window: Window, limit: usize) -> Result<Vec<String>, SourceError> {
        let key = String::from_utf8_lossy(entity_key);
        let holds = |line: &&(i64, String)| line.1.split(' ').take(2).any(|word| word == key);
        Ok(self.lines.within(window).iter().filter(holds).take(limit).map(|(_, l)| printable(l.as_bytes(), SAMPLE_CHARS)).collect())
    }
}

/// One bucket per slice of the window, in order: the given ones, and empty ones where nothing came.
pub fn with_empty_buckets(job: &Job, window: Window, buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut given = buckets.into_iter().peekable();
    let mut out = Vec::new();
    for start in window.bucket_starts(job.bucket_span_ms) {
        match given.next_if(|b| b.start_ms == start) {
            Some(bucket) => out.push(bucket),
            None => out.push(Bucket::empty(start, job.bucket_span_ms, job.features.len(), job.value_features.len())),
        }
    }
    out
}
