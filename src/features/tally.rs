//! How often each value came in each row of a bucket: the store behind keyword-valued features.
//!
//! A field of few values (a method, a status) is counted in a small array per row; of one of many values (a path) the pairs of
//! row and value are written down and sorted now and then, which touches memory in order where a table of millions of pairs
//! would miss the cache with every event. Which it is shows as the values come.

use hashbrown::HashTable;

use crate::model::keys::stable_hash;

/// Different values up to which a row is an array.
const MAX_DENSE: usize = 16;
/// Pairs that are written down before they are sorted and added up (8 MiB).
const MAX_NOTES: usize = 1 << 20;
/// Pairs that are written down before they are counted in the arrays: together, memory is waited for once.
const DENSE_NOTES: usize = 1_024;

/// Counts of values per row.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Hash of each value and its place in `names`: every text is kept once, however many rows have it.
    index: HashTable<(u64, u32)>,
    names: Vec<(u64, Box<str>)>,
    /// Values that a row's array has room for; 0 once pairs are written down.
    width: usize,
    dense: Vec<u32>,
    /// Pairs as they came: row in the upper half, name in the lower.
    notes: Vec<u64>,
    /// Names in the order of their hashes when pairs were last added up; the place of one in this list is its rank.
    ranked: Vec<u32>,
    /// Pairs added up, ascending: row in the upper half, rank in the lower, so that a row's values stand in the order of their hashes.
    keys: Vec<u64>,
    counts: Vec<u32>,
}

/// Counts of all rows: row `r` owns entries `offsets[r]..offsets[r + 1]`, in the order of the values' hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Hash and text of every value, ascending by hash.
    pub names: Vec<(u64, Box<str>)>,
    /// `rows + 1` positions.
    pub offsets: Vec<usize>,
    /// Place in `names`, in the lower half of the number.
    keys: Vec<u64>,
    counts: Vec<u32>,
}

impl Rows {
    /// Value (place in the list of names) of an entry, and how often it came.
    #[inline]
    pub fn entry(&self, i: usize) -> (usize, u32) {
        (self.keys[i] as u32 as usize, self.counts[i])
    }
}

impl Default for Tally {
    fn default() -> Self {
        let (dense, notes, ranked, keys, counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { index: HashTable::new(), names: Vec::new(), width: MAX_DENSE / 4, dense, notes, ranked, keys, counts }
    }
}

impl Tally {
    /// Counts a value in a row.
    #[inline]
    pub fn see(&mut self, row: u32, value: &[u8]) {
        let name = self.name(value);
        while self.width > 0 && name as usize >= self.width {
            self.count_notes();
            self.widen();
        }
        self.notes.push((u64::from(row) << 32) | u64::from(name));
        if self.notes.len() >= if self.width > 0 { DENSE_NOTES } else { MAX_NOTES } {
            self.add_up();
        }
    }

    /// Counts what was written down where that costs next to nothing; call after each batch.
    pub fn settle(&mut self) {
        if self.width > 0 {
            self.count_notes();
        }
    }

    /// Counts what was written down in the arrays.
    fn count_notes(&mut self) {
        let width = self.width;
        let rows = self.notes.iter().map(|n| (n >> 32) as usize + 1).max().unwrap_or(0);
        if self.dense.len() < rows * width {
            self.dense.resize(rows * width, 0);
        }
        for note in self.notes.drain(..) {
            let count = &mut self.dense[(note >> 32) as usize * width + (note as u32) as usize];
            *count = count.saturating_add(1);
        }
    }

