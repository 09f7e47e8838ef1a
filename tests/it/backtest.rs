//! `elkhound backtest` from the outside: files against labels, two presets side by side, and input of no use.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Exit code, standard output, standard error.
fn backtest(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_elkhound")).arg("backtest").args(args).current_dir(folder).output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// Two days of forty clients; in hour 30 one asks for pages that nobody else asks for.
fn log() -> String {
    let mut out = String::new();
    for hour in 0..48 {
        let time = |minute: i32| format!("{:02}/Nov/2025:{:02}:{minute:02}:00 +0000", 8 + hour / 24, hour % 24);
        for client in 1..=40 {
            for n in 0..3 + (hour * client) % 4 {
                writeln!(
                    out,
                    "192.0.2.{client} - - [{}] \"GET /{}/{n} HTTP/1.1\" 200 512 \"-\" \"t\"",
                    time(n * 7),
                    ["a", "b"][(client % 2) as usize]
                )
                .unwrap();
            }
        }
        if hour == 30 {
            (0..90).for_each(|n| writeln!(out, "203.0.113.9 - - [{}] \"GET /.env{n}/x HTTP/1.1\" 404 90 \"-\" \"t\"", time(n % 60)).unwrap());
        }
    }
    out
}

const LABELS: &str = "entity,start,end\n203.0.113.9,2025-11-09T06:00:00Z,2025-11-09T07:00:00Z\n192.0.2.7,2025-11-09T10:00:00Z,2025-11-09T11:00:00Z\n\
                      192.0.2.7,2020-01-01,2020-01-02\n";
const WEB: [&str; 7] = ["access.log", "--bucket-span", "1h", "--train-until", "2025-11-09T00:00:00Z", "--labels", "labels.csv"];

#[test]
fn figures_against_labels_and_a_second_preset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), log()).unwrap();
    std::fs::write(folder.path().join("labels.csv"), LABELS).unwrap();
    let (code, text, errors) = backtest(folder.path(), &WEB);
    assert_eq!(code, 0, "{errors}");
    for word in [
        "3 labelled events, 1 of them outside the judged time",
        "as reported",
        "missed: 1",
        "192.0.2.7, 2025-11-09T10:00:00.000Z",
        "minutes to detect",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("1 row is reported (an anomaly) in 1 alarm\n"), "{text}");
    for term in
        ["alarm: anomalies of one entity that follow each other within 30m (--quiet)", "found: labelled events", "minutes to detect: from the"]
    {
        assert_eq!(text.matches(term).count(), 1, "{term}: {text}");
    }
    let args = [WEB.as_slice(), &["--against-preset", "web_total", "--json"]].concat();
    let (code, text, errors) = backtest(folder.path(), &args);
    assert_eq!(code, 0, "{errors}");
    let both: Value = serde_json::from_str(&text).unwrap();
    let first = &both["sides"][0]["as_reported"];
    assert_eq!((first["found"].as_u64(), first["events"].as_u64(), first["recall"].as_f64()), (Some(1), Some(2), Some(0.5)), "{first}");
    assert_eq!(first["minutes_to_detect"].as_f64(), Some(60.0), "the hour has to end before it is judged");
    assert_eq!(both["sides"][0]["rows"].as_u64(), Some(24 * 40 + 1));
    assert!(both["terms"]["minutes to detect"].as_str().is_some_and(|t| t.contains("median")), "{both}");
    assert_eq!(both["sides"][0]["anomalies"].as_u64(), Some(1));
    let vanish = both["difference"]["vanish"].as_array().unwrap();
    assert!(vanish.iter().any(|a| a["entity"] == "203.0.113.9"), "{vanish:?}");
    let recalls: Vec<f64> = both["sides"][0]["thresholds"].as_array().unwrap().iter().map(|f| f["recall"].as_f64().unwrap()).collect();
    assert!(recalls.windows(2).all(|w| w[0] >= w[1]), "a higher threshold finds no more: {recalls:?}");
}

