//! A row of an aggregation page, as the cluster answers it and as features read it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One entity of an aggregation page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AggRow {
    /// Bucket start in milliseconds, when the page spans several buckets.
    pub time_ms: Option<i64>,
    /// Value of each entity field, as text.
    pub key: Vec<String>,
    /// Documents behind it.
    pub doc_count: u64,
    /// Sub-aggregations by name.
    pub nodes: BTreeMap<String, AggNode>,
}

/// One sub-aggregation of a row: whichever of these the kind of aggregation answers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AggNode {
    /// Documents behind it (`filter`).
    pub doc_count: Option<u64>,
    /// Single value (`avg`, `sum`, `min`, `max`, `cardinality`); `null` when no document had the field.
    #[serde(deserialize_with = "number_or_text")]
    pub value: Option<f64>,
    /// Several values (`percentiles` with `keyed: false`).
    pub values: Vec<AggPoint>,
    /// Terms.
    pub buckets: Vec<AggTerm>,
    /// Documents in terms beyond those answered.
    pub sum_other_doc_count: Option<u64>,
    /// The aggregation inside a `filter`; always named `v`.
    pub v: Option<Box<AggNode>>,
}

/// One point of a multi-value aggregation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AggPoint {
    /// Which value, for example the percent.
    pub key: f64,
    /// The value; `null` when there is none.
    #[serde(deserialize_with = "number_or_text")]
    pub value: Option<f64>,
}

/// One term of a terms aggregation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AggTerm {
    /// The term: text, number or boolean.
    pub key: serde_json::Value,
    /// Its spelling where the engine gives one (booleans, dates, addresses).
    pub key_as_string: Option<String>,
    /// Documents that hold it.
    pub doc_count: u64,
}

impl AggTerm {
    /// The term as text.
    pub fn text(&self) -> String {
        match (&self.key_as_string, &self.key) {
            (Some(s), _) => s.clone(),
            (None, serde_json::Value::String(s)) => s.clone(),
            (None, other) => other.to_string(),
        }
    }
}

/// A finite number, or a number spelt as text; "NaN" and "Infinity" (which engines do send) and `null` are `None`.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    struct Visitor;
    impl serde::de::Visitor<'_> for Visitor {
        type Value = Option<f64>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a number, a number as text, or null")
        }
        fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
            Ok(v.is_finite().then_some(v))
        }
        fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
            Ok(Some(v as f64))
        }
        fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
            Ok(Some(v as f64))
        }
        fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
            Ok(v.parse::<f64>().ok().filter(|x| x.is_finite()))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Visitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read_and_odd_numbers_are_absent() {
        let n: AggNode = serde_json::from_str(r#"{"value":1.5}"#).unwrap();
        assert_eq!(n.value, Some(1.5));
        for odd in [r#"{"value":null}"#, r#"{"value":"NaN"}"#, r#"{"value":"Infinity"}"#, "{}"] {
            assert_eq!(serde_json::from_str::<AggNode>(odd).unwrap().value, None, "{odd}");
        }
        let n: AggNode = serde_json::from_str(r#"{"doc_count":3,"v":{"value":2},"extra":{"x":[1]}}"#).unwrap();
        assert_eq!((n.doc_count, n.v.and_then(|v| v.value)), (Some(3), Some(2.0)));
        let n: AggNode = serde_json::from_str(r#"{"buckets":[{"key":404,"doc_count":2},{"key":1,"key_as_string":"true","doc_count":1}]}"#).unwrap();
        assert_eq!(n.buckets.iter().map(AggTerm::text).collect::<Vec<_>>(), ["404", "true"]);
    }
}
