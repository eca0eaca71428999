//! One room: who is in it, in which order, and who has left it for good.

use std::collections::VecDeque;

use aldis_protocol::{
    ClientMessage, CloseCode, ErrorCode, Json, MsgId, Outcome, PeerId, Presence, RoomId, ServerMessage, SignalKind,
    WireError,
    limits::Limit,
    server::{LeaveReason, ReceiptStatus},
};

use crate::{
    Departure, Dialect, Event, Grant, Moment, Output, Parcel, Permission, Profile, Seat, Stamp,
    cluster::{
        Shared, Subject,
        frame::{Body, Change, Departed},
    },
    expel::Removal,
    hub::{Deadline, Effects},
    join::Pending,
    output::Dropped,
    session::{Away, Link, Notice, Parked, Parking, Session, State},
};

/// A room. It exists while somebody is in it, comes in, or is remembered as gone.
pub(crate) struct Room<C> {
    pub(crate) id: RoomId,
    /// The highest place given so far: a Lamport number, never a clock.
    pub(crate) seq: u64,
    /// In the room's order, oldest first.
    pub(crate) sessions: Vec<Session<C>>,
    /// Between the two steps of a join.
    pub(crate) joining: Vec<Pending<C>>,
    /// Who left for good, oldest first: their ids are dead for ever.
    tombstones: VecDeque<Tombstone>,
    /// Until when a session that only its token knows may be one whose tombstone had to be dropped.
    amnesia: Moment,
    /// What there is of other nodes; none on a lone one.
    pub(crate) shared: Option<Box<Shared>>,
}

struct Tombstone {
    id: PeerId,
    reason: LeaveReason,
    expires: Moment,
}

impl Tombstone {
    fn departed(&self, now: Moment) -> Departed {
        Departed { id: self.id.clone(), reason: self.reason, remaining_ms: self.expires.since(now) }
    }
}

impl<C: Clone + PartialEq> Room<C> {
    pub(crate) fn new(id: RoomId, effects: &Effects<C>) -> Self {
        Self {
            id,
            seq: 0,
            sessions: Vec::new(),
            joining: Vec::new(),
            tombstones: VecDeque::new(),
            amnesia: Moment::default(),
            shared: effects.member.as_ref().map(|_| Box::new(Shared::new())),
        }
    }

    /// A new room, of which the node hears from now on what the others say.
    pub(crate) fn open(id: RoomId, effects: &mut Effects<C>) -> Self {
        let room = Self::new(id, effects);
        if room.shared.is_some() {
            effects.push(Output::Subscribe { room: room.id.clone() });
        }
        room
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sessions.is_empty()
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        let moved = self.shared.as_ref().is_some_and(|shared| !shared.moved.is_empty());
        self.sessions.is_empty() && self.joining.is_empty() && self.tombstones.is_empty() && !moved
    }

    /// A message of a seated client.
    pub(crate) fn message(&mut self, seat: &Seat<C>, message: ClientMessage<'_>, effects: &mut Effects<C>) {
        let Some(index) = self.seated(seat) else {
            return self.unseated(seat, message, effects);
        };
        if !matches!(message, ClientMessage::Frozen) {
            self.thaw(index, effects);
        }
        match message {
            ClientMessage::Signal(signal) => self.signal(index, &signal, effects),
            ClientMessage::Update(attributes) => self.update(index, attributes, effects),
            ClientMessage::Check(id) => self.check(index, &id, effects),
            ClientMessage::Frozen => self.away(index, Link::Frozen(seat.connection.clone()), effects),
            ClientMessage::Leave => {
                self.gone(index, LeaveReason::Left, effects);
                effects.push(Output::Close { connection: seat.connection.clone(), code: CloseCode::Bye, error: None });
            }
            ClientMessage::Remove { id, reason, for_ms } => {
                self.remove(index, seat, Removal { id: &id, reason, for_ms }, effects);
            }
            // Answered by the connection; here they only prove that a frozen page is awake.
            ClientMessage::Hello(_) | ClientMessage::Auth(_) | ClientMessage::IceServers | ClientMessage::Ping(_) => {}
        }
    }

