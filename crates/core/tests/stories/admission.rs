//! How many fit: by the room's limit, by the joiner's token, by the size of the welcome.

use aldis_core::{Duplicates, Event, Profile};
use aldis_protocol::{ErrorCode, Limits, limits::Limit};

use crate::support::{Bench, id, joined, json, peer, profile};

#[test]
fn a_full_room_refuses_the_next() {
    let mut bench = Bench::new();
    for number in 0..100 {
        bench.join(&format!("peer-{number}")).enter();
    }
    bench.skip();
    let refused = bench.join("one-too-many").max_peers(1_000).attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    assert_eq!(bench.count(Event::Limit(Limit::room_peers)), 1);
    assert_eq!(bench.preview("x", None, Duplicates::Allow), Some(ErrorCode::RoomFull));
}

#[test]
fn who_leaves_makes_a_seat_and_who_is_away_does_not() {
    let mut bench = Bench::with(Limits { room_peers: 2, ..Limits::default() });
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&bob);
    let refused = bench.join("carol").attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    bench.forward(30_000);
    bench.skip();
    let carol = bench.join("carol").enter();
    bench.expect(&[carol.welcomed(), alice.gets(joined(peer("carol")))]);
    // A resume always enters.
    let alice = bench.again(&alice).enter();
    assert_eq!(alice.welcome.peers.len(), 1);
    bench.skip();
}

#[test]
fn the_joiners_own_token_rules_its_admission() {
    let mut bench = Bench::new();
    bench.crowd(["alice", "bob"]);
    let refused = bench.join("carol").max_peers(2).attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    assert_eq!(bench.preview("carol", Some(2), Duplicates::Allow), Some(ErrorCode::RoomFull));
    assert_eq!(bench.preview("carol", Some(3), Duplicates::Allow), None);
    let carol = bench.join("carol").max_peers(3).enter();
    assert_eq!(carol.welcome.max_peers, 3);
    // Hers does not bind others.
    let dave = bench.join("dave").enter();
    assert_eq!(dave.welcome.max_peers, 100);
    bench.skip();
    let refused = bench.join("erin").max_peers(0).room("empty").attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
    assert_eq!(bench.hub.rooms(), 1);
}

#[test]
fn two_between_the_steps_cannot_both_take_the_last_seat() {
    for order in [[0, 1], [1, 0]] {
        let mut bench = Bench::new();
        bench.crowd(["alice"]);
        let asking = [bench.join("bob").max_peers(2).ask(), bench.join("carol").max_peers(2).ask()];
        assert_eq!(bench.preview("dave", Some(2), Duplicates::Allow), Some(ErrorCode::RoomFull));
        for index in order {
            bench.confirm(&asking[index]);
            if index == 0 {
                assert_eq!(
                    bench.seated(&asking[0]).id(),
                    &id("bob"),
                    "the older place wins, whoever is confirmed first"
                );
                bench.skip();
            } else {
                bench.expect(&[asking[1].refused(ErrorCode::RoomFull)]);
            }
        }
        bench.expect_nothing();
    }
}

#[test]
fn who_gave_up_between_the_steps_does_not_count() {
    let mut bench = Bench::new();
    let bob = bench.join("bob").max_peers(1).ask();
    let carol = bench.join("carol").max_peers(1).ask();
    bench.abandon(&bob);
    bench.confirm(&carol);
    assert_eq!(bench.seated(&carol).id(), &id("carol"));
    bench.skip();
}

#[test]
fn a_resume_between_the_steps_takes_no_seat() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    bench.lose(&alice);
    let back = bench.again(&alice).max_peers(2).ask();
    let bob = bench.join("bob").max_peers(2).enter();
    bench.confirm(&back);
    assert_eq!(bench.seated(&back).id(), &id("alice"));
    assert_eq!(bob.welcome.peers.len(), 1);
    bench.skip();
    // One that has become a new stay meanwhile is counted like any other.
    let late = bench.again(&bob).max_peers(2).ask();
    bench.say(&bob, r#"{"type":"leave"}"#);
    let carol = bench.join("carol").max_peers(2).enter();
    bench.skip();
    bench.confirm(&late);
    bench.expect(&[late.refused(ErrorCode::RoomFull)]);
    bench.lose(&carol);
}

#[test]
fn a_roster_beyond_welcome_bytes_refuses_the_joiner() {
    let mut bench = Bench::new();
    let large = |name: &str| Profile {
        metadata: Some(json(&format!("\"{}\"", "x".repeat(1_022)))),
        name: Some("\u{1}".repeat(300)),
        ..profile(name)
    };
    let features: Vec<String> = (0..16).map(|number| format!("{number:032}")).collect();
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    for number in 0..100 {
        let name = format!("peer-{number}");
        let asking = bench.join(&name).profile(large(&name)).features(&features).attempt();
        if bench.count(Event::Joined) == 0 {
            bench.expect(&[asking.refused(ErrorCode::RoomFull)]);
            assert_eq!(bench.count(Event::Limit(Limit::welcome_bytes)), 1);
            assert!(number > 20, "the estimate is far too careful: {number} peers");
            return;
        }
        // Whoever is let in gets a roster within the limit.
        let welcome = bench.seated(&asking).welcome;
        let bytes: usize = welcome.peers.iter().chain([&welcome.peer]).map(wire_bytes).sum();
        assert!(bytes as u64 <= Limits::default().welcome_bytes, "{bytes} bytes for {number} peers");
        bench.skip();
    }
    panic!("a hundred such peers do not fit");
}

fn wire_bytes(peer: &aldis_protocol::PeerInfo) -> usize {
    serde_json::to_string(peer).expect("serialises").len() + 1
}
