//! The hub: takes inputs, keeps the timers, hands out the effects.

use std::collections::{BTreeMap, HashMap, VecDeque};

use foldhash::fast::RandomState;

use aldis_protocol::{Identity, Limits, NodeId, PeerId, RoomId, ServerMessage, WireError, server::NoticeCode};

use crate::{
    Duplicates, Event, Input, Moment, Output, Reach, Revocations,
    cluster::{Claims, Digests, Member, RoomFrame, Tidings, frame::Body},
    room::{self, Room},
};

/// All rooms of one shard.
///
/// `C` is the owner's handle of a connection; the hub only clones and compares it.
///
/// # Contract
/// Drain [`poll_output`](Self::poll_output) after every call that takes `&mut self`, in order and before anybody else may call.
/// Call [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) has come; late is harmless.
pub struct Hub<C> {
    rooms: HashMap<RoomId, Room<C>, RandomState>,
    effects: Effects<C>,
}

/// What every step of the hub may use: the limits, and the outputs and deadlines it writes.
pub(crate) struct Effects<C> {
    pub(crate) now: Moment,
    pub(crate) limits: Limits,
    pub(crate) parking: ParkingPolicy,
    /// This node among others; none on a lone one.
    pub(crate) member: Option<Member>,
    pub(crate) claims: Claims,
    outputs: VecDeque<Output<C>>,
    deadlines: BTreeMap<(Moment, u64), Deadline>,
    next_deadline: u64,
    /// Where relayed texts are spliced, kept so that a relay allocates once.
    pub(crate) splice: String,
}

/// What becomes of a signal for somebody who is away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkingPolicy {
    /// It waits.
    Keep,
    /// The node is shutting down: it goes back to its sender.
    Refuse,
}

/// What is due. Nothing is cancelled: a deadline that came to nothing finds nothing to do.
pub(crate) enum Deadline {
    /// An away session is announced or ends.
    Session(RoomId, PeerId),
    /// Tombstones of a room expire.
    Tombstones(RoomId),
    /// Something of the cluster's part of a room.
    Shared(RoomId),
}

impl<C> Effects<C> {
    pub(crate) fn push(&mut self, output: Output<C>) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    pub(crate) fn arm(&mut self, at: Moment, deadline: Deadline) {
        self.next_deadline += 1;
        self.deadlines.insert((at, self.next_deadline), deadline);
    }
}

