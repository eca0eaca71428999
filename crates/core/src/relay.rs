//! The road of one signal through a room: may it, to whom, and what if that peer is not here.

use std::sync::Arc;

use aldis_protocol::{
    ErrorCode, Naming, Outcome, PeerId, PeerRef, ServerMessage, Signal, SignalKind, WireError, server::ReceiptStatus,
};

use crate::{
    Event, Output, Parcel, Permission,
    hub::{Effects, ParkingPolicy},
    output::Dropped,
    room::Room,
    session::{NoRoom, Parked, Parking, Session, State},
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
            None => self.cross(&to.to_id(), parcel, effects),
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
            Some(to) if self.remote(to.as_str()).is_some() => None,
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
        let parcel = Parcel { from, kind: signal.kind, naming: Naming::Anonymous, text };
        self.relay_to_all(&parcel, effects);
        self.cross_to_all(parcel, effects);
        if let Naming::Receipt(re) = &signal.naming {
            let message = ServerMessage::Receipt { re: re.clone(), status: ReceiptStatus::Written };
            self.tell_at(sender, message, effects);
        }
    }

    /// To everybody of this node who is here, but its sender.
    pub(crate) fn relay_to_all(&self, parcel: &Parcel, effects: &mut Effects<C>) {
        for to in self.sessions.iter().filter(|session| session.id != parcel.from).filter_map(Session::writable) {
            effects.push(Output::Relay { to: to.clone(), parcel: parcel.clone() });
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
                if let Some((from, re)) = receipt {
                    self.tell(&from, ServerMessage::Receipt { re, status: ReceiptStatus::Parked }, effects);
                }
            }
            Err(no_room) => self.overflow(target, no_room, effects),
        }
    }

    /// Hands over what an earlier connection of the peer could not take. Whose sender has left goes no further: nothing follows a
    /// `peer-left`.
    pub(crate) fn redeliver(&mut self, target: usize, unsent: Vec<Parcel>, effects: &mut Effects<C>) {
        for parcel in unsent {
            let from = parcel.from.as_str();
            if self.find(from).is_some() || self.remote(from).is_some() {
                self.deliver(target, parcel, effects);
            } else {
                effects.event(Event::Dropped(Dropped::Orphan));
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
        let error = WireError::new(code).about(Some(to.clone()), parcel.naming.msg().cloned());
        let error = error.outcome(Outcome::NotDelivered).into();
        match self.find(parcel.from.as_str()) {
            Some(sender) => self.tell_at(sender, error, effects),
            None => {
                if !self.tell_across(&parcel.from, &error, effects) {
                    effects.event(Event::Dropped(Dropped::Orphan));
                }
            }
        }
    }
}
