//! A stay as stories: what comes in, when, and what is sent and told.

use aldis_protocol::{ErrorCode, Limits, PeerId, close::Reconnect, limits::WireLimits};
use serde_json::{Value, json};

use super::*;

/// A session on a virtual clock, whose driver is the test.
struct Story {
    session: Session<u32>,
    now: u64,
}

impl Story {
    fn new() -> Self {
        let now = Moment::from_millis(0);
        let mut session = Session::new(true, Duration::from_secs(30), Box::new(|| 0.5), now);
        session.start(now);
        let mut story = Self { session, now: 0 };
        assert_eq!(story.outputs(), ["connect"]);
        story
    }

    /// One in which `peers` are there, and whose beginning has been told.
    fn joined(peers: &[Value]) -> Self {
        let mut story = Self::new();
        story.welcome(json!({ "peers": peers }));
        assert_eq!(story.outputs(), ["joined"]);
        assert_eq!(story.events().len(), 1);
        story
    }

    fn now(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    /// Lets time pass, and the session do whatever it has to do meanwhile.
    fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.session.next_at(self.now()).filter(|at| *at <= Moment::from_millis(until)) {
            self.now = u64::try_from(at.since_origin().as_millis()).expect("small").max(self.now);
            let before = self.session.next_at(self.now());
            self.session.poll(self.now());
            assert!(self.session.next_at(self.now()) != before || before > Some(self.now()), "it would spin");
        }
        self.now = until;
        self.session.poll(self.now());
    }

    fn welcome(&mut self, changes: Value) {
        let welcome: Welcome = serde_json::from_value(merged(welcome(), changes)).expect("a welcome");
        self.session.welcomed(&welcome, self.now());
    }

    fn hear(&mut self, message: &Value) {
        self.session.heard(self.now());
        self.session.received(Received::parse(&message.to_string()).expect("a message"), self.now());
    }

    fn breaks(&mut self) {
        self.session.lost(Error::Closed { code: 1006, reason: String::new(), error: None }, self.now());
    }

    fn post(&mut self, to: &str, ticket: u32) {
        self.session.post(Outgoing::message(&id(to), json!(ticket)), ticket, self.now()).expect("it is not over");
    }

    /// What the driver has to do, in words.
    fn outputs(&mut self) -> Vec<String> {
        let outputs: Vec<_> = std::iter::from_fn(|| self.session.take_output()).collect();
        outputs.iter().map(word).collect()
    }

    /// What the application is told, in words.
    fn events(&mut self) -> Vec<String> {
        let now = self.now();
        let events: Vec<_> = std::iter::from_fn(|| self.session.take_event(now).0).collect();
        events.iter().map(told).collect()
    }
}

fn word(output: &Output<u32>) -> String {
    match output {
        Output::Connect { resume: None } => "connect".to_owned(),
        Output::Connect { resume: Some(resume) } => format!("connect with {resume}"),
        Output::Abandon => "abandon".to_owned(),
        Output::Send(text) => sent(&serde_json::from_str(text).expect("JSON")),
        Output::Close(code) => format!("close {}", code.code()),
        Output::RenewToken => "renew the token".to_owned(),
        Output::Settled(ticket, Ok(())) => format!("{ticket} delivered"),
        Output::Settled(ticket, Err(error)) => format!("{ticket} {error}"),
        Output::Joined => "joined".to_owned(),
        Output::NotJoined(error) => format!("not joined: {error}"),
    }
}

