//! The pages in a real browser: what is visible, how long it takes, and a screenshot to look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use elkhound::model::{Anomaly, Contributor, RunDocument, Severity};
use elkhound::report::{Report, Series, SeriesPoint, TimelinePoint, render};
use elkhound::telemetry::Telemetry;

/// 2026-01-05T00:00:00Z, a Monday.
const START_MS: i64 = 1_767_571_200_000;
const SPAN_MS: i64 = 300_000;

/// The browser, if there is one; where `ELKHOUND_REQUIRE_BROWSER` is set a missing one is a failure.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let paths: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found = names.iter().flat_map(|n| paths.iter().map(move |p| p.join(n))).find(|p| p.is_file());
    assert!(found.is_some() || std::env::var_os("ELKHOUND_REQUIRE_BROWSER").is_none(), "no Chromium on this machine");
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium on this machine, pages were not opened");
    }
    found
}

fn artefacts() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    std::fs::create_dir_all(&dir).unwrap();
    dir.canonicalize().unwrap()
}

/// The page's document after its script ran. A screenshot is kept under the given name.
fn open(name: &str, html: &str, extra: &[&str]) -> Option<String> {
    let browser = browser()?;
    let file = artefacts().join(format!("{name}.html"));
    std::fs::write(&file, html).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let shot = artefacts().join(format!("{name}.png"));
    let run = |what: &[String]| {
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1280,2400"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(extra)
            .args(what)
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run(&[format!("--screenshot={}", shot.display())]);
    Some(run(&["--dump-dom".into()]))
}

fn contributor(feature: &str, actual: f64, typical: f64, upper: f64) -> Contributor {
    Contributor {
        feature: feature.into(),
        title: feature.replace('_', " "),
        actual,
        typical,
        lower: 0.0,
        upper,
        surprise: (actual / typical).abs().ln(),
        reference: "own history".into(),
    }
}

fn anomaly(entity: &str, bucket: i64, score: f64, contributors: Vec<Contributor>) -> Anomaly {
    let c = contributors[0].clone();
    Anomaly {
        id: format!("{entity}-{bucket}"),
        job: "web".into(),
        preset: Some("web_access".into()),
        detector: "robust".into(),
        entity_key: entity.into(),
        entity_field: "source.ip".into(),
        start_ms: START_MS + bucket * SPAN_MS,
        span_ms: SPAN_MS,
        score,
        severity: Severity::of(score),
        raw_score: score / 8.0,
        confidence: 0.85,
        contributors,
        doc_count: c.actual as u64,
        message: format!("{} high", c.title),
        reason: format!("{entity} had {} {} in 5 minutes where {} are usual (own history).", c.actual, c.title, c.typical),
        story: "s".into(),
        since_ms: START_MS + bucket * SPAN_MS,
        status: "open".into(),
        source: "access.log".into(),
        query: String::new(),
        sample: vec![format!("{entity} - - [05/Jan/2026:07:35:02 +0000] \"POST /login HTTP/1.1\" 401 512")],
        ..Anomaly::default()
    }
}

/// A day of findings that looks like one.
fn a_day() -> Vec<Anomaly> {
    let mut out = Vec::new();
    for i in 0..40 {
        out.push(anomaly(
            "203.0.113.77",
            90 + i,
            60.0 + f64::from((i * 13 % 40) as i32),
            vec![contributor("failed_logins", 300.0 + (i * 7 % 50) as f64, 2.0, 9.0), contributor("requests", 320.0, 40.0, 90.0)],
        ));
    }
    for i in 0..60 {
        let entity = format!("198.51.100.{}", i % 12);
        out.push(anomaly(&entity, i * 37 % 288, (i * 29 % 97) as f64, vec![contributor("distinct_paths", 50.0 + i as f64, 6.0, 20.0)]));
    }
    out.push(anomaly("2001:db8::dead:beef:cafe:1", 200, 99.0, vec![contributor("bytes_out", 8.4e9, 2.1e6, 9.9e6)]));
    out
}

fn report<'a>(anomalies: &'a [Anomaly], runs: &'a [RunDocument]) -> Report<'a> {
    let rhythm = |i: i64| 2_000 + (1_500.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin()) as u64;
    let point = |i: i64| SeriesPoint {
        start_ms: START_MS + i * SPAN_MS,
        actual: if (90..130).contains(&i) { 300.0 + (i * 7 % 50) as f64 } else { (i % 4) as f64 },
    };
    Report {
        title: "access.log".into(),
        generated_from: "1 file, 600,000 lines".into(),
        jobs: vec!["web".into()],
        anomalies,
        runs,
        timeline: (0..288).map(|i| TimelinePoint { start_ms: START_MS + i * SPAN_MS, documents: rhythm(i), entities: 900 }).collect(),
        series: vec![Series {
            job: "web".into(),
            entity: "203.0.113.77".into(),
            feature: "failed_logins".into(),
            points: (60..200).map(point).collect(),
            every: 1,
        }],
        is_timeless: false,
    }
}

fn runs() -> Vec<RunDocument> {
    (0..24)
        .map(|i| RunDocument {
            job: "web".into(),
            start_ms: START_MS + i * 12 * SPAN_MS,
            end_ms: START_MS + (i + 1) * 12 * SPAN_MS,
            verdict: "done".into(),
            strategy: "file".into(),
            buckets: 12,
            documents: 25_000,
            rows: 10_800,
            anomalies: 4,
            cpu_ms: 40,
            duration_ms: 55,
            problems: vec![elkhound::model::Problem {
                kind: "unparsed_line".into(),
                count: 2,
                example: "line 17: \u{1b}[31m\u{16}\u{3}\u{1}".into(),
            }],
            ..RunDocument::default()
        })
        .collect()
}

/// Milliseconds from opening to ready, as the page measured it.
fn ready_ms(dom: &str) -> u64 {
    let after = dom.split("data-ready=\"").nth(1).unwrap_or_else(|| panic!("the script did not finish: {}", &dom[..dom.len().min(2_000)]));
    after.split('"').next().unwrap().parse().unwrap()
}

#[test]
fn the_report_shows_every_part_in_a_browser() {
    let (all, runs) = (a_day(), runs());
    let html = render(&report(&all, &runs));
    let Some(dom) = open("report", &html, &[]) else { return };
    ready_ms(&dom);
    for seen in [
        "101 of 101 findings",
        "203.0.113.77",
        "Findings over time",
        "role=\"grid\"",
        "failed logins",
        "usual range",
        "Page 1 of 3",
        "unparsed line",
        "600,000",
    ] {
        assert!(dom.contains(seen), "{seen} is not on the page");
    }
    assert!(dom.matches("class=\"detail\"").count() == 50, "one page of rows is in the document");
    let main = dom.split("<main").nth(1).and_then(|r| r.split("</main>").next()).unwrap();
    assert!(!main.contains("NaN") && !main.contains("undefined"), "a figure is missing");
    open("report-dark", &html, &["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]);
}

#[test]
fn hostile_log_values_are_shown_and_do_nothing() {
    let hostile = "\"><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u{202e}\u{0}{{7*7}}";
    let mut all = vec![anomaly(hostile, 3, 95.0, vec![contributor(hostile, 9.0, 1.0, 2.0)])];
    all[0].reason = hostile.into();
    all[0].job = hostile.into();
    all[0].sample = vec![hostile.into(), format!("GET /{} HTTP/1.1", "a".repeat(1_000_000))];
    let mut bad = runs();
    bad[0].verdict = hostile.into();
    bad[0].job = hostile.into();
    let html = render(&Report { title: hostile.into(), ..report(&all, &bad) });
    let Some(dom) = open("report-hostile", &html, &[]) else { return };
    ready_ms(&dom);
    assert!(dom.contains("<title>\"&gt;&lt;script&gt;document.title"), "the title is text");
    assert!(!dom.contains("<title>owned") && !dom.contains("<img"), "a value of the log ran");
    assert!(dom.contains("\\u{202e}"), "direction characters are made visible");
}

#[test]
fn ten_thousand_findings_open_quickly() {
    let all: Vec<Anomaly> = (0..10_000)
        .map(|i| {
            anomaly(&format!("10.0.{}.{}", i % 40, i % 250), i * 31 % 2_000, (i % 101) as f64, vec![contributor("requests", i as f64, 3.0, 9.0)])
        })
        .collect();
    let html = render(&report(&all, &[]));
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    let Some(dom) = open("report-10000", &html, &[]) else { return };
    let took = ready_ms(&dom);
    eprintln!("10,000 findings: {} bytes, ready after {took} ms", html.len());
    assert!(dom.contains("10,000 of 10,000 findings"));
    assert!(dom.contains("The 15 strongest of 1,000 entities."), "how many the heat map leaves out");
}

#[test]
fn without_findings_the_page_says_so() {
    let html = render(&Report { anomalies: &[], ..report(&[], &runs()) });
    let Some(dom) = open("report-empty", &html, &[]) else { return };
    ready_ms(&dom);
    assert!(dom.contains("No anomalies: nothing in this data was rare enough to report."));
}

/// What a script says of a page that stands in a frame of so many pixels; `d` is its document.
fn look(name: &str, html: &str, width: u32, has_scripts: bool, script: &str) -> Option<String> {
    let inner = html.replace('&', "&amp;").replace('"', "&quot;");
    let may = if has_scripts { "allow-same-origin allow-scripts" } else { "allow-same-origin" };
    let outer = format!(
        "<!doctype html><meta charset=\"utf-8\"><body style=\"margin:0\"><iframe id=\"f\" sandbox=\"{may}\" width=\"{width}\" height=\"2300\" style=\"border:0\" srcdoc=\"{inner}\"></iframe>\
         <pre id=\"said\"></pre><script>document.getElementById('f').addEventListener('load', (e) => {{ const d = e.target.contentDocument;\
         document.getElementById('said').textContent = (() => {{ {script} }})(); }});</script>"
    );
    let dom = open(name, &outer, &[&format!("--window-size={width},2400")])?;
    let said = dom.split("<pre id=\"said\">").nth(1).and_then(|r| r.split("</pre>").next());
    Some(said.unwrap_or_else(|| panic!("nothing was said: {}", &dom[dom.len().saturating_sub(500)..])).replace("&gt;", ">"))
}

/// What a reader sees of a page, as text, and the controls that can be seen, with or without scripts, on the screen or on paper:
/// the page stands in a frame of another one that looks at it. On paper the rules for print are made rules for everything.
fn seen(name: &str, html: &str, has_scripts: bool, is_on_paper: bool) -> Option<(String, String)> {
    assert!(html.contains("@media print{"), "the page has rules for print");
    let html = if is_on_paper { html.replace("@media print{", "@media all{") } else { html.to_owned() };
    let script = "return d.body.innerText + '\\u0001' + [...d.querySelectorAll('button, input, select')]\
         .filter((c) => c.checkVisibility()).map((c) => c.id || c.className || c.textContent).join('|');";
    let said = look(name, &html, 1280, has_scripts, script)?;
    let (text, controls) = said.split_once('\u{1}').unwrap();
    Some((text.to_owned(), controls.to_owned()))
}

#[test]
fn without_scripts_the_strongest_findings_stand_in_a_table() {
    let (all, runs) = (a_day(), runs());
    let html = render(&report(&all, &runs));
    let Some((text, controls)) = seen("report-plain", &html, false, false) else { return };
    assert!(text.contains("Scripts are off, so this is the plain list of the 100 strongest of 101 findings."), "{text}");
    for shown in ["2001:db8::dead:beef:cafe:1", "critical", "What happened", "failed logins in 5 minutes where 2 are usual", "600,000"] {
        assert!(text.contains(shown), "{shown} is not on the page:\n{text}");
    }
    assert_eq!(text.matches("in 5 minutes where").count(), 100);
    assert!(controls.is_empty() && !text.contains("Clear filters"), "what needs a script is not shown: {controls}");
    let Some((text, _)) = seen("report-plain-empty", &render(&Report { anomalies: &[], ..report(&[], &runs) }), false, false) else { return };
    assert!(text.contains("No anomalies: nothing in this data was rare enough to report."), "{text}");
}

#[test]
fn on_paper_there_are_findings_and_no_controls() {
    let (all, runs) = (a_day(), runs());
    let html = render(&report(&all, &runs));
    let Some((text, controls)) = seen("report-screen", &html, true, false) else { return };
    assert!(text.contains("Clear filters") && ["f-text", "f-clear", "next"].iter().all(|c| controls.split('|').any(|x| x == *c)), "{controls}");
    let Some((text, controls)) = seen("report-print", &html, true, true) else { return };
    for shown in ["Findings over time", "2001:db8::dead:beef:cafe:1", "failed logins in 5 minutes where 2 are usual", "Page 1 of 3", "What was read"]
    {
        assert!(text.contains(shown), "{shown} is not on paper:\n{text}");
    }
    for gone in ["Clear filters", "Skip to the findings", "Arrow keys", "Previous"] {
        assert!(!text.contains(gone), "{gone} is on paper:\n{text}");
    }
    // Names that lead somewhere, heads of columns and coloured cells stay: they are what is read.
    let left: Vec<&str> = controls.split('|').filter(|c| !["link", "link key", "sort", "low", "medium", "high", "critical"].contains(c)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Of one finding the charts show what was before and after, all over one time; the page needs no scroll bar.
#[test]
fn one_finding_has_charts_over_one_time_at_any_width() {
    let mut found =
        anomaly("203.0.113.77", 144, 93.0, vec![contributor("failed_logins", 300.0, 2.0, 9.0), contributor("requests", 320.0, 40.0, 90.0)]);
    found.contributors.push(Contributor::of_value("status", "401", 290.0, 1.0, 0.5, "peers"));
    let all = [found];
    let shown = |start: i64, every: usize, usual: f64, now: f64| {
        let points = (start..288)
            .filter(|i| i % every as i64 == 0)
            .map(|i| SeriesPoint { start_ms: START_MS + i * SPAN_MS, actual: if i == 144 { now } else { usual + (i % 4) as f64 } });
        (points.collect::<Vec<_>>(), every)
    };
    let series = [("failed_logins", shown(0, 1, 2.0, 300.0)), ("requests", shown(100, 4, 38.0, 320.0))].map(|(feature, (points, every))| Series {
        job: "web".into(),
        entity: "203.0.113.77".into(),
        feature: feature.into(),
        points,
        every,
    });
    // 49 hours.
    let timeline = (-288..300).map(|i| TimelinePoint { start_ms: START_MS + i * SPAN_MS, documents: 2_000, entities: 900 }).collect();
    let html = render(&Report { timeline, series: series.to_vec(), ..report(&all, &[]) });
    let script = "const q = (s, e) => [...(e || d).querySelectorAll(s)];\
        const charts = q('#entity figure').map((f) => q('svg > text:not([text-anchor=end])', f).filter((t) => t.textContent.includes(':')).map((t) => t.textContent).join(' '));\
        const wide = q('.scroll').filter((s) => s.scrollWidth > s.clientWidth + 1).length, off = d.documentElement.scrollWidth > d.documentElement.clientWidth ? 1 : 0;\
        const heads = q('.lanes thead th').filter((t) => t.textContent && t.scrollWidth > t.clientWidth + 1).length;\
        const box = (e) => e.getBoundingClientRect(), dot = q('#entity circle.critical-f')[0], band = q('#entity .band')[0];\
        const line = q('#entity polyline.actual').map((l) => l.getAttribute('points').split(' ').length).join(',');\
        return [charts.join('/'), 'scroll bars ' + (wide + off), 'cut heads ' + heads, 'cells ' + (q('.lanes tbody td').length), 'line ' + line,\
        'band ' + (box(band).width >= 9 && box(band).height > 1 && Math.abs(box(band).x + box(band).width / 2 - box(dot).x - box(dot).width / 2) < 2),\
        'text ' + (box(q('#entity svg text')[0]).height >= 10), d.querySelector('#entity').innerText].join('\\n');";
    for (width, cells) in [(1_300, 49), (800, 25)] {
        let Some(said) = look(&format!("report-one-{width}"), &html, width, true, script) else { return };
        let lines: Vec<&str> = said.lines().collect();
        let charts: Vec<&str> = lines[0].split('/').collect();
        assert!(charts.len() == 3 && charts.iter().all(|c| *c == charts[0] && c.contains("12:00")), "{said}");
        assert_eq!(lines[1..4], ["scroll bars 0", "cut heads 0", format!("cells {cells}").as_str()], "{said}");
        assert_eq!(lines[4..7], ["line 49,13", "band true", "text true"], "{said}");
        assert!(said.contains("charts from") && said.contains("2026-01-05 10:00") && said.contains("one value in 4 is drawn"), "{said}");
        assert!(["actual", "typical at the finding", "usual range", "finding (colour: severity)"].iter().all(|k| said.contains(k)), "{said}");
    }
}

#[test]
fn rows_of_a_table_have_a_number_and_no_date_in_a_browser() {
    let mut all = vec![anomaly("20", 0, 90.0, vec![contributor("a", 9.0, 0.9, 1.0)]), anomaly("3", 0, 60.0, vec![contributor("a", 2.0, 0.9, 1.0)])];
    for a in &mut all {
        (a.preset, a.start_ms, a.since_ms, a.span_ms) = (Some("table".into()), 86_400_000, 86_400_000, 86_400_000);
    }
    let run = RunDocument { job: "table".into(), start_ms: 86_400_000, end_ms: 2 * 86_400_000, verdict: "done".into(), ..RunDocument::default() };
    let timeline = vec![TimelinePoint { start_ms: 86_400_000, documents: 21, entities: 21 }];
    let html = render(&Report { is_timeless: true, timeline, series: Vec::new(), ..report(&all, std::slice::from_ref(&run)) });
    for has_scripts in [true, false] {
        let Some((text, _)) = seen("report-table", &html, has_scripts, false) else { return };
        assert!(text.contains("row 20") && text.contains("row 3") && text.contains("1 window"), "{text}");
        assert!(!text.contains("1970") && !text.contains("Findings over time"), "{text}");
    }
}

#[test]
fn the_status_page_shows_jobs_and_windows() {
    let telemetry = Telemetry::new(std::sync::Arc::new(|| START_MS + 290 * SPAN_MS));
    for run in runs() {
        telemetry.window_done(&run);
    }
    telemetry.job_starting("ssh");
    telemetry.window_held("ssh", "index `logs-sshd-*` is not there: create it, or correct `index` of the job", true);
    let html = elkhound::report::status::render(&telemetry.stats());
    let Some(dom) = open("status", &html, &["--window-size=1280,900"]) else { return };
    for seen in ["not ready", "logs-sshd-*", "600,000", "Last windows", "25,000"] {
        assert!(dom.contains(seen), "{seen} is not on the page");
    }
}
