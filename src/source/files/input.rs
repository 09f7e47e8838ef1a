//! One file on its way: opened, its format found, read batch by batch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::lines::{Lines, MAX_LINE_BYTES, Next};
use super::open::{InputError, Packing, STDIN, open, words};
use super::strange;
use crate::formats::{self, FormatOptions, LineReader, LogFormat, ReadLine};
use crate::model::problem::{counted, printable};
use crate::model::{EventBatch, Fields, Problems};

/// Events after which a batch is handed on: its columns still fit the second-level cache.
const BATCH_EVENTS: usize = 8_192;
/// Text after which a batch is handed on.
const BATCH_TEXT_BYTES: usize = 16 * 1024 * 1024;
/// Lines at the start of a file by which its format is found.
const SNIFF_LINES: usize = 100;
/// Characters of a line that an example shows.
pub(super) const EXAMPLE_CHARS: usize = 120;

/// How files are to be read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Name of the format, when it is not to be found by looking.
    pub format: Option<String>,
    /// Options of the format.
    pub format_options: FormatOptions,
    /// What is looked for in them.
    pub wanted: Wanted,
}

/// What is looked for in files: said where a file cannot be understood.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Fields, the most needed first.
    pub fields: Vec<String>,
    /// A sentence about them.
    pub says: String,
}

/// One file on its way.
pub struct Input {
    path: PathBuf,
    format: &'static dyn LogFormat,
    /// What its first lines call their fields.
    pub names: Vec<String>,
    lines: Option<Lines>,
    reader: Option<Box<dyn LineReader>>,
    packing: Packing,
    is_done: bool,
    line_number: u64,
    events: u64,
    first_problem: Option<String>,
    /// Where in time the file has been read to, by the middle of its last batch; `i64::MIN` when nothing is known.
    pub time_ms: i64,
}

/// What became of a batch.
pub struct Read {
    /// Lines that were read.
    pub lines: u64,
    /// What is wrong with the file as a whole, said once, at its end.
    pub failure: Option<InputError>,
}

impl Input {
    /// Opens a file, finds its format and the time at which it begins.
    pub fn new(path: &Path, options: &ReadOptions, bytes: &Arc<AtomicU64>) -> Result<Self, InputError> {
        let opened = open(path, bytes)?;
        let mut lines = Lines::new(opened.bytes);
        let (format, names, time_ms) = look(path, lines.peek(SNIFF_LINES), options)?;
        lines.skip_bom();
        let packing = opened.packing;
        let (lines, reader) = (Some(lines), None);
        let path = path.to_owned();
        Ok(Self { path, format, names, lines, reader, packing, is_done: false, line_number: 0, events: 0, first_problem: None, time_ms })
    }

    /// Closes the file for now, so that a thousand files are not open at once; standard input stays open.
    pub fn rest(&mut self) {
        if self.path.as_os_str() != STDIN {
            self.lines = None;
        }
    }

