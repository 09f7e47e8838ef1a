//! Links from a finding to its raw logs: read back as the dashboards read them, whatever the entity is called.

use elkhound::config::{Environment, load_text, preset_job};
use elkhound::model::{Filter, Job, Window};
use elkhound::source::discover::{Discover, Form};
use serde_json::json;

/// 2026-01-20T06:00:00Z.
const START_MS: i64 = 1_768_888_800_000;

fn window() -> Window {
    Window::new(START_MS, START_MS + 300_000)
}

fn job(fields: &[&str], filter: Option<Filter>) -> Job {
    let mut job = preset_job("web_access", &json!({})).unwrap();
    job.index = "logs-nginx.access-*,-logs-nginx.access-old".into();
    job.entity_fields = fields.iter().map(|f| (*f).to_owned()).collect();
    job.filter = filter;
    job
}

fn discover(form: Form, url: Option<&str>) -> Discover {
    Discover { url: url.map(str::to_owned), form, prefix: "elkhound".into() }
}

/// A part of the address behind `#/?`, percent-decoded as browsers do.
fn part(link: &str, name: &str) -> String {
    let query = link.split_once("#/?").unwrap().1;
    url::form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == name).unwrap_or_else(|| panic!("no {name} in {link}")).1.into_owned()
}

/// The texts of a RISON value, unescaped; panics when a text does not end or a sign stands where none may.
fn texts(rison: &str) -> Vec<String> {
    let (mut out, mut chars) = (Vec::new(), rison.chars());
    while let Some(c) = chars.next() {
        if c != '\'' {
            assert!(c.is_ascii_alphanumeric() || "():,!_".contains(c), "{c:?} stands outside a text in {rison}");
            continue;
        }
        let mut text = String::new();
        loop {
            match chars.next().expect("a text ends") {
                '\'' => break,
                '!' => text.push(chars.next().filter(|c| *c == '!' || *c == '\'').expect("`!` escapes `!` and `'` only")),
                c => text.push(c),
            }
        }
        out.push(text);
    }
    out
}

