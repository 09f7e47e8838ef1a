//! Access logs of Apache and nginx: common and combined, with or without the virtual host in front and extras behind.

use std::io::Write;

use memchr::{memchr, memchr2, memchr3};

use super::clock::{COMMON_LENGTH, Clock};
use super::targets::{Target, number_of};
use super::{FormatOptions, LineReader, LogFormat, ReadLine, words};
use crate::model::{EventBatch, Fields, Part};

/// What is said of a line of another shape.
const UNPARSED: &str = "unparsed_line";
/// The names by which each part of a line can be read, in the order of [`Reader::new`].
const PARTS: [&[&str]; 12] = [
    &["source.ip", "source.address", "client.ip", "client.address"],
    &["user.name"],
    &["http.request.method"],
    &["url.path"],
    &["url.query"],
    &["http.version"],
    &["url.original"],
    &["http.response.status_code"],
    &["http.response.body.bytes", "http.response.bytes"],
    &["http.request.referrer"],
    &["user_agent.original"],
    &["url.domain", "host.name"],
];

/// The format.
pub struct AccessLog;

impl LogFormat for AccessLog {
    fn part(&self) -> Part {
        Part {
            name: "access_log",
            description: "Access log of Apache or nginx: common or combined, with or without the virtual host.",
            example: r#"192.0.2.7 - alice [31/Jan/2026:12:00:00 +0000] "GET /search?q=1 HTTP/1.1" 200 512 "-" "Mozilla/5.0""#,
        }
    }

    fn names(&self, _lines: &[&[u8]]) -> Vec<String> {
        PARTS.iter().flat_map(|names| names.iter()).map(|n| (*n).to_owned()).collect()
    }

    fn reader(&self, fields: &Fields, options: &FormatOptions) -> Box<dyn LineReader> {
        Box::new(Reader::new(fields, options))
    }
}

struct Reader {
    clock: Clock,
    address: Vec<u8>,
    client: Target,
    user: Target,
    method: Target,
    path: Target,
    query: Target,
    version: Target,
    original: Target,
    status: Target,
    size: Target,
    referrer: Target,
    agent: Target,
    domain: Target,
    wants_request: bool,
    wants_quoted: bool,
}

impl Reader {
    fn new(fields: &Fields, options: &FormatOptions) -> Self {
        let [client, user, method, path, query, version, original, status, size, referrer, agent, domain] =
            PARTS.map(|names| Target::mapped(names, fields, options));
        let mut out = Self {
            clock: Clock::default(),
            address: Vec::new(),
            client,
            user,
            method,
            path,
            query,
            version,
            original,
            status,
            size,
            referrer,
            agent,
            domain,
            wants_request: false,
            wants_quoted: false,
        };
        out.wants_request = [out.method, out.path, out.query, out.version, out.original, out.domain].iter().any(|t| t.is_wanted());
        out.wants_quoted = out.referrer.is_wanted() || out.agent.is_wanted();
        out
    }

    /// What stands before the time: `[vhost] client ident user`; false when it is not that.
    fn prefix(&mut self, prefix: &[u8], batch: &mut EventBatch) -> bool {
        let Some((first, mut rest)) = token(prefix) else { return false };
        if first.ends_with(b",") {
            // A list of forwarded addresses: the first is the client, the others are of no use.
            while let Some((word, behind)) = token(rest).filter(|_| !rest.is_empty()) {
                rest = behind;
                if !word.ends_with(b",") {
                    break;
                }
            }
        }
        let Some((second, after_second)) = token(rest) else { return false };
        // `vhost client ident user`: a second word that looks like an address or a host name, with two more behind.
        // (An ident is `-` nearly everywhere; a user name may hold spaces.)
        let is_vhost = second.iter().any(|b| matches!(b, b'.' | b':')) && token(after_second).is_some_and(|(_, r)| !r.trim_ascii().is_empty());
        let (client, user) = if is_vhost {
            self.domain.text(batch, host_of(first));
            (second, token(after_second).map_or(&b""[..], |(_, r)| r))
        } else {
            (first, after_second)
        };
        self.client(client, batch);
        let user = user.trim_ascii();
        if self.user.is_wanted() && !matches!(user, b"" | b"-" | b"\"\"") {
            self.user.text(batch, user);
        }
        true
    }

    /// The client: a host name or an address, in its canonical spelling.
    #[inline]
    fn client(&mut self, text: &[u8], batch: &mut EventBatch) {
        if !self.client.is_wanted() {
            return;
        }
        let text = match memchr2(b',', b':', text) {
            None => text,
            Some(mark) if text[mark] == b',' => &text[..mark],
            Some(_) => canonical_address(memchr(b',', text).map_or(text, |i| &text[..i]), &mut self.address),
        };
        if text != b"-" {
            self.client.text(batch, text);
        }
    }

