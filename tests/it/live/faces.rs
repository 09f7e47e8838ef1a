//! Both faces of every feature on the same documents: the aggregation that an engine computes, and the accumulator.

use std::collections::BTreeMap;
use std::sync::Arc;

use elkhound::features::{self, extract::Extractor, extract::FeatureSet};
use elkhound::model::{Bucket, EventBatch, FeatureSpec, FieldKind, Filter, Job, Window};
use elkhound::schedule::clock::cpu_ms;
use elkhound::source::Source;
use elkhound::source::index::IndexSource;
use serde_json::{Value, json};

use crate::support::engines::{self, Engine};

const START: i64 = 1_700_000_100_000;
const SPAN: i64 = 300_000;

/// A document of plain values; `None` = the field is absent.
struct Doc {
    at_ms: i64,
    ip: Option<String>,
    status: i64,
    bytes: Option<i64>,
    path: String,
}

/// Documents with absent values, absent entities and everything spread unevenly, always the same.
fn documents(count: i64, entities: i64) -> Vec<Doc> {
    let mix = |i: i64, k: i64| (i.wrapping_mul(2_654_435_761).wrapping_add(k * 40_503)).rem_euclid(1_000_003);
    (0..count)
        .map(|i| Doc {
            at_ms: START + mix(i, 1) % (3 * SPAN),
            ip: (i % 50 != 7).then(|| {
                let e = if i < entities { i } else { mix(i, 2) % entities * (mix(i, 3) % entities) / entities };
                format!("10.{}.{}.{}", e >> 16, e >> 8 & 255, e & 255)
            }),
            status: [200, 200, 200, 404, 401, 500, 302][usize::try_from(mix(i, 4) % 7).unwrap()],
            bytes: (i % 11 != 3).then(|| mix(i, 5) % 20_000),
            path: format!("/p/{}", mix(i, 6) % 13),
        })
        .collect()
}

fn json_of(d: &Doc) -> Value {
    let mut out = json!({ "@timestamp": d.at_ms, "status": d.status, "path": d.path });
    if let Some(ip) = &d.ip {
        out["source"] = json!({ "ip": ip });
    }
    if let Some(bytes) = d.bytes {
        out["bytes"] = json!(bytes);
    }
    out
}

/// What the accumulators make of the documents.
fn accumulated(job: &Job, docs: &[Doc], window: Window) -> Vec<Bucket> {
    let set = FeatureSet::new(job).unwrap();
    let mut batch = EventBatch::new(&set.fields);
    for d in docs.iter().filter(|d| window.contains(d.at_ms)) {
        for (column, (name, kind)) in set.fields.iter().enumerate() {
            let text = match name {
                "source.ip" => d.ip.clone(),
                "path" => Some(d.path.clone()),
                "status" => Some(d.status.to_string()),
                "bytes" => d.bytes.map(|b| b.to_string()),
                other => panic!("a feature reads `{other}`, which the documents lack"),
            };
            match (kind, text) {
                (FieldKind::Keyword, Some(t)) => batch.set_keyword(column, t.as_bytes()),
                (FieldKind::Number, Some(t)) => batch.set_number(column, t.parse().unwrap()),
                _ => {}
            }
        }
        batch.push(d.at_ms);
    }
    let mut extractor = Extractor::new(job, &set, &set.fields);
    extractor.add(&batch, &set.fields);
    extractor.close_all()
}

/// A job with every feature of the catalogue that can be an aggregation, with and without a condition.
fn job(index: &str) -> Job {
    let errors = Filter::Range { field: "status".into(), gte: Some(400.0), lt: None };
    let mut numeric = Vec::new();
    for entry in features::CATALOGUE {
        for (suffix, filter) in [("all", None), ("errors", Some(errors.clone()))] {
            let kind = entry.part.name;
            let mut spec = FeatureSpec {
                name: format!("{kind}_{suffix}"),
                kind: kind.into(),
                field: Some("bytes".into()),
                filter,
                percent: Some(90.0),
                ..FeatureSpec::default()
            };
            if reads_text(&spec) {
                spec.field = Some("path".into());
            }
            match features::build(&spec) {
                Ok(f) if f.aggregations().is_some() => numeric.push(spec),
                Ok(_) => eprintln!("{} is read from documents only", spec.name),
                // A ratio without a condition, for example, is no feature.
                Err(_) => {}
            }
        }
    }
    let values = FeatureSpec { name: "paths".into(), kind: "values".into(), field: Some("path".into()), limit: Some(50), ..FeatureSpec::default() };
    Job {
        index: index.into(),
        entity_fields: vec!["source.ip".into()],
        bucket_span_ms: SPAN,
        features: numeric,
        value_features: vec![values],
        ..Job::default()
    }
}

