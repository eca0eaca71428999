//! How many may come in: of the node, of an identity, of an address, of a room.

use aldis_core::Duplicates;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Request, Rig, Token};

#[tokio::test]
async fn a_full_node_answers_503() {
    let rig = Rig::start(|config| config.limits.connections = 2);
    let (mut ann, _bob) = (rig.raw("ann").await, rig.v1("bob").await);
    let carol = rig.mint("carol");
    for request in [
        Request::get("/v1/signal").bearer(&carol),
        Request::upgrade("/v1/signal").bearer(&carol),
        Request::upgrade("/v1/signal").v1(&carol),
    ] {
        let answer = rig.refusal(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(rig.limit_hits("connections"), 3);
    ann.close(1000).await;
    assert_eq!(ann.closed().await.0, 1000);
    rig.raw("carol").await;
}

#[tokio::test]
async fn an_identity_has_so_many_connections() {
    let rig = Rig::start(|config| config.limits.connections_per_identity = 2);
    // In whatever room.
    let (_first, second) = (rig.raw("ann").await, rig.v1(Token::of("ann").room("cellar")).await);
    let token = rig.mint("ann");
    let answer = rig.refusal(Request::upgrade("/v1/signal").bearer(&token)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "connection-limit"));
    // An `aldis.v1` client might resume: its `hello` decides.
    let mut anew = rig.greeting("ann").await;
    anew.send(json!({ "type": "hello", "protocol": 1 })).await;
    anew.closed_with(4423, "connection-limit").await;
    assert_eq!(rig.limit_hits("connections_per_identity"), 2);
    rig.raw("bob").await;
    let again = rig.resume(Token::of("ann").room("cellar"), &second.resume_token()).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &second.id));
}

#[tokio::test]
async fn an_address_has_so_many_unauthenticated_connections() {
    let rig = Rig::start(|config| config.limits.unauthenticated_per_address = 3);
    // Those who have shown a good token are no strangers, however many they are.
    let _peers = [rig.raw("a").await, rig.raw("b").await, rig.v1("c").await, rig.v1("d").await];
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let mut stranger = rig.dial().await;
        assert_eq!(Request::get("/v1/signal").ask(&mut stranger).await.0.status, 401);
        strangers.push(stranger);
    }
    let good = Request::get("/v1/signal").bearer(&rig.mint("ann"));
    let mut late = rig.dial().await;
    let bad = Request::get("/v1/signal?token=nonsense");
    let (answer, _) = bad.ask(&mut late).await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "address-limit"));
    assert_eq!(rig.refusal(Request::upgrade("/v1/signal").v1("nonsense")).await.problem(), "address-limit");
    assert_eq!(rig.limit_hits("unauthenticated_per_address"), 2);
    // A good token is served whatever others of its address do.
    assert_eq!(rig.ask(good.clone()).await.status, 200);
    rig.v1("erin").await;
    // One of the strangers turns out to be somebody; that makes room for another.
    assert_eq!(good.ask(&mut strangers[0]).await.0.status, 200);
    assert_eq!(bad.ask(&mut late).await.0.status, 401);
}

#[tokio::test]
async fn the_operators_connections_take_no_place_from_clients() {
    let rig = Rig::start(|config| {
        config.limits.unauthenticated_per_address = 1;
        config.admin = Some("127.0.0.1:0".parse().expect("an address"));
    });
    let mut operator = TcpStream::connect(rig.server.admin().expect("an address")).await.expect("connected");
    assert_eq!(Request::get("/metrics").ask(&mut operator).await.0.status, 200);
    // On a connection that stays, so that there is one place and it is taken.
    let mut client = rig.dial().await;
    for _ in 0..2 {
        assert_eq!(Request::get("/v1/signal").ask(&mut client).await.0.status, 401);
    }
    assert_eq!(rig.ask(Request::get("/v1/signal")).await.problem(), "address-limit");
    assert_eq!(Request::get("/livez").ask(&mut operator).await.0.status, 200);
}

#[tokio::test]
async fn a_full_room_tells_each_client_in_its_way_and_lets_a_resume_in() {
    let rig = Rig::start(|config| config.limits.room_peers = 2);
    let (ann, _bob) = (rig.v1("ann").await, rig.raw("bob").await);
    let token = rig.mint("carol");
    for request in [Request::get("/v1/signal").bearer(&token), Request::upgrade("/v1/signal").bearer(&token)] {
        let answer = rig.refusal(request).await;
        assert_eq!((answer.status, answer.problem().as_str()), (409, "room-full"));
    }
    let mut carol = rig.greeting("carol").await;
    carol.send(json!({ "type": "hello", "protocol": 1 })).await;
    carol.closed_with(4423, "room-full").await;
    assert_eq!(rig.limit_hits("room_peers"), 1);
    let again = rig.resume("ann", &ann.resume_token()).await;
    assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &ann.id));
    // The smaller number counts, and the token's is its own.
    assert_eq!(again.welcome["room"]["maxPeers"], 2);
    let alone = rig.raw(Token::of("dave").room("cellar").max_peers(1)).await;
    assert_eq!(alone.welcome["room"]["maxPeers"], 1);
    rig.raw(Token::of("erin").room("cellar")).await;
}

#[tokio::test]
async fn a_newcomer_replaces_its_identity_or_is_rejected() {
    let rig = Rig::usual();
    let (mut first, mut bob) = (rig.v1("ann").await, rig.raw("bob").await);
    let reject = rig.mint(Token::of("ann").duplicates(Duplicates::Reject));
    let answer = rig.refusal(Request::upgrade("/v1/signal").bearer(&reject)).await;
    assert_eq!((answer.status, answer.problem().as_str()), (409, "identity-taken"));
    let second = rig.raw(Token::of("ann").duplicates(Duplicates::Replace)).await;
    first.expect("peer-joined").await;
    first.closed_with(4409, "replaced").await;
    assert_eq!(bob.expect_about("peer-left", &first.id.clone()).await["reason"], "replaced");
    bob.expect_about("peer-joined", &second.id).await;
    // Its session has ended: there is nothing to resume.
    let third = rig.resume("ann", &first.resume_token()).await;
    assert_eq!((&third.welcome["resumed"], &third.welcome["peer"]["previous"]), (&json!(false), &json!(first.id)));
}
