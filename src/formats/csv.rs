//! Lines of separated columns with a header: comma, semicolon, tab or bar.

use super::clock::{Clock, epoch_any};
use super::paths::time_fields;
use super::targets::{Target, number_of};
use super::{FormatOptions, LineReader, LogFormat, ReadLine};
use crate::model::{EventBatch, Fields, Part};

/// The format.
pub struct Csv;

/// Separators, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

impl LogFormat for Csv {
    fn part(&self) -> Part {
        Part {
            name: "csv",
            description: "Columns separated by comma, semicolon, tab or bar, named by a header line.",
            example: "timestamp,source.ip,bytes",
        }
    }

    fn names(&self, lines: &[&[u8]]) -> Vec<String> {
        lines.first().and_then(|line| Some(header_names(line, separator_of(line)?))).unwrap_or_default()
    }

    fn reader(&self, fields: &Fields, options: &FormatOptions) -> Box<dyn LineReader> {
        let fields = fields.clone();
        Box::new(Reader { fields, options: options.clone(), header: None, clock: Clock::default(), scratch: Vec::new() })
    }
}

struct Reader {
    fields: Fields,
    options: FormatOptions,
    header: Option<Header>,
    clock: Clock,
    scratch: Vec<u8>,
}

struct Header {
    separator: u8,
    columns: Vec<Target>,
    time: usize,
}

impl LineReader for Reader {
    fn read(&mut self, line: &[u8], batch: &mut EventBatch) -> ReadLine {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            return ReadLine::Nothing;
        }
        let Some(header) = &self.header else {
            let header = Header::new(line, &self.fields, &self.options);
            let read = if header.is_some() { ReadLine::Nothing } else { ReadLine::Problem("no_header") };
            self.header = header;
            return read;
        };
        let mut time = None;
        let mut columns = 0;
        let whole = split(line, header.separator, &mut self.scratch, |i, value| {
            columns = i + 1;
            if i == header.time {
                time = Some(self.clock.parse(value).or_else(|| epoch_any(number_of(value))));
            }
            let target = header.columns.get(i).copied().unwrap_or_default();
            if target.is_wanted() && !value.is_empty() {
                target.text(batch, value);
            }
        });
        match time.flatten() {
            Some(time_ms) if whole && columns == header.columns.len() => {
                batch.push(time_ms);
                ReadLine::Event
            }
            other => {
                batch.discard();
                let is_whole = whole && columns == header.columns.len();
                ReadLine::Problem(if other.is_none() && is_whole { "bad_time" } else { "wrong_columns" })
            }
        }
    }
}

impl Header {
    /// The header, when the line is one: several columns, one of them the time, none of them a number.
    fn new(line: &[u8], fields: &Fields, options: &FormatOptions) -> Option<Self> {
        let separator = separator_of(line)?;
        let names = header_names(line, separator);
        let time = time_fields(options).into_iter().find_map(|t| names.iter().position(|n| n.eq_ignore_ascii_case(t)))?;
        if names.iter().any(|n| number_of(n.as_bytes()).is_finite()) {
            return None;
        }
        let columns = names.iter().map(|n| Target::mapped(&[n.as_str()], fields, options)).collect();
        Some(Self { separator, columns, time })
    }
}

/// The separator that a header line uses, if it has more than one column.
pub fn separator_of(header: &[u8]) -> Option<u8> {
    let count = |s: u8| memchr::memchr_iter(s, header).count();
    SEPARATORS.into_iter().max_by_key(|&s| (count(s), s == b',')).filter(|&s| count(s) > 0)
}

/// Names of the columns of a header line.
pub fn header_names(line: &[u8], separator: u8) -> Vec<String> {
    let mut names = Vec::new();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    split(line, separator, &mut Vec::new(), |_, name| names.push(String::from_utf8_lossy(name.trim_ascii()).into_owned()));
    names
}

/// Calls `column` with the number and the value of each column, quotes taken off (RFC 4180); false when a quote is not closed.
pub fn split(line: &[u8], separator: u8, scratch: &mut Vec<u8>, mut column: impl FnMut(usize, &[u8])) -> bool {
    let (mut rest, mut i) = (line, 0);
    loop {
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            scratch.clear();
            let mut from = 0;
            loop {
                let Some(at) = memchr::memchr(b'"', &quoted[from..]).map(|a| from + a) else { return false };
                scratch.extend_from_slice(&quoted[from..at]);
                from = at + 1;
                if quoted.get(from) != Some(&b'"') {
                    break;
                }
                scratch.push(b'"');
                from += 1;
            }
            // What stands between the closing quote and the separator belongs to no rule; it is kept.
            let end = memchr::memchr(separator, &quoted[from..]).map(|a| from + a);
            scratch.extend_from_slice(&quoted[from..end.unwrap_or(quoted.len())]);
            column(i, scratch);
            let Some(end) = end else { return true };
            rest = &quoted[end + 1..];
        } else {
            let end = memchr::memchr(separator, rest);
            column(i, &rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { return true };
            rest = &rest[end + 1..];
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldKind;

    fn read(lines: &[&str], options: &FormatOptions) -> Vec<String> {
        let mut fields = Fields::default();
        fields.request("user", FieldKind::Keyword);
        fields.request("bytes", FieldKind::Number);
        let mut batch = EventBatch::new(&fields);
        let mut reader = Csv.reader(&fields, options);
        let mut word = |line: &&str| match reader.read(line.as_bytes(), &mut batch) {
            ReadLine::Event => {
                let i = batch.len() - 1;
                let user = batch.keywords(0).and_then(|k| k.get(i)).map_or("-".into(), |v| String::from_utf8_lossy(v).into_owned());
                format!("{} {user} {}", batch.time_ms[i], batch.numbers(1)[i])
            }
            ReadLine::Nothing => "nothing".into(),
            ReadLine::Problem(word) => word.into(),
        };
        lines.iter().map(&mut word).collect()
    }

    #[test]
    fn columns_are_read_by_name_with_quotes_and_gaps() {
        let o = FormatOptions::default();
        let got = read(&["Timestamp,user,bytes", "1,\"a \"\"b\"\", c\",5\r", "1970-01-01 00:00:02,,x", "", "3,d", "soon,e,1", "4,\"open,1"], &o);
        assert_eq!(got, ["nothing", "1000 a \"b\", c 5", "2000 - NaN", "nothing", "wrong_columns", "bad_time", "wrong_columns"]);
    }

    #[test]
    fn other_separators_and_mapped_names() {
        let o = FormatOptions { time_field: Some("when".into()), field_map: vec![("who".into(), "user".into())] };
        assert_eq!(read(&["who;when;bytes", "a;1;2"], &o), ["nothing", "1000 a 2"]);
        assert_eq!(read(&["when\twho", "1\tb"], &o), ["nothing", "1000 b NaN"]);
        assert_eq!(read(&["just a line", "x,y"], &o), ["no_header", "no_header"]);
    }
}