fn sent(message: &Value) -> String {
    match message["type"].as_str().expect("a type") {
        "message" => format!("{} at {}", message["data"], message["x"]["s"]["n"]),
        "ack" => format!("ack {}", message["x"]["a"]["n"]),
        other => other.to_owned(),
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Joined { me, peers } => format!("joined as {} with {}", me.id, peers.len()),
        Event::Reconnecting { retry_in, .. } => format!("reconnecting in {}", retry_in.as_millis()),
        Event::Resumed => "resumed".to_owned(),
        Event::PeerJoined(peer) => format!("{} joined", peer.id),
        Event::PeerUpdated(peer) => format!("{} {:?}", peer.id, peer.presence),
        Event::PeerLeft { peer, reason } => format!("{} left: {reason:?}", peer.id),
        Event::Signal(signal) => format!("{} says {}", signal.from, signal.payload.as_ref().map_or("", |it| it.get())),
        Event::IceServers(ice) => format!("{} ICE servers", ice.ice_servers.len()),
        Event::Refused(error) => format!("refused: {}", error.code),
        Event::Failed(error) => format!("failed: {error}"),
    }
}

fn id(text: &str) -> PeerId {
    PeerId::parse(text).expect("an id")
}

fn peer(id: &str) -> Value {
    json!({ "id": id, "identity": id, "presence": "here", "polite": true, "features": ["streams"] })
}

/// From a peer's stream.
fn says(from: &str, n: u64) -> Value {
    json!({ "type": "message", "from": from, "data": n, "x": { "s": { "e": 7, "n": n } } })
}

fn ack(from: &str, epoch: u32, n: u64) -> Value {
    json!({ "type": "ack", "from": from, "x": { "a": { "e": epoch, "n": n } } })
}

/// The first epoch of each stream, as chance has it here.
const EPOCH: u32 = u32::MAX / 2;

fn resumed(peers: &[Value], left: &[&str]) -> Value {
    json!({ "resumed": true, "peers": peers, "left": left, "resume": { "token": "r2", "windowMs": 30_000 } })
}

fn merged(mut into: Value, changes: Value) -> Value {
    if let (Value::Object(into), Value::Object(changes)) = (&mut into, changes) {
        into.extend(changes);
    }
    into
}

fn welcome() -> Value {
    json!({
        "protocol": 1, "features": [], "node": "n", "peer": peer("me"), "room": { "id": "r", "maxPeers": 9 },
        "peers": [], "left": [], "resumed": false, "resume": { "token": "r1", "windowMs": 30_000 },
        "iceServers": [{ "urls": ["stun:a"] }], "iceCutsAtExpiry": false,
        "heartbeat": { "intervalMs": 15_000, "timeoutMs": 10_000 },
        "limits": WireLimits::from(&Limits::default()),
        "tokenExpiresAt": 1,
    })
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_message_is_sent_until_it_is_acknowledged() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    assert_eq!(story.outputs(), ["1 at 1"]);
    story.hear(&json!({ "type": "pong" }));
    story.pass(999);
    assert_eq!(story.outputs(), NOTHING);
    story.pass(1);
    assert_eq!(story.outputs(), ["1 at 1"]);
    story.hear(&ack("bob", EPOCH, 1));
    assert_eq!(story.outputs(), ["1 delivered"]);
}

#[test]
fn what_comes_is_told_once_and_in_order_and_acknowledged() {
    let mut story = Story::joined(&[peer("bob")]);
    for n in [2, 1, 2, 3] {
        story.hear(&says("bob", n));
    }
    assert_eq!(story.events(), ["bob says 1", "bob says 2", "bob says 3"]);
    story.pass(50);
    assert_eq!(story.outputs(), ["ack 3"]);
}

#[test]
fn a_connection_that_breaks_is_followed_by_another_that_goes_on() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    story.hear(&json!({ "type": "resume", "token": "fresh" }));
    story.breaks();
    assert_eq!(story.events(), ["reconnecting in 250"]);
    story.post("bob", 2);
    assert_eq!(story.outputs(), NOTHING, "not on the next connection before its `welcome`");
    story.pass(250);
    assert_eq!(story.outputs(), ["connect with fresh"]);
    story.welcome(resumed(&[peer("bob")], &[]));
    assert_eq!(story.outputs(), ["1 at 1", "2 at 2"]);
    assert_eq!(story.events(), ["resumed", "1 ICE servers"]);
}

