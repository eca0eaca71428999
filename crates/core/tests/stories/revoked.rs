//! Revoked tokens: whoever has one is put out, here, away or on the way in.

use aldis_core::{
    Event, Output, Stamp,
    output::Exclusion,
    revocation::{Kind, Target},
};
use aldis_protocol::{CloseCode, ErrorCode, TokenId, server::LeaveReason};

use crate::support::{Bench, Client, id, identity, left, profile, room};

fn token(name: &str) -> Target {
    Target::Token { id: TokenId::parse(name).expect("a jti") }
}

fn of(name: &str) -> Target {
    Target::Identity { identity: identity(name) }
}

#[test]
fn whoever_is_here_is_closed_and_has_left_for_good() {
    let mut bench = Bench::new();
    let alice = bench.join("alice").jti("t").enter();
    let [bob] = bench.crowd(["bob"]);
    for target in [token("other"), of("carol"), Target::Room { room: room("r2") }] {
        bench.revoke(target, None);
        bench.expect_nothing();
    }
    bench.revoke(token("t"), None);
    bench.expect(&[
        alice.closed(CloseCode::Forbidden, ErrorCode::TokenRevoked),
        bob.gets(left("alice", LeaveReason::Removed)),
    ]);
    assert_eq!((bench.count(Event::Revoked(Kind::Token)), bench.count(Event::Left(LeaveReason::Removed))), (1, 1));
    // Another token of the same identity begins a new stay.
    let again = bench.again(&alice).enter();
    assert_eq!(again.welcome.peer.previous, Some(id("alice")));
    bench.skip();
}

#[test]
fn whoever_is_away_is_not_waited_for() {
    let mut bench = Bench::new();
    let [alice, bob, frozen] = bench.crowd(["alice", "bob", "frozen"]);
    bench.lose(&alice);
    bench.say(&frozen, r#"{"type":"frozen"}"#);
    bench.say(&bob, r#"{"type":"message","to":"alice","data":1,"msg":"m"}"#);
    bench.revoke(of("alice"), None);
    let gone = crate::support::not_delivered(ErrorCode::PeerGone, "alice", Some("m"));
    let message = left("alice", LeaveReason::Removed);
    bench.expect(&[bob.gets(message.clone()), frozen.gets(message), bob.gets(gone)]);
    bench.revoke(of("frozen"), None);
    bench.expect(&[
        frozen.closed(CloseCode::Forbidden, ErrorCode::TokenRevoked),
        bob.gets(left("frozen", LeaveReason::Removed)),
    ]);
    // Its resume token is worth nothing any more.
    let again = bench.again(&alice).enter();
    assert!(again.id() != alice.id());
    bench.skip();
}

#[test]
fn whoever_comes_in_does_not_get_there() {
    let mut bench = Bench::new();
    let [bob] = bench.crowd(["bob"]);
    let asking = bench.join("alice").jti("t").ask();
    bench.revoke(token("t"), None);
    let Output::Close { connection, error, .. } = asking.refused(ErrorCode::TokenRevoked) else {
        unreachable!("a close")
    };
    bench.expect(&[Output::Close { connection, code: CloseCode::Forbidden, error }]);
    bench.confirm(&asking);
    bench.expect_nothing();
    bench.lose(&bob);
}

#[test]
fn a_room_is_closed_with_everybody_in_it() {
    let mut bench = Bench::new();
    let other = bench.join("other").room("r2").enter();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.revoke(Target::Room { room: room("r") }, None);
    bench.expect(&[
        alice.closed(CloseCode::Forbidden, ErrorCode::TokenRevoked),
        bob.gets(left("alice", LeaveReason::Removed)),
        bob.closed(CloseCode::Forbidden, ErrorCode::TokenRevoked),
    ]);
    assert_eq!(bench.hub.rooms(), 1);
    bench.say(&other, r#"{"type":"leave"}"#);
    bench.expect(&[other.closed_with_bye()]);
}

#[test]
fn the_token_that_counts_is_the_latest() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let stamp = |name: &str| Stamp { id: Some(TokenId::parse(name).expect("a jti")), issued_at: None };
    for name in ["first", "second"] {
        bench.authorize_as(&alice, profile("alice"), stamp(name));
    }
    bench.revoke(token("first"), None);
    bench.expect_nothing();
    // A resume brings a token, too.
    let alice = bench.again(&alice).jti("third").enter();
    bench.skip();
    bench.revoke(token("second"), None);
    bench.expect_nothing();
    bench.revoke(token("third"), None);
    bench.expect(&[
        alice.closed(CloseCode::Forbidden, ErrorCode::TokenRevoked),
        bob.gets(left("alice", LeaveReason::Removed)),
    ]);
}

fn excludes(by: &Client, name: &str, for_ms: u64) -> Output<crate::support::Conn> {
    Output::Exclude(Box::new(Exclusion {
        by: by.seat.connection,
        id: id(name),
        room: room("r"),
        identity: identity(name),
        for_ms,
        reason: Some("spam".to_owned()),
    }))
}

#[test]
fn a_moderator_removes_for_a_while() {
    let mut bench = Bench::new();
    let [bob] = bench.crowd(["bob"]);
    let alice = bench.join("alice").can(&aldis_core::Permission::ALL).enter();
    bench.skip();
    bench.say(&alice, r#"{"type":"remove","id":"bob","reason":"spam","forMs":60000}"#);
    bench.expect(&[
        bob.closed(CloseCode::Removed, ErrorCode::Removed),
        alice.gets(left("bob", LeaveReason::Removed)),
        excludes(&alice, "bob", 60_000),
    ]);
    // Another stay of the same identity is out with it, and hears the same.
    let second = bench.join("bob-2").identity("bob").enter();
    bench.skip();
    bench.revoke(Target::Member { room: room("r"), identity: identity("bob") }, Some("spam"));
    bench.expect(&[
        second.closed(CloseCode::Removed, ErrorCode::Removed),
        alice.gets(left("bob-2", LeaveReason::Removed)),
    ]);
    // Whom nobody knows, nobody can keep out.
    for (name, code) in [("nobody", ErrorCode::UnknownPeer), ("bob", ErrorCode::PeerGone)] {
        bench.say(&alice, &format!(r#"{{"type":"remove","id":"{name}","forMs":60000}}"#));
        bench.expect(&[alice.gets(crate::support::error(code).about(Some(id(name)), None))]);
    }
}
