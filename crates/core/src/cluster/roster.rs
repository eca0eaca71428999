//! The peers of other nodes.
//!
//! ```text
//!            shown by its owner              not shown any more, or the owner is silent
//!   unknown ───────────────────► Seen ──────────────────────────────────────────────────► Adrift
//!      ▲                          ▲  └──── its owner says that it left ──► gone (tombstone)  │
//!      │                          └──────────────── shown again, by anybody ─────────────────┤
//!      └─────────────────── `peer-left`, unreachable, not final ◄── 30 s ────────────────────┘
//! ```

use aldis_protocol::{
    CloseCode, ErrorCode, NodeId, PeerId, PeerInfo, Presence, ServerMessage, WireError, server::LeaveReason,
};

use crate::{
    Duplicates, Moment, Output,
    cluster::{
        Subject,
        frame::{Body, Change, Departed, Entry},
        shared::{Reach, STOPPED_MS},
    },
    hub::Effects,
    room::Room,
    session::{Session, wire_size},
};

/// How long the peers of a silent node are away before they are unreachable; its lease has lasted 15 s by then.
const SILENT_MS: u64 = 15_000;

/// How long a session that its owner has let go may be nowhere.
const BETWEEN_MS: u64 = 30_000;

/// A peer of another node.
pub(crate) struct Remote {
    pub(crate) entry: Entry,
    pub(crate) owner: NodeId,
    pub(crate) sight: Sight,
}

/// Whether its owner shows it.
pub(crate) enum Sight {
    Seen,
    Adrift { notice: Moment, until: Moment },
}

/// What is known of a node in this room.
pub(crate) struct Owner {
    pub(crate) node: NodeId,
    pub(crate) version: u64,
    /// Whether everything that it shows at this version is in our roster.
    pub(crate) taken: Taken,
    /// A roster of which not every part is here.
    pub(crate) parts: Option<Parts>,
}

/// What became of that which a node shows.
#[derive(PartialEq, Eq)]
pub(crate) enum Taken {
    Whole,
    /// Something was not taken, or was given up: the digests differ until it is shown again.
    InPart,
}

impl Owner {
    /// The version that we can say we know.
    pub(crate) fn known(&self) -> u64 {
        if self.taken == Taken::Whole { self.version } else { 0 }
    }
}

/// The parts of a roster, as they come.
pub(crate) struct Parts {
    pub(crate) version: u64,
    pub(crate) parts: Vec<Option<Vec<Entry>>>,
}

impl Entry {
    pub(crate) fn place(&self) -> (u64, &PeerId) {
        (self.seq, &self.id)
    }

    fn seen_from(&self, viewer: (u64, &PeerId), presence: Presence) -> PeerInfo {
        PeerInfo {
            id: self.id.clone(),
            identity: self.identity.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            attributes: self.attributes.clone(),
            presence,
            polite: self.place() < viewer,
            features: self.features.clone(),
            previous: self.previous.clone(),
        }
    }

    /// An upper bound of the bytes this peer takes in a `welcome`.
    pub(crate) fn wire_size(&self) -> u64 {
        let Self { id, identity, name, metadata, attributes, features, previous, .. } = self;
        wire_size(id, identity, name.as_deref(), [metadata, attributes], features, previous.as_ref())
    }

    /// Whether the others see the same in both, apart from the presence.
    fn looks_like(&self, other: &Self) -> bool {
        (&self.identity, &self.name, &self.metadata, &self.attributes, &self.features, &self.previous)
            == (&other.identity, &other.name, &other.metadata, &other.attributes, &other.features, &other.previous)
    }
}

impl Remote {
    /// What the clients of this node have been told of its presence.
    pub(crate) fn presence(&self) -> Presence {
        match self.sight {
            Sight::Adrift { notice, .. } if notice == Moment::default() => Presence::Away,
            Sight::Adrift { .. } | Sight::Seen => self.entry.presence,
        }
    }

    pub(crate) fn seen_from(&self, viewer: (u64, &PeerId)) -> PeerInfo {
        self.entry.seen_from(viewer, self.presence())
    }

