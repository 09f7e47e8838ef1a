//! One request to a cluster, done properly: budget, hosts, credentials, size and time limits, and the only retry.
//!
//! It speaks plain JSON over the `elasticsearch` crate's transport, which both products accept; the crate's own media
//! type (`compatible-with=9`) is refused by OpenSearch and by older Elasticsearch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::http::Method;
use elasticsearch::http::headers::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use elasticsearch::http::transport::Transport;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect::{self, ClusterOptions};
use super::error::{Answer, ClusterError, ErrorKind, NO_TLS};
use super::limit::Budget;
use super::timer::Timer;

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    is_ndjson: bool,
    is_once: bool,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, is_ndjson: false, is_once: false }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// A POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }

    /// A PUT.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::Put, path)
    }

    /// A DELETE.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// Adds a parameter.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.bytes(Bytes::from(body.to_string()))
    }

    /// Sets a body that is JSON already.
    pub fn bytes(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets a body of JSON lines.
    pub fn ndjson(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self.is_ndjson = true;
        self
    }

    /// Forbids sending it twice: a compare-and-set whose answer was lost must be looked at, not repeated.
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }
}

/// Joins segments to a path; every byte that could end a segment or change the path is escaped.
pub fn path(segments: &[&str]) -> String {
    let mut out = String::new();
    for segment in segments {
        out.push('/');
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b',' | b'~' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

/// An answer with status 2xx whose body is JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// How long the last attempt took.
    pub took: Duration,
    /// Attempts before the one that worked.
    pub retries: u32,
    /// Method, host and path.
    pub place: String,
}

impl Reply {
    /// Reads the body. A body that ends early or has another shape is an error, never "empty".
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClusterError> {
        serde_json::from_slice(&self.body).map_err(|e| self.unreadable(&e))
    }

    /// The error for a body that could not be read.
    pub fn unreadable(&self, e: &serde_json::Error) -> ClusterError {
        let kind = if e.is_eof() { ErrorKind::CutBody } else { ErrorKind::NotJson };
        ClusterError::new(kind, self.place.clone(), e.to_string())
    }
}

/// What a cluster cost us so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Of these, sent again.
    pub retries: u64,
    /// Bytes of answers, decompressed.
    pub received_bytes: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Points in time that we hold open now.
    pub open_points_in_time: i64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    open_points_in_time: AtomicI64,
}

/// A cluster: several hosts, one budget. Cheap to clone; all clones share both.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hosts: Vec<(String, Transport)>,
    current: AtomicUsize,
    budget: Budget,
    request_timeout: Duration,
    max_body_bytes: u64,
    counters: Counters,
}

