//! Lines of a byte stream, without a copy of each, bounded in length.

use std::io::Read;

use memchr::memchr;

/// Longest line that is read; a longer one is skipped and counted.
pub const MAX_LINE_BYTES: usize = 10 * 1024 * 1024;
/// Bytes read at a time: fits the second-level cache, so that parsing finds them there.
const BLOCK_BYTES: usize = 256 * 1024;

/// What comes next.
#[derive(Debug)]
pub enum Next<'a> {
    /// A line without its end, and where it begins in the (unpacked) stream.
    Line(&'a [u8], u64),
    /// A line beyond [`MAX_LINE_BYTES`] that was skipped.
    TooLong(u64),
    /// The end. The last line came before, also when it had no end of its own.
    End,
    /// The stream broke here; a line that had begun is not given out, because it may be cut.
    Broken(std::io::Error),
}

/// Splits a stream into lines.
pub struct Lines {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Unread bytes are `buffer[pos..end]`.
    pos: usize,
    end: usize,
    /// Offset of `buffer[0]` in the stream.
    base: u64,
    is_at_end: bool,
    is_skipping: bool,
    /// What broke the stream, until it was reported.
    failure: Option<std::io::Error>,
}

impl Lines {
    /// Lines of a stream.
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: vec![0; BLOCK_BYTES], pos: 0, end: 0, base: 0, is_at_end: false, is_skipping: false, failure: None }
    }

    /// Reads ahead until `lines` line ends or the end of the stream are in sight (a broken stream counts as its end), and
    /// returns what is there without taking it.
    pub fn peek(&mut self, lines: usize) -> &[u8] {
        while !self.is_at_end && self.end - self.pos < MAX_LINE_BYTES && memchr::memchr_iter(b'\n', &self.buffer[self.pos..self.end]).count() < lines
        {
            if self.end - self.pos >= 4 * BLOCK_BYTES && memchr(b'\n', &self.buffer[self.pos..self.end]).is_some() {
                break;
            }
            if self.fill() == 0 {
                break;
            }
        }
        &self.buffer[self.pos..self.end]
    }

    /// Forgets the byte order mark of UTF-8 at the start, if there is one.
    pub fn skip_bom(&mut self) {
        if self.base == 0 && self.pos == 0 && self.buffer[..self.end].starts_with(b"\xef\xbb\xbf") {
            self.pos = 3;
        }
    }

    /// The next line.
    #[inline]
    pub fn next_line(&mut self) -> Next<'_> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[self.pos + searched..self.end]) {
                let (from, to) = (self.pos, self.pos + searched + at);
                self.pos = to + 1;
                if std::mem::take(&mut self.is_skipping) || to - from > MAX_LINE_BYTES {
                    return Next::TooLong(self.base + from as u64);
                }
                return Next::Line(&self.buffer[from..to], self.base + from as u64);
            }
            searched = self.end - self.pos;
            if searched > MAX_LINE_BYTES || self.is_skipping {
                self.is_skipping = true;
                self.pos = self.end;
                searched = 0;
            }
            if self.fill() == 0 {
                return self.last();
            }
        }
    }

    fn last(&mut self) -> Next<'_> {
        let (from, to) = (self.pos, self.end);
        self.pos = self.end;
        if let Some(e) = self.failure.take() {
            self.is_skipping = false;
            return Next::Broken(e);
        }
        if std::mem::take(&mut self.is_skipping) {
            return Next::TooLong(self.base + from as u64);
        }
        if from == to {
            return Next::End;
        }
        Next::Line(&self.buffer[from..to], self.base + from as u64)
    }

    /// Reads more behind what is unread; 0 at the end and when the stream breaks.
    fn fill(&mut self) -> usize {
        if self.is_at_end {
            return 0;
        }
        if self.pos > 0 {
            self.buffer.copy_within(self.pos..self.end, 0);
            self.base += self.pos as u64;
            self.end -= self.pos;
            self.pos = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let n = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(n) => break n,
                Err(e) => {
                    self.failure = Some(e);
                    break 0;
                }
            }
        };
        self.is_at_end = n == 0;
        self.end += n;
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &'static [u8]) -> Vec<String> {
        let mut lines = Lines::new(Box::new(input));
        let mut out = Vec::new();
        loop {
            match lines.next_line() {
                Next::Line(l, at) => out.push(format!("{at}:{}", String::from_utf8_lossy(l))),
                Next::TooLong(_) => out.push("too long".into()),
                Next::End => return out,
                Next::Broken(e) => out.push(e.to_string()),
            }
        }
    }

    #[test]
    fn lines_come_with_their_place_also_without_a_last_end() {
        assert_eq!(all(b""), Vec::<String>::new());
        assert_eq!(all(b"a\n\nbc"), ["0:a", "2:", "3:bc"]);
        assert_eq!(all(b"a\nb\n"), ["0:a", "2:b"]);
    }

    #[test]
    fn a_line_of_ten_megabytes_is_read_and_a_longer_one_is_skipped() {
        let read = |len: usize| {
            let text = [&vec![b'x'; len][..], b"\nnext\n"].concat();
            let mut lines = Lines::new(Box::new(std::io::Cursor::new(text)));
            let first = match lines.next_line() {
                Next::Line(l, _) => l.len(),
                _ => 0,
            };
            let is_next = matches!(lines.next_line(), Next::Line(l, at) if l == b"next" && at == len as u64 + 1);
            (first, is_next, lines.buffer.len() <= 2 * MAX_LINE_BYTES)
        };
        assert_eq!(read(10_000_000), (10_000_000, true, true));
        assert_eq!(read(11_000_000), (0, true, true));
        assert_eq!(read(40_000_000), (0, true, true));
    }

    #[test]
    fn a_broken_stream_gives_whole_lines_only() {
        struct Breaks(bool);
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                buffer[..8].copy_from_slice(b"one\ntwo ");
                Ok(8)
            }
        }
        let mut lines = Lines::new(Box::new(Breaks(false)));
        assert_eq!(lines.peek(10), b"one\ntwo ");
        assert!(matches!(lines.next_line(), Next::Line(b"one", 0)));
        assert!(matches!(lines.next_line(), Next::Broken(_)));
        assert!(matches!(lines.next_line(), Next::End));
    }
}
