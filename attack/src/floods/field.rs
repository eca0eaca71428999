//! What the attackers of a flood share: where, for how long, and what they have seen.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt as _,
    net::tcp::OwnedReadHalf,
    time::{Instant, timeout_at},
};

use super::link::{Dialect, Link};
use crate::{
    frame::{self, CLOSE, TEXT},
    token,
};

/// Where a flood goes. Clones are of the same flood.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) port: u16,
    secret: Arc<str>,
    pub(super) until: Instant,
    tally: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Field {
    pub(super) fn new(port: u16, secret: &str, lasts: Duration) -> Self {
        Self { port, secret: secret.into(), until: Instant::now() + lasts, tally: Arc::default() }
    }

    pub(super) fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Counts something that was seen.
    pub(super) fn saw(&self, what: impl Into<String>) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner).entry(what.into()).or_insert(0) += 1;
    }

    /// What was seen how often.
    pub(super) fn tally(&self) -> Value {
        json!(*self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn token(&self, identity: &str, room: &str) -> anyhow::Result<String> {
        token::sign(&self.secret, identity, room, &json!({ "can": ["signal", "message", "broadcast"] }))
    }

    /// Somebody in a room, with its id.
    pub(super) async fn join(&self, identity: &str, room: &str, dialect: Dialect) -> anyhow::Result<(Link, String)> {
        let link = Link::dial(self.port, any_address(30), None).await?;
        self.enter(link, identity, room, dialect).await
    }

    /// The same on a connection that is there.
    pub(super) async fn enter(
        &self,
        mut link: Link,
        identity: &str,
        room: &str,
        dialect: Dialect,
    ) -> anyhow::Result<(Link, String)> {
        link.upgrade(&self.token(identity, room)?, dialect).await?;
        let welcome = link.expect("welcome").await?;
        let id = welcome["peer"]["id"].as_str().context("no id")?.to_owned();
        Ok((link, id))
    }

    /// Reads and counts whatever comes, until the end of the connection or of the flood.
    pub(super) async fn listen(self, mut reader: OwnedReadHalf, mut inbox: Vec<u8>) {
        loop {
            while let Some(received) = frame::take(&mut inbox) {
                match received.opcode {
                    TEXT => self.saw(kind(&received.payload)),
                    CLOSE => {
                        let code = received.payload.first_chunk().map_or(1_005, |code| u16::from_be_bytes(*code));
                        self.saw(format!("close {code}"));
                    }
                    _ => self.saw("pong"),
                }
            }
            match timeout_at(self.until, reader.read_buf(&mut inbox)).await {
                Ok(Ok(read)) if read > 0 => {}
                _ => return,
            }
        }
    }
}

/// An address of this machine, of 65,000. From one alone the ports run out, and the search for one costs more than a handshake.
pub(super) fn any_address(network: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, network, fastrand::u8(..), fastrand::u8(1..))
}

/// The code of an error, or the type of another message, without parsing it: there are very many.
fn kind(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload.get(..payload.len().min(200)).unwrap_or_default());
    let after = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    after("\"code\":\"").or_else(|| after("\"type\":\"")).unwrap_or_else(|| "something else".to_owned())
}
