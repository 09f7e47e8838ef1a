//! Reads answers of searches: first the envelope, which decides whether the answer counts, then the rows, one by one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::client::Reply;
use super::error::{ClusterError, ErrorKind, kind_of};
use crate::model::{AggNode, AggRow};

/// The name of the composite aggregation in our searches.
pub(super) const COMPOSITE: &str = "rows";
/// The name of the aggregation that counts all documents per bucket of time, also those without an entity.
pub(super) const TOTALS: &str = "totals";
/// The name of its time source.
pub(super) const TIME_SOURCE: &str = "t";

/// What stands around the rows of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    pub took: u64,
    pub timed_out: bool,
    #[serde(rename = "_shards")]
    pub shards: Shards,
    pub pit_id: Option<String>,
    pub hits: Hits,
    pub aggregations: Option<After>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shards {
    pub total: Option<u64>,
    pub failed: u64,
    pub failures: Vec<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hits {
    pub total: Option<Total>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Total {
    pub value: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct After {
    pub rows: AfterKey,
    pub totals: Totals,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Totals {
    pub buckets: Vec<TotalOf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TotalOf {
    pub key: f64,
    pub doc_count: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AfterKey {
    pub after_key: Option<Value>,
}

impl Envelope {
    /// Reads and checks the envelope: HTTP 200 counts only when every shard answered in time.
    pub fn of(reply: &Reply) -> Result<Self, ClusterError> {
        let envelope: Self = reply.read()?;
        let fail = |kind, detail: String| Err(ClusterError::new(kind, reply.place.clone(), detail));
        if envelope.shards.failed > 0 {
            let text = envelope.shards.failures.first().map(ToString::to_string).unwrap_or_default();
            // A breaker or a lost context on one shard is what it is on all of them.
            let kind = match kind_of(500, "", &text) {
                ErrorKind::Internal => ErrorKind::Partial,
                kind => kind,
            };
            return fail(kind, format!("{} of {} shards failed: {text}", envelope.shards.failed, envelope.shards.total.unwrap_or(0)));
        }
        // `terminated_early` is no fault: OpenSearch 3 says it of complete answers.
        if envelope.timed_out {
            return fail(ErrorKind::TimedOut, "the engine answered `timed_out: true`".into());
        }
        match envelope.shards.total {
            None => fail(ErrorKind::NotJson, "no `_shards` in the answer".into()),
            Some(0) => fail(ErrorKind::NoIndex, "no shard was searched: the pattern matches no index".into()),
            Some(_) => Ok(envelope),
        }
    }
}

/// Hands each row of a composite page to `on_row`; returns how many there were.
pub(super) fn rows(reply: &Reply, keys: &[String], on_row: &mut dyn FnMut(AggRow)) -> Result<usize, ClusterError> {
    let mut json = serde_json::Deserializer::from_slice(&reply.body);
    let mut count = 0;
    let mut counted = |row| {
        count += 1;
        on_row(row);
    };
    Descend { path: &["aggregations", COMPOSITE, "buckets"], keys, on_row: &mut counted }.deserialize(&mut json).map_err(|e| reply.unreadable(&e))?;
    Ok(count)
}

/// Follows a path of object keys down to an array of rows and skips everything else.
struct Descend<'a> {
    path: &'a [&'a str],
    keys: &'a [String],
    on_row: &'a mut dyn FnMut(AggRow),
}

impl<'de> DeserializeSeed<'de> for Descend<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() { deserializer.deserialize_seq(self) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Descend<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an aggregation page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((wanted, rest)) = self.path.split_first() else { return Ok(()) };
        while let Some(Name(name)) = map.next_key()? {
            if name == *wanted {
                map.next_value_seed(Descend { path: rest, keys: self.keys, on_row: &mut *self.on_row })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(row) = seq.next_element_seed(Row { keys: self.keys })? {
            (self.on_row)(row);
        }
        Ok(())
    }
}

/// An object key, borrowed from the page where it holds no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object key")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

/// Reads one composite bucket.
struct Row<'a> {
    keys: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = AggRow;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AggRow, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = AggRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a composite bucket")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AggRow, A::Error> {
        let mut row = AggRow { key: vec![String::new(); self.keys.len()], ..AggRow::default() };
        while let Some(Name(name)) = map.next_key()? {
            match name.as_ref() {
                "key" => map.next_value_seed(Key { keys: self.keys, row: &mut row })?,
                "doc_count" => row.doc_count = map.next_value()?,
                "key_as_string" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    let node = map.next_value::<AggNode>()?;
                    row.nodes.insert(name.into_owned(), node);
                }
            }
        }
        Ok(row)
    }
}

/// Reads the key of a composite bucket into a row.
struct Key<'a> {
    keys: &'a [String],
    row: &'a mut AggRow,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a composite key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == TIME_SOURCE {
                self.row.time_ms = Some(map.next_value::<Value>()?).as_ref().and_then(Value::as_f64).map(|t| t as i64);
            } else if let Some(i) = self.keys.iter().position(|k| **k == *name) {
                self.row.key[i] = match map.next_value::<Value>()? {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reply(body: &str) -> Reply {
        Reply { status: 200, body: body.to_owned().into(), took: Duration::ZERO, retries: 0, place: "POST /_search".into() }
    }

    const PAGE: &str = r#"{"took":3,"timed_out":false,"terminated_early":true,"_shards":{"total":1,"failed":0},"hits":{"total":{"value":7,"relation":"eq"},"hits":[]},
        "aggregations":{"rows":{"after_key":{"t":60000,"source.ip":"10.0.0.2"},"buckets":[
        {"key":{"t":0,"source.ip":"10.0.0.1","port":443},"doc_count":5,"bytes":{"value":1.5},"errors":{"doc_count":2}},
        {"key":{"t":60000,"source.ip":null,"port":80},"doc_count":2,"bytes":{"value":"NaN"},"paths":{"sum_other_doc_count":1,"buckets":[{"key":"/a","doc_count":1}]}}]}}}"#;

    #[test]
    fn rows_are_read_with_their_keys_in_the_order_asked_for() {
        let keys = ["port".to_owned(), "source.ip".to_owned()];
        let mut seen = Vec::new();
        assert_eq!(rows(&reply(PAGE), &keys, &mut |r| seen.push(r)).unwrap(), 2);
        assert_eq!(seen[0].key, ["443", "10.0.0.1"]);
        assert_eq!((seen[0].time_ms, seen[0].doc_count, seen[0].nodes["errors"].doc_count), (Some(0), 5, Some(2)));
        assert_eq!(seen[1].key, ["80", ""]);
        assert_eq!((seen[1].nodes["bytes"].value, seen[1].nodes["paths"].buckets.len()), (None, 1));
        let envelope = Envelope::of(&reply(PAGE)).unwrap();
        assert_eq!(envelope.hits.total.unwrap().value, 7);
        assert_eq!(envelope.aggregations.unwrap().rows.after_key.unwrap()["source.ip"], "10.0.0.2");
    }

    #[test]
    fn two_hundred_is_not_success() {
        for (body, kind) in [
            (r#"{"timed_out":true,"_shards":{"total":2,"failed":0}}"#, ErrorKind::TimedOut),
            (r#"{"_shards":{"total":2,"failed":1,"failures":[{"reason":{"type":"x"}}]}}"#, ErrorKind::Partial),
            (r#"{"_shards":{"total":2,"failed":1,"failures":[{"reason":{"type":"circuit_breaking_exception"}}]}}"#, ErrorKind::Breaker),
            (r#"{"_shards":{"total":0,"failed":0}}"#, ErrorKind::NoIndex),
            (r#"{"acknowledged":true}"#, ErrorKind::NotJson),
            (r#"{"took":1,"_shards":{"total":2"#, ErrorKind::CutBody),
            ("<html></html>", ErrorKind::NotJson),
        ] {
            assert_eq!(Envelope::of(&reply(body)).unwrap_err().kind, kind, "{body}");
        }
    }
}
