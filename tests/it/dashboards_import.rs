//! Importing dashboards, against scripted answers of both products.

use elkhound::dashboards::import::{ImportError, Imported, Login, Place, import};
use elkhound::dashboards::{Logs, Target, ndjson, objects};
use elkhound::model::ids::log_view_id;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn count(target: Target) -> usize {
    ndjson(target, "elkhound").lines().count()
}

async fn server(version: &str) -> MockServer {
    let server = MockServer::start().await;
    let status = json!({ "name": "x", "version": { "number": version }, "status": {} });
    Mock::given(method("GET")).and(path("/api/status")).respond_with(ResponseTemplate::new(200).set_body_json(status)).mount(&server).await;
    server
}

async fn answering(version: &str, status: u16, body: Value) -> Result<Imported, ImportError> {
    let server = server(version).await;
    Mock::given(method("POST"))
        .and(path("/api/saved_objects/_import"))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(&server)
        .await;
    import(&Place { url: server.uri(), ..Place::default() }).await
}

#[tokio::test]
async fn each_product_gets_its_file_as_it_wants_it() {
    for (version, target, name) in [("2.19.4", Target::OpenSearch, "OpenSearch Dashboards 2.19.4"), ("9.4.0", Target::Kibana, "Kibana 9.4.0")] {
        let server = server(version).await;
        Mock::given(method("POST"))
            .and(path("/api/saved_objects/_import"))
            .and(query_param("overwrite", "true"))
            .and(header("kbn-xsrf", "elkhound"))
            .and(header("osd-xsrf", "elkhound"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": true, "successCount": count(target) })))
            .expect(2)
            .mount(&server)
            .await;
        let place = Place { url: format!("{}/", server.uri()), login: Login::Basic("u".into(), "p".into()), ..Place::default() };
        for _ in 0..2 {
            let done = import(&place).await.unwrap();
            assert_eq!((done.server.as_str(), done.objects, done.warning.as_str()), (name, count(target) as u64, ""));
        }
        let requests: Vec<Request> = server.received_requests().await.unwrap();
        let post = requests.iter().find(|r| r.method.as_str() == "POST").unwrap();
        let body = String::from_utf8(post.body.clone()).unwrap();
        assert!(body.contains("name=\"file\"; filename=\"elkhound.ndjson\"") && body.contains(&ndjson(target, "elkhound")));
        assert_eq!(post.url.query(), Some("overwrite=true"), "no parameter that only one product knows");
        assert!(post.headers["authorization"].to_str().unwrap().starts_with("Basic "));
    }
}

#[tokio::test]
async fn space_tenant_and_workspace_reach_the_server() {
    let server = MockServer::start().await;
    let status = json!({ "version": { "number": "2.19.4" } });
    Mock::given(method("GET"))
        .and(path("/s/my%20team/api/status"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&status))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/s/my+team/api/status"))
        .respond_with(ResponseTemplate::new(200).set_body_json(&status))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(query_param("workspaces", "w1"))
        .and(header("securitytenant", "blue"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": true, "successCount": count(Target::OpenSearch) })))
        .expect(1)
        .mount(&server)
        .await;
    let place = Place { url: server.uri(), space: "my team".into(), tenant: "blue".into(), workspace: "w1".into(), ..Place::default() };
    import(&place).await.unwrap();
}

#[tokio::test]
async fn success_is_believed_only_when_it_counts_every_object() {
    let none = answering("2.19.4", 200, json!({ "success": true, "successCount": 0 })).await.unwrap_err();
    assert!(none.message.contains("took 0 of"), "{none}");
    let partly = json!({ "success": false, "successCount": 3, "errors": [
        { "id": "elkhound-overview", "type": "dashboard", "error": { "type": "conflict" } },
        { "id": "elkhound-health", "type": "dashboard", "error": { "type": "unknown", "message": "mapping set to strict" } },
    ] });
    let partly = answering("2.19.4", 200, partly).await.unwrap_err();
    for said in ["3 of", "dashboard elkhound-overview: exists already", "mapping set to strict"] {
        assert!(partly.message.contains(said), "{said}: {partly}");
    }
    let missing = json!({ "success": false, "successCount": 40, "errors": [
        { "id": "elkhound-x", "type": "visualization", "error": { "type": "missing_references", "references": [{ "type": "index-pattern", "id": "gone" }] } },
    ] });
    let missing = answering("9.0.0", 200, missing).await.unwrap_err();
    assert!(missing.message.contains("nothing was written") && missing.message.contains("index-pattern gone"), "{missing}");
    let type_clash =
        json!({ "success": false, "successCount": 0, "errors": [{ "id": "a", "type": "lens", "error": { "type": "unsupported_type" } }] });
    assert!(answering("3.7.0", 200, type_clash).await.unwrap_err().message.contains("does not know the type"));
}

#[tokio::test]
async fn a_second_import_replaces_and_a_careful_one_is_told_what_is_there() {
    let sent = count(Target::Kibana);
    let results: Vec<Value> = objects(Target::Kibana, "elkhound")
        .iter()
        .map(|o| json!({ "type": o["type"], "id": o["id"], "overwrite": true, "meta": { "title": "x" } }))
        .collect();
    let again = json!({ "success": true, "successCount": sent, "successResults": results, "warnings": [] });
    assert_eq!(answering("9.4.0", 200, again).await.unwrap().objects, sent as u64);

    let server = server("9.4.0").await;
    let conflicts: Vec<Value> = objects(Target::Kibana, "elkhound")
        .iter()
        .map(|o| json!({ "type": o["type"], "id": o["id"], "error": { "type": "conflict", "destinationId": o["id"] } }))
        .collect();
    Mock::given(method("POST"))
        .and(query_param("overwrite", "false"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": false, "successCount": 0, "errors": conflicts })))
        .expect(1)
        .mount(&server)
        .await;
    let e = import(&Place { url: server.uri(), overwrite: false, ..Place::default() }).await.unwrap_err();
    assert!(e.message.contains("exists already: import with overwrite") && e.message.contains(&format!("and {} more", sent - 5)), "{e}");
}

#[tokio::test]
async fn logs_of_the_jobs_travel_with_the_dashboards_and_are_counted() {
    for (version, target) in [("2.19.4", Target::OpenSearch), ("9.4.0", Target::Kibana)] {
        let server = server(version).await;
        let sent = count(target) as u64 + 1;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": true, "successCount": sent })))
            .mount(&server)
            .await;
        let logs = vec![Logs { index: "logs-nginx*".into(), time_field: "@timestamp".into() }];
        assert_eq!(import(&Place { url: server.uri(), logs, ..Place::default() }).await.unwrap().objects, sent);
        let requests: Vec<Request> = server.received_requests().await.unwrap();
        let body = String::from_utf8(requests.last().unwrap().body.clone()).unwrap();
        assert!(body.contains("\"title\":\"logs-nginx*\"") && body.contains(&log_view_id("elkhound", "logs-nginx*", "@timestamp")));
    }
}

#[tokio::test]
async fn an_object_of_another_type_under_our_id_is_named() {
    let clash = json!({ "success": false, "successCount": 0, "errors": [
        { "id": "elkhound-overview", "type": "dashboard", "error": { "type": "ambiguous_conflict", "destinations": [{ "id": "a" }, { "id": "b" }] } },
        { "id": "elkhound-anomalies", "type": "index-pattern", "error": { "type": "unknown", "statusCode": 409, "message": "document already exists with another type\u{1b}[2J" } },
    ] });
    let e = answering("2.19.4", 200, clash).await.unwrap_err();
    for said in ["dashboard elkhound-overview: several objects fit", "index-pattern elkhound-anomalies: document already exists with another type"] {
        assert!(e.message.contains(said), "{said}: {e}");
    }
    assert!(!e.message.contains('\u{1b}'), "what a server says cannot move the cursor: {e:?}");
}

#[tokio::test]
async fn a_newer_server_is_tried_with_a_warning_and_an_older_one_gets_the_classic_file() {
    for (version, target, said) in [
        ("10.1.0", Target::Kibana, "newer than what"),
        ("4.0.0", Target::OpenSearch, "newer than what"),
        ("7.17.9", Target::OpenSearch, "older than 8.9"),
    ] {
        let done = answering(version, 200, json!({ "success": true, "successCount": count(target) })).await.unwrap();
        assert!(done.target == target.name() && done.warning.contains(said), "{version}: {done:?}");
    }
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let cases = [
        (401, json!({ "message": "Unauthorized" }), "does not accept the credentials", true),
        (403, json!({ "message": "no permissions" }), "may not import", true),
        (403, json!({ "message": "cluster_block_exception: index [.kibana] blocked by: [FORBIDDEN/12/index read-only]" }), "read-only", false),
        (422, json!({ "message": "Document has property dashboard which belongs to a more recent version" }), "older than these dashboards", false),
        (302, json!({}), "asks to log in", true),
        (503, json!({ "message": "server is not ready yet" }), "not ready yet", false),
        (500, json!({ "message": "boom\u{1b}[31m" }), "answered 500: boom\\u{1b}", false),
    ];
    for (status, body, said, is_denied) in cases {
        let e = answering("2.19.4", status, body).await.unwrap_err();
        assert!(e.message.contains(said) && e.is_denied == is_denied, "{status}: {e:?}");
    }
    let read_only = json!({ "success": false, "successCount": 0, "errors": [{ "id": "a", "type": "dashboard", "error": { "type": "unknown", "message": "index read-only / allow delete (FORBIDDEN/12)" } }] });
    assert!(answering("2.19.4", 200, read_only).await.unwrap_err().message.contains("read-only"));
}

#[tokio::test]
async fn a_server_that_is_not_what_it_should_be_is_told_apart() {
    let absent = import(&Place { url: "http://127.0.0.1:9".into(), ..Place::default() }).await.unwrap_err();
    assert!(absent.is_absent && absent.message.contains("does not answer"), "{absent}");

    let proxy = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).set_body_string("<html>Welcome</html>")).mount(&proxy).await;
    let html = import(&Place { url: proxy.uri(), ..Place::default() }).await.unwrap_err();
    assert!(html.message.contains("not as Kibana or OpenSearch Dashboards") && html.message.contains("<html>"), "{html}");

    let no_space = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({ "message": "Saved object [space/nope] not found" })))
        .mount(&no_space)
        .await;
    let e = import(&Place { url: no_space.uri(), space: "nope".into(), ..Place::default() }).await.unwrap_err();
    assert!(e.message.contains("has no space `nope`"), "{e}");

    let old = answering("7.9.3", 200, json!({})).await.unwrap_err();
    assert!(old.message.contains("version 7.9.3"), "{old}");
    let html_later = server("2.19.4").await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_string("<html>")).mount(&html_later).await;
    assert!(import(&Place { url: html_later.uri(), ..Place::default() }).await.unwrap_err().message.contains("not its own JSON"));
}
