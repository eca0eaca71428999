//! A client of the load, by either transport.

use aldis_client::{Connection, Outgoing};
use aldis_protocol::{CloseCode, PeerId, Received, Welcome};

use super::events::EventPeer;

/// Somebody in a room.
pub(super) enum Peer {
    /// By WebSocket.
    Socket(Box<Connection>),
    /// By event stream and POST.
    Events(Box<EventPeer>),
}

impl Peer {
    pub(super) fn welcome(&self) -> &Welcome {
        match self {
            Self::Socket(connection) => connection.welcome(),
            Self::Events(peer) => peer.welcome(),
        }
    }

    pub(super) fn id(&self) -> &PeerId {
        &self.welcome().peer.id
    }

    pub(super) async fn send(&mut self, message: impl Into<Outgoing>) -> anyhow::Result<()> {
        self.feed_text(message.into().to_json()).await?;
        self.flush().await
    }

    /// To go with the next [`flush`](Self::flush).
    pub(super) async fn feed_text(&mut self, text: String) -> anyhow::Result<()> {
        match self {
            Self::Socket(connection) => connection.feed_text(text).await?,
            Self::Events(peer) => peer.feed(text),
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Socket(connection) => Ok(connection.flush().await?),
            Self::Events(peer) => peer.flush().await,
        }
    }

    pub(super) async fn recv(&mut self) -> anyhow::Result<Received> {
        Ok(Received::parse(&self.recv_text().await?)?)
    }

    /// The next message, unread. What came is not lost where this is given up.
    pub(super) async fn recv_text(&mut self) -> anyhow::Result<String> {
        match self {
            Self::Socket(connection) => Ok(connection.recv_text().await?.to_string()),
            Self::Events(peer) => peer.recv_text().await,
        }
    }

    /// The same, if it is there already.
    pub(super) fn try_recv_text(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Socket(connection) => Ok(connection.try_recv_text()?.map(|text| text.to_string())),
            Self::Events(peer) => peer.try_text(),
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Socket(connection) => Ok(connection.close(CloseCode::Bye).await?),
            Self::Events(mut peer) => {
                peer.feed(Outgoing::leave().to_json());
                peer.flush().await
            }
        }
    }
}
