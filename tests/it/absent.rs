//! Columns and fields that are named and not there: said at once where a header decides, at the end where lines do.

use crate::scan::{Files, scan};

/// Alerts of three hosts in JSON lines, the rule under a name of choice, and a user in one line only.
fn alerts(rule: &str) -> String {
    lines("host", "name", rule)
}

fn lines(entity: &str, part: &str, rule: &str) -> String {
    let line = |i: u32| {
        let user = if i == 150 { r#","user":{"name":"eve"}"# } else { "" };
        format!(
            "{{\"@timestamp\":\"2026-01-01T{:02}:{:02}:00Z\",\"{entity}\":{{\"{part}\":\"h{}\"}},{rule}:\"{}\"{user}}}\n",
            i / 60,
            i % 60,
            i % 3,
            i % 5
        )
    };
    (0..200).map(line).collect()
}

#[test]
fn a_column_that_is_not_in_the_header_is_refused_with_what_there_is() {
    let files = Files::new();
    let rows: String = (0..50).map(|i| format!("2026-01-01T00:{i:02}:00Z,c{},{}\n", i % 3, i)).collect();
    files.write("x.csv", format!("when,client,bytes\n{rows}"));
    files.write("x.log", "192.0.2.1 - - [09/Nov/2025:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n");
    files.write("y.csv", "time,src_ip\n2026-01-01T00:00:00Z,192.0.2.1\n");
    files.write("y.ndjson", "{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"source.ip\":\"192.0.2.1\"}\n");
    files.write("s.csv", "timestamp,load,other\n2026-01-01,1,2\n");
    for (args, code, words) in [
        (
            &["x.csv", "--time", "when", "--map", "source.ip=cleint"][..],
            78,
            "no column `cleint`; there are: when, client, bytes; did you mean --map source.ip=client?",
        ),
        (&["x.csv", "--time", "when", "--map", "sorce.ip=client"], 78, "preset `web_access` reads no field `sorce.ip`; there are: source.ip, "),
        (&["x.csv", "--time", "when", "--map", "@timestamp=when"], 78, "is named by --time when"),
        (
            &["x.csv", "--time", "wen"],
            65,
            "is called `wen`, which is to hold the time (--time); there are: when, client, bytes; did you mean `when`?",
        ),
        (&["x.csv", "--format", "csv", "--time", "wen"], 65, "did you mean `when`?"),
        (
            &["x.csv", "--time", "when", "--entity", "clients"],
            65,
            "there are: when, client, bytes; did you mean --map clients=client --map http.response.body.bytes=bytes?)",
        ),
        (
            &["x.log", "--map", "source.ip=clientip"],
            78,
            "--map source.ip=clientip: the file has no column `clientip`; it has `source.ip` itself: leave --map source.ip=clientip out",
        ),
        (&["y.csv", "--map", "source.ip=client"], 78, "no column `client`; there are: time, src_ip; did you mean --map source.ip=src_ip?"),
        (&["y.ndjson", "--map", "source.ip=client"], 65, "no line has the field `client`; it has `source.ip` itself: leave --map"),
        (&["x.log", "--time", "when"], 78, "an access log has its time at a place of its own"),
        (&["s.csv", "--preset", "series", "--value", "laod"], 65, "no column `laod` (there are: timestamp, load, other; did you mean `load`?)"),
        (&["x.csv", "--time", "when", "--value", "bytes"], 78, "--value has no meaning for preset `web_access`"),
        (&["s.csv", "--preset", "series", "--value", "load", "--map", "value=load"], 78, "--map has no meaning for preset `series`"),
    ] {
        let (got, _, err) = scan(files.0.path(), args, b"");
        assert_eq!((got, err.contains(words)), (code, true), "{args:?}: {got} {err}");
    }
    let (code, _, err) = scan(files.0.path(), &["x.csv", "--time", "when", "--map", "source.ip=client"], b"");
    assert!(code == 0 && !err.contains("source.ip"), "{code} {err}");
}

#[test]
fn a_field_that_no_line_has_is_named_and_one_that_a_single_line_has_is_not() {
    let files = Files::new();
    files.write("a.ndjson", alerts("\"rule_id\""));
    let with = |args: &[&str]| scan(files.0.path(), &[&["a.ndjson", "--preset", "siem_alerts"], args].concat(), b"");
    let (code, _, err) = with(&[]);
    assert!(
        code == 65
            && err.contains("nothing was judged: no line has the field `rule.id`, which preset `siem_alerts` reads (distinct_rules, rules)")
            && err.contains(
                "--map rule.id=NAME says what it is called in the file (there are: @timestamp, host.name, rule_id; did you mean --map rule.id=rule_id?)"
            )
            && err.lines().count() == 1,
        "{code} {err}"
    );
    let (code, _, err) = with(&["--map", "rule.id=rule_id"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, out, err) = with(&["--map", "rule.id=rul_id", "--json"]);
    assert!(
        code == 65 && err.contains("--map rule.id=rul_id: no line has the field `rul_id`; there are:") && err.contains("--map rule.id=rule_id?"),
        "{err}"
    );
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected =
        serde_json::json!([{ "field": "rule.id", "name": "rul_id", "features": ["distinct_rules", "rules"], "is_text": false, "likely": "rule_id" }]);
    assert_eq!(summary["absent_fields"], expected);
    assert!(summary["nothing_was_judged"].as_str().is_some_and(|why| why.starts_with("--map rule.id=rul_id: no line has")), "{summary}");
    let (code, _, err) = with(&["--map", "host.name=user.name", "--map", "rule.id=rule_id"]);
    assert!(code == 0 && err.contains("199 lines name no entity (host.name)") && !err.contains("--map"), "{code} {err}");
}

#[test]
fn features_without_their_field_are_one_line_and_the_rest_is_judged() {
    let files = Files::new();
    files.write("a.ndjson", lines("source", "ip", "\"http.response.status_code\""));
    let (code, out, err) = scan(files.0.path(), &["a.ndjson"], b"");
    assert!(code == 0 && out.contains("rows judged") && err.lines().count() == 1, "{code} {out} {err}");
    assert!(err.contains("no line has the field `http.response.body.bytes` or the field `url.path` or the field `http.request.method`"), "{err}");
    assert!(err.contains("(avg_response_size, bytes_out, unique_paths, paths, methods); --map FIELD=NAME says"), "{err}");
    let (code, _, err) = scan(files.0.path(), &["a.ndjson", "--preset", "ssh_auth"], b"");
    assert!(
        code == 65 && err.contains("preset `ssh_auth` chooses its events by the field `event.category`, and no line has it; --map"),
        "{code} {err}"
    );
    assert!(err.contains("preset `ssh_auth` needs source.ip (the entity) and event.category = authentication (which documents); judges"), "{err}");
    let (code, _, err) = scan(files.0.path(), &["a.ndjson", "--preset", "ssh_auth", "--map", "user.name=nix"], b"");
    assert!(code == 65 && err.contains("--map user.name=nix: no line has the field `nix`; there are: @timestamp,"), "{code} {err}");
}

/// A call of a cloud's interface as CloudTrail writes it.
fn call(i: u32) -> String {
    let user = format!("{{\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::1:user/u{}\",\"userName\":\"u{}\"}}", i % 3, i % 3);
    format!(
        "{{\"eventTime\":\"2026-01-01T{:02}:{:02}:00Z\",\"eventName\":\"Get{}\",\"sourceIPAddress\":\"192.0.2.{}\",\"userAgent\":\"cli\",\"userIdentity\":{user}}}\n",
        i / 60,
        i % 60,
        i % 5,
        i % 3
    )
}

#[test]
fn a_preset_says_what_it_needs_and_which_names_of_the_file_that_most_likely_is() {
    let files = Files::new();
    files.write("trail.ndjson", (0..200).map(call).collect::<String>());
    let (code, _, err) = scan(files.0.path(), &["trail.ndjson", "--preset", "api_audit"], b"");
    let maps = ["user.name=userIdentity.userName", "event.action=eventName", "source.ip=sourceIPAddress"];
    let hint = format!("did you mean --map {}?", maps.join(" --map "));
    assert!(code == 65 && err.contains(&hint) && !err.contains("=userAgent"), "{code} {err}");
    assert!(err.contains("preset `api_audit` needs user.name (the entity); judges event.outcome, event.action, source.ip"), "{err}");
    let args: Vec<&str> = ["trail.ndjson", "--preset", "api_audit"].into_iter().chain(maps.iter().flat_map(|m| ["--map", *m])).collect();
    let (code, out, err) = scan(files.0.path(), &args, b"");
    assert!(code == 0 && out.contains("120 rows judged") && !err.contains("no entity"), "what it proposes works: {code} {out} {err}");

    let plain = b"192.0.2.1 - - [09/Nov/2025:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n".repeat(3);
    let (code, _, err) = scan(files.0.path(), &["-", "--preset", "web_service"], &plain);
    assert!(
        code == 65 && err.contains("no line has the field url.domain") && !err.contains("did you mean"),
        "a field is no name for itself: {code} {err}"
    );

    let raw = b"Mar 27 13:06:56 host sshd[1291]: Server listening on 0.0.0.0 port 22.\n";
    let (code, _, err) = scan(files.0.path(), &["-", "--preset", "ssh_auth"], raw);
    assert!(code == 65 && err.contains("the format is not known") && err.contains("from parsed documents (JSON lines, CSV)"), "{code} {err}");
}

#[test]
fn the_parts_list_says_which_fields_each_preset_needs() {
    let parts = |args: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_elkhound")).args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let text = parts(&["parts", "presets"]);
    for says in [
        "needs source.ip (the entity) and event.category = authentication (which documents); judges event.outcome, user.name, host.name",
        "needs host.name (the entity); judges rule.id",
        "needs a time and a number",
        "needs columns of numbers",
        "from access logs as they stand",
    ] {
        assert!(text.contains(says), "no {says:?} in {text}");
    }
    let json = parts(&["--json", "parts", "presets"]);
    let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let audit = lines.iter().find(|l| l["name"] == "api_audit").unwrap();
    assert_eq!(audit["fields"]["entity"], serde_json::json!(["user.name"]));
    assert!(lines.iter().all(|l| l["fields"]["from"].as_str().is_some_and(|from| !from.is_empty())), "{json}");
    assert!(!parts(&["parts", "features"]).contains("needs"));
}

#[test]
fn columns_of_unknown_names_are_listed_with_the_options_that_help() {
    let files = Files::new();
    files.write("x.csv", "when,client,bytes\n2026-01-01T00:00:00Z,a,1\n2026-01-01T00:01:00Z,b,2\n");
    files.write("bare.csv", "2026-01-01,a,1\n2026-01-02,b,1\n");
    files.write("x.ndjson", "{\"when\":\"2026-01-01T00:00:00Z\",\"client\":\"a\"}\n");
    files.write("one.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    files.write("prose.txt", "To whom it may concern, hello\nthis is\nno table, at all, really\nand has no time\n");
    let hint = "looks like CSV with the columns when, client, bytes; none of them is known as the time (known: @timestamp, timestamp, time,";
    for (args, words) in [
        (&["x.csv"][..], [hint, "did you mean --time when --map source.ip=client --map http.response.body.bytes=bytes?"]),
        (&["x.csv", "--format", "csv"], [hint, "preset `web_access` needs source.ip (the entity)"]),
        (&["x.csv", "--time", "client"], ["no time can be read in `client` (first: 2026-01-01T00:00:00Z,a,1)", "--time NAME names another one"]),
        (&["bare.csv"], ["looks like CSV without a header", "put a line with the names of the columns there"]),
        (
            &["x.ndjson"],
            ["looks like JSON lines with the fields client, when; none of them is known as the time", "did you mean --map source.ip=client?"],
        ),
        (&["prose.txt"], ["the format is not known", "First line: To whom"]),
        (&["one.ndjson"], ["looks like JSON lines with the fields a; none of them is known as the time", "--time NAME says which one it is"]),
        (&["one.ndjson", "--format", "json"], ["looks like JSON lines with the fields a;", "--time NAME"]),
    ] {
        let (code, _, err) = scan(files.0.path(), args, b"");
        assert!(code == 65 && words.iter().all(|w| err.contains(w)), "{args:?}: {code} {err}");
    }
    let args = ["x.csv", "--time", "when", "--map", "source.ip=client", "--map", "http.response.body.bytes=bytes"];
    let (code, out, _) = scan(files.0.path(), &args, b"");
    assert!(code == 0 && out.contains("2 rows judged"), "what it proposes works: {code} {out}");
}