    /// Refuses a signal of a connection whose session goes on elsewhere, or has ended. The connection itself is closed and hears
    /// nothing more, so the one that fenced it is told.
    fn unseated(&mut self, seat: &Seat<C>, message: ClientMessage<'_>, effects: &mut Effects<C>) {
        let Some(error) = superseded(message, effects) else { return };
        match self.find(seat.peer.as_str()) {
            Some(index) => self.tell_at(index, error, effects),
            None => effects.push(Output::Send { to: seat.connection.clone(), message: error }),
        }
    }

    /// The node is shutting down: what waits for somebody who is away would die with it, so its senders are told.
    pub(crate) fn draining(&mut self, effects: &mut Effects<C>) {
        for index in 0..self.sessions.len() {
            let to = self.sessions[index].id.clone();
            let State::Away(away) = &mut self.sessions[index].state else { continue };
            let parked = std::mem::take(&mut away.parking).into_iter();
            self.settle(&to, parked, ErrorCode::Unavailable, effects);
        }
    }

    /// A new token: the grant counts from now on, and the others see a changed profile.
    pub(crate) fn authorized(
        &mut self,
        seat: &Seat<C>,
        profile: Profile,
        grant: Grant,
        stamp: Stamp,
        effects: &mut Effects<C>,
    ) {
        let Some(index) = self.seated(seat) else { return };
        let session = &mut self.sessions[index];
        session.grant = grant;
        session.stamp = stamp;
        if session.profile != profile {
            session.profile = profile;
            self.announce_update(index, effects);
        }
    }

    /// A probed connection answered.
    pub(crate) fn alive(&mut self, seat: &Seat<C>, effects: &mut Effects<C>) {
        if let Some(index) = self.seated(seat) {
            self.answer_askers(index, Presence::Here, effects);
        }
    }

    /// A connection ended; what never left it is parked or given back.
    pub(crate) fn disconnected(
        &mut self,
        seat: &Seat<C>,
        departure: Departure,
        unsent: Vec<Parcel>,
        effects: &mut Effects<C>,
    ) {
        let Some(index) = self.seated(seat) else {
            // Fenced: the session goes on with a newer connection, which gets what the old one could not take.
            match self.find(seat.peer.as_str()) {
                Some(index) => self.redeliver(index, unsent, effects),
                None => {
                    // Where it goes on at another node, its senders reach it when they try again.
                    let moved = self.remote(seat.peer.as_str()).is_some();
                    let code = if moved { ErrorCode::Unavailable } else { ErrorCode::PeerGone };
                    self.settle(&seat.peer, unsent.into_iter().map(Parked::Signal), code, effects);
                }
            }
            return;
        };
        let reason = match (departure, self.sessions[index].dialect) {
            (Departure::Lost, Dialect::V1) => return self.broken(index, unsent, effects),
            (Departure::Lost, Dialect::Raw) => LeaveReason::Timeout,
            (Departure::Bye, _) => LeaveReason::Left,
        };
        self.gone(index, reason, effects);
        self.settle(&seat.peer, unsent.into_iter().map(Parked::Signal), ErrorCode::PeerGone, effects);
    }

    /// A peer said goodbye when its connection was over. A newer one has nothing to do with it.
    pub(crate) fn goodbye(&mut self, peer: &PeerId, generation: u64, effects: &mut Effects<C>) {
        let Some(index) = self.find(peer.as_str()).filter(|index| self.sessions[*index].generation == generation)
        else {
            return;
        };
        // Whose owner has not said yet that it is over.
        let connection = self.sessions[index].connection().cloned();
        self.gone(index, LeaveReason::Left, effects);
        if let Some(connection) = connection {
            effects.push(Output::Close { connection, code: CloseCode::Bye, error: None });
        }
    }

    pub(crate) fn generation(&self, peer: &PeerId) -> Option<u64> {
        self.find(peer.as_str()).map(|index| self.sessions[index].generation)
    }