#[test]
fn silence_is_doubted_and_ends_the_connection() {
    let mut story = Story::joined(&[]);
    story.pass(15_000);
    assert_eq!(story.outputs(), ["ping"]);
    story.pass(9_999);
    assert_eq!(story.outputs(), NOTHING);
    story.pass(1);
    assert_eq!(
        (story.outputs(), story.events()),
        (vec!["close 3001".to_owned()], vec!["reconnecting in 250".to_owned()])
    );

    // Sooner where something was said, and at once where somebody doubts.
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    story.pass(4_999);
    assert_eq!(story.outputs(), ["1 at 1", "1 at 1", "ping", "1 at 1"]);
    story.pass(1);
    assert_eq!(story.outputs(), ["close 3001"]);
    let mut story = Story::joined(&[]);
    story.session.network_changed(story.now());
    assert_eq!(story.outputs(), ["ping"]);
    story.pass(2_999);
    story.hear(&json!({ "type": "pong" }));
    story.pass(14_999);
    assert_eq!(story.outputs(), NOTHING);
}

#[test]
fn whoever_is_missing_after_a_resume_is_away_until_its_time_is_over() {
    let mut story = Story::joined(&[peer("ann"), peer("bob"), peer("eve")]);
    story.breaks();
    story.pass(250);
    story.welcome(resumed(&[peer("ann")], &["eve"]));
    story.events().clear();
    story.breaks();
    // Nobody is given up while this side hears of nobody.
    story.pass(60_000);
    assert_eq!(story.events(), ["reconnecting in 500"]);
    story.welcome(resumed(&[peer("ann")], &[]));
    assert_eq!(story.events(), ["resumed", "1 ICE servers"], "bob is still away");
    story.pass(14_000);
    story.hear(&json!({ "type": "pong" }));
    story.pass(14_000);
    story.hear(&json!({ "type": "pong" }));
    story.pass(1_999);
    assert_eq!(story.events(), NOTHING);
    story.pass(1);
    assert_eq!(story.events(), ["bob left: Timeout"]);
}

#[test]
fn a_resume_says_who_left_and_nothing_more_is_sent_to_them() {
    let mut story = Story::joined(&[peer("bob"), peer("eve")]);
    story.breaks();
    story.post("eve", 1);
    story.pass(250);
    story.outputs();
    story.welcome(resumed(&[merged(peer("bob"), json!({ "presence": "away" })), peer("new")], &["eve"]));
    assert_eq!(story.outputs(), ["1 not delivered: the peer is not in the room"]);
    let news = ["reconnecting in 250", "resumed", "1 ICE servers", "eve left: Timeout", "bob Away", "new joined"];
    assert_eq!(story.events(), news);
}

#[test]
fn a_session_that_could_not_go_on_gives_everything_up_and_begins_anew() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    story.breaks();
    story.post("bob", 2);
    story.pass(250);
    story.outputs();
    story.welcome(json!({ "peer": peer("me2"), "peers": [peer("bob"), peer("eve")] }));
    let why = "this side's session could not go on";
    let lost = [format!("1 perhaps not delivered: {why}"), format!("2 not delivered: {why}")];
    assert_eq!(story.outputs(), lost);
    assert_eq!(story.events(), ["reconnecting in 250", "joined as me2 with 2"]);
    story.post("bob", 3);
    assert_eq!(story.outputs(), ["3 at 1"]);
}

#[test]
fn a_peer_that_may_come_back_under_its_id_is_away() {
    let mut story = Story::joined(&[peer("bob")]);
    story.hear(&json!({ "type": "peer-left", "id": "bob", "reason": "unreachable", "final": false }));
    story.post("bob", 1);
    assert_eq!((story.outputs(), story.events()), (vec![], vec!["bob Away".to_owned()]));
    story.hear(&json!({ "type": "peer-joined", "peer": peer("bob") }));
    assert_eq!((story.outputs(), story.events()), (vec!["1 at 1".to_owned()], vec!["bob Here".to_owned()]));
}

