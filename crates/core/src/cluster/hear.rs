//! What a room does with a frame.

use aldis_protocol::{ErrorCode, NodeId, PeerId, Presence, WireError};

use crate::{
    Event,
    cluster::{
        Subject,
        asking::{Answer, JOINER_MS},
        frame::{Body, Change, Entry, Joining, RoomFrame},
        roster::{Owner, Parts, Taken},
        shared::Joiner,
    },
    hub::Effects,
    room::Room,
};

/// The most bytes of one part of a roster: what a peer takes is bounded, so no part is much larger.
const PART_BYTES: u64 = 48 * 1024;

/// Of how many who left for good a roster tells: with the longest ids they fit into its first part.
const MAX_LEFT: usize = 400;

impl<C: Clone + PartialEq> Room<C> {
    /// A frame of another node.
    pub(crate) fn hear(&mut self, from: &NodeId, frame: RoomFrame, effects: &mut Effects<C>) {
        let RoomFrame { seq, version, body, .. } = frame;
        self.seq = self.seq.max(seq);
        let inbox = Subject::Inbox(from.clone());
        match body {
            Body::Who { asker, joining, claim } => {
                if let (Some(place), Some(shared)) = (joining, &mut self.shared) {
                    let until = effects.now.after(JOINER_MS);
                    shared.joiners.retain(|joiner| joiner.id != asker);
                    shared.joiners.push(Joiner { node: from.clone(), place, id: asker.clone(), until });
                    self.arm_shared(effects);
                }
                let yielded = claim.and_then(|claim| self.claimed(from, &asker, &claim, effects));
                self.send_roster(from, Some(&asker), yielded, effects);
                self.ask_if_behind(from, version, effects);
            }
            Body::Ask { asker } => {
                self.send_roster(from, asker.as_ref(), None, effects);
                self.ask_if_behind(from, version, effects);
            }
            Body::Roster { asker, part, parts, peers, left, joining, nodes, yielded } => {
                self.joiners_elsewhere(from, joining, effects);
                left.iter().for_each(|departed| self.departed_elsewhere(departed, effects));
                if self.roster_part(from, version, (part, parts), peers, effects)
                    && let Some(asker) = asker
                {
                    let answer = Answer { nodes, yielded: yielded.map(|entry| *entry) };
                    self.answered(from, &asker, answer, effects);
                }
            }
            Body::Delta { since, change } => self.delta(from, since, version, change, effects),
            Body::Announce {} => self.ask_if_behind(from, version, effects),
            Body::Compare { yours } => {
                if yours != self.shared.as_ref().map_or(0, |shared| shared.version) {
                    self.send_roster(from, None, None, effects);
                }
                self.ask_if_behind(from, version, effects);
            }
            Body::Signal { to, parcel } => self.crossed(from, to.as_ref(), parcel, effects),
            Body::Tell { to, news } => self.told(&to, news, effects),
            Body::Remove { by, id, reason } => match self.find(id.as_str()) {
                Some(index) => self.remove_at(index, reason, effects),
                None => self.not_here(&by, &id, effects),
            },
            Body::Check { asker, id } => match self.find(id.as_str()) {
                Some(index) => self.probe(index, asker, effects),
                None => {
                    let gone = self.is_tombstoned(id.as_str());
                    let presence = if gone { Presence::Gone } else { Presence::Away };
                    let news = crate::cluster::frame::News::Checked { id, presence };
                    self.publish(inbox, Body::Tell { to: asker, news }, effects);
                }
            },
            Body::Dead { departed } => self.departed_elsewhere(&departed, effects),
        }
    }

    /// A frame that nobody read.
    pub(crate) fn unheard(&mut self, subject: &Subject, frame: RoomFrame, effects: &mut Effects<C>) {
        match frame.body {
            Body::Who { asker, .. } | Body::Ask { asker: Some(asker) } => self.unanswered(subject, &asker, effects),
            Body::Signal { to, parcel } => self.uncrossed(to.as_ref(), &parcel, effects),
            Body::Remove { by, id, .. } => self.not_here(&by, &id, effects),
            Body::Check { asker, id } => {
                let message = aldis_protocol::ServerMessage::Checked { id, presence: Presence::Away };
                self.tell(&asker, message, effects);
            }
            // Nobody reads the inbox of a node: it is dead, and others may have what it had.
            Body::Ask { asker: None } => {
                if let Subject::Inbox(node) = subject {
                    self.set_adrift(node, effects);
                }
            }
            // What is soft is said again.
            Body::Roster { .. }
            | Body::Delta { .. }
            | Body::Announce {}
            | Body::Compare { .. }
            | Body::Tell { .. }
            | Body::Dead { .. } => {}
        }
    }

    fn not_here(&mut self, by: &PeerId, id: &PeerId, effects: &mut Effects<C>) {
        let code = if self.is_tombstoned(id.as_str()) { ErrorCode::PeerGone } else { ErrorCode::Unavailable };
        self.tell(by, WireError::new(code).about(Some(id.clone()), None).into(), effects);
    }

    fn joiners_elsewhere(&mut self, from: &NodeId, joining: Vec<Joining>, effects: &mut Effects<C>) {
        let until = effects.now.after(JOINER_MS);
        for Joining { place, id } in joining {
            self.seq = self.seq.max(place);
            if self.remote(id.as_str()).is_none()
                && let Some(shared) = &mut self.shared
                && !shared.joiners.iter().any(|joiner| joiner.id == id)
            {
                shared.joiners.push(Joiner { node: from.clone(), place, id, until });
            }
        }
        self.arm_shared(effects);
    }

