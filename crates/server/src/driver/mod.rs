//! The driver: feeds the hubs and executes what comes out, the only place that does.
//!
//! # Order
//! A shard's lock is held from the input to the last of its outputs, and an output becomes a queued frame under it. So the frames of
//! a room are queued in the order in which the hub decided them: `welcome` is the first of an outlet, nothing of a peer follows its
//! `peer-left`, and nothing for a session goes to a connection that was fenced. Only the socket is written after the lock.
//!
//! Of a node among others, frames leave under that lock too, in the order in which the hub decided them ([`cluster`](crate::cluster)).
//! The publisher's lock and the backplane's come after a shard's, and the cluster's before it. The lock of the revocations comes after
//! a shard's too: whoever comes in is looked up under both, and whatever is revoked is in the list before any hub is told.
//!
//! # The road of one offer
//! socket → [`connection`](crate::connection) reads and parses → [`Driver::message`] → `Hub` names the target and splices →
//! [`Outlet::push`] → [`Driver::flush`] → the target's socket. For a peer of another node the hub publishes instead, and there the
//! road goes on at [`Driver::frame`].

mod crowd;
mod revoking;

use std::{
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aldis_core::{
    Admission, Departure, Dialect, Duplicates, Grant, Hub, Input, Join, Moment, Output, Parcel, Profile, Reach, Seat,
    Stamp, Ticket,
    cluster::{Claims, Digests, RoomFrame, Subject, Tidings},
    output::Continuity,
};
use aldis_protocol::{
    ClientMessage, CloseCode, ErrorCode, FEATURES, Identity, Limits, MsgId, NodeId, PROTOCOL, PeerId, RoomId,
    ServerMessage, Welcome, WireError,
    limits::{Limit, WireLimits},
    server::{Heartbeat, IceServers, Resume, RoomInfo},
};
use foldhash::fast::RandomState;
use tokio::sync::Notify;

use self::crowd::Crowd;
use crate::{
    clock::Clock,
    cluster::Publisher,
    connection::outlet::{Farewell, Frame, Handle, Last, Outlet, Push, Seating, seat},
    ice::IceSource,
    resume::{ResumeClaims, ResumeTokens},
    revoking::Revoker,
    sync::Mutex,
    telemetry::metrics::Metrics,
};

/// How many hubs there are. Rooms of different shards never wait for each other.
const SHARDS: usize = 64;

/// What a connection prepared for its `welcome`.
#[derive(Debug)]
pub struct Prelude {
    /// Fresh ICE servers.
    pub ice: IceServers,
    /// When its token expires, Unix milliseconds.
    pub token_expires_at: u64,
    /// How it speaks.
    pub dialect: Dialect,
    /// Where it POSTs to, if it is an event stream.
    pub post: Option<String>,
}

/// Outlets that have something to write, once their room's lock is released.
#[derive(Debug, Default)]
pub struct Dirty(Vec<Handle>);

impl Dirty {
    /// Adds an outlet.
    pub fn add(&mut self, handle: Handle) {
        self.0.push(handle);
    }
}

/// The hubs and what they need of the world.
pub struct Driver {
    shards: Box<[Mutex<Hub<Handle>>]>,
    hasher: RandomState,
    node: NodeId,
    limits: Arc<Limits>,
    resume: ResumeTokens,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// The way to other nodes; none on a node alone.
    publisher: Option<Arc<Publisher>>,
    /// Whose tokens do not count any more.
    revoker: Revoker,
    /// What takes back the TURN credentials of those who are put out.
    ice: Option<Arc<IceSource>>,
    /// The earliest deadline that [`run_timers`](Self::run_timers) waits for.
    armed: AtomicU64,
    alarm: Notify,
    crowd: Crowd,
}

impl Driver {
    /// A driver of empty hubs, of a node alone.
    #[must_use]
    pub fn new(node: NodeId, limits: Arc<Limits>, resume: ResumeTokens, metrics: Arc<Metrics>, clock: Clock) -> Self {
        let revoker = Revoker::alone(&limits, Arc::clone(&metrics), clock);
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Hub::new(Limits::clone(&limits)))).collect(),
            revoker,
            hasher: RandomState::default(),
            node,
            limits,
            resume,
            metrics,
            clock,
            publisher: None,
            ice: None,
            armed: AtomicU64::new(u64::MAX),
            alarm: Notify::new(),
            crowd: Crowd::new(),
        }
    }

    /// The same of a node among others, to whom its hubs, still empty, speak by `publisher`.
    #[must_use]
    pub fn among_others(self, publisher: Arc<Publisher>) -> Self {
        let hub = || Mutex::new(Hub::clustered(Limits::clone(&self.limits), self.node.clone()));
        let revoker = self.revoker.among_others(Arc::clone(&publisher));
        Self { shards: (0..SHARDS).map(|_| hub()).collect(), publisher: Some(publisher), revoker, ..self }
    }

    /// The same, that takes back the TURN credentials of whoever is put out.
    #[must_use]
    pub fn taking_back(self, ice: Arc<IceSource>) -> Self {
        Self { ice: Some(ice), ..self }
    }

    /// Asks for a seat. Its `welcome`, or the refusal and the close, is in the outlet when this returns, or as soon as the other nodes
    /// have answered; then the connection's owner is woken.
    pub fn join(&self, join: Join<Handle>, prelude: Prelude) {
        join.connection.0.set_prelude(prelude);
        let (room, mut dirty) = (join.room.clone(), Dirty::default());
        {
            let mut hub = self.shard(&room).lock();
            let now = self.clock.now();
            // Under the lock: what is revoked from here on finds it among those who come in.
            match self.revoker.find(&room, &join.profile.identity, &join.stamp) {
                Some(finding) => self.turn_away(&join.connection, &finding, now, &mut dirty),
                None => hub.handle_input(now, Input::Join(Box::new(join))),
            }
            self.settle(&mut hub, now, &mut dirty);
            self.set_alarm(hub.poll_timeout());
        }
        self.flush(dirty);
    }

    /// The connection of a join that waits for other nodes is over, with last words or dead. It may have got its seat in between.
    pub fn abandon(&self, room: &RoomId, connection: &Handle, last: Option<Farewell>) {
        let mut dirty = Dirty::default();
        {
            let mut hub = self.shard(room).lock();
            let now = self.clock.now();
            let unsent = match last {
                Some(farewell) => connection.0.close(farewell, now),
                None => connection.0.kill(),
            };
            match &seat(connection) {
                Some(seat) => {
                    hub.handle_input(now, Input::Disconnected { seat, departure: Departure::Lost, unsent });
                }
                None => hub.handle_input(now, Input::Abandoned { room, connection }),
            }
            self.settle(&mut hub, now, &mut dirty);
            self.set_alarm(hub.poll_timeout());
        }
        dirty.0.push(connection.clone());
        self.flush(dirty);
    }

    /// Says what would become of a join.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn preview(
        &self,
        room: &RoomId,
        identity: &Identity,
        max_peers: Option<u64>,
        duplicates: Duplicates,
    ) -> Result<(), WireError> {
        self.shard(room).lock().preview(room, identity, max_peers, duplicates)
    }

    /// Hands a message to its room. The caller flushes `dirty` when it has read what there is.
    pub fn message(&self, seat: &Seat<Handle>, message: ClientMessage<'_>, now: Moment, dirty: &mut Dirty) {
        self.apply(&seat.room, Input::Message { seat, message }, now, dirty);
    }

    /// A session has a new token.
    pub fn authorized(&self, seat: &Seat<Handle>, profile: Profile, grant: Grant, stamp: Stamp) {
        let mut dirty = Dirty::default();
        {
            let mut hub = self.shard(&seat.room).lock();
            let now = self.clock.now();
            let found = self.revoker.find(&seat.room, &profile.identity, &stamp);
            hub.handle_input(now, Input::Authorized { seat, profile, grant, stamp });
            if found.is_some() {
                // Revoked since it was checked, when the session still had its last one.
                self.revoker.show(|news, unix_ms| hub.handle_input(now, Input::Revoked { news, unix_ms }));
            }
            self.settle(&mut hub, now, &mut dirty);
            self.set_alarm(hub.poll_timeout());
        }
        self.flush(dirty);
    }

    /// A probed connection answered.
    pub fn alive(&self, seat: &Seat<Handle>) {
        self.step(&seat.room, Input::Alive { seat });
    }

    /// The receipts of what these senders sent to the peer of a connection are overdue.
    pub fn late(&self, seating: &Seating, receipts: &[(PeerId, MsgId)]) {
        let Seating { room, peer: to, .. } = seating;
        for (from, re) in receipts {
            self.step(room, Input::Late { room, from, to, re });
        }
    }

    /// A connection ends: with last words, or dead. The hub learns of it before the outlet closes, so that nothing is pushed
    /// into the gap; what had not left goes back to the hub.
    pub fn disconnected(&self, seat: &Seat<Handle>, departure: Departure, last: Option<Farewell>) {
        let mut dirty = Dirty::default();
        let due = {
            let mut hub = self.shard(&seat.room).lock();
            let now = self.clock.now();
            let outlet = &seat.connection.0;
            let unsent = match last {
                Some(farewell) => outlet.close(farewell, now),
                None => outlet.kill(),
            };
            hub.handle_input(now, Input::Disconnected { seat, departure, unsent });
            self.settle(&mut hub, now, &mut dirty);
            hub.poll_timeout()
        };
        self.set_alarm(due);
        dirty.0.push(seat.connection.clone());
        self.flush(dirty);
    }

    /// The client of a connection that is over says goodbye.
    ///
    /// # Errors
    /// `superseded` if its session has a newer connection, `gone` if it has ended.
    pub fn goodbye(&self, seating: &Seating) -> Result<(), ErrorCode> {
        let Seating { room, peer, generation, .. } = seating;
        let mut dirty = Dirty::default();
        {
            let mut hub = self.shard(room).lock();
            match hub.generation(room, peer) {
                None => return Err(ErrorCode::Gone),
                Some(newest) if newest != *generation => return Err(ErrorCode::Superseded),
                Some(_) => {}
            }
            let now = self.clock.now();
            hub.handle_input(now, Input::Goodbye { room, peer, generation: *generation });
            self.settle(&mut hub, now, &mut dirty);
            self.set_alarm(hub.poll_timeout());
        }
        self.flush(dirty);
        Ok(())
    }

    /// A connection that was closing is dead. A signal that it had begun to write and never ended goes back to the hub.
    pub fn abandoned(&self, connection: &Handle) {
        let mut dirty = Dirty::default();
        match connection.0.seating() {
            None => drop(connection.0.kill()),
            Some(seating) => {
                let mut hub = self.shard(&seating.room).lock();
                let now = self.clock.now();
                self.give_back(&mut hub, connection, connection.0.kill(), now);
                self.settle(&mut hub, now, &mut dirty);
                self.set_alarm(hub.poll_timeout());
            }
        }
        self.flush(dirty);
    }

    /// The node is shutting down: nothing is parked any more.
    pub fn drain(&self) {
        for shard in &self.shards {
            let mut dirty = Dirty::default();
            {
                let mut hub = shard.lock();
                let now = self.clock.now();
                hub.handle_input(now, Input::Draining);
                self.settle(&mut hub, now, &mut dirty);
            }
            self.flush(dirty);
        }
    }

    /// A frame of another node, for the hub of its room.
    pub fn frame(&self, from: &NodeId, frame: Box<RoomFrame>, dirty: &mut Dirty) {
        let room = frame.room.clone();
        self.apply(&room, Input::Frame { from, frame }, self.clock.now(), dirty);
    }

    /// Nobody reads a frame that a hub had published.
    pub fn undelivered(&self, subject: &Subject, frame: Box<RoomFrame>, dirty: &mut Dirty) {
        let room = frame.room.clone();
        self.apply(&room, Input::Undelivered { subject, frame }, self.clock.now(), dirty);
    }

    /// What is published on the room's subject reaches this node from now on.
    pub fn subscribed(&self, room: &RoomId, dirty: &mut Dirty) {
        self.apply(room, Input::Subscribed { room }, self.clock.now(), dirty);
    }

    /// Tells every hub something of the cluster.
    pub fn tidings(&self, tidings: &Tidings, dirty: &mut Dirty) {
        for shard in &self.shards {
            let mut hub = shard.lock();
            let now = self.clock.now();
            hub.handle_input(now, Input::Tidings(tidings));
            self.settle(&mut hub, now, dirty);
            let due = hub.poll_timeout();
            drop(hub);
            self.set_alarm(due);
        }
    }

    /// The sums of all hubs.
    #[must_use]
    pub fn digests(&self) -> Digests {
        let mut digests = Digests::default();
        self.shards.iter().for_each(|shard| shard.lock().digests(&mut digests));
        digests
    }

    /// What became of the sessions that were claimed, over all hubs.
    pub fn claims(&self) -> Claims {
        self.shards.iter().map(|shard| shard.lock().claims()).fold(Claims::default(), |sum, one| Claims {
            granted: sum.granted + one.granted,
            taken: sum.taken + one.taken,
            unanswered: sum.unanswered + one.unanswered,
            dead: sum.dead + one.dead,
        })
    }

    /// Writes to the sockets what was queued. Receipts that fall due are sent the same way. Of a crowd only the first are written to
    /// here; the rest takes turns.
    pub fn flush(&self, mut dirty: Dirty) {
        for turn in 0..crowd::AT_ONCE {
            let Some(Handle(outlet)) = dirty.0.get(turn).cloned() else { return };
            let now = self.clock.now();
            let flushed = outlet.flush(now);
            let Some(seating) = outlet.seating() else { continue };
            for (from, re) in &flushed.written {
                self.apply(&seating.room, Input::Written { room: &seating.room, from, re }, now, &mut dirty);
            }
        }
        self.crowd.add(dirty.0.drain(crowd::AT_ONCE..));
    }

    /// Signs a resume token for a seated connection.
    #[must_use]
    pub fn resume_token(&self, seating: &Seating, identity: &Identity) -> String {
        let Seating { room, peer, seq, generation } = seating;
        self.resume.sign(&ResumeClaims {
            peer,
            identity,
            room,
            seq: *seq,
            generation: *generation,
            issued_at: self.clock.unix_ms(),
        })
    }

    /// Reads a resume token shown together with a valid JWT. One that proves nothing counts for nothing.
    #[must_use]
    pub fn ticket(&self, token: &str, identity: &Identity, room: &RoomId) -> Option<Ticket> {
        self.resume.verify(token, identity, room, self.clock.unix_ms()).ok()
    }

    /// Calls the hubs when their time has come, for ever.
    pub async fn run_timers(&self) {
        loop {
            // From here on every new deadline rings the alarm, whichever shard the scan has reached.
            self.armed.store(u64::MAX, Ordering::SeqCst);
            let mut next = u64::MAX;
            for shard in &self.shards {
                let mut dirty = Dirty::default();
                {
                    let mut hub = shard.lock();
                    let now = self.clock.now();
                    hub.handle_timeout(now);
                    self.settle(&mut hub, now, &mut dirty);
                    next = next.min(hub.poll_timeout().map_or(u64::MAX, |at| at.0));
                }
                self.flush(dirty);
            }
            self.armed.fetch_min(next, Ordering::SeqCst);
            if next == u64::MAX {
                self.alarm.notified().await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep_until(self.clock.instant(Moment(next))) => {}
                    () = self.alarm.notified() => {}
                }
            }
        }
    }

    fn step(&self, room: &RoomId, input: Input<'_, Handle>) {
        let mut dirty = Dirty::default();
        self.apply(room, input, self.clock.now(), &mut dirty);
        self.flush(dirty);
    }

    fn apply(&self, room: &RoomId, input: Input<'_, Handle>, now: Moment, dirty: &mut Dirty) {
        let mut hub = self.shard(room).lock();
        hub.handle_input(now, input);
        self.settle(&mut hub, now, dirty);
        let due = hub.poll_timeout();
        drop(hub);
        self.set_alarm(due);
    }

    /// Wakes [`run_timers`](Self::run_timers) where a shard's next deadline is earlier than what it waits for.
    fn set_alarm(&self, due: Option<Moment>) {
        let due = due.map_or(u64::MAX, |at| at.0);
        if due < self.armed.load(Ordering::SeqCst) {
            self.armed.fetch_min(due, Ordering::SeqCst);
            self.alarm.notify_one();
        }
    }

    fn shard(&self, room: &RoomId) -> &Mutex<Hub<Handle>> {
        let hash = self.hasher.hash_one(room.as_str());
        // In range by the remainder.
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// Executes every output, and what follows from it, before the lock is released.
    fn settle(&self, hub: &mut Hub<Handle>, now: Moment, dirty: &mut Dirty) {
        while let Some(output) = hub.poll_output() {
            match output {
                // Nobody else knows the room.
                Output::Confirm { room, connection } => {
                    hub.handle_input(now, Input::Confirmed { room: &room, connection: &connection });
                }
                Output::Welcome(admission) => self.welcome(*admission, now, dirty),
                Output::Send { to, message } => {
                    self.note(&to.0, &message);
                    self.push(hub, &to, Frame::Text(message.to_json().into()), now, dirty);
                }
                Output::Relay { to, parcel } => {
                    self.metrics.relayed(parcel.kind);
                    tracing::trace!(kind = parcel.kind.as_str(), from = %parcel.from, bytes = parcel.text.len(), "relayed");
                    if now.since(to.0.heard()) > self.limits.silent_ms {
                        to.0.request_probe(now);
                    }
                    self.push(hub, &to, Frame::Parcel(parcel), now, dirty);
                }
                Output::Close { connection, code, error } => {
                    if let Some(error) = &error {
                        self.metrics.refused(error.code);
                    }
                    self.metrics.closed(code);
                    // What a fenced connection had not written goes to the one that fenced it.
                    let unsent = connection.0.close(Farewell { error, last: Last::Ours(code) }, now);
                    self.give_back(hub, &connection, unsent, now);
                    dirty.0.push(connection);
                }
                Output::Probe { connection } => connection.0.request_probe(now),
                Output::Publish { subject, frame } => {
                    if let Some(publisher) = &self.publisher
                        && let Some(frame) = publisher.publish(now, &subject, *frame)
                    {
                        hub.handle_input(now, Input::Undelivered { subject: &subject, frame });
                    }
                }
                Output::Subscribe { room } => {
                    if let Some(publisher) = &self.publisher {
                        publisher.subscribe(&room);
                    }
                }
                Output::Unsubscribe { room } => {
                    if let Some(publisher) = &self.publisher {
                        publisher.unsubscribe(&room);
                    }
                }
                Output::Exclude(exclusion) => self.exclude(hub, *exclusion, now, dirty),
                Output::PutOut { identity } => {
                    if let Some(ice) = &self.ice {
                        ice.revoke(&identity);
                    }
                }
                Output::Event(event) => self.metrics.event(event),
            }
        }
    }

    fn push(&self, hub: &mut Hub<Handle>, to: &Handle, frame: Frame, now: Moment, dirty: &mut Dirty) {
        let back = match to.0.push(frame, now) {
            Push::First => return dirty.0.push(to.clone()),
            Push::Behind => return,
            Push::Full(frame) => {
                self.metrics.limit(Limit::outbound_bytes);
                self.metrics.refused(ErrorCode::SlowReader);
                self.metrics.closed(CloseCode::SlowReader);
                let mut unsent = to.0.close(Farewell::slow_reader(), now);
                unsent.extend(parcel(frame));
                unsent
            }
            // The connection died and its owner has not said so yet: what it holds is older.
            Push::Closed(frame) => {
                let mut unsent = to.0.reclaim();
                unsent.extend(parcel(frame));
                unsent
            }
        };
        if let Some(seat) = seat(to) {
            hub.handle_input(now, Input::Disconnected { seat: &seat, departure: Departure::Lost, unsent: back });
        }
        dirty.0.push(to.clone());
    }

    /// Hands back what a connection that has lost its seat did not write.
    fn give_back(&self, hub: &mut Hub<Handle>, from: &Handle, unsent: Vec<Parcel>, now: Moment) {
        if !unsent.is_empty()
            && let Some(seat) = seat(from)
        {
            hub.handle_input(now, Input::Disconnected { seat: &seat, departure: Departure::Lost, unsent });
        }
    }

    fn welcome(&self, admission: Admission<Handle>, now: Moment, dirty: &mut Dirty) {
        let Admission { seat, peer, peers, left, continuity, max_peers, seq, generation, reach } = admission;
        let Handle(outlet) = &seat.connection;
        let Some(prelude) = outlet.take_prelude() else { return };
        outlet.set_others(peers.len());
        let identity = peer.identity.clone();
        let seating = Seating { room: seat.room.clone(), peer: seat.peer.clone(), seq, generation };
        let resume = match prelude.dialect {
            Dialect::V1 => {
                let token = self.resume_token(&seating, &identity);
                Some(Resume { token, window_ms: self.limits.resume_window_ms })
            }
            Dialect::Raw => None,
        };
        tracing::info!(room = %seating.room, peer = %seating.peer, resumed = continuity == Continuity::Resumed, "joined");
        outlet.seat(seating);
        if self.publisher.is_some() {
            // It has waited for other nodes.
            outlet.wake();
        }
        let welcome = Welcome {
            protocol: PROTOCOL,
            features: FEATURES.iter().map(|&feature| feature.to_owned()).collect(),
            node: self.node.clone(),
            peer,
            room: RoomInfo { id: seat.room.clone(), max_peers },
            peers,
            left,
            resumed: continuity == Continuity::Resumed,
            resume,
            ice: prelude.ice,
            heartbeat: Heartbeat {
                interval_ms: self.limits.heartbeat_interval_ms,
                timeout_ms: self.limits.heartbeat_timeout_ms,
            },
            limits: WireLimits::from(&*self.limits),
            token_expires_at: prelude.token_expires_at,
            degraded: (reach == Reach::Local).then_some(true),
            post: prelude.post,
        };
        let text = ServerMessage::Welcome(Box::new(welcome)).to_json();
        // A fresh outlet has room for one frame of any size; a dead one is reported by its owner.
        if let Push::First = outlet.push(Frame::Text(text.into()), now) {
            dirty.0.push(seat.connection.clone());
        }
    }

    /// Keeps the connection's count of the others, and the metrics, in step with what it is told.
    fn note(&self, outlet: &Outlet, message: &ServerMessage) {
        match message {
            ServerMessage::PeerJoined { .. } => outlet.one_more(),
            ServerMessage::PeerLeft { .. } => outlet.one_less(),
            ServerMessage::Error(error) => self.metrics.refused(error.code),
            _ => {}
        }
    }
}

fn parcel(frame: Frame) -> Option<Parcel> {
    match frame {
        Frame::Parcel(parcel) => Some(parcel),
        Frame::Text(_) | Frame::Ping | Frame::Pong(_) | Frame::Close(_) => None,
    }
}
