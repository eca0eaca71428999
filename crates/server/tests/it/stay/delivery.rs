//! What becomes of messages.

use std::time::Duration;

use aldis_client::{Event, Outgoing, Undelivered, Why};
use aldis_core::Permission;
use aldis_protocol::{ErrorCode, LeaveReason, Outcome, PeerId};
use serde_json::json;

use super::guest::{Guest, clustered, talk, undelivered};
use crate::support::{Proxy, Rig, Token, within};

/// So often that there is always something on its way when it is cut.
const OFTEN: Duration = Duration::from_millis(5);

/// Two who talk with each other, each by a way of its own.
struct Couple {
    ann: Guest,
    bob: Guest,
    ways: [Proxy; 2],
}

impl Couple {
    async fn of(rig: &Rig) -> Self {
        let ways = [Proxy::to(rig.server.listen()[0]).await, Proxy::to(rig.server.listen()[0]).await];
        let mut ann = Guest::join(rig, ways[0].url(), "ann").await;
        let bob = Guest::join(rig, ways[1].url(), "bob").await;
        ann.meets("bob").await;
        Self { ann, bob, ways }
    }

    /// Both say so many things while something happens to them; all of it has to arrive.
    async fn lose_nothing(&mut self, count: u64, happening: impl Future<Output = ()>) {
        let (to_ann, to_bob) = (self.ann.id(), self.bob.id());
        let (ann, bob) = (self.ann.room.clone(), self.bob.room.clone());
        let ((), said_by_ann, said_by_bob, ..) =
            tokio::join!(happening, talk(&ann, &to_bob, count, OFTEN), talk(&bob, &to_ann, count, OFTEN), async {
                tokio::time::timeout(Duration::from_secs(40), async {
                    tokio::join!(listen(&mut self.ann, &to_bob, count), listen(&mut self.bob, &to_ann, count))
                })
                .await
                .expect("everything arrives")
            },);
        assert_eq!((undelivered(&said_by_ann), undelivered(&said_by_bob)), (vec![], vec![]));
        assert_eq!((self.ann.id(), self.bob.id()), (to_ann, to_bob), "both stayed");
    }
}

/// Hears everything that somebody says, and sees nobody leave.
async fn listen(guest: &mut Guest, from: &PeerId, count: u64) {
    while guest.heard_of(from).len() < usize::try_from(count).expect("few") {
        let left = guest.until("an event", |event| Some(matches!(event, Event::PeerLeft { .. }))).await;
        assert!(!left, "nobody leaves");
    }
    guest.hears(from, count).await;
}

#[tokio::test]
async fn everything_is_delivered_once_and_in_order() {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 50;
        config.limits.message_burst_per_peer = 0;
        config.limits.messages_per_second = 150;
    });
    let mut couple = Couple::of(&rig).await;
    couple.lose_nothing(300, async {}).await;
    // Within the rates, although it is said faster than they allow.
    assert_eq!(rig.metric("aldis_refused_total{code=\"rate-limited\"}"), 0);
}

#[tokio::test]
async fn connections_that_are_cut_again_and_again_lose_nothing() {
    let rig = Rig::usual();
    let mut couple = Couple::of(&rig).await;
    let [one, other] = couple.ways.clone();
    let cutter = async move {
        let mut cut = 0;
        for round in 0.. {
            tokio::time::sleep(Duration::from_millis(150)).await;
            cut += if round % 3 == 0 { one.cut() + other.cut() } else { one.cut() };
            if cut >= 10 {
                break;
            }
        }
    };
    couple.lose_nothing(300, cutter).await;
}

#[tokio::test]
async fn a_server_that_is_started_again_loses_nothing() {
    let first = Rig::start(clustered);
    let mut couple = Couple::of(&first).await;
    let ways = couple.ways.clone();
    let mut second = None;
    couple
        .lose_nothing(200, async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(first);
            let next = Rig::start(clustered);
            for way in &ways {
                way.lead(next.server.listen()[0]);
            }
            second = Some(next);
        })
        .await;
}

