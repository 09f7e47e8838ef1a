//! The small server: `/healthz`, `/readyz`, `/metrics`, `/stats` and the status page.
//!
//! Ready means: the configuration is loaded, the cluster and the store answered, and every job knows its next window. A fault
//! that passes leaves the worker in service; a job that waits for a person does not.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::Telemetry;
use crate::model::RunDocument;

/// Where the server listens unless told otherwise: this machine only.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9478";

/// What one job has done since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct JobStats {
    /// Job id.
    pub job: String,
    /// `starting`, `running`, `held` or `stopped`.
    pub state: String,
    /// Why the last window was held; empty when it was not.
    pub why: String,
    /// Everything before this instant is done, milliseconds of the epoch.
    pub done_until_ms: Option<i64>,
    /// How far that lies behind the clock, milliseconds.
    pub lag_ms: Option<i64>,
    /// Windows done.
    pub windows_done: u64,
    /// Times that a window was held.
    pub windows_held: u64,
    /// Documents read.
    pub documents: u64,
    /// Documents in no row.
    pub skipped_documents: u64,
    /// Documents that came too late.
    pub late_documents: u64,
    /// Rows scored: one for each entity and bucket.
    pub rows: u64,
    /// Anomalies reported.
    pub anomalies: u64,
    /// Searches sent.
    pub searches: u64,
    /// Requests sent again.
    pub retries: u64,
    /// CPU time, milliseconds.
    pub cpu_ms: u64,
    /// How the last window was read.
    pub strategy: String,
    /// What a person should look at although the last window is done.
    pub warnings: Vec<String>,
}

/// What the program says about itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Version of the program.
    pub version: String,
    /// Time since the start, milliseconds.
    pub uptime_ms: u64,
    /// True when every job is at work.
    pub is_ready: bool,
    /// By job id.
    pub jobs: Vec<JobStats>,
    /// The last windows, newest first.
    pub recent: Vec<RunDocument>,
}

/// Makes the status page.
pub type Page = Arc<dyn Fn(&Stats) -> String + Send + Sync>;

#[derive(Clone)]
struct Shared {
    telemetry: Telemetry,
    page: Page,
}

/// Takes the address, or says why it cannot be had.
pub async fn bind(address: &str) -> Result<TcpListener, String> {
    let parsed: SocketAddr =
        address.parse().map_err(|e| format!("address `{address}` of the health server cannot be read ({e}); write it as 127.0.0.1:9478"))?;
    let listener =
        TcpListener::bind(parsed).await.map_err(|e| format!("the health server cannot listen on {parsed}: {e}; choose another address"))?;
    if !parsed.ip().is_loopback() {
        tracing::warn!(elkhound.health.address = %parsed, "health server can be reached from other machines; it asks nobody who they are");
    }
    Ok(listener)
}

/// Serves until `shutdown` is done, then lets open answers finish.
pub async fn serve(
    listener: TcpListener,
    telemetry: Telemetry,
    page: Page,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(telemetry, page)).with_graceful_shutdown(shutdown).await
}

/// The routes.
pub fn router(telemetry: Telemetry, page: Page) -> Router {
    Router::new()
        .route("/healthz", get(|| async { plain(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into()) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/", get(status))
        .with_state(Shared { telemetry, page })
}

async fn ready(State(shared): State<Shared>) -> Response {
    let stats = shared.telemetry.stats();
    if stats.is_ready {
        return plain(StatusCode::OK, "text/plain; charset=utf-8", "ready\n".into());
    }
    let waiting: Vec<String> = stats.jobs.iter().filter(|j| j.state != "running" && j.state != "stopped").map(describe).collect();
    let text = if waiting.is_empty() { "no job has started yet\n".to_owned() } else { waiting.concat() };
    plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
}

fn describe(job: &JobStats) -> String {
    let why = if job.why.is_empty() { String::new() } else { format!(": {}", job.why) };
    format!("job {} is {}{why}\n", job.job, job.state)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    plain(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", shared.telemetry.metrics_text())
}

async fn stats(State(shared): State<Shared>) -> Response {
    let body = serde_json::to_string(&shared.telemetry.stats()).unwrap_or_default();
    plain(StatusCode::OK, "application/json", body)
}

async fn status(State(shared): State<Shared>) -> Response {
    plain(StatusCode::OK, "text/html; charset=utf-8", (shared.page)(&shared.telemetry.stats()))
}

fn plain(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn every_route_answers_and_the_server_stops_when_told() {
        let telemetry = Telemetry::silent();
        let listener = bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let page: Page = Arc::new(|s| format!("<p>{} jobs", s.jobs.len()));
        let server = tokio::spawn(serve(listener, telemetry.clone(), page, async {
            let _ = stopped.await;
        }));
        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/readyz").await.contains("no job has started yet"));
        telemetry.window_held("web", "index `logs` is not there", true);
        let held = ask(address, "/readyz").await;
        assert!(held.starts_with("HTTP/1.1 503") && held.contains("job web is held: index `logs` is not there"), "{held}");
        telemetry.job_ready("web");
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/metrics").await.contains("# EOF"));
        assert!(ask(address, "/stats").await.contains("\"windows_held\":1"));
        let page = ask(address, "/").await;
        assert!(page.contains("<p>1 jobs") && page.contains("x-frame-options: DENY"), "{page}");
        assert!(ask(address, "/../etc/passwd").await.starts_with("HTTP/1.1 404"));
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_is_named() {
        assert!(bind("localhost").await.unwrap_err().contains("`localhost`"));
        let taken = bind("127.0.0.1:0").await.unwrap();
        let again = bind(&taken.local_addr().unwrap().to_string()).await.unwrap_err();
        assert!(again.contains("choose another address"), "{again}");
    }
}
