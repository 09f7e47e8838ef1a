//! `elkhound scan` from the outside: files in, text out, and what it says to input of no use.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of input files.
pub(crate) struct Files(pub(crate) tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

/// Exit code, standard output, standard error of a scan, with the folder's path taken out.
pub(crate) fn scan(folder: &Path, args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_elkhound"))
        .arg("scan")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let out = child.wait_with_output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// A day of hourly requests of a few clients; in hour 20 one of them asks for hundreds of missing pages.
fn log() -> String {
    let mut out = String::new();
    for hour in 0..24 {
        for client in 1..=8 {
            for n in 0..6 + (hour * client) % 3 {
                out.push_str(&line(&format!("192.0.2.{client}"), hour, n * 7, "/index.html", 200));
            }
        }
        if hour == 20 {
            (0..600).for_each(|n| out.push_str(&line("192.0.2.5", hour, n % 60, &format!("/admin{n}.php"), 404)));
        }
    }
    out
}

fn line(ip: &str, hour: i32, minute: i32, path: &str, status: u32) -> String {
    format!("{ip} - - [09/Nov/2025:{hour:02}:{minute:02}:00 +0000] \"GET {path} HTTP/1.1\" {status} 512 \"-\" \"test\"\n")
}

const SCORES: [&str; 4] = ["--bucket-span", "1h", "--scores", "scores.csv"];

#[test]
fn every_row_gets_a_score_and_the_attack_has_the_highest() {
    let files = Files::new();
    files.write("web.log", log());
    let (code, out, err) = scan(files.0.path(), &[&["web.log", "--out", "a.ndjson", "--html", "a.html"], &SCORES[..]].concat(), b"");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(" events, 24 buckets, 192 rows judged, "), "{out}");
    let scores = std::fs::read_to_string(files.path("scores.csv")).unwrap();
    assert_eq!(scores.lines().next(), Some("file,window,entity,score"));
    assert_eq!(scores.lines().count(), 1 + 192);
    let score = |l: &&str| l.rsplit(',').next().and_then(|s| s.parse::<f64>().ok()).unwrap_or(-1.0);
    let top = scores.lines().skip(1).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    assert!(top.starts_with("web,2025-11-09T20:00:00.000Z,192.0.2.5,"), "{top}");
    assert!(std::fs::read_to_string(files.path("a.html")).unwrap().contains("<html"));
    for line in std::fs::read_to_string(files.path("a.ndjson")).unwrap().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["elkhound"]["score"].is_number());
    }
}

