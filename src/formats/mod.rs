//! Formats: one line or document -> one log event. A line that cannot be read is a counted skip, never an error.
//!
//! To add one: one file, one line in [`CATALOGUE`].

pub mod access_log;
pub mod alike;
mod clock;
pub mod csv;
pub mod json;
mod paths;
mod targets;
mod words;

use crate::model::{EventBatch, Fields, Part};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadLine {
    /// An event was pushed.
    Event,
    /// The line carries no event and is not at fault (blank, comment, header).
    Nothing,
    /// The line could not be read; the word says why (`unparsed_line`, `bad_time`, ...).
    Problem(&'static str),
}

/// Options of a format that apply to a whole file or index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FormatOptions {
    /// Field that holds the time, where the format does not fix it.
    pub time_field: Option<String>,
    /// Renames: (name in the log, field name that jobs use).
    pub field_map: Vec<(String, String)>,
}

/// Reads lines of one file, in order. May keep what the file declared (CSV header), nothing else.
pub trait LineReader: Send {
    /// Reads a line without its end and pushes an event into the batch, or says why not.
    fn read(&mut self, line: &[u8], batch: &mut EventBatch) -> ReadLine;
}

/// A format of log lines.
pub trait LogFormat: Send + Sync {
    /// Name, description, example line.
    fn part(&self) -> Part;

    /// Share (0-1) of these first lines of a file that it can read.
    fn sniff(&self, lines: &[&[u8]], options: &FormatOptions) -> f64 {
        let fields = Fields::default();
        let (mut batch, mut reader) = (EventBatch::new(&fields), self.reader(&fields, options));
        let read: Vec<_> = lines.iter().map(|l| reader.read(l, &mut batch)).filter(|r| *r != ReadLine::Nothing).collect();
        read.iter().filter(|r| **r == ReadLine::Event).count() as f64 / read.len().max(1) as f64
    }

    /// What these first lines of a file call their fields: what to choose from when one that was named is not there.
    fn names(&self, lines: &[&[u8]]) -> Vec<String>;

    /// A reader that fills these fields.
    fn reader(&self, fields: &Fields, options: &FormatOptions) -> Box<dyn LineReader>;
}

/// Every format there is, the more specific first: where two read a file equally well the first one is taken.
pub const CATALOGUE: &[&dyn LogFormat] = &[&json::Json, &access_log::AccessLog, &csv::Csv];

/// Smallest share of the first lines that a format has to read to be taken.
const MIN_SHARE: f64 = 0.2;

/// The format that reads most of the first lines of a file, if one reads enough of them.
pub fn detect(lines: &[&[u8]], options: &FormatOptions) -> Option<&'static dyn LogFormat> {
    let mut best: Option<(&'static dyn LogFormat, f64)> = None;
    for format in CATALOGUE {
        let share = format.sniff(lines, options);
        if share >= MIN_SHARE && best.is_none_or(|(_, b)| share > b) {
            best = Some((*format, share));
        }
    }
    best.map(|(format, _)| format)
}

/// Names that are taken for the time when none is named.
pub const TIME_FIELDS: &[&str] = &paths::TIME_FIELDS;

/// The format of a name, or which ones there are.
pub fn by_name(name: &str) -> Result<&'static dyn LogFormat, String> {
    let found = CATALOGUE.iter().find(|f| f.part().name == name).copied();
    found.ok_or_else(|| format!("there is no format `{name}`; there are: {}", names().join(", ")))
}

/// Names of all formats.
pub fn names() -> Vec<&'static str> {
    CATALOGUE.iter().map(|f| f.part().name).collect()
}
