//! `--preset series`: each file is one metric over time, with models of its own.

use std::path::Path;
use std::sync::Arc;

use super::scores::Judge;
use super::{Args, Listen, Outcome, Shown, Stop, cycle, job, learn_until, output, pipeline};
use crate::pipeline::Options;
use crate::source::series::{Samples, SeriesSource};

/// Field of the job that holds the value.
const FIELD: &str = "value";

/// Scores every row of every file.
pub fn scan(args: &Args, shown: &Shown, judge: Option<&Judge>, listen: Option<Listen<'_>>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::default();
    let files = crate::source::files::open::list(&args.inputs)?;
    for path in &files {
        match file(args, path, shown, (judge, listen), &mut outcome) {
            Err(Stop { input: Some(e), .. }) if files.len() > 1 => outcome.failures.push(e),
            other => other?,
        }
    }
    Ok(outcome)
}

fn file(args: &Args, path: &Path, shown: &Shown, (judge, listen): (Option<&Judge>, Option<Listen<'_>>), outcome: &mut Outcome) -> Result<(), Stop> {
    let samples = Samples::read(path, args.time.as_deref(), args.value.as_deref())?;
    let mut job = job::resolve(args).map_err(Stop::config)?;
    // The sampling interval is the bucket: the alert budget and the calibration count rows of this width.
    if args.bucket_span.is_none() {
        job.bucket_span_ms = samples.interval_ms;
    }
    job.index = super::scores::stem(path);
    let job = Arc::new(job);
    let label = super::scores::series_label(path);
    let source = SeriesSource::new(&job, FIELD, &label, &samples).map_err(Stop::config)?;
    let windows = source.windows();
    let options = Options { learn_until_ms: learn_until(args)?, snapshot_every: u32::MAX, ..Options::default() };
    let mut pipeline = pipeline(job.clone(), Box::new(source), args, options, shown, judge)?;
    pipeline.tap = listen.map(|listen| listen(Some(&label))).or(pipeline.tap);
    for (window, sample) in windows.into_iter().zip(&samples.samples) {
        if let Some(judge) = judge {
            judge.next_row(&label, sample.row, &sample.timestamp);
        }
        output::add(&mut outcome.total, &futures::executor::block_on(cycle(&mut pipeline, window))?);
    }
    outcome.lines += samples.samples.len() as u64;
    outcome.failures.extend(samples.failure);
    outcome.jobs.push(job);
    Ok(())
}
