//! Requests and answers, byte by byte.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{Socket, Stream, within};

/// A request that nobody has checked.
#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    early: Vec<u8>,
}

/// What came back instead of a WebSocket, or before it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: vec![("Host", "localhost".to_owned())], early: Vec::new() }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// A WebSocket handshake with the example key of RFC 6455.
    pub(crate) fn upgrade(target: impl Into<String>) -> Self {
        Self::get(target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// The subprotocol and the token, as a browser sends them.
    pub(crate) fn v1(self, token: &str) -> Self {
        self.header("Sec-WebSocket-Protocol", format!("aldis.v1, aldis.bearer.{token}"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A body of JSON with its length.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// A body with its length.
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.header("Content-Type", "application/json").header("Content-Length", body.len().to_string()).early(body)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    /// Bytes that come in the same packet, behind the head.
    pub(crate) fn early(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.early = bytes.into();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.early);
        bytes
    }

    /// Sends it on a connection and reads the answer. Bytes behind the answer are returned.
    pub(crate) async fn ask(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> (Answer, Vec<u8>) {
        within("the request's way out", stream.write_all(&self.bytes())).await.expect("sent");
        within("the request's way out", stream.flush()).await.expect("sent");
        within("an answer", Answer::read(stream)).await
    }
}

impl Answer {
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> (Self, Vec<u8>) {
        let mut received = Vec::new();
        let end = loop {
            if let Some(at) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            let read = stream.read_buf(&mut received).await.expect("an answer");
            assert_ne!(read, 0, "the server closed: {:?}", String::from_utf8_lossy(&received));
        };
        let mut rest = received.split_off(end);
        let head = String::from_utf8(received).expect("text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut answer = Self { status: status.expect("a status"), headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        while rest.len() < length {
            assert_ne!(stream.read_buf(&mut rest).await.expect("a body"), 0, "the body is cut");
        }
        let behind = rest.split_off(length);
        answer.body = rest;
        (answer, behind)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a refusal, which must be problem+json with all that belongs to it.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert!(problem["message"].is_string() && problem["hint"].is_string(), "{problem}");
        let after = problem["retryAfterMs"].as_u64().map(|ms| ms.div_ceil(1_000).to_string());
        assert_eq!(self.header("retry-after"), after.as_deref(), "{problem}");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// Whether no server answers there. A test beside this one that starts a process may hold a copy of the listening socket for the
/// moment between its fork and its exec, so that a connection alone proves nothing.
pub(crate) async fn is_deserted(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return true };
    let _ = stream.write_all(&Request::get("/livez").bytes()).await;
    within("an end", stream.read(&mut [0; 16])).await.unwrap_or(0) == 0
}

/// The WebSocket behind a 101, or the refusal.
pub(crate) async fn open(stream: impl Into<Stream>, request: &Request) -> Result<(Socket, Answer), Answer> {
    let mut stream = stream.into();
    let (answer, behind) = request.ask(&mut stream).await;
    if answer.status == 101 { Ok((Socket::new(stream, behind), answer)) } else { Err(answer) }
}
