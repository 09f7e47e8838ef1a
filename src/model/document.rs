//! Anomalies and run documents as they stand in an index or an NDJSON file: flat, ECS where ECS has a word, everything
//! else under `elkhound`. `mappings/README.md` is the field dictionary; a test holds both equal.
//!
//! Nothing here reads a clock: `event.created` is the bucket's end, and the sink alone adds `event.ingested`.

pub mod ecs;
pub mod run;

use serde_json::{Map, Value, json};

use super::anomaly::{SCHEMA_VERSION, SEVERAL_FEATURES};
use super::job::JobLabels;
use super::time::{iso, parse_time};
use super::{Anomaly, Contributor, Severity};
use ecs::{at, put, put_list, put_number};
pub use run::{run_from_document, run_to_document};

/// The oldest ECS version that has every ECS field we write, in documents and in log lines.
pub const ECS_VERSION: &str = "8.0.0";

/// Name of the index that a document of this kind and time belongs to, such as `elkhound-anomalies-2026.01`: made from
/// the bucket's time, never from the clock, so that a replay finds the same document in the same index.
pub fn monthly_index(prefix: &str, kind: &str, bucket_start_ms: i64) -> String {
    let month = iso(bucket_start_ms).get(..7).map_or_else(|| "1970.01".to_owned(), |m| m.replace('-', "."));
    format!("{prefix}-{kind}-{month}")
}

/// The document of an anomaly.
pub fn to_document(a: &Anomaly) -> Value {
    let mut doc = Map::new();
    let end_ms = a.start_ms.saturating_add(a.span_ms);
    put(&mut doc, "@timestamp", json!(iso(a.start_ms)));
    put(&mut doc, "event", event(a, end_ms));
    put(&mut doc, "message", json!(a.message));
    put(&mut doc, "rule", json!({ "id": a.job, "name": a.message, "version": a.config_hash }));
    ecs::put_threat(&mut doc, &a.labels.tactic_ids, &a.labels.technique_ids);
    let fields = a.entity_field.split(',').count();
    let values = ecs::entity_values(&a.entity_key, fields);
    ecs::put_entity(&mut doc, &a.entity_field, &values);
    for (field, value) in a.enrichment.iter().filter(|(f, _)| ecs::ENRICHMENT_FIELDS.contains(&f.as_str())) {
        put(&mut doc, field, json!(value));
    }
    put_list(&mut doc, "tags", &a.labels.tags);
    put(&mut doc, "ecs.version", json!(ECS_VERSION));
    put(&mut doc, "elkhound", Value::Object(own(a, &values)));
    Value::Object(doc)
}

fn event(a: &Anomaly, end_ms: i64) -> Value {
    let mut event = json!({
        "kind": "alert",
        "type": ["info"],
        "module": "elkhound",
        "dataset": if a.labels.dataset.is_empty() { "elkhound.anomaly" } else { &a.labels.dataset },
        "provider": a.detector,
        "id": a.id,
        "reason": a.reason,
        "severity": a.severity.number(),
        "risk_score": a.score,
        "start": iso(a.start_ms),
        "end": iso(end_ms),
        "created": iso(end_ms),
    });
    if !a.labels.category.is_empty() {
        event["category"] = json!(["intrusion_detection", a.labels.category]);
    }
    event
}

/// Everything under `elkhound`.
fn own(a: &Anomaly, values: &[String]) -> Map<String, Value> {
    let mut own = Map::new();
    let entity_value = match values {
        [one] => json!(one),
        many => json!(many),
    };
    put(&mut own, "schema_version", json!(SCHEMA_VERSION));
    put(&mut own, "job", json!(a.job));
    put(&mut own, "detector", json!(a.detector));
    put(&mut own, "entity", json!({ "key": a.entity_key, "field": a.entity_field, "value": entity_value }));
    put(&mut own, "score", json!(a.score));
    put(&mut own, "severity", json!(a.severity.as_str()));
    put_number(&mut own, "raw_score", a.raw_score);
    put_number(&mut own, "confidence", a.confidence);
    put_strongest(&mut own, a);
    put(&mut own, "values", json!(a.contributors.iter().map(values_of).collect::<Vec<_>>()));
    put(&mut own, "bucket_span_ms", json!(a.span_ms));
    put(&mut own, "doc_count", json!(a.doc_count));
    put(&mut own, "late_count", json!(a.late_count));
    put(&mut own, "imputed", json!(a.imputed));
    put(&mut own, "revision", json!(a.revision));
    put(&mut own, "status", json!(a.status));
    put(&mut own, "story", json!(a.story));
    put(&mut own, "since", json!(iso(a.since_ms)));
    for (name, text) in [("preset", &a.preset), ("suppressed_by", &a.suppressed_by)] {
        if let Some(text) = text {
            put(&mut own, name, json!(text));
        }
    }
    for (name, text) in
        [("source.index", &a.source), ("rule_box", &a.rule_box), ("query", &a.query), ("link", &a.link), ("entity.type", &a.labels.entity_noun)]
    {
        if !text.is_empty() {
            put(&mut own, name, json!(text));
        }
    }
    if let Some(was) = a.was_score {
        put_number(&mut own, "was.score", was);
    }
    put_list(&mut own, "sample.message", &a.sample);
    put_list(&mut own, "sample.ids", &a.sample_ids);
    let facts: Vec<String> = a.enrichment.iter().map(|(field, value)| format!("{field}={value}")).collect();
    put_list(&mut own, "enrichment", &facts);
    own
}

