//! What happens with time: nobody may keep the server waiting, and a dead connection is noticed.

use aldis_protocol::{Identity, Limits, PeerId, RoomId};
use aldis_server::{
    config::Secret,
    resume::{ClusterKeys, ResumeClaims, ResumeTokens},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Frame, Request, Rig, within};

#[tokio::test]
async fn half_a_handshake_is_closed() {
    let rig = Rig::start(|config| config.limits.handshake_ms = 50);
    let whole = Request::upgrade("/v1/signal").v1(&rig.mint("ann")).bytes();
    let mut rest = Vec::new();
    for part in [&whole[..whole.len() / 2], &whole[..0]] {
        let mut stream = rig.dial().await;
        stream.write_all(part).await.expect("sent");
        // However it says so, it hangs up.
        let _ = within("the end", stream.read_to_end(&mut rest)).await;
    }
    // One that has had its answer only idles.
    let mut idle = rig.dial().await;
    assert_eq!(Request::get("/livez").ask(&mut idle).await.0.status, 200);
    let _ = within("the end", idle.read_to_end(&mut rest)).await;
    assert_eq!(rig.limit_hits("handshake_ms"), 2);
}

#[tokio::test]
async fn no_hello_closes_with_4408() {
    let rig = Rig::start(|config| config.limits.hello_ms = 50);
    let mut ann = rig.greeting("ann").await;
    ann.send(json!({ "type": "ping" })).await;
    ann.refused("bad-envelope").await;
    ann.closed_with(4408, "hello-timeout").await;
    assert_eq!((rig.limit_hits("hello_ms"), rig.metric("aldis_sessions")), (1, 0));
}

#[tokio::test]
async fn a_silent_connection_is_pinged() {
    let rig = Rig::start(|config| config.limits.heartbeat_interval_ms = 40);
    let mut ann = rig.raw("ann").await;
    assert_eq!(ann.welcome["heartbeat"]["intervalMs"], 40);
    for _ in 0..3 {
        assert_eq!(ann.frame().await, Frame::Ping);
        // An empty pong.
        ann.write(&[0x8A, 0x80, 0, 0, 0, 0]).await;
    }
    ann.is_quiet().await;
}

#[tokio::test]
async fn an_unanswered_ping_makes_the_peer_away() {
    let rig = Rig::start(|config| {
        config.limits.heartbeat_interval_ms = 60;
        config.limits.heartbeat_timeout_ms = 60;
        config.limits.away_notice_ms = 0;
    });
    let (mut ann, mut bob, mut carol) = (rig.v1("ann").await, rig.v1("bob").await, rig.raw("carol").await);
    ann.expect_about("peer-joined", &bob.id).await;
    ann.expect_about("peer-joined", &carol.id).await;
    // Neither reads; ann, who waits, answers her pings.
    let mut gone = [ann.next().await, ann.next().await];
    gone.sort_by_key(|event| event["type"].to_string());
    assert_eq!(gone[0], json!({ "type": "peer-away", "id": bob.id }));
    assert_eq!(gone[1], json!({ "type": "peer-left", "id": carol.id, "reason": "timeout", "final": true }));
    assert!(ann.pings() > 0);
    bob.closed_with(4408, "heartbeat-timeout").await;
    carol.closed_with(4408, "heartbeat-timeout").await;
    assert_eq!(rig.limit_hits("heartbeat_timeout_ms"), 2);
}

#[tokio::test]
async fn a_signal_for_a_silent_connection_probes_it() {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 1_000_000;
        config.limits.silent_ms = 5;
        config.limits.probe_ms = 80;
        config.limits.away_notice_ms = 0;
    });
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let to = bob.id.clone();
    // Until bob has been silent for long enough.
    let mut pinged = 0;
    while pinged == 0 {
        ann.tell(&to, 1).await;
        match bob.frame().await {
            Frame::Ping => pinged += 1,
            Frame::Text(message) => assert_eq!(message["type"], "message"),
            other => panic!("{other:?}"),
        }
    }
    // He does not answer: much sooner away than by the heartbeat.
    ann.expect_about("peer-away", &to).await;
    bob.closed_with(4408, "heartbeat-timeout").await;
}

#[tokio::test]
async fn a_fresh_resume_token_comes_in_time() {
    let rig = Rig::start(|config| config.limits.resume_renew_ms = 30);
    let mut ann = rig.v1("ann").await;
    let first = ann.expect("resume").await;
    let second = ann.expect("resume").await;
    assert!(first["token"] != ann.welcome["resume"]["token"] && first["token"] != second["token"]);
    let again = rig.resume("ann", second["token"].as_str().expect("a token")).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &ann.id));
    // A raw client has nothing to renew.
    let mut raw = rig.raw("bob").await;
    let mut again = again;
    again.expect("peer-joined").await;
    again.expect("resume").await;
    raw.is_quiet().await;
}

#[tokio::test]
async fn an_old_resume_token_starts_a_new_stay() {
    const SECRET: &str = "cluster-0123456789abcdef-0123456789";
    let rig = Rig::start(|config| config.cluster_secret = Some(Secret::new(SECRET)));
    let ann = rig.v1("ann").await;
    let tokens = ResumeTokens::new(&ClusterKeys::new(Some(&Secret::new(SECRET))).expect("keys"), &Limits::default());
    let (peer, identity) = (PeerId::parse(&ann.id).expect("an id"), Identity::parse("ann").expect("an identity"));
    let room = RoomId::parse("lobby").expect("a room");
    let issued = |ago: u64| {
        let issued_at = rig.server.node().clock.unix_ms() - ago;
        tokens.sign(&ResumeClaims { peer: &peer, identity: &identity, room: &room, seq: 1, generation: 1, issued_at })
    };
    let expired = rig.resume("ann", &issued(301_000)).await;
    assert_eq!(expired.welcome["resumed"], false);
    assert_eq!(expired.welcome["peer"]["previous"], ann.id);
    let in_time = rig.resume("ann", &issued(290_000)).await;
    assert_eq!((&in_time.welcome["resumed"], &in_time.id), (&json!(true), &ann.id));
}
