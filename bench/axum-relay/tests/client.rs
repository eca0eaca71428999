//! The Rust client against the relay: everything that needs no more server than this.

use std::{net::SocketAddr, time::Duration};

use aldis_client::{Connection, Dialect, Error, Options, Outgoing, Token};
use aldis_protocol::{CloseCode, Json, Received, ServerMessage, SignalKind};
use axum_relay::Writer;
use tokio::net::TcpListener;

async fn relay(writer: Writer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("has an address");
    tokio::spawn(async move { axum::serve(listener, axum_relay::router(writer)).await });
    address
}

fn raw(address: SocketAddr, room: &str) -> Options {
    Options::new(format!("http://{address}")).room(room).dialect(Dialect::Raw)
}

async fn recv(connection: &mut Connection) -> Received {
    tokio::time::timeout(Duration::from_secs(5), connection.recv()).await.expect("in time").expect("a message")
}

#[tokio::test]
async fn two_clients_exchange_signals() {
    for writer in [Writer::Send, Writer::Forward] {
        let address = relay(writer).await;
        let mut ann = Connection::connect(raw(address, "r")).await.expect("joins");
        let mut bob = Connection::connect(raw(address, "r")).await.expect("joins");
        assert!(bob.welcome().peers.iter().all(|peer| peer.polite && peer.id == *ann.id()));
        let Received::Server(ServerMessage::PeerJoined { peer }) = recv(&mut ann).await else { panic!("no event") };
        assert_eq!((&peer.id, peer.polite), (bob.id(), false));

        let candidate = Json::parse(r#"{ "candidate":"","b":1,"a":2 }"#).expect("JSON");
        ann.send(Outgoing::offer(bob.id(), "v=0\r\n")).await.expect("sends");
        ann.feed_text(Outgoing::from(Outgoing::ice_candidate(bob.id(), &candidate)).to_json()).await.expect("feeds");
        ann.feed_text(format!(r#"{{"type":"ice-candidate","to":"{}","candidate":null}}"#, bob.id()))
            .await
            .expect("feeds");
        ann.flush().await.expect("flushes");
        let expected = [
            (SignalKind::Offer, r#""v=0\r\n""#),
            (SignalKind::IceCandidate, candidate.get()),
            (SignalKind::IceCandidate, "null"),
        ];
        for (kind, payload) in expected {
            let Received::Relayed(signal) = recv(&mut bob).await else { panic!("not relayed") };
            assert_eq!((signal.kind, &signal.from), (kind, ann.id()));
            assert_eq!(signal.payload.as_ref().map(Json::get), Some(payload));
        }
        assert!(bob.try_recv().expect("lives").is_none());

        bob.close(CloseCode::Bye).await.expect("closes");
        let Received::Server(ServerMessage::PeerLeft { .. }) = recv(&mut ann).await else { panic!("no event") };
    }
}

#[tokio::test]
async fn refusals_are_typed() {
    let address = relay(Writer::Send).await;
    let cases = [
        (raw(address, ""), "refused with HTTP 400"),
        (Options::new(format!("ws://{address}/elsewhere")).dialect(Dialect::Raw), "refused with HTTP 404"),
        // The relay selects no subprotocol, which an `aldis.v1` client takes for another kind of server.
        (Options::new(format!("ws://{address}")).room("r"), "did not select the subprotocol"),
        (Options::new("ws://127.0.0.1:1").room("r"), "cannot connect to 127.0.0.1:1"),
    ];
    for (options, expected) in cases {
        let error = Connection::connect(options).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Not so a raw client whose token travels as a subprotocol: nothing has to be selected for it.
    let token = raw(address, "r").token(Token::Subprotocol("a.b.c".to_owned()));
    Connection::connect(token).await.expect("joins");
}

#[tokio::test]
async fn silence_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let mut options = raw(listener.local_addr().expect("has an address"), "r");
    options.timeout = Duration::from_millis(50);
    let error = Connection::connect(options).await.expect_err("nobody answers");
    assert!(matches!(error, Error::Timeout("connecting")), "{error}");
}
