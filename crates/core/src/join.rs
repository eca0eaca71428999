//! Admission and resume, in two steps: the request, and the completion once whoever else knows the room has answered.
//!
//! A lone node completes at once. Many nodes wait in between, and whoever is between the steps counts for admission by its place,
//! so that two joiners who do not see each other yet cannot both take the last seat.

use aldis_protocol::{
    CloseCode, ErrorCode, Identity, Limits, PeerId, Presence, ServerMessage, WireError, limits::Limit,
    server::LeaveReason,
};

use crate::{
    Admission, Age, Duplicates, Event, Join, Moment, Output, Reach, Seat, Ticket,
    cluster::{Stage, frame::Entry},
    hub::Effects,
    output::{Continuity, Resumption},
    room::Room,
    session::{Parking, Session, State},
};

/// Somebody between the two steps.
pub(crate) struct Pending<C> {
    pub(crate) join: Join<C>,
    /// The place that the newcomer will have, fixed by the request; a resume that falls back to a new stay takes one later.
    pub(crate) place: Option<u64>,
    pub(crate) stage: Stage,
}

/// What a completed join turns out to be.
enum Turn {
    /// The hub has kept the session.
    Kept(usize, Ticket),
    /// Only the token knows the session, or another node does or did, and nobody says that it has ended: absence is never departure.
    Recalled(Ticket, Option<Box<Entry>>, Resumption),
    /// A new stay, perhaps of somebody who was here before.
    New(Option<PeerId>),
}

impl<C: Clone + PartialEq> Room<C> {
    /// The first step.
    pub(crate) fn request(&mut self, join: Join<C>, effects: &mut Effects<C>) {
        let place = match &join.ticket {
            Some(Ticket { age: Age::Fresh, .. }) => None,
            Some(Ticket { age: Age::Expired, .. }) | None => Some(self.next_place()),
        };
        let connection = join.connection.clone();
        self.joining.push(Pending { join, place, stage: Stage::Alone });
        if self.shared.is_some() {
            self.begin(&connection, effects);
        } else {
            effects.push(Output::Confirm { room: self.id.clone(), connection });
        }
    }

    /// The second step.
    pub(crate) fn confirmed(&mut self, connection: &C, effects: &mut Effects<C>) {
        let Some(index) = self.joining.iter().position(|pending| pending.join.connection == *connection) else {
            return;
        };
        let Pending { join, place, stage } = self.joining.remove(index);
        let yielded = matches!(&stage, Stage::Asking(asking) if asking.yielded.is_some());
        let resumes = matches!(&join.ticket, Some(ticket) if ticket.age == Age::Fresh);
        let turn = self.turn(&join, stage, effects.now);
        match &turn {
            Turn::Recalled(..) if yielded => effects.claims.taken += 1,
            Turn::Recalled(..) => effects.claims.unanswered += 1,
            Turn::New(_) if resumes => effects.claims.dead += 1,
            Turn::New(_) | Turn::Kept(..) => {}
        }
        match turn {
            Turn::Kept(index, ticket) => self.resume(index, join, &ticket, effects),
            Turn::Recalled(ticket, known, resumption) => {
                self.seq = self.seq.max(ticket.seq);
                let room_for = room_for(join.max_peers, &effects.limits);
                let newest = known.as_ref().map_or(0, |entry| entry.generation).max(ticket.generation);
                let mut session = session(join, ticket.peer, ticket.seq, newest.saturating_add(1), None);
                if let Some(entry) = known {
                    session.attributes = entry.attributes;
                    session.previous = entry.previous;
                }
                effects.event(Event::Resumed(resumption));
                self.enter(session, Continuity::Resumed, room_for, effects);
            }
            Turn::New(previous) => {
                let place = place.unwrap_or_else(|| self.next_place());
                self.admit(join, place, previous, effects);
            }
        }
    }

    /// The connection of a pending join is gone.
    pub(crate) fn abandoned(&mut self, connection: &C) {
        self.joining.retain(|pending| pending.join.connection != *connection);
    }

    /// Whether a join would be admitted.
    pub(crate) fn preview(
        &self,
        identity: &Identity,
        max_peers: Option<u64>,
        duplicates: Duplicates,
        limits: &Limits,
    ) -> Result<(), WireError> {
        self.preview_at(None, identity, max_peers, duplicates, limits)
    }

