//! What Elkhound keeps in a cluster: anomalies, run documents, checkpoint, snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use elkhound::cluster::{Call, path};
use elkhound::model::{Anomaly, RunDocument, ids};
use elkhound::sinks::Sink;
use elkhound::sinks::anomaly_index::AnomalyIndex;
use elkhound::state::cluster_store::ClusterStore;
use elkhound::state::{Checkpoint, StateError, StateStore};
use serde_json::json;

use crate::support::engines::{self, Engine};

async fn wipe(engine: &Engine, prefix: &str) {
    for index in ["anomalies-2026.01", "anomalies-2026.02", "runs-2026.01", "state", "models"] {
        let _ = engine.cluster.send(Call::delete(path(&[&format!("{prefix}-{index}")]))).await;
    }
}

fn anomaly(entity: &str, start_ms: i64) -> Anomaly {
    let id = ids::anomaly_id("web", entity.as_bytes(), start_ms);
    Anomaly {
        id,
        job: "web".into(),
        entity_key: entity.into(),
        entity_field: "source.ip".into(),
        start_ms,
        span_ms: 300_000,
        score: 80.0,
        ..Anomaly::default()
    }
}

#[tokio::test]
async fn a_window_is_delivered_twice_and_stands_there_once() {
    let prefix = "elkhound-test-delivered";
    let january = 1_769_900_000_000;
    for engine in engines::all().await {
        wipe(&engine, prefix).await;
        let now = Arc::new(AtomicI64::new(january));
        let clock = now.clone();
        let mut sink = AnomalyIndex::new(engine.cluster.clone(), prefix, Arc::new(move || clock.load(Ordering::SeqCst)));
        let found = [anomaly("10.0.0.1", january), anomaly("10.0.0.2", january), anomaly("10.0.0.1", 1_770_000_000_000)];
        let first = sink.deliver(&found).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
        assert_eq!((first.created, first.already_there, first.rejected), (3, 0, 0));
        let read = async |a: &Anomaly, month: &str| {
            engine.send(Call::get(path(&[&format!("{prefix}-anomalies-{month}"), "_doc", &a.id]))).await["_source"].clone()
        };
        let before = read(&found[0], "2026.01").await;
        now.fetch_add(3_600_000, Ordering::SeqCst);
        let second = sink.deliver(&found).await.unwrap();
        assert_eq!((second.created, second.already_there), (0, 3));
        assert_eq!(read(&found[0], "2026.01").await, before);
        assert_eq!(read(&found[2], "2026.02").await["elkhound"]["entity"]["key"], "10.0.0.1");

        // Late data: a revision replaces what was there, and an older one never comes back.
        let revised = Anomaly { revision: 1, score: 90.0, was_score: Some(80.0), ..found[0].clone() };
        assert_eq!(sink.deliver(std::slice::from_ref(&revised)).await.unwrap().created, 1);
        assert_eq!(sink.deliver(&[revised.clone(), found[0].clone()]).await.unwrap().already_there, 2);
        assert_eq!(read(&found[0], "2026.01").await["elkhound"]["revision"], 1);
        let index = elkhound::model::document::monthly_index(prefix, "anomalies", found[0].start_ms);
        let closed = json!({ "doc": { "elkhound": { "status": "closed" } } });
        engine.send(Call::post(path(&[&index, "_update", &found[0].id])).json(&closed)).await;
        let again = Anomaly { revision: 2, ..revised.clone() };
        assert_eq!(sink.deliver(std::slice::from_ref(&again)).await.unwrap().created, 1);
        let stored = read(&found[0], "2026.01").await;
        assert_eq!((&stored["elkhound"]["revision"], &stored["elkhound"]["status"]), (&json!(2), &json!("closed")), "a verdict survives");

        let run = RunDocument { job: "web".into(), start_ms: january, end_ms: january + 300_000, verdict: "done".into(), ..RunDocument::default() };
        assert_eq!(sink.deliver_run(&run).await.unwrap().created, 1);
        assert_eq!(sink.deliver_run(&run).await.unwrap().already_there, 1);
        wipe(&engine, prefix).await;
    }
}

#[tokio::test]
async fn of_two_workers_one_moves_the_checkpoint_and_snapshots_come_back_whole() {
    let prefix = "elkhound-test-stored";
    for engine in engines::all().await {
        wipe(&engine, prefix).await;
        let store = |owner: &str| ClusterStore::new(engine.cluster.clone(), prefix, owner);
        let (mut one, mut two) = (store("one"), store("two"));
        let at = |epoch: u64, next_ms: i64| Checkpoint {
            job: "web".into(),
            next_ms,
            epoch,
            snapshot_ms: None,
            report_from_ms: 0,
            config_hash: "c".into(),
        };
        assert_eq!(one.load_checkpoint("web").await.unwrap(), None, "{}", engine.name);
        one.commit(None, &at(1, 10)).await.unwrap();
        assert!(matches!(two.commit(None, &at(1, 10)).await, Err(StateError::Conflict { .. })), "{}", engine.name);
        assert_eq!(two.load_checkpoint("web").await.unwrap(), Some(at(1, 10)));
        two.commit(Some(&at(1, 10)), &at(2, 20)).await.unwrap();
        // The first worker was paused and knows nothing of it.
        assert!(matches!(one.commit(Some(&at(1, 10)), &at(2, 20)).await, Err(StateError::Conflict { .. })), "{}", engine.name);
        // Its own commit again, as after a lost answer, is no conflict.
        two.commit(Some(&at(1, 10)), &at(2, 20)).await.unwrap();

        // 3 MB that do not compress: several chunks.
        let mut x = 1_u64;
        let bytes: Vec<u8> = (0..3_000_000)
            .map(|_| {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (x >> 56) as u8
            })
            .collect();
        for n in 0..5 {
            one.save_snapshot("web", n, &bytes[usize::try_from(n).unwrap()..]).await.unwrap_or_else(|e| panic!("{}: {e}", engine.name));
        }
        assert!(two.load_snapshot("web", 4).await.unwrap() == bytes[4..]);
        assert!(matches!(two.load_snapshot("web", 0).await, Err(StateError::Unreadable(_))), "old ones are cleared away");
        engine.send(Call::post(path(&[&format!("{prefix}-models"), "_refresh"]))).await;
        let left = engine.send(Call::get(path(&[&format!("{prefix}-models"), "_count"]))).await;
        assert_eq!(left["count"], 9, "{}", engine.name);
        one.save_snapshot("web", 9, b"").await.unwrap();
        assert!(two.load_snapshot("web", 9).await.unwrap().is_empty());
        wipe(&engine, prefix).await;
    }
}