    /// The connection of a session that may come back is gone.
    fn broken(&mut self, index: usize, unsent: Vec<Parcel>, effects: &mut Effects<C>) {
        // What was parked since the page froze is younger than what its connection could not take.
        let younger = match &mut self.sessions[index].state {
            State::Away(away) => std::mem::take(&mut away.parking),
            State::Here { .. } => Parking::default(),
        };
        self.away(index, Link::Broken, effects);
        self.redeliver(index, unsent, effects);
        self.park_again(index, younger, effects);
    }

    /// An away session may have to be announced or ended.
    pub(crate) fn session_due(&mut self, peer: &PeerId, effects: &mut Effects<C>) {
        let Some(index) = self.find(peer.as_str()) else { return };
        let State::Away(away) = &mut self.sessions[index].state else { return };
        if away.expires <= effects.now {
            if let Link::Frozen(connection) = &away.link {
                let error = Some(Box::new(WireError::new(ErrorCode::HeartbeatTimeout)));
                effects.push(Output::Close { connection: connection.clone(), code: CloseCode::Timeout, error });
            }
            let due = away.expires;
            if effects.member.as_ref().is_some_and(|member| member.doubts(due, effects.now)) {
                return self.give_up(index, effects);
            }
            self.gone(index, LeaveReason::Timeout, effects);
        } else if matches!(away.notice, Notice::Due(at) if at <= effects.now) {
            away.notice = Notice::Given;
            self.tell_others(index, &ServerMessage::PeerAway { id: peer.clone() }, effects);
            self.publish_session(index, effects);
        }
    }

    /// Old tombstones are forgotten.
    pub(crate) fn tombstones_due(&mut self, effects: &mut Effects<C>) {
        while self.tombstones.front().is_some_and(|tombstone| tombstone.expires <= effects.now) {
            self.tombstones.pop_front();
        }
        if let Some(next) = self.tombstones.front() {
            effects.arm(next.expires, Deadline::Tombstones(self.id.clone()));
        }
    }

    /// A receipt is due: the parcel left.
    pub(crate) fn written(&mut self, from: &PeerId, re: &MsgId, effects: &mut Effects<C>) {
        self.tell(from, ServerMessage::Receipt { re: re.clone(), status: ReceiptStatus::Written }, effects);
    }

    /// A receipt is overdue: the receiver reads too slowly to say.
    pub(crate) fn late(&mut self, from: &PeerId, to: &PeerId, re: &MsgId, effects: &mut Effects<C>) {
        effects.event(Event::Limit(Limit::receipt_ms));
        let message = "The peer's connection took no bytes for limits.receipt_ms; the message may still arrive.";
        let mut error = WireError::with(ErrorCode::Unavailable, message).outcome(Outcome::Unknown);
        error.hint = Some("Ask the peer before you send it again: it may get it twice.".to_owned());
        self.tell(from, error.about(Some(to.clone()), Some(re.clone())).into(), effects);
    }

    fn update(&mut self, index: usize, attributes: Json, effects: &mut Effects<C>) {
        self.sessions[index].attributes = Some(attributes);
        self.announce_update(index, effects);
    }

    pub(crate) fn announce_update(&mut self, index: usize, effects: &mut Effects<C>) {
        self.show_others(index, effects, |peer| ServerMessage::PeerUpdated { peer });
        self.publish_session(index, effects);
    }

    fn check(&mut self, asker: usize, id: &PeerId, effects: &mut Effects<C>) {
        let asker_id = self.sessions[asker].id.clone();
        let presence = match self.find(id.as_str()) {
            Some(target) if target != asker => return self.probe(target, asker_id, effects),
            None if self.remote(id.as_str()).is_some() => match self.check_across(&asker_id, id, effects) {
                Some(presence) => presence,
                None => return,
            },
            Some(_) | None => Presence::Gone,
        };
        self.tell(&asker_id, ServerMessage::Checked { id: id.clone(), presence }, effects);
    }

