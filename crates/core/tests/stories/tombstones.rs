//! Who left for good is remembered, for a while and up to a number; then the hub forgets all.

use aldis_core::{Event, output::Continuity};
use aldis_protocol::{ErrorCode, Limits, limits::Limit};

use crate::support::{Bench, id, not_delivered};

const LEAVE: &str = r#"{"type":"leave"}"#;

fn to(name: &str) -> String {
    format!(r#"{{"type":"message","to":"{name}","data":1}}"#)
}

#[test]
fn a_tombstone_outlives_a_resume_token() {
    let limits = Limits::default();
    assert!(limits.tombstone_ms > limits.resume_token_ms + limits.resume_window_ms);
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, LEAVE);
    bench.skip();
    // As long as any token of the stay is valid, it does not bring the stay back.
    bench.forward(limits.resume_token_ms);
    let again = bench.again(&bob).enter();
    assert_eq!((again.welcome.continuity, again.id()), (Continuity::New, &id("bob-new")));
    bench.say(&again, LEAVE);
    bench.skip();

    bench.forward(limits.tombstone_ms - limits.resume_token_ms - 1);
    bench.say(&alice, &to("bob"));
    bench.expect(&[alice.gets(not_delivered(ErrorCode::PeerGone, "bob", None))]);
    bench.forward(1);
    bench.say(&alice, &to("bob"));
    bench.say(&alice, &to("bob-new"));
    bench.expect(&[
        alice.gets(not_delivered(ErrorCode::UnknownPeer, "bob", None)),
        alice.gets(not_delivered(ErrorCode::PeerGone, "bob-new", None)),
    ]);
}

#[test]
fn tombstones_are_bounded() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    for number in 0..1_025 {
        let guest = bench.join(&format!("guest-{number}")).enter();
        bench.say(&guest, LEAVE);
    }
    bench.skip();
    assert_eq!(bench.count(Event::Limit(Limit::tombstones_per_room)), 1);
    // The oldest made room.
    for (name, code) in
        [("guest-0", ErrorCode::UnknownPeer), ("guest-1", ErrorCode::PeerGone), ("guest-1024", ErrorCode::PeerGone)]
    {
        bench.say(&alice, &to(name));
        bench.expect(&[alice.gets(not_delivered(code, name, None))]);
    }
    let alice = bench.again(&alice).enter();
    assert_eq!(alice.welcome.left.len(), 1_024);
    bench.skip();
    bench.say(&alice, LEAVE);
    bench.skip();
    bench.expect_forgotten(&["r"]);
}

#[test]
fn an_empty_room_is_forgotten_when_its_tombstones_are() {
    let mut bench = Bench::new();
    let alice = bench.join("alice").room("one").enter();
    let bob = bench.join("bob").room("two").enter();
    bench.say(&alice, LEAVE);
    bench.lose(&bob);
    bench.skip();
    // Until then an id does not come back to life, even in an empty room.
    bench.forward(100_000);
    let again = bench.again(&alice).enter();
    assert_eq!((again.id(), again.welcome.seq), (&id("alice-new"), 2));
    bench.say(&again, LEAVE);
    bench.skip();
    bench.expect_forgotten(&["one", "two"]);
}

#[test]
fn a_peer_whose_tombstone_made_room_does_not_come_back() {
    let limits = Limits { tombstones_per_room: 2, ..Limits::default() };
    let mut bench = Bench::with(limits);
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, LEAVE);
    for number in 0..2 {
        let guest = bench.join(&format!("guest-{number}")).enter();
        bench.say(&guest, LEAVE);
    }
    bench.skip();
    let again = bench.join("bob-again").ticket(bob.ticket()).enter();
    assert_eq!((again.id(), &again.welcome.peer.previous), (&id("bob-again"), &Some(id("bob"))));
    bench.skip();

    // Once no resume token can be that old, a token that is fresh is of a node that restarted.
    bench.forward(300_000);
    bench.skip();
    let carol = bench.join("carol-again").ticket(bob.ticket()).enter();
    assert_eq!(carol.id(), &id("bob"));
    bench.say(&alice, LEAVE);
    bench.skip();
}