fn reads_text(spec: &FeatureSpec) -> bool {
    let mut fields = elkhound::model::Fields::default();
    features::build(spec).is_ok_and(|f| {
        f.request(&mut fields);
        fields.column("bytes", FieldKind::Keyword).is_some()
    })
}

/// Largest relative difference that a kind may show between an engine and us. Sums are exact to the last digits; what is
/// a sketch in the engine may differ by what its documentation states.
fn tolerance(kind: &str) -> f64 {
    match kind {
        "distinct" | "new_values" => 0.03,
        _ => 1e-9,
    }
}

/// Smallest and largest value that a percentile of these documents may have. Engines interpolate between neighbours in different
/// ways, each within one order statistic of the rank `p n`; a t-digest adds 2 % of the ranks.
fn percentile_bounds(docs: &[Doc], bucket: &Bucket, row: usize, spec: &FeatureSpec) -> Option<(f64, f64)> {
    let span = Window::new(bucket.start_ms, bucket.end_ms());
    let is_in = |d: &&Doc| span.contains(d.at_ms) && d.ip.as_deref().is_some_and(|ip| ip.as_bytes() == bucket.keys.get(row));
    let counts = |d: &&Doc| spec.filter.is_none() || d.status >= 400;
    let mut sorted: Vec<i64> = docs.iter().filter(is_in).filter(counts).filter_map(|d| d.bytes).collect();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let (rank, slack) = (spec.percent? / 100.0 * n, 0.02 * n);
    let at = |i: f64| sorted.get((i.max(0.0) as usize).min(sorted.len().saturating_sub(1))).map(|&x| x as f64);
    Some((at((rank - 1.5 - slack).floor())?, at((rank + 0.5 + slack).ceil())?))
}

async fn prepare(engine: &Engine, index: &str, docs: &[Doc]) {
    let keyword = json!({ "type": "keyword" });
    let properties = json!({ "@timestamp": { "type": "date" }, "source": { "properties": { "ip": { "type": "ip" } } }, "status": { "type": "integer" }, "bytes": { "type": "long" }, "path": keyword });
    engine.recreate(index, 2, properties).await;
    engine.fill(index, docs.iter().map(json_of)).await;
}