    /// True when everything was read.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of its format.
    pub fn format(&self) -> &'static str {
        self.format.part().name
    }

    /// True when a line can be read again by its place.
    pub fn is_seekable(&self) -> bool {
        self.packing == Packing::Plain && self.path.as_os_str() != STDIN
    }

    /// Reads the next batch; `places` gets the place of each event's line in the unpacked file.
    pub fn read(
        &mut self,
        batch: &mut EventBatch,
        places: &mut Vec<u64>,
        fields: &Fields,
        options: &ReadOptions,
        problems: &mut Problems,
        bytes: &Arc<AtomicU64>,
    ) -> Read {
        let before = self.line_number;
        let failure = match self.lines.take() {
            Some(lines) => self.read_lines(lines, batch, places, fields, options, problems),
            None => match open(&self.path, bytes) {
                Ok(opened) => {
                    let mut lines = Lines::new(opened.bytes);
                    lines.peek(1);
                    lines.skip_bom();
                    self.read_lines(lines, batch, places, fields, options, problems)
                }
                Err(e) => {
                    self.is_done = true;
                    problems.add("unreadable_file", || e.message.clone());
                    Some(e)
                }
            },
        };
        self.events += batch.len() as u64;
        let failure = failure.or_else(|| self.verdict());
        Read { lines: self.line_number - before, failure }
    }

    fn read_lines(
        &mut self,
        mut lines: Lines,
        batch: &mut EventBatch,
        places: &mut Vec<u64>,
        fields: &Fields,
        options: &ReadOptions,
        problems: &mut Problems,
    ) -> Option<InputError> {
        let mut reader = self.reader.take().unwrap_or_else(|| self.format.reader(fields, &options.format_options));
        let stop = self.line_number + 4 * BATCH_EVENTS as u64;
        while batch.len() < BATCH_EVENTS && self.line_number < stop {
            let (word, example) = match lines.next_line() {
                Next::Line(line, at) => {
                    self.line_number += 1;
                    match reader.read(line, batch) {
                        ReadLine::Event => {
                            places.push(at);
                            if line.len() > BATCH_TEXT_BYTES / 64 && batch.text_bytes() > BATCH_TEXT_BYTES {
                                break;
                            }
                            continue;
                        }
                        ReadLine::Nothing => continue,
                        ReadLine::Problem(word) => (word, printable(line, EXAMPLE_CHARS)),
                    }
                }
                Next::TooLong(_) => {
                    self.line_number += 1;
                    ("line_too_long", format!("longer than {} MiB", MAX_LINE_BYTES >> 20))
                }
                Next::End => {
                    self.is_done = true;
                    return None;
                }
                Next::Broken(e) => {
                    self.is_done = true;
                    let failure = self.broken(&e);
                    problems.add("truncated_file", || failure.message.clone());
                    return Some(failure);
                }
            };
            let place = || format!("{}:{}: {example}", self.path.display(), self.line_number);
            if self.first_problem.is_none() {
                self.first_problem = Some(format!("{word} in line {}: {example}", self.line_number));
            }
            problems.add(word, place);
        }
        self.lines = Some(lines);
        self.reader = Some(reader);
        None
    }

    fn broken(&self, e: &std::io::Error) -> InputError {
        let packing = match self.packing {
            Packing::Gzip => "gzip data",
            Packing::Zstd => "zstd data",
            Packing::Plain => "file",
        };
        let how = if e.kind() == std::io::ErrorKind::UnexpectedEof {
            "ends too early (truncated)".to_owned()
        } else {
            format!("is damaged ({})", words(e))
        };
        let used = counted(self.line_number, "whole line before that was used", "whole lines before that were used");
        InputError::useless(&self.path, format!("the {packing} {how}; the {used}"))
    }

    /// What is wrong with a file that gave no event.
    fn verdict(&self) -> Option<InputError> {
        if !self.is_done || self.events > 0 {
            return None;
        }
        let first = self.first_problem.as_deref().unwrap_or("there are only blank lines");
        Some(InputError::useless(&self.path, format!("no line could be read as {} ({first})", self.format())))
    }
}

/// The format of a file by its first bytes, the names of its fields, and the time of its first event (`i64::MIN` when that is
/// not among them).
fn look(path: &Path, head: &[u8], options: &ReadOptions) -> Result<(&'static dyn LogFormat, Vec<String>, i64), InputError> {
    if head.is_empty() {
        return Err(InputError::useless(path, "is empty"));
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let lines: Vec<&[u8]> = head.split(|&b| b == b'\n').filter(|l| !l.trim_ascii().is_empty()).take(SNIFF_LINES).collect();
    if lines.is_empty() {
        return Err(InputError::useless(path, "holds only blank lines"));
    }
    let format = match &options.format {
        Some(name) => formats::by_name(name).map_err(|what| InputError::useless(path, what))?,
        None => formats::detect(&lines, &options.format_options).ok_or_else(|| InputError::useless(path, strange::unknown(head, &lines, options)))?,
    };
    let names = format.names(&lines);
    let fields = Fields::default();
    let mut batch = EventBatch::new(&fields);
    let mut reader = format.reader(&fields, &options.format_options);
    let first = lines.iter().find_map(|l| matches!(reader.read(l, &mut batch), ReadLine::Event).then(|| batch.time_ms.first().copied()).flatten());
    match strange::no_time(format, &lines, options).filter(|_| first.is_none()) {
        Some(what) => Err(InputError::useless(path, what)),
        None => Ok((format, names, first.unwrap_or(i64::MIN))),
    }
}
