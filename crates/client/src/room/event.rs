//! What an application is told.

use std::time::Duration;

use aldis_protocol::{LeaveReason, PeerInfo, Relayed, WireError, server::IceServers};

use crate::Error;

/// What happens in a room, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A stay in the room begins: the first event, and again wherever a session could not go on. Then this side is another peer than
    /// before, and every connection to the others has to be made anew.
    Joined {
        /// This side, as the others see it.
        me: PeerInfo,
        /// The others, oldest first.
        peers: Vec<PeerInfo>,
    },
    /// The connection to the server broke, and is tried again, for ever. Connections between peers are not touched by that.
    Reconnecting {
        /// Why.
        error: Error,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// There is a connection again, and the stay goes on: what changed meanwhile follows.
    Resumed,
    /// Somebody came.
    PeerJoined(PeerInfo),
    /// Somebody's name, metadata, attributes or presence changed.
    PeerUpdated(PeerInfo),
    /// Somebody left for good.
    PeerLeft {
        /// Who, as they were.
        peer: PeerInfo,
        /// Why.
        reason: LeaveReason,
    },
    /// Another peer's offer, answer, candidate, `hangup`, `message`, `nack`, `restart` or `rebuild`: of a peer that speaks streams each
    /// once, in the order in which they were sent.
    Signal(Relayed),
    /// Other ICE servers from now on: give them to connections before ICE is restarted.
    IceServers(IceServers),
    /// The server refused something that nobody waits for.
    Refused(WireError),
    /// The server does not want this client any more: the last event, and why.
    Failed(Error),
}