    fn delta(&mut self, from: &NodeId, since: u64, version: u64, change: Change, effects: &mut Effects<C>) {
        let owner = self.owner(from);
        if owner.is_none_or(|owner| version <= owner.version) {
            return;
        }
        if let Some(owner) = self.owner(from).filter(|owner| owner.version == since) {
            owner.version = version;
        } else {
            // What was missed comes as a whole; a departure is true whatever else was missed.
            effects.event(Event::Gap);
            self.publish(Subject::Inbox(from.clone()), Body::Ask { asker: None }, effects);
            if let Change::Left { departed } = change {
                self.departed_elsewhere(&departed, effects);
            }
            return;
        }
        match change {
            Change::Now { peer } => self.learn(from, *peer, effects),
            Change::Left { departed } => self.departed_elsewhere(&departed, effects),
            Change::Released { id } => self.release(from, &id, effects),
        }
    }

    /// Takes one part of a roster, and says whether it is whole now.
    fn roster_part(
        &mut self,
        from: &NodeId,
        version: u64,
        (part, parts): (u32, u32),
        peers: Vec<Entry>,
        effects: &mut Effects<C>,
    ) -> bool {
        let (part, count) = (part as usize, parts as usize);
        let Some(owner) = self.owner(from) else { return false };
        if version < owner.version {
            // Older than what we know by now: an answer all the same.
            return part + 1 == count;
        }
        let assembly =
            owner.parts.take().filter(|assembly| assembly.version == version && assembly.parts.len() == count);
        let mut assembly = assembly.unwrap_or_else(|| Parts { version, parts: (0..count).map(|_| None).collect() });
        if let Some(slot) = assembly.parts.get_mut(part) {
            *slot = Some(peers);
        }
        if assembly.parts.iter().any(Option::is_none) {
            owner.parts = Some(assembly);
            return false;
        }
        owner.version = version;
        owner.taken = Taken::Whole;
        let peers = assembly.parts.into_iter().flatten().flatten().collect();
        self.replace_roster(from, peers, effects);
        true
    }

    fn ask_if_behind(&mut self, from: &NodeId, version: u64, effects: &mut Effects<C>) {
        if self.owner(from).is_some_and(|owner| owner.version < version) {
            self.publish(Subject::Inbox(from.clone()), Body::Ask { asker: None }, effects);
        }
    }

    /// Something that a node shows was not taken: its version is not ours.
    pub(crate) fn doubt_owner(&mut self, node: &NodeId) {
        if let Some(owner) = self.owner(node) {
            owner.taken = Taken::InPart;
        }
    }

    /// What is known of a node in this room, from now on.
    fn owner(&mut self, node: &NodeId) -> Option<&mut Owner> {
        let owners = &mut self.shared.as_mut()?.owners;
        let at = owners.iter().position(|owner| owner.node == *node).unwrap_or_else(|| {
            owners.push(Owner { node: node.clone(), version: 0, taken: Taken::Whole, parts: None });
            owners.len() - 1
        });
        owners.get_mut(at)
    }

    /// Sends our part of the roster to a node, in parts of bounded size.
    pub(crate) fn send_roster(
        &self,
        to: &NodeId,
        asker: Option<&PeerId>,
        yielded: Option<Entry>,
        effects: &mut Effects<C>,
    ) {
        let mut pages: Vec<Vec<Entry>> = vec![Vec::new()];
        let mut bytes = 0;
        for session in &self.sessions {
            bytes += session.wire_size();
            if bytes > PART_BYTES {
                bytes = session.wire_size();
                pages.push(Vec::new());
            }
            if let Some(page) = pages.last_mut() {
                page.push(session.entry());
            }
        }
        let parts = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        let mut yielded = yielded.map(Box::new);
        let mut left = self.departed_last(MAX_LEFT, effects.now);
        for (part, peers) in (0..).zip(pages) {
            let last = part + 1 == parts;
            let body = Body::Roster {
                asker: asker.cloned(),
                part,
                parts,
                peers,
                left: std::mem::take(&mut left),
                joining: self.joining_here(),
                nodes: if last { self.nodes() } else { Vec::new() },
                yielded: yielded.take_if(|_| last),
            };
            self.publish(Subject::Inbox(to.clone()), body, effects);
        }
    }

    /// Which other nodes have somebody here, or soon will.
    fn nodes(&self) -> Vec<NodeId> {
        let joiners = self.shared.iter().flat_map(|shared| &shared.joiners).map(|joiner| &joiner.node);
        let owners = self.remotes().iter().map(|remote| &remote.owner);
        let mut nodes: Vec<_> = owners.chain(joiners).cloned().collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn joining_here(&self) -> Vec<Joining> {
        let places = self.joining.iter().filter_map(|pending| Some((pending.place?, &pending.join.fresh)));
        places.map(|(place, id)| Joining { place, id: id.clone() }).collect()
    }

    /// How many joiners on other nodes come before this place.
    pub(crate) fn joiners_before(&self, place: Option<(u64, &PeerId)>) -> usize {
        let Some(shared) = &self.shared else { return 0 };
        shared.joiners.iter().filter(|joiner| place.is_none_or(|place| (joiner.place, &joiner.id) < place)).count()
    }
}