/// The strongest contributor as plain columns, for tables and charts, and the names of all.
fn put_strongest(own: &mut Map<String, Value>, a: &Anomaly) {
    if let Some(c) = a.contributors.first() {
        put(own, "feature", json!(c.feature));
        put(own, "direction", json!(direction(a.imputed, c)));
        for (name, x) in [("actual", c.actual), ("typical", c.typical), ("lower", c.lower), ("upper", c.upper)] {
            put_number(own, name, x);
        }
    }
    let names: Vec<String> = a.contributors.iter().map(|c| c.feature.clone()).collect();
    put_list(own, "contributors", &names);
}

/// Which way the strongest contributor went: `up`, `down`, `new` (nothing typical is known), `missing` (silence), `mixed` (several features).
fn direction(imputed: bool, c: &Contributor) -> &'static str {
    match () {
        () if c.feature == SEVERAL_FEATURES => "mixed",
        () if imputed || c.actual.is_nan() => "missing",
        () if c.typical.is_nan() => "new",
        () if c.actual < c.typical => "down",
        () => "up",
    }
}

fn values_of(c: &Contributor) -> Value {
    let mut out = Map::new();
    put(&mut out, "feature", json!(c.feature));
    put(&mut out, "title", json!(c.title));
    put(&mut out, "reference", json!(c.reference));
    for (name, x) in [("actual", c.actual), ("typical", c.typical), ("lower", c.lower), ("upper", c.upper), ("surprise", c.surprise)] {
        put_number(&mut out, name, x);
    }
    Value::Object(out)
}

/// An anomaly read back from its document, or what is missing in it. What a document does not say comes back empty.
pub fn from_document(doc: &Value) -> Result<Anomaly, String> {
    let version = at(doc, "elkhound.schema_version").and_then(Value::as_u64).ok_or("field `elkhound.schema_version` is missing")?;
    if version > u64::from(SCHEMA_VERSION) {
        return Err(format!("the document has schema version {version}, this build reads up to {SCHEMA_VERSION}; use a newer build"));
    }
    let text = |path: &str| read_text(doc, path).unwrap_or_default();
    let number = |path: &str| at(doc, path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let whole = |path: &str| at(doc, path).and_then(Value::as_u64).unwrap_or(0);
    let start_ms = read_time(doc, "@timestamp")?;
    let score = at(doc, "elkhound.score").and_then(Value::as_f64).ok_or("field `elkhound.score` is missing")?;
    Ok(Anomaly {
        id: read_text(doc, "event.id")?,
        job: read_text(doc, "elkhound.job")?,
        preset: read_text(doc, "elkhound.preset").ok(),
        config_hash: text("rule.version"),
        detector: text("elkhound.detector"),
        entity_key: read_text(doc, "elkhound.entity.key")?,
        entity_field: read_text(doc, "elkhound.entity.field")?,
        start_ms,
        span_ms: i64::try_from(whole("elkhound.bucket_span_ms")).unwrap_or(0),
        score,
        severity: Severity::of(score),
        raw_score: number("elkhound.raw_score"),
        confidence: number("elkhound.confidence"),
        contributors: at(doc, "elkhound.values").and_then(Value::as_array).map(|l| l.iter().map(contributor).collect()).unwrap_or_default(),
        doc_count: whole("elkhound.doc_count"),
        late_count: whole("elkhound.late_count"),
        imputed: at(doc, "elkhound.imputed").and_then(Value::as_bool).unwrap_or(false),
        message: text("message"),
        reason: text("event.reason"),
        story: text("elkhound.story"),
        since_ms: read_time(doc, "elkhound.since").unwrap_or(start_ms),
        status: text("elkhound.status"),
        suppressed_by: read_text(doc, "elkhound.suppressed_by").ok(),
        source: text("elkhound.source.index"),
        rule_box: text("elkhound.rule_box"),
        query: text("elkhound.query"),
        link: text("elkhound.link"),
        sample: read_list(doc, "elkhound.sample.message"),
        sample_ids: read_list(doc, "elkhound.sample.ids"),
        revision: u32::try_from(whole("elkhound.revision")).unwrap_or(u32::MAX),
        was_score: at(doc, "elkhound.was.score").and_then(Value::as_f64),
        enrichment: read_list(doc, "elkhound.enrichment")
            .iter()
            .filter_map(|fact| fact.split_once('='))
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
            .collect(),
        labels: labels(doc),
    })
}

fn labels(doc: &Value) -> JobLabels {
    let dataset = read_text(doc, "event.dataset").unwrap_or_default();
    JobLabels {
        entity_noun: read_text(doc, "elkhound.entity.type").unwrap_or_default(),
        document_noun: String::new(),
        category: read_list(doc, "event.category").pop().unwrap_or_default(),
        dataset: if dataset == "elkhound.anomaly" { String::new() } else { dataset },
        tactic_ids: read_list(doc, "threat.tactic.id"),
        technique_ids: read_list(doc, "threat.technique.id"),
        tags: read_list(doc, "tags"),
    }
}

fn contributor(value: &Value) -> Contributor {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| value.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Contributor {
        feature: text("feature"),
        title: text("title"),
        actual: number("actual"),
        typical: number("typical"),
        lower: number("lower"),
        upper: number("upper"),
        surprise: number("surprise"),
        reference: text("reference"),
    }
}

fn read_text(doc: &Value, path: &str) -> Result<String, String> {
    at(doc, path).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("field `{path}` is missing"))
}

