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

/// A number with its noun: "1 window", "2 windows".
pub fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// Similarity (Jaro-Winkler) from which a known word is suggested: the customary bound for "did you mean".
const ALIKE: f64 = 0.8;

/// "did you mean ...?", if one of the words is alike.
pub fn suggestion(wrong: &str, words: &[&str]) -> Option<String> {
    let lower = wrong.to_lowercase();
    let best = words.iter().map(|w| (strsim::jaro_winkler(&lower, w), *w)).max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))?;
    (best.0 >= ALIKE).then(|| format!("did you mean `{}`?", best.1))
}

/// Names that a list of choices shows.
const CHOICES: usize = 20;

/// What there is in place of a name that is not there: "there are: a, b; did you mean `b`?".
pub fn instead_of(wrong: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "there are none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(CHOICES).map(|n| printable(n.as_bytes(), 60)).collect();
    let more = if names.len() > CHOICES { format!(" and {} more", names.len() - CHOICES) } else { String::new() };
    let like = suggestion(wrong, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let like = like.map_or_else(String::new, |s| format!("; {}", printable(s.as_bytes(), 90)));
    format!("there are: {}{more}{like}", shown.join(", "))
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

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "anomaly", "anomalies")), ["0 anomalies", "1 anomaly", "2 anomalies"]);
    }

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        assert_eq!(suggestion("bucket_spam", &["bucket_span", "frequency"]), Some("did you mean `bucket_span`?".into()));
        assert_eq!(suggestion("zebra", &["bucket_span", "frequency"]), None);
        assert_eq!(suggestion("x", &[]), None);
        let names: Vec<String> = (0..22).map(|i| format!("c{i}")).collect();
        assert_eq!(instead_of("user", &["usr".into(), "when".into()]), "there are: usr, when; did you mean `usr`?");
        assert!(instead_of("zebra", &names).ends_with("c18, c19 and 2 more"));
        assert_eq!(instead_of("x", &[]), "there are none");
    }
}
