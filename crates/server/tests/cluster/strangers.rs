//! Nodes that do not understand each other at one broker, as a process says it in its log.

use crate::{
    brokers::{Broker, Open, Redis},
    nodes::{SECRET, figure, node, until},
    support::{Aldis, KEY, Request},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_warned_of_once_a_minute() {
    let redis = Redis::start().await;
    let env = [
        ("ALDIS_AUTH_KEYS", KEY),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_CLUSTER_SECRET", "another-0123456789abcdef-0123456789"),
        ("ALDIS_BACKPLANE", &redis.address()),
    ];
    let process = Aldis::serve(&["--require-backplane", "--admin", "127.0.0.1:0"], &env).await;
    // It beats every two seconds, under a secret of its own.
    let rig = node(&redis, |_| {});
    for _ in 0..3 {
        redis.inject("aldis.n", b"\x02 from a later version").await;
    }
    until("frames of strangers", || async {
        let mac = figure(&process, "aldis_backplane_dropped_total{reason=\"mac\"}").await;
        let version = figure(&process, "aldis_backplane_dropped_total{reason=\"version\"}").await;
        (mac >= 2 && version >= 3).then_some(())
    })
    .await;
    // Nothing else is wrong at either of them.
    until("readiness", || async { (process.ask("admin", Request::get("/readyz")).await.status == 200).then_some(()) })
        .await;
    let membership = rig.server.node().membership.as_ref().expect("a membership");
    assert_eq!(membership.others(), 0, "they are apart");
    process.signal("TERM").await;
    let (_, said) = process.ended().await;
    for advice in ["another ALDIS_CLUSTER_SECRET", "has another version"] {
        let lines: Vec<_> = said.lines().filter(|line| line.contains(advice)).collect();
        assert!(matches!(&lines[..], [line] if line.contains("\"WARN\"")), "{advice}: {lines:#?}");
    }
    assert!(!said.contains(SECRET) && !said.contains("another-0123"), "{said}");
}