    /// Finds out for somebody whether the client of a session of this node is alive.
    pub(crate) fn probe(&mut self, target: usize, asker: PeerId, effects: &mut Effects<C>) {
        let Session { id, state, askers, .. } = &mut self.sessions[target];
        match state {
            State::Away(_) => {
                let message = ServerMessage::Checked { id: id.clone(), presence: Presence::Away };
                self.tell(&asker, message, effects);
            }
            State::Here { connection } => {
                if !askers.contains(&asker) {
                    askers.push(asker);
                }
                effects.push(Output::Probe { connection: connection.clone() });
            }
        }
    }

    fn remove(&mut self, index: usize, seat: &Seat<C>, removal: Removal<'_>, effects: &mut Effects<C>) {
        let id = removal.id;
        let refused = if self.sessions[index].grant.allows(Permission::Moderate) {
            if let Some(target) = self.find(id.as_str()).filter(|target| *target != index) {
                let identity = self.sessions[target].profile.identity.clone();
                self.remove_at(target, removal.reason.clone(), effects);
                return self.exclude(seat, removal, identity, effects);
            }
            if let Some(remote) = self.remote(id.as_str()) {
                let (owner, identity) = (remote.owner.clone(), remote.entry.identity.clone());
                let (by, reason) = (self.sessions[index].id.clone(), removal.reason.clone());
                self.publish(Subject::Inbox(owner), Body::Remove { by, id: id.clone(), reason }, effects);
                return self.exclude(seat, removal, identity, effects);
            }
            let code = if self.is_tombstoned(id.as_str()) { ErrorCode::PeerGone } else { ErrorCode::UnknownPeer };
            WireError::new(code)
        } else {
            WireError::with(ErrorCode::Forbidden, "`remove` needs `moderate` in the token's `can`.")
        };
        self.tell_at(index, refused.about(Some(id.clone()), None).into(), effects);
    }

    /// A moderator of this node or another removes a session of this one.
    pub(crate) fn remove_at(&mut self, target: usize, reason: Option<String>, effects: &mut Effects<C>) {
        if let Some(connection) = self.sessions[target].connection() {
            let message = reason.map_or_else(
                || ErrorCode::Removed.meaning().to_owned(),
                |why| format!("Removed by a moderator: {why}"),
            );
            let error = Some(Box::new(WireError::with(ErrorCode::Removed, message)));
            effects.push(Output::Close { connection: connection.clone(), code: CloseCode::Removed, error });
        }
        self.gone(target, LeaveReason::Removed, effects);
    }

    /// Makes a session away: parking starts at once, the others learn of it only if it lasts.
    fn away(&mut self, index: usize, link: Link<C>, effects: &mut Effects<C>) {
        let now = effects.now;
        let session = &mut self.sessions[index];
        match &mut session.state {
            // A frozen page whose connection broke, or that says `frozen` again: the clock runs on.
            State::Away(away) => away.link = link,
            State::Here { .. } => {
                let notice = now.after(effects.limits.away_notice_ms);
                let expires = now.after(effects.limits.resume_window_ms);
                let parking = Parking::default();
                session.state = State::Away(Box::new(Away { link, notice: Notice::Due(notice), expires, parking }));
                for at in [notice, expires] {
                    effects.arm(at, Deadline::Session(self.id.clone(), session.id.clone()));
                }
                effects.event(Event::Away);
            }
        }
        self.answer_askers(index, Presence::Away, effects);
    }

    /// A frozen page spoke: it is here again on the same connection.
    fn thaw(&mut self, index: usize, effects: &mut Effects<C>) {
        if let State::Away(away) = &self.sessions[index].state
            && let Link::Frozen(connection) = &away.link
        {
            let connection = connection.clone();
            let known = away.notice == Notice::Given;
            let parked = self.attach(index, connection, effects);
            self.hand_over(index, parked, effects);
            if known {
                self.publish_session(index, effects);
            }
        }
    }

