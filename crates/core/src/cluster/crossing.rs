//! Signals and their receipts across nodes.
//!
//! A frame that is published is not delivered: the sender of a message with `receipt` gets its one answer from the receiver's node,
//! or, where none comes in time, from its own.

use aldis_protocol::{
    ErrorCode, Naming, NodeId, Outcome, PeerId, Presence, ServerMessage, SignalKind, WireError, server::ReceiptStatus,
};

use crate::{
    Event, Parcel,
    cluster::{
        Subject,
        frame::{Body, News},
        shared::{Owed, Reach},
    },
    hub::Effects,
    output::Dropped,
    room::Room,
};

/// How long the receipt of a parked message may take, in milliseconds: the window, and as long as any receipt.
fn parked_ms<C>(effects: &Effects<C>) -> u64 {
    effects.limits.resume_window_ms + effects.limits.receipt_ms
}

impl<C: Clone + PartialEq> Room<C> {
    /// Hands a parcel to the node of its receiver.
    pub(crate) fn cross(&mut self, to: &PeerId, parcel: Parcel, effects: &mut Effects<C>) {
        let Some(owner) = self.remote(to.as_str()).map(|remote| remote.owner.clone()) else {
            return self.refuse(&parcel, to, ErrorCode::UnknownPeer, effects);
        };
        let Some(member) = &effects.member else { return };
        // A session between two nodes, and one that ours gave up, has nowhere to go to.
        if member.reach == Reach::Local || owner == member.node {
            return self.refuse(&parcel, to, ErrorCode::Unavailable, effects);
        }
        let until = match &parcel.naming {
            Naming::Anonymous => None,
            Naming::Named(_) => Some(effects.now.after(parked_ms(effects))),
            Naming::Receipt(_) => Some(effects.now.after(effects.limits.receipt_ms)),
        };
        if let (Some(shared), Some(until)) = (&mut self.shared, until) {
            let naming = parcel.naming.clone();
            shared.owed.push(Owed { from: parcel.from.clone(), to: to.clone(), naming, until });
            self.arm_shared(effects);
        }
        self.publish(Subject::Inbox(owner), Body::Signal { to: Some(to.clone()), parcel }, effects);
    }

    /// Hands a parcel to every other node of the room.
    pub(crate) fn cross_to_all(&self, parcel: Parcel, effects: &mut Effects<C>) {
        let reaches = effects.member.as_ref().is_some_and(|member| member.reach == Reach::Cluster);
        if reaches && !self.remotes().is_empty() {
            self.publish_to_room(Body::Signal { to: None, parcel }, effects);
        }
    }

    /// A signal from another node.
    pub(crate) fn crossed(&mut self, from: &NodeId, to: Option<&PeerId>, parcel: Parcel, effects: &mut Effects<C>) {
        let Some(to) = to else {
            // Nobody hears of somebody of whom they do not know.
            if self.remote(parcel.from.as_str()).is_some() {
                self.relay_to_all(&parcel, effects);
            }
            return;
        };
        if self.find(to.as_str()).is_none()
            && let Some(node) = self.moved_to(to).filter(|node| *node != from)
        {
            let body = Body::Moved { to: to.clone(), node: node.clone(), parcel };
            return self.publish(Subject::Inbox(from.clone()), body, effects);
        }
        self.arrived(from, to, parcel, effects);
    }

    /// A signal for a peer of ours, if it is.
    pub(crate) fn arrived(&mut self, from: &NodeId, to: &PeerId, parcel: Parcel, effects: &mut Effects<C>) {
        let known = self.remote(parcel.from.as_str()).is_some();
        let code = match self.find(to.as_str()) {
            Some(target) if known => return self.deliver(target, parcel, effects),
            None if self.is_tombstoned(to.as_str()) => ErrorCode::PeerGone,
            // It has moved, or nobody here has heard of its sender yet: the next attempt arrives.
            Some(_) | None => ErrorCode::Unavailable,
        };
        if parcel.kind == SignalKind::Ack {
            return effects.event(Event::Dropped(Dropped::Ack));
        }
        let (to, re) = (to.clone(), parcel.naming.msg().cloned());
        let news = News::Refused { code, to, re, outcome: Some(Outcome::NotDelivered) };
        self.publish(Subject::Inbox(from.clone()), Body::Tell { to: parcel.from, news }, effects);
    }

    fn moved_to(&self, id: &PeerId) -> Option<&NodeId> {
        let moved = self.shared.as_ref()?.moved.iter().find(|moved| moved.id == *id)?;
        Some(&moved.node)
    }

