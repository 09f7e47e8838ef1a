//! Keyword-valued features: how often each value came, per entity, as sparse counts with a bound.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::filter::{self, Mask};
use super::tally::Tally;
use super::{Hit, required_field};
use crate::model::keys::stable_hash;
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Filter, Part, ValueCounts};

/// What the catalogue says of keyword-valued features.
pub const VALUES: Part = Part {
    name: "values",
    description: "How often each value of a keyword field came, per entity; the most frequent ones up to a limit.",
    example: "{ name: paths, kind: values, field: url.path, limit: 64 }",
};

const DEFAULT_LIMIT: usize = 64;

/// A keyword-valued feature.
#[derive(Debug, Clone)]
pub struct Values {
    spec: FeatureSpec,
    field: String,
    limit: usize,
}

impl Values {
    /// From configuration, or what is wrong with it.
    pub fn new(spec: &FeatureSpec) -> Result<Self, String> {
        Ok(Self { field: required_field(spec)?, limit: spec.limit.unwrap_or(DEFAULT_LIMIT).max(1), spec: spec.clone() })
    }

    /// The configuration it was built from.
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// True when it counts exactly the values of this field under this condition.
    pub fn counts(&self, field: &str, filter: Option<&Filter>) -> bool {
        self.field == field && self.spec.filter.as_ref() == filter
    }

    /// Asks for the fields that it reads.
    pub fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Keyword);
        filter::request_any(self.spec.filter.as_ref(), fields);
    }

    /// The terms aggregation that answers it.
    pub fn aggregation(&self) -> Value {
        let terms = json!({ "terms": { "field": self.field, "size": self.limit } });
        filter::wrap(self.spec.filter.as_ref(), terms)
    }

    /// Values of a row of an aggregation page, and how many occurrences are beyond the limit.
    pub fn read(&self, row: &AggRow) -> (Vec<(String, u64)>, u64) {
        let node = filter::unwrap(row, &self.spec.name);
        node.map_or((Vec::new(), 0), |n| (n.buckets.iter().map(|t| (t.text(), t.doc_count)).collect(), n.sum_other_doc_count.unwrap_or(0)))
    }

    /// A fresh accumulator.
    pub fn accumulator(&self, fields: &Fields) -> ValuesAccumulator {
        ValuesAccumulator {
            column: fields.column(&self.field, FieldKind::Keyword).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            limit: self.limit,
            tally: Tally::default(),
        }
    }
}

/// Gathers a keyword-valued feature over the events of one bucket.
#[derive(Debug)]
pub struct ValuesAccumulator {
    column: usize,
    mask: Option<Mask>,
    limit: usize,
    tally: Tally,
}

impl ValuesAccumulator {
    /// How much it holds, in counts.
    pub fn cells(&self) -> usize {
        self.tally.cells()
    }

    /// Adds events.
    pub fn add(&mut self, batch: &EventBatch, hits: &[Hit]) {
        let Some(values) = batch.keywords(self.column) else { return };
        for hit in hits {
            let Some(value) = values.get(hit.event as usize) else { continue };
            if self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                self.tally.see(hit.row, value);
            }
        }
        self.tally.settle();
    }

    /// How many different values each row has.
    pub fn distinct(&mut self, rows: usize) -> Vec<u64> {
        self.tally.per_row(rows, |_| true, |_| 1)
    }

    /// How many documents of each row have a value for which this holds.
    pub fn matching(&mut self, rows: usize, holds: impl Fn(&str) -> bool) -> Vec<u64> {
        self.tally.per_row(rows, holds, u64::from)
    }

    /// Sparse counts of the rows in this order; per row the most frequent values up to the limit, ties as engines break them (by text).
    pub fn finish(self, order: &[usize]) -> ValueCounts {
        let limit = self.limit;
        let rows = self.tally.into_rows(order.len());
        let other = vec![0; order.len()];
        let mut out = ValueCounts { offsets: Vec::with_capacity(order.len() + 1), other, ..ValueCounts::default() };
        let entries = rows.offsets.last().copied().unwrap_or(0);
        (out.hashes, out.counts) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        out.offsets.push(0);
        let mut used = vec![false; rows.names.len()];
        let mut push = |out: &mut ValueCounts, (name, count): (usize, u32)| {
            out.hashes.push(rows.names[name].0);
            out.counts.push(u64::from(count));
            used[name] = true;
        };
        for (place, &row) in order.iter().enumerate() {
            let mine = rows.offsets[row]..rows.offsets[row + 1];
            if mine.len() > limit {
                let mut list: Vec<(usize, u32)> = mine.map(|i| rows.entry(i)).collect();
                list.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| rows.names[a.0].1.cmp(&rows.names[b.0].1)));
                out.other[place] = list[limit..].iter().map(|e| u64::from(e.1)).sum();
                list.truncate(limit);
                list.sort_unstable();
                list.into_iter().for_each(|e| push(&mut out, e));
            } else {
                mine.for_each(|i| push(&mut out, rows.entry(i)));
            }
            out.offsets.push(u32::try_from(out.hashes.len()).unwrap_or(u32::MAX));
        }
        out.names = rows.names.into_iter().zip(used).filter(|(_, used)| *used).map(|(n, _)| n).collect();
        out
    }
}

/// Sparse counts from one list of (value, count) and a rest per row.
pub fn counts_of(rows: Vec<(Vec<(String, u64)>, u64)>) -> ValueCounts {
    let mut names = BTreeMap::new();
    let mut lists = Vec::with_capacity(rows.len());
    let mut other = Vec::with_capacity(rows.len());
    for (list, rest) in rows {
        let mut hashed = Vec::with_capacity(list.len());
        for (value, count) in list {
            let hash = stable_hash(value.as_bytes());
            hashed.push((hash, count));
            names.entry(hash).or_insert_with(|| value.into());
        }
        lists.push(hashed);
        other.push(rest);
    }
    ValueCounts::from_rows(lists, names, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_per_row_up_to_the_limit() {
        let spec = FeatureSpec { name: "paths".into(), kind: "values".into(), field: Some("p".into()), limit: Some(2), ..FeatureSpec::default() };
        let values = Values::new(&spec).unwrap();
        let mut fields = Fields::default();
        values.request(&mut fields);
        let mut batch = EventBatch::new(&fields);
        let mut hits = Vec::new();
        for (i, (row, v)) in [(0, "/a"), (0, "/a"), (0, "/b"), (0, "/c"), (1, "/c")].iter().enumerate() {
            batch.set_keyword(0, v.as_bytes());
            batch.push(0);
            hits.push(Hit { event: i as u32, row: *row });
        }
        let mut acc = values.accumulator(&fields);
        acc.add(&batch, &hits);
        let counts = acc.finish(&[2, 0, 1]);
        let named = |r| counts.row(r).map(|(h, n)| (counts.name(h), n)).collect::<BTreeMap<_, _>>();
        assert_eq!(named(1), BTreeMap::from([("/a".into(), 2), ("/b".into(), 1)]));
        assert_eq!((counts.other[1], named(2).len(), named(0).len()), (1, 1, 0));
        assert!(counts.hashes[0] < counts.hashes[1], "ascending within a row");
    }
}
