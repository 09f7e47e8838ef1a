//! `--preset table`: rows of numbers, one table to learn from and others to score.

use std::path::Path;
use std::sync::Arc;

use super::scores::{Judge, series_label, stem};
use super::{Args, Choice, LeftOut, Listen, Outcome, Shown, Stop, cycle, job, output, pipeline};
use crate::model::FeatureSpec;
use crate::pipeline::Options;
use crate::source::files::open::list;
use crate::source::table::{TEST_WINDOW, TRAIN_WINDOW, Table, TableSource};

/// Scores every row of every table.
pub fn scan(args: &Args, shown: &Shown, judge: Option<&Judge>, listen: Option<Listen<'_>>) -> Result<Outcome, Stop> {
    let Some(train) = &args.train else {
        return Err(Stop::config("--preset table needs a table to learn from: --train TRAIN.csv TEST.csv"));
    };
    let train = Table::read(train)?;
    let mut outcome = Outcome::default();
    outcome.failures.extend(train.failure.clone());
    let files = list(&args.inputs)?;
    for path in &files {
        let prefix = if files.len() > 1 { format!("{}:", series_label(path)) } else { String::new() };
        match file(args, &train, (path, &prefix), shown, (judge, listen), &mut outcome) {
            Err(Stop { input: Some(e), .. }) if files.len() > 1 => outcome.failures.push(e),
            other => other?,
        }
    }
    Ok(outcome)
}

fn file(
    args: &Args,
    train: &Table,
    (path, prefix): (&Path, &str),
    shown: &Shown,
    (judge, listen): (Option<&Judge>, Option<Listen<'_>>),
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let test = Table::read(path)?;
    let columns = train.common(&test).map_err(|e| Stop::input(crate::source::files::open::InputError::useless(path, e)))?;
    let left_out = train.left_out(&test);
    outcome.left_out.extend(left_out.into_iter().map(|(column, why)| LeftOut { file: stem(path), column, why }));
    let mut job = job::resolve(args).map_err(Stop::config)?;
    job.features = columns.iter().map(|c| feature(c)).collect();
    (job.bucket_span_ms, job.frequency_ms) = (TEST_WINDOW.len_ms(), TEST_WINDOW.len_ms());
    job.max_entities = job.max_entities.max(train.rows() + test.rows());
    job.index = stem(path);
    let job = Arc::new(job);
    let source = Box::new(TableSource::new(&job, train, &test, prefix));
    let options = Options { learn_until_ms: TRAIN_WINDOW.end_ms, snapshot_every: u32::MAX, ..Options::default() };
    let mut pipeline = pipeline(job.clone(), source, args, options, shown, judge)?;
    pipeline.tap = listen.map(|listen| listen(Some(&stem(path)))).or(pipeline.tap);
    if let Some(judge) = judge {
        judge.next_table(&stem(path));
    }
    futures::executor::block_on(cycle(&mut pipeline, TRAIN_WINDOW))?;
    // Taken now: the table to score is learned after it was judged.
    outcome.choices.extend(pipeline.models.choices().into_iter().map(|(detector, why)| Choice { file: stem(path), detector, why }));
    output::add(&mut outcome.total, &futures::executor::block_on(cycle(&mut pipeline, TEST_WINDOW))?);
    outcome.lines += test.rows() as u64;
    outcome.failures.extend(test.failure);
    outcome.jobs.push(job);
    Ok(())
}

/// A column as a feature: of a single row the mean is the value itself.
fn feature(column: &str) -> FeatureSpec {
    FeatureSpec { name: column.into(), kind: "mean".into(), field: Some(column.into()), title: column.into(), ..FeatureSpec::default() }
}