    /// When something becomes of it by itself. A notice that was given has no time any more.
    pub(crate) fn due(&self) -> Option<Moment> {
        match self.sight {
            Sight::Seen => None,
            Sight::Adrift { notice, until } if notice == Moment::default() => Some(until),
            Sight::Adrift { notice, until } => Some(notice.min(until)),
        }
    }
}

impl<C: Clone + PartialEq> Session<C> {
    /// The session as its node shows it to the others.
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            id: self.id.clone(),
            seq: self.seq,
            generation: self.generation,
            identity: self.profile.identity.clone(),
            name: self.profile.name.clone(),
            metadata: self.profile.metadata.clone(),
            attributes: self.attributes.clone(),
            features: self.features.clone(),
            previous: self.previous.clone(),
            presence: self.presence(),
            duplicates: self.duplicates,
        }
    }
}

impl<C: Clone + PartialEq> Room<C> {
    pub(crate) fn remotes(&self) -> &[Remote] {
        self.shared.as_ref().map_or(&[], |shared| &shared.remotes)
    }

    pub(crate) fn remote(&self, id: &str) -> Option<&Remote> {
        self.remotes().iter().find(|remote| remote.entry.id.as_str() == id)
    }

    /// Shows the session at `index` to the other nodes as it is now.
    pub(crate) fn publish_session(&mut self, index: usize, effects: &mut Effects<C>) {
        if let Some(since) = self.next_version(effects) {
            let peer = Box::new(self.sessions[index].entry());
            self.publish_to_room(Body::Delta { since, change: Change::Now { peer } }, effects);
        }
    }

    /// A peer as another node shows it.
    pub(crate) fn learn(&mut self, from: &NodeId, entry: Entry, effects: &mut Effects<C>) {
        if let Some(departed) = self.departed(&entry.id, effects.now) {
            return self.publish(Subject::Inbox(from.clone()), Body::Dead { departed }, effects);
        }
        if let Some(index) = self.find(entry.id.as_str()) {
            if self.outranks(self.sessions[index].generation, effects, entry.generation, from) {
                self.send_roster(from, None, None, effects);
            } else {
                self.yield_to(index, from, effects);
                self.learn(from, entry, effects);
            }
            return;
        }
        let viewed = self.view(from, entry.clone(), effects);
        if viewed {
            self.settle_duplicates(&entry, effects);
        }
    }

    /// Puts a peer of another node where it belongs, and tells the clients of this one what is new about it.
    fn view(&mut self, from: &NodeId, entry: Entry, effects: &mut Effects<C>) -> bool {
        self.seq = self.seq.max(entry.seq);
        let Some(shared) = &mut self.shared else { return false };
        shared.joiners.retain(|joiner| joiner.id != entry.id);
        let Some(at) = shared.remotes.iter().position(|remote| remote.entry.id == entry.id) else {
            let at = shared.remotes.partition_point(|other| other.entry.place() < entry.place());
            shared.remotes.insert(at, Remote { entry, owner: from.clone(), sight: Sight::Seen });
            self.show_remote(at, effects, |peer| ServerMessage::PeerJoined { peer });
            return true;
        };
        let known = &mut shared.remotes[at];
        // Of two owners the one with the newer connection has it, as long as it shows it; the other will learn of that.
        let seen = matches!(known.sight, Sight::Seen);
        if seen && known.owner != *from && (known.entry.generation, &known.owner) > (entry.generation, from) {
            // Or it is right, and the first one dead: what it shows is looked at again when the digests are next compared.
            self.doubt_owner(from);
            return false;
        }
        let before = known.presence();
        let same = known.entry.looks_like(&entry);
        *known = Remote { entry, owner: from.clone(), sight: Sight::Seen };
        self.tell_presence(at, before, effects);
        if !same {
            self.show_remote(at, effects, |peer| ServerMessage::PeerUpdated { peer });
        }
        true
    }

    /// Whether our own session of this generation is newer than that of another node.
    fn outranks(&self, generation: u64, effects: &Effects<C>, theirs: u64, node: &NodeId) -> bool {
        effects.member.as_ref().is_some_and(|member| (generation, &member.node) > (theirs, node))
    }

