//! The entity table: key -> slot, interned once per job, bounded.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::Keys;
use super::keys::stable_hash;

/// Index of an entity in every array that a model keeps per entity.
pub type Slot = u32;

/// Stands for "never seen before".
pub const NO_SLOT: Slot = Slot::MAX;

/// Interned entity keys with the times they were first and last seen. Slots of evicted entities are used again.
#[derive(Debug, Clone, Default)]
pub struct EntityTable {
    index: HashTable<Slot>,
    entries: Vec<Entry>,
    free: Vec<Slot>,
    max_entities: usize,
    evicted: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    key: Box<[u8]>,
    hash: u64,
    first_seen_ms: i64,
    last_seen_ms: i64,
    live: bool,
}

/// What a snapshot keeps of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntityTableState {
    entries: Vec<Entry>,
    evicted: u64,
}

impl EntityTable {
    /// An empty table that holds at most `max_entities` (at least 1).
    pub fn new(max_entities: usize) -> Self {
        Self { max_entities: max_entities.clamp(1, NO_SLOT as usize - 1), ..Self::default() }
    }

    /// Entities it holds.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when it holds none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Length that an array indexed by slot needs.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Entities evicted so far because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Slot of a key, if it is known.
    pub fn find(&self, key: &[u8], hash: u64) -> Option<Slot> {
        self.index.find(hash, |&s| &*self.entries[s as usize].key == key).copied()
    }

    /// Slots of all keys; [`NO_SLOT`] for the unknown.
    pub fn find_all(&self, keys: &Keys) -> Vec<Slot> {
        (0..keys.len()).map(|i| self.find(keys.get(i), keys.hash(i)).unwrap_or(NO_SLOT)).collect()
    }

    /// Slot of a key, made where it is new; marks it seen at `at_ms`.
    pub fn intern(&mut self, key: &[u8], hash: u64, at_ms: i64) -> Slot {
        if let Some(slot) = self.find(key, hash) {
            let e = &mut self.entries[slot as usize];
            e.last_seen_ms = e.last_seen_ms.max(at_ms);
            return slot;
        }
        let entry = Entry { key: key.into(), hash, first_seen_ms: at_ms, last_seen_ms: at_ms, live: true };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as Slot
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, slot, |&s| entries[s as usize].hash);
        slot
    }

    /// Makes room for `incoming` new entities: evicts the least recently seen (ties by key hash), and returns their
    /// slots, which models must forget. Empty while the bound is kept.
    pub fn make_room(&mut self, incoming: usize) -> Vec<Slot> {
        let wanted = self.len().saturating_add(incoming);
        if wanted <= self.max_entities {
            return Vec::new();
        }
        let excess = (wanted - self.max_entities).max(self.max_entities / 16).min(self.len());
        let mut live: Vec<Slot> = (0..self.entries.len() as Slot).filter(|&s| self.entries[s as usize].live).collect();
        live.sort_unstable_by_key(|&s| (self.entries[s as usize].last_seen_ms, self.entries[s as usize].hash));
        live.truncate(excess);
        for &slot in &live {
            let e = &mut self.entries[slot as usize];
            e.live = false;
            let hash = e.hash;
            if let Ok(found) = self.index.find_entry(hash, |&s| s == slot) {
                found.remove();
            }
        }
        self.free.extend(live.iter().rev());
        self.evicted += live.len() as u64;
        live
    }

    /// Key of a slot; empty for an unknown one.
    pub fn key(&self, slot: Slot) -> &[u8] {
        self.entries.get(slot as usize).map_or(&[], |e| &e.key)
    }

    /// When the entity was first seen (start of that bucket), if the slot is known.
    pub fn first_seen_ms(&self, slot: Slot) -> Option<i64> {
        self.entries.get(slot as usize).filter(|e| e.live).map(|e| e.first_seen_ms)
    }

    /// When the entity was last seen (start of that bucket), if the slot is known.
    pub fn last_seen_ms(&self, slot: Slot) -> Option<i64> {
        self.entries.get(slot as usize).filter(|e| e.live).map(|e| e.last_seen_ms)
    }

    /// Slots in use, ascending.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.entries.len() as Slot).filter(|&s| self.entries[s as usize].live)
    }

    /// What a snapshot keeps.
    pub fn state(&self) -> EntityTableState {
        EntityTableState { entries: self.entries.clone(), evicted: self.evicted }
    }

    /// A table from a snapshot, with the bound of the configuration of today.
    pub fn from_state(state: EntityTableState, max_entities: usize) -> Self {
        let mut out = Self::new(max_entities);
        out.evicted = state.evicted;
        out.entries = state.entries;
        for slot in (0..out.entries.len() as Slot).rev() {
            if out.entries[slot as usize].live {
                let entries = &out.entries;
                out.index.insert_unique(entries[slot as usize].hash, slot, |&s| entries[s as usize].hash);
            } else {
                out.free.push(slot);
            }
        }
        out
    }
}

/// Interns a key given as text, for tests and small callers.
pub fn intern_text(table: &mut EntityTable, key: &str, at_ms: i64) -> Slot {
    table.intern(key.as_bytes(), stable_hash(key.as_bytes()), at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_slot_and_their_first_seen_time() {
        let mut t = EntityTable::new(10);
        let a = intern_text(&mut t, "a", 1_000);
        assert_eq!(intern_text(&mut t, "a", 5_000), a);
        assert_eq!((t.first_seen_ms(a), t.last_seen_ms(a)), (Some(1_000), Some(5_000)));
        assert_eq!(t.find(b"b", stable_hash(b"b")), None);
        assert_eq!(t.key(99), b"");
    }

    #[test]
    fn a_full_table_evicts_the_least_recently_seen_and_reuses_the_slot() {
        let mut t = EntityTable::new(3);
        for (i, k) in ["a", "b", "c"].iter().enumerate() {
            intern_text(&mut t, k, i as i64);
        }
        intern_text(&mut t, "a", 10);
        let gone = t.make_room(1);
        assert_eq!(gone.iter().map(|&s| t.key(s).to_vec()).collect::<Vec<_>>(), [b"b".to_vec()]);
        let d = intern_text(&mut t, "d", 11);
        assert_eq!((d, t.len(), t.evicted()), (gone[0], 3, 1));
        assert_eq!(t.find(b"b", stable_hash(b"b")), None);
    }

    #[test]
    fn a_table_survives_a_snapshot() {
        let mut t = EntityTable::new(2);
        intern_text(&mut t, "a", 1);
        intern_text(&mut t, "b", 2);
        t.make_room(1);
        let back = EntityTable::from_state(t.state(), 2);
        assert_eq!(back.find(b"b", stable_hash(b"b")), t.find(b"b", stable_hash(b"b")));
        assert_eq!((back.len(), back.evicted()), (1, 1));
    }
}
