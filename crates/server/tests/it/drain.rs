//! Leaving well: unready at once, nobody new, everybody told, and gone within the window.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{Request, Rig, is_deserted, within};

#[tokio::test]
async fn a_drain_tells_everybody_and_ends_within_its_window() {
    let rig = Rig::start(|config| config.drain_window_ms = 400);
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    let mut greeting = rig.greeting("carol").await;
    let token = rig.mint("dave");
    assert_eq!(rig.ask(Request::get("/readyz")).await.status, 200);

    let started = Instant::now();
    let clients = async {
        // The drain has begun; the first thing that a client could notice is the refusal of others.
        let ready = rig.ask(Request::get("/readyz")).await;
        assert_eq!((ready.status, ready.text().starts_with("draining")), (503, true));
        assert_eq!(rig.ask(Request::get("/livez")).await.status, 200);
        for request in [
            Request::get("/v1/signal").bearer(&token),
            Request::upgrade("/v1/signal").bearer(&token),
            Request::upgrade("/v1/signal").v1(&token),
        ] {
            let answer = rig.refusal(request).await;
            assert_eq!((answer.status, answer.problem().as_str()), (503, "draining"));
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(rig.metric("aldis_draining"), 1);
        // Whoever has no seat has nothing to move.
        assert_eq!(greeting.closed().await.0, 1012);
        for peer in [&mut ann, &mut bob] {
            let hint = peer.expect("reconnect").await;
            assert_eq!(hint["reason"], "drain");
            assert!((1..=400).contains(&hint["withinMs"].as_u64().expect("a time")), "{hint}");
        }
        // Signals still pass, until each closes in its turn.
        let (ann_end, bob_end) = tokio::join!(ann.closed(), bob.closed());
        assert_eq!((ann_end.0, bob_end.0), (1012, 1012));
    };
    within("the end of the drain", async { tokio::join!(rig.server.drain(), clients) }).await;
    assert!(started.elapsed() < Duration::from_millis(400 + 1_000), "{:?}", started.elapsed());
    assert!(is_deserted(rig.server.listen()[0]).await);
    assert_eq!(rig.metric("aldis_connections{transport=\"websocket\"}"), 0);
}

#[tokio::test]
async fn an_empty_server_is_gone_at_once() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    ann.close(1000).await;
    ann.closed().await;
    rig.everybody_left().await;
    let started = Instant::now();
    within("the end of the drain", rig.server.drain()).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_last_one_out_ends_the_drain() {
    // The window is much longer than the test waits.
    let rig = Rig::start(|config| config.drain_window_ms = 60_000);
    let mut ann = rig.v1("ann").await;
    let leaving = async {
        assert_eq!(rig.ask(Request::get("/readyz")).await.status, 503);
        ann.send(json!({ "type": "leave" })).await;
        assert_eq!(ann.closed().await.0, 1000);
    };
    within("the end of the drain", async { tokio::join!(rig.server.drain(), leaving) }).await;
}
