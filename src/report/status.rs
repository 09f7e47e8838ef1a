//! The status page of a running worker.

use minijinja::context;

use super::page;
use super::text::{clean, grouped};
use crate::telemetry::health::Stats;

/// The page for what the worker says about itself.
pub fn render(stats: &Stats) -> String {
    let jobs: Vec<_> = stats
        .jobs
        .iter()
        .map(|j| {
            context! {
                job => clean(&j.job, 100), state => j.state.as_str(), is_held => j.state == "held", why => clean(&[std::slice::from_ref(&j.why), j.warnings.as_slice()].concat().join(" "), 400),
                lag => j.lag_ms.map(duration).unwrap_or_default(), done => grouped(j.windows_done), held => grouped(j.windows_held),
                documents => grouped(j.documents), rows => grouped(j.rows), anomalies => grouped(j.anomalies), late => grouped(j.late_documents),
                retries => grouped(j.retries), skipped => grouped(j.skipped_documents), until => j.done_until_ms.map(page::minute).unwrap_or_default(),
                searches => grouped(j.searches), cpu => duration(i64::try_from(j.cpu_ms).unwrap_or(i64::MAX)), strategy => clean(&j.strategy, 200),
            }
        })
        .collect();
    let recent: Vec<_> = stats
        .recent
        .iter()
        .map(|r| {
            context! {
                job => clean(&r.job, 100), start => page::minute(r.start_ms), end => page::minute(r.end_ms), verdict => clean(&r.verdict, 300),
                documents => grouped(r.documents), rows => grouped(r.rows), anomalies => grouped(r.anomalies), late => grouped(r.late_documents),
                retries => grouped(r.retries), took => duration(i64::try_from(r.duration_ms).unwrap_or(i64::MAX)),
            }
        })
        .collect();
    page::status(context! {
        title => "Elkhound status", is_ready => stats.is_ready, jobs => jobs, recent => recent,
        uptime => duration(i64::try_from(stats.uptime_ms).unwrap_or(i64::MAX)),
    })
}

/// A length of time in one or two units, such as `3 h 5 min`.
fn duration(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0 => format!("{} ms", ms.max(0)),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::health::JobStats;

    #[test]
    fn a_held_job_is_named_with_its_reason_and_nothing_runs() {
        let job = JobStats { job: "<b>web".into(), state: "held".into(), why: "index <script>x</script> is not there".into(), ..JobStats::default() };
        let html = render(&Stats { jobs: vec![job], ..Stats::default() });
        assert!(html.contains("&lt;b&gt;web") && html.contains("is not there") && !html.contains("<script"), "{html}");
        assert!(html.contains("not ready"));
    }

    #[test]
    fn a_warning_stands_beside_its_job() {
        let job = JobStats { job: "web".into(), state: "running".into(), warnings: vec!["the models are old".into()], ..JobStats::default() };
        assert!(render(&Stats { jobs: vec![job], ..Stats::default() }).contains("the models are old"));
    }

    #[test]
    fn times_are_short() {
        assert_eq!([-1, 5, 61_000, 3_700_000, 90_000_000].map(duration), ["0 ms", "5 ms", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
