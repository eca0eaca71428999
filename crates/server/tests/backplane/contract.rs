//! What every broker must do.

use aldis_protocol::NodeId;
use aldis_server::backplane::{Cause, Event, Health, MAX_PAYLOAD, Refused, Subject, Unread};

use crate::{
    brokers::{Broker, Open, Stops},
    support::{Hears, Node, back, heal, lobby, room},
};

/// How many frames are published in one go where their order is looked at; fewer than the queue holds.
const MANY: usize = 2_000;

/// Two nodes that are up.
async fn pair<B: Broker>(broker: &B) -> (Node, Node) {
    let (mut north, mut south) = (broker.node("north"), broker.node("south"));
    north.up().await;
    south.up().await;
    (north, south)
}

pub(crate) async fn frames_arrive_where_they_are_wanted<B: Broker>() {
    let broker = B::start().await;
    let (mut north, mut south) = pair(&broker).await;
    north.subscribe("lobby").await;
    let lobby = Subject::Room(room("lobby"));
    for subject in [lobby.clone(), Subject::Nodes, north.inbox()] {
        south.say(&subject, "hello").expect("accepted");
        assert_eq!(north.frame().await, (subject, "south".to_owned(), "hello".to_owned()));
    }
    // Not in rooms that are not wanted, nor any more.
    south.say(&Subject::Room(room("cellar")), "nobody").expect("accepted");
    north.backplane.unsubscribe(&room("lobby"));
    south.say(&lobby, "nobody").expect("accepted");
    south.say(&north.inbox(), "end").expect("accepted");
    assert_eq!(north.heard().await, "end");
    // And nobody hears himself.
    south.subscribe("lobby").await;
    south.say(&lobby, "mine").expect("accepted");
    south.say(&Subject::Nodes, "mine").expect("accepted");
    south.say(&south.inbox(), "mine").expect("accepted");
    north.say(&south.inbox(), "yours").expect("accepted");
    assert_eq!(south.heard().await, "yours");
    assert!(north.metric("received_total") >= 4.0 && south.metric("published_total") >= 9.0);
}

pub(crate) async fn order_is_kept_on_every_subject<B: Broker>() {
    let broker = B::start().await;
    let (mut north, south) = pair(&broker).await;
    north.subscribe("lobby").await;
    let subjects = [Subject::Room(room("lobby")), north.inbox()];
    for number in 0..MANY {
        south.say(&subjects[number % 2], &number.to_string()).expect("accepted");
    }
    let mut next = [0, 1];
    for _ in 0..MANY {
        let (subject, _, text) = north.frame().await;
        let place = usize::from(subject == subjects[1]);
        assert_eq!(text, next[place].to_string());
        next[place] += 2;
    }
}

pub(crate) async fn a_frame_that_nobody_reads_is_told<B: Broker>() {
    let broker = B::start().await;
    let (mut north, mut south) = pair(&broker).await;
    let nobody = Subject::Inbox(NodeId::parse("nobody").expect("an id"));
    north.ask(&south.inbox(), "read", 1);
    north.ask(&nobody, "unread", 2);
    assert_eq!(north.unread().await, 2);
    assert_eq!(south.heard().await, "read");
    // In a room, nobody is nobody else.
    let lobby = Subject::Room(room("lobby"));
    north.ask(&lobby, "nobody at all", 3);
    assert_eq!(north.unread().await, 3);
    north.subscribe("lobby").await;
    north.ask(&lobby, "alone", 4);
    assert_eq!(north.unread().await, 4);
    south.subscribe("lobby").await;
    north.ask(&lobby, "not alone", 5);
    assert_eq!(south.heard().await, "not alone");
    north.ask(&nobody, "unread", u64::MAX);
    assert_eq!(north.unread().await, u64::MAX);
}

