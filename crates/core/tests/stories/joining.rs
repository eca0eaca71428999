//! A join has two steps; the welcome comes first and holds the whole room.

use aldis_core::{Event, Permission, output::Continuity};
use aldis_protocol::{ErrorCode, PeerInfo};

use crate::support::{Bench, elder, error, id, joined, peer};

#[test]
fn two_meet() {
    let mut bench = Bench::new();
    let alice = bench.join("alice").enter();
    bench.expect(&[alice.welcomed()]);
    assert_eq!((bench.count(Event::RoomOpened), bench.count(Event::Joined)), (1, 1));
    assert_eq!(alice.welcome.peer, peer("alice"));
    assert_eq!(alice.welcome.peers, []);
    assert_eq!(alice.welcome.continuity, Continuity::New);
    assert_eq!((alice.welcome.max_peers, alice.welcome.seq, alice.welcome.generation), (100, 1, 1));

    let bob = bench.join("bob").features(&["streams"]).max_peers(2).enter();
    let shown = PeerInfo { features: vec!["streams".to_owned()], ..peer("bob") };
    bench.expect(&[bob.welcomed(), alice.gets(joined(shown.clone()))]);
    assert_eq!((bench.count(Event::RoomOpened), bench.count(Event::Joined)), (0, 1));
    assert_eq!(bob.welcome.peer, shown);
    assert_eq!(bob.welcome.peers, [elder("alice")]);
    assert_eq!((bob.welcome.max_peers, bob.welcome.seq), (2, 2));
    assert_eq!(bob.welcome.left, []);
}

#[test]
fn the_welcome_lists_the_others_oldest_first() {
    let mut bench = Bench::new();
    bench.crowd(["zoe", "mia", "ann"]);
    let bob = bench.join("bob").enter();
    assert_eq!(bob.welcome.peers, [elder("zoe"), elder("mia"), elder("ann")]);
    bench.skip();
}

#[test]
fn rooms_never_hear_of_each_other() {
    let mut bench = Bench::new();
    let here = bench.join("alice").room("here").enter();
    let there = bench.join("bob").room("there").enter();
    bench.expect(&[here.welcomed(), there.welcomed()]);
    assert_eq!((bench.hub.rooms(), bench.count(Event::RoomOpened)), (2, 2));
    assert_eq!(there.welcome.peers, []);

    bench.say(&here, r#"{"type":"leave"}"#);
    bench.expect(&[here.closed_with_bye()]);
    assert_eq!((bench.hub.rooms(), bench.count(Event::RoomClosed)), (1, 1));
}

#[test]
fn nobody_is_seen_between_the_two_steps() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let asking = bench.join("bob").ask();
    bench.say(&alice, r#"{"type":"message","to":"bob","data":1}"#);
    bench.expect(&[alice.gets(crate::support::not_delivered(ErrorCode::UnknownPeer, "bob", None))]);

    bench.confirm(&asking);
    let bob = bench.seated(&asking);
    bench.expect(&[bob.welcomed(), alice.gets(joined(peer("bob")))]);
    bench.confirm(&asking);
    bench.expect_nothing();
}

#[test]
fn who_asked_first_is_older_however_the_answers_come() {
    let mut bench = Bench::new();
    let first = bench.join("alice").ask();
    let second = bench.join("bob").ask();
    bench.confirm(&second);
    let bob = bench.seated(&second);
    bench.expect(&[bob.welcomed()]);
    bench.confirm(&first);
    let alice = bench.seated(&first);
    bench.expect(&[alice.welcomed(), bob.gets(joined(elder("alice")))]);
    assert_eq!(alice.welcome.peers, [peer("bob")]);
}

#[test]
fn an_abandoned_join_leaves_nothing() {
    let mut bench = Bench::new();
    let asking = bench.join("alice").ask();
    bench.abandon(&asking);
    bench.confirm(&asking);
    bench.expect_nothing();
    assert_eq!(bench.hub.rooms(), 0);
    let first = bench.join("bob").enter();
    assert_eq!(first.welcome.seq, 1, "the room was forgotten");
    bench.skip();
}

#[test]
fn a_message_of_a_peer_that_has_left_is_refused() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&alice, r#"{"type":"leave"}"#);
    bench.skip();
    bench.say(&alice, r#"{"type":"message","to":"bob","data":1,"msg":"m"}"#);
    let refused = crate::support::not_delivered(ErrorCode::Superseded, "bob", Some("m"));
    bench.expect(&[alice.gets(refused)]);
    // What is no signal asks for no answer.
    for text in [r#"{"type":"leave"}"#, r#"{"type":"frozen"}"#, r#"{"type":"update","attributes":{}}"#] {
        bench.say(&alice, text);
    }
    bench.expect_nothing();
    bench.say(&bob, r#"{"type":"ping"}"#);
    bench.expect_nothing();
}

#[test]
fn remove_needs_a_peer_of_the_room() {
    let mut bench = Bench::new();
    let judge = bench.join("judge").can(&[Permission::Moderate]).enter();
    bench.join("other").room("elsewhere").enter();
    bench.skip();
    for name in ["nobody", "judge", "other"] {
        bench.say(&judge, &format!(r#"{{"type":"remove","id":"{name}"}}"#));
        bench.expect(&[judge.gets(error(ErrorCode::UnknownPeer).about(Some(id(name)), None))]);
    }
}
