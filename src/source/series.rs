//! One metric over time: every row of a CSV file is a bucket of one row, in the order of the file.
//!
//! Buckets must follow each other in time, rows need not: a time stamp that comes twice or goes backwards (a clock that was
//! put back) is moved to one millisecond after the row before, and nothing is left out.

use std::path::Path;

use super::columns::{Columns, check_width, number};
use super::files::open::InputError;
use super::{FetchStats, Fetched, Source, SourceError};
use crate::features::extract::FeatureSet;
use crate::features::gather::Gather;
use crate::features::{Hit, RowTotals};
use crate::model::problem::{counted, instead_of, printable};
use crate::model::time::parse_time;
use crate::model::{Bucket, EventBatch, Job, Problems, Window};

/// Rows by which the usual distance between two samples is found.
const LOOK_AHEAD: usize = 200;
/// Columns that may hold the time when none is named.
const TIME_COLUMNS: [&str; 6] = ["timestamp", "@timestamp", "time", "date", "datetime", "ts"];

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Number of the data row, from 0.
    pub row: u64,
    /// The time as it stands in the file.
    pub timestamp: String,
    /// The time; `None` when it does not parse.
    pub time_ms: Option<i64>,
    /// The value; `NaN` when there is none.
    pub value: f64,
}

/// The samples of a file, all read: a metric of years is a few megabytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// In the order of the file.
    pub samples: Vec<Sample>,
    /// Usual distance between two samples, milliseconds.
    pub interval_ms: i64,
    /// What breaks the file off, if anything does.
    pub failure: Option<InputError>,
    /// What is amiss with rows, counted: no value, text for a number, columns too many or too few, a time that cannot be read or goes back.
    pub problems: Problems,
}

impl Samples {
    /// Reads a file; columns by name, or found when not named.
    pub fn read(path: &Path, time: Option<&str>, value: Option<&str>) -> Result<Self, InputError> {
        let mut columns = Columns::open(path)?;
        let named = |name: &str| columns.find(name).ok_or_else(|| no_column(path, name, &columns.names));
        let time = match time {
            Some(name) => named(name)?,
            None => TIME_COLUMNS.iter().find_map(|n| columns.find(n)).ok_or_else(|| no_column(path, "timestamp", &columns.names))?,
        };
        let value = match (value, columns.find("value")) {
            (Some(name), _) => named(name)?,
            (None, Some(column)) => column,
            (None, None) if columns.names.len() == 2 => 1 - time.min(1),
            (None, None) => return Err(no_column(path, "value", &columns.names)),
        };
        let (mut samples, mut failure, mut problems) = (Vec::<Sample>::new(), None, Problems::default());
        let (width, mut newest_ms) = (columns.names.len(), i64::MIN);
        loop {
            match columns.next_record() {
                Ok(Some(record)) => {
                    let timestamp = String::from_utf8_lossy(record.get(time).unwrap_or_default()).into_owned();
                    let (row, time_ms) = (samples.len(), parse_time(&timestamp));
                    check_width(record, row, width, &mut problems);
                    let value = number(record, value, &mut problems, || format!("row {row}"));
                    match time_ms {
                        None => problems.add("bad_time", || format!("row {row}: `{timestamp}`")),
                        Some(t) if t < newest_ms => {
                            let shown = printable(timestamp.as_bytes(), 60);
                            problems.add("time_goes_back", || format!("row {row}: `{shown}`; rows are judged as they stand, sort them by time"));
                        }
                        Some(_) => {}
                    }
                    newest_ms = time_ms.map_or(newest_ms, |t| t.max(newest_ms));
                    samples.push(Sample { row: row as u64, timestamp, time_ms, value });
                }
                Ok(None) => break,
                Err(what) => {
                    failure = Some(InputError::useless(
                        path,
                        format!("{what}; the {}", counted(samples.len() as u64, "row before that was used", "rows before that were used")),
                    ));
                    break;
                }
            }
        }
        if samples.is_empty() {
            return Err(failure.unwrap_or_else(|| InputError::useless(path, "has a header but no rows")));
        }
        if samples.iter().all(|s| s.time_ms.is_none()) {
            let first = samples.first().map(|s| s.timestamp.clone()).unwrap_or_default();
            let name = &columns.names[time];
            return Err(InputError::useless(path, format!("no time of column `{name}` can be read (first: `{first}`)")));
        }
        if let Some(bad) = problems.list().iter().find(|p| p.kind == "bad_value")
            && samples.iter().all(|s| s.value.is_nan())
        {
            let name = &columns.names[value];
            return Err(InputError::useless(path, format!("no number of column `{name}` can be read (first: {})", bad.example)));
        }
        let interval_ms = interval(&samples);
        Ok(Self { samples, interval_ms, failure, problems })
    }
}

