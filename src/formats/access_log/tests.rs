use super::*;
use crate::model::FieldKind;

const FIELDS: [&str; 9] = [
    "source.ip",
    "user.name",
    "http.request.method",
    "url.path",
    "url.query",
    "http.response.body.bytes",
    "http.request.referrer",
    "user_agent.original",
    "url.domain",
];

/// Every field of a line as `name=value`, or the problem's word.
fn read(line: &str) -> String {
    let mut fields = Fields::default();
    FIELDS.iter().for_each(|f| {
        fields.request(f, FieldKind::Keyword);
    });
    let status = fields.request("http.response.status_code", FieldKind::Number);
    let mut batch = EventBatch::new(&fields);
    match AccessLog.reader(&fields, &FormatOptions::default()).read(line.as_bytes(), &mut batch) {
        ReadLine::Event => {
            let mut out: Vec<String> = Vec::new();
            for (i, name) in FIELDS.iter().enumerate() {
                if let Some(v) = batch.keywords(i).and_then(|k| k.get(0)) {
                    out.push(format!("{}={}", name.rsplit('.').next().unwrap(), String::from_utf8_lossy(v)));
                }
            }
            let status = batch.numbers(status)[0];
            if status.is_finite() {
                out.push(format!("status={status}"));
            }
            out.join(" ")
        }
        ReadLine::Nothing => "nothing".into(),
        ReadLine::Problem(word) => {
            assert!(batch.is_empty());
            word.into()
        }
    }
}

const TIME: &str = "[09/Nov/2025:10:00:00 +0000]";

#[test]
fn common_and_combined_lines_give_every_field() {
    let line = format!(r#"192.0.2.7 - alice {TIME} "GET /search?q=a b&x=1 HTTP/1.1" 200 512 "http://e.org/" "Mozilla/5.0 (X)""#);
    assert_eq!(
        read(&line),
        "ip=192.0.2.7 name=alice method=GET path=/search query=q=a b&x=1 bytes=512 referrer=http://e.org/ original=Mozilla/5.0 (X) status=200"
    );
    assert_eq!(read(&format!(r#"192.0.2.7 - - {TIME} "POST /x HTTP/2.0" 404 0"#)), "ip=192.0.2.7 method=POST path=/x bytes=0 status=404");
}

#[test]
fn a_size_of_dash_is_absent() {
    assert_eq!(read(&format!(r#"host.example.org - - {TIME} "HEAD / HTTP/1.0" 304 -"#)), "ip=host.example.org method=HEAD path=/ status=304");
}

#[test]
fn the_virtual_host_in_front_is_the_domain() {
    let line = format!(r#"www.example.org:443 2001:DB8:0:0::1 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "-""#);
    assert_eq!(read(&line), "ip=2001:db8::1 method=GET path=/ bytes=5 domain=www.example.org status=200");
}

#[test]
fn addresses_have_one_spelling() {
    for (text, ip) in [
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5555", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ] {
        let line = format!(r#"{text} - - {TIME} "GET / HTTP/1.1" 200 5"#);
        assert!(read(&line).starts_with(&format!("ip={ip} ")), "{text}: {}", read(&line));
    }
}

#[test]
fn user_names_may_hold_spaces_and_brackets() {
    assert_eq!(
        read(&format!(r#"192.0.2.7 - John [adm] Doe {TIME} "GET / HTTP/1.1" 200 5"#)),
        "ip=192.0.2.7 name=John [adm] Doe method=GET path=/ bytes=5 status=200"
    );
    assert_eq!(read(&format!(r#"192.0.2.7 - "" {TIME} "GET / HTTP/1.1" 200 5"#)), "ip=192.0.2.7 method=GET path=/ bytes=5 status=200");
}

#[test]
fn requests_that_are_none_have_neither_method_nor_path() {
    for request in ["-", "", r"\x16\x03\x01\x02\x00", r#"\x03\""#, "get lost"] {
        assert_eq!(read(&format!(r#"192.0.2.7 - - {TIME} "{request}" 400 226 "-" "-""#)), "ip=192.0.2.7 bytes=226 status=400", "{request}");
    }
    assert_eq!(read(&format!(r#"192.0.2.7 - - {TIME} "-" 408 -"#)), "ip=192.0.2.7 status=408");
}

#[test]
fn odd_requests_are_read() {
    for (request, want) in [
        ("GET /old", "method=GET path=/old"),
        ("GET /a b c HTTP/1.1", "method=GET path=/a b c"),
        (r#"GET /\"quoted\" HTTP/1.1"#, r#"method=GET path=/\"quoted\""#),
        ("GET http://proxy.example.org:80/x?y HTTP/1.1", "method=GET path=/x query=y"),
        ("CONNECT mail.example.org:25 HTTP/1.1", "method=CONNECT path=mail.example.org:25"),
        ("OPTIONS * HTTP/1.0", "method=OPTIONS path=*"),
        ("GET /? HTTP/1.1", "method=GET path=/ query="),
    ] {
        let got = read(&format!(r#"192.0.2.7 - - {TIME} "{request}" 200 5 "-" "-""#));
        assert!(got.starts_with(&format!("ip=192.0.2.7 {want} bytes=5")), "{request}: {got}");
    }
}

#[test]
fn extras_behind_are_ignored_and_escaped_quotes_kept() {
    let line = format!(r#"192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5 "-" "a \"b\" c" "203.0.113.9" 0.005 upstream=x"#);
    assert_eq!(read(&line), r#"ip=192.0.2.7 method=GET path=/ bytes=5 original=a \"b\" c status=200"#);
}

#[test]
fn what_is_no_access_log_line_is_a_problem_and_blank_lines_are_nothing() {
    assert_eq!(read(""), "nothing");
    assert_eq!(read(" \r"), "nothing");
    let bad_time = r#"192.0.2.7 - - [09/Nox/2025:10:00:00 +0000] "GET / HTTP/1.1" 200 5"#;
    assert_eq!(read(bad_time), "bad_time");
    for line in ["hello", "[x] y", "1.2.3.4 - - [", r#"192.0.2.7 - - [09/Nov/2025:10:00:00 +0000] "GET / HTTP/1.1"#, r#"{"a":[1]}"#, "\0\0\0"] {
        assert_eq!(read(line), "unparsed_line", "{line}");
    }
    assert_eq!(read(&format!(r#"192.0.2.7 - - {TIME} "GET / HTTP/1.1" OK 5"#)), "unparsed_line");
}

#[test]
fn detection_tells_access_logs_from_others() {
    let good = format!(r#"192.0.2.7 - - {TIME} "GET / HTTP/1.1" 200 5"#);
    assert_eq!(AccessLog.sniff(&[good.as_bytes(), b"noise", b""], &FormatOptions::default()), 0.5);
    assert_eq!(AccessLog.sniff(&[], &FormatOptions::default()), 0.0);
}
