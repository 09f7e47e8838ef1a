//! What a scan prints: the table or JSON on standard output, everything that went wrong on standard error.

use serde_json::json;

use super::{Args, LeftOut, Outcome, Shown, Stop, not_written, table};
use crate::cli::exit::Exit;
use crate::cli::needs::Needs;
use crate::cli::{failed, warned};
use crate::model::document::to_document;
use crate::model::problem::{Problem, counted, printable};
use crate::model::time::iso;
use crate::model::{Filter, RunDocument};
use crate::report::{Report, render};
use crate::sinks::memory::Delivered;

/// Columns that a line names.
const MAX_NAMES: usize = 10;

/// Adds the figures of a window to the totals.
pub fn add(total: &mut RunDocument, run: &RunDocument) {
    total.start_ms = if total.buckets == 0 { run.start_ms } else { total.start_ms.min(run.start_ms) };
    total.end_ms = if total.buckets == 0 { run.end_ms } else { total.end_ms.max(run.end_ms) };
    total.buckets += run.buckets;
    total.documents += run.documents;
    total.skipped_documents += run.skipped_documents;
    total.rows += run.rows;
    total.dropped_entities += run.dropped_entities;
    total.anomalies += run.anomalies;
    total.late_documents += run.late_documents;
    for p in &run.problems {
        match total.problems.iter_mut().find(|t| t.kind == p.kind) {
            Some(t) => t.count += p.count,
            None => total.problems.push(p.clone()),
        }
    }
}

/// Prints everything and says how the program ends: not well when a file could not be used to its end.
pub fn print(args: &Args, outcome: &Outcome, delivered: &Delivered, json: bool) -> Exit {
    let useless = why_nothing(args, outcome);
    if json {
        print_json(args, outcome, delivered, useless.as_deref())
    } else {
        print_text(args, outcome, delivered, useless.is_some() || outcome.total.rows == 0)
    }
    notes(args, outcome, json, useless.is_some()).iter().for_each(|line| warned(json, line));
    let is_wrong_map = outcome.absences.is_wrong_map();
    let exit = match outcome.failures.first() {
        None if useless.is_some() || is_wrong_map => Exit::BadInput,
        None => return Exit::Ok,
        Some(f) if f.is_missing => Exit::NoInput,
        Some(_) => Exit::BadInput,
    };
    let mut errors: Vec<String> = outcome.failures.iter().map(|f| f.message.clone()).collect();
    match useless {
        Some(why) => errors.push(format!("nothing was judged: {why}")),
        None if is_wrong_map => errors.extend(outcome.absences.lines(&args.preset)),
        None => {}
    }
    failed(json, exit, &errors.join("\n"))
}

/// What is worth a word beside the result.
fn notes(args: &Args, outcome: &Outcome, json: bool, is_useless: bool) -> Vec<String> {
    let total = &outcome.total;
    let mut out = Vec::new();
    // JSON has these in the result.
    if !json {
        out.extend(outcome.choices.iter().map(|c| format!("{} (detector {}): {}", printable(c.file.as_bytes(), 100), c.detector, c.why)));
        out.extend(left_out(&outcome.left_out));
    }
    for Problem { kind, count, example } in &total.problems {
        if kind != "truncated_file" && kind != "unreadable_file" {
            out.push(format!("{count} x {} (first: {})", kind.replace('_', " "), printable(example.as_bytes(), 300)));
        }
    }
    if total.late_documents > 0 {
        out.push(format!(
            "{} of {} came more than a bucket too late and are in no result; sort the file by time, or hand over files that were joined one by one",
            total.late_documents,
            counted(outcome.lines, "line", "lines")
        ));
    }
    if total.skipped_documents > 0 {
        let lines = counted(total.skipped_documents, "line names", "lines name");
        let fields = outcome.jobs.iter().map(|j| j.entity_field()).collect::<Vec<_>>().join("; ");
        out.push(format!("{lines} no entity ({fields}) or had no room"));
    }
    // Of a file without a line nothing is absent.
    if !is_useless && outcome.lines > 0 && !outcome.absences.is_wrong_map() {
        out.extend(outcome.absences.lines(&args.preset));
    }
    out
}

/// Columns that were not compared: one line for each file and reason.
fn left_out(list: &[LeftOut]) -> Vec<String> {
    let line = |same: &[LeftOut]| {
        let names: Vec<String> = same.iter().take(MAX_NAMES).map(|l| format!("`{}`", printable(l.column.as_bytes(), 100))).collect();
        let more = if same.len() > MAX_NAMES { format!(" and {} more", same.len() - MAX_NAMES) } else { String::new() };
        let (file, why) = (printable(same[0].file.as_bytes(), 100), same[0].why);
        let columns = if same.len() == 1 { "column" } else { "columns" };
        format!("{file}: {columns} {}{more} left out: {why}; rows are judged by the other columns", names.join(", "))
    };
    list.chunk_by(|a, b| (&a.file, a.why) == (&b.file, b.why)).map(line).collect()
}

/// Why lines were read and nothing was judged, and what to do.
pub fn why_nothing(args: &Args, outcome: &Outcome) -> Option<String> {
    let is_unjudged = outcome.total.rows == 0 || outcome.absences.is_nothing_judged || outcome.is_all_learned(args);
    (is_unjudged && outcome.lines > 0).then(|| reason(args, outcome))
}