fn no_column(path: &Path, name: &str, names: &[String]) -> InputError {
    let all = instead_of(name, names);
    InputError::useless(path, format!("has no column `{name}` ({all}); name the time with --time and the value with --value"))
}

/// The usual distance between neighbours: the median of those that go forward, at the start of the file.
fn interval(samples: &[Sample]) -> i64 {
    let times: Vec<i64> = samples.iter().filter_map(|s| s.time_ms).take(LOOK_AHEAD).collect();
    let mut steps: Vec<i64> = times.windows(2).map(|w| w[1].saturating_sub(w[0])).filter(|d| *d > 0).collect();
    steps.sort_unstable();
    steps.get(steps.len().saturating_sub(1) / 2).copied().unwrap_or(60_000)
}

/// Hands the samples out, one bucket each.
pub struct SeriesSource {
    entity: String,
    set: FeatureSet,
    buckets: Vec<(i64, i64)>,
    values: Vec<f64>,
    next: usize,
    problems: Problems,
}

impl SeriesSource {
    /// A source for a job whose numeric features read the one field `field`; `entity` is the series' name, by which its findings are told
    /// from those of another one.
    pub fn new(job: &Job, field: &str, entity: &str, samples: &Samples) -> Result<Self, String> {
        let set = FeatureSet::new(job)?;
        if let Some((other, _)) = set.fields.iter().find(|(name, _)| *name != field) {
            return Err(format!("a series has the one field `{field}`, and job `{}` reads `{other}`", job.id));
        }
        let values = samples.samples.iter().map(|s| s.value).collect();
        Ok(Self { entity: entity.to_owned(), set, buckets: place(samples), values, next: 0, problems: samples.problems.clone() })
    }

    /// The window of every sample, in order.
    pub fn windows(&self) -> Vec<Window> {
        self.buckets.iter().map(|&(start, span)| Window::new(start, start + span)).collect()
    }

    fn bucket(&self, row: usize) -> Bucket {
        let (start_ms, span_ms) = self.buckets[row];
        let mut batch = EventBatch::new(&self.set.fields);
        for (column, _) in self.set.fields.iter().enumerate() {
            batch.set_number(column, self.values[row]);
        }
        batch.push(start_ms);
        let totals = RowTotals { doc_counts: &[1], start_ms, span_ms };
        let mut bucket = Bucket::empty(start_ms, span_ms, 0, 0);
        bucket.keys.push(self.entity.as_bytes());
        bucket.doc_counts.push(1);
        bucket.imputed.push(false);
        let mut gather = Gather::new(&self.set.numeric, &[], &self.set.fields);
        gather.add(&batch, &[Hit { event: 0, row: 0 }], 1);
        bucket.columns = gather.finish(&self.set.numeric, &mut [], totals);
        bucket
    }
}

/// Start and width of each sample's bucket: its own time where that goes forward, else just behind the one before.
fn place(samples: &Samples) -> Vec<(i64, i64)> {
    let interval = samples.interval_ms.max(1);
    let mut starts: Vec<i64> = Vec::with_capacity(samples.samples.len());
    for s in &samples.samples {
        let earliest = starts.last().map_or(i64::MIN, |p| p + 1);
        let guess = || starts.last().map_or(0, |p| p.saturating_add(interval));
        starts.push(s.time_ms.unwrap_or_else(guess).max(earliest).min(i64::MAX / 4));
    }
    let width = |i: usize| starts.get(i + 1).map_or(interval, |next| (next - starts[i]).clamp(1, interval));
    (0..starts.len()).map(|i| (starts[i], width(i))).collect()
}

