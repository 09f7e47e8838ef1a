//! What can go wrong with a cluster, and the one thing a caller needs to know: retry, hold or stop.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Ask again after a pause; it may pass.
    Retry,
    /// Asking again now is useless; keep the window and come back next cycle.
    Hold,
    /// It will not pass until a person acts.
    Stop,
}

/// The kinds of failure that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection: refused, reset, name unknown.
    Unreachable,
    /// The certificate is not trusted.
    UntrustedCertificate,
    /// No answer in time, or the engine gave up (`timed_out`).
    TimedOut,
    /// 401.
    Unauthorized,
    /// 403 that is not a block.
    Forbidden,
    /// The index does not exist, is closed, or the pattern matches nothing. Not the same as "no documents".
    NoIndex,
    /// 404 of anything else.
    NotFound,
    /// 409: somebody else was faster.
    Conflict,
    /// 429, 502, 503 or 504.
    Busy,
    /// A circuit breaker opened: the request needs too much memory.
    Breaker,
    /// More buckets than `search.max_buckets`.
    TooManyBuckets,
    /// The index is blocked for writing (flood stage, read-only).
    ReadOnly,
    /// 400: the engine does not understand or accept the request.
    Refused,
    /// The answer is not JSON: a proxy or a login page stands in between.
    NotJson,
    /// The answer ended early.
    CutBody,
    /// The answer is larger than the limit.
    BodyTooLarge,
    /// HTTP 200, but some shards failed.
    Partial,
    /// The point in time is gone (node restart, keep-alive over).
    PointInTimeGone,
    /// 500 and the like.
    Internal,
    /// What we were given cannot work: host, certificate file, credentials.
    Misconfigured,
}

/// What rustls says when the first bytes of an answer are no TLS.
pub(super) const NO_TLS: &str = "InvalidContentType";

/// A failed request: what happened, where, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}{detail} ({place}). {}", self.kind.says(), if self.detail.is_empty() { "no details" } else { "" }, self.kind.mend())]
pub struct ClusterError {
    /// Which kind of failure.
    pub kind: ErrorKind,
    /// Method, host and path; never credentials.
    pub place: String,
    /// What the engine or the network said.
    pub detail: String,
    /// How long the engine asked us to wait.
    pub retry_after: Option<Duration>,
}

/// Longest text of somebody else's that goes into a message.
const DETAIL_CHARS: usize = 300;

impl ErrorKind {
    /// What the caller should do.
    pub fn answer(self) -> Answer {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Busy | Self::CutBody | Self::Partial | Self::NotJson | Self::Internal => Answer::Retry,
            Self::NoIndex | Self::ReadOnly | Self::PointInTimeGone | Self::Breaker | Self::TooManyBuckets | Self::BodyTooLarge | Self::Conflict => {
                Answer::Hold
            }
            Self::UntrustedCertificate | Self::Unauthorized | Self::Forbidden | Self::NotFound | Self::Refused | Self::Misconfigured => Answer::Stop,
        }
    }

    /// True when a smaller page, or fewer documents at once, may pass.
    pub fn is_too_big(self) -> bool {
        matches!(self, Self::Breaker | Self::TooManyBuckets | Self::BodyTooLarge)
    }

    /// What happened, in a few words.
    pub fn says(self) -> &'static str {
        match self {
            Self::Unreachable => "the cluster cannot be reached",
            Self::UntrustedCertificate => "the cluster's certificate is not trusted",
            Self::TimedOut => "the cluster did not answer in time",
            Self::Unauthorized => "the cluster does not accept the credentials (401)",
            Self::Forbidden => "the credentials do not allow this (403)",
            Self::NoIndex => "no such index",
            Self::NotFound => "not found (404)",
            Self::Conflict => "somebody else wrote first (409)",
            Self::Busy => "the cluster is busy",
            Self::Breaker => "the cluster's circuit breaker opened",
            Self::TooManyBuckets => "too many buckets for one page",
            Self::ReadOnly => "the index is blocked for writing",
            Self::Refused => "the cluster refused the request",
            Self::NotJson => "the answer is not from a search engine",
            Self::CutBody => "the answer ended early",
            Self::BodyTooLarge => "the answer is too large",
            Self::Partial => "the answer is incomplete, shards failed",
            Self::PointInTimeGone => "the point in time is gone",
            Self::Internal => "the cluster failed",
            Self::Misconfigured => "the connection settings cannot work",
        }
    }

    /// What to do about it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Unreachable => "Check cluster.hosts, the port and whether the cluster is up",
            Self::UntrustedCertificate => "Set cluster.tls.ca_file to the authority that signed it, or cluster.tls.fingerprint",
            Self::TimedOut => "Raise cluster.request_timeout, or read smaller windows",
            Self::Unauthorized => "Check the user and password, API key or token, and whether it was revoked",
            Self::Forbidden => "Grant the role that `elkhound export role` prints",
            Self::NoIndex => "Check the index pattern; for Elkhound's own indices run `elkhound setup`",
            Self::NotFound => "Check the address; is a path missing from cluster.hosts?",
            Self::Conflict => "Nothing to do: it is read again",
            Self::Busy => "It is tried again more slowly; lower cluster.limits if this goes on",
            Self::Breaker => "It is tried again in smaller pages; give the nodes more heap if this goes on",
            Self::TooManyBuckets => "It is tried again in smaller pages",
            Self::ReadOnly => "Free disk space and lift the block (index.blocks.read_only_allow_delete: null); writing resumes by itself",
            Self::Refused => "Run `elkhound check`: a field or the mapping does not fit",
            Self::NotJson => "A proxy or login page answers instead of the cluster: check cluster.hosts",
            Self::CutBody => "It is read again; look at proxies in between if this goes on",
            Self::BodyTooLarge => "It is tried again in smaller pages; or raise cluster.max_body",
            Self::Partial => "Nothing is taken from such an answer; look at the cluster's health",
            Self::PointInTimeGone => "The window is read again from its start",
            Self::Internal => "It is tried again; look at the cluster's log",
            Self::Misconfigured => "Correct the cluster section of the configuration",
        }
    }
}

