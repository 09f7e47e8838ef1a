//! Rows of many features: one table to learn from, one to score; each is a bucket, its rows are the entities.

use std::path::Path;
use std::sync::Arc;

use super::columns::{Columns, check_width, number};
use super::files::open::InputError;
use super::{FetchStats, Fetched, Source, SourceError};
use crate::model::problem::counted;
use crate::model::time::DAY_MS;
use crate::model::{Bucket, Job, Problems, Window};

/// Share of the filled cells that have to be numbers for a column to count as numeric.
const NUMERIC_SHARE: f64 = 0.5;
/// Fewer rows to learn from are worth a word.
const FEW_ROWS: usize = 100;
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
    /// What is amiss with the cells of each column, counted.
    amiss: Vec<Problems>,
    /// Rows with more or fewer cells than the header.
    ragged: Problems,
    /// What breaks the file off, if anything does.
    pub failure: Option<InputError>,
}

impl Table {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let mut file = Columns::open(path)?;
        let width = file.names.len();
        let (mut columns, mut amiss, mut ragged) = (vec![Vec::new(); width], vec![Problems::default(); width], Problems::default());
        let (mut failure, names) = (None, file.names.clone());
        loop {
            match file.next_record() {
                Ok(Some(record)) => {
                    let row = columns.first().map_or(0, Vec::len);
                    check_width(record, row, width, &mut ragged);
                    for (c, (column, amiss)) in columns.iter_mut().zip(&mut amiss).enumerate() {
                        column.push(number(record, c, amiss, || format!("row {row}, column `{}`", names[c])));
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
        Ok(Self { names, columns, amiss, ragged, failure })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    fn is_numeric(&self, c: usize) -> bool {
        let numbers = self.columns[c].iter().filter(|x| !x.is_nan()).count();
        numbers > 0 && numbers as f64 >= NUMERIC_SHARE * (numbers as u64 + self.amiss[c].count("bad_value")) as f64
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

    /// What is amiss with rows and the cells of these columns.
    fn problems(&self, names: &[String]) -> Problems {
        let mut out = self.ragged.clone();
        self.names.iter().zip(&self.amiss).filter(|(name, _)| names.contains(name)).for_each(|(_, amiss)| out.merge(amiss.clone()));
        out
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
    problems: Problems,
}

impl TableSource {
    /// A source for a job with one feature per column, in this order. What the names of rows to score begin with tells those of
    /// several tables apart.
    pub fn new(job: &Arc<Job>, train: &Table, test: &Table, prefix: &str) -> Self {
        let names: Vec<String> = job.features.iter().map(|f| f.name.clone()).collect();
        let mut problems = test.problems(&names);
        problems.merge(train.problems(&names));
        if train.rows() < FEW_ROWS {
            let rows = counted(train.rows() as u64, "row", "rows");
            problems.add("small_table_to_learn_from", || format!("{rows}; of less than {FEW_ROWS} little can be learned, and scores are too high"));
        }
        Self { train: Some(train.bucket(&names, TRAIN_WINDOW, TRAIN_PREFIX)), test: Some(test.bucket(&names, TEST_WINDOW, prefix)), problems }
    }
}

#[async_trait::async_trait]
impl Source for TableSource {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        let is_train = window == TRAIN_WINDOW;
        let bucket = if is_train { self.train.take() } else { self.test.take() };
        // Told with the rows to score: nobody looks at the window that is only learned from.
        let problems = if is_train { Problems::default() } else { std::mem::take(&mut self.problems) };
        let buckets: Vec<Bucket> = bucket.into_iter().collect();
        let documents = buckets.iter().map(|b| b.rows() as u64).sum();
        Ok(Fetched { buckets, stats: FetchStats { strategy: "file".into(), documents, ..FetchStats::default() }, problems })
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

    #[test]
    fn cells_that_are_no_numbers_and_rows_of_other_widths_are_counted() {
        let test = table("a,name,b\n1,x,inf\n2,y\n3,z,abc,4\n");
        let spec = |n: &str| FeatureSpec { name: n.into(), kind: "mean".into(), field: Some(n.into()), ..FeatureSpec::default() };
        let job = Arc::new(Job { features: vec![spec("a"), spec("b")], ..Job::default() });
        let mut source = TableSource::new(&job, &table("a,b\n1,2\n3,\n"), &test, "");
        assert!(futures::executor::block_on(source.fetch(TRAIN_WINDOW)).unwrap().problems.list().is_empty());
        let told = futures::executor::block_on(source.fetch(TEST_WINDOW)).unwrap().problems;
        let told: Vec<String> = told.list().iter().map(|p| format!("{} x {}: {}", p.count, p.kind, p.example)).collect();
        assert_eq!(
            told,
            [
                "2 x absent_value: row 1, column `b`: ``",
                "2 x bad_value: row 0, column `b`: `inf`",
                "1 x small_table_to_learn_from: 2 rows; of less than 100 little can be learned, and scores are too high",
                "2 x wrong_columns: row 1: 2 for a header of 3",
            ]
        );
    }
}
