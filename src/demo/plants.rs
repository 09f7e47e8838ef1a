//! The attacks that are planted in the day, and what counts as finding one.

use super::chance::Chance;
use super::traffic::{API, FEED, Request, SHOP, address};
use crate::model::time::iso;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// One planted event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Plant {
    /// What it is.
    pub name: &'static str,
    /// The entity that an anomaly must name: a client address or a service.
    pub entity: String,
    /// The service that is attacked.
    pub host: &'static str,
    /// First characters of the addresses that take part, when there are many.
    pub swarm: Option<&'static str>,
    /// First moment, milliseconds of the epoch.
    pub start_ms: i64,
    /// First moment after, milliseconds of the epoch.
    pub end_ms: i64,
}

impl Plant {
    /// True when an anomaly of this entity and bucket finds this plant.
    pub fn is_found_by(&self, entity: &str, start_ms: i64, span_ms: i64) -> bool {
        entity == self.entity && self.overlaps(start_ms, span_ms)
    }

    /// True when an anomaly of this entity and bucket is caused by this plant, so that it is no false alarm: it names the
    /// attacker, one of the swarm, or the service under attack.
    pub fn causes(&self, entity: &str, start_ms: i64, span_ms: i64) -> bool {
        let takes_part = entity == self.entity || entity == self.host || self.swarm.is_some_and(|s| entity.starts_with(s));
        takes_part && self.overlaps(start_ms, span_ms)
    }

    fn overlaps(&self, start_ms: i64, span_ms: i64) -> bool {
        start_ms < self.end_ms && start_ms + span_ms > self.start_ms
    }

    /// "brute force of 185.0.0.1, 2026-01-01 03:10".
    pub fn title(&self) -> String {
        format!("{} ({}, {})", self.name, self.entity, iso(self.start_ms).get(..16).unwrap_or("").replace('T', " "))
    }
}

/// Plants all attacks into the requests of the day that begins at `day_ms`, at times drawn from the seed.
pub fn plant(seed: u64, day_ms: i64, requests: &mut Vec<Request>) -> Vec<Plant> {
    let mut c = Chance::new(seed, "plants");
    // Attacks begin at any time from two o'clock on, each in an hour block of its own so that they can be told apart.
    let mut blocks: Vec<i64> = (1..=10).map(|b| day_ms + b * 2 * HOUR_MS).collect();
    let mut at = || {
        let block = blocks.remove(c.below(blocks.len()));
        block + (c.unit() * 40.0) as i64 * MINUTE_MS
    };
    let (brute, scan, slow, exfil, flood, distributed, silent) = (at(), at(), at(), at(), at(), at(), at());
    let mut plants = vec![
        brute_force(&mut c, brute, requests),
        path_scan(&mut c, scan, requests),
        slow_scan(&mut c, slow, requests),
        exfiltration(&mut c, exfil, requests),
        request_flood(&mut c, flood, requests),
        distributed_flood(&mut c, distributed, requests),
        silence(silent, requests),
    ];
    plants.sort_by_key(|p| p.start_ms);
    plants
}

fn brute_force(c: &mut Chance, start: i64, out: &mut Vec<Request>) -> Plant {
    let client = address(185, c.below(50_000));
    let end = start + 15 * MINUTE_MS;
    let mut t = start as f64;
    while t < end as f64 {
        out.push(Request {
            time_ms: t as i64,
            host: SHOP,
            client: client.clone(),
            method: "POST",
            path: "/login".into(),
            status: 401,
            bytes: Some(912),
            agent: "python-requests/2.32",
        });
        t += c.gap(1_500.0);
    }
    Plant { name: "brute-force login", host: SHOP, swarm: None, entity: client, start_ms: start, end_ms: end }
}

const SCANNED: [&str; 24] = [
    "/.env",
    "/.git/config",
    "/admin/",
    "/administrator/",
    "/backup.zip",
    "/config.php.bak",
    "/phpmyadmin/",
    "/wp-login.php",
    "/wp-admin/",
    "/xmlrpc.php",
    "/server-status",
    "/actuator/env",
    "/console/",
    "/db.sql",
    "/shell.php",
    "/test.php",
    "/old/",
    "/cgi-bin/test",
    "/api/swagger.json",
    "/solr/admin",
    "/jenkins/",
    "/manager/html",
    "/.aws/credentials",
    "/id_rsa",
];

fn probe(c: &mut Chance, time_ms: i64, client: &str, out: &mut Vec<Request>) {
    let base = *c.pick(&SCANNED);
    let path = if c.is(0.5) { base.to_owned() } else { format!("{}{}", base.trim_end_matches('/'), c.below(1_000)) };
    let status = if c.is(0.1) { 403 } else { 404 };
    out.push(Request {
        time_ms,
        host: SHOP,
        client: client.to_owned(),
        method: "GET",
        path,
        status,
        bytes: Some(548),
        agent: "Mozilla/5.0 (compatible)",
    });
}