#[test]
fn a_stream_goes_on_where_who_was_given_up_comes_back_under_the_same_id() {
    let mut story = Story::joined(&[peer("bob")]);
    story.hear(&says("bob", 1));
    story.hear(&json!({ "type": "peer-left", "id": "bob", "reason": "timeout", "final": true }));
    story.post("bob", 1);
    story.hear(&json!({ "type": "peer-joined", "peer": peer("bob") }));
    story.hear(&says("bob", 1));
    story.hear(&says("bob", 2));
    assert_eq!(story.events(), ["bob says 1", "bob left: Timeout", "bob joined", "bob says 2"]);
    assert_eq!(story.outputs(), ["1 not delivered: the peer is not in the room"]);
}

#[test]
fn a_token_that_ends_is_renewed_until_the_server_takes_it() {
    let expiring = json!({ "type": "token-expiring", "tokenExpiresAt": 1 });
    let mut story = Story::joined(&[]);
    story.hear(&expiring);
    assert_eq!(story.outputs(), ["renew the token"]);
    let now = story.now();
    story.session.renewed(None, now);
    story.pass(5_250);
    assert_eq!(story.outputs(), ["renew the token"]);
    let now = story.now();
    story.session.renewed(Some("a.b.c".to_owned()), now);
    assert_eq!(story.outputs(), ["auth"]);
    story.hear(&json!({ "type": "error", "code": "token-invalid", "message": "No." }));
    story.pass(5_500);
    assert_eq!(story.outputs(), ["renew the token"]);
    let now = story.now();
    story.session.renewed(Some("d.e.f".to_owned()), now);
    story.hear(&json!({ "type": "auth-ok", "tokenExpiresAt": 2 }));
    story.pass(10_000);
    assert_eq!((story.outputs(), story.events()), (vec!["auth".to_owned()], vec![]));
    // One that comes when nobody needs it any more.
    let now = story.now();
    story.session.renewed(Some("g.h.i".to_owned()), now);
    assert_eq!(story.outputs(), NOTHING);
}

#[test]
fn an_application_that_takes_nothing_is_not_read_for_and_the_server_is_not_blamed() {
    let mut story = Story::joined(&[peer("bob")]);
    let eve = || merged(peer("eve"), json!({ "features": [] }));
    story.hear(&json!({ "type": "peer-joined", "peer": eve() }));
    for n in 1..1_024 {
        assert!(!story.session.is_full(), "{n}");
        story.hear(&json!({ "type": "message", "from": "eve", "data": n }));
    }
    assert!(story.session.is_full());
    story.outputs();
    story.pass(60_000);
    assert_eq!(story.outputs(), NOTHING, "no ping, no end");
    let now = story.now();
    assert!(matches!(story.session.take_event(now), (Some(_), Space::Made)) && !story.session.is_full());
    story.pass(14_999);
    assert_eq!(story.outputs(), NOTHING);
    story.pass(1);
    assert_eq!(story.outputs(), ["ping"]);
}

#[test]
fn nobody_listens_and_nothing_is_kept() {
    let mut story = Story::joined(&[peer("bob")]);
    story.hear(&says("bob", 1));
    story.session.deafen();
    for n in 2..=1_000 {
        story.hear(&says("bob", n));
        story.pass(50);
    }
    assert!(!story.session.is_full() && !story.session.has_event());
}

#[test]
fn what_the_server_refuses_and_nobody_waits_for_is_told() {
    let mut story = Story::joined(&[peer("bob")]);
    let error = |code: &str, re: Option<&str>| {
        let error = json!({ "type": "error", "code": code, "message": "No." });
        re.map_or(error.clone(), |re| merged(error, json!({ "re": re })))
    };
    story.hear(&error("forbidden", None));
    // One about a message to somebody who has left meanwhile.
    story.hear(&error("peer-gone", Some("99.1.1")));
    // One that closes the connection is said again by its end.
    story.hear(&error("slow-reader", None));
    assert_eq!(story.events(), ["refused: forbidden"]);
}

