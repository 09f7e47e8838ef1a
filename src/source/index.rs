//! An index pattern as a source: aggregations first, raw documents only where a feature needs them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::discover::{Discover, Place};
use super::memory::with_empty_buckets;
use super::rows::RowGatherer;
use super::{FetchStats, Fetched, Source, SourceError};
use crate::cluster::aggregate::{CompositeQuery, PageSize, composite};
use crate::cluster::flavor::hot_tier_only;
use crate::cluster::search::{Hit, HitsQuery, ReadStats, first_hit, hits};
use crate::cluster::{Call, Cluster, ClusterError, ErrorKind, Flavor, path};
use crate::features::extract::{Extractor, FeatureSet};
use crate::features::filter;
use crate::model::document::ecs::entity_values;
use crate::model::problem::printable;
use crate::model::{EventBatch, FieldKind, Job, Problems, Window};

/// Documents a page of raw documents holds: the default of `index.max_result_window`.
const HITS_PAGE: u32 = 10_000;
/// Characters of a sample line that are kept.
const SAMPLE_CHARS: usize = 300;
/// Documents looked at for samples beyond those wanted, so that ties in time are broken the same way every time.
const SAMPLE_SPARE: usize = 50;

/// Reads one job's windows from a cluster.
pub struct IndexSource {
    job: Arc<Job>,
    set: FeatureSet,
    cluster: Cluster,
    flavor: Flavor,
    page_size: PageSize,
    discover: Option<Discover>,
    /// Sub-aggregations of all features, or the name of one that needs documents.
    aggregations: Result<Map<String, Value>, String>,
    /// Windows up to here are over: see [`Source::look_ahead`].
    over_until_ms: i64,
    /// A stretch of time that is known to hold no document.
    nothing: Window,
}

impl From<ClusterError> for SourceError {
    fn from(e: ClusterError) -> Self {
        Self { message: e.to_string(), is_permanent: e.is_permanent() }
    }
}

impl IndexSource {
    /// For a job, on a cluster that was probed; or what is wrong with the job's features.
    pub fn new(job: Arc<Job>, cluster: Cluster, flavor: Flavor) -> Result<Self, String> {
        let set = FeatureSet::new(&job)?;
        let aggregations = aggregations(&set);
        Ok(Self {
            page_size: PageSize::new(&flavor),
            job,
            set,
            cluster,
            flavor,
            discover: None,
            aggregations,
            over_until_ms: i64::MIN,
            nothing: Window::new(0, 0),
        })
    }

    /// The same source, whose findings link to Discover.
    pub fn with_links(mut self, discover: Discover) -> Self {
        self.discover = Some(discover);
        self
    }

    /// Which documents of a window count: its time, the job's own condition, and the hot tier where the engine has tiers.
    /// (Where it has none, the bound on time is what keeps a search away from older indices.)
    fn query(&self, window: Window) -> Vec<Value> {
        let time = json!({ "gte": window.start_ms, "lt": window.end_ms, "format": "epoch_millis" });
        let mut all = vec![json!({ "range": { &self.job.time_field: time } })];
        all.extend(self.job.filter.as_ref().map(filter::query));
        if self.flavor.has_tier {
            all.push(hot_tier_only());
        }
        all
    }

    async fn by_aggregations(&self, aggregations: &Map<String, Value>, window: Window) -> Result<Fetched, ClusterError> {
        let job = &self.job;
        let is_one_bucket = window.len_ms() <= job.bucket_span_ms;
        let query = CompositeQuery {
            index: &job.index,
            query: json!({ "bool": { "filter": self.query(window) } }),
            time: (!is_one_bucket || job.entity_fields.is_empty()).then_some((job.time_field.as_str(), job.bucket_span_ms)),
            keys: &job.entity_fields,
            aggregations,
        };
        let mut rows = RowGatherer::new(job, &self.set, window);
        let outcome = composite(&self.cluster, &self.flavor, &self.page_size, &query, &mut |row| rows.add(&row)).await?;
        let mut totals = outcome.totals;
        if query.time.is_none() {
            totals.insert(window.start_ms, outcome.stats.documents);
        }
        let (buckets, problems) = rows.finish(&totals);
        let strategy = "aggregations: every feature can be one".to_owned();
        Ok(Fetched { buckets, stats: stats(strategy, outcome.stats), problems })
    }

