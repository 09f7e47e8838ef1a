//! What to say of a file that cannot be understood: what was found in it, what is looked for, and the option that helps.

use super::input::{EXAMPLE_CHARS, ReadOptions};
use crate::formats::alike::likely;
use crate::formats::csv::{header_names, separator_of};
use crate::formats::json::Json;
use crate::formats::{self, LogFormat, ReadLine, TIME_FIELDS};
use crate::model::problem::{instead_of, printable};
use crate::model::time::parse_time;
use crate::model::{EventBatch, Fields};

/// Share of control characters from which on a file is called binary.
const BINARY_SHARE: f64 = 0.05;
/// Share of lines that have to have as many columns as the first one, for a file to be called CSV.
const CSV_SHARE: f64 = 0.8;
/// Names for the time that are shown.
const SHOWN_TIMES: usize = 6;

/// Why no format reads these first lines of a file.
pub(super) fn unknown(head: &[u8], lines: &[&[u8]], options: &ReadOptions) -> String {
    let odd = head.iter().filter(|b| b.is_ascii_control() && !b.is_ascii_whitespace() && **b != 0x1b).count();
    if odd as f64 > BINARY_SHARE * head.len() as f64 {
        return "is a binary file, not a log".into();
    }
    let with_names: [&dyn LogFormat; 2] = [&Json, &formats::csv::Csv];
    if let Some(what) = with_names.iter().find_map(|f| no_time(*f, lines, options).or_else(|| bad_time(*f, lines, options))) {
        return what;
    }
    let first = lines.first().map(|l| printable(l, EXAMPLE_CHARS)).unwrap_or_default();
    let all = formats::names().join(", ");
    let says = &options.wanted.says;
    let wanted = if says.is_empty() { String::new() } else { format!("; {says}") };
    format!("the format is not known (known: {all}); name it with --format, or its columns with --time and --map. First line: {first}{wanted}")
}

/// What to say when lines of this format have fields or columns, and none of them is the one that holds the time.
pub(super) fn no_time(format: &dyn LogFormat, lines: &[&[u8]], options: &ReadOptions) -> Option<String> {
    let names = format.names(lines);
    let has = |time: &str| names.iter().any(|n| n.eq_ignore_ascii_case(time));
    // One name alone may be any line of text, for all that CSV says.
    if names.len() < if format.part().name == "json" { 1 } else { 2 } {
        return None;
    }
    match &options.format_options.time_field {
        Some(time) if has(time) => None,
        Some(time) => Some(format!("no field or column is called `{time}`, which is to hold the time (--time); {}", instead_of(time, &names))),
        // A format with a time at a place of its own needs no name for it.
        None if format.part().name == "access_log" || TIME_FIELDS.iter().any(|t| has(t)) => None,
        None if format.part().name == "csv" => csv_without_time(lines, &names, options),
        None => Some(nameless("JSON lines with the fields", &names, None, options)),
    }
}

/// The same for lines of columns, if they are that and not prose with a comma in it.
fn csv_without_time(lines: &[&[u8]], names: &[String], options: &ReadOptions) -> Option<String> {
    let separator = separator_of(lines.first()?)?;
    let rows: Vec<Vec<String>> = lines.iter().skip(1).map(|l| header_names(l, separator)).collect();
    let even = rows.iter().filter(|r| r.len() == names.len()).count();
    if rows.is_empty() || (even as f64) < CSV_SHARE * rows.len() as f64 {
        return None;
    }
    let is_value = |n: &String| n.parse::<f64>().is_ok() || parse_time(n).is_some();
    if names.iter().any(is_value) {
        let first = lines.first().map(|l| printable(l, EXAMPLE_CHARS)).unwrap_or_default();
        return Some(format!("looks like CSV without a header: its first line is values ({first}); put a line with the names of the columns there"));
    }
    let first = rows.iter().find(|r| r.len() == names.len())?;
    // A time has more to it than a number: an amount is no epoch.
    let time = names.iter().zip(first).find(|(_, value)| value.parse::<f64>().is_err() && parse_time(value).is_some());
    Some(nameless("CSV with the columns", names, time.map(|(name, _)| name.as_str()), options))
}

fn nameless(what: &str, names: &[String], time: Option<&str>, options: &ReadOptions) -> String {
    let wanted = &options.wanted;
    let maps: Vec<String> =
        wanted.fields.iter().filter(|f| !names.contains(f)).filter_map(|f| Some(format!("--map {f}={}", plain(likely(f, names)?)))).collect();
    let listed = instead_of("", names);
    let listed = listed.trim_start_matches("there are: ");
    let known = TIME_FIELDS.iter().take(SHOWN_TIMES).copied().collect::<Vec<_>>().join(", ");
    let mut out = format!("looks like {what} {listed}; none of them is known as the time (known: {known}, ...): --time NAME says which one it is");
    if !wanted.says.is_empty() {
        out.push_str(&format!("; {}", wanted.says));
    }
    let guesses: Vec<String> = time.map(|t| format!("--time {}", plain(t))).into_iter().chain(maps).collect();
    if !guesses.is_empty() {
        out.push_str(&format!("; did you mean {}?", guesses.join(" ")));
    }
    out
}

/// What to say when the field or column that holds the time is there, and nothing in it can be read.
fn bad_time(format: &dyn LogFormat, lines: &[&[u8]], options: &ReadOptions) -> Option<String> {
    let fields = Fields::default();
    let (mut batch, mut reader) = (EventBatch::new(&fields), format.reader(&fields, &options.format_options));
    let line = lines.iter().find(|l| matches!(reader.read(l, &mut batch), ReadLine::Problem("bad_time")))?;
    let name = options.format_options.time_field.as_ref().map_or_else(String::new, |t| format!(" in `{}`", plain(t)));
    let line = printable(line, EXAMPLE_CHARS);
    Some(format!(
        "no time can be read{name} (first: {line}); it has to be like 2026-01-31T12:00:00Z or the seconds of the epoch, --time NAME names another one"
    ))
}

/// A name from a file, safe to print.
fn plain(name: &str) -> String {
    printable(name.as_bytes(), EXAMPLE_CHARS)
}
