//! Formats: one line or document -> one log event. A line that cannot be read is a counted skip, never an error.
//!
//! To add one: one file, one line in [`CATALOGUE`].

pub mod access_log;
mod clock;
mod targets;

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
    fn sniff(&self, lines: &[&[u8]]) -> f64;

    /// A reader that fills these fields.
    fn reader(&self, fields: &Fields, options: &FormatOptions) -> Box<dyn LineReader>;
}

/// Every format there is, the more specific first: where two read a file equally well the first one is taken.
pub const CATALOGUE: &[&dyn LogFormat] = &[&access_log::AccessLog];
