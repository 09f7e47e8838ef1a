//! Keyword-valued features: how often each value came, per entity, as sparse counts with a bound.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use serde_json::{Value, json};

use super::filter::{self, Mask};
use super::{Hit, required_field};
use crate::model::keys::stable_hash;
use crate::model::{AggRow, EventBatch, FeatureSpec, FieldKind, Fields, Part, ValueCounts};

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

    /// Asks for the fields that it reads.
    pub fn request(&self, fields: &mut Fields) {
        fields.request(&self.field, FieldKind::Keyword);
        if let Some(f) = &self.spec.filter {
            filter::request(f, fields);
        }
    }

    /// The terms aggregation that answers it.
    pub fn aggregation(&self) -> Value {
        let terms = json!({ "terms": { "field": self.field, "size": self.limit } });
        match &self.spec.filter {
            Some(f) => json!({ "filter": filter::query(f), "aggs": { "v": terms } }),
            None => terms,
        }
    }

    /// Values of a row of an aggregation page, and how many occurrences are beyond the limit.
    pub fn read(&self, row: &AggRow) -> (Vec<(String, u64)>, u64) {
        let node = row.nodes.get(&self.spec.name).map(|n| n.v.as_deref().unwrap_or(n));
        node.map_or((Vec::new(), 0), |n| (n.buckets.iter().map(|t| (t.text(), t.doc_count)).collect(), n.sum_other_doc_count.unwrap_or(0)))
    }

    /// A fresh accumulator.
    pub fn accumulator(&self, fields: &Fields) -> ValuesAccumulator {
        ValuesAccumulator {
            column: fields.column(&self.field, FieldKind::Keyword).unwrap_or(usize::MAX),
            mask: self.spec.filter.as_ref().map(|f| Mask::new(f, fields)),
            limit: self.limit,
            index: HashTable::new(),
            pairs: Vec::new(),
            names_index: HashTable::new(),
            names: Vec::new(),
        }
    }
}

/// Gathers a keyword-valued feature over the events of one bucket.
#[derive(Debug)]
pub struct ValuesAccumulator {
    column: usize,
    mask: Option<Mask>,
    limit: usize,
    /// Places in `pairs`, by row and value.
    index: HashTable<u32>,
    pairs: Vec<Pair>,
    /// Places in `names`, by value: every text is kept once, however many rows have it.
    names_index: HashTable<u32>,
    names: Vec<(u64, Box<str>)>,
}

/// How often a value came in a row.
#[derive(Debug, Clone, Copy)]
struct Pair {
    row: u32,
    name: u32,
    hash: u64,
    count: u64,
}

/// Hash of a pair: the row spread over all bits (2^64 / golden ratio), so that rows do not share slots of the table.
#[inline]
fn pair_hash(row: u32, hash: u64) -> u64 {
    hash ^ (u64::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl ValuesAccumulator {
    /// How many pairs of row and value it holds.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True when it holds none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds events.
    pub fn add(&mut self, batch: &EventBatch, hits: &[Hit]) {
        let Some(values) = batch.keywords(self.column) else { return };
        for hit in hits {
            let Some(value) = values.get(hit.event as usize) else { continue };
            if self.mask.as_ref().is_none_or(|m| m.holds(batch, hit.event as usize)) {
                self.see(hit.row, value);
            }
        }
    }

    #[inline]
    fn see(&mut self, row: u32, value: &[u8]) {
        let hash = stable_hash(value);
        let pairs = &self.pairs;
        let key = pair_hash(row, hash);
        let found = self.index.find(key, |&p| pairs[p as usize].row == row && pairs[p as usize].hash == hash).copied();
        if let Some(place) = found {
            self.pairs[place as usize].count += 1;
            return;
        }
        let name = self.name(hash, value);
        let Ok(place) = u32::try_from(self.pairs.len()) else { return };
        self.pairs.push(Pair { row, name, hash, count: 1 });
        let pairs = &self.pairs;
        self.index.insert_unique(key, place, |&p| pair_hash(pairs[p as usize].row, pairs[p as usize].hash));
    }

    fn name(&mut self, hash: u64, value: &[u8]) -> u32 {
        let names = &self.names;
        if let Some(&name) = self.names_index.find(hash, |&n| names[n as usize].0 == hash) {
            return name;
        }
        self.names.push((hash, String::from_utf8_lossy(value).into()));
        let (names, name) = (&self.names, (self.names.len() - 1) as u32);
        self.names_index.insert_unique(hash, name, |&n| names[n as usize].0);
        name
    }

    /// Sparse counts of all rows; per row the most frequent values up to the limit, ties as engines break them (by text).
    pub fn finish(self, rows: usize) -> ValueCounts {
        let Self { limit, index, mut pairs, names_index, names, .. } = self;
        drop((index, names_index));
        pairs.sort_unstable_by_key(|p| (p.row, p.hash));
        let mut out = ValueCounts { offsets: Vec::with_capacity(rows + 1), other: vec![0; rows], ..ValueCounts::default() };
        out.offsets.push(0);
        let text = |p: &Pair| names.get(p.name as usize).map_or("", |n| &*n.1);
        let mut rest = &mut pairs[..];
        let mut used = vec![false; names.len()];
        for row in 0..rows {
            let (mine, others) = rest.split_at_mut(rest.partition_point(|p| (p.row as usize) <= row));
            rest = others;
            let mut kept = mine.len();
            if kept > limit {
                mine.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| text(a).cmp(text(b))));
                out.other[row] = mine[limit..].iter().map(|p| p.count).sum();
                kept = limit;
                mine[..kept].sort_unstable_by_key(|p| p.hash);
            }
            for p in &mine[..kept] {
                out.hashes.push(p.hash);
                out.counts.push(p.count);
                used[p.name as usize] = true;
            }
            out.offsets.push(u32::try_from(out.hashes.len()).unwrap_or(u32::MAX));
        }
        out.names = names.into_iter().zip(used).filter(|(_, used)| *used).map(|(n, _)| n).collect();
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
        let counts = acc.finish(3);
        let named = |r| counts.row(r).map(|(h, n)| (counts.name(h), n)).collect::<BTreeMap<_, _>>();
        assert_eq!(named(0), BTreeMap::from([("/a".into(), 2), ("/b".into(), 1)]));
        assert_eq!((counts.other[0], named(1).len(), named(2).len()), (1, 1, 0));
    }
}