impl<C: Clone + PartialEq> Hub<C> {
    /// An empty hub of a lone node, with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with(limits, None)
    }

    /// An empty hub of a node among others. It begins without a backplane, until it is told of one.
    #[must_use]
    pub fn clustered(limits: Limits, node: NodeId) -> Self {
        Self::with(limits, Some(Member::new(node)))
    }

    fn with(limits: Limits, member: Option<Member>) -> Self {
        Self {
            rooms: HashMap::default(),
            effects: Effects {
                now: Moment::default(),
                limits,
                parking: ParkingPolicy::Keep,
                member,
                claims: Claims::default(),
                outputs: VecDeque::new(),
                deadlines: BTreeMap::new(),
                next_deadline: 0,
                splice: String::new(),
            },
        }
    }

    /// Takes one thing that happened.
    pub fn handle_input(&mut self, now: Moment, input: Input<'_, C>) {
        let effects = &mut self.effects;
        effects.now = now;
        match input {
            Input::Join(join) => {
                let id = join.room.clone();
                let room = self.rooms.entry(id).or_insert_with_key(|id| Room::open(id.clone(), effects));
                room.request(*join, effects);
            }
            Input::Confirmed { room, connection } => {
                self.in_room(room, |room, effects| room.confirmed(connection, effects));
            }
            Input::Abandoned { room, connection } => self.in_room(room, |room, _| room.abandoned(connection)),
            Input::Message { seat, message } if self.rooms.contains_key(&seat.room) => {
                self.in_room(&seat.room, |room, effects| room.message(seat, message, effects));
            }
            Input::Message { seat, message } => {
                if let Some(message) = room::superseded(message, effects) {
                    effects.push(Output::Send { to: seat.connection.clone(), message });
                }
            }
            Input::Authorized { seat, profile, grant, stamp } => {
                self.in_room(&seat.room, |room, effects| room.authorized(seat, profile, grant, stamp, effects));
            }
            Input::Revoked { news, unix_ms } => self.revoked(news, unix_ms),
            Input::Alive { seat } => self.in_room(&seat.room, |room, effects| room.alive(seat, effects)),
            Input::Written { room, from, re } => self.in_room(room, |room, effects| room.written(from, re, effects)),
            Input::Late { room, from, to, re } => self.in_room(room, |room, effects| room.late(from, to, re, effects)),
            Input::Goodbye { room, peer, generation } => {
                self.in_room(room, |room, effects| room.goodbye(peer, generation, effects));
            }
            Input::Frame { from, frame } => self.frame(from, *frame),
            Input::Undelivered { subject, frame } => {
                let room = frame.room.clone();
                self.in_room(&room, |room, effects| room.unheard(subject, *frame, effects));
            }
            Input::Subscribed { room } => self.in_room(room, Room::subscribed),
            Input::Tidings(tidings) => self.tidings(tidings),
            Input::Draining => {
                effects.parking = ParkingPolicy::Refuse;
                self.rooms.values_mut().for_each(|room| room.draining(effects));
            }
            Input::Disconnected { seat, departure, unsent } => {
                self.in_room(&seat.room, |room, effects| room.disconnected(seat, departure, unsent, effects));
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.effects.now = now;
        while let Some(entry) = self.effects.deadlines.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Deadline::Session(room, peer) => self.in_room(&room, |room, effects| room.session_due(&peer, effects)),
                Deadline::Tombstones(room) => self.in_room(&room, Room::tombstones_due),
                Deadline::Shared(room) => self.in_room(&room, Room::shared_due),
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.effects.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next effect, in order.
    pub fn poll_output(&mut self) -> Option<Output<C>> {
        let output = self.effects.outputs.pop_front();
        // A burst, such as a welcome to a full room, leaves no memory behind.
        if output.is_none() && self.effects.outputs.capacity() > 64 {
            self.effects.outputs = VecDeque::new();
        }
        output
    }

    /// Says what would become of a join, without doing it: for the probe and for refusals before an upgrade.
    ///
    /// # Errors
    /// Why the join would be refused.
    pub fn preview(
        &self,
        room: &RoomId,
        identity: &Identity,
        max_peers: Option<u64>,
        duplicates: Duplicates,
    ) -> Result<(), WireError> {
        self.rooms.get(room).map_or(Ok(()), |room| room.preview(identity, max_peers, duplicates, &self.effects.limits))
    }

    /// Which connection of its session a peer has or had last, counted from its join; none once it has left for good.
    #[must_use]
    pub fn generation(&self, room: &RoomId, peer: &PeerId) -> Option<u64> {
        self.rooms.get(room)?.generation(peer)
    }

    /// Adds this hub's part to the sums that the node compares with others.
    pub fn digests(&self, digests: &mut Digests) {
        self.rooms.values().for_each(|room| room.digest(digests));
    }

    /// What became of sessions that somebody claimed, at this hub and since its start.
    #[must_use]
    pub fn claims(&self) -> Claims {
        self.effects.claims
    }

    /// How many rooms have somebody in them.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.values().filter(|room| room.is_open()).count()
    }

    fn in_room(&mut self, id: &RoomId, step: impl FnOnce(&mut Room<C>, &mut Effects<C>)) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        step(room, &mut self.effects);
        if room.is_forgotten() {
            if room.shared.is_some() {
                self.effects.push(Output::Unsubscribe { room: id.clone() });
            }
            self.rooms.remove(id);
        }
    }

    fn frame(&mut self, from: &NodeId, frame: RoomFrame) {
        let id = frame.room.clone();
        if self.rooms.contains_key(&id) {
            return self.in_room(&id, |room, effects| room.hear(from, frame, effects));
        }
        // To our inbox, from somebody who believes that we have somebody there: an empty room answers.
        if self.effects.member.is_some()
            && matches!(
                frame.body,
                Body::Ask { .. }
                    | Body::Compare { .. }
                    | Body::Signal { to: Some(_), .. }
                    | Body::Again { .. }
                    | Body::Remove { .. }
                    | Body::Check { .. }
            )
        {
            let mut room = Room::new(id, &self.effects);
            room.next_version(&mut self.effects);
            room.hear(from, frame, &mut self.effects);
        }
    }

    fn revoked(&mut self, news: &Revocations, unix_ms: u64) {
        let concerned = self.rooms.values().filter(|room| room.holds(news, unix_ms));
        let rooms: Vec<_> = concerned.map(|room| room.id.clone()).collect();
        for id in rooms {
            self.in_room(&id, |room, effects| room.revoked(news, unix_ms, effects));
        }
    }

    fn tidings(&mut self, tidings: &Tidings) {
        let effects = &mut self.effects;
        let Some(member) = &mut effects.member else { return };
        let before = member.reach;
        member.hear(tidings, effects.now);
        let notice = match (before, member.reach) {
            (Reach::Cluster, Reach::Local) => Some(NoticeCode::BackplaneDegraded),
            (Reach::Local, Reach::Cluster) => Some(NoticeCode::BackplaneRestored),
            _ => None,
        };
        for room in self.rooms.values_mut() {
            if let Some(code) = notice {
                room.tell_all(&ServerMessage::Notice { code }, effects);
            }
            room.tidings(tidings, effects);
        }
    }
}
