//! A frozen page: away by its own word, on a connection that stays open and must not be probed.

use aldis_core::{Departure, Event};
use aldis_protocol::{
    CloseCode, ErrorCode, PeerInfo, Presence,
    server::{LeaveReason, ReceiptStatus},
};

use crate::support::{
    Bench, Client, away, back, checked, joined, json, left, not_delivered, parcel, peer, receipt, updated,
};

const FROZEN: &str = r#"{"type":"frozen"}"#;
const PING: &str = r#"{"type":"ping"}"#;

fn two() -> (Bench, Client, Client) {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, FROZEN);
    bench.expect_nothing();
    assert_eq!(bench.count(Event::Away), 1);
    (bench, alice, bob)
}

fn say(number: usize) -> String {
    format!(r#"{{"type":"message","to":"bob","data":{number}}}"#)
}

fn hear(number: usize) -> String {
    format!(r#"{{"type":"message","from":"alice","data":{number}}}"#)
}

#[test]
fn signals_wait_until_it_speaks_again() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, &say(1));
    bench.say(&alice, r#"{"type":"check","id":"bob"}"#);
    bench.expect(&[alice.gets(checked("bob", Presence::Away))]);
    bench.forward(2_000);
    bench.expect(&[alice.gets(away("bob"))]);
    bench.say(&alice, r#"{"type":"nack","to":"bob","msg":"m","receipt":true}"#);
    bench.expect(&[alice.gets(receipt("m", ReceiptStatus::Parked))]);
    // A pong of its network stack is no sign of an awake page.
    bench.alive(&bob);
    bench.expect_nothing();

    bench.say(&bob, PING);
    bench.expect(&[
        alice.gets(back("bob")),
        bob.hears(&hear(1)),
        bob.hears(r#"{"type":"nack","from":"alice","msg":"m","receipt":true}"#),
    ]);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn a_short_freeze_is_no_event_and_its_first_word_is_obeyed() {
    let (mut bench, alice, bob) = two();
    bench.forward(1_999);
    bench.say(&bob, r#"{"type":"message","to":"alice","data":1}"#);
    bench.expect(&[alice.hears(r#"{"type":"message","from":"bob","data":1}"#)]);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn a_freeze_longer_than_the_window_ends_the_stay() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, &say(1));
    bench.forward(10_000);
    bench.expect(&[alice.gets(away("bob"))]);
    // Saying so again buys no time.
    bench.say(&bob, FROZEN);
    bench.forward(19_999);
    bench.expect_nothing();
    bench.forward(1);
    bench.expect(&[
        bob.closed(CloseCode::Timeout, ErrorCode::HeartbeatTimeout),
        alice.gets(left("bob", LeaveReason::Timeout)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None)),
    ]);
    // The close ends what was left of it.
    bench.lose(&bob);
    bench.expect_nothing();
}

#[test]
fn it_thaws_with_a_true_roster() {
    let (mut bench, alice, bob) = two();
    // There will be no welcome, so the roster's events go to its open connection.
    let carol = bench.join("carol").enter();
    bench.expect(&[carol.welcomed(), alice.gets(joined(peer("carol"))), bob.gets(joined(peer("carol")))]);
    bench.say(&carol, r#"{"type":"update","attributes":{}}"#);
    let shown = PeerInfo { attributes: Some(json("{}")), ..peer("carol") };
    bench.expect(&[alice.gets(updated(shown.clone())), bob.gets(updated(shown))]);
    bench.say(&carol, &say(1));
    bench.say(&alice, &say(2));
    bench.say(&carol, r#"{"type":"leave"}"#);
    bench.expect(&[
        alice.gets(left("carol", LeaveReason::Left)),
        bob.gets(left("carol", LeaveReason::Left)),
        carol.closed_with_bye(),
    ]);
    // Nothing follows a `peer-left`.
    bench.say(&bob, PING);
    bench.expect(&[bob.hears(&hear(2))]);
}

#[test]
fn its_connection_may_break_and_its_signals_stay_in_order() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, &say(3));
    bench.disconnect(&bob, Departure::Lost, vec![parcel(&hear(1)), parcel(&hear(2))]);
    bench.expect_nothing();
    assert_eq!(bench.count(Event::Away), 0, "it was away before");
    let bob = bench.again(&bob).enter();
    bench.expect(&[bob.welcomed(), bob.hears(&hear(1)), bob.hears(&hear(2)), bob.hears(&hear(3))]);
}

#[test]
fn a_resume_fences_it() {
    let (mut bench, alice, bob) = two();
    bench.say(&alice, &say(1));
    let newer = bench.again(&bob).enter();
    bench.expect(&[bob.closed(CloseCode::Superseded, ErrorCode::Superseded), newer.welcomed(), newer.hears(&hear(1))]);
}

#[test]
fn it_may_leave_at_once() {
    let (mut bench, alice, bob) = two();
    bench.say(&bob, r#"{"type":"leave"}"#);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Left)), bob.closed_with_bye()]);
}

#[test]
fn a_raw_page_thaws_too_and_ends_when_it_breaks() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let bob = bench.join("bob").raw().enter();
    bench.skip();
    bench.say(&bob, FROZEN);
    bench.say(&alice, &say(1));
    bench.say(&bob, PING);
    bench.expect(&[bob.hears(&hear(1))]);
    bench.say(&bob, FROZEN);
    bench.say(&alice, &say(2));
    bench.lose(&bob);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Timeout)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None)),
    ]);
}
