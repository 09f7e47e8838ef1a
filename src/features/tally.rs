//! How often each value came in each row of a bucket: the store behind keyword-valued features.
//!
//! A field of few values (a method, a status) is counted in a small array per row, without hashing pairs; one of many values
//! (a path) in one table of pairs for all rows. Which it is shows as the values come.

use hashbrown::HashTable;

use crate::model::keys::stable_hash;

/// Different values up to which a row is an array.
const MAX_DENSE: usize = 16;

/// Counts of values per row.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Places in `names`, by value: every text is kept once, however many rows have it.
    index: HashTable<u32>,
    names: Vec<(u64, Box<str>)>,
    /// Values that a row's array has room for; 0 once pairs are kept in the table.
    width: usize,
    dense: Vec<u32>,
    sparse: HashTable<Pair>,
    pairs: usize,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    row: u32,
    name: u32,
    count: u32,
}

/// Counts of all rows: row `r` owns entries `offsets[r]..offsets[r + 1]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// `rows + 1` positions.
    pub offsets: Vec<usize>,
    /// Value (place in the list of names) and how often it came, in no particular order within a row.
    pub entries: Vec<(u32, u32)>,
}

impl Default for Tally {
    fn default() -> Self {
        let (index, sparse) = (HashTable::new(), HashTable::new());
        Self { index, names: Vec::new(), width: MAX_DENSE / 4, dense: Vec::new(), sparse, pairs: 0 }
    }
}

/// Hash of a pair: a multiply-and-fold of both parts (constant: 2^64 / golden ratio).
#[inline]
fn pair_hash(row: u32, name: u32) -> u64 {
    let wide = u128::from((u64::from(row) << 32) | u64::from(name)) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}

impl Tally {
    /// Counts a value in a row.
    #[inline]
    pub fn see(&mut self, row: u32, value: &[u8]) {
        let name = self.name(value);
        while self.width > 0 && name as usize >= self.width {
            self.widen();
        }
        self.count(row, name, 1);
    }

    #[inline]
    fn count(&mut self, row: u32, name: u32, n: u32) {
        if self.width > 0 {
            let end = (row as usize + 1) * self.width;
            if self.dense.len() < end {
                self.dense.resize(end, 0);
            }
            let count = &mut self.dense[end - self.width + name as usize];
            self.pairs += usize::from(*count == 0);
            *count = count.saturating_add(n);
            return;
        }
        let found = self.sparse.entry(pair_hash(row, name), |p| p.row == row && p.name == name, |p| pair_hash(p.row, p.name));
        match found {
            hashbrown::hash_table::Entry::Occupied(mut entry) => entry.get_mut().count = entry.get().count.saturating_add(n),
            hashbrown::hash_table::Entry::Vacant(slot) => {
                slot.insert(Pair { row, name, count: n });
                self.pairs += 1;
            }
        }
    }

    /// Makes room for more values per row, or goes over to the table of pairs.
    fn widen(&mut self) {
        let (old, width) = (std::mem::take(&mut self.dense), self.width);
        self.width = if width * 2 > MAX_DENSE { 0 } else { width * 2 };
        self.pairs = 0;
        for (row, counts) in old.chunks(width).enumerate() {
            for (name, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                self.count(row as u32, name as u32, n);
            }
        }
    }

    #[inline]
    fn name(&mut self, value: &[u8]) -> u32 {
        let hash = stable_hash(value);
        let names = &self.names;
        if let Some(&name) = self.index.find(hash, |&n| names[n as usize].0 == hash) {
            return name;
        }
        self.names.push((hash, String::from_utf8_lossy(value).into()));
        let (names, name) = (&self.names, (self.names.len() - 1) as u32);
        self.index.insert_unique(hash, name, |&n| names[n as usize].0);
        name
    }

    /// Pairs of row and value.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// How many different values each row has.
    pub fn distinct(&self, rows: usize) -> Vec<u64> {
        let mut out = vec![0; rows];
        self.each(|row, _, _| {
            if let Some(n) = out.get_mut(row as usize) {
                *n += 1;
            }
        });
        out
    }

    /// Hash and text of all values, and the counts of all rows.
    pub fn into_rows(self, rows: usize) -> (Vec<(u64, Box<str>)>, Rows) {
        let mut offsets = vec![0usize; rows + 1];
        for (row, n) in self.distinct(rows).into_iter().enumerate() {
            offsets[row + 1] = offsets[row] + n as usize;
        }
        let mut entries = vec![(0, 0); offsets.last().copied().unwrap_or(0)];
        let mut next = offsets.clone();
        self.each(|row, name, count| {
            if (row as usize) < rows {
                let at = &mut next[row as usize];
                entries[*at] = (name, count);
                *at += 1;
            }
        });
        (self.names, Rows { offsets, entries })
    }

    fn each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        for (row, counts) in self.dense.chunks(self.width.max(1)).enumerate() {
            for (name, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                visit(row as u32, name as u32, n);
            }
        }
        self.sparse.iter().for_each(|p| visit(p.row, p.name, p.count));
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
            let distinct = t.distinct(4);
            let (names, rows) = t.clone().into_rows(4);
            assert_eq!((names.len(), rows.entries.len()), (values as usize, t.pairs()));
            for row in 0..4u32 {
                let mine = &rows.entries[rows.offsets[row as usize]..rows.offsets[row as usize + 1]];
                assert_eq!(mine.len() as u64, distinct[row as usize]);
                for (name, count) in mine {
                    let v: u32 = names[*name as usize].1[1..].parse().unwrap();
                    assert_eq!(*count as usize, (0..1_000).filter(|i| i % 3 == row && i % values == v).count(), "{values} {row} {v}");
                }
            }
            assert_eq!(distinct[3], 0);
        }
    }

    #[test]
    fn nothing_seen_is_nothing() {
        let (names, rows) = Tally::default().into_rows(2);
        assert!(names.is_empty() && rows.entries.is_empty());
        assert_eq!(rows.offsets, [0, 0, 0]);
    }
}
