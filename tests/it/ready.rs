//! A worker beside a cluster that fails for a while at the start: it waits, and is in service as soon as its jobs are planned.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use elkhound::setup::Kind;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

use crate::support::script::{json as answer, on};

/// Ends the worker also when the test fails.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Status line and body of `/readyz`, or nothing while nobody listens.
async fn ready(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}/readyz");
    let ask = || -> std::io::Result<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {url}\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_a_cluster_that_fails_for_a_while_and_is_ready_before_its_first_window_is_done() {
    let server = MockServer::start().await;
    let none = json!({ "error": { "type": "resource_not_found_exception", "reason": "none" }, "status": 404 });
    on(&server, "GET", "/", vec![answer(200, json!({ "version": { "number": "2.19.1", "distribution": "opensearch" } }))]).await;
    let list: Vec<_> = Kind::ALL.iter().map(|k| json!({ "name": k.alias("elkhound"), "index_template": {} })).collect();
    let busy = answer(503, json!({ "error": { "type": "process_cluster_event_timeout_exception", "reason": "no master" }, "status": 503 }));
    on(&server, "GET", "/_index_template/elkhound-*", vec![busy, answer(200, json!({ "index_templates": list }))]).await;
    // The first window is never done: its search takes longer than the test.
    on(&server, "POST", "/logs/_search", vec![answer(200, json!({})).set_delay(Duration::from_secs(600))]).await;
    Mock::given(any()).respond_with(answer(404, none)).mount(&server).await;

    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder.path().join("elkhound.yaml");
    let text = format!(
        "cluster: {{ hosts: [\"{}\"], allow_http: true, limits: {{ attempts: 1 }} }}\nstate: {{ store: folder, folder: state }}\n\
         telemetry: {{ listen: \"127.0.0.1:{port}\" }}\njobs: [{{ id: web, preset: web_access, index: logs }}]\n",
        server.uri()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_elkhound"));
    command.args(["run", "-c"]).arg(&file).env_remove("ELKHOUND_CONFIG").stdout(Stdio::null()).stderr(Stdio::null());
    let mut worker = Worker(command.spawn().unwrap());
    let mut said = Vec::new();
    for _ in 0..300 {
        let text = ready(port).await;
        if said.last() != Some(&text) {
            said.push(text);
        }
        if said.last().is_some_and(|t| t.starts_with("HTTP/1.1 200")) {
            break;
        }
        assert_eq!(worker.0.try_wait().unwrap(), None, "the worker ended: {said:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(said.last().is_some_and(|t| t.starts_with("HTTP/1.1 200")), "{said:#?}");
    assert!(said.iter().any(|t| t.starts_with("HTTP/1.1 503") && t.contains("no master")), "{said:#?}");
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.iter().filter(|r| r.url.path() == "/_index_template/elkhound-*").count(), 2);
}