pub(crate) async fn deployments_share_a_broker<B: Broker>() {
    let broker = B::start().await;
    let (mut north, mut south) = pair(&broker).await;
    let (mut other, mut forger) =
        (broker.node_with("other", "second", "north"), broker.node_with("f", "aldis", "south"));
    other.up().await;
    forger.up().await;
    for node in [&mut north, &mut other] {
        node.subscribe("lobby").await;
    }
    for subject in [Subject::Nodes, Subject::Room(room("lobby")), north.inbox()] {
        other.say(&subject, "from another deployment").expect("accepted");
        forger.say(&subject, "with another secret").expect("accepted");
    }
    north.counts("dropped_total{reason=\"mac\"}", 3.0).await;
    south.counts("dropped_total{reason=\"mac\"}", 1.0).await;
    other.ask(&north.inbox(), "nobody of this name is here", 1);
    assert_eq!(other.unread().await, 1);
    south.say(&Subject::Nodes, "ours").expect("accepted");
    assert_eq!(north.heard().await, "ours");
    north.say(&south.inbox(), "ours").expect("accepted");
    assert_eq!(south.heard().await, "ours");
}

pub(crate) async fn what_is_too_large_is_refused<B: Broker>() {
    let broker = B::start().await;
    let (mut north, south) = pair(&broker).await;
    let payload = vec![b'x'; MAX_PAYLOAD + 1];
    let refused = south.backplane.publish(&north.inbox(), &payload, Unread::Ignore);
    assert_eq!(refused, Err(Refused::TooLarge));
    assert_eq!(south.metric("refused_total{reason=\"too-large\"}"), 1.0);
    south.backplane.publish(&north.inbox(), &payload[1..], Unread::Ignore).expect("accepted");
    assert_eq!(north.heard().await.len(), MAX_PAYLOAD);
}

pub(crate) async fn an_outage_heals_by_itself<B: Broker>() {
    let mut broker = B::start().await;
    let (mut north, mut south) = pair(&broker).await;
    for name in ["left", "kept"] {
        north.subscribe(name).await;
    }
    south.subscribe("kept").await;
    for _ in 0..2 {
        broker.kill().await;
        north.degraded().await;
        south.degraded().await;
        assert!(matches!(north.backplane.health(), Health::Degraded(_)));
        assert_eq!(north.say(&Subject::Nodes, "lost"), Err(Refused::Down));
        assert_eq!(north.metric("up"), 0.0);
        // What is wanted changes while there is nobody to tell.
        north.backplane.unsubscribe(&room("left"));
        north.backplane.subscribe(&room("new"));
        broker.revive().await;
        north.up().await;
        let mut rooms = Vec::new();
        while rooms.len() < 2 {
            rooms.push(north.until("a room", subscribed).await);
        }
        rooms.sort();
        assert_eq!(rooms, ["kept", "new"]);
        south.up().await;
        south.subscribed("kept").await;
        north.converse(&mut south, "kept").await;
        south.converse(&mut north, "new").await;
    }
    assert!(north.metric("degraded_seconds_total") > 0.0);
    assert_eq!(north.metric("refused_total{reason=\"down\"}"), 2.0);
}

pub(crate) async fn a_broker_may_come_later<B: Broker>() {
    let mut broker = B::planned();
    let (mut north, mut south) = (broker.node("north"), broker.node("south"));
    assert!(matches!(north.backplane.health(), Health::Degraded(Cause::Starting | Cause::Unreachable)));
    assert_eq!(north.say(&Subject::Nodes, "too early"), Err(Refused::Down));
    for node in [&mut north, &mut south] {
        node.backplane.subscribe(&room("lobby"));
        node.degraded_by(Cause::Unreachable).await;
    }
    broker.revive().await;
    heal(&mut north, &mut south).await;
}

pub(crate) async fn many_rooms_come_back<B: Broker>() {
    let mut broker = B::start().await;
    let mut north = broker.node("north");
    north.up().await;
    let names: Vec<String> = (0..1_500).map(|number| format!("room-{number}")).collect();
    for name in &names {
        north.backplane.subscribe(&room(name));
    }
    for lifetime in ["first", "second"] {
        for _ in &names {
            north.until("a room", subscribed).await;
        }
        let mut south = broker.node(lifetime);
        south.up().await;
        for name in ["room-0", "room-700", "room-1499"] {
            south.say(&Subject::Room(room(name)), lifetime).expect("accepted");
            assert_eq!(north.frame().await, (Subject::Room(room(name)), lifetime.to_owned(), lifetime.to_owned()));
        }
        if lifetime == "first" {
            broker.kill().await;
            north.degraded().await;
            broker.revive().await;
        }
    }
}

