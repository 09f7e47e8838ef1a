//! Evidence: the first lines behind a row, read again by their place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::input::Input;
use crate::features::extract::Origins;
use crate::model::keys::stable_hash;
use crate::model::problem::printable;
use crate::model::{Bucket, Window};

/// Bits of a place that hold the offset in the file; the file's number is above.
const OFFSET_BITS: u32 = 48;
/// Characters of a line that are shown.
const MAX_CHARS: usize = 400;

/// Turns offsets in a file into places that name the file too.
pub(super) fn number(file: usize, offsets: &mut [u64]) {
    let high = (file as u64 & 0xffff) << OFFSET_BITS;
    offsets.iter_mut().for_each(|o| *o = high | (*o & ((1 << OFFSET_BITS) - 1)));
}

/// Places of the lines behind the rows of the bucket that each job was handed last.
#[derive(Debug, Default)]
pub(super) struct Samples {
    by_job: HashMap<usize, (i64, Vec<(u64, Origins)>)>,
}

impl Samples {
    /// A bucket was handed out: from now on its rows are asked for.
    pub(super) fn begin(&mut self, job: usize, bucket: &Bucket, evidence: Vec<(u64, Origins)>) {
        self.by_job.insert(job, (bucket.start_ms, evidence));
    }

    /// Up to `limit` lines behind a row, printable. Nothing for files that cannot be read again (packed, standard input).
    pub(super) fn lines(&self, job: usize, key: &[u8], window: Window, limit: usize, inputs: &[Input]) -> Vec<String> {
        let hash = stable_hash(key);
        let row = self.by_job.get(&job).filter(|(start, _)| window.contains(*start)).and_then(|(_, rows)| rows.iter().find(|(h, _)| *h == hash));
        let places = row.map_or(&[][..], |(_, origins)| &origins[..]);
        let read = |place: &u64| {
            let input = inputs.get((place >> OFFSET_BITS) as usize).filter(|f| f.is_seekable())?;
            line_at(input, place & ((1 << OFFSET_BITS) - 1)).ok()
        };
        places.iter().filter(|p| **p != u64::MAX).take(limit).filter_map(read).collect()
    }
}

fn line_at(input: &Input, offset: u64) -> std::io::Result<String> {
    let mut file = File::open(input.path())?;
    file.seek(SeekFrom::Start(offset))?;
    let mut line = Vec::new();
    BufReader::with_capacity(4 * MAX_CHARS, file).take(4 * MAX_CHARS as u64).read_until(b'\n', &mut line)?;
    Ok(printable(line.trim_ascii_end(), MAX_CHARS))
}