#[async_trait::async_trait]
impl Source for SeriesSource {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        let mut buckets = Vec::new();
        while let Some(&(start, _)) = self.buckets.get(self.next).filter(|(start, _)| *start < window.end_ms) {
            if start >= window.start_ms {
                buckets.push(self.bucket(self.next));
            }
            self.next += 1;
        }
        let stats = FetchStats { strategy: "file".into(), documents: buckets.len() as u64, ..FetchStats::default() };
        Ok(Fetched { buckets, stats, problems: std::mem::take(&mut self.problems) })
    }

    async fn sample(&mut self, _: &[u8], _: Window, _: usize) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeatureSpec;

    fn samples(text: &str) -> Result<Samples, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Samples::read(file.path(), None, None).map_err(|e| e.message)
    }

    #[test]
    fn every_row_is_a_bucket_whatever_its_time() {
        let text = "timestamp,value\n1970-01-01 00:00:00,1\n1970-01-01 00:05:00,2\n1970-01-01 00:05:00,x\nsoon,4\n1970-01-01 00:00:00,5\n1970-01-01 01:00:00,6\n";
        let s = samples(text).unwrap();
        let at = place(&s);
        assert_eq!(s.interval_ms, 300_000);
        assert_eq!(at, [(0, 300_000), (300_000, 1), (300_001, 300_000), (600_001, 1), (600_002, 300_000), (3_600_000, 300_000)]);
        let mean = FeatureSpec { name: "value".into(), kind: "mean".into(), field: Some("value".into()), ..FeatureSpec::default() };
        let mut source = SeriesSource::new(&Job { features: vec![mean], ..Job::default() }, "value", "cpu", &s).unwrap();
        let mut values = Vec::new();
        for window in source.windows() {
            let fetched = futures::executor::block_on(source.fetch(window)).unwrap();
            assert_eq!(fetched.buckets.len(), 1);
            values.push(fetched.buckets[0].value(0, 0));
        }
        assert!(values[2].is_nan());
        assert_eq!([values[0], values[1], values[3], values[4], values[5]], [1.0, 2.0, 4.0, 5.0, 6.0]);
        assert_eq!(s.samples[3].timestamp, "soon");
        let amiss = |text: &str| {
            samples(text).unwrap().problems.list().iter().map(|p| format!("{} x {}: {}", p.count, p.kind, p.example)).collect::<Vec<_>>()
        };
        let goes_back = "1 x time_goes_back: row 4: `1970-01-01 00:00:00`; rows are judged as they stand, sort them by time";
        assert_eq!(amiss(text), ["1 x bad_time: row 3: `soon`", "1 x bad_value: row 2: `x`", goes_back]);
        let ragged = ["2 x absent_value: row 1: ``", "1 x bad_value: row 2: `inf`", "1 x wrong_columns: row 1: 1 for a header of 2"];
        assert_eq!(amiss("timestamp,value\n1,1\n2\n3,inf\n4,NaN\n"), ragged);
    }

    #[test]
    fn what_is_no_series_says_why() {
        assert!(samples("timestamp,value\n").unwrap_err().contains("no rows"));
        assert!(samples("a,b,c\n1,2,3\n").unwrap_err().contains("no column `timestamp`"));
        assert!(samples("timestamp,a,b\n1,2,3\n").unwrap_err().contains("no column `value`"));
        assert!(samples("timestamp,vale,b\n1,2,3\n").unwrap_err().contains("(there are: timestamp, vale, b; did you mean `vale`?)"));
        assert!(samples("timestamp,value\nsoon,1\nlater,2\n").unwrap_err().contains("no time of column"));
        assert!(
            samples("timestamp;value\n1;10844,5\n2;n/a\n").unwrap_err().contains("no number of column `value` can be read (first: row 0: `10844,5`)")
        );
        assert_eq!(samples("timestamp,value\n1,\n2,NaN\n").unwrap().problems.count("absent_value"), 2, "what is absent is counted and no mistake");
        assert_eq!(samples("temp,time\n5,1\n").unwrap().samples[0].value, 5.0);
    }
}
