//! Events -> buckets: groups log events by slice of time and entity and feeds every feature, column by column.

use std::collections::BTreeMap;
use std::ops::Deref;

use hashbrown::HashTable;

use super::filter::{self, Mask};
use super::values::{Values, ValuesAccumulator};
use super::{Accumulator, Feature, Hit, RowTotals, build};
use crate::model::keys::stable_hash;
use crate::model::time::align_down;
use crate::model::{Bucket, EventBatch, FieldKind, Fields, Job, Keys};

/// All features of a job, built, with the fields they read.
#[derive(Debug)]
pub struct FeatureSet {
    /// Numeric features, one column each.
    pub numeric: Vec<Box<dyn Feature>>,
    /// Keyword-valued features.
    pub values: Vec<Values>,
    /// For each numeric feature the keyword-valued one that knows its answer already (`distinct` of the same field).
    answered_by: Vec<Option<usize>>,
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
        let answered_by = numeric.iter().map(|f| answer(f.as_ref(), &values)).collect();
        Ok(Self { numeric, values, answered_by, fields })
    }
}

fn answer(feature: &dyn Feature, values: &[Values]) -> Option<usize> {
    let field = feature.distinct_of()?;
    values.iter().position(|v| v.counts(field, feature.spec().filter.as_ref()))
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
    chosen: Vec<u64>,
    evidence: BTreeMap<i64, Vec<(u64, Origins)>>,
}

/// Weight of an open bucket beside its rows, in [`Extractor::open_size`].
const BUCKET_SIZE: usize = 64;

struct OpenBucket {
    index: HashTable<u32>,
    keys: Keys,
    doc_counts: Vec<u64>,
    origins: Vec<Origins>,
    numeric: Vec<Gathered>,
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
        let mut current = i64::MIN;
        for event in 0..batch.len() {
            if self.mask.as_ref().is_some_and(|m| !m.holds(batch, event)) {
                continue;
            }
            let start = align_down(batch.time_ms[event], span);
            if start < self.closed_until_ms {
                self.late += 1;
                continue;
            }
            if start != current {
                current = start;
                if !touched.contains(&start) {
                    touched.push(start);
                }
            }
            let (set, max) = (&self.set, self.job.max_entities);
            let bucket = self.open.entry(start).or_insert_with(|| OpenBucket::new(set, fields));
            if !entity_key(batch, event, &self.entity_columns, &mut self.key) {
                bucket.skipped_docs += 1;
            } else if let Some(row) = bucket.hit(event as u32, &self.key, max)
                && let Some(&origin) = origins.get(event)
                && bucket.keep(row, origin)
            {
                self.chosen.push(origin);
            }
        }
        for start in touched {
            if let Some(bucket) = self.open.get_mut(&start) {
                bucket.flush(batch);
            }
        }
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
        bucket.finish(start, self.job.bucket_span_ms)
    }
}

/// Writes the entity key of an event into `key`; false when a part of it is absent.
fn entity_key(batch: &EventBatch, event: usize, columns: &[usize], key: &mut Vec<u8>) -> bool {
    key.clear();
    for (i, &column) in columns.iter().enumerate() {
        let Some(value) = batch.keywords(column).and_then(|k| k.get(event)) else { return false };
        if value.is_empty() {
            return false;
        }
        if columns.len() > 1 {
            push_key_part(key, value, i > 0);
        } else {
            key.extend_from_slice(value);
        }
    }
    if columns.is_empty() {
        key.extend_from_slice(b"_all");
    }
    true
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

/// How a numeric column comes about.
enum Gathered {
    By(Box<dyn Accumulator>),
    /// It is the number of different values of this keyword-valued feature.
    DistinctOf(usize),
}

impl OpenBucket {
    fn new(set: &FeatureSet, fields: &Fields) -> Self {
        Self {
            index: HashTable::new(),
            keys: Keys::default(),
            doc_counts: Vec::new(),
            origins: Vec::new(),
            numeric: (set.numeric.iter().zip(&set.answered_by))
                .map(|(f, answer)| answer.map_or_else(|| Gathered::By(f.accumulator(fields)), Gathered::DistinctOf))
                .collect(),
            values: set.values.iter().map(|f| f.accumulator(fields)).collect(),
            hits: Vec::new(),
            skipped_docs: 0,
            dropped_docs: 0,
        }
    }

    /// Counts an event for a key; its row, or `None` when there is no room for another one.
    fn hit(&mut self, event: u32, key: &[u8], max_entities: usize) -> Option<usize> {
        let hash = stable_hash(key);
        let keys = &self.keys;
        let found = self.index.find(hash, |&r| keys.get(r as usize) == key).copied();
        let row = match found {
            Some(row) => row,
            None if self.keys.len() >= max_entities => {
                self.dropped_docs += 1;
                return None;
            }
            None => {
                let row = self.keys.push_hashed(key, hash) as u32;
                let keys = &self.keys;
                self.index.insert_unique(hash, row, |&r| keys.hash(r as usize));
                self.doc_counts.push(0);
                row
            }
        };
        self.doc_counts[row as usize] += 1;
        self.hits.push(Hit { event, row });
        Some(row as usize)
    }

    /// Keeps the place of a row's event that was just counted; true for the first few of each row.
    fn keep(&mut self, row: usize, origin: u64) -> bool {
        let nth = self.doc_counts[row] as usize - 1;
        if nth >= EVIDENCE {
            return false;
        }
        self.origins.resize(self.keys.len(), [u64::MAX; EVIDENCE]);
        self.origins[row][nth] = origin;
        true
    }

    fn flush(&mut self, batch: &EventBatch) {
        let rows = self.keys.len();
        for gathered in &mut self.numeric {
            if let Gathered::By(accumulator) = gathered {
                accumulator.add(batch, &self.hits, rows);
            }
        }
        self.values.iter_mut().for_each(|a| a.add(batch, &self.hits));
        self.hits.clear();
    }

    fn finish(mut self, start_ms: i64, span_ms: i64) -> Bucket {
        let rows = self.keys.len();
        let totals = RowTotals { doc_counts: &self.doc_counts, start_ms, span_ms };
        Bucket {
            start_ms,
            span_ms,
            columns: (self.numeric.iter_mut())
                .map(|gathered| match gathered {
                    Gathered::By(accumulator) => accumulator.finish(totals),
                    Gathered::DistinctOf(i) => self.values[*i].distinct(rows),
                })
                .collect(),
            values: self.values.into_iter().map(|a| a.finish(rows)).collect(),
            imputed: vec![false; rows],
            keys: self.keys,
            doc_counts: self.doc_counts,
            skipped_docs: self.skipped_docs + self.dropped_docs,
            dropped_entities: self.dropped_docs,
        }
        .canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FeatureSpec;

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
