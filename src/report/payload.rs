//! The data of a page as compact JSON: rows are arrays, repeated text is kept once and named by its place.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::text::clean;
use super::{Report, Series};
use crate::model::{Anomaly, Contributor, RunDocument};

/// Bytes of JSON that rows may take together; the page around them needs less than 100 kB.
const ROWS_BYTES: usize = 3_900_000;
/// Bytes of JSON that series may take together.
const SERIES_BYTES: usize = 500_000;
/// Windows listed singly; beyond that they are only summed per job.
const MAX_RUNS: usize = 500;
/// Windows on the time line, where it has to be made of them.
const MAX_WINDOWS: usize = 20_000;

/// How much of a row is shown.
#[derive(Clone, Copy)]
struct Detail {
    contributors: usize,
    samples: usize,
    text: usize,
    key: usize,
}

const FULL: Detail = Detail { contributors: 8, samples: 3, text: 600, key: 200 };
const SOME: Detail = Detail { contributors: 4, samples: 1, text: 240, key: 120 };
const LEAST: Detail = Detail { contributors: 1, samples: 0, text: 120, key: 60 };
const TINY: Detail = Detail { contributors: 1, samples: 0, text: 60, key: 40 };

/// Text kept once.
#[derive(Default)]
struct Strings {
    places: HashMap<String, usize>,
    list: Vec<Value>,
    bytes: usize,
}

impl Strings {
    fn place(&mut self, text: String) -> usize {
        if let Some(&i) = self.places.get(&text) {
            return i;
        }
        let i = self.list.len();
        self.bytes += escaped_len(&text) + 3;
        self.list.push(Value::from(text.as_str()));
        self.places.insert(text, i);
        i
    }
}

/// Findings, strongest first; equal ones by time, entity and id, so that the order in which they come does not matter.
pub fn ranked<'a>(anomalies: &'a [Anomaly]) -> Vec<&'a Anomaly> {
    let mut all: Vec<&Anomaly> = anomalies.iter().collect();
    let by_key = |a: &&'a Anomaly, b: &&'a Anomaly| (a.start_ms, &a.entity_key, &a.id).cmp(&(b.start_ms, &b.entity_key, &b.id));
    all.sort_by(|a, b| finite(b.score).total_cmp(&finite(a.score)).then_with(|| by_key(a, b)));
    all
}

fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

/// The data block, safe inside a script element.
pub fn data(report: &Report<'_>) -> String {
    let all = ranked(report.anomalies);
    let mut strings = Strings::default();
    let (rows, omitted) = rows(&all, &mut strings);
    let value = json!({
        "title": clean(&report.title, 200),
        "from": clean(&report.generated_from, 400),
        "jobs": report.jobs.iter().map(|j| clean(j, 100)).collect::<Vec<_>>(),
        "total": all.len(),
        "omitted": omitted,
        "rows": rows,
        "timeline": timeline(report),
        "series": series(if report.is_timeless { &[] } else { &report.series }, &all, &mut strings),
        "runs": runs(report.runs),
        "problems": problems(report.runs),
        "s": strings.list,
    });
    escape(&value.to_string())
}

