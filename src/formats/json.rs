//! JSON lines: ECS or any other documents, nested or with dotted keys; only the fields that a job reads are looked at.

use std::io::Write;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::clock::{Clock, epoch_any};
use super::paths::Paths;
use super::{FormatOptions, LineReader, LogFormat, ReadLine};
use crate::model::{EventBatch, Fields, Part};

/// Names of fields that are kept to choose from.
const MAX_NAMES: usize = 500;

/// The format.
pub struct Json;

impl LogFormat for Json {
    fn part(&self) -> Part {
        Part {
            name: "json",
            description: "One JSON document a line: ECS, or any other with the help of a field map.",
            example: r#"{"@timestamp":"2026-01-31T12:00:00Z","source":{"ip":"192.0.2.7"},"http.response.status_code":200}"#,
        }
    }

    fn names(&self, lines: &[&[u8]]) -> Vec<String> {
        let mut out = Vec::new();
        for line in lines {
            let line = line.trim_ascii();
            if let Ok(document) = serde_json::from_slice(line.strip_suffix(b",").unwrap_or(line)) {
                add_names("", &document, &mut out);
            }
        }
        out
    }

    fn reader(&self, fields: &Fields, options: &FormatOptions) -> Box<dyn LineReader> {
        Box::new(Reader { paths: Paths::new(fields, options), clock: Clock::default(), scratch: Vec::new() })
    }
}

/// Adds the dotted names of a document's fields that are not there yet, as the reader walks them: of an array the first element.
fn add_names(name: &str, value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, below) in map {
                add_names(&if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, below, out);
            }
        }
        serde_json::Value::Array(list) => list.iter().take(1).for_each(|first| add_names(name, first, out)),
        _ if name.is_empty() || out.len() >= MAX_NAMES || out.iter().any(|n| n == name) => {}
        _ => out.push(name.to_owned()),
    }
}

struct Reader {
    paths: Paths,
    clock: Clock,
    scratch: Vec<u8>,
}

impl LineReader for Reader {
    fn read(&mut self, line: &[u8], batch: &mut EventBatch) -> ReadLine {
        let line = line.trim_ascii();
        match line.first() {
            None => return ReadLine::Nothing,
            Some(b'{') => {}
            // A separator between documents of an array that stands one document a line.
            Some(b'[' | b']') if line.len() == 1 => return ReadLine::Nothing,
            Some(b'"' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') if serde_json::from_slice::<IgnoredAny>(line).is_ok() => {
                return ReadLine::Problem("not_an_object");
            }
            Some(_) => return ReadLine::Problem("unparsed_line"),
        }
        let line = line.strip_suffix(b",").unwrap_or(line);
        let read = match self.document(line, batch) {
            Err("unparsed_line") if std::str::from_utf8(line).is_err() => {
                batch.discard();
                self.document(String::from_utf8_lossy(line).as_bytes(), batch)
            }
            read => read,
        };
        match read {
            Ok(time_ms) => {
                batch.push(time_ms);
                ReadLine::Event
            }
            Err(word) => {
                batch.discard();
                ReadLine::Problem(word)
            }
        }
    }
}

impl Reader {
    /// Sets the fields of a document and returns its time.
    fn document(&mut self, text: &[u8], batch: &mut EventBatch) -> Result<i64, &'static str> {
        let mut found = Found { paths: &self.paths, clock: &mut self.clock, scratch: &mut self.scratch, batch, time: None, has_bad_time: false };
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = Value { found: &mut found, at: 0 }.deserialize(&mut json).and_then(|()| json.end());
        match (read, found.time, found.has_bad_time) {
            (Err(_), ..) => Err("unparsed_line"),
            (Ok(()), Some((_, time_ms)), _) => Ok(time_ms),
            (Ok(()), None, true) => Err("bad_time"),
            (Ok(()), None, false) => Err("no_time"),
        }
    }
}

/// What has been found in a document so far.
struct Found<'a> {
    paths: &'a Paths,
    clock: &'a mut Clock,
    scratch: &'a mut Vec<u8>,
    batch: &'a mut EventBatch,
    /// Rank of the field and the time.
    time: Option<(usize, i64)>,
    has_bad_time: bool,
}

impl Found<'_> {
    fn text(&mut self, at: usize, text: &str) {
        let node = self.paths.node(at);
        if node.target.is_wanted() {
            node.target.text(self.batch, text.as_bytes());
        }
        if let Some(rank) = node.time_rank {
            let time = self.clock.parse(text.as_bytes());
            self.time(rank, time);
        }
    }

    fn number(&mut self, at: usize, value: f64, spelling: impl std::fmt::Display) {
        let node = self.paths.node(at);
        if node.target.is_wanted() {
            self.scratch.clear();
            // Writing into memory has no way to fail.
            let _ = write!(self.scratch, "{spelling}");
            node.target.number(self.batch, value, self.scratch);
        }
        if let Some(rank) = node.time_rank {
            self.time(rank, epoch_any(value));
        }
    }

    fn time(&mut self, rank: usize, time: Option<i64>) {
        match time {
            Some(t) if self.time.is_none_or(|(r, _)| rank < r) => self.time = Some((rank, t)),
            Some(_) => {}
            None => self.has_bad_time = true,
        }
    }
}

