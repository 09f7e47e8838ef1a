//! The run document as it stands in an index.

use serde_json::{Map, Value, json};

use super::ecs::{at, put};
use super::{read_text, read_time};
use crate::model::anomaly::SCHEMA_VERSION;
use crate::model::ids::run_id;
use crate::model::problem::Problem;
use crate::model::run::RunDocument;
use crate::model::time::iso;

/// A counter of a run document: its field under `elkhound.run`, how to read and how to write it.
type Counter = (&'static str, fn(&RunDocument) -> u64, fn(&mut RunDocument, u64));

/// Every counter, by name.
const COUNTERS: &[Counter] = &[
    ("buckets", |r| r.buckets, |r, n| r.buckets = n),
    ("documents", |r| r.documents, |r, n| r.documents = n),
    ("skipped_documents", |r| r.skipped_documents, |r, n| r.skipped_documents = n),
    ("rows", |r| r.rows, |r, n| r.rows = n),
    ("dropped_entities", |r| r.dropped_entities, |r, n| r.dropped_entities = n),
    ("anomalies", |r| r.anomalies, |r, n| r.anomalies = n),
    ("late_documents", |r| r.late_documents, |r, n| r.late_documents = n),
    ("searches", |r| r.searches, |r, n| r.searches = n),
    ("pages", |r| r.pages, |r, n| r.pages = n),
    ("retries", |r| r.retries, |r, n| r.retries = n),
    ("received_bytes", |r| r.received_bytes, |r, n| r.received_bytes = n),
    ("engine_took_ms", |r| r.engine_took_ms, |r, n| r.engine_took_ms = n),
    ("cpu_ms", |r| r.cpu_ms, |r, n| r.cpu_ms = n),
    ("duration_ms", |r| r.duration_ms, |r, n| r.duration_ms = n),
    ("model_age_ms", |r| r.model_age_ms, |r, n| r.model_age_ms = n),
    ("revision", |r| u64::from(r.revision), |r, n| r.revision = u32::try_from(n).unwrap_or(u32::MAX)),
];

/// A gauge of a run document, which may have nothing to show yet.
type Gauge = (&'static str, fn(&RunDocument) -> Option<f64>, fn(&mut RunDocument, Option<f64>));

/// Every gauge, by name.
const GAUGES: &[Gauge] = &[
    ("flagged_share", |r| r.flagged_share, |r, x| r.flagged_share = x),
    ("flagged_of_budget", |r| r.flagged_of_budget, |r, x| r.flagged_of_budget = x),
    ("feature_shift", |r| r.feature_shift, |r, x| r.feature_shift = x),
];

/// Fields of a run document that say how long it took, not what came out: replays differ in them.
pub const COST_FIELDS: &[&str] = &["cpu_ms", "duration_ms"];

/// The document of a run. `@timestamp` is the window's start; the sink adds `event.ingested`.
pub fn run_to_document(run: &RunDocument) -> Value {
    let mut doc = Map::new();
    put(&mut doc, "@timestamp", json!(iso(run.start_ms)));
    let event = json!({
        "kind": "state",
        "module": "elkhound",
        "dataset": "elkhound.run",
        "id": run_id(&run.job, run.start_ms, run.end_ms),
        "start": iso(run.start_ms),
        "end": iso(run.end_ms),
        "created": iso(run.end_ms),
    });
    put(&mut doc, "event", event);
    put(&mut doc, "ecs.version", json!(super::ECS_VERSION));
    put(&mut doc, "elkhound.schema_version", json!(SCHEMA_VERSION));
    put(&mut doc, "elkhound.job", json!(run.job));
    let mut body = Map::new();
    put(&mut body, "verdict", json!(run.verdict));
    put(&mut body, "strategy", json!(run.strategy));
    for (name, read, _) in COUNTERS {
        put(&mut body, name, json!(read(run)));
    }
    for (name, read, _) in GAUGES {
        put(&mut body, name, json!(read(run)));
    }
    put(&mut body, "shifted_feature", json!(run.shifted_feature));
    let kinds: Vec<&str> = run.problems.iter().map(|p| p.kind.as_str()).collect();
    put(&mut body, "problem_kinds", json!(kinds));
    put(&mut body, "problem_count", json!(run.problems.iter().map(|p| p.count).sum::<u64>()));
    put(&mut body, "problems", json!(run.problems));
    put(&mut doc, "elkhound.run", Value::Object(body));
    Value::Object(doc)
}

/// A run document read back, or what is missing in it.
pub fn run_from_document(doc: &Value) -> Result<RunDocument, String> {
    let mut run = RunDocument {
        job: read_text(doc, "elkhound.job")?,
        start_ms: read_time(doc, "event.start")?,
        end_ms: read_time(doc, "event.end")?,
        verdict: read_text(doc, "elkhound.run.verdict")?,
        strategy: read_text(doc, "elkhound.run.strategy").unwrap_or_default(),
        ..RunDocument::default()
    };
    let body = at(doc, "elkhound.run").unwrap_or(&Value::Null);
    for (name, _, write) in COUNTERS {
        write(&mut run, body.get(name).and_then(Value::as_u64).unwrap_or(0));
    }
    for (name, _, write) in GAUGES {
        write(&mut run, body.get(name).and_then(Value::as_f64));
    }
    run.shifted_feature = read_text(doc, "elkhound.run.shifted_feature").unwrap_or_default();
    if let Some(list) = body.get("problems") {
        run.problems = serde_json::from_value::<Vec<Problem>>(list.clone()).map_err(|e| format!("field `elkhound.run.problems`: {e}"))?;
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_document_comes_back_as_it_went() {
        let mut run = RunDocument { job: "web".into(), start_ms: 0, end_ms: 300_000, verdict: "done".into(), ..RunDocument::default() };
        run.problems.push(Problem { kind: "late".into(), count: 3, example: "x".into() });
        for (i, (_, _, write)) in COUNTERS.iter().enumerate() {
            write(&mut run, i as u64 + 1);
        }
        for (i, (_, _, write)) in GAUGES.iter().enumerate() {
            write(&mut run, Some(i as f64 + 0.5));
        }
        run.shifted_feature = "requests".into();
        let doc = run_to_document(&run);
        assert_eq!(at(&doc, "elkhound.run.problem_count"), Some(&json!(3)));
        assert_eq!(run_from_document(&doc).as_ref(), Ok(&run));
        assert!(run_from_document(&json!({})).unwrap_err().contains("elkhound.job"));
    }
}