    /// `GET /path?query HTTP/1.1`, or whatever a client sent instead.
    fn request(&self, request: &[u8], batch: &mut EventBatch) {
        // TLS bytes, an empty request or `-`: there is no method and no path.
        let Some(space) = end_of_method(request) else { return };
        let (method, target) = (&request[..space], &request[space + 1..]);
        let (mut target, version) = split_version(target);
        if !version.is_empty() {
            self.version.text(batch, version);
        }
        self.method.text(batch, method);
        if target.is_empty() {
            return;
        }
        self.original.text(batch, target);
        if target[0] != b'/'
            && let Some(host) = target.windows(3).position(|w| w == b"://").map(|i| i + 3)
        {
            let end = memchr(b'/', &target[host..]).map_or(target.len(), |i| host + i);
            self.domain.text(batch, host_of(&target[host..end]));
            target = if end == target.len() { b"/" } else { &target[end..] };
        }
        let query = if self.path.is_wanted() || self.query.is_wanted() { memchr(b'?', target) } else { None };
        self.path.text(batch, query.map_or(target, |i| &target[..i]));
        if let Some(i) = query {
            self.query.text(batch, &target[i + 1..]);
        }
    }

    /// What stands behind the request: `status size ["referrer" "agent" ...]`; false when it is not that.
    fn response(&self, rest: &[u8], batch: &mut EventBatch) -> bool {
        let Some(rest) = self.usual_response(rest, batch).or_else(|| self.any_response(rest, batch)) else { return false };
        if self.wants_quoted {
            let (referrer, rest) = quoted(rest);
            set_quoted(self.referrer, referrer, batch);
            set_quoted(self.agent, quoted(rest).0, batch);
        }
        true
    }

    /// ` 200 1234 `, as nearly every response is written: a size of at most seven digits. Returned is what follows.
    #[inline]
    fn usual_response<'a>(&self, rest: &'a [u8], batch: &mut EventBatch) -> Option<&'a [u8]> {
        let (start, rest) = rest.split_first_chunk::<5>()?;
        let [b' ', status @ .., b' '] = start else { return None };
        let number = status_of(status)?;
        let (size, length) = words::digits(rest.first_chunk()?)?;
        let (text, rest) = rest.split_at_checked(length)?;
        self.status.number(batch, number, status);
        self.size.number(batch, f64::from(size), text);
        rest.get(1..)
    }

    fn any_response<'a>(&self, rest: &'a [u8], batch: &mut EventBatch) -> Option<&'a [u8]> {
        let (status, rest) = token(rest)?;
        if status != b"-" {
            self.status.number(batch, status_of(status)?, status);
        }
        let (size, rest) = token(rest)?;
        if size.first().is_some_and(u8::is_ascii_digit) {
            self.size.number(batch, number_of(size), size);
        } else if size != b"-" {
            return None;
        }
        Some(rest)
    }
}

impl LineReader for Reader {
    fn read(&mut self, line: &[u8], batch: &mut EventBatch) -> ReadLine {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return ReadLine::Nothing;
        }
        let what = self.read_parts(line, batch);
        if !matches!(what, Ok(())) {
            batch.discard();
        }
        what.map_or_else(ReadLine::Problem, |()| ReadLine::Event)
    }
}

impl Reader {
    /// `client - - [time] "`, at the same time as the line before, as nearly every line begins: client, time and what follows.
    /// The client is a plain word.
    #[inline]
    fn usual_start<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], i64, &'a [u8])> {
        const BEFORE: usize = b" - - [".len();
        let (client, rest) = line.split_at(memchr3(b' ', b',', b':', line).filter(|&i| i > 0)?);
        let (start, rest) = rest.split_first_chunk::<{ BEFORE + COMMON_LENGTH + 3 }>()?;
        let (before, start) = start.split_first_chunk::<BEFORE>()?;
        let (time, behind) = start.split_first_chunk::<COMMON_LENGTH>()?;
        if before != b" - - [" || behind != b"] \"" || client == b"-" {
            return None;
        }
        Some((client, self.clock.again(time)?, rest))
    }

    /// Client, user and domain go into the batch; returned are the time and what follows the quote of the request.
    fn start<'a>(&mut self, line: &'a [u8], batch: &mut EventBatch) -> Result<(i64, &'a [u8]), &'static str> {
        if let Some((client, time_ms, after)) = self.usual_start(line) {
            self.client.text(batch, client);
            return Ok((time_ms, after));
        }
        // A bracket in front of the time may belong to an address or a user name: the one with ` "` behind its end counts.
        let mut open = memchr(b'[', line).ok_or(UNPARSED)?;
        let (time, after) = loop {
            let close = memchr(b']', &line[open..]).map(|i| open + i).ok_or(UNPARSED)?;
            let after = &line[close + 1..];
            if let Some(request) = after.strip_prefix(b" \"") {
                break (&line[open + 1..close], request);
            }
            open = memchr(b'[', &line[open + 1..]).map(|i| open + 1 + i).ok_or(UNPARSED)?;
        };
        let time_ms = self.clock.parse(time).ok_or("bad_time")?;
        if self.prefix(&line[..open], batch) { Ok((time_ms, after)) } else { Err(UNPARSED) }
    }

    fn read_parts(&mut self, line: &[u8], batch: &mut EventBatch) -> Result<(), &'static str> {
        let (time_ms, after) = self.start(line, batch)?;
        let end = closing_quote(after).ok_or(UNPARSED)?;
        if self.wants_request {
            self.request(&after[..end], batch);
        }
        if !self.response(&after[end + 1..], batch) {
            return Err(UNPARSED);
        }
        batch.push(time_ms);
        Ok(())
    }
}