/// The quoted values of KQL, unescaped.
fn kql_values(kql: &str) -> Vec<String> {
    let (mut out, mut chars) = (Vec::new(), kql.chars().peekable());
    while let Some(c) = chars.next() {
        if c != '"' {
            continue;
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            match chars.next().expect("a value ends") {
                '"' => break,
                '\\' if chars.peek() == Some(&'u') => {
                    let hex: String = chars.by_ref().skip(1).take(4).collect();
                    units.push(u16::from_str_radix(&hex, 16).unwrap());
                }
                '\\' => units.push(u16::try_from(u32::from(chars.next().unwrap())).unwrap()),
                c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        out.push(String::from_utf16(&units).unwrap());
    }
    out
}

#[test]
fn both_products_get_index_time_and_entity() {
    let job = job(&["source.ip"], None);
    let view = elkhound::model::ids::log_view_id("elkhound", &job.index, &job.time_field);
    let kibana = discover(Form::Kibana, Some("https://kibana.example:5601/s/team/")).place(&job, "203.0.113.77", window());
    assert!(kibana.link.starts_with("https://kibana.example:5601/s/team/app/discover#/?_g="), "{}", kibana.link);
    assert_eq!(part(&kibana.link, "_g"), "(filters:!(),time:(from:'2026-01-20T06:00:00.000Z',to:'2026-01-20T06:04:59.999Z'))");
    assert_eq!(part(&kibana.link, "_a"), format!("(filters:!(),index:'{view}',query:(language:kuery,query:'source.ip : \"203.0.113.77\"'))"));
    assert_eq!(
        kibana.query,
        "@timestamp >= \"2026-01-20T06:00:00.000Z\" and @timestamp < \"2026-01-20T06:05:00.000Z\" and source.ip : \"203.0.113.77\""
    );

    let explorer = discover(Form::DataExplorer, None).place(&job, "203.0.113.77", window());
    assert!(explorer.link.starts_with("data-explorer/discover#/?_a="), "{}", explorer.link);
    assert_eq!(part(&explorer.link, "_q"), "(filters:!(),query:(language:kuery,query:'source.ip : \"203.0.113.77\"'))");
    assert_eq!(
        part(&explorer.link, "_a"),
        format!("(discover:(columns:!(_source),isDirty:!f,sort:!()),metadata:(indexPattern:'{view}',view:discover))")
    );
    assert_eq!(part(&explorer.link, "_g"), part(&kibana.link, "_g"));
}

#[test]
fn hostile_entities_cannot_leave_their_quotes() {
    let hostile = [
        "\"><script>alert(1)</script>",
        "a' or 'b",
        "x!'),query:(language:lucene,query:'*",
        "back\\slash\\\" or *",
        "tab\tnew\nline\u{0}\u{1b}[31m",
        "\u{202e}gnp.exe\u{200b}\u{feff}",
        "%27%29&_a=(x:1)#/?+ &amp;",
        "日本語 é 🐕",
        "not and or * : < > ( ) { }",
        "",
    ];
    for form in [Form::Kibana, Form::DataExplorer] {
        for value in hostile {
            let place = discover(form, Some("https://k.example")).place(&job(&["user.name"], None), value, window());
            let rison = part(&place.link, if form == Form::Kibana { "_a" } else { "_q" });
            let kql = texts(&rison).pop().unwrap();
            assert_eq!(kql_values(&kql), [value], "{kql}");
            assert_eq!(kql_values(&place.query).pop().as_deref(), Some(value), "{}", place.query);
            assert!(place.link.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\`{}|^ ".contains(&b)), "{}", place.link);
            assert!(place.query.chars().all(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)), "{:?}", place.query);
            texts(&part(&place.link, "_g"));
        }
    }
}

#[test]
fn several_fields_and_the_jobs_own_condition_are_part_of_it() {
    let is = |field: &str, values: &[&str]| Filter::In { field: field.into(), values: values.iter().map(|v| (*v).to_owned()).collect() };
    let filter = Filter::All(vec![
        is("event.dataset", &["nginx.access", "a\"b"]),
        Filter::Any(vec![
            Filter::Prefix { field: "url.path".into(), prefix: "/a b*".into() },
            Filter::Range { field: "http.response.status_code".into(), gte: Some(400.0), lt: Some(500.0) },
            Filter::Range { field: "x".into(), gte: None, lt: None },
        ]),
        Filter::Not(Box::new(Filter::Exists { field: "odd field".into() })),
        Filter::All(vec![]),
    ]);
    let place = discover(Form::Kibana, None).place(&job(&["user.name", "host.name"], Some(filter)), "ann\\|b|web1", window());
    let kql = texts(&part(&place.link, "_a")).pop().unwrap();
    assert_eq!(
        kql,
        "user.name : \"ann|b\" and host.name : \"web1\" and (event.dataset : (\"nginx.access\" or \"a\\\"b\") and \
         (url.path : /a\\u0020b\\u002a* or (http.response.status_code >= 400 and http.response.status_code < 500)) and not (\"odd field\" : *))"
    );
    let all = discover(Form::Kibana, None).place(&job(&[], None), "_all", window());
    assert_eq!(texts(&part(&all.link, "_a")).pop().as_deref(), Some(""), "one entity for everything has no condition");
    assert!(all.query.ends_with("06:05:00.000Z\""), "{}", all.query);
}

#[test]
fn an_entity_of_a_million_characters_leaves_a_link_that_still_shows_the_time() {
    let job = job(&["url.path"], Some(Filter::In { field: "event.dataset".into(), values: vec!["nginx".into()] }));
    let place = discover(Form::Kibana, None).place(&job, &"a".repeat(1_000_000), window());
    assert!(place.link.len() < 8_000 && place.query.len() < 8_000);
    assert_eq!(kql_values(&texts(&part(&place.link, "_a")).pop().unwrap()), ["nginx"]);
}

#[test]
fn the_address_is_checked_when_the_configuration_is_read() {
    let load = |url: &str| load_text(&format!("dashboards: {{ url: \"{url}\" }}"), std::path::Path::new("."), &Environment::default());
    assert_eq!(load("https://kibana.example:5601/s/team").unwrap().dashboards_url.as_deref(), Some("https://kibana.example:5601/s/team"));
    assert_eq!(load("").unwrap().dashboards_url, None);
    for (url, said) in [
        ("https://u:hunter2@k.example", "user and password stand in the address"),
        ("javascript:alert(1)", "neither https:// nor http://"),
        ("kibana", "it is no address"),
        ("https://k.example/?a=b", "goes on behind the base path"),
    ] {
        let e = load(url).unwrap_err().to_string();
        assert!(e.contains("dashboards.url") && e.contains(said) && !e.contains("hunter2"), "{url}: {e}");
    }
}
