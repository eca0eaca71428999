//! How a connection begins: over which transport, and with which seat.

use std::sync::Arc;

use aldis_core::{Join, Moment, Profile};
use aldis_protocol::{PeerId, server::IceServers};
use tokio::time::sleep_until;

use super::{
    Connection, Inbound, Places, Seated, Stage,
    deadline::Deadlines,
    liveness::Liveness,
    outlet::{Framing, Handle, Outlet, Wire, seat},
    posts::Posts,
    rate::Strikes,
    read::Frames,
    supply::{Entrance, Supply},
    transport::{Reader, Transport},
};
use crate::{
    auth::Verified,
    driver::Prelude,
    node::{Node, random_bits},
};

impl Connection {
    /// A WebSocket whose token was checked.
    pub fn websocket(node: Arc<Node>, transport: Transport, token: Verified, places: Places) -> Self {
        let Transport { reader, wire, early } = transport;
        let inbound = Inbound::Frames(Frames::new(early, &node.limits));
        let handle = outlet(&node, wire, Framing::WebSocket);
        Self::new(node, reader, handle, inbound, token, places)
    }

    /// An event stream whose token was checked, and whose head was written.
    pub fn event_stream(node: Arc<Node>, transport: Transport, token: Verified, places: Places) -> Self {
        let handle = outlet(&node, transport.wire, Framing::EventStream);
        let inbound = Inbound::Posts(Posts::open(&node, &token, handle.clone()));
        Self::new(node, transport.reader, handle, inbound, token, places)
    }

    fn new(node: Arc<Node>, reader: Reader, handle: Handle, inbound: Inbound, token: Verified, places: Places) -> Self {
        let now = node.clock.now();
        let interval = node.limits.heartbeat_interval_ms;
        node.metrics.connected(handle.0.framing());
        Self {
            reader,
            inbound,
            handle,
            token: Box::new(token),
            stage: Stage::Greeting { deadline: now.after(node.limits.hello_ms) },
            liveness: Liveness::Listening,
            interval_ms: interval - node.random_below(interval / 8 + 1),
            rates: Box::default(),
            breather: None,
            strikes: Strikes::default(),
            timer: Box::pin(sleep_until(node.clock.instant(now))),
            supply: Supply::default(),
            drain: Some(node.draining.listener()),
            abort: node.abort.listener(),
            armed: Moment::default(),
            node,
            now,
            places,
            asking: None,
        }
    }

    /// Asks the hub for a seat.
    pub(super) fn enter(&mut self, entrance: Entrance, ice: IceServers) {
        let Entrance { dialect, features, ticket } = entrance;
        let token = &self.token;
        let post = match &self.inbound {
            Inbound::Frames(_) => None,
            Inbound::Posts(posts) => Some(posts.path(&self.node)),
        };
        let prelude = Prelude { ice, token_expires_at: token.expires_at, dialect, post };
        self.node.driver.join(
            Join {
                connection: self.handle.clone(),
                room: token.room.clone(),
                profile: self.profile(),
                grant: token.grant,
                stamp: token.stamp(),
                max_peers: token.max_peers,
                duplicates: token.duplicates,
                dialect,
                features,
                fresh: PeerId::from_random(random_bits()),
                ticket,
            },
            prelude,
        );
        self.stage = Stage::Joining(dialect);
        self.take_seat();
    }

    /// Sits down, or is refused, once the hub has decided.
    pub(super) fn take_seat(&mut self) {
        let Stage::Joining(dialect) = self.stage else { return };
        if let Some(seat) = seat(&self.handle) {
            let deadlines = Deadlines::new(&self.node, &self.token, dialect);
            self.stage = Stage::Seated(Box::new(Seated { seat, dialect, deadlines }));
            self.tell_delayed();
        }
        // Refused: the reason and the close are in the outlet.
        self.notice_close();
    }

    pub(super) fn profile(&self) -> Profile {
        let Verified { identity, name, metadata, .. } = &*self.token;
        Profile { identity: identity.clone(), name: name.clone(), metadata: metadata.clone() }
    }
}

fn outlet(node: &Node, wire: Box<dyn Wire>, framing: Framing) -> Handle {
    let max_bytes = usize::try_from(node.limits.outbound_bytes).unwrap_or(usize::MAX);
    Handle(Arc::new(Outlet::new(wire, framing, max_bytes, node.clock.now())))
}