impl ClusterError {
    /// An error of a kind at a place.
    pub fn new(kind: ErrorKind, place: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self { kind, place: place.into(), detail: printable(detail.as_ref()), retry_after: None }
    }

    /// What is wrong when TLS meets a port that does not speak it.
    pub(super) fn plain_port(place: &str) -> Self {
        let detail = "cluster.hosts says https:// and the port speaks plain HTTP: write http:// and set cluster.allow_http: true, or name the port that speaks TLS";
        Self::new(ErrorKind::Misconfigured, place, detail)
    }

    /// What is wrong when plain HTTP meets a port that speaks TLS.
    pub(super) fn tls_port(place: &str) -> Self {
        Self::new(ErrorKind::Misconfigured, place, "cluster.hosts says http:// and the port speaks TLS: write https://")
    }

    /// What the caller should do.
    pub fn answer(&self) -> Answer {
        self.kind.answer()
    }

    /// True when trying again cannot help until a person acts.
    pub fn is_permanent(&self) -> bool {
        self.answer() == Answer::Stop
    }

    /// The error that a status and its body (of 400 or above) stand for.
    pub fn from_status(status: u16, body: &[u8], place: String) -> Self {
        let Ok(answer) = serde_json::from_slice::<ErrorBody>(body) else {
            let kind = match status {
                401 => ErrorKind::Unauthorized,
                403 => ErrorKind::Forbidden,
                408 | 429 | 502..=504 => ErrorKind::Busy,
                _ if status >= 500 => ErrorKind::Internal,
                _ => ErrorKind::NotJson,
            };
            return Self::new(kind, place, format!("status {status}: {}", String::from_utf8_lossy(body)));
        };
        let (name, reason) = answer.cause();
        Self::new(kind_of(status, &name, &answer.error.to_string()), place, format!("status {status}: {name} {reason}"))
    }
}

/// The body of a failed request.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: Value,
}

impl ErrorBody {
    /// Type and reason, from the innermost place that has them.
    fn cause(&self) -> (String, String) {
        let root = self.error.get("root_cause").and_then(|r| r.get(0));
        let failed = self.error.get("failed_shards").and_then(|s| s.get(0)).and_then(|s| s.get("reason"));
        let text = |v: &Value, k: &str| v.get(k).and_then(Value::as_str).unwrap_or_default().to_owned();
        for place in [root, failed, Some(&self.error)].into_iter().flatten() {
            if !text(place, "type").is_empty() {
                return (text(place, "type"), text(place, "reason"));
            }
        }
        (String::new(), self.error.as_str().map_or_else(|| self.error.to_string(), ToOwned::to_owned))
    }
}

