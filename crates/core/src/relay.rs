//! The road of one signal through a room: may it, to whom, and what if that peer is not here.

use std::sync::Arc;

use aldis_protocol::{
    ErrorCode, Outcome, PeerId, PeerRef, ServerMessage, Signal, SignalKind, WireError, server::ReceiptStatus,
};

use crate::{
    Event, Output, Parcel, Permission,
    hub::{Effects, ParkingPolicy},
    output::Dropped,
    room::Room,
    session::{NoRoom, Parked, Parking, State},
};

impl<C: Clone + PartialEq> Room<C> {
    /// Relays a signal of the session at `sender`, or tells it why not.
    pub(crate) fn signal(&mut self, sender: usize, signal: &Signal<'_>, effects: &mut Effects<C>) {
        let from = self.sessions[sender].id.clone();
        let refused = self.refusal(sender, signal);
        let (Some(to), None) = (&signal.to, &refused) else {
            return match refused {
                Some(error) => self.refuse_signal(sender, signal, error, effects),
                None => self.broadcast(sender, signal, effects),
            };
        };
        signal.splice(&from, &mut effects.splice);
        let parcel =
            Parcel { from, kind: signal.kind, naming: signal.naming.clone(), text: Arc::from(effects.splice.as_str()) };
        match self.find(to.as_str()) {
            Some(target) => self.deliver(target, parcel, effects),
            // Checked by `refusal`; a parcel is never dropped without a word all the same.
            None => self.refuse(&parcel, &to.to_id(), ErrorCode::UnknownPeer, effects),
        }
    }

    /// Why a signal may not be relayed. Unknown, one's own and another room's id are the same, so that there is no oracle.
    fn refusal(&self, sender: usize, signal: &Signal<'_>) -> Option<WireError> {
        let session = &self.sessions[sender];
        let kind = signal.kind.as_str();
        let needed = if signal.kind == SignalKind::Message { Permission::Message } else { Permission::Signal };
        if !session.grant.allows(needed) {
            let message = format!("`{kind}` needs `{}` in the token's `can`.", needed.as_str());
            return Some(WireError::with(ErrorCode::Forbidden, message));
        }
        match &signal.to {
            None if session.grant.allows(Permission::Broadcast) => None,
            None => Some(WireError::with(
                ErrorCode::Forbidden,
                format!("`{kind}` without `to` needs `broadcast` in the token's `can`."),
            )),
            Some(to) if to.as_str() != session.id.as_str() && self.find(to.as_str()).is_some() => None,
            Some(to) if self.is_tombstoned(to.as_str()) => Some(WireError::new(ErrorCode::PeerGone)),
            Some(_) => Some(WireError::new(ErrorCode::UnknownPeer)),
        }
    }

    fn refuse_signal(&mut self, sender: usize, signal: &Signal<'_>, error: WireError, effects: &mut Effects<C>) {
        if signal.kind == SignalKind::Ack {
            return effects.event(Event::Dropped(Dropped::Ack));
        }
        let error = error
            .about(signal.to.as_ref().map(PeerRef::to_id), signal.naming.msg().cloned())
            .outcome(Outcome::NotDelivered);
        self.tell_at(sender, error.into(), effects);
    }

    /// To everybody else who is here: best effort, one text for all, one receipt when it is on its way.
    fn broadcast(&mut self, sender: usize, signal: &Signal<'_>, effects: &mut Effects<C>) {
        let from = self.sessions[sender].id.clone();
        signal.splice(&from, &mut effects.splice);
        let text: Arc<str> = Arc::from(effects.splice.as_str());
        let receipt = match &signal.naming {
            aldis_protocol::Naming::Receipt(re) => Some(re.clone()),
            aldis_protocol::Naming::Named(_) | aldis_protocol::Naming::Anonymous => None,
        };
        for target in (0..self.sessions.len()).filter(|target| *target != sender) {
            if let Some(to) = self.sessions[target].writable() {
                let naming = aldis_protocol::Naming::Anonymous;
                let parcel = Parcel { from: from.clone(), kind: signal.kind, naming, text: Arc::clone(&text) };
                effects.push(Output::Relay { to: to.clone(), parcel });
            }
        }
        if let Some(re) = receipt {
            self.tell_at(sender, ServerMessage::Receipt { re, status: ReceiptStatus::Written }, effects);
        }
    }

    /// Hands a parcel to a peer of this room: now, or parked until it is back, or back to its sender.
    pub(crate) fn deliver(&mut self, target: usize, parcel: Parcel, effects: &mut Effects<C>) {
        let away = match &mut self.sessions[target].state {
            State::Here { connection } => return effects.push(Output::Relay { to: connection.clone(), parcel }),
            State::Away(away) => away,
        };
        if parcel.kind == SignalKind::Ack {
            return effects.event(Event::Dropped(Dropped::Ack));
        }
        if effects.parking == ParkingPolicy::Refuse {
            let to = self.sessions[target].id.clone();
            return self.refuse(&parcel, &to, ErrorCode::Unavailable, effects);
        }
        let receipt = parcel.receipt().map(|re| (parcel.from.clone(), re.clone()));
        match away.parking.park(Parked::Signal(parcel), &effects.limits) {
            Ok(()) => {
                effects.event(Event::Parked);
                if let Some((from, re)) = receipt
                    && let Some(sender) = self.find(from.as_str())
                {
                    self.tell_at(sender, ServerMessage::Receipt { re, status: ReceiptStatus::Parked }, effects);
                }
            }
            Err(no_room) => self.overflow(target, no_room, effects),
        }
    }

    /// Hands over what an earlier connection of the peer could not take. Whose sender has left goes no further: nothing follows a
    /// `peer-left`.
    pub(crate) fn redeliver(&mut self, target: usize, unsent: Vec<Parcel>, effects: &mut Effects<C>) {
        for parcel in unsent {
            match self.find(parcel.from.as_str()) {
                Some(_) => self.deliver(target, parcel, effects),
                None => effects.event(Event::Dropped(Dropped::Orphan)),
            }
        }
    }

    /// Parks again, in order, what was parked before.
    pub(crate) fn park_again(&mut self, target: usize, parking: Parking, effects: &mut Effects<C>) {
        for parked in parking.into_iter() {
            let State::Away(away) = &mut self.sessions[target].state else { return };
            if let Err(no_room) = away.parking.park(parked, &effects.limits) {
                self.overflow(target, no_room, effects);
            }
        }
    }

    /// A parking is full: a signal goes back to its sender, a notice is only counted.
    fn overflow(&mut self, target: usize, no_room: NoRoom, effects: &mut Effects<C>) {
        match no_room.parked {
            Parked::Signal(parcel) => {
                effects.event(Event::Limit(no_room.limit));
                let to = self.sessions[target].id.clone();
                self.refuse(&parcel, &to, ErrorCode::QueueFull, effects);
            }
            Parked::Notice(_) => effects.event(Event::Dropped(Dropped::Notice)),
        }
    }

    /// Gives a parcel back: its sender is told that it was not delivered.
    pub(crate) fn refuse(&mut self, parcel: &Parcel, to: &PeerId, code: ErrorCode, effects: &mut Effects<C>) {
        if parcel.kind == SignalKind::Ack {
            return effects.event(Event::Dropped(Dropped::Ack));
        }
        match self.find(parcel.from.as_str()) {
            Some(sender) => {
                let error = WireError::new(code).about(Some(to.clone()), parcel.naming.msg().cloned());
                self.tell_at(sender, error.outcome(Outcome::NotDelivered).into(), effects);
            }
            None => effects.event(Event::Dropped(Dropped::Orphan)),
        }
    }
}
