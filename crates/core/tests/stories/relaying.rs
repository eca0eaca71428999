//! The road of a signal: verbatim, with the sender's name on it, and never into nothing.

use aldis_core::Permission;
use aldis_protocol::{ErrorCode, SignalKind};

use crate::support::{Bench, not_delivered};

#[test]
fn every_kind_is_relayed_with_from_stamped() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    let table = [
        (SignalKind::Offer, r#""sdp":"v=0\r\n\u00e4""#),
        (SignalKind::Answer, r#""sdp":"""#),
        (SignalKind::IceCandidate, r#""candidate":{ "candidate":"","sdpMid": "0" }"#),
        (SignalKind::IceCandidate, r#""candidate":null"#),
        (SignalKind::Hangup, r#""reason":"enough""#),
        (SignalKind::Message, r#""data":[1, {"from":"carol"}]"#),
        (SignalKind::Ack, r#""x":{"a":{"e":1,"n":2}}"#),
        (SignalKind::Nack, r#""x":{"s":{"e":1,"n":2}}"#),
        (SignalKind::Restart, r#""msg":"m1""#),
        (SignalKind::Rebuild, r#""x":{ "g" : 7 }"#),
    ];
    assert!(SignalKind::ALL.iter().all(|kind| table.iter().any(|(listed, _)| listed == kind)));
    for (kind, field) in table {
        let kind = kind.as_str();
        bench.say(&alice, &format!(r#"{{"type":"{kind}","to":"bob",{field}}}"#));
        bench.expect(&[bob.hears(&format!(r#"{{"type":"{kind}","from":"alice",{field}}}"#))]);
    }
    bench.say(&bob, r#"{"type":"hangup","to":"carol"}"#);
    bench.expect(&[carol.hears(r#"{"type":"hangup","from":"bob"}"#)]);
}

#[test]
fn order_is_kept() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let mut expected = Vec::new();
    for number in 0..100 {
        bench.say(&alice, &format!(r#"{{"type":"message","to":"bob","data":{number}}}"#));
        expected.push(bob.hears(&format!(r#"{{"type":"message","from":"alice","data":{number}}}"#)));
    }
    bench.expect(&expected);
}

#[test]
fn an_unknown_peer_ones_own_id_and_another_rooms_peer_are_the_same() {
    let mut bench = Bench::new();
    let [alice, _bob] = bench.crowd(["alice", "bob"]);
    bench.join("carol").room("elsewhere").enter();
    bench.join("dave").ask();
    bench.skip();
    for name in ["nobody", "alice", "carol", "dave"] {
        for kind in ["message\",\"data\":\"1", "offer\",\"sdp\":\"v=0", "hangup", "nack"] {
            bench.say(&alice, &format!(r#"{{"to":"{name}","msg":"m1","type":"{kind}"}}"#));
            bench.expect(&[alice.gets(not_delivered(ErrorCode::UnknownPeer, name, Some("m1")))]);
        }
        bench.say(&alice, &format!(r#"{{"type":"message","to":"{name}","data":1}}"#));
        bench.expect(&[alice.gets(not_delivered(ErrorCode::UnknownPeer, name, None))]);
    }
}

#[test]
fn a_peer_that_left_for_good_is_peer_gone() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&bob, r#"{"type":"leave"}"#);
    bench.skip();
    bench.say(&alice, r#"{"type":"offer","to":"bob","sdp":"v=0","msg":"m1","receipt":true}"#);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::PeerGone, "bob", Some("m1")))]);
}

#[test]
fn a_broadcast_reaches_whoever_is_here() {
    let mut bench = Bench::new();
    let host = bench.join("host").can(&[Permission::Signal, Permission::Message, Permission::Broadcast]).enter();
    let [_alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.join("dave").room("elsewhere").enter();
    bench.lose(&bob);
    bench.skip();

    bench.say(&host, r#"{"type":"hangup"}"#);
    let [alice_hears, carol_hears] = [&_alice, &carol].map(|client| client.hears(r#"{"type":"hangup","from":"host"}"#));
    bench.expect(&[alice_hears, carol_hears]);

    // Best effort: nothing is parked for who is away.
    let bob = bench.again(&bob).enter();
    bench.expect(&[bob.welcomed()]);
}

#[test]
fn a_broadcast_with_a_receipt_gets_one() {
    let mut bench = Bench::new();
    let host = bench.join("host").can(&[Permission::Message, Permission::Broadcast]).enter();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&host, r#"{"type":"message","data":1,"msg":"m1","receipt":true}"#);
    // The parcels owe no receipt of their own.
    let text = r#"{"type":"message","from":"host","data":1,"msg":"m1","receipt":true}"#;
    let unnamed = |client: &crate::support::Client| match client.hears(text) {
        aldis_core::Output::Relay { to, parcel } => aldis_core::Output::Relay {
            to,
            parcel: aldis_core::Parcel { naming: aldis_protocol::Naming::Anonymous, ..parcel },
        },
        other => other,
    };
    let written = crate::support::receipt("m1", aldis_protocol::server::ReceiptStatus::Written);
    bench.expect(&[unnamed(&alice), unnamed(&bob), host.gets(written)]);
}
