//! The same identity twice: the joiner's own token says what happens.

use aldis_core::{Duplicates, Event};
use aldis_protocol::{CloseCode, ErrorCode, Limits, PeerInfo, server::LeaveReason};

use crate::support::{Bench, identity, joined, left, peer};

fn second(name: &str) -> PeerInfo {
    PeerInfo { identity: identity("alice"), ..peer(name) }
}

#[test]
fn allow_is_the_default() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let again = bench.join("alice-2").identity("alice").enter();
    bench.expect(&[again.welcomed(), alice.gets(joined(second("alice-2")))]);
}

#[test]
fn reject_refuses_the_newcomer() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let refused = bench.join("alice-2").identity("alice").duplicates(Duplicates::Reject).attempt();
    bench.expect(&[refused.refused(ErrorCode::IdentityTaken)]);
    assert_eq!(bench.preview("alice", None, Duplicates::Reject), Some(ErrorCode::IdentityTaken));
    assert_eq!(bench.preview("bob", None, Duplicates::Reject), None);
    // One who is away is still there, and may come back itself.
    bench.lose(&alice);
    let refused = bench.join("alice-2").identity("alice").duplicates(Duplicates::Reject).attempt();
    bench.expect(&[refused.refused(ErrorCode::IdentityTaken)]);
    let alice = bench.again(&alice).duplicates(Duplicates::Reject).enter();
    bench.expect(&[alice.welcomed()]);
}

#[test]
fn replace_closes_the_others_first() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let phone = bench.join("phone").identity("alice").enter();
    let tablet = bench.join("tablet").identity("alice").enter();
    bench.lose(&tablet);
    bench.say(&phone, r#"{"type":"frozen"}"#);
    bench.skip();
    let newest = bench.join("newest").identity("alice").duplicates(Duplicates::Replace).enter();
    let gone = |name| left(name, LeaveReason::Replaced);
    bench.expect(&[
        alice.closed(CloseCode::Replaced, ErrorCode::Replaced),
        bob.gets(gone("alice")),
        phone.gets(gone("alice")),
        phone.closed(CloseCode::Replaced, ErrorCode::Replaced),
        bob.gets(gone("phone")),
        bob.gets(gone("tablet")),
        newest.welcomed(),
        bob.gets(joined(second("newest"))),
    ]);
    assert_eq!(newest.welcome.peers, [crate::support::elder("bob")]);
    assert_eq!(bench.count(Event::Left(LeaveReason::Replaced)), 3);
}

#[test]
fn replace_makes_its_own_seat_in_a_full_room() {
    let mut bench = Bench::new();
    bench.crowd(["alice", "bob"]);
    assert_eq!(bench.preview("alice", Some(2), Duplicates::Replace), None);
    assert_eq!(bench.preview("carol", Some(2), Duplicates::Replace), Some(ErrorCode::RoomFull));
    let newest = bench.join("newest").identity("alice").duplicates(Duplicates::Replace).max_peers(2).enter();
    assert_eq!(newest.welcome.peers.len(), 1);
    bench.skip();
}

#[test]
fn a_refused_newcomer_replaces_nobody() {
    let mut bench = Bench::with(Limits { welcome_bytes: 1_024, ..Limits::default() });
    bench.crowd(["alice", "bob"]);
    let large = aldis_core::Profile {
        metadata: Some(crate::support::json(&format!("\"{}\"", "x".repeat(900)))),
        ..crate::support::profile("alice")
    };
    let refused = bench.join("newest").profile(large).duplicates(Duplicates::Replace).attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    // And the seat it would have freed counts for the roster's size.
    let wide = |bytes: usize| aldis_core::Profile {
        metadata: Some(crate::support::json(&format!("\"{}\"", "x".repeat(bytes)))),
        ..crate::support::profile("carol")
    };
    bench.join("carol").profile(wide(300)).enter();
    bench.skip();
    let refused = bench.join("dave").profile(aldis_core::Profile { identity: identity("dave"), ..wide(300) }).attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    bench.join("carol-2").profile(wide(300)).duplicates(Duplicates::Replace).enter();
    bench.skip();
}

#[test]
fn a_session_that_comes_back_after_a_restart_meets_who_came_meanwhile() {
    for (rule, survives) in
        [(Duplicates::Reject, "alice"), (Duplicates::Replace, "alice-2"), (Duplicates::Allow, "both")]
    {
        let [before] = Bench::new().crowd(["alice"]);
        let mut bench = Bench::new();
        let second = bench.join("alice-2").identity("alice").duplicates(rule).enter();
        bench.skip();
        let again = bench.again(&before).duplicates(rule).enter();
        let mut expected = vec![again.welcomed(), second.gets(joined(crate::support::elder("alice")))];
        match survives {
            "alice" => expected.extend([
                second.closed(CloseCode::Full, ErrorCode::IdentityTaken),
                again.gets(left("alice-2", LeaveReason::Replaced)),
            ]),
            "alice-2" => expected.extend([
                again.closed(CloseCode::Replaced, ErrorCode::Replaced),
                second.gets(left("alice", LeaveReason::Replaced)),
            ]),
            _ => {}
        }
        bench.expect(&expected);
    }
}
