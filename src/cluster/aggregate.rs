//! Aggregations first: all entities of a window as composite pages, as few and as large as the node allows.
//!
//! Every page rescans the window unless the index is sorted by the entity, so a page is as large as `search.max_buckets`
//! lets it be; it shrinks when the engine says that it is too big, and stays small from then on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use super::client::Cluster;
use super::error::ClusterError;
use super::flavor::Flavor;
use super::page::{self, COMPOSITE, TIME_SOURCE, TOTALS};
use super::search::{PointInTime, ReadStats, search};
use crate::model::AggRow;

/// Default of `search.max_buckets` in both products (65,536 in Elasticsearch, one less in OpenSearch).
const DEFAULT_MAX_BUCKETS: u32 = 65_535;
/// Smallest page; when even this is too big, the error is passed on.
const MIN_PAGE: u32 = 100;
/// Values that a terms sub-aggregation is first assumed to have per entity, until a page has shown how many there are.
const FIRST_GUESS_TERMS: u32 = 4;

/// How many entities one job asks for at once: learned from what the engine accepts, kept from window to window.
#[derive(Debug)]
pub struct PageSize {
    /// Buckets an answer may have.
    max_buckets: u32,
    /// Never more entities than this; lowered by refusals.
    ceiling: AtomicU32,
    /// Buckets of sub-aggregations behind a row, times 100, as seen on the last page; 0 = not seen yet.
    inner_per_row: AtomicU32,
}

impl PageSize {
    /// The page size for an engine.
    pub fn new(flavor: &Flavor) -> Self {
        let max_buckets = flavor.max_buckets.unwrap_or(DEFAULT_MAX_BUCKETS).clamp(MIN_PAGE, DEFAULT_MAX_BUCKETS);
        Self { max_buckets, ceiling: AtomicU32::new(max_buckets), inner_per_row: AtomicU32::new(0) }
    }

    /// Entities of the next page, when `terms` of the sub-aggregations are terms. (Only those count against the
    /// engine's limit beside the entities themselves; filters and metrics do not.)
    pub fn next(&self, terms: u32) -> u32 {
        let seen = self.inner_per_row.load(Ordering::Relaxed);
        let inner = if terms == 0 {
            0
        } else if seen == 0 {
            100 * FIRST_GUESS_TERMS * terms
        } else {
            // A tenth of reserve: means over thousands of rows differ by little, and a page that is refused comes again in halves.
            seen + seen / 10
        };
        let fitting = u64::from(self.max_buckets) * 100 / u64::from(100 + inner);
        u32::try_from(fitting).unwrap_or(u32::MAX).clamp(MIN_PAGE, self.ceiling.load(Ordering::Relaxed))
    }

    /// Tells what a page held.
    fn saw(&self, rows: u64, inner_buckets: u64) {
        if let Some(inner) = (inner_buckets * 100).checked_div(rows) {
            let inner = u32::try_from(inner).unwrap_or(u32::MAX / 4);
            self.inner_per_row.store(inner.max(1), Ordering::Relaxed);
            // Where terms stand behind a row a page was refused for what its rows held; the next ones may hold less.
            if inner > 0 {
                let grown = self.ceiling.load(Ordering::Relaxed).saturating_mul(2).min(self.max_buckets);
                self.ceiling.store(grown, Ordering::Relaxed);
            }
        }
    }

    /// Halves a page that was refused; false when it cannot get smaller.
    fn halve(&self, refused: u32) -> bool {
        if refused <= MIN_PAGE {
            return false;
        }
        self.ceiling.fetch_min((refused / 2).max(MIN_PAGE), Ordering::Relaxed);
        true
    }
}

/// A question for one row per entity (and bucket of time).
#[derive(Debug, Clone)]
pub struct CompositeQuery<'a> {
    /// Index pattern.
    pub index: &'a str,
    /// Which documents.
    pub query: Value,
    /// Time field and bucket width in milliseconds, when rows are per bucket of time too.
    pub time: Option<(&'a str, i64)>,
    /// Fields that make the entity key.
    pub keys: &'a [String],
    /// Sub-aggregations.
    pub aggregations: &'a Map<String, Value>,
}

impl CompositeQuery<'_> {
    fn names(&self) -> Vec<String> {
        (0..self.keys.len()).map(|i| format!("e{i}")).collect()
    }

    /// How many sub-aggregations are terms, also inside filters.
    fn terms(&self) -> u32 {
        fn count(aggregations: &Map<String, Value>) -> u32 {
            let of = |a: &Value| u32::from(a.get("terms").is_some()) + a.get("aggs").and_then(Value::as_object).map_or(0, count);
            aggregations.values().map(of).sum()
        }
        count(self.aggregations)
    }

    fn body(&self, size: u32, after: Option<&Value>) -> Value {
        let histogram = self.time.map(|(field, span_ms)| json!({ "date_histogram": { "field": field, "fixed_interval": format!("{span_ms}ms") } }));
        let mut sources: Vec<Value> = histogram.iter().map(|h| json!({ TIME_SOURCE: h })).collect();
        for (name, field) in self.names().iter().zip(self.keys) {
            sources.push(json!({ name: { "terms": { "field": field } } }));
        }
        let mut composite = json!({ "size": size, "sources": sources });
        if let Some(after) = after {
            composite["after"] = after.clone();
        }
        let mut rows = json!({ "composite": composite });
        if !self.aggregations.is_empty() {
            rows["aggs"] = Value::Object(self.aggregations.clone());
        }
        let mut aggs = json!({ COMPOSITE: rows });
        if let (None, Some(mut histogram)) = (after, histogram) {
            histogram["date_histogram"]["min_doc_count"] = json!(1);
            aggs[TOTALS] = histogram;
        }
        json!({ "size": 0, "track_total_hits": after.is_none(), "query": self.query, "aggs": aggs })
    }
}

