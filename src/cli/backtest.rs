//! `elkhound backtest`: what a configuration would have reported of a past range or of files, held against labels or verdicts,
//! and beside a second configuration. It is the pipeline of `run` and `scan`; nothing is written.

mod labels;
mod output;
mod play;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::connect::ConfigFile;
use super::exit::Exit;
use super::failed;
use crate::model::Window;
use crate::model::keys::stable_hash;
use crate::report;
use crate::score::evaluate::{Alarm, Figures, Judged, Label, Truth, Verdict, alarms_of, evaluate, missed, outside};
use crate::source::files::open::words;

/// Thresholds that are tried beside the job's own rule.
const THRESHOLDS: [f64; 7] = [25.0, 35.0, 45.0, 50.0, 60.0, 75.0, 90.0];
/// Alarms and events that are listed at most; the figures count all.
const MAX_LISTED: usize = 1_000;

/// Arguments of `backtest`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Files, folders or - (as for `scan`); without any, a job of the configuration over its own indices.
    #[arg(value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Ready-made job to run over files.
    #[arg(long, default_value = "web_access", requires = "inputs")]
    pub preset: String,
    /// Width of a bucket of files, such as 5m or 1h.
    #[arg(long, value_name = "SPAN", requires = "inputs")]
    pub bucket_span: Option<humantime::Duration>,
    /// Files: learn from buckets that end at or before this time and judge only later ones.
    #[arg(long, value_name = "TIME", requires = "inputs")]
    pub train_until: Option<String>,
    /// Files: format; found by looking when not given.
    #[arg(long, requires = "inputs")]
    pub format: Option<String>,
    /// Files: field or column that holds the time.
    #[arg(long, value_name = "NAME", requires = "inputs")]
    pub time: Option<String>,
    /// Files: column that holds the value of a series.
    #[arg(long, value_name = "NAME", requires = "inputs")]
    pub value: Option<String>,
    /// Files: field of the job = name in the file; may be repeated.
    #[arg(long, value_name = "FIELD=NAME", requires = "inputs")]
    pub map: Vec<String>,
    /// Files: field whose values are the entities; may be repeated.
    #[arg(long, value_name = "FIELD", requires = "inputs")]
    pub entity: Vec<String>,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Job of the configuration.
    #[arg(long, value_name = "ID", conflicts_with = "inputs")]
    pub job: Option<String>,
    /// Judge from this time on (what lies before is learned, as far as the job looks back).
    #[arg(long, value_name = "TIME", requires = "to", conflicts_with = "inputs")]
    pub from: Option<String>,
    /// Up to this time, outside.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub to: Option<String>,
    /// Labelled events: CSV with the columns entity, start, end; an empty entity means any.
    #[arg(long, value_name = "FILE.csv", conflicts_with = "verdicts")]
    pub labels: Option<PathBuf>,
    /// Take what people said of the job's anomalies: `true_positive` is an event, `false_positive` and `expected` are none, and
    /// alarms that nobody judged count neither way.
    #[arg(long, conflicts_with = "inputs")]
    pub verdicts: bool,
    /// Second configuration file to compare with (same job).
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    pub against: Option<PathBuf>,
    /// Second preset to compare with.
    #[arg(long, value_name = "PRESET", requires = "inputs")]
    pub against_preset: Option<String>,
    /// Rows of one entity that are no further apart than this are one alarm.
    #[arg(long, value_name = "SPAN", default_value = "30m")]
    pub quiet: humantime::Duration,
    /// Write a self-contained page to look at in a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Alarms and events listed on the terminal.
    #[arg(long, default_value_t = 10)]
    pub top: usize,
}

/// Why there is no result.
#[derive(Debug)]
pub struct Stop {
    exit: Exit,
    message: String,
}

impl Stop {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    fn config(message: impl Into<String>) -> Self {
        Self::new(Exit::BadConfig, message)
    }
}

