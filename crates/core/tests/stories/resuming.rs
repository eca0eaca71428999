//! A session outlives its connection: on this node, after a restart of it, and not for ever.

use aldis_core::{
    Age, Departure, Event, Ticket,
    output::{Continuity, Dropped, Resumption},
};
use aldis_protocol::{CloseCode, ErrorCode, PeerInfo, server::LeaveReason};

use crate::support::{Bench, elder, id, identity, joined, left, not_delivered, parcel, peer};

#[test]
fn on_the_same_node_a_session_goes_on() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&alice);
    bench.say(&bob, r#"{"type":"offer","to":"alice","sdp":"v=0"}"#);
    let again = bench.again(&alice).enter();
    bench.expect(&[again.welcomed(), again.hears(r#"{"type":"offer","from":"bob","sdp":"v=0"}"#)]);
    assert_eq!(again.welcome.continuity, Continuity::Resumed);
    assert_eq!(again.welcome.peer, peer("alice"), "the same id, without `previous`");
    assert_eq!(again.welcome.peers, [peer("bob")]);
    assert_eq!((again.welcome.seq, again.welcome.generation), (1, 2));
    assert_eq!(bench.count(Event::Resumed(Resumption::Kept)), 1);
    // It speaks from its new connection.
    bench.say(&again, r#"{"type":"hangup","to":"bob"}"#);
    bench.expect(&[bob.hears(r#"{"type":"hangup","from":"alice"}"#)]);
}

#[test]
fn the_snapshot_says_who_left_meanwhile() {
    let mut bench = Bench::new();
    let [alice, bob, carol, dave] = bench.crowd(["alice", "bob", "carol", "dave"]);
    bench.lose(&alice);
    for client in [&carol, &bob] {
        bench.say(client, r#"{"type":"leave"}"#);
    }
    bench.skip();
    let alice = bench.again(&alice).enter();
    assert_eq!(alice.welcome.peers, [peer("dave")]);
    assert_eq!(alice.welcome.left, [id("carol"), id("bob")]);
    // A new stay has nobody to miss.
    let erin = bench.join("erin").enter();
    assert_eq!(erin.welcome.left, []);
    assert_eq!(erin.welcome.peers, [elder("alice"), elder("dave")]);
    bench.skip();
    bench.lose(&dave);
}

#[test]
fn the_older_connection_is_fenced() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    let newer = bench.again(&alice).enter();
    bench.expect(&[alice.closed(CloseCode::Superseded, ErrorCode::Superseded), newer.welcomed()]);

    // What the older still says is refused, and the newer is told: the older hears nothing more.
    bench.say(&alice, r#"{"type":"message","to":"bob","data":1,"msg":"m"}"#);
    bench.expect(&[newer.gets(not_delivered(ErrorCode::Superseded, "bob", Some("m")))]);
    for text in [r#"{"type":"leave"}"#, r#"{"type":"frozen"}"#, r#"{"type":"update","attributes":{}}"#] {
        bench.say(&alice, text);
    }
    bench.alive(&alice);
    // Its end is not the session's, however it ends.
    bench.disconnect(&alice, Departure::Bye, Vec::new());
    bench.lose(&alice);
    bench.expect_nothing();
    bench.say(&bob, r#"{"type":"hangup","to":"alice"}"#);
    bench.expect(&[newer.hears(r#"{"type":"hangup","from":"bob"}"#)]);
}

#[test]
fn what_a_fenced_connection_could_not_take_goes_to_the_newer() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    let newer = bench.again(&alice).enter();
    bench.say(&carol, r#"{"type":"leave"}"#);
    bench.skip();
    let texts = ["bob", "carol"].map(|name| format!(r#"{{"type":"message","from":"{name}","data":1}}"#));
    let unsent = || texts.iter().map(|text| parcel(text)).collect::<Vec<_>>();
    bench.disconnect(&alice, Departure::Lost, unsent());
    // Carol left: nothing follows her `peer-left`.
    bench.expect(&[newer.hears(&texts[0])]);
    assert_eq!(bench.count(Event::Dropped(Dropped::Orphan)), 1);

    // The newer one may be gone by then too.
    bench.lose(&newer);
    bench.disconnect(&alice, Departure::Lost, unsent());
    bench.expect_nothing();
    bench.forward(30_000);
    bench.skip();
    bench.disconnect(&alice, Departure::Lost, unsent());
    bench.expect(&[bob.gets(not_delivered(ErrorCode::PeerGone, "alice", None))]);
}

#[test]
fn any_unexpired_token_of_a_living_peer_resumes_and_generations_rise() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let first = alice.ticket();
    // A welcome that was lost locks nobody out: the first token is good again and again.
    for generation in 2..5 {
        let client = bench.join("x").identity("alice").ticket(first.clone()).enter();
        assert_eq!((client.welcome.generation, client.id()), (generation, &id("alice")));
    }
    // A token of another node may know a higher one.
    let ahead = Ticket { generation: 40, ..first.clone() };
    let client = bench.join("x").identity("alice").ticket(ahead).enter();
    assert_eq!(client.welcome.generation, 41);
    let client = bench.join("x").identity("alice").ticket(first).enter();
    assert_eq!(client.welcome.generation, 42);
    assert_eq!(client.welcome.seq, 1);
    bench.skip();
}

#[test]
fn two_resumes_at_once_end_with_one_connection() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    bench.lose(&alice);
    let first = bench.again(&alice).ask();
    let second = bench.again(&alice).ask();
    bench.confirm(&second);
    let older = bench.seated(&second);
    bench.expect(&[older.welcomed()]);
    bench.confirm(&first);
    let newer = bench.seated(&first);
    bench.expect(&[older.closed(CloseCode::Superseded, ErrorCode::Superseded), newer.welcomed()]);
    assert_eq!(newer.welcome.generation, 3);
}

#[test]
fn too_late_is_a_new_stay_that_names_the_old() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.lose(&alice);
    // Asked in time, answered too late.
    bench.forward(29_999);
    let asking = bench.again(&alice).ask();
    bench.forward(1);
    bench.skip();
    bench.confirm(&asking);
    let again = bench.seated(&asking);
    let shown = PeerInfo { identity: identity("alice"), previous: Some(id("alice")), ..peer("alice-new") };
    bench.expect(&[again.welcomed(), bob.gets(joined(shown.clone()))]);
    assert_eq!(again.welcome.continuity, Continuity::New);
    assert_eq!(again.welcome.peer, shown);
    assert_eq!((again.welcome.seq, again.welcome.generation), (3, 1));
    assert_eq!(again.welcome.left, []);
}

#[test]
fn an_expired_token_only_proves_who_it_was() {
    let mut bench = Bench::new();
    let [alice] = bench.crowd(["alice"]);
    let ticket = alice.expired_ticket();
    let again = bench.join("next").identity("alice").ticket(ticket.clone()).enter();
    assert_eq!(again.welcome.peer.previous, Some(id("alice")));
    assert_eq!((again.id(), again.welcome.continuity), (&id("next"), Continuity::New));
    // It fences nobody, for it is no proof of being the session's.
    let shown = PeerInfo { identity: identity("alice"), previous: Some(id("alice")), ..peer("next") };
    bench.expect(&[again.welcomed(), alice.gets(joined(shown))]);
    // Nor does it have to be of anybody this node knows.
    let unknown = Ticket { peer: id("long-ago"), ..ticket };
    let other = bench.join("other").ticket(unknown).enter();
    assert_eq!(other.welcome.peer.previous, Some(id("long-ago")));
    bench.skip();
}

#[test]
fn a_restarted_node_resumes_what_only_the_token_knows() {
    let mut bench = Bench::new();
    let [stranger] = bench.crowd(["stranger"]);
    let ticket = Ticket { peer: id("alice"), seq: 7, generation: 3, age: Age::Fresh };
    let alice = bench.join("unused").identity("alice").ticket(ticket).enter();
    bench.expect(&[alice.welcomed(), stranger.gets(joined(peer("alice")))]);
    assert_eq!(alice.welcome.continuity, Continuity::Resumed);
    assert_eq!(alice.welcome.peer, peer("alice"));
    assert_eq!((alice.welcome.seq, alice.welcome.generation), (7, 4));
    let resumed = Event::Resumed(Resumption::Recalled);
    assert_eq!((bench.count(resumed), bench.count(Event::Joined)), (1, 1));
    // The next newcomer is younger than everybody.
    let bob = bench.join("bob").enter();
    assert_eq!(bob.welcome.seq, 8);
    // A second connection with that token finds the session kept.
    bench.skip();
    let newer = bench.again(&alice).enter();
    bench.expect(&[alice.closed(CloseCode::Superseded, ErrorCode::Superseded), newer.welcomed()]);
}

#[test]
fn a_recalled_session_enters_a_full_room() {
    let mut bench = Bench::new();
    bench.crowd(["alice", "bob"]);
    let ticket = Ticket { peer: id("carol"), seq: 2, generation: 1, age: Age::Fresh };
    let carol = bench.join("x").max_peers(2).ticket(ticket).enter();
    assert_eq!(carol.welcome.peers.len(), 2);
    bench.skip();
    let refused = bench.join("dave").max_peers(3).attempt();
    bench.expect(&[refused.refused(ErrorCode::RoomFull)]);
}

#[test]
fn what_a_sender_parked_does_not_outlive_its_leave() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.lose(&alice);
    for (client, number) in [(&bob, 1), (&carol, 2), (&bob, 3)] {
        bench.say(client, &format!(r#"{{"type":"message","to":"alice","data":{number}}}"#));
    }
    bench.say(&bob, r#"{"type":"leave"}"#);
    bench.expect(&[carol.gets(left("bob", LeaveReason::Left)), bob.closed_with_bye()]);
    assert_eq!(bench.count(Event::Dropped(Dropped::Orphan)), 2);
    let alice = bench.again(&alice).enter();
    assert_eq!(alice.welcome.left, [id("bob")]);
    bench.expect(&[alice.welcomed(), alice.hears(r#"{"type":"message","from":"carol","data":2}"#)]);
}

#[test]
fn what_a_sender_left_in_a_broken_connection_does_not_outlive_its_leave() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.say(&bob, r#"{"type":"leave"}"#);
    bench.skip();
    let texts = ["bob", "carol"].map(|name| format!(r#"{{"type":"message","from":"{name}","data":1}}"#));
    bench.disconnect(&alice, Departure::Lost, texts.iter().map(|text| parcel(text)).collect());
    assert_eq!((bench.count(Event::Dropped(Dropped::Orphan)), bench.count(Event::Parked)), (1, 1));
    let alice = bench.again(&alice).enter();
    bench.expect(&[alice.welcomed(), alice.hears(&texts[1])]);
    bench.lose(&carol);
}
