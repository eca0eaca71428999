//! An asynchronous WebSocket without manners, of which one process has thousands.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    frame::{self, Received, TEXT},
    line::{UPGRADE, request},
};

/// Longer than anything takes in the worst flood.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) inbox: Vec<u8>,
}

impl Link {
    /// Connects from an address of this machine; with a small buffer the kernel keeps little for whoever does not read.
    pub(super) async fn dial(port: u16, from: Ipv4Addr, receive_buffer: Option<u32>) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        // Thousands come and go: a port is free again as soon as its connection is over.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = timeout(PATIENCE, socket.connect(to)).await.context("no connection")??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Vec::new() })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Sends a request and reads the head and body of its answer: its status.
    pub(super) async fn ask(&mut self, bytes: &[u8]) -> anyhow::Result<u16> {
        self.send(bytes).await?;
        timeout(PATIENCE, async {
            let end = loop {
                if let Some(at) = self.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    break at + 4;
                }
                anyhow::ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "hung up");
            };
            let head = String::from_utf8_lossy(&self.inbox.drain(..end).collect::<Vec<_>>()).to_lowercase();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            while self.inbox.len() < length {
                anyhow::ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "hung up");
            }
            self.inbox.drain(..length);
            Ok(status)
        })
        .await
        .context("no answer")?
    }

    /// A WebSocket: raw, or of an `aldis.v1` client.
    pub(super) async fn upgrade(&mut self, token: &str, dialect: Dialect) -> anyhow::Result<()> {
        let header = match dialect {
            Dialect::Raw => format!("Authorization: Bearer {token}"),
            Dialect::V1 => format!("Sec-WebSocket-Protocol: aldis.v1, aldis.bearer.{token}"),
        };
        let headers: Vec<_> = UPGRADE.into_iter().chain([header.as_str()]).collect();
        let status = self.ask(&request("GET", "/v1/signal", &headers)).await?;
        anyhow::ensure!(status == 101, "{status}");
        if dialect == Dialect::V1 {
            self.say(&json!({ "type": "hello", "protocol": 1 })).await?;
        }
        Ok(())
    }

    pub(super) async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        self.send(&frame::whole(TEXT, message.to_string().as_bytes())).await
    }

    /// The next frame, within some time.
    pub(super) async fn frame(&mut self) -> anyhow::Result<Received> {
        timeout(PATIENCE, async {
            loop {
                if let Some(received) = frame::take(&mut self.inbox) {
                    return Ok(received);
                }
                anyhow::ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "hung up");
            }
        })
        .await
        .context("nothing came")?
    }

    /// The next message of this type.
    pub(super) async fn expect(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let received = self.frame().await?;
            if received.opcode == TEXT {
                let message: Value = serde_json::from_slice(&received.payload)?;
                if message["type"] == kind {
                    return Ok(message);
                }
            }
        }
    }
}

/// Which kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Raw,
    V1,
}