pub(crate) async fn junk_is_dropped_and_counted<B: Open>() {
    let broker = B::start().await;
    let (mut north, south) = pair(&broker).await;
    let junk: [(&[u8], &str); 5] = [
        (b"", "malformed"),
        (b"\x01", "malformed"),
        (b"{\"type\":\"hello\"}", "version"),
        (&[1; 100], "mac"),
        (&vec![1; 2 * MAX_PAYLOAD], "oversize"),
    ];
    for (bytes, _) in junk {
        broker.inject("aldis.n", bytes).await;
    }
    for (_, reason) in junk {
        let count = junk.iter().filter(|(_, other)| *other == reason).count();
        north.counts(&format!("dropped_total{{reason=\"{reason}\"}}"), count as f64).await;
    }
    south.say(&Subject::Nodes, "a frame").expect("accepted");
    assert_eq!(north.heard().await, "a frame");
}

pub(crate) async fn what_did_not_go_out_is_handed_back<B: Stops>() {
    let mut broker = B::start().await;
    let (mut north, mut south) = pair(&broker).await;
    broker.stop();
    // Large ones, so that not all of them find room in what the system takes.
    let payload = vec![b'x'; 100 * 1024];
    let mut accepted = Vec::new();
    for tag in 0.. {
        match north.backplane.publish(&south.inbox(), &payload, Unread::Report(tag)) {
            Ok(()) => accepted.push(tag),
            Err(refused) => {
                assert_eq!(refused, Refused::Full);
                break;
            }
        }
        tokio::task::yield_now().await;
    }
    let lost = north.lost().await;
    // What had gone out before may arrive, so nothing is said of it; all behind it is handed back, in its order.
    let behind = accepted.len().checked_sub(lost.len()).expect("only what was accepted is lost");
    assert_eq!(lost, accepted[behind..]);
    assert!(lost.len() > 50, "{} of {}", lost.len(), accepted.len());
    broker.go_on();
    for node in [&mut north, &mut south] {
        node.up().await;
    }
    let unheard = |event: &Event| match event {
        Event::Frame { payload, .. } => Some(payload.clone()),
        _ => None,
    };
    north.say(&south.inbox(), "end").expect("accepted");
    let mut late = 0;
    while south.until("what went out late, and the end", unheard).await != b"end" {
        late += 1;
    }
    assert!(late <= behind, "{late} of {behind}: what was handed back arrived");
}

pub(crate) async fn a_stopped_one_refuses_what_is_too_much<B: Stops>() {
    let mut broker = B::start().await;
    let (mut north, mut south) = lobby(&broker).await;
    broker.stop();
    // Until the probes notice, frames wait: in our queue, in that of the library, and in what the system takes.
    let payload = vec![b'x'; 100 * 1024];
    let mut accepted = 0;
    let refused = loop {
        match north.backplane.publish(&Subject::Nodes, &payload, Unread::Ignore) {
            Ok(()) => accepted += payload.len(),
            Err(refused) => break refused,
        }
        // In small steps, so that it is not our queue alone that fills.
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, Refused::Full);
    assert!(accepted < 48 * 1024 * 1024, "{accepted} bytes wait");
    north.degraded_by(Cause::Deaf).await;
    assert_eq!(north.say(&Subject::Nodes, "lost"), Err(Refused::Down));
    assert!(north.metric("dropped_total{reason=\"link-lost\"}") > 0.0);
    assert_eq!(north.metric("probe_misses_total"), 2.0);
    south.degraded_by(Cause::Deaf).await;
    broker.go_on();
    back(&mut north, &mut south).await;
    // What it had taken before it was stopped may come out late.
    south.say(&north.inbox(), "back").expect("accepted");
    assert_eq!(north.heard().await, "back");
}

fn subscribed(event: &Event) -> Option<String> {
    match event {
        Event::Subscribed(room) => Some(room.to_string()),
        _ => None,
    }
}

/// The tests of a broker that keeps the contract.
macro_rules! contract {
    ($broker:ty: $($test:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::contract::$test::<$broker>().await;
            }
        )+
    };
    ($broker:ty) => {
        crate::contract::contract!($broker:
            frames_arrive_where_they_are_wanted,
            order_is_kept_on_every_subject,
            a_frame_that_nobody_reads_is_told,
            deployments_share_a_broker,
            what_is_too_large_is_refused,
            an_outage_heals_by_itself,
            a_broker_may_come_later,
            many_rooms_come_back,
        );
    };
}

pub(crate) use contract;
