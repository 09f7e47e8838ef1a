//! `elkhound scan`: the same pipeline on files, with no cluster.

mod absent;
mod job;
mod output;
mod progress;
mod rows;
mod scores;
mod series;
mod table;
mod taps;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::exit::Exit;
use super::failed;
use super::needs::Needs;
use crate::formats::FormatOptions;
use crate::model::time::parse_time;
use crate::model::{Job, RunDocument};
use crate::pipeline::{CycleError, Options, Pipeline};
use crate::sinks::memory::MemorySink;
use crate::source::files::input::{ReadOptions, Wanted};
use crate::source::files::open::InputError;
use crate::source::files::{Feed, FileSource, lock};
use crate::state::memory::MemoryStore;
use absent::Absences;
use progress::Progress;
use scores::Judge;
use taps::{PageTap, Taps};

/// Anomalies that the table and the page can show; `--out` has all.
const MAX_SHOWN: usize = 5_000;

/// Arguments of `scan`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Files, folders, or - for standard input; plain, gzip or zstd. Several are one stream in order of time and judged together;
    /// with the presets series and table each is judged by itself.
    #[arg(required = true, value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Ready-made job to run (`elkhound parts presets` lists them).
    #[arg(long, default_value = "web_access")]
    pub preset: String,
    /// Width of a bucket, such as 5m or 1h.
    #[arg(long, value_name = "SPAN")]
    pub bucket_span: Option<humantime::Duration>,
    /// Learn from buckets that end at or before this time and report only later ones.
    #[arg(long, value_name = "TIME")]
    pub train_until: Option<String>,
    /// Format of the files; found by looking when not given.
    #[arg(long)]
    pub format: Option<String>,
    /// Field or column that holds the time.
    #[arg(long, value_name = "NAME")]
    pub time: Option<String>,
    /// Column that holds the value of a series.
    #[arg(long, value_name = "NAME")]
    pub value: Option<String>,
    /// Table to learn from, for --preset table.
    #[arg(long, value_name = "TRAIN.csv")]
    pub train: Option<PathBuf>,
    /// Field of the job = name in the file, such as source.ip=client; may be repeated.
    #[arg(long, value_name = "FIELD=NAME")]
    pub map: Vec<String>,
    /// Field whose values are the entities; may be repeated.
    #[arg(long, value_name = "FIELD")]
    pub entity: Vec<String>,
    /// Alarms a day to expect at most while nothing is wrong; real events may bring more.
    #[arg(long, value_name = "N per day")]
    pub alert_budget: Option<String>,
    /// Write anomalies as NDJSON, the documents that a cluster would get.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the score of everything that was judged as CSV.
    #[arg(long, value_name = "FILE.csv")]
    pub scores: Option<PathBuf>,
    /// Write a self-contained page to look at in a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Rows of the table on the terminal.
    #[arg(long, default_value_t = 20)]
    pub top: usize,
}

/// Why a scan ended early.
#[derive(Debug)]
struct Stop {
    message: String,
    exit: Exit,
    /// The file that was of no use: among others the scan goes on without it.
    input: Option<InputError>,
}

impl Stop {
    fn config(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::BadConfig, input: None }
    }

    fn failure(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Failure, input: None }
    }

    fn input(e: InputError) -> Self {
        Self { exit: if e.is_missing { Exit::NoInput } else { Exit::BadInput }, message: e.message.clone(), input: Some(e) }
    }
}

impl From<InputError> for Stop {
    fn from(e: InputError) -> Self {
        Self::input(e)
    }
}

impl From<CycleError> for Stop {
    fn from(e: CycleError) -> Self {
        Self::failure(e.to_string())
    }
}

/// What a scan found, and what it cost.
#[derive(Debug, Default)]
struct Outcome {
    jobs: Vec<Arc<Job>>,
    lines: u64,
    total: RunDocument,
    failures: Vec<InputError>,
    choices: Vec<Choice>,
    left_out: Vec<LeftOut>,
    absences: Absences,
}

impl Outcome {
    /// True when there was something, and all of it lies before the time up to which is only learned.
    fn is_all_learned(&self, args: &Args) -> bool {
        let until = args.train_until.as_deref().and_then(parse_time).filter(|_| args.preset != "table");
        self.total.rows > 0 && until.is_some_and(|until| self.total.end_ms <= until)
    }
}

/// What a detector decided by itself for a file, and why.
#[derive(Debug, serde::Serialize)]
struct Choice {
    file: String,
    detector: &'static str,
    why: String,
}

/// A column of a table that was not compared.
#[derive(Debug, serde::Serialize)]
struct LeftOut {
    file: String,
    column: String,
    why: &'static str,
}