fn read_time(doc: &Value, path: &str) -> Result<i64, String> {
    let text = read_text(doc, path)?;
    parse_time(&text).ok_or_else(|| format!("field `{path}` is not a time: {}", super::problem::printable(text.as_bytes(), 40)))
}

fn read_list(doc: &Value, path: &str) -> Vec<String> {
    match at(doc, path) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Anomaly {
        let c = Contributor {
            feature: "bytes_out".into(),
            title: "bytes sent".into(),
            actual: 9e9,
            typical: 1e4,
            lower: 0.0,
            upper: f64::NAN,
            surprise: 7.5,
            reference: "own history".into(),
        };
        Anomaly {
            id: "0123".into(),
            job: "web".into(),
            preset: Some("web_access".into()),
            config_hash: "abcd".into(),
            detector: "robust".into(),
            entity_key: "10.0.0.9|e\\|ve".into(),
            entity_field: "source.ip,user.name".into(),
            start_ms: 1_767_225_600_000,
            span_ms: 300_000,
            score: 81.25,
            severity: Severity::Critical,
            raw_score: 9.5,
            confidence: 0.75,
            contributors: vec![c],
            doc_count: 12,
            late_count: 1,
            message: "web: unusual bytes sent of a client".into(),
            reason: "Client 10.0.0.9 ...".into(),
            story: "0123".into(),
            since_ms: 1_767_225_600_000,
            status: "open".into(),
            source: "logs-*".into(),
            rule_box: "bytes > 5 (1 of 9 rows)".into(),
            query: "source.ip: 10.0.0.9".into(),
            sample: vec!["GET /".into()],
            was_score: Some(12.0),
            enrichment: vec![("source.geo.country_name".into(), "Iceland".into()), ("asset.owner".into(), "a=b".into())],
            labels: JobLabels {
                category: "web".into(),
                tactic_ids: vec!["TA0010".into()],
                technique_ids: vec!["T1041".into(), "T9999".into()],
                tags: vec!["x".into()],
                ..JobLabels::default()
            },
            ..Anomaly::default()
        }
    }

    #[test]
    fn a_document_is_ecs_with_our_own_under_one_name() {
        let doc = to_document(&full());
        let has = |path: &str| at(&doc, path).cloned().unwrap_or_default();
        assert_eq!(has("@timestamp"), "2026-01-01T00:00:00.000Z");
        assert_eq!((has("event.severity"), has("event.created")), (json!(99), json!("2026-01-01T00:05:00.000Z")));
        assert_eq!(has("event.category"), json!(["intrusion_detection", "web"]));
        assert_eq!((has("source.ip"), has("user.name"), has("related.user")), (json!("10.0.0.9"), json!("e|ve"), json!(["e|ve"])));
        assert_eq!(has("elkhound.entity.value"), json!(["10.0.0.9", "e|ve"]));
        assert_eq!((has("elkhound.direction"), has("elkhound.upper")), (json!("up"), Value::Null));
        assert_eq!((has("threat.technique.name"), has("source.geo.country_name")), (json!(["Exfiltration Over C2 Channel"]), json!("Iceland")));
        assert_eq!(has("event.ingested"), Value::Null);
    }

    #[test]
    fn a_document_comes_back_as_it_went() {
        let doc = to_document(&full());
        let back = from_document(&doc).unwrap();
        assert_eq!(to_document(&back), doc);
        assert_eq!((back.entity_key, back.enrichment), (full().entity_key, full().enrichment));
        assert!(from_document(&json!({})).is_err());
        assert!(from_document(&json!({ "elkhound": { "schema_version": 99 } })).unwrap_err().contains("newer build"));
    }

    #[test]
    fn numbers_that_are_not_finite_are_absent() {
        let mut a = full();
        a.raw_score = f64::INFINITY;
        a.contributors[0].typical = f64::NAN;
        let doc = to_document(&a);
        assert_eq!((at(&doc, "elkhound.raw_score"), at(&doc, "elkhound.direction")), (None, Some(&json!("new"))));
    }

    #[test]
    fn the_index_comes_from_the_time_of_the_bucket() {
        assert_eq!(monthly_index("elkhound", "anomalies", 1_767_225_599_999), "elkhound-anomalies-2025.12");
        assert_eq!(monthly_index("elkhound", "runs", 1_767_225_600_000), "elkhound-runs-2026.01");
    }
}