/// Three digits as a number.
#[inline]
fn status_of(status: &[u8]) -> Option<f64> {
    let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = status else { return None };
    Some(f64::from([a, b, c].iter().fold(0, |n, &d| n * 10 + u32::from(d - b'0'))))
}

/// The next word and what follows it; `None` at the end.
#[inline]
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text.iter().position(|&b| b != b' ')?;
    let text = &text[start..];
    let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or(b"")))
}

/// Where a quoted text ends: the first quote that is not escaped by a backslash.
#[inline]
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', &text[from..])?;
        let backslashes = text[..at].iter().rev().take_while(|&&b| b == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The next quoted text, if there is one, and what follows it.
fn quoted(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(open) = memchr(b'"', text) else { return (None, b"") };
    let inside = &text[open + 1..];
    match closing_quote(inside) {
        Some(end) => (Some(&inside[..end]), &inside[end + 1..]),
        // Cut in the middle: what is there is the text.
        None => (Some(inside), b""),
    }
}

fn set_quoted(target: Target, value: Option<&[u8]>, batch: &mut EventBatch) {
    if let Some(value) = value.filter(|v| !v.is_empty() && *v != b"-")
        && target.is_wanted()
    {
        target.text(batch, value);
    }
}

/// Where a word of capitals ends that a request begins with, such as `GET` or `VERSION-CONTROL`.
#[inline]
fn end_of_method(request: &[u8]) -> Option<usize> {
    if let Some(length) = request.first_chunk().and_then(words::capitals) {
        return Some(length);
    }
    let end = request.iter().position(|b| !b.is_ascii_uppercase() && !matches!(b, b'-' | b'_'))?;
    (request[end] == b' ' && (1..=24).contains(&end)).then_some(end)
}

/// A target and its version: `1.1` of `/path HTTP/1.1`; an empty one when there is none.
#[inline]
fn split_version(target: &[u8]) -> (&[u8], &[u8]) {
    if let Some((before, last)) = target.split_last_chunk::<9>()
        && last.starts_with(b" HTTP/")
        && !last[6..].contains(&b' ')
    {
        return (before, &target[before.len() + 6..]);
    }
    match target.iter().rposition(|&b| b == b' ').filter(|&i| target[i + 1..].starts_with(b"HTTP/")) {
        Some(at) => (&target[..at], &target[at + 6..]),
        None => (target, b""),
    }
}

/// A host without its port.
fn host_of(text: &[u8]) -> &[u8] {
    match text.iter().rposition(|&b| b == b':') {
        Some(i) if i + 1 < text.len() && text[i + 1..].iter().all(u8::is_ascii_digit) => &text[..i],
        _ => text,
    }
}

/// An address in the spelling that engines give back: IPv6 as RFC 5952 has it, IPv4 mapped into IPv6 as IPv4, IPv4 without
/// a port. Anything else stays as it is.
fn canonical_address<'a>(text: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    let bare = text.strip_prefix(b"[").and_then(|t| memchr(b']', t).map(|i| &t[..i])).unwrap_or(text);
    let Ok(bare) = std::str::from_utf8(bare) else { return text };
    if let Ok(address) = bare.parse::<std::net::Ipv6Addr>() {
        buffer.clear();
        // Writing into memory has no way to fail.
        let _ = write!(buffer, "{}", address.to_canonical());
        return buffer;
    }
    match bare.rsplit_once(':') {
        Some((host, _)) if host.parse::<std::net::Ipv4Addr>().is_ok() => &text[..host.len()],
        _ => text,
    }
}

#[cfg(test)]
mod tests;
