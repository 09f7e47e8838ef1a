//! Events -> buckets: groups log events by slice of time and entity and feeds every feature, column by column.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use hashbrown::HashTable;

use super::filter::{self, Mask};
use super::gather::Gather;
use super::values::{Values, ValuesAccumulator};
use super::{Feature, Hit, RowTotals, build};
use crate::model::time::align_down;
use crate::model::{Bucket, EventBatch, FieldKind, Fields, Job, Keys};

/// All features of a job, built, with the fields they read.
#[derive(Debug)]
pub struct FeatureSet {
    /// Numeric features, one column each.
    pub numeric: Vec<Box<dyn Feature>>,
    /// Keyword-valued features.
    pub values: Vec<Values>,
    /// Fields that a reader has to fill: entity fields first.
    pub fields: Fields,
}

impl FeatureSet {
    /// Builds every feature of a job, or says which one is wrong.
    pub fn new(job: &Job) -> Result<Self, String> {
        let numeric = job.features.iter().map(build).collect::<Result<Vec<_>, _>>()?;
        let values = job.value_features.iter().map(Values::new).collect::<Result<Vec<_>, _>>()?;
        let mut fields = Fields::default();
        for name in &job.entity_fields {
            fields.request(name, FieldKind::Keyword);
        }
        if let Some(f) = &job.filter {
            filter::request(f, &mut fields);
        }
        numeric.iter().for_each(|f| f.request(&mut fields));
        values.iter().for_each(|f| f.request(&mut fields));
        Ok(Self { numeric, values, fields })
    }
}

/// Events per row whose place is kept as evidence.
pub const EVIDENCE: usize = 3;

/// Where the first events of a row came from, as the reader numbers places; `u64::MAX` where there was none.
pub type Origins = [u64; EVIDENCE];

/// Turns events into buckets. Buckets stay open until [`Extractor::close_before`] is called for them.
pub struct Extractor<J, S> {
    job: J,
    set: S,
    entity_columns: Vec<usize>,
    mask: Option<Mask>,
    open: BTreeMap<i64, OpenBucket>,
    /// Everything before this instant has been closed; events before it are late.
    closed_until_ms: i64,
    late: u64,
    key: Vec<u8>,
    /// Events of a step that have a key, and the keys.
    keyed: Vec<u32>,
    keys: Keys,
    chosen: Vec<u64>,
    evidence: BTreeMap<i64, Vec<(u64, Origins)>>,
}

/// Events that are taken through each step together.
const STEP_EVENTS: usize = 256;
/// Weight of an open bucket beside its rows, in [`Extractor::open_size`].
const BUCKET_SIZE: usize = 64;

/// A row in the table of an open bucket, with as much of its key as makes up a short one (any IPv4 address), so that it is
/// known without a look elsewhere.
struct Seat {
    /// First and last eight bytes of the key.
    ends: (u64, u64),
    length: u32,
    row: u32,
}

impl Seat {
    /// Longest key that its ends and its length tell from all others.
    const WHOLE: usize = 16;

    #[inline]
    fn ends(key: &[u8]) -> (u64, u64) {
        match (key.first_chunk(), key.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (key.iter().fold(0, |word, &b| (word << 8) | u64::from(b)), 0),
        }
    }
}

struct OpenBucket {
    index: HashTable<Seat>,
    keys: Keys,
    doc_counts: Vec<u64>,
    origins: Vec<Origins>,
    numeric: Gather,
    values: Vec<ValuesAccumulator>,
    hits: Vec<Hit>,
    skipped_docs: u64,
    dropped_docs: u64,
}

impl<J: Deref<Target = Job>, S: Deref<Target = FeatureSet>> Extractor<J, S> {
    /// An extractor for a job (borrowed or shared), reading batches whose columns are `fields` (the set's own, or a superset).
    pub fn new(job: J, set: S, fields: &Fields) -> Self {
        Self {
            entity_columns: job.entity_fields.iter().map(|f| fields.column(f, FieldKind::Keyword).unwrap_or(usize::MAX)).collect(),
            mask: job.filter.as_ref().map(|f| Mask::new(f, fields)),
            open: BTreeMap::new(),
            closed_until_ms: i64::MIN,
            late: 0,
            key: Vec::new(),
            keyed: Vec::new(),
            keys: Keys::default(),
            chosen: Vec::new(),
            evidence: BTreeMap::new(),
            job,
            set,
        }
    }

