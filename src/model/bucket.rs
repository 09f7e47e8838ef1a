//! One slice of time of one job, column by column.

use std::collections::BTreeMap;

use super::{EntityTable, Keys, Slot};

/// One slice of time of one job: entities (rows) times features (columns).
///
/// Rows stand in the canonical order of their keys (by stable hash), so that nothing downstream depends on the order
/// in which pages or lines came. `NaN` in a column means "absent".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bucket {
    /// Start, milliseconds of the epoch, inside.
    pub start_ms: i64,
    /// Width in milliseconds.
    pub span_ms: i64,
    /// Entity key of each row.
    pub keys: Keys,
    /// Documents behind each row.
    pub doc_counts: Vec<u64>,
    /// `columns[feature][row]`, in the order of the job's numeric features.
    pub columns: Vec<Vec<f64>>,
    /// `values[feature]`, in the order of the job's keyword-valued features: sparse counts of values per row.
    pub values: Vec<ValueCounts>,
    /// True for rows that no document stands behind: expected entities that were silent.
    pub imputed: Vec<bool>,
    /// Documents of the slice that had no entity key and are in no row.
    pub skipped_docs: u64,
    /// Entities that did not fit the job's bound and are in no row.
    pub dropped_entities: u64,
}

/// Sparse counts of keyword values per row (compressed rows): row `r` owns entries `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ValueCounts {
    /// `rows + 1` positions.
    pub offsets: Vec<u32>,
    /// Stable hash of each value, ascending within a row.
    pub hashes: Vec<u64>,
    /// How often the value came, at least 1.
    pub counts: Vec<u64>,
    /// Text of the values in this bucket, by hash.
    pub names: BTreeMap<u64, Box<str>>,
    /// Occurrences per row of values beyond the bound of values per row (in no entry).
    pub other: Vec<u64>,
}

impl ValueCounts {
    /// Entries of a row: (value hash, count).
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u64, u64)> + '_ {
        let from = self.offsets.get(row).map_or(0, |&o| o as usize);
        let to = self.offsets.get(row + 1).map_or(from, |&o| o as usize);
        (from..to).map(|i| (self.hashes[i], self.counts[i]))
    }

    /// Text of a value, or its hash in hex when the text was not kept.
    pub fn name(&self, hash: u64) -> String {
        self.names.get(&hash).map_or_else(|| format!("#{hash:016x}"), |n| n.to_string())
    }

    /// Builds from one list of (hash, count) per row.
    pub fn from_rows(rows: Vec<Vec<(u64, u64)>>, names: BTreeMap<u64, Box<str>>, other: Vec<u64>) -> Self {
        let mut out = Self { names, other, ..Self::default() };
        out.offsets.push(0);
        for mut row in rows {
            row.sort_unstable();
            for (hash, count) in row {
                out.hashes.push(hash);
                out.counts.push(count);
            }
            out.offsets.push(u32::try_from(out.hashes.len()).unwrap_or(u32::MAX));
        }
        out
    }

    fn permuted(self, order: &[usize]) -> Self {
        let (offsets, hashes, counts) =
            (Vec::with_capacity(order.len() + 1), Vec::with_capacity(self.hashes.len()), Vec::with_capacity(self.counts.len()));
        let other = order.iter().map(|&r| self.other.get(r).copied().unwrap_or(0)).collect();
        let mut out = Self { offsets, hashes, counts, other, names: BTreeMap::new() };
        out.offsets.push(0);
        for &row in order {
            for (hash, count) in self.row(row) {
                out.hashes.push(hash);
                out.counts.push(count);
            }
            out.offsets.push(u32::try_from(out.hashes.len()).unwrap_or(u32::MAX));
        }
        Self { names: self.names, ..out }
    }
}

