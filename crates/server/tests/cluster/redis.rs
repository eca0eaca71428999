//! What can be done to Redis while clients talk across nodes.

use crate::{
    brokers::{Broker, Redis},
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