#[test]
fn a_refusal_that_passes_is_waited_out_and_one_that_stays_is_told() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    story.post("bob", 2);
    let refusal = |code: ErrorCode, n: u64| {
        let re = format!("1.{EPOCH}.{n}");
        json!({ "type": "error", "code": code, "message": "No.", "re": re, "to": "bob", "outcome": "not-delivered" })
    };
    story.hear(&refusal(ErrorCode::QueueFull, 1));
    story.hear(&refusal(ErrorCode::QueueFull, 2));
    assert_eq!(story.outputs(), ["1 at 1", "2 at 2"]);
    story.pass(1_000);
    story.post("bob", 3);
    assert_eq!(story.outputs(), ["1 at 1", "2 at 2", "3 at 3"]);
    // The first two may have arrived by now: only of what was sent once and follows the server's word is the end.
    story.hear(&refusal(ErrorCode::Forbidden, 3));
    let why = "forbidden: No.";
    let fates = [
        format!("1 perhaps not delivered: {why}"),
        format!("2 perhaps not delivered: {why}"),
        format!("3 not delivered: {why}"),
    ];
    assert_eq!(story.outputs(), fates);
}

#[test]
fn leaving_settles_everything_and_ends_it() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    story.outputs();
    let now = story.now();
    story.session.leave(now);
    let end = ["leave", "1 perhaps not delivered: this side has left the room", "abandon", "close 1000"];
    assert_eq!(story.outputs(), end);
    assert_eq!(story.session.post(Outgoing::message(&id("bob"), json!(2)), 2, now), Err(2));
    story.session.leave(now);
    story.welcome(json!({}));
    assert_eq!(story.outputs(), ["close 1000"], "an attempt that succeeded all the same");
    assert_eq!((story.session.next_at(now), story.session.is_over()), (None, true));
}

#[test]
fn a_server_that_wants_this_client_no_more_has_the_last_word() {
    let mut story = Story::joined(&[peer("bob")]);
    let error = Error::Closed { code: CloseCode::Removed.code(), reason: String::new(), error: None };
    assert_eq!(CloseCode::Removed.reconnect(), Reconnect::No);
    story.post("bob", 1);
    story.outputs();
    let now = story.now();
    story.session.lost(error, now);
    assert_eq!(story.events(), ["failed: closed with 4410"]);
    let end = ["1 perhaps not delivered: this side has left the room", "abandon", "close 3001"];
    assert_eq!(story.outputs(), end);

    let mut story = Story::new();
    let now = story.now();
    story.session.refused(Error::Refused { status: 403, problem: None }, now);
    assert_eq!(story.outputs(), ["abandon", "close 3001", "not joined: refused with HTTP 403"]);
}

#[test]
fn many_peers_take_turns_at_the_pace_of_the_server() {
    let mut story = Story::new();
    story.welcome(merged(
        json!({ "peers": [peer("a"), peer("b"), peer("c")] }),
        json!({ "limits": merged(welcome()["limits"].clone(), json!({ "messageBurst": 10, "messageBurstPerPeer": 0, "messagesPerSecond": 10 })) }),
    ));
    story.outputs();
    for ticket in 1..=6 {
        for to in ["a", "b", "c"] {
            story.post(to, ticket);
        }
    }
    assert_eq!(story.outputs().len(), 9, "nine tenths of the burst");
    story.pass(999);
    let later = story.outputs();
    assert_eq!(later.iter().filter(|sent| sent.as_str() == "4 at 4").count(), 3, "{later:?}");
    assert!((8..=9).contains(&later.len()), "{later:?}");
}

