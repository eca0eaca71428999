//! A client of the event stream without manners.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::{
    Answer, Request, Rig, Stream, Token,
    reader::{Frame, Framing, Reader},
};

/// The reading end of an event stream.
pub(crate) type EventStream = Reader<Events>;

/// Events, behind the head of their answer.
pub(crate) struct Events {
    head: Answer,
}

/// The request for a stream that begins with this `hello`.
pub(crate) fn request(token: &str, hello: &Value) -> Request {
    Request::new("POST", "/v1/signal").bearer(token).header("Accept", "text/event-stream").json(hello)
}

impl Framing for Events {
    fn take(inbox: &mut Vec<u8>) -> Option<Frame> {
        let end = inbox.windows(2).position(|pair| pair == b"\n\n")?;
        let event: Vec<u8> = inbox.drain(..end + 2).collect();
        let event = String::from_utf8(event).expect("UTF-8");
        assert!(!event.contains('\r'), "{event:?}");
        let fields: Vec<_> = event.trim_end_matches('\n').split('\n').map(|line| line.split_once(": ")).collect();
        Some(match fields[..] {
            [Some(("data", data))] => Frame::Text(serde_json::from_str(data).expect("JSON")),
            [Some(("event", "ping")), Some(("data", "{}"))] => Frame::Ping,
            [Some(("event", "close")), Some(("data", data))] => {
                let closed: Value = serde_json::from_str(data).expect("JSON");
                assert!(closed["reason"].is_string(), "{closed}");
                Frame::Close(closed["code"].as_u64().and_then(|code| code.try_into().ok()).expect("a code"))
            }
            _ => panic!("the server sent {event:?}"),
        })
    }

    fn answer(_: &Frame) -> Option<Vec<u8>> {
        None
    }

    fn may_end(rest: &[u8]) -> bool {
        rest.is_empty()
    }
}

impl EventStream {
    pub(crate) async fn open(mut stream: Stream, request: &Request) -> Result<Self, Answer> {
        let (head, inbox) = request.ask(&mut stream).await;
        if head.status == 200 { Ok(Self::behind(stream, head, inbox)) } else { Err(head) }
    }

    /// The stream behind a head that has been read.
    pub(crate) fn behind(stream: Stream, head: Answer, inbox: Vec<u8>) -> Self {
        Self::of(stream, inbox, Events { head })
    }

    /// The head of the answer.
    pub(crate) fn head(&self) -> &Answer {
        &self.framing.head
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
        let probe = self.probe();
        self.send(rig, json!({ "type": "ping", "t": probe })).await;
        self.heard_until(probe).await
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