    async fn by_documents(&self, why: &str, window: Window) -> Result<Fetched, ClusterError> {
        let job = &self.job;
        let mut names: Vec<&str> = self.set.fields.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let mut docvalue_fields: Vec<Value> = names.iter().filter(|n| **n != job.time_field).map(|n| json!(n)).collect();
        docvalue_fields.push(json!({ "field": job.time_field, "format": "epoch_millis" }));
        let query = HitsQuery {
            index: &job.index,
            query: json!({ "bool": { "filter": self.query(window) } }),
            sort_field: &job.time_field,
            docvalue_fields,
            source_fields: Vec::new(),
            page_size: HITS_PAGE,
        };
        let mut extractor = Extractor::new(&**job, &self.set, &self.set.fields);
        let mut problems = Problems::default();
        let read = hits(&self.cluster, &self.flavor, &query, &mut |page| {
            let mut batch = EventBatch::new(&self.set.fields);
            for hit in page {
                self.event(hit, &mut batch, &mut problems);
            }
            extractor.add(&batch, &self.set.fields);
            true
        })
        .await?;
        let buckets = with_empty_buckets(job, window, extractor.close_all());
        Ok(Fetched { buckets, stats: stats(format!("documents: {why}"), read), problems })
    }

    /// After an empty window: how far nothing comes, found out by one search. Each window by itself costs several requests, and there
    /// may be thousands. A search that fails is of no consequence: the next window is then read as usual.
    async fn find_the_next(&mut self, window: Window, fetched: &mut Fetched) {
        let ahead = Window::new(window.end_ms, self.over_until_ms);
        if ahead.is_empty() || fetched.stats.documents > 0 {
            return;
        }
        let time = &self.job.time_field;
        let query = HitsQuery {
            index: &self.job.index,
            query: json!({ "bool": { "filter": self.query(ahead) } }),
            sort_field: time,
            docvalue_fields: vec![json!({ "field": time, "format": "epoch_millis" })],
            source_fields: Vec::new(),
            page_size: 1,
        };
        let mut read = ReadStats::default();
        let found = first_hit(&self.cluster, &query, &mut read).await;
        let s = &mut fetched.stats;
        s.searches += read.searches;
        s.retries += read.retries;
        s.received_bytes += read.received_bytes;
        s.engine_took_ms += read.took_ms;
        let time_of = |hit: Hit| hit.fields.get(time).and_then(|v| v.first()).and_then(whole_ms);
        self.nothing = match found {
            Ok(None) => ahead,
            // A document whose time cannot be read says nothing.
            Ok(Some(hit)) => Window::new(ahead.start_ms, time_of(hit).unwrap_or(ahead.start_ms).clamp(ahead.start_ms, ahead.end_ms)),
            Err(_) => return,
        };
    }

    /// A window that is known to be empty.
    fn known_empty(&self, window: Window) -> Option<Fetched> {
        let is_inside = window.start_ms >= self.nothing.start_ms && window.end_ms <= self.nothing.end_ms;
        is_inside.then(|| Fetched {
            buckets: with_empty_buckets(&self.job, window, Vec::new()),
            stats: stats("no search: an earlier one found nothing up to here".to_owned(), ReadStats::default()),
            problems: Problems::default(),
        })
    }

    /// Appends a document to a batch.
    fn event(&self, hit: &Hit, batch: &mut EventBatch, problems: &mut Problems) {
        let first = |name: &str| hit.fields.get(name).and_then(|values| values.first());
        let time_ms = first(&self.job.time_field).and_then(number).map(|t| t as i64);
        let Some(time_ms) = time_ms else {
            problems.add("no_time", || printable(hit.id.as_bytes(), SAMPLE_CHARS));
            return;
        };
        for (column, (name, kind)) in self.set.fields.iter().enumerate() {
            let Some(value) = first(name) else { continue };
            match (kind, value) {
                (FieldKind::Number, value) => {
                    if let Some(x) = number(value) {
                        batch.set_number(column, x);
                    }
                }
                (FieldKind::Keyword, Value::String(text)) => batch.set_keyword(column, text.as_bytes()),
                (FieldKind::Keyword, Value::Null) => {}
                (FieldKind::Keyword, other) => batch.set_keyword(column, other.to_string().as_bytes()),
            }
        }
        batch.push(time_ms);
    }
}

/// The whole milliseconds of a time, cut and never rounded up: with its nanoseconds it has more digits than a float holds.
fn whole_ms(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.split('.').next()?.parse().ok())
}

/// A number, also one that is spelt as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|x: &f64| x.is_finite())
}

