//! `--scores`: one number for everything that was judged, reported or not.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::time::iso;
use crate::model::{Anomaly, Bucket};
use crate::pipeline::Tap;
use crate::score::Scores;

/// Columns of the file.
#[derive(Debug, Clone)]
pub enum Layout {
    /// `file,window,entity,score`: window = start of the bucket.
    Windows(String),
}

/// Writes the score file.
pub struct Judge {
    state: Arc<Mutex<State>>,
}

struct State {
    out: BufWriter<File>,
    layout: Layout,
    failure: Option<std::io::Error>,
}

/// The tap that sees every judged bucket.
pub struct ScoreFile(Arc<Mutex<State>>);

impl Judge {
    /// Begins the file.
    pub fn new(mut out: BufWriter<File>, layout: Layout) -> Self {
        let head = match layout {
            Layout::Windows(_) => "file,window,entity,score",
        };
        let failure = writeln!(out, "{head}").err();
        Self { state: Arc::new(Mutex::new(State { out, layout, failure })) }
    }

    /// The tap to hand to a pipeline.
    pub fn tap(&self) -> ScoreFile {
        ScoreFile(self.state.clone())
    }

    /// Ends the file, or says why it is not whole.
    pub fn finish(self) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = state.failure.take().or_else(|| state.out.flush().err());
        failure.map_or(Ok(()), |e| Err(format!("the score file cannot be written: {e}")))
    }
}

impl Tap for ScoreFile {
    fn judged(&mut self, bucket: &Bucket, scores: &Scores, _anomalies: &[Anomaly]) {
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
        let Layout::Windows(file) = &self.layout;
        let file = quoted(file);
        let window = iso(bucket.start_ms);
        for row in 0..bucket.rows() {
            writeln!(self.out, "{file},{window},{},{:.9}", quoted(&bucket.keys.text(row)), scores.score(row))?;
        }
        Ok(())
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
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