#[tokio::test]
async fn when_one_server_hands_over_to_another_nobody_is_ever_without() {
    let drained = |config: &mut aldis_server::config::Config| {
        clustered(config);
        config.drain_window_ms = 4_000;
    };
    let first = Rig::start(drained);
    let mut couple = Couple::of(&first).await;
    let second = Rig::start(clustered);
    let ways = couple.ways.clone();
    let (ann, bob) = (couple.ann.room.clone(), couple.bob.room.clone());
    couple
        .lose_nothing(300, async {
            // Whoever has just connected is left alone for a second.
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            for way in &ways {
                way.lead(second.server.listen()[0]);
            }
            within("the end of the drain", first.server.drain()).await;
            assert!(ann.is_connected() && bob.is_connected(), "the next one stood before");
        })
        .await;
    assert_eq!((couple.ann.breaks, couple.bob.breaks), (0, 0));
}

#[tokio::test]
async fn a_peer_that_left_is_sent_nothing_more() {
    let rig = Rig::usual();
    let mut couple = Couple::of(&rig).await;
    let bob = couple.bob.id();
    couple.bob.room.leave().await;
    let reason = couple
        .ann
        .until("a goodbye", |event| match event {
            Event::PeerLeft { peer, reason } if peer.id == bob => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, LeaveReason::Left);
    let fate = within("a fate", couple.ann.room.send(Outgoing::message(&bob, json!(1))).into_future()).await;
    assert_eq!(fate, Err(Undelivered { outcome: Outcome::NotDelivered, why: Why::PeerLeft }));
}

#[tokio::test]
async fn who_speaks_no_streams_is_spoken_with_by_receipt() {
    let rig = Rig::usual();
    let mut ann = Guest::join(&rig, format!("ws://{}", rig.server.listen()[0]), "ann").await;
    let mut eve = rig.raw("eve").await;
    let to = ann.meets("eve").await;
    let fates = talk(&ann.room, &to, 20, OFTEN).await;
    assert_eq!(undelivered(&fates), []);
    for number in 1..=20 {
        let heard = eve.expect("message").await;
        assert_eq!(heard["data"], number);
        assert!(heard.get("x").is_none(), "{heard}");
        assert!(heard["from"] == ann.id().as_str());
    }
    for number in 1..=20 {
        eve.tell(ann.id().as_str(), number).await;
    }
    ann.hears(&to, 20).await;
}

#[tokio::test]
async fn what_the_grant_does_not_allow_is_refused_by_name_and_what_was_before_it_is_not() {
    let rig = Rig::usual();
    let url = format!("ws://{}", rig.server.listen()[0]);
    let mut bob = Guest::join(&rig, &url, "bob").await;
    let ann = Guest::join(&rig, &url, Token::of("ann").can(&[Permission::Signal])).await;
    let to = bob.id();
    let offer = ann.room.send(Outgoing::offer(&to, "v=0\r\n").x(json!({ "g": 1, "d": 1 })));
    let message = ann.room.send(Outgoing::message(&to, json!(1)));
    let answer = ann.room.send(Outgoing::answer(&to, "v=0\r\n"));
    assert_eq!(
        within("a fate", offer.into_future()).await.map_err(|error| error.outcome).err(),
        Some(Outcome::Unknown)
    );
    for refused in [message, answer] {
        let error = within("a fate", refused.into_future()).await.expect_err("refused");
        let Why::Refused(wire) = &error.why else { panic!("{error}") };
        assert_eq!((wire.code, error.outcome), (ErrorCode::Forbidden, Outcome::NotDelivered), "{error}");
    }
    // Its fate is unknown to its sender, because nobody had said so yet; it did arrive.
    let x = bob
        .until("the offer", |event| match event {
            Event::Signal(signal) => signal.x,
            _ => None,
        })
        .await;
    let x: serde_json::Value = serde_json::from_str(x.get()).expect("JSON");
    assert_eq!((&x["g"], &x["d"], &x["s"]["n"]), (&json!(1), &json!(1), &json!(1)));
}

#[tokio::test]
async fn what_no_server_takes_is_refused_before_it_leaves() {
    let rig = Rig::usual();
    let mut couple = Couple::of(&rig).await;
    let bob = couple.bob.id();
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let cases = [
        (Outgoing::message(&bob, json!("x".repeat(70_000))), ErrorCode::TooLarge),
        (Outgoing::message(&bob, deep), ErrorCode::TooDeep),
        (Outgoing::message(&bob, json!(1)).x(json!({ "mine": "x".repeat(1_000) })), ErrorCode::TooLarge),
        (Outgoing::message(&bob, json!(1)).x(json!([])), ErrorCode::BadEnvelope),
        (Outgoing::hangup(&bob, Some(&"x".repeat(300))), ErrorCode::BadEnvelope),
    ];
    for (message, code) in cases {
        let error = within("a fate", couple.ann.room.send(message).into_future()).await.expect_err("refused");
        let Why::Refused(wire) = &error.why else { panic!("{error}") };
        assert_eq!((wire.code, error.outcome), (code, Outcome::NotDelivered), "{wire}");
    }
    couple.lose_nothing(10, async {}).await;
}

#[tokio::test]
async fn a_broadcast_reaches_whoever_is_there_and_needs_a_connection() {
    let rig = Rig::usual();
    let way = Proxy::to(rig.server.listen()[0]).await;
    let mut bob = Guest::join(&rig, way.url(), "bob").await;
    let mut ann = Guest::join(&rig, way.url(), Token::of("ann").all()).await;
    assert_eq!(within("a fate", ann.room.send(Outgoing::broadcast(json!(1))).into_future()).await, Ok(()));
    bob.hears(&ann.id(), 1).await;
    way.refuse();
    way.cut();
    ann.until("the break", |event| matches!(event, Event::Reconnecting { .. }).then_some(())).await;
    let fate = within("a fate", ann.room.send(Outgoing::broadcast(json!(2))).into_future()).await;
    assert_eq!(fate, Err(Undelivered { outcome: Outcome::NotDelivered, why: Why::NotConnected }));
    assert!(!ann.room.refresh_ice_servers());
}

#[tokio::test]
async fn too_many_messages_for_somebody_who_is_away_are_refused_one_by_one() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let mut couple = Couple::of(&rig).await;
    let bob = couple.bob.id();
    couple.ways[1].refuse();
    couple.ways[1].cut();
    couple
        .ann
        .until("that bob is away", |event| matches!(event, Event::PeerUpdated(peer) if peer.id == bob).then_some(()))
        .await;
    let sendings: Vec<_> =
        (1..=1_025_u64).map(|number| couple.ann.room.send(Outgoing::message(&bob, json!(number)))).collect();
    let mut fates = sendings.into_iter();
    let last = fates.next_back().expect("one");
    let fate = within("a fate", last.into_future()).await;
    assert_eq!(fate, Err(Undelivered { outcome: Outcome::NotDelivered, why: Why::QueueFull }));
    couple.ways[1].open();
    let ann = couple.ann.id();
    let told = async {
        for sending in fates {
            let fate = tokio::time::timeout(Duration::from_secs(31), sending.into_future()).await.expect("a fate");
            assert_eq!(fate, Ok(()));
        }
    };
    tokio::join!(told, couple.bob.hears(&ann, 1_024));
}

#[tokio::test]
async fn an_application_that_takes_no_events_for_a_while_loses_none() {
    let rig = Rig::usual();
    let mut couple = Couple::of(&rig).await;
    let (ann, bob) = (couple.ann.id(), couple.bob.id());
    // More than may wait: 256 events, and as much as their sender may have under way.
    let sendings: Vec<_> =
        (1..=600_u64).map(|number| couple.ann.room.send(Outgoing::message(&bob, json!(number)))).collect();
    let mut fates = sendings.into_iter();
    for sending in fates.by_ref().take(256) {
        assert_eq!(within("a fate", sending.into_future()).await, Ok(()));
    }
    couple.bob.hears(&ann, 600).await;
    for sending in fates {
        assert_eq!(within("a fate", sending.into_future()).await, Ok(()));
    }
}
