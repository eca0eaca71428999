//! A node that reads more slowly than others write, as a process: what it keeps of what it has not read yet is bounded.

use crate::{
    brokers::{Broker, Redis},
    nodes::{SECRET, figure, node, sees, until},
    support::{Aldis, KEY},
};

/// How many frames flood it, of 100,000 bytes each: 300 MB.
const FLOOD: u64 = 3_000;

/// How much more memory it may take meanwhile, in KiB: a tenth of that.
const GROWTH: u64 = 30 * 1024;

/// A node as a process, at this Redis.
async fn process_at(redis: &Redis) -> Aldis {
    let env = [
        ("ALDIS_AUTH_KEYS", KEY),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_CLUSTER_SECRET", SECRET),
        ("ALDIS_BACKPLANE", &redis.address()),
    ];
    Aldis::serve(&["--require-backplane", "--admin", "127.0.0.1:0"], &env).await
}

/// The most memory it ever had, in KiB, as Linux counts it.
fn peak(process: &Aldis) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.expect("its peak")
}

/// Lets Redis itself publish at all nodes, faster than anybody reads.
async fn flood(redis: &Redis) {
    let script =
        "local frame = string.rep('\\1', 100000) for i = 1, ARGV[1] do redis.call('PUBLISH', 'aldis.n', frame) end";
    redis.command(&["EVAL", script, "0", &FLOOD.to_string()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_has_not_read_stays_at_the_broker() {
    let redis = Redis::start().await;
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0"]).await;
    let process = process_at(&redis).await;
    let before = peak(&process);
    process.signal("STOP").await;
    flood(&redis).await;
    process.signal("CONT").await;
    until("the end of the flood", || async {
        (figure(&process, "aldis_backplane_dropped_total{reason=\"mac\"}").await == FLOOD).then_some(())
    })
    .await;
    let grown = peak(&process) - before;
    assert!(grown < GROWTH, "{grown} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_cuts_it_off_and_it_comes_back() {
    let redis = Redis::start().await;
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60"]).await;
    let process = process_at(&redis).await;
    let before = peak(&process);
    process.signal("STOP").await;
    flood(&redis).await;
    process.signal("CONT").await;
    until("the end of its link", || async {
        (figure(&process, "aldis_backplane_failures_total{reason=\"lost\"}").await == 1).then_some(())
    })
    .await;
    until("the next link", || async { (figure(&process, "aldis_backplane_up").await == 1).then_some(()) }).await;
    let rig = node(&redis, |_| {});
    sees(&rig, 1).await;
    let grown = peak(&process) - before;
    assert!(grown < GROWTH, "{grown} KiB");
}
