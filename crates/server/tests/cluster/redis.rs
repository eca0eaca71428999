//! What can be done to Redis while clients talk across nodes.

use serde_json::{Value, json};

use crate::{
    brokers::{Broker, Redis, Signal},
    nodes::{hears, nodes, reached},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgets_everything_has_forgotten_nothing_of_ours() {
    let redis = Redis::start().await;
    let [north, south] = nodes(&redis).await;
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    redis.command(&["FLUSHALL"]).await;
    reached(&mut ann, &mut bob).await;
    assert_eq!(redis.command(&["DBSIZE"]).await, ":0\r\n", "nothing of ours is kept there");
    let cat = south.v1("cat").await;
    assert_eq!(cat.welcome["peers"].as_array().map(Vec::len), Some(2));
    for peer in [&mut ann, &mut bob] {
        hears(peer, "peer-joined", &cat.id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_are_built_again_and_nobody_leaves() {
    let redis = Redis::start().await;
    let [north, south] = nodes(&redis).await;
    let mut ann = north.v1("ann").await;
    let mut bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    for kind in ["pubsub", "normal"] {
        redis.command(&["CLIENT", "KILL", "TYPE", kind]).await;
        for peer in [&mut ann, &mut bob] {
            assert_eq!(peer.expect("notice").await["code"], "backplane-degraded");
            assert_eq!(peer.expect("notice").await["code"], "backplane-restored");
        }
        reached(&mut ann, &mut bob).await;
    }
    for rig in [&north, &south] {
        assert_eq!(rig.metric("aldis_backplane_failures_total{reason=\"lost\"}"), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_go_out_is_told_when_the_link_ends() {
    const MANY: u64 = 12;
    // A batch each, in the pipelines that Redis may have got: nobody knows whether they arrive.
    const ON_THEIR_WAY: u64 = 4;
    let mut redis = Redis::start().await;
    let [north, south] = nodes(&redis).await;
    let mut ann = north.v1("ann").await;
    let bob = south.v1("bob").await;
    hears(&mut ann, "peer-joined", &bob.id).await;
    redis.daemon().signal(Signal::Stop);
    for number in 1..=MANY {
        ann.tell(&bob.id, number).await;
        // One by one, so that the first ones do not go together.
        assert_eq!(ann.heard().await, Vec::<Value>::new());
    }
    // At the first probe that is missed: from now on nothing is accepted for another node.
    assert_eq!(ann.expect("notice").await["code"], "backplane-degraded");
    // At the second one the link ends.
    for _ in ON_THEIR_WAY..MANY {
        let refused = ann.refused("unavailable").await;
        assert_eq!((&refused["outcome"], &refused["to"]), (&json!("not-delivered"), &json!(bob.id)));
    }
    redis.daemon().signal(Signal::Continue);
}