impl Bucket {
    /// An empty slice of time with `features` numeric and `value_features` keyword-valued columns.
    pub fn empty(start_ms: i64, span_ms: i64, features: usize, value_features: usize) -> Self {
        Self {
            start_ms,
            span_ms,
            columns: vec![Vec::new(); features],
            values: vec![ValueCounts { offsets: vec![0], ..ValueCounts::default() }; value_features],
            ..Self::default()
        }
    }

    /// How many entities it holds.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// First millisecond after it.
    pub fn end_ms(&self) -> i64 {
        self.start_ms.saturating_add(self.span_ms)
    }

    /// Value of a numeric feature; `NaN` when absent.
    pub fn value(&self, feature: usize, row: usize) -> f64 {
        self.columns.get(feature).and_then(|c| c.get(row)).copied().unwrap_or(f64::NAN)
    }

    /// The same bucket with its rows in canonical order.
    pub fn canonical(self) -> Self {
        let order = self.keys.canonical_order();
        if order.iter().enumerate().all(|(i, &o)| i == o) { self } else { self.permuted(&order) }
    }

    /// The same bucket with its rows in this order.
    pub fn permuted(self, order: &[usize]) -> Self {
        Self {
            keys: self.keys.permuted(order),
            doc_counts: order.iter().map(|&r| self.doc_counts.get(r).copied().unwrap_or(0)).collect(),
            columns: self.columns.iter().map(|c| order.iter().map(|&r| c.get(r).copied().unwrap_or(f64::NAN)).collect()).collect(),
            values: self.values.into_iter().map(|v| v.permuted(order)).collect(),
            imputed: order.iter().map(|&r| self.imputed.get(r).copied().unwrap_or(false)).collect(),
            ..self
        }
    }
}

/// A bucket as detectors see it: rows looked up in the entity table, and the calendar of the job's time zone.
#[derive(Debug, Clone, Copy)]
pub struct BucketView<'a> {
    /// The slice of time.
    pub bucket: &'a Bucket,
    /// Slot of each row; [`super::NO_SLOT`] for an entity never seen before (in `learn` every row has a slot).
    pub slots: &'a [Slot],
    /// The entity table, for first-seen times.
    pub table: &'a EntityTable,
    /// Hour of the week of the bucket's start in the job's time zone: 0 = Monday 00:00, 167 = Sunday 23:00.
    pub hour_of_week: u32,
}

impl BucketView<'_> {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.bucket.rows()
    }

    /// Slot of a row as an index, or `None` for an entity never seen before.
    pub fn slot(&self, row: usize) -> Option<usize> {
        self.slots.get(row).filter(|&&s| s != super::NO_SLOT).map(|&s| s as usize)
    }

    /// True when no document stands behind the row.
    pub fn is_imputed(&self, row: usize) -> bool {
        self.bucket.imputed.get(row).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(keys: &[&str]) -> Bucket {
        let mut b = Bucket::empty(0, 60_000, 1, 1);
        let mut rows = Vec::new();
        for (i, k) in keys.iter().enumerate() {
            b.keys.push(k.as_bytes());
            b.doc_counts.push(k.len() as u64);
            b.columns[0].push(k.len() as f64);
            b.imputed.push(i == 99);
            rows.push(vec![(k.len() as u64, 1)]);
        }
        b.values[0] = ValueCounts::from_rows(rows, BTreeMap::new(), vec![0; keys.len()]);
        b
    }

    #[test]
    fn canonical_order_carries_every_column_along() {
        let a = bucket(&["a", "bb", "ccc", "dddd"]).canonical();
        let b = bucket(&["dddd", "ccc", "bb", "a"]).canonical();
        assert_eq!(a, b);
        for r in 0..a.rows() {
            assert_eq!(a.value(0, r), a.keys.get(r).len() as f64);
            assert_eq!(a.values[0].row(r).next(), Some((a.keys.get(r).len() as u64, 1)));
        }
        assert!(a.value(7, 0).is_nan() && a.value(0, 99).is_nan());
    }
}
