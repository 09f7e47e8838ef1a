//! The page for people without Kibana: one self-contained HTML file, and the status page from the same templates.
//!
//! [`render`] is a pure function of its input. Everything that comes from logs reaches the page as text: in the list
//! that needs no script through the template engine's escaping, in the interactive part as JSON that the script shows
//! with `textContent` alone. A content security policy with the hash of the one script forbids every other.

pub mod backtest;
pub mod history;
mod page;
mod payload;
pub mod status;
mod text;

use serde::Serialize;

use crate::model::{Anomaly, RunDocument};

pub use history::{Collector, Series, SeriesPoint, TimelinePoint};
pub use text::clean;

/// Everything that a page shows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report<'a> {
    /// Heading, such as `access.log`.
    pub title: String,
    /// Plain words for where the data came from, such as `3 files, 2,000,000 lines`.
    pub generated_from: String,
    /// Job ids, in the order in which they are to be listed.
    pub jobs: Vec<String>,
    /// The findings, in any order.
    pub anomalies: &'a [Anomaly],
    /// The proof of every window, in any order.
    pub runs: &'a [RunDocument],
    /// What was judged per bucket (documents and entities), in order of time; may be empty.
    pub timeline: Vec<TimelinePoint>,
    /// Values over time of entities that were reported; may be empty.
    pub series: Vec<Series>,
    /// True when what was judged are rows of tables, which have a number and no time.
    pub is_timeless: bool,
}

/// The page as HTML, at most about 5 MB whatever the input: details give way first, then the mildest findings, and the
/// page says how many it leaves out.
pub fn render(report: &Report<'_>) -> String {
    page::report(report)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Contributor, Severity};

    /// A finding with nothing special about it.
    pub(crate) fn anomaly(entity: &str, start_ms: i64, score: f64) -> Anomaly {
        Anomaly {
            id: format!("{entity}-{start_ms}"),
            job: "web".into(),
            detector: "robust".into(),
            entity_key: entity.into(),
            entity_field: "source.ip".into(),
            start_ms,
            span_ms: 300_000,
            score,
            severity: Severity::of(score),
            raw_score: score / 10.0,
            confidence: 0.8,
            contributors: vec![Contributor {
                feature: "requests".into(),
                title: "requests".into(),
                actual: 900.0,
                typical: 12.0,
                lower: 4.0,
                upper: f64::NAN,
                surprise: 7.5,
                reference: "own history".into(),
            }],
            doc_count: 900,
            message: "requests high".into(),
            reason: format!("{entity} sent 900 requests in 5 minutes where 12 are usual."),
            story: "s".into(),
            since_ms: start_ms,
            status: "open".into(),
            source: "access.log".into(),
            query: format!("source.ip: \"{entity}\""),
            sample: vec!["GET / HTTP/1.1".into()],
            ..Anomaly::default()
        }
    }

    fn page(anomalies: &[Anomaly]) -> String {
        render(&Report { title: "access.log".into(), anomalies, ..Report::default() })
    }

    #[test]
    fn an_empty_report_says_that_nothing_was_found() {
        let html = page(&[]);
        assert!(html.contains("No anomalies"), "{html}");
        assert!(html.starts_with("<!doctype html>"));
    }

    #[test]
    fn documents_that_several_jobs_read_are_said_to_be_read_by_several() {
        let run = |job: &str| RunDocument { job: job.into(), documents: 600, ..RunDocument::default() };
        let (runs, jobs) = ([run("web"), run("ssh")], ["web".into(), "ssh".into()].to_vec());
        let html = render(&Report { runs: &runs, jobs, ..Report::default() });
        assert!(html.contains("<b>1,200</b> documents read by 2 jobs</li>"), "{html}");
    }

    #[test]
    fn hostile_values_stay_text() {
        let mut a = anomaly("</script><script>alert(1)</script>", 0, 90.0);
        a.reason = "\u{1b}[31m<img src=x onerror=alert(2)>\u{202e}gpj.exe\u{2028}\0".into();
        a.sample = vec![format!("GET /{} HTTP/1.1", "x".repeat(1_000_000))];
        a.job = "{{ 7*7 }}".into();
        let html = page(&[a]);
        assert_eq!(html.matches("<script").count(), 2, "the data block and the one script");
        for bad in ["<img", "alert(1)</script>", "\u{1b}", "\u{202e}", "\u{2028}", "\0", ">49<"] {
            assert!(!html.contains(bad), "{bad:?} reached the page");
        }
        assert!(html.len() < 200_000, "a long path is cut: {} bytes", html.len());
    }

    #[test]
    fn ten_thousand_findings_stay_below_five_megabytes() {
        let all: Vec<Anomaly> = (0..10_000)
            .map(|i| {
                let mut a = anomaly(&format!("10.{}.{}.{}", i % 7, i % 251, i % 199), i64::from(i) * 60_000, f64::from(i % 100));
                a.contributors = vec![a.contributors[0].clone(); 10];
                a.sample = vec!["é".repeat(400); 3];
                a.reason = "GET /<b>?q=\"1\" ".repeat(40);
                a
            })
            .collect();
        let html = page(&all);
        assert!(html.len() < 5_000_000, "{}", html.len());
        assert!(html.contains("\"total\":10000") && html.contains("\"omitted\":0"), "none is left out");
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_in_any_order() {
        let (a, b) = (anomaly("a", 0, 10.0), anomaly("b", 300_000, 10.0));
        assert_eq!(page(&[a.clone(), b.clone()]), page(&[b, a]));
    }

    #[test]
    fn odd_numbers_do_not_break_the_data() {
        let mut a = anomaly("a", i64::MIN, f64::NAN);
        a.contributors[0].actual = f64::INFINITY;
        let html = page(&[a, anomaly("b", i64::MAX, 1e308)]);
        let json = html.split("id=\"data\">").nth(1).and_then(|r| r.split("</script>").next()).unwrap();
        let _: serde_json::Value = serde_json::from_str(json).unwrap();
    }
}
