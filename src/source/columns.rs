//! CSV files as rows of columns with a header: what `series` and `table` read.

use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::files::open::{InputError, open};
use crate::formats::csv::separator_of;
use crate::model::Problems;
use crate::model::problem::printable;
use crate::model::time::parse_time;

/// Longest header line.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// A CSV file, its header read.
pub struct Columns {
    /// Names of the columns.
    pub names: Vec<String>,
    reader: csv::Reader<Box<dyn Read + Send>>,
    record: csv::ByteRecord,
}

impl Columns {
    /// Opens a file (plain, gzip, zstd, or `-`) and reads its header.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let opened = open(path, &Arc::new(AtomicU64::new(0)))?;
        let mut rest = BufReader::with_capacity(MAX_HEADER_BYTES, opened.bytes);
        let head = header_of(&mut rest).map_err(|e| InputError::missing(path, &e))?;
        if head.is_empty() {
            return Err(InputError::useless(path, "is empty"));
        }
        let odd = head.iter().filter(|b| b.is_ascii_control() && !b.is_ascii_whitespace()).count();
        if odd * 20 > head.len() {
            return Err(InputError::useless(path, "is a binary file, not CSV"));
        }
        let line = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_end().to_vec();
        // A file of one column has no separator; any will do.
        let separator = separator_of(&line).unwrap_or(b',');
        let bytes: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(rest));
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let header = reader.byte_headers().map_err(|e| InputError::useless(path, format!("its header cannot be read: {e}")))?;
        let names: Vec<String> = header.iter().map(|n| String::from_utf8_lossy(n).trim_start_matches('\u{feff}').to_owned()).collect();
        if names.iter().all(|n| n.parse::<f64>().is_ok() || parse_time(n).is_some()) {
            let line = printable(&line, 80);
            return Err(InputError::useless(path, format!("has no header: its first line is values ({line}); put the names of the columns there")));
        }
        Ok(Self { names, reader, record: csv::ByteRecord::new() })
    }

    /// Place of a column by name, whatever its case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name).or_else(|| self.names.iter().position(|n| n.eq_ignore_ascii_case(name)))
    }

    /// The next row, `None` at the end; an error when the file breaks off.
    pub fn next_record(&mut self) -> Result<Option<&csv::ByteRecord>, String> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(&self.record)),
            Ok(false) => Ok(None),
            Err(e) => Err(format!("the file is damaged or ends too early ({e})")),
        }
    }
}

/// The first line of a stream, however the stream hands it out; of a line without an end as much as a header may have.
fn header_of(bytes: &mut BufReader<Box<dyn Read + Send>>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    std::io::BufRead::read_until(&mut bytes.take(MAX_HEADER_BYTES as u64), b'\n', &mut line)?;
    Ok(line)
}

/// A finite number in a cell, or what is amiss with it, as a kind of problem: `absent_value` (empty, NaN or not there), `bad_value`.
fn cell(record: &csv::ByteRecord, column: usize) -> Result<f64, &'static str> {
    let text = record.get(column).filter(|c| !c.is_empty()).ok_or("absent_value")?;
    match std::str::from_utf8(text).ok().and_then(|t| t.parse::<f64>().ok()) {
        Some(x) if x.is_finite() => Ok(x),
        Some(x) if x.is_nan() => Err("absent_value"),
        _ => Err("bad_value"),
    }
}

/// A finite number in a cell; else `NaN`, and what is amiss is counted, at a place that the first of its kind names.
pub fn number(record: &csv::ByteRecord, column: usize, problems: &mut Problems, place: impl FnOnce() -> String) -> f64 {
    cell(record, column).unwrap_or_else(|kind| {
        problems.add(kind, || format!("{}: `{}`", place(), printable(record.get(column).unwrap_or_default(), 60)));
        f64::NAN
    })
}

/// Counts a row that has more or fewer cells than the header.
pub fn check_width(record: &csv::ByteRecord, row: usize, width: usize, problems: &mut Problems) {
    if record.len() != width {
        problems.add("wrong_columns", || format!("row {row}: {} for a header of {width}", record.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut c = Columns::open(file.path()).map_err(|e| e.message)?;
        let mut out = vec![c.names.join("/")];
        while let Some(r) = c.next_record()? {
            out.push(r.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect::<Vec<_>>().join("/"));
        }
        Ok(out)
    }

    #[test]
    fn rows_are_read_under_their_header() {
        assert_eq!(rows("a,b\n1,\"x\n,y\"\n\n2\n").unwrap(), ["a/b", "1/x\n,y", "2"]);
        assert_eq!(rows("\u{feff}a;b\r\n1 ;2\r\n").unwrap(), ["a/b", "1/2"]);
        assert_eq!(rows("value\n5\n").unwrap(), ["value", "5"]);
        assert_eq!(rows("timestamp;value\n1;2\n").unwrap(), ["timestamp/value", "1/2"], "a first name longer than what tells a packed file");
        assert_eq!(rows("\u{feff}response_time\tvalue\n1\t2\n").unwrap(), ["response_time/value", "1/2"]);
    }

    #[test]
    fn a_file_without_header_or_text_says_so() {
        assert!(rows("1,2\n3,4\n").unwrap_err().contains("no header"));
        assert!(rows("2026-03-01 00:00:00,11.288\n2026-03-01 00:01:00,11\n").unwrap_err().contains("(2026-03-01 00:00:00,11.288)"));
        assert!(rows("100000000,2\n3,4\n").unwrap_err().contains("(100000000,2)"));
        assert!(rows("").unwrap_err().contains("is empty"));
        assert!(rows("\0\u{1}\u{2}\u{3}").unwrap_err().contains("binary"));
        assert!(rows("letters\0\u{1}\u{2}\u{3}").unwrap_err().contains("binary"));
    }

    #[test]
    fn cells_that_are_no_number_are_absent() {
        let r = csv::ByteRecord::from(vec!["1e3", "", "NaN", "inf", "-0.5"]);
        let number = |c: usize| super::number(&r, c, &mut Problems::default(), String::new);
        assert_eq!((number(0), number(4)), (1000.0, -0.5));
        assert!([1, 2, 3, 9].iter().all(|&c| number(c).is_nan()));
        let r = csv::ByteRecord::from(vec!["1e3", "", "NaN", "inf", "x"]);
        let (absent, bad) = (Some("absent_value"), Some("bad_value"));
        assert_eq!([0, 1, 2, 3, 4, 9].map(|c| cell(&r, c).err()), [None, absent, absent, bad, bad, absent]);
    }
}
