//! What every command does when it cannot do what it was asked for: text for people, one JSON object with `--json`, an exit code.

use std::process::Command;

use serde_json::Value;

/// Exit code, standard output, standard error.
fn elkhound(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_elkhound")).args(args).env_remove("ELKHOUND_CONFIG").output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

#[test]
fn with_json_every_command_says_its_error_as_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let bad = write("bad.yaml", "clutser: {}\njobs: [{ id: a, preset: web, index: x, bucket_span: 5 }]\n");
    let log = write("x.log", "192.0.2.1 - - [09/Nov/2025:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\nno request\n");
    let alerts = write("x.ndjson", "{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"host\":{\"name\":\"h\"},\"rule_id\":\"5\"}\n");
    let far = format!("--dry-run -c {bad}");
    let cases: Vec<(String, i32, &str)> = vec![
        (format!("run -c {bad}"), 78, "unknown key"),
        (format!("check -c {bad}"), 78, "unknown key"),
        (format!("setup {far}"), 78, "unknown key"),
        (format!("export template -c {bad}"), 78, "unknown key"),
        (format!("export dashboards -c {bad}"), 78, "unknown key"),
        (format!("explain 123 -c {bad}"), 78, "unknown key"),
        (format!("backtest -c {bad} --job a --from 2026-01-01 --to 2026-01-02"), 78, "unknown key"),
        (format!("demo --into {bad}"), 78, "unknown key"),
        ("check --offline".into(), 78, "there is no job"),
        ("parts nothing".into(), 64, "there is no catalogue `nothing`"),
        ("scan /nowhere/at/all.log".into(), 66, "cannot be opened"),
        (format!("scan {log} /nowhere/at/all.log"), 66, "cannot be opened"),
        (format!("scan --preset siem_alerts {alerts}"), 65, "nothing was judged: no line has the field `rule.id`"),
        (format!("backtest {log} --preset nix"), 78, "there is no preset `nix`"),
        (format!("explain 1 --in {log}"), 65, "holds no finding"),
        ("scna x.log".into(), 64, "unrecognized subcommand 'scna'"),
        ("scan".into(), 64, "required arguments were not provided"),
        ("export".into(), 64, "the command is not complete"),
        (String::new(), 78, "the configuration has no job"),
    ];
    for (line, code, says) in cases {
        let args: Vec<&str> = ["--json"].into_iter().chain(line.split_whitespace()).collect();
        let (got, _, err) = elkhound(&args);
        let last = err.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
        assert_eq!((got, error["exit_code"].as_i64()), (code, Some(i64::from(code))), "{line}: {err}");
        assert!(error["error"].as_str().is_some_and(|e| e.contains(says)), "{line}: {err}");
        for other in err.lines().rev().skip(1) {
            let other: Value = serde_json::from_str(other).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
            assert!(other["warning"].as_str().is_some_and(|w| !w.is_empty()), "{line}: {err}");
        }
        let (got, _, err) = elkhound(&args[1..]);
        assert!(got == code && err.lines().all(|l| !l.starts_with('{')), "{line}: as text {got}, {err}");
    }
}

#[test]
fn a_warning_leaves_the_result_and_the_exit_code_alone() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("x.log");
    std::fs::write(&log, "192.0.2.1 - - [09/Nov/2025:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\nno request\n").unwrap();
    let (code, out, err) = elkhound(&["--json", "scan", log.to_str().unwrap()]);
    let (result, warning): (Value, Value) = (serde_json::from_str(&out).unwrap(), serde_json::from_str(&err).unwrap());
    assert_eq!((code, result["documents"].as_u64()), (0, Some(1)), "{out}");
    assert!(warning["warning"].as_str().is_some_and(|w| w.starts_with("1 x unparsed line")), "{err}");
}

#[test]
fn without_a_command_the_worker_runs_and_says_where_help_is() {
    let (code, out, err) = elkhound(&[]);
    assert!(code == 78 && out.is_empty() && err.contains("has no job") && err.contains("elkhound --help"), "{code} {out} {err}");
    let (code, out, err) = elkhound(&["--help"]);
    assert!(code == 0 && err.is_empty(), "{code} {err}");
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in ["{\"error\":\"...\",\"exit_code\":78}", "{\"warning\":\"...\"}", "64 the command line is wrong", "78 the configuration is wrong"] {
        assert!(out.contains(says), "no {says} in {out}");
    }
    let (code, out, _) = elkhound(&["scan", "--help", "--json"]);
    assert!(code == 0 && out.contains("Usage: elkhound scan"), "help that was asked for is no error: {code} {out}");
}