/// The kind that a status, an exception's type and the whole error text stand for. Item errors of a bulk answer come
/// here too. The text is searched because engines wrap the telling exception in others.
pub fn kind_of(status: u16, name: &str, text: &str) -> ErrorKind {
    let has = |needle: &str| name == needle || text.contains(needle);
    if has("circuit_breaking_exception") {
        return ErrorKind::Breaker;
    }
    if has("too_many_buckets_exception") {
        return ErrorKind::TooManyBuckets;
    }
    if has("cluster_block_exception") && (has("read-only") || has("FORBIDDEN/")) {
        return ErrorKind::ReadOnly;
    }
    if has("search_context_missing_exception") || has("No search context found") {
        return ErrorKind::PointInTimeGone;
    }
    if has("index_not_found_exception") || has("index_closed_exception") || (has("no such index") && !has("alias")) {
        return ErrorKind::NoIndex;
    }
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        408 | 429 | 502..=504 => ErrorKind::Busy,
        400..=499 => ErrorKind::Refused,
        _ if has("search_phase_execution_exception") => ErrorKind::Partial,
        _ => ErrorKind::Internal,
    }
}

/// Foreign text made safe for a message: control characters escaped, cut to [`DETAIL_CHARS`].
fn printable(text: &str) -> String {
    let mut out: String =
        text.chars().take(DETAIL_CHARS).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if text.chars().count() > DETAIL_CHARS {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> ErrorKind {
        ClusterError::from_status(status, body.as_bytes(), "GET /x".into()).kind
    }

    #[test]
    fn what_engines_answer_is_told_apart() {
        let wrap = |name: &str, reason: &str| {
            format!(r#"{{"error":{{"root_cause":[{{"type":"{name}","reason":"{reason}"}}],"type":"{name}","reason":"{reason}"}},"status":400}}"#)
        };
        for (status, body, expected) in [
            (401, wrap("security_exception", "missing authentication credentials"), ErrorKind::Unauthorized),
            (403, wrap("security_exception", "action [x] is unauthorized"), ErrorKind::Forbidden),
            (403, wrap("cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];"), ErrorKind::ReadOnly),
            (
                429,
                wrap(
                    "cluster_block_exception",
                    "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];",
                ),
                ErrorKind::ReadOnly,
            ),
            (404, wrap("index_not_found_exception", "no such index [logs]"), ErrorKind::NoIndex),
            (400, wrap("index_closed_exception", "closed"), ErrorKind::NoIndex),
            (429, wrap("circuit_breaking_exception", "[parent] Data too large"), ErrorKind::Breaker),
            (429, wrap("es_rejected_execution_exception", "rejected execution"), ErrorKind::Busy),
            (503, wrap("too_many_buckets_exception", "Trying to create too many buckets"), ErrorKind::TooManyBuckets),
            (404, wrap("search_context_missing_exception", "No search context found for id [1]"), ErrorKind::PointInTimeGone),
            (409, wrap("version_conflict_engine_exception", "x"), ErrorKind::Conflict),
            (400, wrap("parsing_exception", "unknown query"), ErrorKind::Refused),
            (500, r#"{"error":"boom"}"#.to_owned(), ErrorKind::Internal),
            (502, "<html>bad gateway</html>".to_owned(), ErrorKind::Busy),
            (404, "<html>not here</html>".to_owned(), ErrorKind::NotJson),
        ] {
            assert_eq!(kind(status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_breaker_inside_a_failed_search_is_found() {
        let body = r#"{"error":{"root_cause":[],"type":"search_phase_execution_exception","reason":"","failed_shards":[],"caused_by":{"type":"too_many_buckets_exception","reason":"x","max_buckets":10}},"status":503}"#;
        assert_eq!(kind(503, body), ErrorKind::TooManyBuckets);
    }

    #[test]
    fn a_message_says_what_where_and_what_mends_it_in_printable_characters() {
        let e = ClusterError::new(ErrorKind::Unauthorized, "GET http://h:9200/", "status 401: \u{1b}[31mno");
        let text = e.to_string();
        assert!(text.starts_with("the cluster does not accept the credentials (401): status 401"), "{text}");
        assert!(text.contains("GET http://h:9200/") && text.contains("Check the user") && !text.contains('\u{1b}'), "{text}");
        assert!(e.is_permanent());
        assert!(printable(&"x".repeat(1000)).chars().count() == DETAIL_CHARS + 1);
    }
}