#[test]
fn a_metric_is_held_against_labels_and_what_cannot_be_found_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut series = "when,cpu\n".to_owned();
    for i in 0..2_000i64 {
        let usual = 40 + (i * 7_919 % 11) + (i % 288) / 20;
        writeln!(series, "{},{}", 1_767_225_600 + i * 300, if (1_500..1_506).contains(&i) { 400 } else { usual }).unwrap();
    }
    std::fs::write(folder.path().join("cpu.csv"), series).unwrap();
    let at = |i: i64| (1_767_225_600 + i * 300) * 1_000;
    let labels = format!("entity,start,end\ncpu,{},{}\n,{},{}\ncqu,{},{}\n", at(1_500), at(1_506), at(900), at(901), at(1_500), at(1_506));
    std::fs::write(folder.path().join("labels.csv"), labels).unwrap();
    let args = ["cpu.csv", "--preset", "series", "--time", "when", "--value", "cpu", "--labels", "labels.csv"];
    let (code, text, errors) = backtest(folder.path(), &[&args[..], &["--json"]].concat());
    assert_eq!(code, 0, "{errors}");
    let all: Value = serde_json::from_str(&text).unwrap();
    let side = &all["sides"][0];
    assert_eq!((side["as_reported"]["found"].as_u64(), side["as_reported"]["events"].as_u64()), (Some(1), Some(3)), "{side}");
    assert_eq!(side["as_reported"]["minutes_to_detect"].as_f64(), Some(5.0));
    assert_eq!(side["unknown_entities"], serde_json::json!(["cqu"]));
    assert!(side["missed"].as_array().unwrap().iter().all(|m| m["event"]["entity"] != "cpu"), "{side}");
    let (_, text, _) = backtest(folder.path(), &[&args[..], &["--html", "page.html"]].concat());
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("as reported") && page.contains("cqu") && page.contains("missed: 2"), "{page}");
    assert!(text.contains("1 labelled entity is in no row, such as `cqu`") && text.contains("no score of 25 or more"), "{text}");
    let (code, _, errors) = backtest(folder.path(), &[&args[..], &["--train-until", "2030-01-01"]].concat());
    let one_line = "elkhound: series: nothing was judged: all of it lies before --train-until 2030-01-01 and was only learned from: \
                    the data goes from 2026-01-01T00:00:00.000Z to 2026-01-07T22:40:00.000Z, name a time between\n";
    assert!(code == 65 && errors == one_line, "{code} {errors}");
}

#[test]
fn labels_that_lie_outside_the_judged_time_are_told_and_nothing_is_counted_by_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), log()).unwrap();
    std::fs::write(folder.path().join("labels.csv"), "entity,start,end\n203.0.113.9,2020-01-01,2020-01-02\n,2020-02-01,2020-02-02\n").unwrap();
    let (code, text, errors) = backtest(folder.path(), &WEB);
    assert_eq!(code, 0, "{errors}");
    let told = "2 labelled events, none inside the judged time: they lie between 2020-01-01T00:00:00.000Z and 2020-02-02T00:00:00.000Z, \
                judged was 2025-11-09T00:00:00.000Z to 2025-11-10T00:00:00.000Z";
    assert!(text.contains(told) && !text.contains(" 0.00 ") && !text.contains("false alarms, strongest"), "{text}");
    let (_, text, _) = backtest(folder.path(), &[&WEB[..], &["--json"]].concat());
    let all: Value = serde_json::from_str(&text).unwrap();
    let side = &all["sides"][0];
    assert!(side["as_reported"]["precision"].is_null() && side["as_reported"]["recall"].is_null(), "{side}");
    assert!(side["as_reported"]["alarms"].as_u64() > Some(0) && side["false_alarms"] == serde_json::json!([]), "{side}");
    assert_eq!((side["labels_outside"].as_u64(), side["labels_elsewhere_ms"][0].as_i64()), (Some(2), Some(1_577_836_800_000)));
}

#[test]
fn input_of_no_use_is_named_with_a_fitting_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), log()).unwrap();
    std::fs::write(folder.path().join("bad.csv"), "entity,start,end\na,soon,later\n").unwrap();
    std::fs::write(folder.path().join("job.yaml"), "cluster: { hosts: [\"http://127.0.0.1:1\"], allow_http: true, limits: { attempts: 1 } }\njobs: [{ id: a, preset: web_access, index: x }, { id: b, preset: web_access, index: x }]\n").unwrap();
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    std::fs::write(folder.path().join("long.csv"), format!("entity,start,end\n{},1,2\na,{},3\n", "x".repeat(10 << 20), "9".repeat(10 << 20)))
        .unwrap();
    let cases: [(&[&str], i32, &str); 11] = [
        (&["access.log", "--html", "no/such/page.html"], 1, "no/such/page.html: cannot be written"),
        (&["access.log", "--labels", "empty.csv"], 65, "empty.csv: the first line must name the columns entity, start and end"),
        (&["access.log", "--labels", "long.csv"], 65, "long.csv: line 3: start `9999"),
        (&["access.log", "--labels", "nowhere.csv"], 66, "nowhere.csv"),
        (&["access.log", "--labels", "bad.csv"], 65, "line 2: start `soon`"),
        (&["nowhere.log"], 66, "nowhere.log"),
        (&["access.log", "--preset", "table"], 78, "--scores"),
        (&["-c", "job.yaml"], 78, "--from"),
        (&["-c", "job.yaml", "--from", "2026-01-02", "--to", "2026-01-01"], 78, "not before"),
        (&["-c", "job.yaml", "--from", "2026-01-01", "--to", "2026-01-02"], 78, "--job a or --job b"),
        (&["-c", "job.yaml", "--job", "a", "--from", "2026-01-01", "--to", "2026-01-02"], 69, "127.0.0.1:1"),
    ];
    for (args, wanted, word) in cases {
        let (code, _, errors) = backtest(folder.path(), args);
        assert!(
            code == wanted && errors.contains(word) && errors.len() < 2_000,
            "{args:?}: {code} {}",
            errors.chars().take(2_000).collect::<String>()
        );
    }
}