#[test]
fn an_application_that_takes_nothing_for_a_while_holds_up_streams_and_not_their_acknowledgements() {
    let mut story = Story::joined(&[peer("bob")]);
    story.post("bob", 1);
    for n in 1..=300 {
        story.hear(&says("bob", n));
        story.pass(1);
    }
    // What does not fit comes again, like what had no acknowledgement.
    for n in 257..=320 {
        story.hear(&says("bob", n));
    }
    assert_eq!(story.outputs().last().map(String::as_str), Some("ack 256"));
    story.hear(&ack("bob", EPOCH, 1));
    story.pass(1_000);
    assert_eq!(story.outputs(), ["1 delivered"]);
    let now = story.now();
    for n in 1..=256 {
        let (event, space) = story.session.take_event(now);
        assert_eq!(event.as_ref().map(told), Some(format!("bob says {n}")));
        assert_eq!(space == Space::Made, n == 1, "{n}");
    }
    story.pass(50);
    assert_eq!(story.outputs().last().map(String::as_str), Some("ack 320"));
    let rest: Vec<_> = (257..=320).map(|n| format!("bob says {n}")).collect();
    assert_eq!(story.events(), rest);
}

#[test]
fn what_was_meant_for_one_connection_is_not_sent_on_the_next() {
    let mut story = Story::joined(&[peer("bob")]);
    story.hear(&json!({ "type": "reconnect", "reason": "drain", "withinMs": 0 }));
    story.pass(1_000);
    assert_eq!(story.outputs(), ["connect with r1"]);
    // The application says something just before the driver reports the `welcome` of a new stay.
    story.post("bob", 1);
    story.welcome(json!({ "peer": peer("me2"), "peers": [peer("bob")] }));
    assert_eq!(story.outputs(), ["1 perhaps not delivered: this side's session could not go on"]);
}

#[test]
fn the_largest_message_that_is_taken_is_one_the_server_takes() {
    let mut story = Story::joined(&[peer("bob")]);
    // Positions and acknowledgements of four digits.
    for n in 1..=1_001 {
        story.post("bob", 1);
        story.hear(
            &json!({ "type": "message", "from": "bob", "data": n, "x": { "s": { "e": 4_000_000_000_u32, "n": n } } }),
        );
        story.hear(&ack("bob", EPOCH, n));
        if n <= 1_000 {
            story.pass(60);
        }
        story.events();
    }
    story.outputs();
    let sent = (65_000..65_536).rev().find_map(|size| {
        let (message, now) = (Outgoing::message(&id("bob"), json!("x".repeat(size))), story.now());
        story.session.post(message, 9, now).expect("it is not over");
        let outputs: Vec<_> = std::iter::from_fn(|| story.session.take_output()).collect();
        outputs.iter().find_map(|output| match output {
            Output::Send(text) => Some(text.len()),
            _ => None,
        })
    });
    let sent = sent.expect("one of them passes");
    assert!((65_300..=65_536).contains(&sent), "{sent}");
}

#[test]
fn a_server_that_is_away_for_long_does_not_fill_the_memory() {
    let mut story = Story::joined(&[]);
    story.breaks();
    for _ in 0..1_000 {
        story.pass(15_000);
        let now = story.now();
        story.session.refused(Error::Timeout("connecting"), now);
    }
    assert_eq!(story.events(), ["reconnecting in 7500"]);
}

#[test]
fn a_peer_that_names_an_earlier_stay_takes_its_place() {
    let again = || merged(peer("bob2"), json!({ "previous": "bob" }));
    let mut story = Story::joined(&[peer("bob")]);
    story.hear(&json!({ "type": "peer-joined", "peer": again() }));
    assert_eq!(story.events(), ["bob left: Timeout", "bob2 joined"]);

    let mut story = Story::joined(&[peer("bob")]);
    story.breaks();
    story.pass(250);
    story.welcome(resumed(&[again()], &[]));
    assert_eq!(story.events()[3..], ["bob left: Timeout", "bob2 joined"]);
}

#[test]
fn an_acknowledgement_is_nothing_to_the_application() {
    let mut story = Story::joined(&[peer("bob"), merged(peer("eve"), json!({ "features": [] }))]);
    story.hear(&json!({ "type": "ack", "from": "eve", "x": {} }));
    story.hear(&json!({ "type": "ack", "from": "bob", "x": { "s": { "e": 7, "n": 1 } } }));
    assert_eq!(story.events(), NOTHING);
}
