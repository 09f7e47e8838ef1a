//! ECS corners of a document: the entity under its own field, `related`, `threat`.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

/// What a well-known entity field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// An address; anything that is not one goes to the field named here instead, because an engine refuses it.
    Ip(&'static str),
    /// A user.
    User,
    /// A host.
    Host,
    /// Any other name.
    Name,
}

/// Entity fields that documents carry under their own name. Any other field stands in `elkhound.entity` alone, so that
/// no foreign name can collide with ours.
pub const ENTITY_FIELDS: &[(&str, EntityKind)] = &[
    ("source.ip", EntityKind::Ip("source.address")),
    ("source.address", EntityKind::Name),
    ("destination.ip", EntityKind::Ip("destination.address")),
    ("destination.address", EntityKind::Name),
    ("client.ip", EntityKind::Ip("client.address")),
    ("client.address", EntityKind::Name),
    ("server.ip", EntityKind::Ip("server.address")),
    ("server.address", EntityKind::Name),
    ("user.name", EntityKind::User),
    ("user.id", EntityKind::Name),
    ("user.email", EntityKind::Name),
    ("host.name", EntityKind::Host),
    ("host.id", EntityKind::Name),
    ("service.name", EntityKind::Name),
    ("url.domain", EntityKind::Host),
    ("process.name", EntityKind::Name),
    ("process.executable", EntityKind::Name),
    ("container.id", EntityKind::Name),
    ("cloud.account.id", EntityKind::Name),
    ("user_agent.original", EntityKind::Name),
];

/// Enrichment facts that documents carry under their own ECS name too (all keywords).
pub const ENRICHMENT_FIELDS: &[&str] = &[
    "source.geo.country_iso_code",
    "source.geo.country_name",
    "source.geo.city_name",
    "source.as.organization.name",
    "threat.indicator.type",
    "threat.indicator.provider",
    "threat.feed.name",
];

/// ATT&CK tactics and the techniques that presets name: id and name as published.
const ATTACK: &[(&str, &str)] = &[
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Defense Evasion"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0010", "Exfiltration"),
    ("TA0011", "Command and Control"),
    ("TA0040", "Impact"),
    ("TA0042", "Resource Development"),
    ("TA0043", "Reconnaissance"),
    ("T1021", "Remote Services"),
    ("T1041", "Exfiltration Over C2 Channel"),
    ("T1046", "Network Service Discovery"),
    ("T1078", "Valid Accounts"),
    ("T1098", "Account Manipulation"),
    ("T1110", "Brute Force"),
    ("T1190", "Exploit Public-Facing Application"),
    ("T1498", "Network Denial of Service"),
    ("T1499", "Endpoint Denial of Service"),
    ("T1567", "Exfiltration Over Web Service"),
    ("T1580", "Cloud Infrastructure Discovery"),
    ("T1595", "Active Scanning"),
];

/// Name of a tactic or technique, where it is known.
pub fn attack_name(id: &str) -> Option<&'static str> {
    ATTACK.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// Splits an entity key into one value per field: the inverse of how keys of several fields are joined.
pub fn entity_values(key: &str, fields: usize) -> Vec<String> {
    if fields < 2 {
        return vec![key.to_owned()];
    }
    let mut out = vec![String::new()];
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        let kept = match c {
            '|' => {
                out.push(String::new());
                continue;
            }
            '\\' => chars.next().unwrap_or(c),
            c => c,
        };
        if let Some(last) = out.last_mut() {
            last.push(kept);
        }
    }
    out
}

/// Puts the entity under its own ECS fields and into `related`.
pub fn put_entity(doc: &mut Map<String, Value>, fields: &str, values: &[String]) {
    let (mut ips, mut users, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    for (field, value) in fields.split(',').zip(values) {
        let Some((_, kind)) = ENTITY_FIELDS.iter().find(|(name, _)| *name == field) else { continue };
        let mut target = field;
        match kind {
            EntityKind::Ip(other) => match value.parse::<IpAddr>() {
                Ok(_) => ips.push(value.clone()),
                Err(_) => {
                    target = other;
                    hosts.push(value.clone());
                }
            },
            EntityKind::User => users.push(value.clone()),
            EntityKind::Host => hosts.push(value.clone()),
            EntityKind::Name => {}
        }
        put(doc, target, json!(value));
    }
    for (name, list) in [("related.ip", ips), ("related.user", users), ("related.hosts", hosts)] {
        put_list(doc, name, &list);
    }
}

/// Puts ATT&CK ids, with their names where they are known.
pub fn put_threat(doc: &mut Map<String, Value>, tactics: &[String], techniques: &[String]) {
    if tactics.is_empty() && techniques.is_empty() {
        return;
    }
    put(doc, "threat.framework", json!("MITRE ATT&CK"));
    for (what, ids) in [("tactic", tactics), ("technique", techniques)] {
        let names: Vec<String> = ids.iter().filter_map(|id| attack_name(id)).map(str::to_owned).collect();
        put_list(doc, &format!("threat.{what}.id"), ids);
        put_list(doc, &format!("threat.{what}.name"), &names);
    }
}

/// Puts a value at a dotted path, making the objects on the way; a value that stands in the way stays as it is.
pub fn put(doc: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            doc.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = doc.entry(head).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Puts a list of words, unless it is empty.
pub fn put_list(doc: &mut Map<String, Value>, path: &str, list: &[String]) {
    if !list.is_empty() {
        put(doc, path, json!(list));
    }
}

/// Puts a number, unless it is not finite: JSON has no word for that, and absent is what it means.
pub fn put_number(doc: &mut Map<String, Value>, path: &str, x: f64) {
    if x.is_finite() {
        put(doc, path, json!(x));
    }
}

/// The value at a dotted path.
pub fn at<'a>(doc: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(doc, |v, part| v.get(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_fields_are_taken_apart_again() {
        assert_eq!(entity_values("a|b", 1), ["a|b"]);
        assert_eq!(entity_values("a\\|x|b\\\\", 2), ["a|x", "b\\"]);
        assert_eq!(entity_values("", 2), [""]);
    }

    #[test]
    fn a_host_name_never_lands_in_an_ip_field() {
        let mut doc = Map::new();
        put_entity(&mut doc, "source.ip,user.name", &["proxy.example.net".into(), "eve".into()]);
        let doc = Value::Object(doc);
        assert_eq!(at(&doc, "source.ip"), None);
        assert_eq!(at(&doc, "source.address"), Some(&json!("proxy.example.net")));
        assert_eq!((at(&doc, "related.user"), at(&doc, "related.hosts")), (Some(&json!(["eve"])), Some(&json!(["proxy.example.net"]))));
    }

    #[test]
    fn unknown_entity_fields_cannot_collide_with_ours() {
        let mut doc = Map::new();
        put_entity(&mut doc, "event.kind", &["signal".into()]);
        assert!(doc.is_empty());
        put(&mut doc, "a", json!(1));
        put(&mut doc, "a.b", json!(2));
        assert_eq!(Value::Object(doc), json!({ "a": 1 }));
    }
}