#[test]
fn plain_packed_split_and_piped_input_give_the_same_bytes() {
    let files = Files::new();
    let text = log();
    let scores = |args: &[&str], input: &[u8]| {
        let (code, _, err) = scan(files.0.path(), &[args, &SCORES].concat(), input);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        let scores = std::fs::read_to_string(files.path("scores.csv")).unwrap();
        scores.lines().skip(1).map(|l| l.split_once(',').map_or("", |x| x.1).to_owned() + "\n").collect::<String>()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    files.write("plain.log", &text);
    files.write("packed.log.gz", gzip.finish().unwrap());
    files.write("packed.log.zst", zstd::encode_all(text.as_bytes(), 1).unwrap());
    let half = text.lines().count() / 2;
    std::fs::create_dir(files.path("folder")).unwrap();
    files.write("folder/b.log", text.lines().take(half).map(|l| format!("{l}\n")).collect::<String>());
    files.write("folder/a.log", text.lines().skip(half).map(|l| format!("{l}\r\n")).collect::<String>());
    let plain = scores(&["plain.log"], b"");
    for args in [&["packed.log.gz"][..], &["packed.log.zst"], &["folder"], &["folder/a.log", "folder/b.log"]] {
        assert_eq!(scores(args, b""), plain, "{args:?}");
    }
    assert_eq!(scores(&["-"], text.as_bytes()), plain);
}

#[test]
fn a_file_that_has_no_entity_of_the_job_changes_nothing_for_the_others() {
    let files = Files::new();
    files.write("web.log", log());
    let alert = |hour: i64| format!("{{\"@timestamp\":{},\"rule.id\":\"x\"}}\n", (1_762_300_800 + hour * 3_600) * 1_000);
    files.write("alerts.ndjson", (0..7 * 24).map(alert).collect::<String>());
    let scores = |args: &[&str]| {
        let (code, _, err) = scan(files.0.path(), &[args, &SCORES].concat(), b"");
        assert_eq!(code, 0, "{err}");
        std::fs::read_to_string(files.path("scores.csv")).unwrap()
    };
    assert_eq!(scores(&["web.log", "alerts.ndjson"]), scores(&["web.log"]));
}

#[test]
fn files_of_no_use_are_named_with_the_reason_and_a_fitting_exit_code() {
    let files = Files::new();
    files.write("empty.log", "");
    files.write("blank.log", "\n\n");
    files.write("binary", (0..4_000u32).map(|i| (i * 37 % 251) as u8).collect::<Vec<_>>());
    files.write("prose.txt", "It was a dark night.\nRain fell.\n");
    files.write("page.html", "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n");
    std::fs::create_dir(files.path("nothing")).unwrap();
    for (name, code, words) in [
        ("missing.log", 66, "missing.log: cannot be opened: no such file or directory"),
        ("empty.log", 65, "empty.log: is empty"),
        ("blank.log", 65, "blank.log: holds only blank lines"),
        ("binary", 65, "binary: is a binary file, not a log"),
        ("prose.txt", 65, "prose.txt: the format is not known (known: json, access_log, csv"),
        ("page.html", 65, "page.html: the format is not known"),
        ("nothing", 65, "nothing: holds no files"),
    ] {
        let (got, out, err) = scan(files.0.path(), &[name], b"");
        assert_eq!((got, out.as_str()), (code, ""), "{name}: {err}");
        assert!(err.contains(words), "{name}: {err}");
    }
    let (code, _, err) = scan(files.0.path(), &["prose.txt", "--format", "access_log"], b"");
    assert_eq!(code, 65);
    assert!(err.contains("no line could be read as access_log (unparsed_line in line 1: It was a dark night.)"), "{err}");
    let (code, _, err) = scan(files.0.path(), &["-"], b"");
    assert_eq!((code, err.trim()), (65, "elkhound: -: is empty"));
}

#[test]
fn a_truncated_gzip_is_used_as_far_as_it_goes_and_ends_badly() {
    let files = Files::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(log().as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    files.write("cut.log.gz", &whole[..whole.len() / 2]);
    files.write("good.log", line("192.0.2.1", 1, 1, "/", 200));
    let (code, out, err) = scan(files.0.path(), &["cut.log.gz", "good.log", "--json"], b"");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 65);
    assert!(summary["documents"].as_u64().unwrap() > 200, "{out}");
    assert_eq!(summary["problems"][0]["kind"], "truncated_file");
    assert!(err.contains("cut.log.gz: the gzip data ends too early (truncated); the "), "{err}");
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_rest_is_used() {
    let files = Files::new();
    let mut bytes = log().into_bytes();
    bytes.extend(b"garbage\n\0\0\0\0\n");
    bytes.extend(line("192.0.2.9", 23, 59, "/caf\u{e9}", 200).replace('\u{e9}', "X").into_bytes().iter().map(|&b| if b == b'X' { 0xe9 } else { b }));
    bytes.extend(b"192.0.2.9 - - [99/Nov/2025:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n");
    bytes.extend(std::iter::repeat_n(b'x', 12_000_000));
    bytes.extend(b"\n");
    bytes.extend(line("192.0.2.9", 23, 59, &"y".repeat(9_000_000), 200).into_bytes());
    files.write("web.log", &bytes);
    let (code, out, err) = scan(files.0.path(), &["web.log", "--json"], b"");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{err}");
    let problems: Vec<_> =
        summary["problems"].as_array().unwrap().iter().map(|p| format!("{} {}", p["kind"].as_str().unwrap(), p["count"])).collect();
    assert_eq!(problems, ["bad_time 1", "line_too_long 1", "unparsed_line 2"]);
    assert!(err.contains("2 x unparsed line (first: web.log:"), "{err}");
    assert_eq!(summary["documents"].as_u64().unwrap(), log().lines().count() as u64 + 2);
}

#[test]
fn json_lines_of_other_types_are_counted() {
    let files = Files::new();
    let mut text = String::new();
    for n in 0..30 {
        text.push_str(&format!(
            "{{\"@timestamp\":\"2025-11-09T10:{n:02}:00Z\",\"source\":{{\"ip\":\"2001:db8::{n}\"}},\"http.response.status_code\":\"200\"}}\n"
        ));
    }
    text.push_str("[1,2]\n{\"@timestamp\":\"2025-11-09T10:30:00Z\",\"source\":{\"ip\":{\"v\":4}},\"http.response.status_code\":[404]}\n{\"@timestamp\":true}\n{\"a\n");
    files.write("x.ndjson", text);
    let (code, out, _) = scan(files.0.path(), &["x.ndjson", "--json"], b"");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    let problems: Vec<_> =
        summary["problems"].as_array().unwrap().iter().map(|p| format!("{} {}", p["kind"].as_str().unwrap(), p["count"])).collect();
    assert_eq!((code, problems), (0, vec!["no_time 1".to_owned(), "not_an_object 1".into(), "unparsed_line 1".into()]));
    assert_eq!((summary["documents"].as_u64(), summary["skipped_documents"].as_u64()), (Some(31), Some(1)));
}

#[test]
fn time_may_go_backwards() {
    let files = Files::new();
    let text = log();
    let (mut a, b): (Vec<_>, Vec<_>) = text.lines().enumerate().partition(|(i, _)| i % 2 == 0);
    a.extend(b);
    files.write("sorted.log", &text);
    files.write("mixed.log", a.into_iter().map(|(_, l)| format!("{l}\n")).collect::<String>());
    let scores = |name: &str| {
        scan(files.0.path(), &[&[name], &SCORES[..]].concat(), b"");
        let scores = std::fs::read_to_string(files.path("scores.csv")).unwrap();
        scores.lines().skip(1).map(|l| l.split_once(',').map_or("", |x| x.1).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(scores("mixed.log"), scores("sorted.log"));
}

#[test]
fn a_series_has_a_score_for_every_row_in_the_order_of_the_file() {
    let files = Files::new();
    let mut text = "timestamp,value\n".to_owned();
    for i in 0..400 {
        let (h, m) = (i / 12 % 24, i % 12 * 5);
        text.push_str(&format!("2025-11-{:02} {h:02}:{m:02}:00,{}\n", 1 + i / 288, if i == 350 { 90.0 } else { 10.0 + f64::from(i % 7) }));
    }
    text.push_str("2025-11-01 00:00:00,11\n2025-11-01 00:00:00,\n");
    std::fs::create_dir(files.path("group")).unwrap();
    files.write("group/cpu.csv", text);
    let (code, _, err) =
        scan(files.0.path(), &["--preset", "series", "--time", "timestamp", "--value", "value", "group/cpu.csv", "--scores", "s.csv"], b"");
    let back = "2 x time goes back (first: row 400: `2025-11-01 00:00:00`; rows are judged as they stand, sort them by time)";
    assert_eq!((code, err), (0, format!("elkhound: 1 x absent value (first: row 401: ``)\nelkhound: {back}\n")));
    let scores = std::fs::read_to_string(files.path("s.csv")).unwrap();
    let rows: Vec<Vec<&str>> = scores.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[0], ["file", "row", "timestamp", "score"]);
    assert_eq!((rows.len(), &rows[402][..3]), (403, &["group/cpu", "401", "2025-11-01 00:00:00"][..]));
    let score = |r: &Vec<&str>| r[3].parse::<f64>().unwrap();
    let top = rows[1..].iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    assert_eq!(top[1], "350");
}

#[test]
fn a_table_has_a_score_for_every_row_to_score() {
    let files = Files::new();
    let row = |i: u32| format!("{},{}\n", f64::from(i * 37 % 100) / 100.0, f64::from(i * 61 % 100) / 100.0);
    files.write("train.csv", "a,b\n".to_owned() + &(0..300).map(row).collect::<String>());
    files.write("test.csv", "b,a\n".to_owned() + &(0..20).map(row).collect::<String>() + "9,9\n");
    let (code, _, err) = scan(files.0.path(), &["--preset", "table", "--train", "train.csv", "test.csv", "--scores", "s.csv"], b"");
    assert!(code == 0 && err.starts_with("elkhound: test (detector table): ") && err.lines().count() == 1, "{code} {err}");
    let scores = std::fs::read_to_string(files.path("s.csv")).unwrap();
    let rows: Vec<Vec<&str>> = scores.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!((rows[0].as_slice(), rows.len(), &rows[21][..2]), (&["file", "row", "score"][..], 22, &["test", "20"][..]));
    let score = |r: &Vec<&str>| r[2].parse::<f64>().unwrap();
    assert!(rows[1..21].iter().all(|r| score(r) < score(&rows[21])), "{scores}");
    let (code, _, err) = scan(files.0.path(), &["--preset", "table", "test.csv"], b"");
    assert_eq!((code, err.contains("--train")), (78, true), "{err}");
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let files = Files::new();
    files.write("web.log", log());
    for (args, words) in [
        (&["--preset", "web_acess"][..], "there is no preset `web_acess`; there are: web_access"),
        (&["--format", "apache"], "there is no format `apache`; there are: json, access_log, csv"),
        (&["--map", "source.ip"], "is not of the form FIELD=NAME"),
        (&["--alert-budget", "few"], "alert_budget: `few` does not fit; write it as `20 per day`"),
        (&["--train-until", "noon"], "--train-until `noon` is not a time"),
    ] {
        let (code, _, err) = scan(files.0.path(), &[&["web.log"], args].concat(), b"");
        assert_eq!((code, err.contains(words)), (78, true), "{args:?}: {err}");
    }
    let budgets = ["20 per day", "20", "140 per week"].map(|budget| scan(files.0.path(), &["web.log", "--json", "--alert-budget", budget], b""));
    assert!(budgets[0].0 == 0 && budgets.iter().all(|b| b == &budgets[0]), "{budgets:?}");
}

#[test]
fn a_table_says_what_was_chosen_and_why() {
    let files = Files::new();
    let table = |rows: std::ops::Range<u32>| rows.fold("a,b,c\n".to_owned(), |t, i| t + &format!("{},{},{}\n", i % 17, (i * 7) % 23, (i * i) % 29));
    files.write("train.csv", table(0..300));
    files.write("test.csv", table(300..340));
    let args = ["--preset", "table", "--train", "train.csv", "test.csv"];
    let (code, _, err) = scan(files.0.path(), &args, b"");
    assert!(
        code == 0 && err.starts_with("elkhound: test (detector table): ") && err.contains("learned 300 rows of 3 columns; a row is judged "),
        "{err}"
    );
    let (_, out, err) = scan(files.0.path(), &[&["--json"], &args[..]].concat(), b"");
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((err.as_str(), &out["choices"][0]["detector"], &out["choices"][0]["file"]), ("", &"table".into(), &"test".into()));
    assert!(out["choices"][0]["why"].as_str().is_some_and(|w| w.contains("300 rows")), "{out}");
}

#[test]
fn rows_of_two_tables_are_told_apart_and_scored_as_each_table_alone() {
    let files = Files::new();
    let row = |i: u32| format!("{},{}\n", f64::from(i * 37 % 100) / 100.0, f64::from(i * 61 % 100) / 100.0);
    files.write("train.csv", "a,b\n".to_owned() + &(0..300).map(row).collect::<String>());
    files.write("x.csv", "a,b\n".to_owned() + &(0..20).map(row).collect::<String>() + "9,9\n");
    files.write("y.csv", "a,b\n".to_owned() + &(5..25).map(row).collect::<String>() + "8,9\n");
    let scores = |inputs: &[&str]| {
        let (code, out, err) =
            scan(files.0.path(), &[&["--preset", "table", "--train", "train.csv", "--scores", "s.csv", "--json"], inputs].concat(), b"");
        assert_eq!(code, 0, "{err}");
        (std::fs::read_to_string(files.path("s.csv")).unwrap(), serde_json::from_str::<serde_json::Value>(&out).unwrap())
    };
    let ((x, _), (y, _), (both, out)) = (scores(&["x.csv"]), scores(&["y.csv"]), scores(&["x.csv", "y.csv"]));
    assert_eq!(both, x + y.split_once('\n').unwrap().1);
    let found = out["anomalies"].as_array().unwrap();
    let of = |pointer: &str| found.iter().filter_map(|a| a.pointer(pointer)?.as_str()).collect::<std::collections::BTreeSet<_>>();
    assert!(found.len() > 1 && of("/event/id").len() == found.len(), "{out}");
    assert!(
        of("/elkhound/entity/key").iter().any(|k| k.ends_with("x:20")) && of("/elkhound/entity/key").iter().any(|k| k.ends_with("y:20")),
        "{out}"
    );
}

#[test]
fn columns_of_a_table_that_are_not_compared_are_named_once() {
    let files = Files::new();
    let rows = |head: &str, n: u32| (0..n).fold(head.to_owned(), |t, i| t + &format!("{},{},{}\n", i % 17, (i * 7) % 23, (i * i) % 29));
    files.write("train.csv", rows("a,b,c\n", 300));
    files.write("test.csv", rows("a,d,c\n", 20));
    let args = ["--preset", "table", "--train", "train.csv", "test.csv"];
    let (code, _, err) = scan(files.0.path(), &args, b"");
    assert_eq!(code, 0, "{err}");
    for line in [
        "elkhound: test: column `b` left out: only the table to learn from has it; rows are judged by the other columns",
        "elkhound: test: column `d` left out: the table to learn from does not have it; rows are judged by the other columns",
    ] {
        assert_eq!(err.lines().filter(|l| *l == line).count(), 1, "{err}");
    }
    let (_, out, err) = scan(files.0.path(), &[&["--json"], &args[..]].concat(), b"");
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((err.as_str(), &out["left_out_columns"][0]["column"], &out["left_out_columns"][1]["column"]), ("", &"b".into(), &"d".into()));
}

#[test]
fn findings_of_two_series_are_told_apart() {
    let files = Files::new();
    let rows: String = (0..3_000).map(|i| format!("{},{}\n", 1_767_225_600 + i * 300, if i == 2_500 { 90 } else { 50 + i * 7 % 5 })).collect();
    std::fs::create_dir(files.path("m")).unwrap();
    for name in ["a", "b"] {
        files.write(&format!("m/{name}.csv"), format!("timestamp,value\n{rows}").as_bytes());
    }
    let (code, out, err) =
        scan(files.0.path(), &["--preset", "series", "--time", "timestamp", "--value", "value", "m/a.csv", "m/b.csv", "--json"], b"");
    assert_eq!(code, 0, "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    let found = summary["anomalies"].as_array().unwrap();
    let of = |pointer: &str| found.iter().filter_map(|a| a.pointer(pointer)?.as_str()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(of("/elkhound/entity/key").into_iter().collect::<Vec<_>>(), ["m/a", "m/b"]);
    assert_eq!(of("/event/id").len(), found.len(), "no two findings have one id");
}

/// Requests a minute with a daily course; once a flat stretch, once a step between two values that are both usual, once a spike.
#[test]
fn what_is_said_of_a_series_does_not_contradict_itself() {
    let files = Files::new();
    let mut text = "timestamp,value\n".to_owned();
    for i in 0..3_000_i64 {
        let usual = 40.0 + 35.0 * (i as f64 / 288.0 * std::f64::consts::TAU).sin() + ((i * 37) % 11) as f64 / 2.0;
        let value = match i {
            2_100..2_150 => 41.0,
            2_500..2_506 => usual - 30.0,
            2_800 => 400.0,
            _ => usual,
        };
        text.push_str(&format!("{},{:.1}\n", elkhound::model::time::iso(1_767_571_200_000 + i * 300_000), value.max(0.0)));
    }
    files.write("requests.csv", text);
    let args = ["--preset", "series", "--time", "timestamp", "--value", "value", "requests.csv", "--json"];
    let (code, out, err) = scan(files.0.path(), &args, b"");
    assert_eq!(code, 0, "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let all = report["anomalies"].as_array().unwrap();
    let mut said = String::new();
    for a in all {
        let (e, reason) = (&a["elkhound"], a["event"]["reason"].as_str().unwrap());
        let [actual, typical, lower, upper] = ["actual", "typical", "lower", "upper"].map(|k| e[k].as_f64());
        assert!(actual != typical, "{reason}");
        if let (Some(lower), Some(upper)) = (lower, upper) {
            assert!((lower..=upper).contains(&typical.unwrap()) && !(lower..=upper).contains(&actual.unwrap()) && lower >= 0.0, "{reason}");
            assert!(reason.contains(", usually "), "{reason}");
        } else {
            assert!(!reason.contains(", usually ") || reason.contains("standard deviation"), "{reason}");
        }
        said.push_str(reason);
        said.push('\n');
    }
    for words in ["no earlier stretch looks like the last ", "a step of -", "away from the last 48 values", "what is usual at this time of day"] {
        assert!(said.contains(words), "nothing says `{words}`:\n{said}");
    }
}

#[test]
fn series_of_no_use_are_defined() {
    let files = Files::new();
    let series = |name: &str, values: &[&str]| {
        let rows: String = values.iter().enumerate().map(|(i, v)| format!("2026-01-{:02} {:02}:00:00,{v}\n", 1 + i / 24, i % 24)).collect();
        files.write(name, format!("timestamp,value\n{rows}"));
    };
    series("constant.csv", &["5"; 300]);
    series("one.csv", &["5"]);
    series("missing.csv", &[""; 50]);
    series("huge.csv", &["1e308", "-1e308", "inf", "-inf", "nan", "1e999", "0", "3"].repeat(20));
    let missing = "elkhound: 50 x absent value (first: row 0: ``)\n";
    let huge = "elkhound: 20 x absent value (first: row 4: `nan`)\nelkhound: 60 x bad value (first: row 2: `inf`)\n";
    for (name, said) in [("constant.csv", ""), ("one.csv", ""), ("missing.csv", missing), ("huge.csv", huge)] {
        let (code, _, err) = scan(files.0.path(), &["--preset", "series", "--time", "timestamp", "--value", "value", name, "--scores", "s.csv"], b"");
        let scores = std::fs::read_to_string(files.path("s.csv")).unwrap();
        let highest = scores.lines().skip(1).map(|l| l.rsplit(',').next().and_then(|s| s.parse::<f64>().ok()).unwrap()).fold(0.0, f64::max);
        assert_eq!((code, err.as_str()), (0, said), "{name}");
        assert!(highest.is_finite() && (name == "huge.csv" || highest < 10.0), "{name}: {highest}");
    }
    files.write("timeless.csv", "value,other,third\n1,2,3\n4,5,6\n");
    let (code, _, err) = scan(files.0.path(), &["--preset", "series", "timeless.csv"], b"");
    assert!(code == 65 && err.contains("no column `timestamp`") && err.contains("--time"), "{code} {err}");
}

#[test]
fn data_that_all_lies_before_train_until_is_said_to_be_only_learned_from() {
    let files = Files::new();
    files.write("web.log", log());
    let (code, _, err) = scan(files.0.path(), &["web.log", "--bucket-span", "1h", "--train-until", "2026-01-01T00:00:00Z"], b"");
    let words = "all of it lies before --train-until 2026-01-01T00:00:00Z and was only learned from: the data goes from 2025-11-09T00:00:00.000Z to 2025-11-10T00:00:00.000Z, name a time between";
    assert!(code == 65 && err.contains(words), "{code} {err}");
    let (code, out, err) = scan(files.0.path(), &["web.log", "--bucket-span", "1h", "--train-until", "2025-11-09T12:00:00Z", "--json"], b"");
    assert!(code == 0 && err.is_empty() && out.contains("\"nothing_was_judged\":null"), "{code} {err}");
}

#[test]
fn rows_of_a_table_are_named_by_number_and_not_by_a_date() {
    let files = Files::new();
    let row = |i: u32| format!("{},{}\n", f64::from(i * 37 % 100) / 100.0, f64::from(i * 61 % 100) / 100.0);
    files.write("train.csv", "a,b\n".to_owned() + &(0..300).map(row).collect::<String>());
    files.write("test.csv", "b,a\n".to_owned() + &(0..20).map(row).collect::<String>() + "9,9\n");
    let args = ["--preset", "table", "--train", "train.csv", "test.csv", "--html", "t.html", "--out", "t.ndjson"];
    let (code, out, _) = scan(files.0.path(), &args, b"");
    assert!(code == 0 && out.starts_with("21 lines, 21 events, 1 bucket, 21 rows judged, "), "{out}");
    assert!(out.contains("row 20") && out.contains("Row 20: ") && !out.contains("1970"), "{out}");
    let page = std::fs::read_to_string(files.path("t.html")).unwrap();
    assert!(page.contains(">row 20<") && !page.contains("1970-"), "{page}");
    let id = out.lines().nth(2).and_then(|l| l.split_whitespace().nth(5)).unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_elkhound")).args(["explain", id, "--in", "t.ndjson"]).current_dir(files.0.path()).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("entity      20 (row)") && !told.contains("1970"), "{told}");
}

#[test]
fn no_result_is_written_over_what_is_read() {
    let files = Files::new();
    files.write("web.log", log());
    for option in ["--out", "--scores", "--html"] {
        let (code, _, err) = scan(files.0.path(), &["web.log", option, "./web.log"], b"");
        assert!(code == 78 && err.contains("is read") && err.contains("another file"), "{option}: {code} {err}");
        assert_eq!(std::fs::read_to_string(files.path("web.log")).unwrap(), log(), "{option}");
    }
}

#[test]
fn a_bad_file_among_others_does_not_hide_that_nothing_was_judged() {
    let f = Files::new();
    f.write("alerts.ndjson", "{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"event\":{\"action\":\"a\"}}\n".repeat(5));
    f.write("empty.ndjson", "");
    let (code, out, err) = scan(f.0.path(), &["--preset", "api_audit", "alerts.ndjson", "empty.ndjson"], b"");
    assert_eq!(code, 65, "{err}");
    assert!(out.contains("Nothing was judged.") && !out.contains("Nothing was unusual"), "{out}");
    assert!(err.contains("is empty") && err.contains("nothing was judged: ") && err.contains("user.name"), "{err}");
}

/// Exit code of a command whose standard error has no reader.
fn unheard(folder: &Path, args: &[&str]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_elkhound"));
    let status = command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).status();
    status.unwrap().code()
}

#[test]
fn the_work_goes_on_where_nobody_reads_standard_error() {
    let f = Files::new();
    f.write("notes.bin", [0u8; 4_000]);
    assert_eq!(unheard(f.0.path(), &["scan", "notes.bin"]), Some(65));
    // A worker logs before it finds that no engine listens there (port 9 discards).
    f.write("c.yaml", "cluster: { hosts: [\"http://127.0.0.1:9\"], allow_http: true }\njobs: [{ id: web, preset: web_access, index: logs }]\n");
    assert_eq!(unheard(f.0.path(), &["run", "-c", "c.yaml", "--once"]), Some(69));
}
