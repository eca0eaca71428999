//! Who else is in the room, as far as this side knows.
//!
//! **Absence is never departure.** After a resume a peer may be in neither `peers` nor `left`: it may be about to come back itself. It is
//! away until as much time has passed as a server waits for anybody, in which this side would have been told of its return; time in which
//! this side itself has no connection does not count, so it begins anew with the next one.

use std::{collections::BTreeSet, time::Duration};

use aldis_protocol::{LeaveReason, PeerId, PeerInfo, Presence, Welcome};

use crate::streams::Moment;

/// The others in the room; see the module.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    peers: Vec<PeerInfo>,
    /// Those that have not come back with the server.
    missing: BTreeSet<PeerId>,
    /// How long they are waited for.
    missing_until: Option<Moment>,
}

/// What is another way than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Joined(PeerInfo),
    Updated(PeerInfo),
    Left(PeerInfo, LeaveReason),
}

impl Roster {
    /// The others, oldest first as far as the last `welcome` said so, then whoever came since.
    pub(crate) fn peers(&self) -> &[PeerInfo] {
        &self.peers
    }

    /// A stay begins: nothing of an earlier one counts.
    pub(crate) fn begin(&mut self, peers: &[PeerInfo]) {
        *self = Self { peers: peers.to_vec(), ..Self::default() };
    }

    /// The stay goes on, on another connection.
    pub(crate) fn reconcile(&mut self, welcome: &Welcome, now: Moment) -> Vec<Change> {
        let gone = welcome.left.iter().filter_map(|id| self.left(id, LeaveReason::Timeout));
        let mut changes: Vec<Change> = gone.collect();
        changes.extend(welcome.peers.iter().flat_map(|peer| self.joined(peer.clone())));
        let here = |id: &PeerId| welcome.peers.iter().any(|peer| peer.id == *id);
        self.missing = self.peers.iter().map(|peer| peer.id.clone()).filter(|id| !here(id)).collect();
        let away = self.missing.clone();
        changes.extend(away.iter().filter_map(|id| self.set_presence(id, Presence::Away)));
        // As the server has them; whoever is missing comes last, since nobody says where.
        self.peers.sort_by_key(|peer| welcome.peers.iter().position(|here| here.id == peer.id).unwrap_or(usize::MAX));
        let window = welcome.resume.as_ref().map_or(Duration::ZERO, |resume| Duration::from_millis(resume.window_ms));
        self.missing_until = (!self.missing.is_empty()).then_some(now + window);
        changes
    }

    /// Nothing is heard of anybody any more.
    pub(crate) fn lost(&mut self) {
        self.missing_until = None;
    }

    /// Somebody came, or one that is known already is as it is here. It takes the place of an earlier stay of its own.
    pub(crate) fn joined(&mut self, peer: PeerInfo) -> Vec<Change> {
        if self.find(&peer.id).is_some() {
            return self.updated(peer).into_iter().collect();
        }
        let before = peer.previous.as_ref().and_then(|previous| self.left(previous, LeaveReason::Timeout));
        self.peers.push(peer.clone());
        before.into_iter().chain([Change::Joined(peer)]).collect()
    }

    /// Somebody is as they are here.
    pub(crate) fn updated(&mut self, peer: PeerInfo) -> Option<Change> {
        self.missing.remove(&peer.id);
        let known = self.find(&peer.id)?;
        if *known == peer {
            return None;
        }
        known.clone_from(&peer);
        Some(Change::Updated(peer))
    }

    /// Somebody can be reached, or cannot.
    pub(crate) fn present(&mut self, id: &PeerId, presence: Presence) -> Option<Change> {
        self.missing.remove(id);
        self.set_presence(id, presence)
    }

    /// Somebody has left for good.
    pub(crate) fn left(&mut self, id: &PeerId, reason: LeaveReason) -> Option<Change> {
        self.missing.remove(id);
        let index = self.peers.iter().position(|peer| peer.id == *id)?;
        Some(Change::Left(self.peers.remove(index), reason))
    }

    /// Gives up those whose time is over.
    pub(crate) fn expire(&mut self, now: Moment) -> Vec<Change> {
        if self.missing_until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        self.missing_until = None;
        let missing = std::mem::take(&mut self.missing);
        missing.iter().filter_map(|id| self.left(id, LeaveReason::Timeout)).collect()
    }

    /// When [`expire`](Self::expire) is to be called.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.missing_until
    }

    fn set_presence(&mut self, id: &PeerId, presence: Presence) -> Option<Change> {
        let peer = self.find(id).filter(|peer| peer.presence != presence)?;
        peer.presence = presence;
        Some(Change::Updated(peer.clone()))
    }

    fn find(&mut self, id: &PeerId) -> Option<&mut PeerInfo> {
        self.peers.iter_mut().find(|peer| peer.id == *id)
    }
}
