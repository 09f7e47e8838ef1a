//! Templates to pages.

use minijinja::{AutoEscape, Environment, Value, context};
use sha2::{Digest, Sha256};

use super::text::{base64, clean, grouped};
use super::{Report, payload};
use crate::model::time::iso;
use crate::model::{Anomaly, Severity};

const BASE: &str = include_str!("templates/base.html");
const REPORT: &str = include_str!("templates/report.html");
const STATUS: &str = include_str!("templates/status.html");
const BACKTEST: &str = include_str!("templates/backtest.html");
const STYLE: &str = include_str!("templates/style.css");
const SCRIPT: &str = include_str!("templates/report.js");
/// Findings in the table that is shown where scripts do not run.
const PLAIN_ROWS: usize = 100;

/// The report.
pub fn report(report: &Report<'_>) -> String {
    let ranked = payload::ranked(report.anomalies);
    let counts = Severity::ALL.map(|s| report.anomalies.iter().filter(|a| a.severity == s).count() as u64);
    let [low, medium, high, critical] = counts.map(grouped);
    let entities: std::collections::BTreeSet<&str> = report.anomalies.iter().map(|a| a.entity_key.as_str()).collect();
    let (from, to) = span(report);
    render(
        "report.html",
        Some(SCRIPT),
        context! {
            title => clean(&report.title, 200),
            generated_from => clean(&report.generated_from, 400),
            jobs => report.jobs.iter().map(|j| clean(j, 100)).collect::<Vec<_>>(),
            from => from, to => to,
            low => low, medium => medium, high => high, critical => critical,
            total => grouped(ranked.len() as u64), is_empty => ranked.is_empty(),
            entities => grouped(entities.len() as u64),
            documents => grouped(report.runs.iter().map(|r| r.documents).sum()),
            windows => grouped(report.runs.len() as u64),
            held => report.runs.iter().filter(|r| !matches!(r.verdict.as_str(), "done" | "learned")).count(),
            data => Value::from_safe_string(payload::data(report)),
            plain => ranked.iter().take(PLAIN_ROWS).map(|a| plain(a)).collect::<Vec<_>>(),
            is_all => ranked.len() <= PLAIN_ROWS,
            plain_rows => PLAIN_ROWS, is_timeless => report.is_timeless,
        },
    )
}

/// The page of a backtest.
pub fn backtest(values: Value) -> String {
    render("backtest.html", None, values)
}

/// The status page of a running worker.
pub fn status(values: Value) -> String {
    render("status.html", None, values)
}

fn plain(a: &Anomaly) -> Value {
    context! {
        time => if a.is_timeless() { format!("row {}", clean(&a.entity_key, 20)) } else { minute(a.start_ms) }, severity => a.severity.as_str(), score => format!("{:.0}", a.score),
        job => clean(&a.job, 100), entity => clean(&a.entity_key, 120), reason => clean(&a.reason, 400),
    }
}

/// `2026-01-31 12:00` in UTC.
pub fn minute(t_ms: i64) -> String {
    iso(t_ms).replace('T', " ").chars().take(16).collect()
}

/// First and last instant that the report covers, as text.
fn span(report: &Report<'_>) -> (String, String) {
    if report.is_timeless {
        return (String::new(), String::new());
    }
    let starts = report.timeline.iter().map(|p| p.start_ms).chain(report.runs.iter().map(|r| r.start_ms));
    let starts = starts.chain(report.anomalies.iter().map(|a| a.start_ms));
    let ends = report.runs.iter().map(|r| r.end_ms).chain(report.timeline.iter().map(|p| p.start_ms));
    let ends = ends.chain(report.anomalies.iter().map(|a| a.start_ms.saturating_add(a.span_ms)));
    let show = |t: Option<i64>| t.map(minute).unwrap_or_default();
    (show(starts.min()), show(ends.max()))
}

fn render(template: &str, script: Option<&str>, values: Value) -> String {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    let policy = script.map_or_else(|| "'none'".to_owned(), |s| format!("'sha256-{}'", base64(&Sha256::digest(s.as_bytes()))));
    let shared = context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        script => script.map(|s| Value::from_safe_string(s.to_owned())),
        policy => policy,
        version => env!("CARGO_PKG_VERSION"),
    };
    let page = [("base.html", BASE), ("report.html", REPORT), ("status.html", STATUS), ("backtest.html", BACKTEST)]
        .into_iter()
        .try_for_each(|(name, text)| env.add_template(name, text))
        .and_then(|()| env.get_template(template)?.render(context! { ..values, ..shared }));
    // The templates are part of the program and rendered by its tests: this branch is for the reader of a bug report.
    page.unwrap_or_else(|e| format!("<!doctype html><title>Elkhound</title><p>The page could not be made ({:?}).</p>", e.kind()))
}
