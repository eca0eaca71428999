//! A broken connection: parking at once, news after two seconds, the end after thirty.

use aldis_core::{Departure, Event, output::Dropped};
use aldis_protocol::{
    ErrorCode, Limits, PeerInfo, Presence,
    limits::Limit,
    server::{LeaveReason, ReceiptStatus},
};

use crate::support::{Bench, Client, away, back, elder, left, not_delivered, parcel, peer, receipt};

fn say(number: usize) -> String {
    format!(r#"{{"type":"message","to":"bob","data":{number}}}"#)
}

fn hear(number: usize) -> String {
    format!(r#"{{"type":"message","from":"alice","data":{number}}}"#)
}

fn two() -> (Bench, Client, Client) {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    (bench, alice, bob)
}

#[test]
fn a_blip_is_no_event() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    assert_eq!(bench.count(Event::Away), 1);
    bench.forward(1_000);
    bench.say(&alice, &say(1));
    // Who comes now sees nothing of it either.
    let carol = bench.join("carol").enter();
    assert_eq!(carol.welcome.peers, [elder("alice"), elder("bob")]);
    bench.skip();
    bench.forward(999);
    let bob = bench.again(&bob).enter();
    bench.expect(&[bob.welcomed(), bob.hears(&hear(1))]);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn the_others_are_told_after_two_seconds() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    bench.forward(1_999);
    bench.expect_nothing();
    bench.forward(1);
    bench.expect(&[alice.gets(away("bob"))]);
    let carol = bench.join("carol").enter();
    assert_eq!(carol.welcome.peers, [elder("alice"), PeerInfo { presence: Presence::Away, ..elder("bob") }]);
    bench.expect(&[carol.welcomed(), alice.gets(crate::support::joined(peer("carol")))]);

    bench.forward(27_999);
    let bob = bench.again(&bob).enter();
    bench.expect(&[alice.gets(back("bob")), carol.gets(back("bob")), bob.welcomed()]);
    assert_eq!(bob.welcome.peers, [elder("alice"), peer("carol")]);
    bench.forward(60_000);
    bench.expect_nothing();
}

#[test]
fn an_old_deadline_does_not_shorten_a_new_break() {
    let (mut bench, alice, mut bob) = two();
    // Every 1.5 s a break of one second: never two seconds in a row.
    for _ in 0..40 {
        bench.lose(&bob);
        bench.forward(1_000);
        bob = bench.again(&bob).enter();
        bench.expect(&[bob.welcomed()]);
        bench.forward(500);
    }
    bench.lose(&bob);
    bench.forward(2_000);
    bench.expect(&[alice.gets(away("bob"))]);
    bench.forward(27_999);
    bench.expect_nothing();
    bench.forward(1);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Timeout))]);
}

#[test]
fn the_window_ends_a_stay() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    bench.forward(29_999);
    bench.expect(&[alice.gets(away("bob"))]);
    bench.forward(1);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Timeout))]);
    assert_eq!(bench.count(Event::Left(LeaveReason::Timeout)), 1);
    bench.say(&alice, &say(1));
    bench.expect(&[alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None))]);
}

#[test]
fn a_late_clock_ends_it_all_the_same() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    // The owner of the hub slept over both deadlines.
    bench.hub.handle_timeout(aldis_core::Moment(100_000));
    bench.forward(0);
    bench.alive(&alice);
    bench.expect(&[alice.gets(left("bob", LeaveReason::Timeout))]);
}

#[test]
fn a_raw_client_cannot_come_back() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let bob = bench.join("bob").raw().enter();
    bench.skip();
    bench.disconnect(&bob, Departure::Lost, vec![parcel(&hear(1))]);
    bench.expect(&[
        alice.gets(left("bob", LeaveReason::Timeout)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None)),
    ]);
}

#[test]
fn a_full_parking_is_queue_full() {
    let (mut bench, alice, bob) = two();
    bench.lose(&bob);
    let mut parked = Vec::new();
    for number in 0..64 {
        bench.say(&alice, &say(number));
        parked.push(hear(number));
    }
    bench.expect_nothing();
    assert_eq!(bench.count(Event::Parked), 64);
    bench.say(&alice, r#"{"type":"message","to":"bob","data":64,"msg":"m","receipt":true}"#);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::QueueFull, "bob", Some("m")))]);
    assert_eq!(bench.count(Event::Limit(Limit::parked_messages)), 1);

    let bob = bench.again(&bob).enter();
    let mut expected = vec![bob.welcomed()];
    expected.extend(parked.iter().map(|text| bob.hears(text)));
    bench.expect(&expected);

    // The bytes count of what the receiver gets: exactly 64 KiB fit, in whatever number of messages.
    bench.lose(&bob);
    let large = |bytes: usize, from: &str| {
        let frame = format!(r#"{{"type":"message",{from},"data":""}}"#);
        frame.replace(r#""data":"""#, &format!(r#""data":"{}""#, "x".repeat(bytes)))
    };
    let overhead = large(0, r#""from":"alice""#).len();
    let half = 32_768 - overhead;
    for (bytes, fits) in [(half, true), (half + 1, false), (half, true), (0, false)] {
        bench.say(&alice, &large(bytes, r#""to":"bob""#));
        if fits {
            bench.expect_nothing();
        } else {
            bench.expect(&[alice.gets(not_delivered(ErrorCode::QueueFull, "bob", None))]);
        }
    }
    assert_eq!(bench.count(Event::Limit(Limit::parked_bytes)), 2);
    assert_eq!(bench.count(Event::Limit(Limit::parked_messages)), 0);
    let bob = bench.again(&bob).enter();
    let text = large(half, r#""from":"alice""#);
    bench.expect(&[bob.welcomed(), bob.hears(&text), bob.hears(&text)]);
}

#[test]
fn what_a_broken_connection_could_not_take_is_parked_first_and_in_order() {
    let (mut bench, alice, bob) = two();
    let asked = r#"{"type":"nack","from":"alice","msg":"m2","receipt":true}"#;
    bench.disconnect(&bob, Departure::Lost, vec![parcel(&hear(1)), parcel(asked), parcel(&hear(3))]);
    bench.expect(&[alice.gets(receipt("m2", ReceiptStatus::Parked))]);
    bench.say(&alice, &say(4));
    let bob = bench.again(&bob).enter();
    bench.expect(&[bob.welcomed(), bob.hears(&hear(1)), bob.hears(asked), bob.hears(&hear(3)), bob.hears(&hear(4))]);
}

#[test]
fn an_away_senders_errors_wait_for_it_within_the_bound() {
    let mut bench = Bench::with(Limits { parked_messages: 2, ..Limits::default() });
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&alice);
    let unsent = (0..3).map(|number| parcel(&hear(number))).collect();
    bench.disconnect(&bob, Departure::Bye, unsent);
    bench.expect_nothing();
    assert_eq!(bench.count(Event::Dropped(Dropped::Notice)), 1);
    let alice = bench.again(&alice).enter();
    let gone = not_delivered(ErrorCode::PeerGone, "bob", None);
    assert_eq!(alice.welcome.left, [crate::support::id("bob")]);
    bench.expect(&[alice.welcomed(), alice.gets(gone.clone()), alice.gets(gone)]);
}
