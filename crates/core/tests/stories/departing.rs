//! Goodbyes: the peer's own, the moderator's. Nothing follows a `peer-left`.

use aldis_core::{Departure, Event, Permission};
use aldis_protocol::{CloseCode, ErrorCode, Identity, server::LeaveReason};

use crate::support::{Bench, away, error, id, left, not_delivered};

const LEAVE: &str = r#"{"type":"leave"}"#;

#[test]
fn leave_is_immediate_and_final() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, LEAVE);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Left)), bob.closed_with_bye()]);
    assert_eq!(bench.count(Event::Left(LeaveReason::Left)), 1);
    // The close that follows says nothing new.
    bench.disconnect(&bob, Departure::Bye, Vec::new());
    bench.forward(60_000);
    bench.expect_nothing();
    bench.say(&alice, LEAVE);
    bench.expect(&[alice.closed_with_bye()]);
    assert_eq!((bench.hub.rooms(), bench.count(Event::RoomClosed)), (0, 1));
}

#[test]
fn a_close_may_say_it_too() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let bob = bench.join("bob").raw().enter();
    let carol = bench.join("carol").enter();
    bench.skip();
    bench.disconnect(&bob, Departure::Bye, Vec::new());
    bench.expect(&[alice.gets(left("bob", LeaveReason::Left)), carol.gets(left("bob", LeaveReason::Left))]);
    bench.disconnect(&carol, Departure::Bye, Vec::new());
    bench.expect(&[alice.gets(left("carol", LeaveReason::Left))]);
}

#[test]
fn a_moderator_removes() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let judge = bench.join("judge").can(&[Permission::Moderate]).enter();
    bench.skip();
    bench.say(&alice, r#"{"type":"remove","id":"bob"}"#);
    bench.expect(&[alice.gets(error(ErrorCode::Forbidden).about(Some(id("bob")), None))]);

    bench.say(&judge, r#"{"type":"remove","id":"bob","reason":"noise"}"#);
    bench.expect(&[
        bob.closed(CloseCode::Removed, ErrorCode::Removed),
        alice.gets(left("bob", LeaveReason::Removed)),
        judge.gets(left("bob", LeaveReason::Removed)),
    ]);
    bench.say(&judge, r#"{"type":"remove","id":"bob"}"#);
    bench.expect(&[judge.gets(error(ErrorCode::PeerGone).about(Some(id("bob")), None))]);
    // Its token does not bring the stay back.
    let again = bench.again(&bob).enter();
    assert_eq!((again.id(), &again.welcome.peer.previous), (&id("bob-new"), &Some(id("bob"))));
    bench.skip();
}

#[test]
fn a_moderator_removes_who_is_away_or_frozen() {
    let mut bench = Bench::new();
    let judge = bench.join("judge").can(&[Permission::Moderate, Permission::Message]).enter();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&alice);
    bench.say(&bob, r#"{"type":"frozen"}"#);
    bench.say(&judge, r#"{"type":"message","to":"alice","data":1,"msg":"m"}"#);
    bench.say(&judge, r#"{"type":"remove","id":"alice"}"#);
    bench.expect(&[
        judge.gets(left("alice", LeaveReason::Removed)),
        bob.gets(left("alice", LeaveReason::Removed)),
        judge.gets(not_delivered(ErrorCode::PeerGone, "alice", Some("m"))),
    ]);
    bench.say(&judge, r#"{"type":"remove","id":"bob"}"#);
    bench.expect(&[bob.closed(CloseCode::Removed, ErrorCode::Removed), judge.gets(left("bob", LeaveReason::Removed))]);
    // What they were given for calls is taken back, and of nobody else.
    bench.say(&judge, LEAVE);
    bench.skip();
    assert_eq!(bench.put_out.iter().map(Identity::as_str).collect::<Vec<_>>(), ["alice", "bob"]);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn nothing_follows_a_peer_left() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    // Bob is about to be announced as away, has asked, was asked, and has parked something.
    bench.lose(&carol);
    bench.say(&bob, r#"{"type":"message","to":"carol","data":1,"msg":"m","receipt":true}"#);
    bench.say(&bob, r#"{"type":"check","id":"alice"}"#);
    bench.say(&alice, r#"{"type":"check","id":"bob"}"#);
    bench.lose(&bob);
    bench.forward(1_000);
    bench.skip();
    bench.forward(1_000);
    bench.expect(&[alice.gets(away("carol")), alice.gets(away("bob"))]);
    bench.forward(28_000);
    // Bob's stay ended after Carol's by a hair: both are gone, and neither hears of the other.
    bench.expect(&[alice.gets(left("carol", LeaveReason::Timeout)), alice.gets(left("bob", LeaveReason::Timeout))]);
    bench.alive(&alice);
    bench.written(&bob, "m");
    bench.late(&bob, &alice, "m");
    bench.authorize(&bob, crate::support::profile("else"), aldis_core::Grant::default());
    bench.lose(&bob);
    bench.alive(&bob);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn a_goodbye_is_heard_after_the_connection_broke() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&bob);
    bench.say(&alice, r#"{"type":"offer","to":"bob","sdp":"v=0","msg":"1"}"#);
    bench.goodbye(&bob);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Left)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", Some("1"))),
    ]);
    // The window of the stay that it was has nothing left to end.
    bench.goodbye(&bob);
    bench.forward(60_000);
    bench.expect_nothing();
    let again = bench.again(&bob).enter();
    assert_eq!((again.id(), &again.welcome.peer.previous), (&id("bob-new"), &Some(id("bob"))));
    bench.skip();
}

#[test]
fn a_goodbye_of_an_older_connection_ends_nothing() {
    let mut bench = Bench::new();
    let [alice, old] = bench.crowd(["alice", "bob"]);
    bench.lose(&old);
    let bob = bench.again(&old).enter();
    bench.skip();
    bench.goodbye(&old);
    bench.lose(&bob);
    bench.goodbye(&old);
    bench.expect_nothing();
    assert_eq!(bench.hub.generation(&bob.seat.room, bob.id()), Some(bob.welcome.generation));
    bench.goodbye(&bob);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Left))]);
    assert_eq!(bench.hub.generation(&bob.seat.room, bob.id()), None);
}

#[test]
fn a_goodbye_ends_a_connection_that_nobody_knows_to_be_over() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.say(&carol, r#"{"type":"frozen"}"#);
    bench.goodbye(&bob);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Left)),
        carol.gets(left("bob", LeaveReason::Left)),
        bob.closed_with_bye(),
    ]);
    bench.goodbye(&carol);
    bench.expect(&[alice.gets(left("carol", LeaveReason::Left)), carol.closed_with_bye()]);
    bench.lose(&carol);
    bench.expect_nothing();
}
