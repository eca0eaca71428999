//! A node that is killed, as a process, and what the others make of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    brokers::{Broker, Redis},
    nodes::{SECRET, hears, node, reached, sees},
    support::{Aldis, KEY, Peer, Rig},
};

/// A node as a process, and one beside it in this one.
async fn beside_each_other(redis: &Redis) -> (Aldis, Rig) {
    let env = [
        ("ALDIS_AUTH_KEYS", KEY),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_CLUSTER_SECRET", SECRET),
        ("ALDIS_BACKPLANE", &redis.address()),
    ];
    let process = Aldis::serve(&["--require-backplane"], &env).await;
    let rig = node(redis, |_| {});
    sees(&rig, 1).await;
    (process, rig)
}

async fn client_of(process: &Aldis, rig: &Rig, name: &str) -> Peer {
    let stream = process.dial("listen").await.into();
    rig.v1_on(stream, name, json!({ "type": "hello", "protocol": 1 })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_peers_go_on_elsewhere() {
    let redis = Redis::start().await;
    let (doomed, rig) = beside_each_other(&redis).await;
    let ann = client_of(&doomed, &rig, "ann").await;
    let mut bob = client_of(&doomed, &rig, "bob").await;
    bob.heard().await;
    let mut cat = rig.v1("cat").await;
    assert_eq!(cat.welcome["peers"].as_array().map(Vec::len), Some(2));
    doomed.signal("KILL").await;
    let (status, _) = doomed.ended().await;
    assert!(!status.success());
    // Nobody reads the dead node's inbox: the sender is told at once.
    cat.tell_with_receipt(&ann.id, 1, "m").await;
    assert_eq!(cat.refused("unavailable").await["outcome"], "not-delivered");
    // Both sat on the killed node, and nobody is left who could let them go.
    let mut ann_again = rig.resume("ann", &ann.resume_token()).await;
    let mut bob_again = rig.resume("bob", &bob.resume_token()).await;
    for (again, before) in [(&ann_again, &ann), (&bob_again, &bob)] {
        assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &before.id));
        assert_eq!(again.welcome["peers"].as_array().map(Vec::len), Some(2));
    }
    reached(&mut ann_again, &mut bob_again).await;
    reached(&mut cat, &mut bob_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_said_to_have_left_for_half_a_minute() {
    let redis = Redis::start().await;
    let (doomed, rig) = beside_each_other(&redis).await;
    let ann = client_of(&doomed, &rig, "ann").await;
    let mut cat = rig.v1("cat").await;
    doomed.signal("KILL").await;
    let killed = Instant::now();
    let mut away = None;
    let left = loop {
        // Reading now and then also answers the server's pings.
        let heard = cat.heard().await;
        if heard.iter().any(|message| message["type"] == "peer-away") {
            away = Some(killed.elapsed());
        }
        if let Some(left) = heard.into_iter().find(|message| message["type"] == "peer-left") {
            break left;
        }
        assert!(killed.elapsed() < Duration::from_secs(60), "it is never said");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&left["id"], &left["reason"], &left["final"]), (&json!(ann.id), &json!("unreachable"), &json!(false)));
    // Its last sign of life was at most a beat earlier.
    assert!(away.is_some_and(|away| away > Duration::from_secs(12)), "{away:?}");
    assert!(killed.elapsed() > Duration::from_secs(27), "{:?}", killed.elapsed());
    // Not for good: the same session comes back.
    let again = rig.resume("ann", &ann.resume_token()).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &ann.id));
    hears(&mut cat, "peer-joined", &ann.id).await;
}
