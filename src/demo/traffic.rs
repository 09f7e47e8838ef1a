//! The quiet part of the day: people, crawlers, programs, monitoring; a daily rhythm; three services.

use super::chance::Chance;
use crate::model::time::DAY_MS;

/// One request, before it becomes a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// When, milliseconds of the epoch.
    pub time_ms: i64,
    /// Virtual host.
    pub host: &'static str,
    /// Client address.
    pub client: String,
    /// Method.
    pub method: &'static str,
    /// Path with query.
    pub path: String,
    /// Status code.
    pub status: u16,
    /// Body bytes; `None` for `-`.
    pub bytes: Option<u64>,
    /// User agent.
    pub agent: &'static str,
}

/// The services.
pub const SHOP: &str = "shop.example";
/// Programs talk to this one.
pub const API: &str = "api.example";
/// Partners fetch price feeds from this one, day and night.
pub const FEED: &str = "feed.example";

const BROWSERS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
];

/// People at a time of day: few at night, most in the evening (0-1).
fn rhythm(time_ms: i64) -> f64 {
    let hour = (time_ms.rem_euclid(DAY_MS)) as f64 / 3_600_000.0;
    let wave = |peak: f64, width: f64| (-((hour - peak) / width).powi(2)).exp();
    0.12 + 0.55 * wave(11.5, 3.2) + 0.85 * wave(20.0, 2.6)
}

impl Request {
    /// The request as a line of an access log (combined format with the virtual host in front).
    pub fn line(&self) -> String {
        let time = chrono::DateTime::from_timestamp_millis(self.time_ms).unwrap_or_default().format("%d/%b/%Y:%H:%M:%S +0000");
        let bytes = self.bytes.map_or_else(|| "-".to_owned(), |b| b.to_string());
        format!(
            "{} {} - - [{time}] \"{} {} HTTP/1.1\" {} {bytes} \"-\" \"{}\"",
            self.host, self.client, self.method, self.path, self.status, self.agent
        )
    }
}

/// Address number `i` of a network, stable and apart from the other networks.
pub fn address(network: u8, i: usize) -> String {
    format!("{network}.{}.{}.{}", (i / 64_516) % 250, (i / 254) % 254, i % 254 + 1)
}

/// Lines that a rotation of the log cut off, as every real log has them: nobody can read them, so they are counted.
pub fn torn(day_ms: i64) -> impl Iterator<Item = (i64, String)> {
    [0, 6, 12, 18].into_iter().map(move |hour| (day_ms + hour * 3_600_000, format!("{SHOP} 198.51.100.{} - - [", hour + 1)))
}

/// All quiet requests of `[start_ms, end_ms)`, in no order.
pub fn quiet(seed: u64, start_ms: i64, end_ms: i64) -> Vec<Request> {
    let mut out = Vec::new();
    people(seed, start_ms, end_ms, &mut out);
    crawlers(seed, start_ms, end_ms, &mut out);
    programs(seed, start_ms, end_ms, &mut out);
    out
}

/// Visits begin at random, follow the rhythm of the day, and read a handful of pages with their pictures.
fn people(seed: u64, start_ms: i64, end_ms: i64, out: &mut Vec<Request>) {
    let mut c = Chance::new(seed, "people");
    let mut t = start_ms as f64;
    loop {
        t += c.gap(4_000.0);
        if t >= end_ms as f64 {
            return;
        }
        if !c.is(rhythm(t as i64)) {
            continue;
        }
        // Half of the visits are by people who come again.
        let client = if c.is(0.5) { address(81, c.popular(1_500)) } else { address(82, c.below(60_000)) };
        let agent = *c.pick(&BROWSERS);
        let mut at = t;
        for _ in 0..1 + c.gap(4.0) as usize {
            page_view(&mut c, at as i64, &client, agent, out);
            at += 2_000.0 + c.gap(25_000.0);
        }
    }
}

fn page_view(c: &mut Chance, time_ms: i64, client: &str, agent: &'static str, out: &mut Vec<Request>) {
    let mut push = |c: &mut Chance, dt: f64, method, path: String, status, median: f64| {
        let bytes = (status != 304).then(|| c.lognormal(median, 0.8) as u64 + 80);
        out.push(Request { time_ms: time_ms + dt as i64, host: SHOP, client: client.to_owned(), method, path, status, bytes, agent });
    };
    let path = match c.below(20) {
        0..4 => "/".to_owned(),
        4..12 => format!("/product/{}", c.popular(800)),
        12..15 => format!("/category/{}", c.popular(25)),
        15..17 => format!("/search?q={}", c.popular(400)),
        17 => "/cart".to_owned(),
        18 => "/account".to_owned(),
        _ => "/login".to_owned(),
    };
    if path == "/login" {
        // People mistype their password now and then.
        let mut dt = 0.0;
        while c.is(0.15) && dt < 60_000.0 {
            push(c, dt, "POST", "/login".into(), 401, 900.0);
            dt += 4_000.0 + c.gap(6_000.0);
        }
        return push(c, dt, "POST", path, 302, 300.0);
    }
    let status = if c.is(0.012) {
        404
    } else if c.is(0.002) {
        500
    } else {
        200
    };
    push(c, 0.0, "GET", path, status, 14_000.0);
    for _ in 0..c.below(6) {
        let status = if c.is(0.35) { 304 } else { 200 };
        let file = format!("/static/{}.{}", c.popular(120), c.pick(&["css", "js", "png", "jpg"]));
        let dt = c.between(50.0, 1_500.0);
        push(c, dt, "GET", file, status, 22_000.0);
    }
}