    /// Makes room for more values per row, or goes over to pairs.
    fn widen(&mut self) {
        let (old, width) = (std::mem::take(&mut self.dense), self.width);
        if width * 2 <= MAX_DENSE {
            self.width = width * 2;
            self.dense = old.chunks(width).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, width))).collect();
            return;
        }
        self.dense = old;
        self.write_down();
    }

    /// Goes over from arrays to pairs.
    fn write_down(&mut self) {
        let (dense, width) = (std::mem::take(&mut self.dense), std::mem::take(&mut self.width));
        self.ranked = self.by_hash();
        for (row, counts) in dense.chunks(width.max(1)).enumerate() {
            for (rank, &name) in self.ranked.iter().enumerate() {
                if let Some(&n) = counts.get(name as usize).filter(|n| **n > 0) {
                    self.keys.push(((row as u64) << 32) | rank as u64);
                    self.counts.push(n);
                }
            }
        }
    }

    fn by_hash(&self) -> Vec<u32> {
        let mut ranked: Vec<u32> = (0..self.names.len() as u32).collect();
        ranked.sort_unstable_by_key(|&name| self.names[name as usize].0);
        ranked
    }

    /// Counts what was written down: in the arrays, or sorted and merged into the sums.
    fn add_up(&mut self) {
        if self.width > 0 {
            return self.count_notes();
        }
        if self.notes.is_empty() {
            return;
        }
        let ranked = self.by_hash();
        let before = std::mem::replace(&mut self.ranked, ranked);
        let mut rank = vec![0; self.names.len()];
        self.ranked.iter().zip(0u64..).for_each(|(&name, r)| rank[name as usize] = r);
        let of = |row: u64, name: u32| (row & !u64::from(u32::MAX)) | rank[name as usize];
        let mut notes = std::mem::take(&mut self.notes);
        notes.iter_mut().for_each(|note| *note = of(*note, *note as u32));
        notes.sort_unstable();
        let (keys, counts) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.counts));
        let runs = notes.chunk_by(|a, b| a == b).count();
        (self.keys, self.counts) = (Vec::with_capacity(keys.len() + runs), Vec::with_capacity(keys.len() + runs));
        // Names that came since stand between the old ones: the order of the old sums stays what it was.
        let mut old = keys.into_iter().map(|k| of(k, before[k as u32 as usize])).zip(counts).peekable();
        for run in notes.chunk_by(|a, b| a == b) {
            let (key, mut count) = (run[0], u32::try_from(run.len()).unwrap_or(u32::MAX));
            while let Some((k, n)) = old.next_if(|(k, _)| *k <= key) {
                if k == key {
                    count = count.saturating_add(n);
                } else {
                    self.keys.push(k);
                    self.counts.push(n);
                }
            }
            self.keys.push(key);
            self.counts.push(count);
        }
        for (k, n) in old {
            self.keys.push(k);
            self.counts.push(n);
        }
        notes.clear();
        self.notes = notes;
    }

    #[inline]
    fn name(&mut self, value: &[u8]) -> u32 {
        let hash = stable_hash(value);
        if let Some(&(_, name)) = self.index.find(hash, |&(h, _)| h == hash) {
            return name;
        }
        let name = self.names.len() as u32;
        self.names.push((hash, String::from_utf8_lossy(value).into()));
        self.index.insert_unique(hash, (hash, name), |&(h, _)| h);
        name
    }

    /// Counts and notes that are held.
    pub fn cells(&self) -> usize {
        self.dense.len() + self.keys.len() + self.notes.len()
    }

    /// Per row the sum, over the values for which `holds`, of what their counts are worth.
    pub fn per_row(&mut self, rows: usize, holds: impl Fn(&str) -> bool, worth: impl Fn(u32) -> u64) -> Vec<u64> {
        self.add_up();
        let is_meant: Vec<bool> = self.names.iter().map(|(_, text)| holds(text)).collect();
        let mut out = vec![0; rows];
        let mut add = |row: usize, name: usize, count: u32| {
            if let Some(n) = out.get_mut(row).filter(|_| is_meant[name]) {
                *n += worth(count);
            }
        };
        for (row, counts) in self.dense.chunks(self.width.max(1)).enumerate() {
            counts.iter().enumerate().filter(|(_, n)| **n > 0).for_each(|(name, &n)| add(row, name, n));
        }
        for (&key, &n) in self.keys.iter().zip(&self.counts) {
            add((key >> 32) as usize, self.ranked[key as u32 as usize] as usize, n);
        }
        out
    }

    /// The counts of all rows.
    pub fn into_rows(mut self, rows: usize) -> Rows {
        self.add_up();
        if self.width > 0 {
            self.write_down();
        }
        let mut offsets = Vec::with_capacity(rows + 1);
        for (at, key) in self.keys.iter().enumerate() {
            offsets.resize(offsets.len().max((key >> 32) as usize + 1).min(rows + 1), at);
        }
        offsets.resize(rows + 1, self.keys.len());
        let mut names: Vec<(u64, Box<str>)> = self.names;
        names.sort_unstable_by_key(|n| n.0);
        Rows { names, offsets, keys: self.keys, counts: self.counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_values_are_counted_alike() {
        for values in [1, 4, 5, 8, 16, 17, 40] {
            let mut t = Tally::default();
            for i in 0..1_000u32 {
                t.see(i % 3, format!("v{}", i % values).as_bytes());
            }
            t.add_up();
            for i in 1_000..2_000u32 {
                t.see(i % 3, format!("v{}", i % values).as_bytes());
            }
            let distinct = t.per_row(4, |_| true, |_| 1);
            let r = t.clone().into_rows(4);
            assert_eq!((r.names.len(), r.offsets[4]), (values as usize, distinct.iter().sum::<u64>() as usize));
            assert!(r.names.is_sorted_by(|a, b| a.0 < b.0));
            for row in 0..4u32 {
                let mine: Vec<_> = (r.offsets[row as usize]..r.offsets[row as usize + 1]).map(|i| r.entry(i)).collect();
                assert_eq!(mine.len() as u64, distinct[row as usize]);
                assert!(mine.is_sorted_by(|a, b| a.0 < b.0), "in the order of hashes");
                for (name, count) in mine {
                    let v: u32 = r.names[name].1[1..].parse().unwrap();
                    assert_eq!(count as usize, (0..2_000).filter(|i| i % 3 == row && i % values == v).count(), "{values} {row} {v}");
                }
            }
            assert_eq!(distinct[3], 0);
        }
    }

    #[test]
    fn nothing_seen_is_nothing() {
        let rows = Tally::default().into_rows(2);
        assert!(rows.names.is_empty());
        assert_eq!(rows.offsets, [0, 0, 0]);
    }
}
