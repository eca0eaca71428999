//! The peers of other nodes, as our clients know them: what follows from the mirrors of all nodes.
//!
//! ```text
//!            shown by somebody               shown by nobody any more
//!   unknown ───────────────────► Seen ───────────────────────────────► Adrift
//!      ▲                          ▲  └──── its owner says that it left ──► gone (tombstone)
//!      │                          └──────────── shown again ─────────────┤
//!      └───────── `peer-left`, unreachable, not final ◄── 30 s ──────────┘
//! ```
//!
//! Of several who show a peer the one with its newest connection counts, and a node that hears of a newer one lets its own go. Who is
//! known to be dead is shown by nobody: whoever thinks so is told.

use std::sync::Arc;

use aldis_protocol::{
    CloseCode, ErrorCode, NodeId, PeerId, PeerInfo, Presence, ServerMessage, WireError, server::LeaveReason,
};

use crate::{
    Moment, Output,
    cluster::{
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

/// A peer of another node, as our clients know it.
pub(crate) struct Remote {
    pub(crate) entry: Arc<Entry>,
    /// Who shows it, or did, or will.
    pub(crate) owner: NodeId,
    pub(crate) sight: Sight,
}

/// Whether somebody shows it.
pub(crate) enum Sight {
    Seen,
    Adrift { notice: Moment, until: Moment },
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

    /// What our clients know of a peer follows from what the nodes show of it: after any change of that, and of our own sessions.
    pub(crate) fn review(&mut self, id: &PeerId, effects: &mut Effects<C>) {
        if let Some(departed) = self.departed(id, effects.now) {
            return self.contradict(&departed, effects);
        }
        let shown = self.shown(id);
        match (self.find(id.as_str()), shown) {
            (Some(index), Some((node, entry))) => {
                let ours = self.sessions[index].generation;
                if effects.member.as_ref().is_some_and(|member| (entry.generation, &node) > (ours, &member.node)) {
                    self.yield_to(index, &node, effects);
                }
            }
            (None, Some((node, entry))) => self.show(node, &entry, effects),
            (Some(_), None) => {}
            (None, None) => {
                let notice = effects.now.after(effects.limits.away_notice_ms);
                self.set_adrift(id, Sight::Adrift { notice, until: effects.now.after(BETWEEN_MS) }, effects);
            }
        }
    }

    /// The owner that counts: of two who show a peer the one with its newer connection. The other will learn of that.
    fn shown(&self, id: &PeerId) -> Option<(NodeId, Arc<Entry>)> {
        let shown = self.mirrors().iter().filter_map(|mirror| Some((&mirror.node, mirror.shows(id)?)));
        let (node, entry) = shown.max_by_key(|(node, entry)| (entry.generation, *node))?;
        Some((node.clone(), Arc::clone(entry)))
    }

    /// Puts a peer of another node where it belongs, and tells the clients of this one what is new about it.
    fn show(&mut self, owner: NodeId, entry: &Arc<Entry>, effects: &mut Effects<C>) {
        self.seq = self.seq.max(entry.seq);
        let Some(shared) = &mut self.shared else { return };
        shared.joiners.retain(|joiner| joiner.id != entry.id);
        let now = Remote { entry: Arc::clone(entry), owner, sight: Sight::Seen };
        if let Some(at) = shared.remotes.iter().position(|remote| remote.entry.id == entry.id) {
            let before = std::mem::replace(&mut shared.remotes[at], now);
            self.tell_presence(at, before.presence(), effects);
            if !before.entry.looks_like(entry) {
                self.show_remote(at, effects, |peer| ServerMessage::PeerUpdated { peer });
            }
        } else {
            let at = shared.remotes.partition_point(|other| other.entry.place() < entry.place());
            shared.remotes.insert(at, now);
            self.show_remote(at, effects, |peer| ServerMessage::PeerJoined { peer });
        }
        self.settle_duplicates(entry, effects);
    }

    /// Nobody shows a peer any more, which is no departure.
    fn set_adrift(&mut self, id: &PeerId, adrift: Sight, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        if let Some(remote) = shared.remotes.iter_mut().find(|remote| remote.entry.id == *id)
            && matches!(remote.sight, Sight::Seen)
        {
            remote.sight = adrift;
            self.arm_shared(effects);
        }
    }

    /// A node that showed a peer is silent: its lease was the notice.
    pub(crate) fn silenced(&mut self, id: &PeerId, effects: &mut Effects<C>) {
        if self.shown(id).is_some() {
            return self.review(id, effects);
        }
        let until = effects.now.after(SILENT_MS);
        self.set_adrift(id, Sight::Adrift { notice: effects.now, until }, effects);
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
                        let Remote { entry, .. } = shared.remotes.remove(at);
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
        self.review(id, effects);
    }

    /// The peer at `index` was another node's until now.
    pub(crate) fn take_remote(&mut self, index: usize) -> Option<Remote> {
        let shared = self.shared.as_mut()?;
        let id = &self.sessions[index].id;
        shared.moved.retain(|moved| moved.id != *id);
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