    /// A whole roster of a node: whom it does not show any more is adrift.
    pub(crate) fn replace_roster(&mut self, from: &NodeId, peers: Vec<Entry>, effects: &mut Effects<C>) {
        let Some(shared) = &self.shared else { return };
        let missing: Vec<_> = shared
            .remotes
            .iter()
            .filter(|remote| remote.owner == *from && !peers.iter().any(|peer| peer.id == remote.entry.id))
            .map(|remote| remote.entry.id.clone())
            .collect();
        missing.iter().for_each(|id| self.release(from, id, effects));
        peers.into_iter().for_each(|peer| self.learn(from, peer, effects));
    }

    /// A node does not show a peer any more, which is no departure.
    pub(crate) fn release(&mut self, from: &NodeId, id: &PeerId, effects: &mut Effects<C>) {
        let notice = effects.now.after(effects.limits.away_notice_ms);
        let until = effects.now.after(BETWEEN_MS);
        let Some(shared) = &mut self.shared else { return };
        if let Some(remote) = shared.remotes.iter_mut().find(|remote| remote.entry.id == *id && remote.owner == *from)
            && matches!(remote.sight, Sight::Seen)
        {
            remote.sight = Sight::Adrift { notice, until };
            self.arm_shared(effects);
        }
    }

    /// A node gives no sign of life.
    pub(crate) fn set_adrift(&mut self, node: &NodeId, effects: &mut Effects<C>) {
        let until = effects.now.after(SILENT_MS);
        let Some(shared) = &mut self.shared else { return };
        for remote in shared.remotes.iter_mut().filter(|remote| remote.owner == *node) {
            if matches!(remote.sight, Sight::Seen) {
                remote.sight = Sight::Adrift { notice: effects.now, until };
            }
        }
        self.adrift_due(effects);
        self.arm_shared(effects);
    }

    /// A silent node speaks again: what it showed counts, until it shows something else.
    pub(crate) fn ashore(&mut self, node: &NodeId, effects: &mut Effects<C>) {
        for at in 0..self.remotes().len() {
            let Some(shared) = &mut self.shared else { return };
            let remote = &mut shared.remotes[at];
            if remote.owner == *node {
                let before = remote.presence();
                remote.sight = Sight::Seen;
                self.tell_presence(at, before, effects);
            }
        }
    }

    /// Announces who is adrift, and at last gives them up: not for good.
    pub(crate) fn adrift_due(&mut self, effects: &mut Effects<C>) {
        let now = effects.now;
        let local = effects.member.as_ref().is_none_or(|member| member.reach == Reach::Local);
        let mut at = 0;
        while let Some(shared) = &mut self.shared
            && let Some(remote) = shared.remotes.get_mut(at)
        {
            let before = remote.presence();
            if let Sight::Adrift { notice, until } = &mut remote.sight {
                if *notice <= now && *notice != Moment::default() {
                    *notice = Moment::default();
                }
                if *until <= now {
                    // We cannot hear of anybody, or were stopped and have not heard yet: that is no news of others.
                    if local || now.since(*until) > STOPPED_MS {
                        *until = now.after(SILENT_MS);
                    } else {
                        let Remote { entry, owner, .. } = shared.remotes.remove(at);
                        // Its version may be the one that we know still, and we do not have all of it any more.
                        self.doubt_owner(&owner);
                        self.unreachable(&entry.id, effects);
                        continue;
                    }
                }
            }
            self.tell_presence(at, before, effects);
            at += 1;
        }
    }

    fn unreachable(&mut self, id: &PeerId, effects: &mut Effects<C>) {
        let message = ServerMessage::PeerLeft { id: id.clone(), reason: LeaveReason::Unreachable, is_final: false };
        self.tell_all(&message, effects);
        self.forget_sender(id, effects);
    }