/// A value at a place where something is wanted.
struct Value<'f, 'a> {
    found: &'f mut Found<'a>,
    at: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.found.text(self.at, text);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.found.number(self.at, value, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.found.number(self.at, value as f64, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.found.number(self.at, value as f64, value);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        let target = self.found.paths.node(self.at).target;
        target.text(self.found.batch, if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    /// Of an array the first element counts.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if seq.next_element_seed(Value { found: self.found, at: self.at })?.is_some() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { found, at } = self;
        if !found.paths.has_children(at) {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while let Some(next) = map.next_key_seed(Key { paths: found.paths, at })? {
            match next {
                Some(at) => map.next_value_seed(Value { found: &mut *found, at })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A key: where it leads in the tree of wanted fields.
struct Key<'a> {
    paths: &'a Paths,
    at: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.paths.walk(self.at, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FieldKind;

    fn read(line: &[u8], options: &FormatOptions) -> String {
        let mut fields = Fields::default();
        fields.request("source.ip", FieldKind::Keyword);
        fields.request("status", FieldKind::Number);
        fields.request("status", FieldKind::Keyword);
        let mut batch = EventBatch::new(&fields);
        match Json.reader(&fields, options).read(line, &mut batch) {
            ReadLine::Event => {
                let text = |c| batch.keywords(c).and_then(|k| k.get(0)).map_or("-".into(), |v| String::from_utf8_lossy(v).into_owned());
                format!("{} {} {} {}", batch.time_ms[0], text(0), batch.numbers(1)[0], text(2))
            }
            ReadLine::Nothing => "nothing".into(),
            ReadLine::Problem(word) => word.into(),
        }
    }

    #[test]
    fn nested_and_dotted_documents_are_the_same() {
        let o = FormatOptions::default();
        for line in [
            r#"{"@timestamp":"1970-01-01T00:00:01Z","source":{"ip":"::1","port":5},"status":404,"x":[{"y":1}]}"#,
            r#"{"x":{"status":1},"source.ip":["::1","::2"],"status":"404","@timestamp":1}"#,
            r#"{"@timestamp":"1970-01-01T00:00:01.000Z","time":"2020-01-01","status":[404,500],"source":[{"ip":"::1"},{"ip":"::2"}]},"#,
        ] {
            assert_eq!(read(line.as_bytes(), &o), "1000 ::1 404 404", "{line}");
        }
    }

    #[test]
    fn other_types_are_absent_and_other_lines_are_problems() {
        let o = FormatOptions::default();
        assert_eq!(read(br#"{"time":1,"source":"x","status":{"code":1}}"#, &o), "1000 - NaN -");
        assert_eq!(read(br#"{"time":1,"source":{"ip":null},"status":true}"#, &o), "1000 - NaN true");
        assert_eq!(read(br#"{"time":1,"source":{"ip":""},"status":1.5}"#, &o), "1000  1.5 1.5");
        assert_eq!(read(b"{\"time\":1,\"source\":{\"ip\":\"a\xff\"}}", &o), "1000 a\u{fffd} NaN -");
        for (line, word) in [
            (&b"[1,2]"[..], "not_an_object"),
            (b"\"text\"", "not_an_object"),
            (b"7", "not_an_object"),
            (b"{\"time\":", "unparsed_line"),
            (b"{\"time\":1} x", "unparsed_line"),
            (b"<html>", "unparsed_line"),
            (b"\0\0", "unparsed_line"),
            (b"{\"time\":\"soon\"}", "bad_time"),
            (b"{\"a\":1}", "no_time"),
            (b"  ", "nothing"),
            (b"[", "nothing"),
        ] {
            assert_eq!(read(line, &o), word, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn the_names_of_fields_are_the_ones_that_a_map_takes() {
        let lines: [&[u8]; 3] = [br#"{"a":{"b":1,"c":[{"d":"x"}]},"e.f":null},"#, b"no json", br#"{"a":{"b":2},"g":[]}"#];
        assert_eq!(Json.names(&lines), ["a.b", "a.c.d", "e.f"]);
    }

    #[test]
    fn names_and_the_time_field_can_be_mapped() {
        let o = FormatOptions { time_field: Some("meta.when".into()), field_map: vec![("cli.addr".into(), "source.ip".into())] };
        assert_eq!(read(br#"{"@timestamp":"2026-01-01","meta":{"when":"1970-01-01"},"cli":{"addr":"h"},"source":{"ip":"no"}}"#, &o), "0 h NaN -");
    }
}
