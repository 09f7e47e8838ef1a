//! `--scores`: one number for everything that was judged, reported or not.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::time::iso;
use crate::model::{Anomaly, Bucket};
use crate::pipeline::Tap;
use crate::pipeline::models::Models;
use crate::score::Scores;

/// Columns of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `file,window,entity,score`: window = start of the bucket.
    Windows,
    /// `file,row,timestamp,score`: row = number of the data row from 0, timestamp as it stands in the file.
    Series,
    /// `file,row,score`.
    Table,
}

/// Writes the score file.
pub struct Judge {
    state: Arc<Mutex<State>>,
}

struct State {
    out: BufWriter<File>,
    layout: Layout,
    file: String,
    row: u64,
    timestamp: String,
    failure: Option<std::io::Error>,
}

/// The tap that sees every judged bucket.
pub struct ScoreFile(Arc<Mutex<State>>);

impl Judge {
    /// Begins the file with the columns that belong to a preset.
    pub fn new(mut out: BufWriter<File>, preset: &str) -> Self {
        let (layout, head) = match preset {
            "series" => (Layout::Series, "file,row,timestamp,score"),
            "table" => (Layout::Table, "file,row,score"),
            _ => (Layout::Windows, "file,window,entity,score"),
        };
        let failure = writeln!(out, "{head}").err();
        let state = State { out, layout, file: String::new(), row: 0, timestamp: String::new(), failure };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The tap to hand to a pipeline.
    pub fn tap(&self) -> ScoreFile {
        ScoreFile(self.state.clone())
    }

    /// What comes next belongs to this file.
    pub fn next_table(&self, file: &str) {
        self.state().file = quoted(file).into_owned();
    }

    /// What comes next is this row of a series.
    pub fn next_row(&self, file: &str, row: u64, timestamp: &str) {
        let mut state = self.state();
        state.file = quoted(file).into_owned();
        state.row = row;
        state.timestamp = quoted(timestamp).into_owned();
    }

    /// Ends the file, or says why it is not whole.
    pub fn finish(self) -> Result<(), String> {
        let mut state = self.state();
        let failure = state.failure.take().or_else(|| state.out.flush().err());
        failure.map_or(Ok(()), |e| Err(format!("the score file cannot be written: {e}")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for ScoreFile {
    fn judged(&mut self, _: &Models, bucket: &Bucket, scores: &Scores, _anomalies: &[Anomaly]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failure.is_none()
            && let Err(e) = state.write(bucket, scores)
        {
            state.failure = Some(e);
        }
    }
}

impl State {
    fn write(&mut self, bucket: &Bucket, scores: &Scores) -> std::io::Result<()> {
        let Self { out, file, .. } = self;
        match self.layout {
            Layout::Series => writeln!(out, "{file},{},{},{:.9}", self.row, self.timestamp, scores.score(0)),
            Layout::Table => {
                let number = |r: usize| bucket.keys.text(r).rsplit(':').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(u64::MAX);
                let mut rows: Vec<(u64, usize)> = (0..bucket.rows()).map(|r| (number(r), r)).collect();
                rows.sort_unstable();
                rows.into_iter().try_for_each(|(n, r)| writeln!(out, "{file},{n},{:.9}", scores.score(r)))
            }
            Layout::Windows => {
                let window = iso(bucket.start_ms);
                (0..bucket.rows()).try_for_each(|r| writeln!(out, "{file},{window},{},{:.9}", quoted(&bucket.keys.text(r)), scores.score(r)))
            }
        }
    }
}

/// A value as it stands in CSV: quoted where it has to be.
fn quoted(value: &str) -> std::borrow::Cow<'_, str> {
    if value.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", value.replace('"', "\"\"")).into() } else { value.into() }
}

/// What the column `file` says: the name of the (first) file without folder and endings, so that `logs/fox.ndjson.gz` is
/// `fox`; `stdin` for standard input.
pub fn file_label(inputs: &[PathBuf]) -> String {
    inputs.first().map_or_else(String::new, |p| stem(p))
}

/// What the column `file` says for a series: as [`file_label`], with the folder that the file lies in (`group/name`), because
/// collections of metrics have the same name in several folders.
pub fn series_label(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).map(|f| f.to_string_lossy().into_owned());
    folder.map_or_else(|| stem(path), |f| format!("{f}/{}", stem(path)))
}

/// The name of a file without folder and without its endings for packing and kind.
pub fn stem(path: &Path) -> String {
    if path.as_os_str() == crate::source::files::open::STDIN {
        return "stdin".into();
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = [".gz", ".zst"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_by_its_stem() {
        let of = |p: &str| file_label(&[PathBuf::from(p)]);
        assert_eq!(["events/fox.ndjson.gz", "access.log", "-", "/x/.hidden", "a.b.csv"].map(of), ["fox", "access", "stdin", ".hidden", "a.b"]);
        let of = |p: &str| series_label(Path::new(p));
        assert_eq!(["data/aws/cpu.csv", "cpu.csv.gz", "-"].map(of), ["aws/cpu", "cpu", "stdin"]);
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
