//! What other logs call the fields that jobs read: for hints only, nothing is read by a guess.

/// Fields of ECS and what well-known logs call them (CloudTrail, IIS, nginx as JSON, Zeek, Suricata), in plain letters.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("source.ip", &["sourceipaddress", "clientip", "remoteaddr", "remoteip", "srcip", "srcaddr", "cip", "idorigh", "ipaddress", "client", "ip"]),
    ("user.name", &["useridentityusername", "useridentityarn", "username", "account", "login", "user"]),
    ("event.action", &["eventname", "operationname", "operation", "action"]),
    ("event.outcome", &["outcome", "result"]),
    ("event.category", &["category"]),
    ("host.name", &["hostname", "computer", "machine", "server", "host"]),
    ("rule.id", &["ruleid", "alertsignatureid", "signatureid", "sid", "rulename", "signature", "rule"]),
    ("url.path", &["urlpath", "uripath", "requesturi", "csuristem", "path", "uri", "url"]),
    ("url.domain", &["servername", "domain", "vhost", "site"]),
    ("http.request.method", &["requestmethod", "csmethod", "method", "verb"]),
    ("http.response.status_code", &["statuscode", "scstatus", "status"]),
    ("http.response.body.bytes", &["bodybytessent", "bytessent", "scbytes", "responsesize", "bytes", "size"]),
];

/// Similarity (Jaro-Winkler) of two whole names from which on one is the other with a slip of the pen.
const SLIP: f64 = 0.93;
/// Letters from which on another name of a field is told from all others also where it is nested.
const LONG: usize = 7;

/// The name in a file that most likely is a field: spelt alike, a well-known other name, or short for it. A name that only begins
/// alike (`userAgent` for `user.name`) is none: a wrong hint is worse than no hint.
pub fn likely<'a>(field: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = letters(field);
    let others = OTHER_NAMES.iter().find(|(known, _)| *known == field).map(|(_, others)| *others).unwrap_or_default();
    let parts = words(field);
    let tests: [&dyn Fn(&str) -> bool; 4] = [
        &|name| ends_of(name).contains(&wanted),
        &|name| is_short_for(&words(name), &parts),
        &|name| strsim::jaro_winkler(&letters(name), &wanted) >= SLIP,
        &|name| {
            let name = words(name);
            name.len() > 1 && parts.ends_with(&name)
        },
    ];
    // Of several the one that is nested least.
    let best = |is_it: &dyn Fn(&str) -> bool| names.iter().filter(|n| is_it(n)).min_by_key(|n| n.len()).map(String::as_str);
    // A short word that ends a nested name may be anything: `destination.ip` is no `source.ip`.
    let is_known = |name: &str, other: &str| letters(name) == *other || (other.len() >= LONG && ends_of(name).iter().any(|end| end == other));
    let known = || others.iter().find_map(|other| best(&|name| is_known(name, other)));
    best(tests[0]).or_else(known).or_else(|| tests[1..].iter().find_map(|is_it| best(is_it)))
}

/// A name in small letters and digits alone.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A dotted name from each of its steps on, in small letters: `a.bC` is `abc` and `bc`.
fn ends_of(name: &str) -> Vec<String> {
    let steps: Vec<&str> = name.split('.').collect();
    (0..steps.len()).map(|from| letters(&steps[from..].concat())).collect()
}

/// The words of a name: parted by anything that is no letter or digit, and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_small) {
            out.push(String::new());
        }
        was_small = c.is_lowercase() || c.is_numeric();
        if let Some(word) = out.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    out.retain(|w| !w.is_empty());
    out
}

/// True when every word is the other one, or leaves out some of its letters behind the first (`src` for `source`).
fn is_short_for(short: &[String], long: &[String]) -> bool {
    let fits = |(s, l): (&String, &String)| {
        let mut rest = l.chars();
        s.len() > 1 && s.chars().next() == l.chars().next() && s.chars().all(|c| rest.any(|r| r == c))
    };
    short.len() == long.len() && short.iter().zip(long).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(field: &str, names: &str) -> String {
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        likely(field, &names).unwrap_or("-").to_owned()
    }

    #[test]
    fn fields_of_well_known_logs_are_found() {
        let trail = "eventName eventSource sourceIPAddress userAgent userIdentity.arn userIdentity.sessionContext.sessionIssuer.userName \
                     userIdentity.userName errorCode eventCategory";
        let found = ["user.name", "event.action", "source.ip", "event.outcome", "rule.id"].map(|f| pick(f, trail));
        assert_eq!(found, ["userIdentity.userName", "eventName", "sourceIPAddress", "-", "-"]);
        let nginx = "remote_addr request_method status body_bytes_sent request_uri";
        let fields = ["source.ip", "http.request.method", "http.response.status_code", "http.response.body.bytes", "url.path"];
        assert_eq!(fields.map(|f| pick(f, nginx)), ["remote_addr", "request_method", "status", "body_bytes_sent", "request_uri"]);
    }

    #[test]
    fn other_spellings_and_slips_are_found_and_mere_beginnings_are_not() {
        let cases = [
            ("rule.id", "rule_id host", "rule_id"),
            ("source.ip", "time src_ip", "src_ip"),
            ("destination.ip", "dst_ip", "dst_ip"),
            ("clients", "when client bytes", "client"),
            ("http.response.status_code", "x status_code", "status_code"),
            ("user.name", "userAgent", "-"),
            ("user.name", "user_id userType", "-"),
            ("event.action", "eventID eventTime", "-"),
            ("source.ip", "destination.ip destination.port", "-"),
            ("event.action", "detail.eventName", "detail.eventName"),
            ("host.name", "", "-"),
            ("", "a b", "-"),
        ];
        for (field, names, expected) in cases {
            assert_eq!(pick(field, names), expected, "{field} among {names}");
        }
    }
}
