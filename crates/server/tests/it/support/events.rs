//! A client of the event stream without manners: it reads when asked, and answers pings only where it wants to.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{Answer, Request, Rig, Stream, Token, within};

/// The reading end of an event stream.
pub(crate) struct EventStream {
    stream: Stream,
    inbox: Vec<u8>,
    pub(crate) head: Answer,
}

/// One event.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Message(Value),
    Ping,
    Close(u16),
    /// The body has ended, or the connection broke.
    End,
}

/// The request for a stream that begins with this `hello`.
pub(crate) fn request(token: &str, hello: &Value) -> Request {
    Request::new("POST", "/v1/signal").bearer(token).header("Accept", "text/event-stream").json(hello)
}

impl EventStream {
    pub(crate) async fn open(mut stream: Stream, request: &Request) -> Result<Self, Answer> {
        let (head, inbox) = request.ask(&mut stream).await;
        if head.status == 200 { Ok(Self { stream, inbox, head }) } else { Err(head) }
    }

    /// The stream behind a head that has been read.
    pub(crate) fn behind(stream: Stream, head: Answer, inbox: Vec<u8>) -> Self {
        Self { stream, inbox, head }
    }

    /// The socket under it.
    pub(crate) fn socket(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Breaks the connection so that the server gets a reset.
    pub(crate) fn reset(self) {
        self.stream.tcp().set_zero_linger().expect("an open socket");
    }

    /// The next event, as it is. Nothing is answered.
    pub(crate) async fn event(&mut self) -> Event {
        within("an event", async {
            loop {
                if let Some(event) = self.take() {
                    return event;
                }
                match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) | Err(_) => {
                        assert!(self.inbox.is_empty(), "half an event: {:?}", String::from_utf8_lossy(&self.inbox));
                        return Event::End;
                    }
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    fn take(&mut self) -> Option<Event> {
        let end = self.inbox.windows(2).position(|pair| pair == b"\n\n")?;
        let event: Vec<u8> = self.inbox.drain(..end + 2).collect();
        let event = String::from_utf8(event).expect("UTF-8");
        assert!(!event.contains('\r'), "{event:?}");
        let fields: Vec<_> = event.trim_end_matches('\n').split('\n').map(|line| line.split_once(": ")).collect();
        Some(match fields[..] {
            [Some(("data", data))] => Event::Message(serde_json::from_str(data).expect("JSON")),
            [Some(("event", "ping")), Some(("data", "{}"))] => Event::Ping,
            [Some(("event", "close")), Some(("data", data))] => {
                let closed: Value = serde_json::from_str(data).expect("JSON");
                assert!(closed["reason"].is_string(), "{closed}");
                Event::Close(closed["code"].as_u64().and_then(|code| code.try_into().ok()).expect("a code"))
            }
            _ => panic!("the server sent {event:?}"),
        })
    }

    /// The next message. Pings are passed over: whoever waits for long has to answer them.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.event().await {
                Event::Message(message) => return message,
                Event::Ping => {}
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The next message, which must be about this peer.
    pub(crate) async fn expect_about(&mut self, kind: &str, id: &str) -> Value {
        let message = self.expect(kind).await;
        let about = if message["peer"].is_object() { &message["peer"]["id"] } else { &message["id"] };
        assert_eq!(about, id, "{message}");
        message
    }

    /// The next `error`, which must have this code.
    pub(crate) async fn refused(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The next message, which must be `data` from somebody.
    pub(crate) async fn told(&mut self, from: &str, data: impl Into<Value>) {
        let message = self.expect("message").await;
        let data: Value = data.into();
        assert_eq!((&message["from"], &message["data"]), (&from.into(), &data), "{message}");
    }

    /// The messages up to the server's close, and its code. Then the body must end.
    pub(crate) async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut last = Vec::new();
        let code = loop {
            match self.event().await {
                Event::Message(message) => last.push(message),
                Event::Close(code) => break code,
                Event::Ping => {}
                Event::End => panic!("ended without a close, after {last:#?}"),
            }
        };
        assert_eq!(self.event().await, Event::End);
        (code, last)
    }

    /// The server's close with `code`, and before it as last message an `error` with that one.
    pub(crate) async fn closed_with(&mut self, code: u16, error: &str) -> Value {
        let (closed, mut last) = self.closed().await;
        let told = last.pop().unwrap_or_default();
        assert_eq!((closed, &told["code"]), (code, &error.into()), "{told} after {last:#?}");
        told
    }
}

/// An event stream in a room, and what it takes to speak.
pub(crate) struct EventPeer {
    stream: EventStream,
    pub(crate) welcome: Value,
    pub(crate) id: String,
    /// Where it POSTs to.
    pub(crate) path: String,
    pub(crate) token: String,
    /// The last `seq` that was used.
    pub(crate) seq: u64,
}

impl EventPeer {
    /// Waits for `welcome`.
    pub(crate) async fn seated(mut stream: EventStream, token: String) -> Self {
        let welcome = stream.expect("welcome").await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (id, path) = (text(&welcome["peer"]["id"]), text(&welcome["post"]));
        Self { stream, welcome, id, path, token, seq: 0 }
    }

    pub(crate) fn into_stream(self) -> EventStream {
        self.stream
    }

    /// The token of its `welcome`.
    pub(crate) fn resume_token(&self) -> String {
        self.welcome["resume"]["token"].as_str().expect("a resume token").to_owned()
    }

    /// A POST of a body, whatever it is.
    pub(crate) fn upward(&self, body: &Value) -> Request {
        Request::new("POST", &self.path).bearer(&self.token).json(body)
    }

    /// A POST of messages.
    pub(crate) fn request(&self, seq: u64, messages: &[Value]) -> Request {
        self.upward(&json!({ "seq": seq, "messages": messages }))
    }

    /// The answer to a POST of messages.
    pub(crate) async fn post(&self, rig: &Rig, seq: u64, messages: &[Value]) -> Answer {
        rig.ask(self.request(seq, messages)).await
    }

    /// POSTs one message in its turn, and it must be taken.
    pub(crate) async fn send(&mut self, rig: &Rig, message: Value) {
        self.seq += 1;
        let answer = self.post(rig, self.seq, &[message]).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{answer:?}");
    }

    /// Sends `data` to somebody.
    pub(crate) async fn tell(&mut self, rig: &Rig, to: &str, data: impl Into<Value>) {
        let data: Value = data.into();
        self.send(rig, json!({ "type": "message", "to": to, "data": data })).await;
    }

    /// All messages up to the answer to a ping: whatever the server had for this client when it handled the ping.
    pub(crate) async fn heard(&mut self, rig: &Rig) -> Vec<Value> {
        let probe = 1_000_000 + self.seq;
        self.send(rig, json!({ "type": "ping", "t": probe })).await;
        let mut heard = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" && message["t"] == probe {
                return heard;
            }
            heard.push(message);
        }
    }

    /// Asserts that the server has nothing for this client.
    pub(crate) async fn is_quiet(&mut self, rig: &Rig) {
        let heard = self.heard(rig).await;
        assert!(heard.is_empty(), "{heard:#?}");
    }
}

impl Deref for EventPeer {
    type Target = EventStream;

    fn deref(&self) -> &EventStream {
        &self.stream
    }
}

impl DerefMut for EventPeer {
    fn deref_mut(&mut self) -> &mut EventStream {
        &mut self.stream
    }
}

impl Rig {
    /// Somebody on an event stream.
    pub(crate) async fn events(&self, token: impl Into<Token>) -> EventPeer {
        self.events_on(self.dial().await, token, json!({ "type": "hello", "protocol": 1 })).await
    }

    pub(crate) async fn events_resuming(&self, token: impl Into<Token>, resume: &str) -> EventPeer {
        let hello = json!({ "type": "hello", "protocol": 1, "resume": resume });
        self.events_on(self.dial().await, token, hello).await
    }

    pub(crate) async fn events_on(&self, stream: Stream, token: impl Into<Token>, hello: Value) -> EventPeer {
        let token = self.mint(token);
        let opened = EventStream::open(stream, &request(&token, &hello)).await;
        EventPeer::seated(opened.unwrap_or_else(|answer| panic!("refused: {answer:?}")), token).await
    }
}
