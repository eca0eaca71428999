//! One Redis, and what can happen to it.

use aldis_server::backplane::{Cause, Event, Subject, Unread};

use crate::{
    brokers::{Broker, Redis},
    contract::contract,
    support::{Hears, Node, heal, lobby, room},
};

contract!(Redis);
contract!(Redis: junk_is_dropped_and_counted, what_did_not_go_out_is_handed_back, a_stopped_one_refuses_what_is_too_much);

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
async fn a_password_lets_in_and_a_wrong_one_is_named() {
    let redis = Redis::with(&["--requirepass", "c@nary"]).await;
    let mut wrong = Node::at(&format!("redis://:wrong@127.0.0.1:{}", redis.port), "wrong", "aldis", "north");
    wrong.degraded_by(Cause::Refused).await;
    let mut right = Node::at(&format!("redis://:c%40nary@127.0.0.1:{}", redis.port), "right", "aldis", "north");
    right.up().await;
    let mut named = Node::at(&format!("redis://default:c%40nary@127.0.0.1:{}", redis.port), "named", "aldis", "north");
    named.up().await;
}
