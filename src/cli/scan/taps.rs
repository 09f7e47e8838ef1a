//! What looks over the pipeline's shoulder during a scan: the score file and the page.

use std::sync::{Arc, Mutex, PoisonError};

use super::scores::ScoreFile;
use crate::model::{Anomaly, Bucket, Job};
use crate::pipeline::Tap;
use crate::pipeline::models::Models;
use crate::report::{Collector, Series, TimelinePoint};
use crate::score::Scores;

/// Everything that sees judged buckets of one job.
pub struct Taps {
    scores: Option<ScoreFile>,
    page: Option<PageTap>,
}

/// Collects what the page shows beside the findings; clones share it.
#[derive(Clone)]
pub struct PageTap(Arc<Mutex<Collector>>);

impl PageTap {
    /// For a job.
    pub fn new(job: &Job) -> Self {
        let features = job.features.iter().map(|f| f.name.clone()).collect();
        Self(Arc::new(Mutex::new(Collector::new(&job.id, features))))
    }

    /// What was collected.
    pub fn finish(&self) -> (Vec<TimelinePoint>, Vec<Series>) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).finish()
    }
}

impl Taps {
    /// The taps that there are, as one; `None` without any.
    pub fn boxed(scores: Option<ScoreFile>, page: Option<PageTap>) -> Option<Box<dyn Tap>> {
        (scores.is_some() || page.is_some()).then(|| Box::new(Self { scores, page }) as Box<dyn Tap>)
    }
}

impl Tap for Taps {
    fn judged(&mut self, models: &Models, bucket: &Bucket, scores: &Scores, anomalies: &[Anomaly]) {
        if let Some(file) = &mut self.scores {
            file.judged(models, bucket, scores, anomalies);
        }
        if let Some(PageTap(collector)) = &self.page {
            collector.lock().unwrap_or_else(PoisonError::into_inner).judged(bucket, anomalies);
        }
    }
}
