//! A socket and the HTTP on it, byte by byte: nobody has checked what is sent.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(12);

/// A connection from an address of this machine.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    pub(crate) inbox: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Line {
    pub(crate) fn dial(port: u16, from: Ipv4Addr) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket
            .bind(&SocketAddr::from((from, 0)).into())
            .with_context(|| format!("{from} is no address of this machine"))?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).context("nobody listens")?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, inbox: Vec::new() })
    }

    /// Sends what may be refused in the middle: an error shows in what comes back.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Waits for more bytes; false at the end of the connection.
    pub(crate) fn read(&mut self) -> anyhow::Result<bool> {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.inbox.extend_from_slice(&bytes[..read]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                anyhow::bail!("nothing came within {PATIENCE:?}")
            }
            // A reset is an end too.
            Err(_) => Ok(false),
        }
    }

    /// Reads an answer; none where the connection ended before.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Option<Answer>> {
        let end = loop {
            if let Some(at) = self.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read()? {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.inbox.drain(..end).collect::<Vec<_>>()).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").map_or(Ok(0), |length| length.parse::<usize>())?;
        while self.inbox.len() < length && self.read()? {}
        let body: Vec<u8> = self.inbox.drain(..length.min(self.inbox.len())).collect();
        Ok(Some(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }))
    }

    /// How long it takes until the server hangs up, whatever it says before.
    pub(crate) fn hung_up(&mut self) -> anyhow::Result<Duration> {
        let since = Instant::now();
        while self.read()? {}
        Ok(since.elapsed())
    }
}

impl Answer {
    /// Its status, with the code of a problem.
    pub(crate) fn verdict(&self) -> String {
        let code =
            serde_json::from_str::<Value>(&self.body).ok().and_then(|body| Some(body["code"].as_str()?.to_owned()));
        code.map_or_else(|| self.status.to_string(), |code| format!("{} {code}", self.status))
    }
}

/// A request with `Host` and these headers, each a whole line.
pub(crate) fn request(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// What makes a request a WebSocket handshake.
pub(crate) const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
