//! What a server may do to a client, played by scripts on real sockets.

use std::time::Duration;

use aldis_client::{Connection, Dialect, Error, Options, Outgoing};
use aldis_protocol::{CloseCode, ErrorCode, Received, SUBPROTOCOL, ServerMessage};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, header},
        protocol::CloseFrame,
    },
};

const WELCOME: &str = r#"{"type":"welcome","protocol":1,"features":[],"node":"n","peer":{"id":"me","identity":"ann","presence":"here","polite":false,"features":[]},"room":{"id":"r","maxPeers":2},"peers":[],"left":[],"resumed":false,"iceServers":[],"iceCutsAtExpiry":false,"heartbeat":{"intervalMs":1,"timeoutMs":1},"limits":{"messageBytes":1,"smallMessageBytes":1,"postBytes":131072,"jsonDepth":1,"xBytes":1,"attributesBytes":1,"messagesPerSecond":1,"messageBurst":1,"messageBurstPerPeer":1,"bytesPerSecond":1,"byteBurst":1,"acksPerSecond":1,"acksPerSecondPerPeer":1,"updatesPerSecond":1,"pairsOpening":1},"tokenExpiresAt":1}"#;
const ERROR: &str = r#"{"type":"error","code":"token-expired","message":"It expired."}"#;

async fn listen() -> (TcpListener, Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("ws://{}", listener.local_addr().expect("has an address"));
    (listener, Options::new(url).room("r"))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("accepts").0
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback has this signature")]
fn select_v1(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

async fn accept_websocket(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    accept_hdr_async(accept(listener).await, select_v1).await.expect("upgrades")
}

fn close(code: CloseCode) -> Message {
    Message::Close(Some(CloseFrame { code: code.code().into(), reason: code.meaning().into() }))
}

/// Sends the texts and the close, and reads until the client has gone.
async fn say(socket: &mut WebSocketStream<TcpStream>, texts: &[&'static str], code: CloseCode) {
    for &text in texts {
        socket.feed(text.into()).await.expect("feeds");
    }
    socket.send(close(code)).await.expect("closes");
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
}

#[tokio::test]
async fn a_refusal_is_read_whole_even_in_pieces() {
    let problem =
        r#"{"type":"about:blank","code":"rate-limited","message":"Too many.","hint":"Wait.","retryAfterMs":1500}"#;
    let cases = [
        (format!("HTTP/1.1 429 Too Many Requests\r\nContent-Length: {}\r\n\r\n{problem}", problem.len()), 429, true),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry".to_owned(), 502, false),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{".to_owned(), 503, false),
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), 404, false),
    ];
    for (answer, expected, has_problem) in cases {
        let (listener, options) = listen().await;
        let server = tokio::spawn(async move {
            let mut socket = accept(&listener).await;
            let _ = socket.read(&mut [0; 4096]).await.expect("a request");
            for piece in answer.as_bytes().chunks(40) {
                socket.write_all(piece).await.expect("writes");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let error = Connection::connect(options).await.expect_err("refused");
        let Error::Refused { status, problem } = error else { panic!("{error}") };
        assert_eq!((status, problem.is_some()), (expected, has_problem));
        if let Some(problem) = problem {
            assert_eq!((problem.code, problem.retry_after_ms), (ErrorCode::RateLimited, Some(1500)));
        }
        server.await.expect("plays to the end");
    }
}

#[tokio::test]
async fn a_refusal_after_the_upgrade_names_its_error() {
    let (listener, options) = listen().await;
    let server = tokio::spawn(async move {
        let mut socket = accept_websocket(&listener).await;
        let hello = socket.next().await.expect("a message").expect("a text");
        assert_eq!(
            hello.to_text().expect("text"),
            r#"{"type":"hello","protocol":1,"resume":"old","features":["streams"]}"#
        );
        say(&mut socket, &[ERROR], CloseCode::Unauthorized).await;
    });
    let dialect = Dialect::V1 { resume: Some("old".to_owned()), features: vec!["streams".to_owned()] };
    let error = Connection::connect(options.dialect(dialect)).await.expect_err("refused");
    let Error::Closed { code: 4401, reason, error: Some(why) } = error else { panic!("{error}") };
    assert_eq!((reason.as_str(), why.code), (CloseCode::Unauthorized.meaning(), ErrorCode::TokenExpired));
    server.await.expect("plays to the end");
}

#[tokio::test]
async fn the_end_is_told_at_every_call() {
    let (listener, options) = listen().await;
    let server = tokio::spawn(async move {
        let mut socket = accept_websocket(&listener).await;
        socket.send(Message::Ping("are you there".into())).await.expect("pings");
        let texts = [WELCOME, r#"{"type":"from-the-future"}"#, r#"{"type":"pong","t":1}"#, ERROR];
        say(&mut socket, &texts, CloseCode::Restart).await;
    });
    let mut connection = Connection::connect(options.dialect(Dialect::Raw)).await.expect("welcomed");
    assert_eq!(connection.id().as_str(), "me");
    let unreadable = connection.recv().await.expect_err("unknown");
    assert!(matches!(unreadable, Error::Unreadable(_)), "{unreadable}");
    assert!(matches!(connection.recv().await, Ok(Received::Server(ServerMessage::Pong { .. }))));
    assert!(matches!(connection.recv().await, Ok(Received::Server(ServerMessage::Error(_)))));
    for _ in 0..2 {
        let error = connection.recv().await.expect_err("closed");
        let Error::Closed { code, error: Some(why), .. } = error else { panic!("{error}") };
        assert_eq!((code, why.code), (1012, ErrorCode::TokenExpired));
    }
    let error = connection.try_recv().expect_err("closed");
    assert!(matches!(error, Error::Closed { code: 1012, .. }), "{error}");
    connection.send(Outgoing::ping(None)).await.expect_err("closed");
    drop(connection);
    server.await.expect("plays to the end");
}

#[tokio::test]
async fn an_end_without_a_close_is_1006() {
    let (listener, options) = listen().await;
    let server = tokio::spawn(async move {
        let mut socket = accept_websocket(&listener).await;
        socket.send(WELCOME.into()).await.expect("welcomes");
    });
    let mut connection = Connection::connect(options.dialect(Dialect::Raw)).await.expect("welcomed");
    let error = connection.recv().await.expect_err("gone");
    assert!(matches!(error, Error::Closed { code: 1006, error: None, .. }), "{error}");
    server.await.expect("plays to the end");
}
