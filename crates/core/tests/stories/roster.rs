//! What the others are told of a peer, and who is told.

use aldis_core::{Grant, Profile};
use aldis_protocol::PeerInfo;

use crate::support::{Bench, elder, identity, joined, json, peer, updated};

#[test]
fn an_update_shows_the_peer_as_it_is_now() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.say(&bob, r#"{"type":"update","attributes":{"hand": "up"}}"#);
    let attributes = Some(json(r#"{"hand": "up"}"#));
    let seen = PeerInfo { attributes: attributes.clone(), ..peer("bob") };
    bench.expect(&[alice.gets(updated(seen)), carol.gets(updated(PeerInfo { attributes, ..elder("bob") }))]);

    // The last one counts, and a newcomer sees it.
    bench.say(&bob, r#"{"type":"update","attributes":{}}"#);
    bench.skip();
    let dave = bench.join("dave").enter();
    let seen = PeerInfo { attributes: Some(json("{}")), ..elder("bob") };
    assert_eq!(dave.welcome.peers, [elder("alice"), seen, elder("carol")]);
    bench.skip();
}

#[test]
fn a_new_token_shows_a_new_name_and_an_equal_one_nothing() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let named = Profile {
        identity: identity("bob"),
        name: Some("Bob".to_owned()),
        metadata: Some(json(r#"{"role":"guest"}"#)),
    };
    bench.authorize(&bob, named.clone(), Grant::default());
    let shown = PeerInfo { name: named.name.clone(), metadata: named.metadata.clone(), ..peer("bob") };
    bench.expect(&[alice.gets(updated(shown))]);
    bench.authorize(&bob, named, Grant::NONE);
    bench.expect_nothing();
}

#[test]
fn a_name_and_metadata_come_with_the_join() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let profile =
        Profile { identity: identity("bob"), name: Some("Bob".to_owned()), metadata: Some(json(r#"{ "a":1 }"#)) };
    let bob = bench.join("bob").profile(profile.clone()).enter();
    let shown = PeerInfo { name: profile.name, metadata: profile.metadata, ..peer("bob") };
    bench.expect(&[bob.welcomed(), alice.gets(joined(shown))]);
}

#[test]
fn a_resume_shows_what_has_changed() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, r#"{"type":"update","attributes":{"a":1}}"#);
    bench.lose(&bob);
    bench.skip();
    let bob = bench.again(&bob).features(&["streams"]).enter();
    let shown = PeerInfo { attributes: Some(json(r#"{"a":1}"#)), features: vec!["streams".to_owned()], ..peer("bob") };
    assert_eq!(bob.welcome.peer, shown);
    bench.expect(&[bob.welcomed(), alice.gets(updated(shown))]);
}