#[tokio::test]
async fn an_aggregation_and_an_accumulator_say_the_same() {
    let index = "elkhound-test-faces";
    let docs = documents(6000, 200);
    let job = job(index);
    for engine in engines::all().await {
        prepare(&engine, index, &docs).await;
        for window in [Window::new(START, START + 3 * SPAN), Window::new(START + SPAN, START + 2 * SPAN)] {
            let mut source = IndexSource::new(Arc::new(job.clone()), engine.cluster.clone(), engine.flavor.clone()).unwrap();
            let fetched = source.fetch(window).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
            let expected = accumulated(&job, &docs, window);
            assert_eq!(fetched.buckets.len(), expected.len());
            for (theirs, ours) in fetched.buckets.iter().zip(&expected) {
                assert_eq!(
                    (theirs.start_ms, &theirs.keys, &theirs.doc_counts, theirs.skipped_docs),
                    (ours.start_ms, &ours.keys, &ours.doc_counts, ours.skipped_docs),
                    "{}",
                    engine.name
                );
                assert_eq!(theirs.values, ours.values, "{}", engine.name);
                for (f, spec) in job.features.iter().enumerate() {
                    for row in 0..ours.rows() {
                        let (a, b) = (theirs.value(f, row), ours.value(f, row));
                        let bounds = (spec.kind == "percentile").then(|| percentile_bounds(&docs, ours, row, spec)).flatten();
                        let close = match bounds {
                            Some((low, high)) => [a, b].iter().all(|x| (low..=high).contains(x)),
                            None => (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance(&spec.kind) * a.abs().max(b.abs()).max(1.0),
                        };
                        assert!(
                            close,
                            "{} {} row {row} ({} documents): the engine says {a}, we say {b}",
                            engine.name, spec.name, ours.doc_counts[row]
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn samples_are_the_same_lines_every_time() {
    let index = "elkhound-test-samples";
    let docs = documents(500, 5);
    for engine in engines::all().await {
        prepare(&engine, index, &docs).await;
        let mut source = IndexSource::new(Arc::new(job(index)), engine.cluster.clone(), engine.flavor.clone()).unwrap();
        let window = Window::new(START, START + SPAN);
        let first = source.sample(b"10.0.0.1", window, 3).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
        assert_eq!(first.len(), 3, "{}", engine.name);
        assert!(first.iter().all(|line| line.contains("10.0.0.1")), "{first:?}");
        assert_eq!(source.sample(b"10.0.0.1", window, 3).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_window_whose_documents_all_lack_the_entity_is_no_quiet_success() {
    let index = "elkhound-test-nobody";
    let docs = documents(300, 5);
    let window = Window::new(START, START + SPAN);
    for engine in engines::all().await {
        prepare(&engine, index, &docs).await;
        for (field, is_told) in [("source.ip", false), ("client.nope", true)] {
            let job = Job { entity_fields: vec![field.into()], ..job(index) };
            let mut source = IndexSource::new(Arc::new(job), engine.cluster.clone(), engine.flavor.clone()).unwrap();
            let fetched = source.fetch(window).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
            let told = fetched.problems.list();
            let told: Vec<_> = told.iter().filter(|p| p.kind == "no_entity").map(|p| (p.count, p.example.contains(field))).collect();
            assert!(fetched.stats.documents > 0, "{}", engine.name);
            assert_eq!(told, if is_told { vec![(fetched.stats.documents, true)] } else { Vec::new() }, "{} {field}", engine.name);
        }
    }
}

#[tokio::test]
async fn fifty_thousand_entities_cost_few_searches() {
    let index = "elkhound-test-many";
    let entities = 50_000;
    let docs: Vec<Doc> = documents(100_000, entities).into_iter().map(|d| Doc { at_ms: START + d.at_ms % SPAN, ..d }).collect();
    let filter = |gte, lt| Some(Filter::Range { field: "status".into(), gte: Some(gte), lt });
    let spec = |name: &str, kind: &str, filter| FeatureSpec {
        name: name.into(),
        kind: kind.into(),
        field: Some("bytes".into()),
        filter,
        ..FeatureSpec::default()
    };
    let features = vec![
        spec("rate", "rate", None),
        spec("size", "mean", None),
        spec("errors", "ratio", filter(400.0, None)),
        spec("4xx", "count", filter(400.0, Some(500.0))),
        spec("5xx", "count", filter(500.0, None)),
        spec("bytes", "sum", None),
    ];
    let mut engines = engines::all().await;
    // One engine is enough for a figure: the one that the goal is stated for, where it is there.
    engines.sort_by_key(|e| e.name != "opensearch2");
    for engine in engines.into_iter().take(1) {
        prepare(&engine, index, &docs).await;
        let plain = Job { features: features.clone(), value_features: Vec::new(), ..job(index) };
        let with_paths = Job { features: features.clone(), ..job(index) };
        for (what, job, most) in [("six features", plain, 10), ("and the values of a field", with_paths, 12)] {
            let mut source = IndexSource::new(Arc::new(job), engine.cluster.clone(), engine.flavor.clone()).unwrap();
            let window = Window::new(START, START + SPAN);
            let before = cpu_ms();
            let fetched = source.fetch(window).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
            let (cpu, s) = (cpu_ms() - before, &fetched.stats);
            let rows = fetched.buckets[0].rows();
            println!(
                "{} {what}: {rows} entities, {} documents, {} searches, {} pages, {} bytes, engine {} ms, our CPU {cpu} ms",
                engine.name, s.documents, s.searches, s.pages, s.received_bytes, s.engine_took_ms
            );
            assert!(rows > 45_000 && s.searches <= most, "{rows} entities, {} searches", s.searches);
            let by_key: BTreeMap<_, _> = (0..rows).map(|r| (fetched.buckets[0].keys.text(r).into_owned(), ())).collect();
            assert_eq!(by_key.len(), rows);
        }
    }
}
