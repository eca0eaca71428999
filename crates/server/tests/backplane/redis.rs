//! One Redis, and what can happen to it.

use aldis_server::backplane::{Cause, Event, Refused, Subject, Unread};

use crate::{
    brokers::{Broker, Redis, Signal},
    contract::contract,
    support::{Hears, Node, room},
};

contract!(Redis);
contract!(Redis: junk_is_dropped_and_counted, what_did_not_go_out_is_handed_back);

/// Two nodes in the room `lobby`.
async fn lobby(redis: &Redis) -> (Node, Node) {
    let (mut north, mut south) = (redis.node("north"), redis.node("south"));
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribe("lobby").await;
    }
    (north, south)
}

/// Both come back, with their subscriptions.
async fn heal(north: &mut Node, south: &mut Node) {
    for node in [&mut *north, &mut *south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    north.converse(south, "lobby").await;
}

#[tokio::test]
async fn killed_subscriptions_come_back() {
    let redis = Redis::start().await;
    let (mut north, mut south) = lobby(&redis).await;
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    north.degraded_by(Cause::Lost).await;
    south.degraded_by(Cause::Lost).await;
    heal(&mut north, &mut south).await;
    // The other connections, too.
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    north.degraded_by(Cause::Lost).await;
    south.degraded_by(Cause::Lost).await;
    heal(&mut north, &mut south).await;
}

#[tokio::test]
async fn a_pause_delays_and_loses_nothing() {
    let redis = Redis::start().await;
    let (mut north, mut south) = lobby(&redis).await;
    redis.command(&["CLIENT", "PAUSE", "1500", "ALL"]).await;
    north.say(&south.inbox(), "through the pause").expect("accepted");
    assert_eq!(south.heard().await, "through the pause");
    assert_eq!(north.metric("failures_total{reason=\"deaf\"}"), 0.0);
    north.converse(&mut south, "lobby").await;
}

#[tokio::test]
async fn a_long_pause_is_deafness_and_heals() {
    let redis = Redis::start().await;
    let (mut north, mut south) = lobby(&redis).await;
    redis.command(&["CLIENT", "PAUSE", "7000", "ALL"]).await;
    north.until("a missed probe", |event| (*event == Event::ProbeMissed).then_some(())).await;
    north.degraded_by(Cause::Deaf).await;
    south.degraded_by(Cause::Deaf).await;
    heal(&mut north, &mut south).await;
}

#[tokio::test]
async fn a_subscriber_cut_off_for_its_backlog_comes_back() {
    let redis = Redis::start().await;
    let (mut north, south) = lobby(&redis).await;
    // Less than one frame: the first that is published cuts off whoever should get it.
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 16kb 1"]).await;
    let payload = vec![b'x'; 100 * 1024];
    let lobby = Subject::Room(room("lobby"));
    for _ in 0..10 {
        south.backplane.publish(&lobby, &payload, Unread::Ignore).expect("accepted");
    }
    north.degraded_by(Cause::Lost).await;
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0"]).await;
    north.up().await;
    north.subscribed("lobby").await;
    // Large frames pass again.
    let mut east = redis.node("east");
    east.up().await;
    east.backplane.publish(&lobby, &payload, Unread::Ignore).expect("accepted");
    assert_eq!(north.until("the frame", from_east).await, payload.len());
}

/// The length of a frame from the third node.
fn from_east(event: &Event) -> Option<usize> {
    match event {
        Event::Frame { from, payload, .. } if from.as_str() == "east" => Some(payload.len()),
        _ => None,
    }
}

#[tokio::test]
async fn flushing_everything_changes_nothing() {
    let redis = Redis::start().await;
    let (mut north, mut south) = lobby(&redis).await;
    redis.command(&["FLUSHALL"]).await;
    north.converse(&mut south, "lobby").await;
    assert_eq!(north.metric("failures_total{reason=\"lost\"}"), 0.0);
    assert_eq!(redis.command(&["DBSIZE"]).await, ":0\r\n");
}

#[tokio::test]
async fn a_stopped_redis_refuses_by_name_and_heals() {
    let mut redis = Redis::start().await;
    let (mut north, mut south) = lobby(&redis).await;
    redis.daemon().signal(Signal::Stop);
    // Until the probes notice, frames wait; the queue is bounded, and so is what the system takes.
    let payload = vec![b'x'; 100 * 1024];
    let refused = loop {
        if let Err(refused) = north.backplane.publish(&Subject::Nodes, &payload, Unread::Ignore) {
            break refused;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, Refused::Full);
    north.degraded_by(Cause::Deaf).await;
    assert_eq!(north.say(&Subject::Nodes, "lost"), Err(Refused::Down));
    assert!(north.metric("dropped_total{reason=\"link-lost\"}") > 0.0);
    assert_eq!(north.metric("probe_misses_total"), 2.0);
    south.degraded_by(Cause::Deaf).await;
    redis.daemon().signal(Signal::Continue);
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
    // What Redis had taken before it was stopped may come out late.
    south.say(&north.inbox(), "back").expect("accepted");
    assert_eq!(north.heard().await, "back");
}

#[tokio::test]
async fn a_password_lets_in_and_a_wrong_one_is_named() {
    let redis = Redis::with(&["--requirepass", "c@nary"]).await;
    let mut wrong = Node::at(&format!("redis://:wrong@127.0.0.1:{}", redis.port), "wrong", "aldis", "north");
    wrong.degraded_by(Cause::Refused).await;
    let mut right = Node::at(&format!("redis://:c%40nary@127.0.0.1:{}", redis.port), "right", "aldis", "north");
    right.up().await;
    let mut named = Node::at(&format!("redis://default:c%40nary@127.0.0.1:{}", redis.port), "named", "aldis", "north");
    named.up().await;
}
