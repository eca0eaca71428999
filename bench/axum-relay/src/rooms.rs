//! Who is in which room: one map behind one lock.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use aldis_protocol::{
    Identity, InvalidId, LeaveReason, Limits, NodeId, PROTOCOL, PeerId, PeerInfo, Presence, RoomId, ServerMessage,
    Welcome,
    server::{Heartbeat, IceServers, RoomInfo},
};
use axum::extract::ws::Utf8Bytes;
use parking_lot::RwLock;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Messages that wait for a connection's write task.
const QUEUE: usize = 256;

/// Every room of the relay.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: RwLock<HashMap<RoomId, HashMap<PeerId, Peer>>>,
    next: AtomicU64,
}

struct Peer {
    info: PeerInfo,
    queue: Sender<Utf8Bytes>,
}

impl Rooms {
    /// Adds a peer, greets it and tells the others.
    pub(crate) async fn join(&self, room: &RoomId) -> Result<(PeerId, Receiver<Utf8Bytes>), InvalidId> {
        let id = PeerId::from_random(u128::from(self.next.fetch_add(1, Ordering::Relaxed)));
        let info = PeerInfo {
            id: id.clone(),
            identity: Identity::parse(id.as_str())?,
            name: None,
            metadata: None,
            attributes: None,
            presence: Presence::Here,
            polite: false,
            features: Vec::new(),
            previous: None,
        };
        let (queue, receiver) = channel(QUEUE);
        let others = {
            let mut rooms = self.rooms.write();
            let peers = rooms.entry(room.clone()).or_default();
            let others: Vec<_> = peers.values().map(|peer| peer.queue.clone()).collect();
            let roster = peers.values().map(|peer| PeerInfo { polite: true, ..peer.info.clone() }).collect();
            let welcome = ServerMessage::Welcome(Box::new(welcome(room, info.clone(), roster)));
            // The queue is new and empty, and nobody else can reach it yet: `welcome` is its first entry.
            let _ = queue.try_send(welcome.to_json().into());
            peers.insert(id.clone(), Peer { info: info.clone(), queue });
            others
        };
        tell(others, &ServerMessage::PeerJoined { peer: Box::new(info) }).await;
        Ok((id, receiver))
    }

    /// Finds the queue of a peer.
    pub(crate) fn find(&self, room: &RoomId, peer: &str) -> Option<Sender<Utf8Bytes>> {
        self.rooms.read().get(room)?.get(peer).map(|peer| peer.queue.clone())
    }

    /// Removes a peer and tells the others.
    pub(crate) async fn leave(&self, room: &RoomId, id: &PeerId) {
        let others = {
            let mut rooms = self.rooms.write();
            let Some(peers) = rooms.get_mut(room) else { return };
            peers.remove(id);
            let others: Vec<_> = peers.values().map(|peer| peer.queue.clone()).collect();
            if others.is_empty() {
                rooms.remove(room);
            }
            others
        };
        tell(others, &ServerMessage::PeerLeft { id: id.clone(), reason: LeaveReason::Left, is_final: true }).await;
    }
}

async fn tell(others: Vec<Sender<Utf8Bytes>>, message: &ServerMessage) {
    let text = Utf8Bytes::from(message.to_json());
    for other in others {
        // A closed queue is a peer that is leaving itself.
        let _ = other.send(text.clone()).await;
    }
}

fn welcome(room: &RoomId, peer: PeerInfo, peers: Vec<PeerInfo>) -> Welcome {
    let limits = Limits::default();
    Welcome {
        protocol: PROTOCOL,
        features: Vec::new(),
        node: NodeId::from_random(0),
        peer,
        room: RoomInfo { id: room.clone(), max_peers: limits.room_peers },
        peers,
        left: Vec::new(),
        resumed: false,
        resume: None,
        ice: IceServers { ice_servers: Vec::new(), ice_expires_at: None, ice_cuts_at_expiry: false },
        heartbeat: Heartbeat { interval_ms: limits.heartbeat_interval_ms, timeout_ms: limits.heartbeat_timeout_ms },
        limits: (&limits).into(),
        token_expires_at: 0,
        degraded: None,
        post: None,
    }
}
