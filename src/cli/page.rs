//! The page of `demo`: collects what it shows beside the findings, and writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Anomaly, Bucket, Job, RunDocument};
use crate::pipeline::Tap;
use crate::pipeline::models::Models;
use crate::report::{Collector, Report, render};
use crate::score::Scores;

/// What a page shows beside the findings, by job; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pages(Arc<Mutex<BTreeMap<String, Collector>>>);

impl Pages {
    /// A tap for the pipeline of a job.
    pub fn tap(&self, job: &Job) -> Box<dyn Tap> {
        let features = job.features.iter().map(|f| f.name.clone()).collect();
        self.lock().entry(job.id.clone()).or_insert_with(|| Collector::new(&job.id, features));
        Box::new(PageTap { job: job.id.clone(), pages: self.clone() })
    }

    /// Writes the page, or says why it cannot be written.
    pub fn write(&self, path: &Path, title: &str, from: &str, anomalies: &[Anomaly], runs: &[RunDocument]) -> Result<(), String> {
        let collected = std::mem::take(&mut *self.lock());
        let jobs: Vec<String> = collected.keys().cloned().collect();
        let (mut timeline, mut series) = (Vec::new(), Vec::new());
        for collector in collected.into_values() {
            let (t, s) = collector.finish();
            // Jobs look at the same documents: the one that saw most stands for all.
            if documents(&t) > documents(&timeline) {
                timeline = t;
            }
            series.extend(s);
        }
        let page = render(&Report { title: title.into(), generated_from: from.into(), jobs, anomalies, runs, timeline, series, is_timeless: false });
        std::fs::write(path, page).map_err(|e| format!("{}: cannot be written: {e}", path.display()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Collector>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn documents(timeline: &[crate::report::TimelinePoint]) -> u64 {
    timeline.iter().map(|p| p.documents).sum()
}

struct PageTap {
    job: String,
    pages: Pages,
}

impl Tap for PageTap {
    fn judged(&mut self, _: &Models, bucket: &Bucket, _scores: &Scores, anomalies: &[Anomaly]) {
        if let Some(collector) = self.pages.lock().get_mut(&self.job) {
            collector.judged(bucket, anomalies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_cannot_be_written_is_named() {
        let e = Pages::default().write(Path::new("/nowhere/at/all.html"), "t", "f", &[], &[]).unwrap_err();
        assert!(e.contains("/nowhere/at/all.html"), "{e}");
    }
}
