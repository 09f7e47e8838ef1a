//! What went wrong with data without stopping anything: counted skips.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One kind of trouble with data: a stable word and the first example seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word such as `unparsed_line`.
    pub kind: String,
    /// How often it came.
    pub count: u64,
    /// The first example, cut and made printable, with its place.
    pub example: String,
}

/// Counted problems of a window, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    by_kind: BTreeMap<&'static str, (u64, String)>,
}

impl Problems {
    /// Counts one problem; `example` is called for the first of its kind only.
    pub fn add(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        self.add_many(kind, 1, example);
    }

    /// Counts several problems of one kind.
    pub fn add_many(&mut self, kind: &'static str, count: u64, example: impl FnOnce() -> String) {
        if count > 0 {
            self.by_kind.entry(kind).or_insert_with(|| (0, example())).0 += count;
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: Self) {
        for (kind, (count, example)) in other.by_kind {
            self.by_kind.entry(kind).or_insert_with(|| (0, example)).0 += count;
        }
    }

    /// How often a kind came.
    pub fn count(&self, kind: &str) -> u64 {
        self.by_kind.get(kind).map_or(0, |(n, _)| *n)
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.by_kind.values().map(|(n, _)| n).sum()
    }

    /// True when nothing went wrong.
    pub fn is_empty(&self) -> bool {
        self.by_kind.is_empty()
    }

    /// One entry per kind, by name.
    pub fn list(&self) -> Vec<Problem> {
        self.by_kind.iter().map(|(k, (n, e))| Problem { kind: (*k).to_owned(), count: *n, example: e.clone() }).collect()
    }
}

/// Untrusted bytes made safe to print: control characters escaped, cut to `max_chars` with a mark.
pub fn printable(bytes: &[u8], max_chars: usize) -> String {
    let head = &bytes[..bytes.len().min(max_chars.saturating_mul(4))];
    let text = String::from_utf8_lossy(head);
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == max_chars {
            break;
        }
        match c {
            '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    if text.chars().count() > max_chars || head.len() < bytes.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_and_the_first_example_stays() {
        let mut p = Problems::default();
        p.add("unparsed_line", || "line 1".into());
        p.add("unparsed_line", || unreachable!("only the first example is made"));
        let mut q = Problems::default();
        q.add_many("late", 3, || "x".into());
        p.merge(q);
        assert_eq!((p.count("unparsed_line"), p.count("late"), p.total()), (2, 3, 5));
        assert_eq!(p.list()[1].example, "line 1");
    }

    #[test]
    fn hostile_bytes_become_printable() {
        assert_eq!(printable(b"a\x1b[31mb\0\xff", 20), "a\\u{1b}[31mb\\u{0}\u{fffd}");
        assert_eq!(printable(b"abcdef", 3), "abc…");
    }
}
