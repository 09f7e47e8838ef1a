//! What the rows of a bucket show of a keyword feature, under the names that are compared.

use std::ops::Range;

use hashbrown::HashTable;

use crate::model::ValueCounts;
use crate::model::keys::stable_hash;

/// A keyword-valued feature that is used.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) is_path: bool,
}

impl Used {
    /// What a value is compared as.
    pub(super) fn compared(&self, values: &ValueCounts, hash: u64) -> u64 {
        match values.names.get(&hash) {
            Some(text) if self.is_path => stable_hash(first_segment(text).as_bytes()),
            _ => hash,
        }
    }

    /// The name of a value as it is compared.
    pub(super) fn name_of(&self, values: &ValueCounts, hash: u64) -> String {
        let name = values.name(hash);
        if self.is_path { first_segment(&name).to_owned() } else { name }
    }
}

/// First segment of a path with its slash; anything else as it stands.
pub(super) fn first_segment(text: &str) -> &str {
    let Some(rest) = text.strip_prefix('/') else { return text };
    rest.find(['/', '?', '#']).and_then(|end| text.get(..=end)).unwrap_or(text)
}

/// For each row the values that are compared, in order of their hashes, with counts.
pub(super) struct Shown {
    /// Hash of each different value, ascending.
    pub(super) values: Vec<u64>,
    /// Row `i` owns `entries[offsets[i]..offsets[i + 1]]`.
    offsets: Vec<usize>,
    /// Place in `values`, count.
    entries: Vec<(u32, u64)>,
}

impl Shown {
    /// Of some rows; nothing where the bucket lacks the feature.
    pub(super) fn of(used: &Used, values: Option<&ValueCounts>, rows: Range<usize>) -> Self {
        let mut out = Self { values: Vec::new(), offsets: vec![0; rows.len() + 1], entries: Vec::new() };
        let Some(counts) = values else { return out };
        // For each value (by its hash) what it is compared as, then its place.
        let mut places: HashTable<(u64, u64)> = HashTable::new();
        for (hash, _) in rows.clone().flat_map(|row| counts.row(row)) {
            places.entry(hash, |p| p.0 == hash, |p| p.0).or_insert_with(|| (hash, used.compared(counts, hash)));
        }
        out.values = places.iter().map(|p| p.1).collect();
        out.values.sort_unstable();
        out.values.dedup();
        for (_, place) in places.iter_mut() {
            *place = out.values.binary_search(place).unwrap_or_default() as u64;
        }
        let mut mine: Vec<(u32, u64)> = Vec::new();
        for (i, row) in rows.enumerate() {
            mine.clear();
            mine.extend(counts.row(row).filter_map(|(hash, count)| Some((places.find(hash, |p| p.0 == hash)?.1 as u32, count))));
            mine.sort_unstable();
            for run in mine.chunk_by(|a, b| a.0 == b.0) {
                out.entries.push((run[0].0, run.iter().map(|e| e.1).sum()));
            }
            out.offsets[i + 1] = out.entries.len();
        }
        out
    }

    /// Values (as places) and counts of the `i`-th row.
    pub(super) fn row(&self, i: usize) -> &[(u32, u64)] {
        &self.entries[self.offsets[i]..self.offsets[i + 1]]
    }
}