    /// Events that came after their bucket was closed, so far.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Starts of open buckets.
    pub fn open_starts(&self) -> impl Iterator<Item = i64> + '_ {
        self.open.keys().copied()
    }

    /// How much is held in open buckets: rows and keyword values, and a share for each bucket.
    pub fn open_size(&self) -> usize {
        self.open.values().map(|b| BUCKET_SIZE + b.keys.len() + b.values.iter().map(ValuesAccumulator::cells).sum::<usize>()).sum()
    }

    /// Places of the last batch that were kept as evidence.
    pub fn chosen(&self) -> &[u64] {
        &self.chosen
    }

    /// Evidence of a closed bucket: key hash of each row and where its first events came from. Given out once.
    pub fn take_evidence(&mut self, start_ms: i64) -> Vec<(u64, Origins)> {
        self.evidence.remove(&start_ms).unwrap_or_default()
    }

    /// Adds a batch whose columns are `fields`.
    pub fn add(&mut self, batch: &EventBatch, fields: &Fields) {
        self.add_from(batch, fields, &[]);
    }

    /// Adds a batch and keeps, for each row, from which of `origins` (one per event) its first events came.
    pub fn add_from(&mut self, batch: &EventBatch, fields: &Fields, origins: &[u64]) {
        self.chosen.clear();
        let span = self.job.bucket_span_ms;
        let mut touched: Vec<i64> = Vec::new();
        let mut from = 0;
        // Neighbouring events mostly fall into the same slice of time: it is looked up once for all of them.
        while let Some(&first_ms) = batch.time_ms.get(from) {
            let start = align_down(first_ms, span);
            let slice = start..start.saturating_add(span);
            let to = from + 1 + batch.time_ms[from + 1..].iter().take_while(|t| slice.contains(t)).count();
            if self.add_slice(start, from..to, batch, fields, origins) && !touched.contains(&start) {
                touched.push(start);
            }
            from = to;
        }
        for start in touched {
            if let Some(bucket) = self.open.get_mut(&start) {
                bucket.flush(batch);
            }
        }
    }

    /// Counts events of one slice of time; true when one of them belongs to an open bucket.
    fn add_slice(&mut self, start: i64, events: Range<usize>, batch: &EventBatch, fields: &Fields, origins: &[u64]) -> bool {
        let mask = self.mask.as_ref();
        let mut events = events.filter(|&e| mask.is_none_or(|m| m.holds(batch, e))).peekable();
        if start < self.closed_until_ms {
            self.late += events.count() as u64;
            return false;
        }
        if events.peek().is_none() {
            return false;
        }
        let (set, max) = (&self.set, self.job.max_entities);
        let bucket = self.open.entry(start).or_insert_with(|| OpenBucket::new(set, fields));
        // One step at a time for a few hundred events: memory is waited for once per step, not once per event.
        while events.peek().is_some() {
            self.keys.clear();
            self.keyed.clear();
            for event in events.by_ref().take(STEP_EVENTS) {
                match entity_key(batch, event, &self.entity_columns, &mut self.key) {
                    Some(key) => {
                        self.keys.push(key);
                        self.keyed.push(event as u32);
                    }
                    None => bucket.skipped_docs += 1,
                }
            }
            let from = bucket.hits.len();
            bucket.seat(&self.keyed, &self.keys, max);
            bucket.count(from, origins, &mut self.chosen);
        }
        true
    }

    /// Closes every bucket that ends at or before `t_ms` and returns them in order of time.
    pub fn close_before(&mut self, t_ms: i64) -> Vec<Bucket> {
        let span = self.job.bucket_span_ms;
        let keep = self.open.split_off(&align_down(t_ms, span));
        let done = std::mem::replace(&mut self.open, keep);
        self.closed_until_ms = self.closed_until_ms.max(align_down(t_ms, span));
        done.into_iter().map(|(start, b)| self.close(start, b)).collect()
    }

    /// Closes everything.
    pub fn close_all(&mut self) -> Vec<Bucket> {
        std::mem::take(&mut self.open).into_iter().map(|(start, b)| self.close(start, b)).collect()
    }

    fn close(&mut self, start: i64, mut bucket: OpenBucket) -> Bucket {
        if !bucket.origins.is_empty() {
            let origins = std::mem::take(&mut bucket.origins);
            self.evidence.insert(start, origins.into_iter().enumerate().map(|(r, o)| (bucket.keys.hash(r), o)).collect());
        }
        bucket.finish(&self.set, start, self.job.bucket_span_ms)
    }
}

