//! TLS from the first byte to the last: what a client sees, and what becomes of one that has no manners.

use std::sync::Arc;

use aldis_client::{Connection, Error, Options, Trust};
use aldis_protocol::CloseCode;
use aldis_server::tls::reload::Reload;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::{ProtocolVersion, version::TLS12};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding},
    },
};

use crate::support::{Aldis, Certificate, Frame, KEY, Over, Request, Rig, Stream, Token, within};

fn rig() -> Rig {
    Rig::start_over(Over::Tls, |_| {})
}

/// A client as others write it.
async fn browse(rig: &Rig, identity: &str) -> WebSocketStream<Stream> {
    let url = format!("wss://localhost/v1/signal?token={}", rig.mint(identity));
    within("the upgrade", client_async(url, rig.dial().await)).await.expect("upgraded").0
}

async fn next(socket: &mut WebSocketStream<Stream>) -> Value {
    let message = within("a message", socket.next()).await.expect("alive").expect("sound");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

#[tokio::test]
async fn a_call_goes_over_wss_from_join_to_close() {
    let rig = rig();
    let mut ann = browse(&rig, "ann").await;
    let Stream::Tls(stream) = ann.get_ref() else { panic!("plain") };
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(next(&mut ann).await["type"], "welcome");
    let mut bob = browse(&rig, "bob").await;
    let to = next(&mut bob).await["peers"][0]["id"].clone();
    assert_eq!(next(&mut ann).await["type"], "peer-joined");
    let sdp = "v=0\r\n".repeat(2_000);
    bob.send(Message::text(json!({ "type": "offer", "to": to, "sdp": sdp }).to_string())).await.expect("sent");
    let offer = next(&mut ann).await;
    assert_eq!((&offer["type"], &offer["sdp"]), (&json!("offer"), &json!(sdp)));
    ann.send(Message::text(json!({ "type": "answer", "to": offer["from"], "sdp": sdp }).to_string()))
        .await
        .expect("sent");
    assert_eq!(next(&mut bob).await["sdp"], sdp);

    bob.close(Some(CloseFrame { code: coding::CloseCode::Normal, reason: "".into() })).await.expect("sent");
    let answer = within("the answer", bob.next()).await;
    assert!(
        matches!(&answer, Some(Ok(Message::Close(Some(frame)))) if frame.code == coding::CloseCode::Normal),
        "{answer:?}"
    );
    // TLS ends with a goodbye, or this would be an error.
    assert_eq!(within("the end", bob.get_mut().read(&mut [0])).await.expect("a clean end"), 0);
    assert_eq!(next(&mut ann).await["type"], "peer-left");
}

#[tokio::test]
async fn an_old_client_that_would_rather_speak_http_2_is_served() {
    let rig = rig();
    let mut config = rig.certificate.as_ref().expect("one").trusted_by(&[&TLS12]);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = Stream::secure(rig.dial_tcp().await, Arc::new(config)).await.expect("a handshake");
    let Stream::Tls(tls) = &stream else { panic!("plain") };
    let connection = tls.get_ref().1;
    assert_eq!(connection.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(connection.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let mut ann = rig.raw_on(stream, "ann").await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn requests_and_refusals_go_over_https() {
    let rig = rig();
    assert_eq!(rig.ask(Request::get("/livez")).await.status, 200);
    assert_eq!(rig.refusal(Request::upgrade("/v1/signal?token=x")).await.problem(), "token-invalid");
    // An `aldis.v1` client is told in band.
    let mut refused = rig.open(Request::upgrade("/v1/signal").v1("x")).await;
    refused.closed_with(4401, "token-invalid").await;
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_read() {
    let rig = rig();
    let hello = crate::support::Opcode::Text.frame(br#"{"type":"hello","protocol":1}"#);
    let mut ann = rig.open(Request::upgrade("/v1/signal").v1(&rig.mint("ann")).early(hello)).await;
    ann.expect("welcome").await;
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_burst_is_relayed_whole_and_in_order() {
    let rig = Rig::start_over(Over::Tls, |config| {
        config.limits.message_burst = 1_000_000;
        config.limits.byte_burst = 1 << 30;
        config.limits.outbound_bytes = 1 << 30;
    });
    let (mut ann, mut bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let (to, from) = (bob.id.clone(), ann.id.clone());
    let data = |number: u64| json!([number, "x".repeat((number * 97 % 40_000) as usize)]);
    tokio::join!(
        async {
            for number in 0..200 {
                ann.tell(&to, data(number)).await;
            }
        },
        async {
            for number in 0..200 {
                bob.told(&from, data(number)).await;
            }
        }
    );
    ann.is_quiet().await;
    bob.is_quiet().await;
}

#[tokio::test]
async fn a_broken_record_ends_the_connection_and_the_peer_is_away() {
    let rig = Rig::start_over(Over::Tls, |config| config.limits.away_notice_ms = 0);
    let (mut ann, bob) = (rig.v1("ann").await, rig.v1("bob").await);
    ann.expect("peer-joined").await;
    let id = bob.id.clone();
    let socket = bob.into_socket();
    // Not a record that anybody's keys made.
    socket.tcp().try_write(&[[0x17, 3, 3, 0, 20].as_slice(), &[0; 20]].concat()).expect("room");
    ann.expect_about("peer-away", &id).await;
}

#[tokio::test]
async fn a_silent_client_is_dropped_at_the_deadline() {
    let rig = Rig::start_over(Over::Tls, |config| config.limits.handshake_ms = 50);
    let mut rest = Vec::new();
    // Nothing at all, and the beginning of a record.
    for part in [[].as_slice(), &[0x16, 3, 1]] {
        let mut stream = rig.dial_tcp().await;
        stream.write_all(part).await.expect("sent");
        let _ = within("the end", stream.read_to_end(&mut rest)).await;
    }
    assert_eq!(rig.limit_hits("handshake_ms"), 2);
}

#[tokio::test]
async fn half_a_request_after_the_handshake_is_dropped_too() {
    let rig = Rig::start_over(Over::Tls, |config| config.limits.handshake_ms = 2_000);
    let mut stream = rig.dial().await;
    stream.write_all(b"GET /v1/sig").await.expect("sent");
    stream.flush().await.expect("sent");
    let _ = within("the end", stream.read_to_end(&mut Vec::new())).await;
    assert_eq!(rig.limit_hits("handshake_ms"), 1);
}

#[tokio::test]
async fn a_stranger_counts_before_the_handshake() {
    let rig = Rig::start_over(Over::Tls, |config| config.limits.unauthenticated_per_address = 1);
    let silent = rig.dial_tcp().await;
    let refusal = within("a refusal", async {
        loop {
            // Until the silent one was accepted.
            let answer = rig.refusal(Request::upgrade("/v1/signal")).await;
            if answer.status == 429 || answer.status == 503 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(refusal.problem(), "address-limit");
    drop(silent);
}

#[tokio::test]
async fn plain_http_is_told_to_use_tls() {
    let rig = rig();
    for request in [Request::get("/"), Request::upgrade("/v1/signal")] {
        let (answer, _) = request.ask(&mut rig.dial_tcp().await).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-request"));
        assert_eq!(answer.json()["message"], "This port speaks TLS: use https:// or wss://.");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert_eq!(rig.metric("aldis_tls_handshake_failures_total{reason=\"plain\"}"), 2);
}

#[tokio::test]
async fn a_failed_handshake_is_counted() {
    let rig = rig();
    let other = Certificate::make();
    assert!(Stream::secure(rig.dial_tcp().await, other.trusted()).await.is_err());
    within("the count", async {
        while rig.metric("aldis_tls_handshake_failures_total{reason=\"handshake\"}") != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_serves_new_handshakes_and_old_connections_live_on() {
    let rig = rig();
    let certificate = rig.certificate.as_ref().expect("one");
    let (mut ann, old) = (rig.raw("ann").await, certificate.trusted());
    // A session of the old certificate, to be resumed.
    Stream::secure(rig.dial_tcp().await, Arc::clone(&old)).await.expect("trusted");
    certificate.renew();
    let new = certificate.trusted();
    assert!(Stream::secure(rig.dial_tcp().await, Arc::clone(&new)).await.is_err(), "it is not served yet");
    let reloader = rig.server.certificate().expect("it speaks TLS");
    assert_eq!(reloader.reload(), Reload::Replaced);
    Stream::secure(rig.dial_tcp().await, Arc::clone(&new)).await.expect("served");
    assert!(Stream::secure(rig.dial_tcp().await, old).await.is_err(), "the old one is served no more");
    ann.is_quiet().await;

    // A broken one changes nothing.
    std::fs::write(certificate.files().cert, "nothing").expect("written");
    assert!(matches!(reloader.reload(), Reload::Refused(_)));
    Stream::secure(rig.dial_tcp().await, new).await.expect("served");
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_hangup_reloads_the_certificate() {
    let certificate = Certificate::make();
    let files = certificate.files();
    let [cert, key] = [files.cert.to_str().expect("text"), files.key.to_str().expect("text")];
    let env =
        [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_LOG_FORMAT", "json"), ("ALDIS_TLS_CERT", cert), ("ALDIS_TLS_KEY", key)];
    let aldis = Aldis::serve(&[], &env).await;
    Stream::secure(aldis.dial("listen").await, certificate.trusted()).await.expect("served");
    certificate.renew();
    aldis.signal("HUP").await;
    let new = certificate.trusted();
    within("the new certificate", async {
        while Stream::secure(aldis.dial("listen").await, Arc::clone(&new)).await.is_err() {}
    })
    .await;
    aldis.signal("TERM").await;
    let (status, said) = aldis.ended().await;
    assert!(status.success() && said.contains("new certificate"), "{said}");
}

#[tokio::test]
async fn the_operators_listener_stays_plain() {
    let rig = Rig::start_over(Over::Tls, |config| config.admin = Some("127.0.0.1:0".parse().expect("an address")));
    let mut stream = tokio::net::TcpStream::connect(rig.server.admin().expect("one")).await.expect("connected");
    assert_eq!(Request::get("/livez").ask(&mut stream).await.0.status, 200);
}

#[tokio::test]
async fn a_drain_says_goodbye_over_tls() {
    let rig = Rig::start_over(Over::Tls, |config| config.drain_window_ms = 200);
    let mut ann = rig.v1(Token::of("ann")).await;
    let drained = async { within("the drain", rig.server.drain()).await };
    let (code, ()) = tokio::join!(async { ann.closed().await.0 }, drained);
    assert_eq!(code, 1012);
    assert_eq!(ann.frame().await, Frame::End);
}

#[tokio::test]
async fn the_rust_client_trusts_whom_it_is_told() {
    let rig = rig();
    let certificate = rig.certificate.as_ref().expect("one").files().cert;
    let url = format!("wss://localhost:{}", rig.server.listen()[0].port());
    let options = |trust: Option<Trust>| {
        let mut options = Options::new(&url).token(aldis_client::Token::Subprotocol(rig.mint("ann")));
        options.trust = trust;
        options
    };
    for trust in [Trust::file(&certificate).expect("a certificate"), Trust::anybody()] {
        let connection = Connection::connect(options(Some(trust))).await.expect("welcomed");
        assert_eq!(connection.welcome().room.id.as_str(), "lobby");
        connection.close(CloseCode::Bye).await.expect("a clean end");
    }
    let other = Certificate::make();
    let stranger = Trust::file(&other.files().cert).expect("a certificate");
    let error = Connection::connect(options(Some(stranger))).await.expect_err("not trusted");
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}