    /// The receiver of a signal of ours was at another node, and has moved. Once we have heard of that, later signals may have gone
    /// there already, and this one would come after them: its sender sends it again.
    pub(crate) fn came_back(
        &mut self,
        from: &NodeId,
        to: &PeerId,
        node: NodeId,
        parcel: Parcel,
        effects: &mut Effects<C>,
    ) {
        let is_last = self.remote(to.as_str()).is_some_and(|remote| remote.owner == *from);
        if is_last && effects.member.as_ref().is_some_and(|member| member.node != node) {
            return self.publish(Subject::Inbox(node), Body::Again { to: to.clone(), parcel }, effects);
        }
        self.uncrossed(Some(to), &parcel, effects);
    }

    /// Tells a peer of another node what became of something it had sent.
    pub(crate) fn tell_across(&self, to: &PeerId, message: &ServerMessage, effects: &mut Effects<C>) -> bool {
        let Some(remote) = self.remote(to.as_str()) else { return false };
        let news = match message {
            ServerMessage::Receipt { re, status } => News::Receipt { re: re.clone(), status: *status },
            ServerMessage::Checked { id, presence } => News::Checked { id: id.clone(), presence: *presence },
            ServerMessage::Error(error) => {
                let Some(to) = error.to.clone() else { return false };
                News::Refused { code: error.code, to, re: error.re.clone(), outcome: error.outcome }
            }
            _ => return false,
        };
        self.publish(Subject::Inbox(remote.owner.clone()), Body::Tell { to: to.clone(), news }, effects);
        true
    }

    /// Another node says what became of something that a peer of ours had sent.
    pub(crate) fn told(&mut self, to: &PeerId, news: News, effects: &mut Effects<C>) {
        let parked = effects.now.after(parked_ms(effects));
        let message: ServerMessage = match news {
            News::Checked { id, presence } => ServerMessage::Checked { id, presence },
            News::Receipt { re, status } => {
                let Some(shared) = &mut self.shared else { return };
                let Some(at) = shared.owed(to, &re) else { return };
                match status {
                    ReceiptStatus::Written => drop(shared.owed.remove(at)),
                    ReceiptStatus::Parked => shared.owed[at].until = parked,
                }
                ServerMessage::Receipt { re, status }
            }
            News::Refused { code, to: receiver, re, outcome } => {
                let Some(shared) = &mut self.shared else { return };
                if let Some(re) = &re {
                    // What was said of it already is not said twice.
                    let Some(at) = shared.owed(to, re) else { return };
                    shared.owed.remove(at);
                }
                let mut error = WireError::new(code).about(Some(receiver), re);
                error.outcome = outcome;
                error.into()
            }
        };
        self.tell(to, message, effects);
    }

    /// Nobody reads the inbox that a signal went to.
    pub(crate) fn uncrossed(&mut self, to: Option<&PeerId>, parcel: &Parcel, effects: &mut Effects<C>) {
        let (Some(to), Some(shared)) = (to, &mut self.shared) else { return };
        if let Some(re) = parcel.naming.msg() {
            let Some(at) = shared.owed(&parcel.from, re) else { return };
            shared.owed.remove(at);
        }
        self.refuse(parcel, to, ErrorCode::Unavailable, effects);
    }

    /// Receipts that no node has given in time.
    pub(crate) fn receipts_due(&mut self, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        let late: Vec<_> = shared.owed.extract_if(.., |owed| owed.until <= effects.now).collect();
        for Owed { from, to, naming, .. } in late {
            // Nobody has asked what became of a message that has only a name.
            let Naming::Receipt(re) = naming else { continue };
            let error = WireError::new(ErrorCode::Unavailable).outcome(Outcome::Unknown).about(Some(to), Some(re));
            self.tell(&from, error.into(), effects);
        }
    }

    /// Asks the node of a peer whether it is alive.
    pub(crate) fn check_across(&self, asker: &PeerId, id: &PeerId, effects: &mut Effects<C>) -> Option<Presence> {
        let remote = self.remote(id.as_str())?;
        let reaches = effects.member.as_ref().is_some_and(|member| member.reach == Reach::Cluster);
        if !reaches || remote.presence() == Presence::Away {
            return Some(Presence::Away);
        }
        let body = Body::Check { asker: asker.clone(), id: id.clone() };
        self.publish(Subject::Inbox(remote.owner.clone()), body, effects);
        None
    }

    /// A peer is in nobody's roster any more: what it left behind for those who are away goes no further.
    pub(crate) fn forget_sender(&mut self, id: &PeerId, effects: &mut Effects<C>) {
        for session in &mut self.sessions {
            session.askers.retain(|asker| asker != id);
            if let crate::session::State::Away(away) = &mut session.state {
                for _ in 0..away.parking.forget(id) {
                    effects.event(Event::Dropped(Dropped::Orphan));
                }
            }
        }
    }
}