/// What one configuration said about the past.
#[derive(Debug, Default)]
pub struct Play {
    /// Name that it is shown by.
    name: String,
    /// Rows judged.
    rows: u64,
    /// Rows with a score of at least the lowest threshold.
    scored: Vec<Judged>,
    /// Rows that the job's own rule (score and budget) reports.
    reported: Vec<Judged>,
    /// What was said about reported rows, by entity and start of the bucket.
    reasons: BTreeMap<(String, i64), String>,
    /// Labelled entities that came, by the hash of their key.
    seen: BTreeSet<u64>,
    /// Rows beyond the bound on those kept.
    left_out: u64,
    /// Time that was judged.
    judged: Option<Window>,
    /// What went wrong on the way and did not end it.
    problems: Vec<String>,
}

/// A play, counted.
#[derive(Debug, serde::Serialize)]
struct Side {
    name: String,
    rows: u64,
    left_out: u64,
    from_ms: i64,
    to_ms: i64,
    /// Rows that the job's own rule reports: each would be an anomaly document.
    anomalies: usize,
    as_reported: Figures,
    thresholds: Vec<Figures>,
    labels_outside: usize,
    /// First and last instant of the labels, milliseconds of the epoch, where none of them is inside the judged time.
    labels_elsewhere_ms: Option<(i64, i64)>,
    /// Labelled entities that never came.
    unknown_entities: Vec<String>,
    missed: Vec<Missed>,
    false_alarms: Vec<Alarm>,
    #[serde(skip)]
    alarms: Vec<Alarm>,
    problems: Vec<String>,
}

/// A labelled event that nothing reported is about.
#[derive(Debug, serde::Serialize)]
struct Missed {
    event: Label,
    /// Highest score of its entity inside it, from the lowest threshold on.
    best_score: Option<f64>,
}

/// What a rollout of the second configuration would change.
#[derive(Debug, serde::Serialize)]
struct Difference {
    appear: Vec<Alarm>,
    vanish: Vec<Alarm>,
    in_both: usize,
}

/// Both sides, how many labels there were, and what would change.
type Counted = (Vec<Side>, Option<usize>, Option<Difference>);

/// Runs it.
pub fn run(args: &Args, is_json: bool) -> Exit {
    match try_run(args) {
        Ok((sides, labels, difference)) => {
            output::print(args, &sides, labels, difference.as_ref(), is_json);
            let page = args.html.as_ref().map(|path| (path, report::backtest::render(&output::page(args, &sides, labels, difference.as_ref()))));
            match page.map(|(path, text)| std::fs::write(path, text).map_err(|e| format!("{}: cannot be written: {}", path.display(), words(&e)))) {
                Some(Err(message)) => failed(is_json, Exit::Failure, &message),
                _ => Exit::Ok,
            }
        }
        Err(stop) => failed(is_json, stop.exit, &stop.message),
    }
}

fn try_run(args: &Args) -> Result<Counted, Stop> {
    let mut truth = match &args.labels {
        Some(path) => Some(Truth { events: labels::read(path)?, harmless: None }),
        None => None,
    };
    let plays = if args.inputs.is_empty() { play::cluster(args, &mut truth)? } else { play::files(args, truth.as_ref())? };
    let quiet_ms = i64::try_from(args.quiet.as_millis()).unwrap_or(i64::MAX / 4);
    let sides = plays.into_iter().map(|p| count(p, truth.as_ref(), quiet_ms)).collect::<Result<Vec<Side>, Stop>>()?;
    let difference = if let [first, second] = sides.as_slice() { Some(compare(&first.alarms, &second.alarms)) } else { None };
    Ok((sides, truth.map(|t| t.events.len()), difference))
}

