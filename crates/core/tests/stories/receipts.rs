//! Whoever asks for a receipt gets exactly one, or an error; an ack gets neither.

use aldis_core::{Departure, Event, output::Dropped};
use aldis_protocol::{
    ErrorCode, Outcome,
    limits::Limit,
    server::{LeaveReason, ReceiptStatus},
};

use crate::support::{Bench, Client, error, left, msg, not_delivered, parcel, receipt};

const ASK: &str = r#"{"type":"message","to":"bob","data":1,"msg":"m1","receipt":true}"#;
const TEXT: &str = r#"{"type":"message","from":"alice","data":1,"msg":"m1","receipt":true}"#;
const ACK: &str = r#"{"type":"ack","to":"bob","x":{"a":{"e":1,"n":1}}}"#;

fn two() -> (Bench, Client, Client) {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    (bench, alice, bob)
}

#[test]
fn written() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, ASK);
    bench.expect(&[bob.hears(TEXT)]);
    bench.written(&alice, "m1");
    bench.expect(&[alice.gets(receipt("m1", ReceiptStatus::Written))]);
}

#[test]
fn parked_then_written() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    bench.say(&alice, ASK);
    bench.expect(&[alice.gets(receipt("m1", ReceiptStatus::Parked))]);
    let bob = bench.again(&bob).enter();
    bench.expect(&[bob.welcomed(), bob.hears(TEXT)]);
    bench.written(&alice, "m1");
    bench.expect(&[alice.gets(receipt("m1", ReceiptStatus::Written))]);
}

#[test]
fn parked_then_gone() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    bench.say(&alice, ASK);
    bench.say(&alice, r#"{"type":"message","to":"bob","data":2}"#);
    bench.forward(29_999);
    bench.skip();
    bench.forward(1);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Timeout)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", Some("m1"))),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None)),
    ]);
}

#[test]
fn unsent_then_gone() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, ASK);
    bench.skip();
    bench.disconnect(&bob, Departure::Bye, vec![parcel(TEXT)]);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Left)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", Some("m1"))),
    ]);
}

#[test]
fn late_is_an_unknown_outcome() {
    let (mut bench, alice, bob) = two();
    bench.late(&alice, &bob, "m1");
    let late = error(ErrorCode::Unavailable).about(Some(bob.id().clone()), Some(msg("m1"))).outcome(Outcome::Unknown);
    bench.expect(&[alice.gets(late)]);
    assert_eq!(bench.count(Event::Limit(Limit::receipt_ms)), 1);
}

#[test]
fn a_receipt_waits_for_a_sender_that_is_away_and_not_for_one_that_left() {
    let (mut bench, alice, bob) = two();
    bench.lose(&alice);
    bench.written(&alice, "m1");
    bench.late(&alice, &bob, "m2");
    bench.expect_nothing();
    let alice = bench.again(&alice).enter();
    let late = error(ErrorCode::Unavailable).about(Some(bob.id().clone()), Some(msg("m2"))).outcome(Outcome::Unknown);
    bench.expect(&[alice.welcomed(), alice.gets(receipt("m1", ReceiptStatus::Written)), alice.gets(late)]);

    bench.say(&alice, r#"{"type":"leave"}"#);
    bench.expect(&[bob.gets(left("alice", LeaveReason::Left)), alice.closed_with_bye()]);
    bench.written(&alice, "m3");
    bench.expect_nothing();
}

#[test]
fn an_ack_is_never_parked_refused_or_errored() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, ACK);
    let text = r#"{"type":"ack","from":"alice","x":{"a":{"e":1,"n":1}}}"#;
    bench.expect(&[bob.hears(text)]);
    assert_eq!(bench.count(Event::Dropped(Dropped::Ack)), 0);

    // Neither for an unknown peer nor for oneself.
    bench.say(&alice, r#"{"type":"ack","to":"nobody"}"#);
    bench.say(&alice, r#"{"type":"ack","to":"alice"}"#);
    assert_eq!(bench.count(Event::Dropped(Dropped::Ack)), 2);
    // Nor for one that is away, from the queue of a broken connection or straight.
    bench.disconnect(&bob, Departure::Lost, vec![parcel(text)]);
    bench.say(&alice, ACK);
    assert_eq!((bench.count(Event::Dropped(Dropped::Ack)), bench.count(Event::Parked)), (2, 0));
    // Nor from a connection that was fenced.
    let older = alice.clone();
    let alice = bench.again(&alice).enter();
    bench.skip();
    bench.say(&older, ACK);
    assert_eq!(bench.count(Event::Dropped(Dropped::Ack)), 1);
    bench.expect_nothing();
    // Nor for one that is gone.
    bench.forward(30_000);
    bench.skip();
    bench.say(&alice, ACK);
    assert_eq!(bench.count(Event::Dropped(Dropped::Ack)), 1);
    bench.expect_nothing();
}