/// JSON in which no character can end the script element or a line of the script.
pub fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            // Without `<` neither `</script` nor `<!--` can come about.
            '<' => out.push_str("\\u003c"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// Bytes of `text` once it stands escaped in the page.
fn escaped_len(text: &str) -> usize {
    text.bytes()
        .map(|b| {
            if b == b'<' {
                6
            } else if matches!(b, b'"' | b'\\') {
                2
            } else {
                1
            }
        })
        .sum()
}

/// The rows at the greatest detail that fits; the second figure is how many fit at no detail.
fn rows(all: &[&Anomaly], strings: &mut Strings) -> (Vec<Value>, usize) {
    let n = all.len();
    let plans = [(n, 0, 0), (1_000, n, 0), (200, 2_000, n), (50, 0, 1_000)];
    for (full, some, least) in plans {
        let mut trial = Strings::default();
        let mut rows = Vec::with_capacity(all.len());
        let mut bytes = 0;
        for (i, a) in all.iter().enumerate() {
            let detail = match i {
                i if i < full => FULL,
                i if i < some => SOME,
                i if i < least => LEAST,
                _ => TINY,
            };
            let row = row(a, detail, &mut trial);
            bytes += escaped_len(&row.to_string()) + 1;
            if bytes + trial.bytes > ROWS_BYTES {
                break;
            }
            rows.push(row);
        }
        if rows.len() == all.len() || full == 50 {
            *strings = trial;
            let omitted = all.len() - rows.len();
            return (rows, omitted);
        }
    }
    (Vec::new(), all.len())
}

/// `[start_ms, span_s, job, entity, field, detector, score, confidence, documents, flags, reason, since_ms, source,
/// contributors, samples, message, rule box]`, `start_ms` null for rows without a time; the script knows the same order. Flags: 1 silent, 2 suppressed, 4 revised.
fn row(a: &Anomaly, d: Detail, strings: &mut Strings) -> Value {
    let flags = u8::from(a.imputed) | (u8::from(a.status == "suppressed") << 1) | (u8::from(a.revision > 0) << 2);
    let contributors: Vec<Value> = a.contributors.iter().take(d.contributors).map(|c| contributor(c, d, strings)).collect();
    let samples: Vec<Value> = a.sample.iter().take(d.samples).map(|s| Value::from(clean(s, d.text))).collect();
    json!([
        (!a.is_timeless()).then_some(a.start_ms),
        a.span_ms / 1000,
        strings.place(clean(&a.job, 100)),
        strings.place(clean(&a.entity_key, d.key)),
        strings.place(clean(&a.entity_field, 100)),
        strings.place(clean(&a.detector, 60)),
        number(a.score, 1),
        number(a.confidence, 2),
        a.doc_count,
        flags,
        clean(&a.reason, d.text),
        a.since_ms,
        strings.place(clean(&a.source, 200)),
        contributors,
        samples,
        strings.place(clean(&a.message, d.text)),
        clean(&a.rule_box, d.text),
    ])
}

/// `[title, actual, typical, lower, upper, surprise, reference, feature]`.
fn contributor(c: &Contributor, d: Detail, strings: &mut Strings) -> Value {
    json!([
        strings.place(clean(&c.title, d.key)),
        short(c.actual),
        short(c.typical),
        short(c.lower),
        short(c.upper),
        number(c.surprise, 2),
        strings.place(clean(&c.reference, d.text.min(200))),
        strings.place(clean(&c.feature, d.key)),
    ])
}

/// A number with so many decimals; `null` where there is none.
fn number(x: f64, decimals: i32) -> Value {
    let scale = 10f64.powi(decimals);
    let rounded = (x * scale).round() / scale;
    if !rounded.is_finite() {
        Value::Null
    } else if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        Value::from(rounded as i64)
    } else {
        Value::from(rounded)
    }
}

/// A number with four significant digits below 10,000, as a whole number above; `null` where there is none.
fn short(x: f64) -> Value {
    if !x.is_finite() || x == 0.0 {
        return if x == 0.0 { Value::from(0) } else { Value::Null };
    }
    let decimals = 3 - x.abs().log10().floor() as i32;
    number(x, decimals.clamp(0, 12))
}

/// What was judged per bucket; where nobody collected that, per window of the job that read most.
fn timeline(report: &Report<'_>) -> Vec<Value> {
    if report.is_timeless {
        return Vec::new();
    }
    if report.timeline.is_empty() {
        let mut windows: std::collections::BTreeMap<i64, (u64, u64)> = std::collections::BTreeMap::new();
        for r in report.runs {
            let most = windows.entry(r.start_ms).or_default();
            *most = (*most).max((r.documents, r.rows));
        }
        return windows.into_iter().take(MAX_WINDOWS).map(|(t, (documents, entities))| json!([t, documents, entities])).collect();
    }
    report.timeline.iter().map(|p| json!([p.start_ms, p.documents, p.entities])).collect()
}

