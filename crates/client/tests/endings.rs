//! How a stay ends, on real sockets: whatever ends it, the server hears a goodbye where there is a way, and nobody waits for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aldis_client::{Event, Events, Outgoing, Room, RoomOptions, Sending, Undelivered, Why};
use aldis_protocol::{CloseCode, Limits, Outcome, PeerId, SUBPROTOCOL, limits::WireLimits};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
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

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

const LEFT: Undelivered = Undelivered { outcome: Outcome::Unknown, why: Why::Left };
const NOT_SENT: Undelivered = Undelivered { outcome: Outcome::NotDelivered, why: Why::Left };

/// A server with one peer in its room, who speaks streams.
struct Script {
    listener: TcpListener,
    url: String,
}

impl Script {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("ws://{}", listener.local_addr().expect("an address"));
        Self { listener, url }
    }

    fn options(&self) -> RoomOptions {
        RoomOptions::new(&self.url).room("r")
    }

    /// Lets the next one in.
    async fn welcome(&self) -> WebSocketStream<TcpStream> {
        let stream = self.listener.accept().await.expect("accepts").0;
        let mut socket = accept_hdr_async(stream, select_v1).await.expect("upgrades");
        socket.next().await.expect("a hello").expect("a text");
        let peer = |id: &str| json!({ "id": id, "identity": id, "presence": "here", "polite": false, "features": ["streams"] });
        let welcome = json!({
            "type": "welcome", "protocol": 1, "features": [], "node": "n", "peer": peer("me"),
            "room": { "id": "r", "maxPeers": 2 }, "peers": [peer("bob")], "left": [], "resumed": false,
            "resume": { "token": "r", "windowMs": 30_000 }, "iceServers": [], "iceCutsAtExpiry": false,
            "heartbeat": { "intervalMs": 15_000, "timeoutMs": 10_000 },
            "limits": WireLimits::from(&Limits::default()),
            "tokenExpiresAt": 1,
        });
        socket.send(Message::text(welcome.to_string())).await.expect("welcomes");
        socket
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback has this signature")]
fn select_v1(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

/// What a client says, up to its end.
async fn heard(mut socket: WebSocketStream<TcpStream>) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                said.push(message["type"].as_str().expect("a type").to_owned());
            }
            Message::Close(frame) => said.push(format!("close {}", frame.map_or(0, |frame| frame.code.into()))),
            _ => {}
        }
    }
    said
}

fn say(room: &Room) -> Sending {
    room.send(Outgoing::message(&PeerId::parse("bob").expect("an id"), json!(1)))
}

async fn fate(sending: Sending) -> Result<(), Undelivered> {
    timeout(PATIENCE, sending.into_future()).await.expect("a fate")
}

async fn until_the_end(events: &mut Events) -> Option<Event> {
    let mut last = None;
    while let Some(event) = timeout(PATIENCE, events.next()).await.expect("an event") {
        last = Some(event);
    }
    last
}

/// The application's thread and the driver's meet at every point between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn leaving_is_always_said_and_what_was_sent_before_is_settled() {
    let script = Script::new().await;
    for round in 0..200 {
        let (joined, socket) = tokio::join!(Room::join(script.options()), script.welcome());
        let (room, mut events) = joined.expect("joined");
        let listening = tokio::spawn(heard(socket));
        let clone = room.clone();
        let sending = say(&room);
        for _ in 0..round * 3 {
            std::hint::spin_loop();
        }
        timeout(PATIENCE, room.leave()).await.expect("the end");
        assert_eq!(fate(sending).await, Err(LEFT), "{round}");
        assert_eq!(fate(say(&clone)).await, Err(NOT_SENT), "{round}");
        let said = timeout(PATIENCE, listening).await.expect("the end").expect("no panic");
        assert_eq!(said[said.len() - 2..], ["leave", "close 1000"], "{round}");
        assert!(matches!(until_the_end(&mut events).await, Some(Event::Joined { .. })));
    }
}

#[tokio::test]
async fn who_is_refused_for_good_has_that_for_its_last_event() {
    let script = Script::new().await;
    let (joined, mut socket) = tokio::join!(Room::join(script.options()), script.welcome());
    let (room, mut events) = joined.expect("joined");
    let sending = say(&room);
    let frame = CloseFrame { code: CloseCode::Removed.code().into(), reason: "".into() };
    socket.send(Message::Close(Some(frame))).await.expect("closes");
    let last = until_the_end(&mut events).await;
    assert!(matches!(last, Some(Event::Failed(_))), "{last:?}");
    assert_eq!((fate(sending).await, fate(say(&room)).await), (Err(LEFT), Err(NOT_SENT)));
}

#[test]
fn a_runtime_that_ends_keeps_nobody_waiting() {
    let (theirs, ours) = (Runtime::new().expect("a runtime"), Runtime::new().expect("a runtime"));
    let script = theirs.block_on(Script::new());
    let options = script.options();
    let server = theirs.spawn(async move { heard(script.welcome().await).await });
    let (room, mut events) = ours.block_on(Room::join(options)).expect("joined");
    let sending = say(&room);
    drop(ours);
    theirs.block_on(async {
        assert_eq!((fate(sending).await, fate(say(&room)).await), (Err(LEFT), Err(NOT_SENT)));
        until_the_end(&mut events).await;
        timeout(PATIENCE, server).await.expect("the end").expect("no panic");
    });
}

#[tokio::test]
async fn a_source_of_tokens_that_panics_is_one_that_failed() {
    let script = Script::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let options = script.options().token_from(move || {
        let times = asked.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(times != 1, "the second time it panics");
            Ok::<_, std::io::Error>("a.b.c".to_owned())
        }
    });
    let (joined, socket) = tokio::join!(Room::join(options), script.welcome());
    let (_room, mut events) = joined.expect("joined");
    drop(socket);
    let _again = timeout(PATIENCE, script.welcome()).await.expect("another attempt");
    let mut errors = Vec::new();
    loop {
        match timeout(PATIENCE, events.next()).await.expect("an event").expect("no end") {
            Event::Reconnecting { error, .. } => errors.push(error.to_string()),
            Event::Joined { .. } if !errors.is_empty() => break,
            _ => {}
        }
    }
    assert!(errors.iter().any(|error| error.starts_with("there is no token: task")), "{errors:?}");
}

/// Who waits for a fate in the loop that takes events hears nothing meanwhile, and still gets it.
#[tokio::test]
async fn acknowledgements_are_read_while_nobody_takes_events() {
    let script = Script::new().await;
    let (joined, mut socket) = tokio::join!(Room::join(script.options()), script.welcome());
    let (room, _events) = joined.expect("joined");
    let sending = say(&room);
    let said = socket.next().await.expect("a message").expect("a text");
    let said: Value = serde_json::from_str(said.to_text().expect("text")).expect("JSON");
    for n in 1..=300 {
        let message = json!({ "type": "message", "from": "bob", "data": n, "x": { "s": { "e": 7, "n": n } } });
        socket.feed(Message::text(message.to_string())).await.expect("feeds");
    }
    let ack = json!({ "type": "ack", "from": "bob", "x": { "a": said["x"]["s"] } });
    socket.send(Message::text(ack.to_string())).await.expect("sends");
    assert_eq!(fate(sending).await, Ok(()));
}
