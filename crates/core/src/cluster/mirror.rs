//! What each of the other nodes shows in a room, word for word.
//!
//! A mirror is all that its node shows at one version, also what we do not believe: which of two owners counts is decided where
//! mirrors are compared (`roster`), and can be decided again when one of them is gone. A node that falls silent has no mirror any
//! more. So whoever agrees on versions agrees on everything.

use std::sync::Arc;

use aldis_protocol::{NodeId, PeerId};

use crate::{
    Event,
    cluster::{
        Subject,
        frame::{Body, Change, Departed, Entry},
    },
    hub::Effects,
    room::Room,
};

/// What a node shows in a room.
pub(crate) struct Mirror {
    pub(crate) node: NodeId,
    /// Of the node's part of the roster; zero where it has to be asked for in any case.
    pub(crate) version: u64,
    peers: Vec<Arc<Entry>>,
    /// A newer roster of which not every part is here.
    parts: Option<Parts>,
}

/// The parts of a roster, as they come.
struct Parts {
    version: u64,
    parts: Vec<Option<Vec<Entry>>>,
}

/// Where a part of a roster belongs.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    pub(crate) version: u64,
    pub(crate) part: u32,
    pub(crate) parts: u32,
}

/// What became of a part.
#[derive(PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Others are missing.
    Incomplete,
    /// It was the last one, or of a roster that is older than what we know.
    Complete,
}

impl Mirror {
    /// The peer as this node shows it.
    pub(crate) fn shows(&self, id: &PeerId) -> Option<&Arc<Entry>> {
        self.peers.iter().find(|peer| peer.id == *id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn remove(&mut self, id: &PeerId) {
        self.peers.retain(|peer| peer.id != *id);
    }

    /// Takes one part of a roster, and gives the whole once nothing is missing.
    fn assemble(&mut self, page: Page, peers: Vec<Entry>) -> Option<Vec<Arc<Entry>>> {
        let Page { version, part, parts } = page;
        let count = parts as usize;
        let assembly = self.parts.take().filter(|old| old.version == version && old.parts.len() == count);
        let mut assembly = assembly.unwrap_or_else(|| Parts { version, parts: (0..count).map(|_| None).collect() });
        if let Some(slot) = assembly.parts.get_mut(part as usize) {
            *slot = Some(peers);
        }
        if assembly.parts.iter().any(Option::is_none) {
            self.parts = Some(assembly);
            return None;
        }
        Some(assembly.parts.into_iter().flatten().flatten().map(Arc::new).collect())
    }
}

impl<C: Clone + PartialEq> Room<C> {
    pub(crate) fn mirrors(&self) -> &[Mirror] {
        self.shared.as_ref().map_or(&[], |shared| &shared.mirrors)
    }

    /// What we know of a node, from now on.
    fn mirror(&mut self, node: &NodeId) -> Option<&mut Mirror> {
        let mirrors = &mut self.shared.as_mut()?.mirrors;
        let at = mirrors.iter().position(|mirror| mirror.node == *node).unwrap_or_else(|| {
            mirrors.push(Mirror { node: node.clone(), version: 0, peers: Vec::new(), parts: None });
            mirrors.len() - 1
        });
        mirrors.get_mut(at)
    }

    /// The version of a node's part of the roster that we have; zero where we have none.
    pub(crate) fn known_version(&self, node: &NodeId) -> u64 {
        self.mirrors().iter().find(|mirror| mirror.node == *node).map_or(0, |mirror| mirror.version)
    }

    /// A change of what a node shows.
    pub(crate) fn delta(&mut self, from: &NodeId, since: u64, version: u64, change: Change, effects: &mut Effects<C>) {
        let Some(mirror) = self.mirror(from).filter(|mirror| mirror.version < version) else { return };
        if mirror.version != since {
            // What was missed comes as a whole; a departure is true whatever else was missed.
            effects.event(Event::Gap);
            self.publish(Subject::Inbox(from.clone()), Body::Ask { asker: None }, effects);
            if let Change::Left { departed } = change {
                self.departed_elsewhere(&departed, effects);
            }
            return;
        }
        mirror.version = version;
        match change {
            Change::Now { peer } => {
                mirror.remove(&peer.id);
                let peer = Arc::new(*peer);
                mirror.peers.push(Arc::clone(&peer));
                self.review(&peer.id, effects);
            }
            Change::Left { departed } => {
                mirror.remove(&departed.id);
                self.departed_elsewhere(&departed, effects);
            }
            Change::Released { id } => {
                mirror.remove(&id);
                self.review(&id, effects);
            }
        }
    }

    /// One part of all that a node shows.
    pub(crate) fn roster_part(
        &mut self,
        from: &NodeId,
        page: Page,
        peers: Vec<Entry>,
        effects: &mut Effects<C>,
    ) -> Arrival {
        let Some(mirror) = self.mirror(from) else { return Arrival::Incomplete };
        if page.version < mirror.version {
            // Older than what we know by now: an answer all the same.
            return if page.part + 1 == page.parts { Arrival::Complete } else { Arrival::Incomplete };
        }
        let Some(peers) = mirror.assemble(page, peers) else { return Arrival::Incomplete };
        mirror.version = page.version;
        let before = std::mem::replace(&mut mirror.peers, peers.clone());
        for peer in before.iter().filter(|old| !peers.iter().any(|new| new.id == old.id)) {
            self.review(&peer.id, effects);
        }
        peers.iter().for_each(|peer| self.review(&peer.id, effects));
        Arrival::Complete
    }

    /// A node gives no sign of life: what it showed is old.
    pub(crate) fn drop_mirror(&mut self, node: &NodeId, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        let Some(at) = shared.mirrors.iter().position(|mirror| mirror.node == *node) else { return };
        let mirror = shared.mirrors.swap_remove(at);
        for peer in &mirror.peers {
            self.silenced(&peer.id, effects);
        }
        self.adrift_due(effects);
    }

    /// Asks a node for all that it shows, if it has said something that we have missed. A room that only answers for its absence has
    /// nothing to ask: two of them would never end.
    pub(crate) fn ask_if_behind(&self, from: &NodeId, version: u64, effects: &mut Effects<C>) {
        if self.known_version(from) < version && !self.is_forgotten() {
            self.publish(Subject::Inbox(from.clone()), Body::Ask { asker: None }, effects);
        }
    }

    /// Tells those who show a peer that it is dead. What they show then is a new version, which we do not miss: ours is none.
    pub(crate) fn contradict(&mut self, departed: &Departed, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        let believers = shared.mirrors.iter_mut().filter(|mirror| mirror.shows(&departed.id).is_some());
        let nodes: Vec<_> = believers
            .map(|mirror| {
                mirror.version = 0;
                mirror.node.clone()
            })
            .collect();
        for node in nodes {
            self.publish(Subject::Inbox(node), Body::Dead { departed: departed.clone() }, effects);
        }
    }
}