/// What is kept to be shown at the end.
struct Shown {
    sink: MemorySink,
    /// One for each job, when a page is wanted.
    pages: Mutex<Vec<PageTap>>,
}

/// Scans files.
pub fn run(args: &Args, json: bool) -> Exit {
    let shown = Shown { sink: MemorySink::new(MAX_SHOWN), pages: Mutex::default() };
    match scan(args, &shown).and_then(|outcome| output::page(args, &outcome, &shown).map(|()| outcome)) {
        Ok(outcome) => output::print(args, &outcome, &shown.sink.delivered(), json),
        Err(stop) => failed(json, stop.exit, &stop.message),
    }
}

/// Makes a listener: for the whole input, or for a file that is a series or a table of its own.
pub type Listen<'a> = &'a dyn Fn(Option<&str>) -> Box<dyn crate::pipeline::Tap>;

/// Runs the windows of files past somebody who listens, and writes nothing. What went wrong and did not end it is returned; else
/// why it ended.
pub fn judge(args: &Args, listen: Listen<'_>) -> Result<Vec<String>, (Exit, String)> {
    let shown = Shown { sink: MemorySink::new(0), pages: Mutex::default() };
    let outcome = match args.preset.as_str() {
        "table" => rows::scan(args, &shown, None, Some(listen)),
        "series" => series::scan(args, &shown, None, Some(listen)),
        _ => windows(args, &shown, None, Some(listen(None))),
    };
    let outcome = outcome.map_err(|stop| (stop.exit, stop.message))?;
    if let Some(why) = output::why_nothing(args, &outcome) {
        let failures: String = outcome.failures.iter().map(|f| format!("{}\n", f.message)).collect();
        return Err((Exit::BadInput, format!("{failures}{}: nothing was judged: {why}", args.preset)));
    }
    let counted = outcome.total.problems.iter().map(|p| format!("{} x {}", p.count, p.kind.replace('_', " ")));
    let absent = outcome.absences.lines(&args.preset);
    Ok(outcome.failures.iter().map(|f| f.message.clone()).chain(counted).chain(absent).collect())
}

fn scan(args: &Args, shown: &Shown) -> Result<Outcome, Stop> {
    keep_inputs(args)?;
    refuse_unused(args)?;
    let judge = match &args.scores {
        Some(path) => Some(Judge::new(create(path)?, &args.preset)),
        None => None,
    };
    if let Some(path) = &args.out {
        create(path)?;
    }
    let outcome = match args.preset.as_str() {
        "series" => series::scan(args, shown, judge.as_ref(), None),
        "table" => rows::scan(args, shown, judge.as_ref(), None),
        _ => windows(args, shown, judge.as_ref(), None),
    }?;
    judge.map_or(Ok(()), Judge::finish).map_err(Stop::failure)?;
    Ok(outcome)
}

/// A result that would be written over a file that is read is refused before anything is emptied.
fn keep_inputs(args: &Args) -> Result<(), Stop> {
    let read = args.inputs.iter().chain(&args.train).filter_map(|p| p.canonicalize().ok()).collect::<Vec<_>>();
    for path in [&args.out, &args.scores, &args.html].into_iter().flatten() {
        if path.canonicalize().is_ok_and(|p| read.contains(&p)) {
            return Err(Stop::config(format!("{}: is read and would be written over; name another file", path.display())));
        }
    }
    Ok(())
}

/// An option that a preset has no use for is refused: in silence it would look as if it had been heeded.
fn refuse_unused(args: &Args) -> Result<(), Stop> {
    let (is_series, is_table) = (args.preset == "series", args.preset == "table");
    let refused = [
        ("--value", args.value.is_some() && !is_series, "series"),
        ("--train", args.train.is_some() && !is_table, "table"),
        ("--time", args.time.is_some() && is_table, "series and of log files"),
        ("--map", !args.map.is_empty() && (is_series || is_table), "log files"),
        ("--entity", !args.entity.is_empty() && (is_series || is_table), "log files"),
    ];
    match refused.iter().find(|r| r.1) {
        Some((option, _, of)) => {
            Err(Stop::config(format!("{option} has no meaning for preset `{}`: it is an option of {of}; leave it out", args.preset)))
        }
        None => Ok(()),
    }
}

