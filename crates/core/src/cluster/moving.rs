//! Sessions that go to another node.

use std::sync::Arc;

use aldis_protocol::{CloseCode, ErrorCode, NodeId, PeerId, Presence, WireError};

use crate::{
    Event, Output,
    cluster::{
        frame::{Body, Change, Claim, Entry},
        roster::{Remote, Sight},
        shared::Moved,
    },
    hub::Effects,
    room::Room,
    session::State,
};

/// How many granted claims a room remembers: far more than join in the time that a frame may be late.
const GRANTED: usize = 32;

/// Of how many sessions a room remembers where they went, and for how long: what is under way to them arrives meanwhile.
const MOVED: usize = 256;
const MOVED_MS: u64 = 10_000;

impl<C: Clone + PartialEq> Room<C> {
    /// A join on another node claims a session. Its token is authentic, so a session of ours moves, whatever its generation.
    pub(crate) fn claimed(
        &mut self,
        from: &NodeId,
        asker: &PeerId,
        claim: &Claim,
        effects: &mut Effects<C>,
    ) -> Option<Entry> {
        let index = self.find(claim.peer.as_str())?;
        let shared = self.shared.as_mut()?;
        if shared.granted.contains(asker) {
            return None;
        }
        if shared.granted.len() == GRANTED {
            shared.granted.remove(0);
        }
        shared.granted.push(asker.clone());
        effects.claims.granted += 1;
        let mut entry = self.sessions[index].entry();
        entry.generation = entry.generation.max(claim.generation);
        self.yield_to(index, from, effects);
        Some(entry)
    }

    /// Lets a session go: another node has it. Its connection is fenced, and what waits for it goes back to its senders.
    pub(crate) fn yield_to(&mut self, index: usize, to: &NodeId, effects: &mut Effects<C>) {
        if let Some(connection) = self.sessions[index].connection() {
            let error = Some(Box::new(WireError::new(ErrorCode::Superseded)));
            effects.push(Output::Close { connection: connection.clone(), code: CloseCode::Superseded, error });
        }
        self.answer_askers(index, Presence::Here, effects);
        let session = self.sessions.remove(index);
        let entry = session.entry();
        let id = entry.id.clone();
        effects.event(Event::Moved);
        if let State::Away(away) = session.state {
            self.settle(&id, away.parking.into_iter(), ErrorCode::Unavailable, effects);
        }
        let notice = effects.now.after(effects.limits.away_notice_ms);
        let until = effects.now.after(effects.limits.resume_window_ms);
        if let Some(shared) = &mut self.shared {
            let at = shared.remotes.partition_point(|other| other.entry.place() < entry.place());
            let sight = Sight::Adrift { notice, until };
            shared.remotes.insert(at, Remote { entry: Arc::new(entry), owner: to.clone(), sight });
            if effects.member.as_ref().is_some_and(|member| member.node != *to) {
                if shared.moved.len() == MOVED {
                    shared.moved.remove(0);
                }
                shared.moved.push(Moved { id: id.clone(), node: to.clone(), until: effects.now.after(MOVED_MS) });
            }
        }
        if let Some(since) = self.next_version(effects) {
            self.publish_to_room(Body::Delta { since, change: Change::Released { id: id.clone() } }, effects);
        }
        self.closed_if_empty(effects);
        self.review(&id, effects);
    }

    /// The window of a session of ours has ended while it may live elsewhere: it is given up, not for good.
    pub(crate) fn give_up(&mut self, index: usize, effects: &mut Effects<C>) {
        let id = self.sessions[index].id.clone();
        let Some(node) = effects.member.as_ref().map(|member| member.node.clone()) else { return };
        self.yield_to(index, &node, effects);
        if let Some(shared) = &mut self.shared {
            let nobodys = |remote: &&mut Remote| remote.entry.id == id && matches!(remote.sight, Sight::Adrift { .. });
            if let Some(remote) = shared.remotes.iter_mut().find(nobodys) {
                remote.sight = Sight::Adrift { notice: effects.now, until: effects.now };
            }
        }
        self.adrift_due(effects);
    }
}