fn path_scan(c: &mut Chance, start: i64, out: &mut Vec<Request>) -> Plant {
    let client = address(185, c.below(50_000));
    let end = start + 6 * MINUTE_MS;
    let mut t = start as f64;
    while t < end as f64 {
        probe(c, t as i64, &client, out);
        t += c.gap(900.0);
    }
    Plant { name: "path scan", host: SHOP, swarm: None, entity: client, start_ms: start, end_ms: end }
}

/// Ten probes an hour: no count stands out, only what is asked for.
fn slow_scan(c: &mut Chance, start: i64, out: &mut Vec<Request>) -> Plant {
    let client = address(185, c.below(50_000));
    let end = start + 2 * HOUR_MS;
    let mut t = start as f64;
    while t < end as f64 {
        probe(c, t as i64, &client, out);
        t += 300_000.0 + c.gap(60_000.0);
    }
    Plant { name: "slow scan", host: SHOP, swarm: None, entity: client, start_ms: start, end_ms: end }
}

/// A known API client fetches as often as ever, but hundreds of times as much.
fn exfiltration(c: &mut Chance, start: i64, out: &mut [Request]) -> Plant {
    let end = start + 30 * MINUTE_MS;
    let mut calls = std::collections::BTreeMap::<String, u32>::new();
    for r in out.iter().filter(|r| r.host == API && r.agent.starts_with("orders") && (start..end).contains(&r.time_ms)) {
        *calls.entry(r.client.clone()).or_default() += 1;
    }
    let busy: Vec<String> = calls.into_iter().filter(|(_, n)| *n >= 40).map(|(k, _)| k).collect();
    let client = if busy.is_empty() { address(93, 0) } else { c.pick(&busy).clone() };
    for r in out.iter_mut().filter(|r| r.client == client && (start..end).contains(&r.time_ms)) {
        r.bytes = r.bytes.map(|b| b * 400);
    }
    Plant { name: "exfiltration", host: API, swarm: None, entity: client, start_ms: start, end_ms: end }
}

fn request_flood(c: &mut Chance, start: i64, out: &mut Vec<Request>) -> Plant {
    let client = address(185, c.below(50_000));
    let end = start + 10 * MINUTE_MS;
    let mut t = start as f64;
    while t < end as f64 {
        let path = format!("/search?q={}", c.below(100_000));
        out.push(Request {
            time_ms: t as i64,
            host: SHOP,
            client: client.clone(),
            method: "GET",
            path,
            status: 200,
            bytes: Some(6_200),
            agent: "Mozilla/5.0",
        });
        t += c.gap(60.0);
    }
    Plant { name: "request flood", host: SHOP, swarm: None, entity: client, start_ms: start, end_ms: end }
}

/// Thousands of addresses, a few requests each: only the service sees it.
fn distributed_flood(c: &mut Chance, start: i64, out: &mut Vec<Request>) -> Plant {
    let end = start + 10 * MINUTE_MS;
    for i in 0..3_000 {
        let client = address(187, i * 17);
        for _ in 0..1 + c.below(4) {
            let time_ms = start + (c.unit() * (end - start) as f64) as i64;
            out.push(Request {
                time_ms,
                host: SHOP,
                client: client.clone(),
                method: "GET",
                path: "/".into(),
                status: 200,
                bytes: Some(13_800),
                agent: "Mozilla/5.0",
            });
        }
    }
    Plant { name: "distributed flood", host: SHOP, swarm: Some("187."), entity: SHOP.into(), start_ms: start, end_ms: end }
}

fn silence(start: i64, out: &mut Vec<Request>) -> Plant {
    let end = start + 40 * MINUTE_MS;
    out.retain(|r| r.host != FEED || !(start..end).contains(&r.time_ms));
    Plant { name: "silent service", host: FEED, swarm: Some("94."), entity: FEED.into(), start_ms: start, end_ms: end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::traffic::quiet;
    use crate::model::time::DAY_MS;

    #[test]
    fn every_attack_is_planted_inside_the_day() {
        for seed in 1..4 {
            let mut requests = quiet(seed, 0, DAY_MS);
            let plants = plant(seed, 0, &mut requests);
            assert_eq!(plants.len(), 7);
            for p in &plants {
                assert!(p.start_ms >= 2 * HOUR_MS && p.end_ms <= DAY_MS, "{p:?}");
                let seen =
                    requests.iter().filter(|r| (r.client == p.entity || r.host == p.entity) && (p.start_ms..p.end_ms).contains(&r.time_ms)).count();
                assert_eq!(seen == 0, p.name == "silent service", "{p:?}");
            }
        }
    }
}