impl Cluster {
    /// Connects: checks the options and, when a fingerprint is given, fetches and compares certificates.
    /// Sends nothing else.
    pub async fn connect(options: &ClusterOptions, timer: Arc<dyn Timer>) -> Result<Self, ClusterError> {
        let hosts = connect::transports(options).await?;
        let shared = Shared {
            hosts,
            current: AtomicUsize::new(0),
            budget: Budget::new(options.limits, timer, options.seed),
            request_timeout: options.request_timeout,
            max_body_bytes: options.max_body_bytes,
            counters: Counters::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The load budget.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// What it cost so far.
    pub fn usage(&self) -> Usage {
        let c = &self.shared.counters;
        Usage {
            requests: c.requests.load(Ordering::Relaxed),
            retries: c.retries.load(Ordering::Relaxed),
            received_bytes: c.received_bytes.load(Ordering::Relaxed),
            sent_bytes: c.sent_bytes.load(Ordering::Relaxed),
            open_points_in_time: c.open_points_in_time.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_point_in_time(&self, change: i64) {
        self.shared.counters.open_points_in_time.fetch_add(change, Ordering::Relaxed);
    }

    /// Uses other credentials from now on (a rotated key).
    pub fn set_credentials(&self, credentials: &connect::Credentials) -> Result<(), ClusterError> {
        if let Some(c) = connect::transport_credentials(credentials)? {
            for (_, transport) in &self.shared.hosts {
                transport.set_auth(c.clone());
            }
        }
        Ok(())
    }

    /// Sends a request until it is answered well, a person is needed, or the attempts are used up.
    pub async fn send(&self, call: Call) -> Result<Reply, ClusterError> {
        Ok(self.send_checked(call, |_| Ok(())).await?.0)
    }

    /// As [`Cluster::send`]; an answer counts only if `check` accepts it, for HTTP 200 is not success.
    pub async fn send_checked<T: Send>(
        &self,
        call: Call,
        check: impl Fn(&Reply) -> Result<T, ClusterError> + Send,
    ) -> Result<(Reply, T), ClusterError> {
        let attempts = if call.is_once { 1 } else { self.shared.budget.limits().attempts.max(1) };
        let mut attempt = 1;
        loop {
            let checked = self.send_once(&call).await.and_then(|reply| Ok((check(&reply)?, reply)));
            let error = match checked {
                Ok((value, reply)) => return Ok((Reply { retries: attempt - 1, ..reply }, value)),
                Err(error) => error,
            };
            if error.answer() != Answer::Retry || attempt >= attempts {
                return Err(error);
            }
            let pause = self.before_retry(&error, attempt);
            self.shared.budget.sleep(pause).await;
            attempt += 1;
        }
    }

    /// As [`Cluster::send`], and reads the body.
    pub async fn fetch<T: DeserializeOwned + Send>(&self, call: Call) -> Result<T, ClusterError> {
        Ok(self.send_checked(call, Reply::read).await?.1)
    }

    /// Counts a retry, moves on to another host where that can help, and says how long to wait.
    pub(super) fn before_retry(&self, error: &ClusterError, attempt: u32) -> Duration {
        self.shared.counters.retries.fetch_add(1, Ordering::Relaxed);
        if matches!(error.kind, ErrorKind::Busy | ErrorKind::Breaker) {
            return self.shared.budget.pushed_back(attempt, error.retry_after);
        }
        self.shared.budget.pause(attempt, error.retry_after)
    }

    /// One attempt on the current host.
    async fn send_once(&self, call: &Call) -> Result<Reply, ClusterError> {
        let shared = &*self.shared;
        let index = shared.current.load(Ordering::Relaxed);
        let Some((host, transport)) = shared.hosts.get(index % shared.hosts.len().max(1)) else {
            return Err(ClusterError::new(ErrorKind::Misconfigured, "cluster.hosts", "no host is given"));
        };
        let place = format!("{} {host}{}", method_name(call.method), call.path);
        let _permit = shared.budget.enter().await;
        let started = shared.budget.timer().now();
        shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let sent = call.body.as_ref().map_or(0, |b| b.len() as u64);
        shared.counters.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        let result = self.exchange(transport, call, &place).await;
        let took = shared.budget.timer().now().saturating_sub(started);
        match result {
            Ok(reply) => {
                shared.counters.received_bytes.fetch_add(reply.body.len() as u64, Ordering::Relaxed);
                shared.budget.answered(sent + reply.body.len() as u64, took);
                Ok(Reply { took, ..reply })
            }
            Err(error) => {
                if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::Busy | ErrorKind::NotJson | ErrorKind::CutBody) {
                    // Only the first of several callers that fail on this host moves on.
                    let _ = shared.current.compare_exchange(index, (index + 1) % shared.hosts.len().max(1), Ordering::Relaxed, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    async fn exchange(&self, transport: &Transport, call: &Call, place: &str) -> Result<Reply, ClusterError> {
        let shared = &*self.shared;
        let mut headers = HeaderMap::new();
        let content = if call.is_ndjson { "application/x-ndjson" } else { "application/json" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("elkhound/", env!("CARGO_PKG_VERSION"))));
        let failed = |e: &(dyn std::error::Error + 'static), timed_out| network_error(e, timed_out, place);
        let answer = transport
            .send(call.method, &call.path, headers, Some(&call.query), call.body.clone(), Some(shared.request_timeout))
            .await
            .map_err(|e| failed(&e, e.is_timeout()))?;
        let status = answer.status_code().as_u16();
        let retry_after = seconds(answer.headers(), "retry-after");
        // Not `content_type()`: it panics without that header.
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let too_large = |n: u64| ClusterError::new(ErrorKind::BodyTooLarge, place, format!("{n} bytes, the limit is {}", shared.max_body_bytes));
        if let Some(announced) = answer.content_length().filter(|&n| n > shared.max_body_bytes) {
            return Err(too_large(announced));
        }
        let body = answer.bytes().await.map_err(|e| {
            let error = failed(&e, e.is_timeout());
            if error.kind == ErrorKind::Unreachable { ClusterError { kind: ErrorKind::CutBody, ..error } } else { error }
        })?;
        if body.len() as u64 > shared.max_body_bytes {
            return Err(too_large(body.len() as u64));
        }
        if !(200..300).contains(&status) {
            return Err(ClusterError { retry_after, ..ClusterError::from_status(status, &body, place.to_owned()) });
        }
        if !content_type.contains("json") && !matches!(body.first(), Some(b'{' | b'[')) {
            let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            return Err(ClusterError::new(ErrorKind::NotJson, place, format!("{content_type} {start}")));
        }
        Ok(Reply { status, body, took: Duration::ZERO, retries: 0, place: place.to_owned() })
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
        Method::Head => "HEAD",
    }
}

/// A header that holds a number of seconds. (The other form, a date, needs a wall clock; our own pause serves.)
fn seconds(headers: &HeaderMap, name: &'static str) -> Option<Duration> {
    headers.get(HeaderName::from_static(name))?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The address stands in the place of an error already.
fn without_url(text: &str) -> String {
    let parts = text.split_once(" for url (").and_then(|(before, rest)| Some((before, rest.split_once(')')?.1)));
    parts.map_or_else(|| text.to_owned(), |(before, after)| format!("{before}{after}"))
}

/// The kind of a failure below HTTP, from the chain of causes.
fn network_error(error: &(dyn std::error::Error + 'static), timed_out: bool, place: &str) -> ClusterError {
    let mut text = without_url(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = without_url(&cause.to_string());
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if text.contains(NO_TLS) {
        return ClusterError::plain_port(place);
    }
    let kind = if timed_out {
        ErrorKind::TimedOut
    } else if text.contains("certificate") {
        ErrorKind::UntrustedCertificate
    } else {
        ErrorKind::Unreachable
    };
    ClusterError::new(kind, place, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_patterns_and_escapes_everything_that_could_leave_it() {
        assert_eq!(path(&["logs-*,web", "_search"]), "/logs-*,web/_search");
        assert_eq!(path(&["a/../_all?x#y", "é"]), "/a%2F..%2F_all%3Fx%23y/%C3%A9");
        assert_eq!(path(&["remote:logs"]), "/remote%3Alogs");
    }
}