    /// Gives the session a connection, tells the others if they knew it away, and returns what was parked.
    pub(crate) fn attach(&mut self, index: usize, connection: C, effects: &mut Effects<C>) -> Parking {
        let session = &mut self.sessions[index];
        let State::Away(away) = std::mem::replace(&mut session.state, State::Here { connection }) else {
            return Parking::default();
        };
        if away.notice == Notice::Given {
            let message = ServerMessage::PeerBack { id: session.id.clone() };
            self.tell_others(index, &message, effects);
        }
        away.parking
    }

    /// Sends what was parked, in order.
    pub(crate) fn hand_over(&mut self, index: usize, parking: Parking, effects: &mut Effects<C>) {
        for parked in parking.into_iter() {
            match parked {
                Parked::Signal(parcel) => self.deliver(index, parcel, effects),
                Parked::Notice(message) => self.tell_at(index, message, effects),
            }
        }
    }

    /// Ends a stay for good.
    pub(crate) fn gone(&mut self, index: usize, reason: LeaveReason, effects: &mut Effects<C>) {
        self.answer_askers(index, Presence::Gone, effects);
        let session = self.sessions.remove(index);
        self.bury(session.id.clone(), reason, effects.limits.tombstone_ms, effects);
        effects.event(Event::Left(reason));
        if reason == LeaveReason::Removed {
            effects.push(Output::PutOut { identity: session.profile.identity.clone() });
        }
        if let Some(since) = self.next_version(effects) {
            let remaining_ms = effects.limits.tombstone_ms;
            let departed = Departed { id: session.id.clone(), reason, remaining_ms };
            self.publish_to_room(Body::Delta { since, change: Change::Left { departed } }, effects);
        }
        let message = ServerMessage::PeerLeft { id: session.id.clone(), reason, is_final: true };
        for other in &mut self.sessions {
            other.askers.retain(|asker| *asker != session.id);
            if let Some(connection) = other.connection() {
                effects.push(Output::Send { to: connection.clone(), message: message.clone() });
            }
            // Nothing follows a `peer-left`, nor the `left` in which a broken peer will find this one.
            if let State::Away(away) = &mut other.state {
                for _ in 0..away.parking.forget(&session.id) {
                    effects.event(Event::Dropped(Dropped::Orphan));
                }
            }
        }
        if let State::Away(away) = session.state {
            self.settle(&session.id, away.parking.into_iter(), ErrorCode::PeerGone, effects);
        }
        self.closed_if_empty(effects);
    }

    /// The last one has gone.
    pub(crate) fn closed_if_empty(&self, effects: &mut Effects<C>) {
        if self.sessions.is_empty() {
            effects.event(Event::RoomClosed);
        }
    }

    /// Tells the senders why their messages to a peer were not delivered.
    pub(crate) fn settle(
        &mut self,
        to: &PeerId,
        parked: impl Iterator<Item = Parked>,
        code: ErrorCode,
        effects: &mut Effects<C>,
    ) {
        for parked in parked {
            if let Parked::Signal(parcel) = parked {
                self.refuse(&parcel, to, code, effects);
            }
        }
    }

    pub(crate) fn bury(&mut self, id: PeerId, reason: LeaveReason, for_ms: u64, effects: &mut Effects<C>) {
        let expires = effects.now.after(for_ms);
        if self.tombstones.is_empty() {
            effects.arm(expires, Deadline::Tombstones(self.id.clone()));
        }
        self.tombstones.push_back(Tombstone { id, reason, expires });
        if self.tombstones.len() as u64 > effects.limits.tombstones_per_room {
            self.tombstones.pop_front();
            self.amnesia = effects.now.after(effects.limits.resume_token_ms);
            effects.event(Event::Limit(Limit::tombstones_per_room));
        }
    }

    pub(crate) fn is_tombstoned(&self, id: &str) -> bool {
        self.tombstones.iter().any(|tombstone| tombstone.id.as_str() == id)
    }

    /// Whether a session that only its token knows may be recalled: it has no tombstone, and none was dropped that could be its.
    pub(crate) fn may_recall(&self, id: &str, now: Moment) -> bool {
        self.amnesia <= now && !self.is_tombstoned(id)
    }