/// Values over time of what the findings are about, those of the strongest entities first: there may not be room for all.
fn series(series: &[Series], ranked: &[&Anomaly], strings: &mut Strings) -> Vec<Value> {
    let (mut places, mut told) = (HashMap::new(), HashSet::new());
    for (i, a) in ranked.iter().enumerate() {
        places.entry(a.entity_key.as_str()).or_insert(i);
        told.extend(a.contributors.iter().map(|c| (a.entity_key.as_str(), c.feature.as_str())));
    }
    let place = |s: &Series| places.get(s.entity.as_str()).copied().unwrap_or(usize::MAX);
    let mut shown: Vec<&Series> = series.iter().filter(|s| told.contains(&(s.entity.as_str(), s.feature.as_str()))).collect();
    shown.sort_by_key(|s| place(s));
    let mut left = SERIES_BYTES;
    let mut out = Vec::new();
    for s in shown {
        let points: Vec<Value> = s.points.iter().map(|p| json!([p.start_ms, short(p.actual)])).collect();
        let [job, entity, feature] = [(&s.job, 100), (&s.entity, FULL.key), (&s.feature, FULL.key)].map(|(t, most)| strings.place(clean(t, most)));
        let value = json!([job, entity, feature, points, s.every]);
        let bytes = value.to_string().len();
        if bytes > left {
            break;
        }
        left -= bytes;
        out.push(value);
    }
    out
}

/// `[job, start_ms, end_ms, verdict, strategy, documents, skipped, rows, dropped, anomalies, late, retries,
/// searches, cpu_ms, buckets]`, newest first.
fn runs(runs: &[RunDocument]) -> Value {
    let mut all: Vec<&RunDocument> = runs.iter().collect();
    all.sort_by(|a, b| (b.end_ms, &a.job, a.start_ms).cmp(&(a.end_ms, &b.job, b.start_ms)));
    let list: Vec<Value> = all.iter().take(MAX_RUNS).map(|r| run(r)).collect();
    let mut jobs: std::collections::BTreeMap<&str, RunDocument> = std::collections::BTreeMap::new();
    for r in &all {
        let sum = jobs.entry(&r.job).or_insert_with(|| RunDocument {
            job: r.job.clone(),
            start_ms: i64::MAX,
            end_ms: i64::MIN,
            verdict: "done".into(),
            strategy: r.strategy.clone(),
            ..RunDocument::default()
        });
        add(sum, r);
    }
    json!({ "count": all.len(), "list": list, "jobs": jobs.values().map(run).collect::<Vec<_>>() })
}

fn add(sum: &mut RunDocument, r: &RunDocument) {
    sum.start_ms = sum.start_ms.min(r.start_ms);
    sum.end_ms = sum.end_ms.max(r.end_ms);
    sum.documents += r.documents;
    sum.skipped_documents += r.skipped_documents;
    sum.rows += r.rows;
    sum.dropped_entities += r.dropped_entities;
    sum.anomalies += r.anomalies;
    sum.late_documents += r.late_documents;
    sum.retries += r.retries;
    sum.searches += r.searches;
    sum.cpu_ms += r.cpu_ms;
    sum.buckets += r.buckets;
}

fn run(r: &RunDocument) -> Value {
    json!([
        clean(&r.job, 100),
        r.start_ms,
        r.end_ms,
        clean(&r.verdict, 300),
        clean(&r.strategy, 200),
        r.documents,
        r.skipped_documents,
        r.rows,
        r.dropped_entities,
        r.anomalies,
        r.late_documents,
        r.retries,
        r.searches,
        r.cpu_ms,
        r.buckets,
    ])
}

/// `[job, kind, count, example]`, summed over windows.
fn problems(runs: &[RunDocument]) -> Vec<Value> {
    let mut sums: std::collections::BTreeMap<(&str, &str), (u64, &str)> = std::collections::BTreeMap::new();
    for r in runs {
        for p in &r.problems {
            let sum = sums.entry((&r.job, &p.kind)).or_insert((0, &p.example));
            *sum = (sum.0 + p.count, sum.1.min(&p.example));
        }
    }
    sums.iter().map(|((job, kind), (n, example))| json!([clean(job, 100), clean(kind, 100), n, clean(example, 300)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_odd_ones_absent() {
        let shown: Vec<String> =
            [0.0, 12.0, 0.012_345_6, 1_234_567.8, -7.12345, 1e-20, f64::NAN, f64::INFINITY].map(short).iter().map(Value::to_string).collect();
        assert_eq!(shown, ["0", "12", "0.01235", "1234568", "-7.123", "0", "null", "null"]);
    }

    #[test]
    fn nothing_ends_the_script_element() {
        assert_eq!(escape(r#"{"a":"</script>&"}"#), r#"{"a":"\u003c/script>&"}"#);
        assert_eq!(escaped_len("</\"a"), 6 + 1 + 2 + 1);
    }
}