fn count(mut play: Play, known: Option<&Truth>, quiet_ms: i64) -> Result<Side, Stop> {
    let Some(judged) = play.judged else {
        let why = if play.problems.is_empty() {
            "no bucket of the range is over yet, with the job's `window_delay`; name an earlier range".into()
        } else {
            play.problems.join("\n")
        };
        return Err(Stop::new(Exit::BadInput, format!("{}: nothing was judged: {why}", play.name)));
    };
    let nothing = Truth::default();
    let truth = known.unwrap_or(&nothing);
    let figures = |rows: &[Judged], thresholds: &[f64]| evaluate(rows, judged, truth, thresholds, quiet_ms);
    let as_reported = figures(&play.reported, &[f64::MIN]).remove(0);
    let mut alarms = alarms_of(&play.reported, f64::MIN, quiet_ms);
    for a in &mut alarms {
        a.why = play.reasons.remove(&(a.entity.clone(), a.peak_ms)).unwrap_or_default();
    }
    let labels_outside = outside(judged, &truth.events);
    let is_elsewhere = truth.harmless.is_none() && labels_outside == truth.events.len();
    let is_false = |a: &&Alarm| !is_elsewhere && known.is_some_and(|t| t.verdict(&a.entity, a.start_ms, a.end_ms) == Verdict::False);
    Ok(Side {
        anomalies: play.reported.len(),
        as_reported: Figures { threshold: f64::NAN, ..as_reported },
        thresholds: figures(&play.scored, &THRESHOLDS),
        labels_outside,
        labels_elsewhere_ms: span(&truth.events).filter(|_| is_elsewhere),
        unknown_entities: unknown(&play.seen, &truth.events),
        missed: missed(&alarms, judged, &truth.events).into_iter().take(MAX_LISTED).map(|l| nearly(&play.scored, l)).collect(),
        false_alarms: alarms.iter().filter(is_false).take(MAX_LISTED).cloned().collect(),
        alarms,
        name: play.name,
        rows: play.rows,
        left_out: play.left_out,
        from_ms: judged.start_ms,
        to_ms: judged.end_ms,
        problems: play.problems,
    })
}

/// From the first to the last instant of events.
fn span(events: &[Label]) -> Option<(i64, i64)> {
    Some((events.iter().map(|l| l.start_ms).min()?, events.iter().map(|l| l.end_ms).max()?))
}

/// A missed event, with how near it came to being found.
fn nearly(scored: &[Judged], event: &Label) -> Missed {
    let inside = scored.iter().filter(|r| event.is_touched(&r.entity, r.start_ms, r.start_ms.saturating_add(r.span_ms)));
    Missed { event: event.clone(), best_score: inside.map(|r| r.score).max_by(f64::total_cmp) }
}

/// Labelled entities that are in no row: a slip of the pen, or an entity that was silent all along.
fn unknown(seen: &BTreeSet<u64>, events: &[Label]) -> Vec<String> {
    let names: BTreeSet<&str> = events.iter().map(|l| l.entity.as_str()).filter(|e| !e.is_empty()).collect();
    names.into_iter().filter(|e| !seen.contains(&stable_hash(e.as_bytes()))).take(MAX_LISTED).map(str::to_owned).collect()
}

fn compare(first: &[Alarm], second: &[Alarm]) -> Difference {
    let without =
        |these: &[Alarm], those: &[Alarm]| -> Vec<Alarm> { these.iter().filter(|a| !those.iter().any(|b| b.is_like(a))).cloned().collect() };
    let mut vanish = without(first, second);
    let in_both = first.len() - vanish.len();
    let mut appear = without(second, first);
    appear.truncate(MAX_LISTED);
    vanish.truncate(MAX_LISTED);
    Difference { appear, vanish, in_both }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(entity: &str, start_ms: i64) -> Alarm {
        Alarm { entity: entity.into(), start_ms, end_ms: start_ms + 10, score: 60.0, peak_ms: start_ms, why: String::new() }
    }

    #[test]
    fn what_appears_and_what_vanishes_is_told_by_entity_and_time() {
        let d = compare(&[alarm("a", 0), alarm("b", 0)], &[alarm("a", 5), alarm("b", 50), alarm("c", 0)]);
        let events = [("a", 0), ("zz", 5), ("", 9), ("zz", 7)].map(|(e, t)| Label { entity: e.into(), start_ms: t, end_ms: t + 1 });
        assert_eq!(unknown(&BTreeSet::from([stable_hash(b"a")]), &events), ["zz"]);
        let nothing = count(Play { name: "x".into(), ..Play::default() }, None, 0).unwrap_err();
        assert!(nothing.exit == Exit::BadInput && nothing.message.contains("x: nothing was judged"), "{}", nothing.message);
        assert_eq!((d.appear, d.vanish, d.in_both), (vec![alarm("b", 50), alarm("c", 0)], vec![alarm("b", 0)], 1));
    }
}
