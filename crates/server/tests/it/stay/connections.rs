//! Which connections there are, and when there is none any more.

use std::time::Duration;

use aldis_client::{Error, Event, Outgoing, Room, RoomOptions};
use aldis_core::Duplicates;
use aldis_protocol::{LeaveReason, Presence};
use serde_json::json;

use super::guest::{Guest, Purse};
use crate::support::{Proxy, Rig, Token, within};

fn url(rig: &Rig) -> String {
    format!("ws://{}", rig.server.listen()[0])
}

#[tokio::test]
async fn a_broken_connection_is_told_and_resumed() {
    let rig = Rig::usual();
    let way = Proxy::to(rig.server.listen()[0]).await;
    let mut ann = Guest::join(&rig, way.url(), "ann").await;
    let id = ann.id();
    for _ in 0..3 {
        assert_eq!(way.cut(), 1);
        let error = ann
            .until("the break", |event| match event {
                Event::Reconnecting { error, .. } => Some(error),
                _ => None,
            })
            .await;
        assert!(matches!(error, Error::Closed { code: 1006, .. }), "{error}");
        ann.is_back().await;
        assert_eq!(ann.id(), id);
    }
}

#[tokio::test]
async fn a_stay_that_ended_meanwhile_is_followed_by_another_one_that_names_it() {
    let rig = Rig::start(|config| {
        config.limits.resume_window_ms = 50;
        config.limits.away_notice_ms = 0;
    });
    let way = Proxy::to(rig.server.listen()[0]).await;
    let mut bob = Guest::join(&rig, url(&rig), "bob").await;
    let mut ann = Guest::join(&rig, way.url(), "ann").await;
    let (first, other) = (ann.id(), bob.id());
    bob.meets("ann").await;
    way.refuse();
    way.cut();
    let reason = bob
        .until("that ann is given up", |event| match event {
            Event::PeerLeft { peer, reason } if peer.id == first => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, LeaveReason::Timeout);
    way.open();
    let (me, peers) = ann
        .until("another stay", |event| match event {
            Event::Joined { me, peers } => Some((me, peers)),
            _ => None,
        })
        .await;
    assert_ne!(me.id, first);
    assert_eq!(peers.iter().map(|peer| &peer.id).collect::<Vec<_>>(), [&other]);
    let again = bob
        .until("ann again", |event| match event {
            Event::PeerJoined(peer) => Some(peer),
            _ => None,
        })
        .await;
    assert_eq!((again.id, again.previous), (me.id.clone(), Some(first)));
    // The streams are new ones.
    let sent = within("a fate", bob.room.send(Outgoing::message(&me.id, json!(1))).into_future()).await;
    assert_eq!(sent, Ok(()));
    ann.hears(&other, 1).await;
}

#[tokio::test]
async fn a_peer_whose_connection_broke_is_away_and_back() {
    let rig = Rig::start(|config| config.limits.away_notice_ms = 0);
    let way = Proxy::to(rig.server.listen()[0]).await;
    let mut bob = Guest::join(&rig, url(&rig), "bob").await;
    let ann = Guest::join(&rig, way.url(), "ann").await;
    bob.meets("ann").await;
    way.cut();
    for expected in [Presence::Away, Presence::Here] {
        let presence = bob
            .until("news", |event| match event {
                Event::PeerUpdated(peer) if peer.id == ann.id() => Some(peer.presence),
                _ => None,
            })
            .await;
        assert_eq!(presence, expected);
    }
}

#[tokio::test]
async fn another_session_of_the_identity_takes_its_place_for_good() {
    let rig = Rig::usual();
    let mut ann = Guest::join(&rig, url(&rig), "ann").await;
    let newer = Guest::join(&rig, url(&rig), Token::of("ann").duplicates(Duplicates::Replace)).await;
    let error = ann
        .until("the end", |event| match event {
            Event::Failed(error) => Some(error),
            _ => None,
        })
        .await;
    assert!(matches!(error, Error::Closed { code: 4409, .. }), "{error}");
    assert!(within("the end", ann.events.next()).await.is_none());
    assert!(newer.room.is_connected() && newer.room.peers().is_empty());
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_before() {
    let rig = Rig::usual();
    // Both end at once, since a token that is about to end is asked about on the spot.
    let purse = Purse::with([rig.mint(Token::of("ann").ttl_s(2))]);
    let mut ann = Guest::enter(purse.options(url(&rig))).await;
    purse.put(rig.mint("ann"));
    let bob = Guest::join(&rig, url(&rig), "bob").await;
    ann.until("bob", |event| matches!(event, Event::PeerJoined(_)).then_some(())).await;
    // Longer than the first one lives.
    let news = tokio::time::timeout(Duration::from_secs(4), ann.events.next()).await;
    assert!(news.is_err(), "no other connection was needed: {news:?}");
    assert!(ann.room.is_connected() && bob.room.is_connected());
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_more() {
    let rig = Rig::usual();
    let expired = rig.mint_ago(Token::of("ann").ttl_s(60), 600_000);
    let purse = Purse::with([expired.clone(), rig.mint("ann")]);
    let guest = Guest::enter(purse.options(url(&rig))).await;
    assert_eq!(purse.left(), 1);
    drop(guest);
    // And a second refusal is final.
    let purse = Purse::with([expired.clone(), expired.clone(), rig.mint("ann")]);
    let error = within("the refusal", Room::join(purse.options(url(&rig)))).await.expect_err("refused");
    assert!(matches!(error, Error::Closed { code: 4401, .. }), "{error}");
    assert_eq!(purse.left(), 1);
    // One that cannot be renewed is not tried twice.
    let error =
        within("the refusal", Room::join(RoomOptions::new(url(&rig)).token(expired))).await.expect_err("refused");
    assert!(matches!(error, Error::Closed { code: 4401, .. }), "{error}");
}

#[tokio::test]
async fn a_source_of_tokens_that_fails_is_asked_again() {
    let rig = Rig::usual();
    let purse = Purse::default();
    let joining = tokio::spawn(Room::join(purse.options(url(&rig))));
    tokio::time::sleep(Duration::from_millis(50)).await;
    purse.put(rig.mint("ann"));
    let (room, _events) = within("the welcome", joining).await.expect("no panic").expect("joined");
    assert_eq!(room.me().identity.as_str(), "ann");

    let options = Purse::default().options(url(&rig)).join_timeout(Duration::from_millis(100));
    let error = within("the end of patience", Room::join(options)).await.expect_err("no token");
    assert_eq!(error.to_string(), "there is no token: the purse is empty");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up_after_a_while() {
    let nowhere = Proxy::to("127.0.0.1:1".parse().expect("an address")).await;
    let options = RoomOptions::new(nowhere.url()).room("lobby").join_timeout(Duration::from_millis(300));
    let error = within("the end of patience", Room::join(options)).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Handshake(_) | Error::Connect { .. }), "{error}");
}

#[tokio::test]
async fn what_can_never_work_is_said_at_once() {
    let rig = Rig::usual();
    let cases = [
        (RoomOptions::new("nonsense"), "the URL `nonsense`"),
        (RoomOptions::new(url(&rig)).room("lobby"), "token-missing"),
        (RoomOptions::new(url(&rig)).room("elsewhere").token(rig.mint("ann")), "forbidden"),
    ];
    for (options, expected) in cases {
        let error = within("the refusal", Room::join(options)).await.expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_dropped_room_is_left() {
    let rig = Rig::usual();
    let mut bob = Guest::join(&rig, url(&rig), "bob").await;
    let ann = Guest::join(&rig, url(&rig), "ann").await;
    bob.meets("ann").await;
    let clone = ann.room.clone();
    let id = ann.id();
    drop(ann);
    // Nobody takes its events any more, and it stays all the same.
    let sent = within("a fate", bob.room.send(Outgoing::message(&id, json!(1))).into_future()).await;
    assert_eq!(sent, Ok(()));
    drop(clone);
    let reason = bob
        .until("a goodbye", |event| match event {
            Event::PeerLeft { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, LeaveReason::Left);
}
