//! Security as engines have it: runs where `ENGINE_PASSWORD` turned it on (Elasticsearch 8 and 9, by name).

use std::sync::Arc;

use elkhound::cluster::bulk::{self, NewDocument};
use elkhound::cluster::fields::field_caps;
use elkhound::cluster::{Call, Cluster, ClusterError, ClusterOptions, Credentials, ErrorKind, Flavor, RealTimer};
use serde_json::json;

use crate::support::engines::{self, Engine};

async fn secured() -> Vec<Engine> {
    let mut engines = engines::all().await;
    engines.retain(|e| e.flavor.user.is_some());
    if engines.is_empty() {
        eprintln!("no engine with security is given: wrong passwords and keys are tested on scripted answers only");
    }
    engines
}

async fn connect(engine: &Engine, credentials: Credentials) -> Result<Cluster, ClusterError> {
    let options = ClusterOptions { credentials, ..engines::options(&engine.name, &engine.url) };
    Cluster::connect(&options, Arc::new(RealTimer::default())).await
}

#[tokio::test]
async fn a_wrong_password_and_a_narrow_key_are_told_apart() {
    for engine in secured().await {
        let wrong = Credentials::Basic { user: "elastic".into(), password: "wrong".into() };
        let cluster = connect(&engine, wrong).await.unwrap();
        assert_eq!(Flavor::probe(&cluster).await.unwrap_err().kind, ErrorKind::Unauthorized, "{}", engine.name);

        let index = "elkhound-test-secured";
        engine.recreate(index, 1, json!({ "k": { "type": "keyword" } })).await;
        let role = json!({ "reader": { "cluster": ["monitor"], "indices": [{ "names": [index], "privileges": ["read", "view_index_metadata"] }] } });
        let key = engine
            .send(Call::post("/_security/api_key").json(&json!({ "name": "elkhound-test", "expiration": "1h", "role_descriptors": role })))
            .await;
        let narrow = connect(&engine, Credentials::ApiKey(key["encoded"].as_str().unwrap().to_owned())).await.unwrap();
        let flavor = Flavor::probe(&narrow).await.unwrap();
        assert_eq!(
            (flavor.product, flavor.point_in_time, flavor.max_buckets),
            (engine.flavor.product, engine.flavor.point_in_time, engine.flavor.max_buckets)
        );
        assert!(field_caps(&narrow, index, &["k".to_owned()]).await.is_ok());
        let document = NewDocument { index: index.into(), id: "1".into(), body: r#"{"k":"x"}"#.into() };
        let refused = bulk::create(&narrow, &[document]).await.unwrap_err();
        assert_eq!((refused.kind, refused.is_permanent()), (ErrorKind::Forbidden, true), "{refused}");

        // A key that was revoked in mid-run, and its successor.
        engine.send(Call::delete("/_security/api_key").json(&json!({ "ids": [key["id"]] }))).await;
        assert_eq!(field_caps(&narrow, index, &["k".to_owned()]).await.unwrap_err().kind, ErrorKind::Unauthorized);
        narrow.set_credentials(&Credentials::Basic { user: "elastic".into(), password: engines::setting("ENGINE_PASSWORD").unwrap() }).unwrap();
        assert!(field_caps(&narrow, index, &["k".to_owned()]).await.is_ok());
    }
}