/// Events of log files, window by window.
fn windows(args: &Args, shown: &Shown, judge: Option<&Judge>, listener: Option<Box<dyn crate::pipeline::Tap>>) -> Result<Outcome, Stop> {
    let job = Arc::new(job::resolve(args).map_err(Stop::config)?);
    let options = Options { learn_until_ms: learn_until(args)?, snapshot_every: u32::MAX, ..Options::default() };
    let feed = Feed::open(&args.inputs, std::slice::from_ref(&job), read_options(args, &job)?)?;
    absent::refuse(args, &feed)?;
    let mut progress = Progress::new(feed.total_bytes(), feed.bytes());
    let feed = Arc::new(Mutex::new(feed));
    let source = Box::new(FileSource::new(feed.clone(), 0));
    let mut pipeline = pipeline(job.clone(), source, args, options, shown, judge)?;
    pipeline.tap = listener.or(pipeline.tap);
    if let Some(judge) = judge {
        judge.next_table(&scores::file_label(&args.inputs));
    }
    let mut total = RunDocument { job: job.id.clone(), ..RunDocument::default() };
    loop {
        let more = lock(&feed).pump();
        progress.at(lock(&feed).lines());
        pipeline.options.data_ends_ms = lock(&feed).ends_ms().unwrap_or(i64::MAX);
        while let Some(window) = next(&feed) {
            output::add(&mut total, &futures::executor::block_on(cycle(&mut pipeline, window))?);
        }
        if !more {
            break;
        }
    }
    progress.finish();
    let feed = lock(&feed);
    let absences = Absences::of(&feed, &job, args);
    Ok(Outcome { jobs: vec![job], lines: feed.lines(), total, failures: feed.failures().to_vec(), absences, ..Outcome::default() })
}

fn next(feed: &Mutex<Feed>) -> Option<crate::model::Window> {
    lock(feed).next_window(0)
}

async fn cycle(pipeline: &mut Pipeline, window: crate::model::Window) -> Result<RunDocument, CycleError> {
    let run = pipeline.cycle(window).await?;
    pipeline.commit(&run).await?;
    Ok(run)
}

fn pipeline(
    job: Arc<Job>,
    source: Box<dyn crate::source::Source>,
    args: &Args,
    options: Options,
    shown: &Shown,
    judge: Option<&Judge>,
) -> Result<Pipeline, Stop> {
    let mut sinks: Vec<Box<dyn crate::sinks::Sink>> = vec![Box::new(shown.sink.clone())];
    if let Some(path) = &args.out {
        sinks.push(Box::new(crate::sinks::ndjson::Ndjson::anomalies(append(path)?)));
    }
    let mut pipeline = Pipeline::new(job, source, sinks, Box::new(MemoryStore::default()), options).map_err(Stop::config)?;
    let page = args.html.is_some().then(|| PageTap::new(&pipeline.job));
    shown.pages.lock().unwrap_or_else(PoisonError::into_inner).extend(page.clone());
    pipeline.tap = Taps::boxed(judge.map(Judge::tap), page);
    Ok(pipeline)
}

fn create(path: &std::path::Path) -> Result<std::io::BufWriter<std::fs::File>, Stop> {
    std::fs::File::create(path).map(std::io::BufWriter::new).map_err(|e| not_written(path, &e))
}

/// Opens the file that [`scan`] emptied at its start, to go on at its end: every job of a scan writes into it.
fn append(path: &std::path::Path) -> Result<std::io::BufWriter<std::fs::File>, Stop> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.map(std::io::BufWriter::new).map_err(|e| not_written(path, &e))
}

fn not_written(path: &std::path::Path, e: &std::io::Error) -> Stop {
    Stop::failure(format!("{}: cannot be written: {}", path.display(), crate::source::files::open::words(e)))
}

fn learn_until(args: &Args) -> Result<i64, Stop> {
    let Some(text) = &args.train_until else { return Ok(i64::MIN) };
    parse_time(text).ok_or_else(|| Stop::config(format!("--train-until `{text}` is not a time; write it like 2026-01-31T12:00:00Z")))
}

fn read_options(args: &Args, job: &Job) -> Result<ReadOptions, Stop> {
    let mut field_map = Vec::new();
    for pair in &args.map {
        let Some((field, name)) = pair.split_once('=').filter(|(f, n)| !f.is_empty() && !n.is_empty()) else {
            return Err(Stop::config(format!("--map `{pair}` is not of the form FIELD=NAME, such as source.ip=client")));
        };
        field_map.push((name.to_owned(), field.to_owned()));
    }
    if let Some(name) = &args.format {
        crate::formats::by_name(name).map_err(Stop::config)?;
    }
    let needs = Needs::of(job);
    let mapped = |f: &String| field_map.iter().any(|(_, to)| to == f);
    let wanted = Wanted {
        fields: needs.fields(job).into_iter().filter(|f| !mapped(f)).collect(),
        says: format!("preset `{}` {}; {}", args.preset, needs.line(), needs.from),
    };
    Ok(ReadOptions { format: args.format.clone(), format_options: FormatOptions { time_field: args.time.clone(), field_map }, wanted })
}