/// The sub-aggregations of all features, or why documents are needed.
fn aggregations(set: &FeatureSet) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    for feature in &set.numeric {
        match feature.aggregations() {
            Some(own) => out.extend(own),
            None => return Err(format!("feature `{}` cannot be an aggregation", feature.spec().name)),
        }
    }
    for values in &set.values {
        out.insert(values.spec().name.clone(), values.aggregation());
    }
    Ok(out)
}

fn stats(strategy: String, read: ReadStats) -> FetchStats {
    FetchStats {
        strategy,
        documents: read.documents,
        late_documents: 0,
        searches: read.searches,
        pages: read.pages,
        retries: read.retries,
        received_bytes: read.received_bytes,
        engine_took_ms: read.took_ms,
    }
}

#[async_trait::async_trait]
impl Source for IndexSource {
    async fn fetch(&mut self, window: Window) -> Result<Fetched, SourceError> {
        if let Some(known) = self.known_empty(window) {
            return Ok(known);
        }
        let mut restarts = 0;
        loop {
            let result = match &self.aggregations {
                Ok(aggregations) => self.by_aggregations(aggregations, window).await,
                Err(why) => self.by_documents(why, window).await,
            };
            match result {
                // The frozen view is gone (a node restarted): nothing of it counts, the window is read from its start.
                Err(e) if e.kind == ErrorKind::PointInTimeGone && restarts < 2 => restarts += 1,
                Ok(mut fetched) => {
                    fetched.stats.retries += restarts;
                    self.find_the_next(window, &mut fetched).await;
                    if fetched.stats.documents > 0 && fetched.buckets.iter().all(|b| b.rows() == 0) {
                        fetched.problems.add_many("no_entity", fetched.stats.documents, || {
                            format!(
                                "no document of the window has the field {}, so nothing is judged: `elkhound check` says what is there",
                                self.job.entity_field()
                            )
                        });
                    }
                    return Ok(fetched);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn look_ahead(&mut self, until_ms: i64) {
        self.over_until_ms = until_ms;
    }

    async fn sample(&mut self, entity_key: &[u8], window: Window, limit: usize) -> Result<Vec<String>, SourceError> {
        let fields = &self.job.entity_fields;
        let mut all = self.query(window);
        let key = String::from_utf8_lossy(entity_key);
        all.extend(fields.iter().zip(entity_values(&key, fields.len())).map(|(f, v)| json!({ "term": { f: v } })));
        let body = json!({
            "size": limit + SAMPLE_SPARE,
            "track_total_hits": false,
            "query": { "bool": { "filter": all } },
            "sort": [{ &self.job.time_field: "asc" }],
        });
        let answer: Value = self.cluster.fetch(Call::post(path(&[&self.job.index, "_search"])).json(&body)).await?;
        let mut found: Vec<Hit> = answer
            .pointer("/hits/hits")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|h| serde_json::from_value(h.clone()).ok())
            .collect();
        let time = |h: &Hit| h.sort.first().and_then(Value::as_i64).unwrap_or(i64::MAX);
        found.sort_by(|a, b| time(a).cmp(&time(b)).then_with(|| (&a.index, &a.id).cmp(&(&b.index, &b.id))));
        Ok(found.iter().take(limit).map(sample_line).collect())
    }

    fn place(&self, entity_key: &str, window: Window) -> Place {
        self.discover.as_ref().map(|d| d.place(&self.job, entity_key, window)).unwrap_or_default()
    }
}

/// A document as one printable line: its original text where it carries it.
fn sample_line(hit: &Hit) -> String {
    let text = ["/event/original", "/message"].iter().find_map(|p| hit.source.pointer(p).and_then(Value::as_str));
    match text {
        Some(text) => printable(text.as_bytes(), SAMPLE_CHARS),
        None => printable(hit.source.to_string().as_bytes(), SAMPLE_CHARS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_original_line_or_the_document_and_always_printable() {
        let hit = |source| Hit { source, ..Hit::default() };
        assert_eq!(sample_line(&hit(json!({ "message": "m", "event": { "original": "a\u{1b}b" } }))), "a\\u{1b}b");
        assert_eq!(sample_line(&hit(json!({ "status": 404 }))), r#"{"status":404}"#);
        assert_eq!(number(&json!("1700000000000")), Some(1.7e12));
        assert_eq!(number(&json!("NaN")), None);
        assert_eq!(whole_ms(&json!("1768014299999.999999")), Some(1_768_014_299_999), "the nanosecond before the next bucket");
        assert_eq!([whole_ms(&json!(5)), whole_ms(&json!("x")), whole_ms(&Value::Null)], [Some(5), None, None]);
    }
}