/// The entity key of an event, put together in `buffer` where it has several parts; `None` when one of them is absent.
#[inline]
fn entity_key<'a>(batch: &'a EventBatch, event: usize, columns: &[usize], buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let part = |column: usize| batch.keywords(column)?.get(event).filter(|v| !v.is_empty());
    match *columns {
        [] => Some(b"_all"),
        [column] => part(column),
        _ => {
            buffer.clear();
            for (i, &column) in columns.iter().enumerate() {
                push_key_part(buffer, part(column)?, i > 0);
            }
            Some(buffer)
        }
    }
}

/// Appends a part of a key of several fields: joined by `|`, with `|` and `\` inside a value escaped.
pub fn push_key_part(key: &mut Vec<u8>, value: &[u8], join: bool) {
    if join {
        key.push(b'|');
    }
    for &b in value {
        if b == b'|' || b == b'\\' {
            key.push(b'\\');
        }
        key.push(b);
    }
}

impl OpenBucket {
    fn new(set: &FeatureSet, fields: &Fields) -> Self {
        Self {
            index: HashTable::new(),
            keys: Keys::default(),
            doc_counts: Vec::new(),
            origins: Vec::new(),
            numeric: Gather::new(&set.numeric, &set.values, fields),
            values: set.values.iter().map(|f| f.accumulator(fields)).collect(),
            hits: Vec::new(),
            skipped_docs: 0,
            dropped_docs: 0,
        }
    }

    /// Finds the rows of events with these keys, or makes them while there is room.
    fn seat(&mut self, events: &[u32], keys: &Keys, max_entities: usize) {
        for (i, &event) in events.iter().enumerate() {
            let (key, hash) = (keys.get(i), keys.hash(i));
            let (mine, length, ends) = (&self.keys, key.len() as u32, Seat::ends(key));
            let is_seat = |s: &Seat| s.ends == ends && s.length == length && (key.len() <= Seat::WHOLE || mine.get(s.row as usize) == key);
            let row = match self.index.find(hash, is_seat) {
                Some(seat) => seat.row,
                None if self.keys.len() >= max_entities => {
                    self.dropped_docs += 1;
                    continue;
                }
                None => {
                    let row = self.keys.push_hashed(key, hash) as u32;
                    let mine = &self.keys;
                    self.index.insert_unique(hash, Seat { ends, length, row }, |s| mine.hash(s.row as usize));
                    self.doc_counts.push(0);
                    row
                }
            };
            self.hits.push(Hit { event, row });
        }
    }

    /// Counts the events from this hit on, and keeps the places of the first few of each row.
    fn count(&mut self, from: usize, origins: &[u64], chosen: &mut Vec<u64>) {
        if !origins.is_empty() {
            self.origins.resize(self.keys.len(), [u64::MAX; EVIDENCE]);
        }
        for hit in &self.hits[from..] {
            let count = &mut self.doc_counts[hit.row as usize];
            let nth = *count as usize;
            *count += 1;
            if nth < EVIDENCE
                && let Some(&origin) = origins.get(hit.event as usize)
            {
                self.origins[hit.row as usize][nth] = origin;
                chosen.push(origin);
            }
        }
    }

    fn flush(&mut self, batch: &EventBatch) {
        let rows = self.keys.len();
        self.numeric.add(batch, &self.hits, rows);
        self.values.iter_mut().for_each(|a| a.add(batch, &self.hits));
        self.hits.clear();
    }

