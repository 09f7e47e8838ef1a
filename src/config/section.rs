//! Reads one mapping of a configuration: every key that code asks for is a known key, everything else is a mistake with a
//! suggestion. Nothing stops at the first mistake.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::words;

/// One mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    /// Where it is, such as `jobs[0].bucket_span`; files of the job folder are named in front.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

/// All mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(RefCell<Vec<Mistake>>);

impl Mistakes {
    /// Notes a mistake.
    pub fn add(&self, path: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) {
        self.0.borrow_mut().push(Mistake { path: path.into(), message: message.into(), mend: mend.into() });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// All, in the order of their paths.
    pub fn into_list(self) -> Vec<Mistake> {
        let mut list = self.0.into_inner();
        list.sort();
        list.dedup();
        list
    }
}

/// A mapping at a path.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    known: RefCell<BTreeSet<&'static str>>,
    mistakes: &'a Mistakes,
}

impl<'a> Section<'a> {
    /// The mapping `value` at `path`; anything else is a mistake and reads as empty.
    pub fn new(path: impl Into<String>, value: &'a Value, mistakes: &'a Mistakes) -> Self {
        let path = path.into();
        let map = value.as_object();
        if map.is_none() && !value.is_null() {
            mistakes.add(path.clone(), format!("{} stands where keys are needed", words::shown(value)), "write `key: value` lines below it");
        }
        Self { path, map, known: RefCell::default(), mistakes }
    }

    /// Path of a key.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Path of the section itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where mistakes go.
    pub fn mistakes(&self) -> &'a Mistakes {
        self.mistakes
    }

    /// Notes a mistake about a key.
    pub fn wrong(&self, key: &str, message: impl Into<String>, mend: impl Into<String>) {
        self.mistakes.add(self.path_of(key), message, mend);
    }

    /// The value of a key as it stands; `null` is the same as no key.
    pub fn raw(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(key);
        self.map.and_then(|m| m.get(key)).filter(|v| !v.is_null())
    }

    /// Reads a value with a parser that says what it expects.
    fn read<T>(&self, key: &'static str, parse: impl Fn(&Value) -> Option<T>, expects: &str) -> Option<T> {
        let value = self.raw(key)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.wrong(key, format!("{} does not fit", words::shown(value)), format!("expected {expects}"));
        }
        parsed
    }

    /// Text; numbers count as their text.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.read(key, words::text, "a text")
    }

    /// Yes or no.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.read(key, words::flag, "true or false")
    }

    /// A finite number between bounds, both inclusive.
    pub fn number(&self, key: &'static str, min: f64, max: f64) -> Option<f64> {
        let expects = if max.is_finite() { format!("a number from {min} to {max}") } else { format!("a number of at least {min}") };
        self.read(key, |v| words::number(v).filter(|x| (min..=max).contains(x)), &expects)
    }

    /// A whole number between bounds, both inclusive.
    pub fn count(&self, key: &'static str, min: u64, max: u64) -> Option<u64> {
        let expects = format!("a whole number from {min} to {max}");
        self.read(key, |v| words::count(v).filter(|n| (min..=max).contains(n)), &expects)
    }

    /// A length of time such as `5m`, in milliseconds, between bounds, both inclusive.
    pub fn duration_ms(&self, key: &'static str, min_ms: i64, max_ms: i64) -> Option<i64> {
        let expects =
            format!("a length of time with its unit, from {} to {}, such as `90s`, `5m`, `1h`, `7d`", words::span(min_ms), words::span(max_ms));
        self.read(key, |v| words::duration_ms(v).filter(|d| (min_ms..=max_ms).contains(d)), &expects)
    }

    /// A number of bytes such as `64MiB`.
    pub fn bytes(&self, key: &'static str, min: u64, max: u64) -> Option<u64> {
        self.read(key, |v| words::bytes(v).filter(|n| (min..=max).contains(n)), "a number of bytes, such as `512KiB`, `64MiB`, `1GiB`")
    }

    /// A list of texts; a single text is split at commas, as the environment needs it.
    pub fn list(&self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, words::list, "a list of texts")
    }

    /// One of a few words.
    pub fn choice(&self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let value = self.raw(key)?;
        let found = value.as_str().and_then(|s| words.iter().find(|w| **w == s).copied());
        if found.is_none() {
            let shown = words::shown(value);
            let mend = words::suggestion(value.as_str().unwrap_or(""), words).unwrap_or_else(|| format!("choose one of: {}", words.join(", ")));
            self.wrong(key, format!("{shown} is not known here"), mend);
        }
        found
    }

    /// The mapping below a key; a missing one reads as empty.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        Section::new(self.path_of(key), self.raw(key).unwrap_or(&Value::Null), self.mistakes)
    }

    /// True when the key is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.raw(key).is_some()
    }

    /// Declares keys known that are read elsewhere.
    pub fn know(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Reports every key that nobody asked for, and says which were known.
    pub fn done(self) -> BTreeSet<&'static str> {
        let known = self.known.take();
        let names: Vec<&str> = known.iter().copied().collect();
        for key in self.map.into_iter().flat_map(Map::keys).filter(|k| !known.contains(k.as_str())) {
            let mend = words::suggestion(key, &names).unwrap_or_else(|| format!("known here: {}", names.join(", ")));
            self.wrong(&words::printable_key(key), "unknown key", mend);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mistake_is_noted_with_its_path() {
        let value = json!({ "hosts": [1], "timeout": "5", "verfy": true, "verify": "perhaps", "mode": "jsn", "inner": 5, "none": null });
        let mistakes = Mistakes::default();
        let s = Section::new("cluster", &value, &mistakes);
        assert_eq!(s.list("hosts"), Some(vec!["1".to_owned()]));
        assert_eq!(s.duration_ms("timeout", 1, 10_000), None);
        assert_eq!(s.flag("verify"), None);
        assert_eq!(s.choice("mode", &["json", "text"]), None);
        s.section("inner").done();
        assert_eq!(s.text("none"), None);
        s.done();
        let list = mistakes.into_list();
        let paths: Vec<&str> = list.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(paths, ["cluster.inner", "cluster.mode", "cluster.timeout", "cluster.verfy", "cluster.verify"]);
        assert_eq!(list[1].mend, "did you mean `json`?");
        assert_eq!((list[3].message.as_str(), list[3].mend.as_str()), ("unknown key", "did you mean `verify`?"));
    }
}