/// Crawlers read on and on, meet dead links, and take no pictures.
fn crawlers(seed: u64, start_ms: i64, end_ms: i64, out: &mut Vec<Request>) {
    let mut c = Chance::new(seed, "crawlers");
    for i in 0..6 {
        let agent = *c.pick(&["Mozilla/5.0 (compatible; ExampleBot/2.1)", "Mozilla/5.0 (compatible; FindItSpider/1.0)"]);
        let pace = c.between(6_000.0, 40_000.0);
        let mut t = start_ms as f64;
        loop {
            t += c.gap(pace);
            if t >= end_ms as f64 {
                break;
            }
            let dead = c.is(0.05);
            let path = if dead { format!("/product/old-{}", c.below(3_000)) } else { format!("/product/{}", c.below(800)) };
            let bytes = Some(c.lognormal(13_000.0, 0.6) as u64);
            let status = if dead { 404 } else { 200 };
            out.push(Request { time_ms: t as i64, host: SHOP, client: address(66, i), method: "GET", path, status, bytes, agent });
        }
    }
}

/// API clients, partners and the monitor call at their own steady pace.
fn programs(seed: u64, start_ms: i64, end_ms: i64, out: &mut Vec<Request>) {
    let mut c = Chance::new(seed, "programs");
    for i in 0..40 {
        let pace = c.between(4_000.0, 60_000.0);
        let mut t = start_ms as f64 + c.gap(pace);
        while t < end_ms as f64 {
            let path = format!("/v1/{}/{}", c.pick(&["orders", "stock", "prices"]), c.popular(500));
            let status = if c.is(0.01) {
                404
            } else if c.is(0.004) {
                503
            } else {
                200
            };
            let bytes = Some(c.lognormal(2_500.0, 0.7) as u64);
            let method = if c.is(0.2) { "POST" } else { "GET" };
            out.push(Request { time_ms: t as i64, host: API, client: address(93, i), method, path, status, bytes, agent: "orders-sync/3.4" });
            t += c.gap(pace);
        }
    }
    for i in 0..5 {
        let mut t = start_ms as f64 + c.between(0.0, 30_000.0);
        while t < end_ms as f64 {
            let bytes = Some(c.lognormal(40_000.0, 0.2) as u64);
            let path = format!("/feed/{i}.json");
            out.push(Request {
                time_ms: t as i64,
                host: FEED,
                client: address(94, i),
                method: "GET",
                path,
                status: 200,
                bytes,
                agent: "feed-reader/1.9",
            });
            t += 30_000.0 + c.between(-2_000.0, 2_000.0);
        }
    }
    let mut t = start_ms;
    while t < end_ms {
        for host in [SHOP, API] {
            let path = "/health".to_owned();
            out.push(Request {
                time_ms: t,
                host,
                client: address(95, 0),
                method: "GET",
                path,
                status: 200,
                bytes: Some(17),
                agent: "uptime-monitor/2",
            });
        }
        t += 60_000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_same_for_the_same_seed_and_follows_the_sun() {
        let day = quiet(7, 0, DAY_MS);
        assert_eq!(day, quiet(7, 0, DAY_MS));
        assert_ne!(day.len(), quiet(8, 0, DAY_MS).len());
        let shop = |from: i64, to: i64| day.iter().filter(|r| r.host == SHOP && (from..to).contains(&(r.time_ms / 3_600_000))).count();
        assert!(shop(19, 21) > 2 * shop(3, 5), "{} {}", shop(19, 21), shop(3, 5));
        assert!((100_000..600_000).contains(&day.len()), "{}", day.len());
    }

    #[test]
    fn a_line_reads_like_an_access_log() {
        let r = Request { time_ms: 0, host: SHOP, client: "81.0.0.1".into(), method: "GET", path: "/".into(), status: 304, bytes: None, agent: "x" };
        assert_eq!(r.line(), r#"shop.example 81.0.0.1 - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.1" 304 - "-" "x""#);
    }
}