    /// As [`Self::preview`], for a join that has asked with a place, or for one that has not asked.
    fn preview_at(
        &self,
        place: Option<(u64, &PeerId)>,
        identity: &Identity,
        max_peers: Option<u64>,
        duplicates: Duplicates,
        limits: &Limits,
    ) -> Result<(), WireError> {
        let max = room_for(max_peers, limits);
        let of_identity = self.sessions.iter().filter(|session| session.profile.identity == *identity).count()
            + self.remotes().iter().filter(|remote| remote.entry.identity == *identity).count();
        let leaving = match duplicates {
            Duplicates::Reject if of_identity > 0 => {
                return Err(WireError::with(
                    ErrorCode::IdentityTaken,
                    "The token's `sub` is already in the room, and its `duplicates` is `reject`.",
                ));
            }
            Duplicates::Replace => of_identity,
            Duplicates::Reject | Duplicates::Allow => 0,
        };
        // Whoever is between the steps has an older place than one who is asking only now.
        let before = self.sessions.len()
            + self.remotes().len()
            + self.joining.iter().filter(|pending| pending.place.is_some()).count()
            + self.joiners_before(place)
            - leaving;
        if before as u64 >= max {
            let why = if max_peers.is_some_and(|most| most < limits.room_peers) {
                "for this token"
            } else {
                "of this server"
            };
            let message = format!("The room has {before} peers, and {max} is the most {why}.");
            return Err(WireError::with(ErrorCode::RoomFull, message));
        }
        Ok(())
    }

    fn turn(&self, join: &Join<C>, stage: Stage, now: Moment) -> Turn {
        let Some(ticket) = join.ticket.clone() else { return Turn::New(None) };
        match (ticket.age, self.find(ticket.peer.as_str())) {
            (Age::Fresh, Some(index)) => Turn::Kept(index, ticket),
            (Age::Fresh, None) if self.may_recall(ticket.peer.as_str(), now) => {
                let yielded = match stage {
                    Stage::Asking(asking) => asking.yielded,
                    Stage::Alone | Stage::Subscribing { .. } => None,
                };
                let resumption = if yielded.is_some() { Resumption::Moved } else { Resumption::Recalled };
                let shown = self.remote(ticket.peer.as_str()).map(|remote| Entry::clone(&remote.entry));
                // What its owner let go is the newest; what an owner showed that is dead is all there is.
                let known = yielded.into_iter().chain(shown).max_by_key(|entry| entry.generation);
                Turn::Recalled(ticket, known.map(Box::new), resumption)
            }
            (Age::Fresh, None) | (Age::Expired, _) => Turn::New(Some(ticket.peer)),
        }
    }

    fn admit(&mut self, join: Join<C>, place: u64, previous: Option<PeerId>, effects: &mut Effects<C>) {
        // Those behind in the order wait for their own turn and do not count.
        let behind: Vec<_> =
            self.joining.extract_if(.., |pending| pending.place.is_none_or(|other| other > place)).collect();
        let admitted = self.preview_at(
            Some((place, &join.fresh)),
            &join.profile.identity,
            join.max_peers,
            join.duplicates,
            &effects.limits,
        );
        self.joining.extend(behind);
        if let Err(error) = admitted {
            if error.code == ErrorCode::RoomFull {
                effects.event(Event::Limit(Limit::room_peers));
            }
            return refuse(join.connection, error, effects);
        }
        let replaces = join.duplicates == Duplicates::Replace;
        let id = join.fresh.clone();
        let room_for = room_for(join.max_peers, &effects.limits);
        // The place to ask with was given before the answers: whoever they named is older.
        let newest = self.remotes().last().map_or(0, |remote| remote.entry.seq);
        let seq = if newest >= place { self.next_place() } else { place };
        let session = session(join, id, seq, 1, previous);
        let staying =
            self.sessions.iter().filter(|other| !replaces || other.profile.identity != session.profile.identity);
        let elsewhere = self.remotes().iter().map(|remote| remote.entry.wire_size());
        let roster: u64 = staying.map(Session::wire_size).chain(elsewhere).sum();
        if roster + session.wire_size() > effects.limits.welcome_bytes {
            effects.event(Event::Limit(Limit::welcome_bytes));
            let message = "The room's roster would be larger than limits.welcome_bytes.";
            if let State::Here { connection } = session.state {
                refuse(connection, WireError::with(ErrorCode::RoomFull, message), effects);
            }
            return;
        }
        // Only now: whoever is refused replaces nobody.
        if replaces {
            self.replace(&session.profile.identity, effects);
        }
        effects.event(Event::Joined);
        self.enter(session, Continuity::New, room_for, effects);
    }

