//! Entity keys of a bucket, packed in one buffer with a stable hash each.

use xxhash_rust::xxh3::xxh3_64;

/// A stable 64-bit hash of a key or keyword value: the same on every machine and in every version.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// A list of keys in one allocation; `hash(i)` is [`stable_hash`] of key `i`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
}

impl Keys {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there is no key.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a key and returns its index.
    pub fn push(&mut self, key: &[u8]) -> usize {
        self.push_hashed(key, stable_hash(key))
    }

    /// Appends a key whose hash is known.
    pub fn push_hashed(&mut self, key: &[u8], hash: u64) -> usize {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        self.ends.len() - 1
    }

    /// Forgets all keys and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.hashes.clear();
    }

    /// Key `i` as bytes; empty when there is no such key.
    pub fn get(&self, i: usize) -> &[u8] {
        let Some(&end) = self.ends.get(i) else { return &[] };
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.bytes[start..end]
    }

    /// Key `i` as text (invalid UTF-8 replaced).
    pub fn text(&self, i: usize) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.get(i))
    }

    /// Stable hash of key `i`; 0 when there is no such key.
    pub fn hash(&self, i: usize) -> u64 {
        self.hashes.get(i).copied().unwrap_or(0)
    }

    /// Bytes that are held.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 16
    }

    /// Indices in canonical order: by hash, then by key; independent of the order in which keys arrived.
    pub fn canonical_order(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self.hashes.iter().copied().zip(0..).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.get(a.1).cmp(self.get(b.1))));
        order.into_iter().map(|(_, i)| i).collect()
    }

    /// The keys in the order of `order`.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let mut out = Self { bytes: Vec::with_capacity(self.bytes.len()), ..Self::default() };
        for &i in order {
            out.push_hashed(self.get(i), self.hash(i));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_order_does_not_depend_on_arrival() {
        let mut a = Keys::default();
        let mut b = Keys::default();
        for k in ["x", "", "10.0.0.1", "y"] {
            a.push(k.as_bytes());
        }
        for k in ["y", "10.0.0.1", "x", ""] {
            b.push(k.as_bytes());
        }
        assert_eq!(a.permuted(&a.canonical_order()), b.permuted(&b.canonical_order()));
        assert_eq!(a.get(9), b"");
        assert_eq!(a.text(2), "10.0.0.1");
    }
}