fn reason(args: &Args, outcome: &Outcome) -> String {
    let (total, absences, preset) = (&outcome.total, &outcome.absences, &args.preset);
    let Some(job) = outcome.jobs.first() else { return "there is no job".into() };
    let needs = Needs::of(job);
    let way_out = || format!("{}; preset `{preset}` {}", absences.way_out(&absences.among(&needs.fields(job))), needs.line());
    let mut filter = job.filter.iter().flat_map(Filter::fields).map(|(name, _)| name);
    let chosen_by = filter.find(|name| absences.fields.iter().any(|f| f.field == *name));
    match (total.documents, &args.train_until) {
        (0, _) if absences.is_wrong_map() => absences.lines(preset).join("\n"),
        (0, _) if total.problems.is_empty() && job.filter.is_some() => match chosen_by {
            Some(field) => format!(
                "preset `{preset}` chooses its events by the field `{field}`, and no line has it; {}; `elkhound parts presets` lists the others",
                way_out()
            ),
            None => format!(
                "preset `{preset}` looks only at documents with {}, and none of the lines is one; `elkhound parts presets` lists the others",
                needs.chosen_by.join(", ")
            ),
        },
        (0, _) => "no line could be read as an event; --format NAME says what the file is, `elkhound parts formats` lists what is known".into(),
        (_, Some(until)) if outcome.is_all_learned(args) => {
            let (start, end) = (iso(total.start_ms), iso(total.end_ms));
            format!("all of it lies before --train-until {until} and was only learned from: the data goes from {start} to {end}, name a time between")
        }
        _ if total.rows > 0 || absences.is_wrong_map() => absences.lines(preset).join("\n"),
        _ => format!(
            "no line has the field {} that preset `{preset}` counts by; {}; --entity FIELD counts by another one (one metric in a CSV: --preset series)",
            job.entity_field(),
            way_out()
        ),
    }
}

/// Writes the page, when one is wanted.
pub fn page(args: &Args, outcome: &Outcome, shown: &Shown) -> Result<(), Stop> {
    let Some(path) = &args.html else { return Ok(()) };
    let delivered = shown.sink.delivered();
    let taps = shown.pages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut timeline, mut series) = (Vec::new(), Vec::new());
    for tap in taps.iter() {
        let (points, lines) = tap.finish();
        timeline.extend(points);
        series.extend(lines);
    }
    let mut jobs: Vec<String> = outcome.jobs.iter().map(|j| j.id.clone()).collect();
    jobs.dedup();
    let report = Report {
        title: super::scores::file_label(&args.inputs),
        generated_from: format!(
            "{} of {}",
            counted(outcome.lines, "line", "lines"),
            args.inputs.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        ),
        jobs,
        anomalies: &delivered.anomalies,
        runs: &delivered.runs,
        timeline,
        series,
        is_timeless: args.preset == "table",
    };
    std::fs::write(path, render(&report)).map_err(|e| not_written(path, &e))
}

fn print_text(args: &Args, outcome: &Outcome, delivered: &Delivered, is_unjudged: bool) {
    let t = &outcome.total;
    let done = if args.train_until.is_some() { "learned from or judged" } else { "judged" };
    say!(
        "{}, {}, {}, {} {done}, {}",
        counted(outcome.lines, "line", "lines"),
        counted(t.documents, "event", "events"),
        counted(t.buckets, "bucket", "buckets"),
        counted(t.rows, "row", "rows"),
        counted(t.anomalies, "anomaly", "anomalies")
    );
    if delivered.anomalies.is_empty() {
        // Why nothing was judged is said with the exit code.
        say!("{}", if is_unjudged { "Nothing was judged." } else { "Nothing was unusual enough to report." });
        return;
    }
    table::lines(&delivered.anomalies, args.top).iter().for_each(|l| say!("{l}"));
    let more = (delivered.anomalies.len() as u64 + delivered.left_out).saturating_sub(args.top as u64);
    if more > 0 {
        say!("... and {more} more (--top N shows more, --out FILE writes all)");
    }
}

fn print_json(args: &Args, outcome: &Outcome, delivered: &Delivered, useless: Option<&str>) {
    let mut ranked: Vec<_> = delivered.anomalies.iter().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (a.start_ms, &a.entity_key).cmp(&(b.start_ms, &b.entity_key))));
    let t = &outcome.total;
    let summary = json!({
        "jobs": outcome.jobs.iter().map(|j| j.id.as_str()).collect::<Vec<_>>(),
        "files": args.inputs.iter().map(|p| p.display().to_string()).collect::<Vec<_>>(),
        "lines": outcome.lines,
        "documents": t.documents,
        "buckets": t.buckets,
        "rows": t.rows,
        "late_documents": t.late_documents,
        "skipped_documents": t.skipped_documents,
        "dropped_entities": t.dropped_entities,
        "problems": t.problems,
        "failures": outcome.failures.iter().map(|f| f.message.as_str()).collect::<Vec<_>>(),
        "choices": outcome.choices,
        "left_out_columns": outcome.left_out,
        "absent_fields": outcome.absences.fields,
        "nothing_was_judged": useless,
        "anomaly_count": t.anomalies,
        "anomalies": ranked.into_iter().map(to_document).collect::<Vec<_>>(),
    });
    say!("{summary}");
}