    /// Puts a session at its place, welcomes it and shows it to the others.
    fn enter(&mut self, session: Session<C>, continuity: Continuity, room_for: u64, effects: &mut Effects<C>) {
        if self.sessions.is_empty() {
            effects.event(Event::RoomOpened);
        }
        let index = self.sessions.partition_point(|other| other.place() < session.place());
        let id = session.id.clone();
        // Most rooms hold two: growing by one keeps an idle call small.
        if self.sessions.len() < 4 {
            self.sessions.reserve_exact(1);
        }
        self.sessions.insert(index, session);
        let known = self.take_remote(index);
        self.welcome(index, continuity, room_for, effects);
        match known {
            None => self.show_others(index, effects, |peer| ServerMessage::PeerJoined { peer }),
            Some(known) => self.show_again(index, &known, effects),
        }
        self.publish_session(index, effects);
        if continuity == Continuity::Resumed {
            self.settle_at_home(index, effects);
        }
        if let Some(index) = self.find(id.as_str()) {
            self.settle_with_others(index, effects);
        }
    }

    /// A kept session goes on with a new connection; the old one is fenced.
    fn resume(&mut self, index: usize, join: Join<C>, ticket: &Ticket, effects: &mut Effects<C>) {
        let room_for = room_for(join.max_peers, &effects.limits);
        let session = &mut self.sessions[index];
        if let Some(old) = session.connection() {
            let error = Some(Box::new(WireError::new(ErrorCode::Superseded)));
            effects.push(Output::Close { connection: old.clone(), code: CloseCode::Superseded, error });
        }
        session.generation = session.generation.max(ticket.generation).saturating_add(1);
        session.grant = join.grant;
        session.stamp = join.stamp;
        session.duplicates = join.duplicates;
        let changed = session.profile != join.profile || session.features != join.features;
        session.profile = join.profile;
        session.features = join.features;
        effects.event(Event::Resumed(Resumption::Kept));
        let parking: Parking = self.attach(index, join.connection, effects);
        self.welcome(index, Continuity::Resumed, room_for, effects);
        self.hand_over(index, parking, effects);
        if changed {
            self.announce_update(index, effects);
        } else {
            self.publish_session(index, effects);
        }
        self.answer_askers(index, Presence::Here, effects);
    }

    fn welcome(&self, index: usize, continuity: Continuity, room_for: u64, effects: &mut Effects<C>) {
        let me = &self.sessions[index];
        let State::Here { connection } = &me.state else { return };
        let mut peers: Vec<_> =
            self.remotes().iter().map(|remote| (remote.entry.place(), remote.seen_from(me.place()))).collect();
        let others = self.sessions.iter().enumerate().filter(|(at, _)| *at != index);
        peers.extend(others.map(|(_, other)| (other.place(), other.seen_from(me.place()))));
        peers.sort_by(|one, other| one.0.cmp(&other.0));
        effects.push(Output::Welcome(Box::new(Admission {
            seat: Seat { room: self.id.clone(), peer: me.id.clone(), connection: connection.clone() },
            peer: me.seen_from(me.place()),
            peers: peers.into_iter().map(|(_, peer)| peer).collect(),
            left: if continuity == Continuity::Resumed { self.left() } else { Vec::new() },
            continuity,
            max_peers: room_for,
            seq: me.seq,
            generation: me.generation,
            reach: effects.member.as_ref().map_or(Reach::Cluster, |member| member.reach),
        })));
    }

    /// Closes the other sessions of an identity.
    fn replace(&mut self, identity: &Identity, effects: &mut Effects<C>) {
        while let Some(index) = self.sessions.iter().position(|session| session.profile.identity == *identity) {
            if let Some(connection) = self.sessions[index].connection() {
                let error = Some(Box::new(WireError::new(ErrorCode::Replaced)));
                effects.push(Output::Close { connection: connection.clone(), code: CloseCode::Replaced, error });
            }
            self.gone(index, LeaveReason::Replaced, effects);
        }
    }

    fn next_place(&mut self) -> u64 {
        self.seq = self.seq.saturating_add(1);
        self.seq
    }
}

fn session<C>(join: Join<C>, id: PeerId, seq: u64, generation: u64, previous: Option<PeerId>) -> Session<C> {
    Session {
        id,
        seq,
        generation,
        profile: join.profile,
        attributes: None,
        features: join.features,
        previous,
        grant: join.grant,
        stamp: join.stamp,
        duplicates: join.duplicates,
        dialect: join.dialect,
        state: State::Here { connection: join.connection },
        askers: Vec::new(),
    }
}

/// How many peers fit for a token: the smaller of its number and the server's.
fn room_for(max_peers: Option<u64>, limits: &Limits) -> u64 {
    max_peers.map_or(limits.room_peers, |max| max.min(limits.room_peers))
}

fn refuse<C>(connection: C, error: WireError, effects: &mut Effects<C>) {
    effects.push(Output::Close { connection, code: CloseCode::Full, error: Some(Box::new(error)) });
}
