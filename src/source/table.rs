//! Rows of many features: one table to learn from, one to score; each is a bucket, its rows are the entities.

use std::path::Path;
use std::sync::Arc;

use super::columns::{Columns, cell};
use super::files::open::InputError;
use super::{FetchStats, Fetched, Source, SourceError};
use crate::model::problem::counted;
use crate::model::time::DAY_MS;
use crate::model::{Bucket, Job, Problems, Window};

/// Share of the filled cells that have to be numbers for a column to count as numeric.
const NUMERIC_SHARE: f64 = 0.5;
/// What the keys of rows to learn from begin with; rows to score are named by their number alone.
const TRAIN_PREFIX: &str = "train:";

/// The window of the table to learn from.
pub const TRAIN_WINDOW: Window = Window { start_ms: 0, end_ms: DAY_MS };
/// The window of the table to score.
pub const TEST_WINDOW: Window = Window { start_ms: DAY_MS, end_ms: 2 * DAY_MS };

/// Numbers of a CSV file, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub names: Vec<String>,
    /// `columns[c][row]`, `NaN` where the cell is no number.
    pub columns: Vec<Vec<f64>>,
    /// Filled cells per column that are no number.
    texts: Vec<usize>,
    /// What breaks the file off, if anything does.
    pub failure: Option<InputError>,
}

impl Table {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let mut file = Columns::open(path)?;
        let width = file.names.len();
        let (mut columns, mut texts) = (vec![Vec::new(); width], vec![0; width]);
        let mut failure = None;
        loop {
            match file.next_record() {
                Ok(Some(record)) => {
                    for (c, column) in columns.iter_mut().enumerate() {
                        let x = cell(record, c);
                        texts[c] += usize::from(x.is_nan() && record.get(c).is_some_and(|t| !t.is_empty()));
                        column.push(x);
                    }
                }
                Ok(None) => break,
                Err(what) => {
                    let rows = counted(columns.first().map_or(0, Vec::len) as u64, "row before that was used", "rows before that were used");
                    failure = Some(InputError::useless(path, format!("{what}; the {rows}")));
                    break;
                }
            }
        }
        if columns.first().is_none_or(Vec::is_empty) {
            return Err(failure.unwrap_or_else(|| InputError::useless(path, "has a header but no rows")));
        }
        Ok(Self { names: file.names, columns, texts, failure })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    fn is_numeric(&self, c: usize) -> bool {
        let numbers = self.columns[c].iter().filter(|x| !x.is_nan()).count();
        numbers > 0 && numbers as f64 >= NUMERIC_SHARE * (numbers + self.texts[c]) as f64
    }

    /// Numeric columns that the other table has too, or what is wrong.
    pub fn common(&self, other: &Self) -> Result<Vec<String>, String> {
        let shared = |c: &usize| self.is_numeric(*c) && other.names.contains(&self.names[*c]);
        let names: Vec<String> = (0..self.names.len()).filter(shared).map(|c| self.names[c].clone()).collect();
        if names.is_empty() {
            return Err(format!("the tables have no numeric column in common (columns: {} and {})", self.names.join(", "), other.names.join(", ")));
        }
        Ok(names)
    }

    /// Columns of either table that are in no comparison, and why.
    pub fn left_out(&self, other: &Self) -> Vec<(String, &'static str)> {
        let of_mine = |(c, name): (usize, &String)| match (self.is_numeric(c), other.names.contains(name)) {
            (true, true) => None,
            (true, false) => Some((name.clone(), "only the table to learn from has it")),
            (false, _) => Some((name.clone(), "it holds no numbers to learn from")),
        };
        let mine = self.names.iter().enumerate().filter_map(of_mine);
        let theirs = other.names.iter().filter(|n| !self.names.contains(n)).map(|n| (n.clone(), "the table to learn from does not have it"));
        mine.chain(theirs).collect()
    }

    fn bucket(&self, names: &[String], window: Window, prefix: &str) -> Bucket {
        let mut bucket = Bucket::empty(window.start_ms, window.len_ms(), 0, 0);
        for row in 0..self.rows() {
            bucket.keys.push(format!("{prefix}{row}").as_bytes());
        }
        bucket.doc_counts = vec![1; self.rows()];
        bucket.imputed = vec![false; self.rows()];
        let absent = || vec![f64::NAN; self.rows()];
        bucket.columns = names.iter().map(|n| self.names.iter().position(|m| m == n).map_or_else(absent, |c| self.columns[c].clone())).collect();
        bucket.canonical()
    }
}

/// Hands the two tables out.
pub struct TableSource {
    train: Option<Bucket>,
    test: Option<Bucket>,
}

impl TableSource {
    /// A source for a job with one feature per column, in this order. What the names of rows to score begin with tells those of
    /// several tables apart.
    pub fn new(job: &Arc<Job>, train: &Table, test: &Table, prefix: &str) -> Self {
        let names: Vec<String> = job.features.iter().map(|f| f.name.clone()).collect();
        Self { train: Some(train.bucket(&names, TRAIN_WINDOW, TRAIN_PREFIX)), test: Some(test.bucket(&names, TEST_WINDOW, prefix)) }
    }
}

#[async_trait::async_trait]
impl Source for TableSource {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        let bucket = if window == TRAIN_WINDOW { self.train.take() } else { self.test.take() };
        let buckets: Vec<Bucket> = bucket.into_iter().collect();
        let documents = buckets.iter().map(|b| b.rows() as u64).sum();
        Ok(Fetched { buckets, stats: FetchStats { strategy: "file".into(), documents, ..FetchStats::default() }, problems: Problems::default() })
    }

    async fn sample(&mut self, _: &[u8], _: Window, _: usize) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeatureSpec;

    fn table(text: &str) -> Table {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Table::read(file.path()).unwrap()
    }

    #[test]
    fn numeric_columns_of_both_tables_become_features_and_rows_entities() {
        let train = table("a,name,b,only\n1,x,2,1\n3,y,,1\n");
        let test = table("b,a,name\n5,6,z\n");
        assert_eq!(train.common(&test).unwrap(), ["a", "b"]);
        let left_out: Vec<String> = train.left_out(&table("c,a\n5,6\n")).into_iter().map(|(c, why)| format!("{c}: {why}")).collect();
        assert_eq!(
            left_out,
            [
                "name: it holds no numbers to learn from",
                "b: only the table to learn from has it",
                "only: only the table to learn from has it",
                "c: the table to learn from does not have it"
            ]
        );
        let spec = |n: &str| FeatureSpec { name: n.into(), kind: "mean".into(), field: Some(n.into()), ..FeatureSpec::default() };
        let job = Arc::new(Job { features: vec![spec("a"), spec("b")], ..Job::default() });
        let mut source = TableSource::new(&job, &train, &test, "");
        let b = futures::executor::block_on(source.fetch(TEST_WINDOW)).unwrap().buckets.remove(0);
        assert_eq!((b.rows(), b.keys.get(0), b.value(0, 0), b.value(1, 0)), (1, &b"0"[..], 6.0, 5.0));
        assert_eq!(futures::executor::block_on(source.fetch(TRAIN_WINDOW)).unwrap().stats.documents, 2);
        assert!(table("x\n1\n").common(&table("y\n1\n")).is_err());
    }
}