    pub(crate) fn left(&self) -> Vec<PeerId> {
        self.tombstones.iter().map(|tombstone| tombstone.id.clone()).collect()
    }

    /// What is remembered of a peer that left for good.
    pub(crate) fn departed(&self, id: &PeerId, now: Moment) -> Option<Departed> {
        let tombstone = self.tombstones.iter().find(|tombstone| tombstone.id == *id)?;
        Some(tombstone.departed(now))
    }

    /// The newest of those who left for good.
    pub(crate) fn departed_last(&self, most: usize, now: Moment) -> Vec<Departed> {
        self.tombstones.iter().rev().take(most).map(|tombstone| tombstone.departed(now)).collect()
    }

    /// Answers every `check` that waits for news of a peer.
    pub(crate) fn answer_askers(&mut self, index: usize, presence: Presence, effects: &mut Effects<C>) {
        let id = self.sessions[index].id.clone();
        for asker in std::mem::take(&mut self.sessions[index].askers) {
            self.tell(&asker, ServerMessage::Checked { id: id.clone(), presence }, effects);
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.sessions.iter().position(|session| session.id.as_str() == id)
    }

    /// The session of a seat, unless it has a newer connection.
    fn seated(&self, seat: &Seat<C>) -> Option<usize> {
        self.find(seat.peer.as_str()).filter(|index| self.sessions[*index].is_on(&seat.connection))
    }

    /// Tells a peer something about its own messages, now or when it is back.
    pub(crate) fn tell(&mut self, id: &PeerId, message: ServerMessage, effects: &mut Effects<C>) {
        match self.find(id.as_str()) {
            Some(index) => self.tell_at(index, message, effects),
            None => drop(self.tell_across(id, &message, effects)),
        }
    }

    pub(crate) fn tell_at(&mut self, index: usize, message: ServerMessage, effects: &mut Effects<C>) {
        match &mut self.sessions[index].state {
            State::Here { connection } => effects.push(Output::Send { to: connection.clone(), message }),
            State::Away(away) => {
                if away.parking.park(Parked::Notice(message), &effects.limits).is_err() {
                    effects.event(Event::Dropped(Dropped::Notice));
                }
            }
        }
    }

    /// Tells everybody else who is connected. Whose connection broke finds it in the next snapshot.
    pub(crate) fn tell_others(&self, index: usize, message: &ServerMessage, effects: &mut Effects<C>) {
        for (_, connection) in self.others(index) {
            effects.push(Output::Send { to: connection.clone(), message: message.clone() });
        }
    }

    /// Shows a peer to everybody else who is connected, each with its own politeness.
    pub(crate) fn show_others(
        &self,
        index: usize,
        effects: &mut Effects<C>,
        message: impl Fn(Box<aldis_protocol::PeerInfo>) -> ServerMessage,
    ) {
        for (other, connection) in self.others(index) {
            let peer = Box::new(self.sessions[index].seen_from(other.place()));
            effects.push(Output::Send { to: connection.clone(), message: message(peer) });
        }
    }

    /// A frozen page is among them: it thaws without a welcome, so its roster must be kept true meanwhile.
    fn others(&self, index: usize) -> impl Iterator<Item = (&Session<C>, &C)> {
        let others = self.sessions.iter().enumerate().filter(move |(at, _)| *at != index);
        others.filter_map(|(_, other)| other.connection().map(|connection| (other, connection)))
    }
}

/// What a signal of a connection without a seat is answered with, if it asks for an answer.
pub(crate) fn superseded<C>(message: ClientMessage<'_>, effects: &mut Effects<C>) -> Option<ServerMessage> {
    let ClientMessage::Signal(signal) = message else { return None };
    if signal.kind == SignalKind::Ack {
        effects.event(Event::Dropped(Dropped::Ack));
        return None;
    }
    let error = WireError::new(ErrorCode::Superseded).outcome(Outcome::NotDelivered);
    Some(error.about(signal.to.map(|to| to.to_id()), signal.naming.msg().cloned()).into())
}