/// What reading all rows of a question cost and counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompositeOutcome {
    /// What it cost.
    pub stats: ReadStats,
    /// All documents per bucket of time (by its start in milliseconds), also those without an entity key; empty when
    /// the question has no time source.
    pub totals: BTreeMap<i64, u64>,
}

/// Reads all rows of a question, page by page, under a point in time where the engine has it. On an error nothing that
/// was handed to `on_row` counts: the window is read again from its start.
pub async fn composite(
    cluster: &Cluster,
    flavor: &Flavor,
    page_size: &PageSize,
    query: &CompositeQuery<'_>,
    on_row: &mut (dyn FnMut(AggRow) + Send),
) -> Result<CompositeOutcome, ClusterError> {
    let mut pit = PointInTime::open(cluster, flavor, query.index).await?;
    let result = composite_under(cluster, &mut pit, page_size, query, on_row).await;
    if let Some(pit) = pit {
        pit.close().await;
    }
    result
}

async fn composite_under(
    cluster: &Cluster,
    pit: &mut Option<PointInTime>,
    page_size: &PageSize,
    query: &CompositeQuery<'_>,
    on_row: &mut (dyn FnMut(AggRow) + Send),
) -> Result<CompositeOutcome, ClusterError> {
    let (names, terms) = (query.names(), query.terms());
    let mut outcome = CompositeOutcome::default();
    let mut after: Option<Value> = None;
    loop {
        let size = page_size.next(terms);
        let answer = search(cluster, pit, query.index, query.body(size, after.as_ref()), &mut outcome.stats).await;
        let (reply, envelope) = match answer {
            Err(e) if e.kind.is_too_big() && page_size.halve(size) => {
                outcome.stats.retries += 1;
                continue;
            }
            other => other?,
        };
        let aggregations = envelope.aggregations.unwrap_or_default();
        if after.is_none() {
            outcome.stats.documents = envelope.hits.total.map_or(0, |t| t.value);
            outcome.totals = aggregations.totals.buckets.iter().map(|b| (b.key as i64, b.doc_count)).collect();
        }
        let mut inner = 0;
        let rows = page::rows(&reply, &names, &mut |row| {
            inner += row.nodes.values().map(|n| n.buckets.len() + n.v.as_ref().map_or(0, |v| v.buckets.len())).sum::<usize>();
            on_row(row);
        })?;
        outcome.stats.rows += rows as u64;
        outcome.stats.pages += u64::from(rows > 0);
        page_size.saw(rows as u64, inner as u64);
        // Not the last row and not the number of rows: only a missing `after_key` says that this is the end.
        after = match aggregations.rows.after_key {
            Some(next) if after.as_ref() != Some(&next) => Some(next),
            _ => return Ok(outcome),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::flavor::Product;

    fn flavor(max_buckets: Option<u32>) -> Flavor {
        Flavor {
            product: Product::OpenSearch,
            version: "2.19.1".into(),
            point_in_time: None,
            has_tier: false,
            has_ilm: false,
            has_ism: false,
            has_security: false,
            user: None,
            max_buckets,
        }
    }

    #[test]
    fn a_page_is_as_large_as_the_engine_allows_and_remembers_refusals() {
        let p = PageSize::new(&flavor(Some(65_536)));
        assert_eq!(p.next(0), 65_535);
        assert!(p.halve(65_535));
        assert_eq!(p.next(0), 32_767);
        assert_eq!(PageSize::new(&flavor(Some(1000))).next(0), 1000);
        assert_eq!(PageSize::new(&flavor(None)).next(0), 65_535);
        let small = PageSize::new(&flavor(Some(10)));
        assert_eq!(small.next(0), MIN_PAGE);
        assert!(!small.halve(MIN_PAGE));
    }

    #[test]
    fn terms_shrink_the_page_by_what_was_seen() {
        let p = PageSize::new(&flavor(None));
        assert_eq!(p.next(1), 65_535 / 5);
        p.saw(1000, 1000);
        assert_eq!(p.next(1), 6_553_500 / 210);
        assert_eq!(p.next(0), 65_535);
        assert!(p.halve(5_000));
        assert_eq!(p.next(1), 2_500);
        p.saw(2_500, 2_500);
        assert_eq!(p.next(1), 5_000);
    }

    #[test]
    fn the_question_is_one_composite_with_plain_source_names() {
        let keys = ["source.ip".to_owned()];
        let aggregations = json!({ "a": { "avg": { "field": "b" } }, "p": { "filter": {}, "aggs": { "v": { "terms": { "field": "x" } } } } });
        let aggregations = aggregations.as_object().unwrap();
        let q = CompositeQuery { index: "i", query: json!({ "match_all": {} }), time: Some(("@timestamp", 300_000)), keys: &keys, aggregations };
        assert_eq!(q.terms(), 1);
        let body = q.body(10, Some(&json!({ "t": 1 })));
        assert_eq!(body.pointer("/aggs/rows/composite/sources/1/e0/terms/field"), Some(&json!("source.ip")));
        assert_eq!(body.pointer("/aggs/rows/composite/sources/0/t/date_histogram/fixed_interval"), Some(&json!("300000ms")));
        assert_eq!((body.pointer("/aggs/rows/composite/after/t"), body["track_total_hits"].as_bool()), (Some(&json!(1)), Some(false)));
    }
}