    /// A peer has left for good, says its owner or somebody who remembers.
    pub(crate) fn departed_elsewhere(&mut self, departed: &Departed, effects: &mut Effects<C>) {
        let Departed { id, reason, remaining_ms } = departed;
        if *remaining_ms == 0 || self.is_tombstoned(id.as_str()) {
            return;
        }
        if let Some(index) = self.find(id.as_str()) {
            // The others were told that it is dead for ever, so it is: its client begins a new stay.
            if let Some(connection) = self.sessions[index].connection() {
                let error = Some(Box::new(WireError::new(ErrorCode::Superseded)));
                effects.push(Output::Close { connection: connection.clone(), code: CloseCode::Superseded, error });
            }
            return self.gone(index, *reason, effects);
        }
        self.bury(id.clone(), *reason, (*remaining_ms).min(effects.limits.tombstone_ms), effects);
        let Some(shared) = &mut self.shared else { return };
        shared.joiners.retain(|joiner| joiner.id != *id);
        if let Some(at) = shared.remotes.iter().position(|remote| remote.entry.id == *id) {
            shared.remotes.remove(at);
            let message = ServerMessage::PeerLeft { id: id.clone(), reason: *reason, is_final: true };
            self.tell_all(&message, effects);
            self.forget_sender(id, effects);
        }
    }

    /// The peer at `index` was another node's until now.
    pub(crate) fn take_remote(&mut self, index: usize) -> Option<Remote> {
        let shared = self.shared.as_mut()?;
        let id = &self.sessions[index].id;
        let at = shared.remotes.iter().position(|remote| remote.entry.id == *id)?;
        Some(shared.remotes.remove(at))
    }

    /// Tells the others of this node what is new about a peer that has come over from another.
    pub(crate) fn show_again(&mut self, index: usize, known: &Remote, effects: &mut Effects<C>) {
        let now = self.sessions[index].entry();
        if known.presence() == Presence::Away {
            self.tell_others(index, &ServerMessage::PeerBack { id: now.id.clone() }, effects);
        }
        if !known.entry.looks_like(&now) {
            self.show_others(index, effects, |peer| ServerMessage::PeerUpdated { peer });
        }
    }

    /// The rules of its identity between a session that has just come and the peers of other nodes.
    pub(crate) fn settle_with_others(&mut self, index: usize, effects: &mut Effects<C>) {
        let identity = self.sessions[index].profile.identity.clone();
        let same = self.remotes().iter().filter(|remote| remote.entry.identity == identity);
        let others: Vec<_> = same.map(|remote| remote.entry.clone()).collect();
        others.iter().for_each(|other| self.settle_duplicates(other, effects));
    }

    /// What becomes of sessions of ours beside another of their identity: the newer one's token decides, on every node alike.
    pub(crate) fn settle_duplicates(&mut self, other: &Entry, effects: &mut Effects<C>) {
        while let Some(index) = self.sessions.iter().position(|session| {
            let ours = session.place() > other.place();
            let rule = if ours { session.duplicates } else { other.duplicates };
            session.profile.identity == other.identity
                && session.id != other.id
                && (rule == Duplicates::Replace && !ours || rule == Duplicates::Reject && ours)
        }) {
            let (code, close) = if self.sessions[index].place() > other.place() {
                (ErrorCode::IdentityTaken, CloseCode::Full)
            } else {
                (ErrorCode::Replaced, CloseCode::Replaced)
            };
            if let Some(connection) = self.sessions[index].connection() {
                let error = Some(Box::new(WireError::new(code)));
                effects.push(Output::Close { connection: connection.clone(), code: close, error });
            }
            self.gone(index, LeaveReason::Replaced, effects);
        }
    }

    fn tell_presence(&self, at: usize, before: Presence, effects: &mut Effects<C>) {
        let remote = &self.remotes()[at];
        let id = remote.entry.id.clone();
        match (before, remote.presence()) {
            (Presence::Here, Presence::Away) => self.tell_all(&ServerMessage::PeerAway { id }, effects),
            (Presence::Away, Presence::Here) => self.tell_all(&ServerMessage::PeerBack { id }, effects),
            _ => {}
        }
    }

    fn show_remote(&self, at: usize, effects: &mut Effects<C>, message: impl Fn(Box<PeerInfo>) -> ServerMessage) {
        let remote = &self.remotes()[at];
        for session in &self.sessions {
            if let Some(connection) = session.connection() {
                let peer = Box::new(remote.seen_from(session.place()));
                effects.push(Output::Send { to: connection.clone(), message: message(peer) });
            }
        }
    }

    pub(crate) fn tell_all(&self, message: &ServerMessage, effects: &mut Effects<C>) {
        for connection in self.sessions.iter().filter_map(Session::connection) {
            effects.push(Output::Send { to: connection.clone(), message: message.clone() });
        }
    }
}
