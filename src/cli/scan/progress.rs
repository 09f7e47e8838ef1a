//! The progress bar: on standard error, and only when that is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a scan is and how many lines it reads in a second.
pub struct Progress {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// A bar over so many bytes on disk, or a plain counter when that is not known.
    pub fn new(total_bytes: Option<u64>, bytes: Arc<AtomicU64>) -> Self {
        let (bar, template) = match total_bytes {
            Some(n) => (ProgressBar::new(n), "{bar:30} {percent:>3} %  {msg}  {eta} left"),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, bytes }
    }

    /// So many lines have been read.
    pub fn at(&mut self, lines: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(self.bytes.load(Ordering::Relaxed));
        let seconds = self.bar.elapsed().as_secs_f64();
        if seconds > 0.2 {
            self.bar.set_message(format!("{lines} lines, {:.0} lines/s", lines as f64 / seconds));
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
