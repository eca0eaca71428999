//! What a room does with a frame.

use aldis_protocol::{ErrorCode, NodeId, PeerId, Presence, WireError};

use crate::{
    cluster::{
        Subject,
        asking::{Answer, JOINER_MS},
        frame::{Body, Entry, Joining, RoomFrame},
        mirror::{Arrival, Mirror, Page},
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
                let arrival = self.roster_part(from, Page { version, part, parts }, peers, effects);
                left.iter().for_each(|departed| self.departed_elsewhere(departed, effects));
                if arrival == Arrival::Complete
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
            Body::Moved { to, node, parcel } => self.came_back(from, &to, node, parcel, effects),
            Body::Again { to, parcel } => self.arrived(from, &to, parcel, effects),
        }
    }

    /// A frame that nobody read.
    pub(crate) fn unheard(&mut self, subject: &Subject, frame: RoomFrame, effects: &mut Effects<C>) {
        match frame.body {
            Body::Who { asker, .. } | Body::Ask { asker: Some(asker) } => self.unanswered(subject, &asker, effects),
            Body::Signal { to, parcel } => self.uncrossed(to.as_ref(), &parcel, effects),
            Body::Again { to, parcel } => self.uncrossed(Some(&to), &parcel, effects),
            Body::Remove { by, id, .. } => self.not_here(&by, &id, effects),
            Body::Check { asker, id } => {
                let message = aldis_protocol::ServerMessage::Checked { id, presence: Presence::Away };
                self.tell(&asker, message, effects);
            }
            // What is soft is said again.
            Body::Ask { asker: None }
            | Body::Roster { .. }
            | Body::Delta { .. }
            | Body::Announce {}
            | Body::Compare { .. }
            | Body::Tell { .. }
            | Body::Moved { .. }
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
        let shown = self.mirrors().iter().filter(|mirror| !mirror.is_empty()).map(|mirror: &Mirror| &mirror.node);
        let mut nodes: Vec<_> = shown.chain(joiners).cloned().collect();
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
