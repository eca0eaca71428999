//! After everybody has gone there is nothing left: no connection, no session, no room, no count.

use serde_json::json;

use crate::support::{Request, Rig, Token, events_request};

#[tokio::test]
async fn what_comes_and_goes_leaves_no_trace() {
    let rig = Rig::start(|config| {
        config.limits.connections = 64;
        config.limits.connections_per_identity = 4;
        config.limits.unauthenticated_per_address = 64;
        config.limits.auth_failures_free = 1_000;
        config.limits.resume_window_ms = 20;
        config.limits.away_notice_ms = 5;
    });
    let mut watcher = rig.raw(Token::of("watcher").room("watched")).await;
    for round in 0..20 {
        let room = |who: &str| Token::of(who).room("watched").name(&format!("round {round}"));
        let (mut ann, bob) = (rig.v1(room("ann")).await, rig.v1(room("bob")).await);
        let (mut carol, dave) = (rig.raw(room("carol")).await, rig.raw(room("dave")).await);
        let erin = rig.events(room("erin")).await;
        assert_eq!((rig.metric("aldis_sessions"), rig.metric("aldis_rooms")), (6, 1));
        assert_eq!(rig.server.node().admission.connections(), 6);
        ann.close(1000).await;
        ann.closed().await;
        carol.close(1001).await;
        carol.closed().await;
        let again = rig.resume(room("bob"), &bob.resume_token()).await;
        again.into_socket().reset();
        bob.into_socket().reset();
        drop(dave);
        let erin = rig.events_resuming(room("erin"), &erin.resume_token()).await;
        assert_eq!(erin.post(&rig, 1, &[]).await.status, 204);
        drop(erin);
        // Refusals hold nothing either.
        rig.open(Request::upgrade("/v1/signal").v1("nonsense")).await.closed_with(4401, "token-invalid").await;
        rig.ask(Request::get("/v1/signal")).await;
        rig.ask(events_request("nonsense", &json!({ "type": "hello", "protocol": 1 }))).await;
        let mut left = 0;
        while left < 5 {
            left += u32::from(watcher.next().await["type"] == "peer-left");
        }
    }
    watcher.close(1000).await;
    watcher.closed().await;
    rig.everybody_left().await;
    let connections = ["websocket", "sse"].map(|over| format!("aldis_connections{{transport=\"{over}\"}}"));
    for gauge in connections.iter().map(String::as_str).chain(["aldis_sessions", "aldis_rooms"]) {
        assert!(rig.server.node().metrics.text().contains(&format!("{gauge} 0\n")), "{gauge}");
    }
    assert_eq!(rig.server.node().admission.connections(), 0);
    assert!(rig.server.node().mailboxes.is_empty());
    assert_eq!(rig.metric("aldis_joins_total{reason=\"new\"}"), 101);
    let leaves = ["left", "timeout"].map(|reason| rig.metric(&format!("aldis_leaves_total{{reason=\"{reason}\"}}")));
    assert_eq!(leaves, [41, 60]);
}