    fn finish(mut self, set: &FeatureSet, start_ms: i64, span_ms: i64) -> Bucket {
        let rows = self.keys.len();
        let totals = RowTotals { doc_counts: &self.doc_counts, start_ms, span_ms };
        let order = self.keys.canonical_order();
        let bucket = Bucket {
            start_ms,
            span_ms,
            columns: self.numeric.finish(&set.numeric, &mut self.values, totals),
            values: Vec::new(),
            imputed: vec![false; rows],
            keys: self.keys,
            doc_counts: self.doc_counts,
            skipped_docs: self.skipped_docs + self.dropped_docs,
            dropped_entities: self.dropped_docs,
        };
        // The largest part of a bucket is made in its order at once.
        Bucket { values: self.values.into_iter().map(|a| a.finish(&order)).collect(), ..bucket.permuted(&order) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeatureSpec;
    use crate::model::keys::stable_hash;

    fn job() -> Job {
        let count = FeatureSpec { name: "n".into(), kind: "count".into(), ..FeatureSpec::default() };
        let mean = FeatureSpec { name: "size".into(), kind: "mean".into(), field: Some("bytes".into()), ..FeatureSpec::default() };
        Job { entity_fields: vec!["ip".into()], features: vec![count, mean], bucket_span_ms: 60_000, max_entities: 2, ..Job::default() }
    }

    fn batch(fields: &Fields, events: &[(i64, &str, f64)]) -> EventBatch {
        let mut b = EventBatch::new(fields);
        for (t, ip, bytes) in events {
            if !ip.is_empty() {
                b.set_keyword(0, ip.as_bytes());
            }
            b.set_number(1, *bytes);
            b.push(*t);
        }
        b
    }

    #[test]
    fn events_become_rows_late_ones_and_those_without_entity_are_counted() {
        let job = job();
        let set = FeatureSet::new(&job).unwrap();
        let mut x = Extractor::new(&job, &set, &set.fields);
        let events = [(0, "a", 2.0), (1, "a", 4.0), (61_000, "b", f64::NAN), (59_999, "b", 1.0), (5, "", 1.0), (6, "c", 1.0)];
        x.add(&batch(&set.fields, &events), &set.fields);
        let closed = x.close_before(60_000);
        assert_eq!(closed.len(), 1);
        let b = &closed[0];
        let a = (0..b.rows()).find(|&r| b.keys.get(r) == b"a").unwrap();
        assert_eq!((b.rows(), b.value(0, a), b.value(1, a), b.skipped_docs), (2, 2.0, 3.0, 2));
        x.add(&batch(&set.fields, &[(10, "a", 1.0)]), &set.fields);
        assert_eq!((x.late(), x.close_all().len()), (1, 1));
    }

    #[test]
    fn the_places_of_the_first_events_of_a_row_are_kept() {
        let job = job();
        let set = FeatureSet::new(&job).unwrap();
        let mut x = Extractor::new(&job, &set, &set.fields);
        let events: Vec<_> = (0..5).map(|t| (t, if t == 1 { "b" } else { "a" }, 1.0)).collect();
        x.add_from(&batch(&set.fields, &events), &set.fields, &[10, 11, 12, 13, 14]);
        assert_eq!((x.chosen(), x.open_size()), (&[10, 11, 12, 13][..], BUCKET_SIZE + 2));
        x.close_all();
        assert_eq!(x.take_evidence(0), [(stable_hash(b"a"), [10, 12, 13]), (stable_hash(b"b"), [11, u64::MAX, u64::MAX])]);
        assert!(x.take_evidence(0).is_empty());
    }

    #[test]
    fn keys_of_every_length_are_told_apart() {
        let job = Job { max_entities: 1_000, ..job() };
        let set = FeatureSet::new(&job).unwrap();
        let mut x = Extractor::new(&job, &set, &set.fields);
        // Alike at both ends and of the same length where that is possible; NULs are bytes like others.
        let mut keys: Vec<String> = (1..40).flat_map(|n| ["a", "b", "\0"].map(|c| c.repeat(n))).collect();
        keys.extend(["x", "y"].map(|c| format!("12345678{c}12345678")));
        let events: Vec<_> = keys.iter().cycle().take(3 * keys.len()).map(|k| (0, k.as_str(), 1.0)).collect();
        x.add(&batch(&set.fields, &events), &set.fields);
        let b = x.close_all().remove(0);
        assert_eq!((b.rows(), b.doc_counts), (keys.len(), vec![3; keys.len()]));
        assert_eq!((0..keys.len()).map(|r| b.keys.text(r).into_owned()).collect::<std::collections::BTreeSet<_>>(), keys.into_iter().collect());
    }

    #[test]
    fn the_order_of_events_does_not_matter() {
        let job = Job { max_entities: 100, ..job() };
        let set = FeatureSet::new(&job).unwrap();
        let mut events = vec![(0, "a", 2.0), (1, "b", 4.0), (2, "c", 8.0), (3, "a", 6.0)];
        let run = |events: &[(i64, &str, f64)]| {
            let mut x = Extractor::new(&job, &set, &set.fields);
            x.add(&batch(&set.fields, events), &set.fields);
            x.close_all()
        };
        let forward = run(&events);
        events.reverse();
        assert_eq!(forward, run(&events));
    }

    #[test]
    fn keys_of_several_fields_do_not_run_together() {
        let mut a = Vec::new();
        push_key_part(&mut a, b"x|y", false);
        push_key_part(&mut a, b"z", true);
        assert_eq!(a, b"x\\|y|z");
    }
}
