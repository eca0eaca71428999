//! A bench for the hub: a virtual clock, clients by name, and a table of what must come out.

use std::collections::VecDeque;

use aldis_core::{
    Admission, Age, Departure, Dialect, Duplicates, Event, Grant, Hub, Input, Join, Moment, Output, Parcel, Permission,
    Profile, Revocations, Seat, Stamp, Ticket, revocation::Target,
};
use aldis_protocol::{
    ClientMessage, CloseCode, ErrorCode, Identity, Json, Limits, MsgId, Naming, Outcome, PeerId, PeerInfo, Presence,
    RoomId, ServerMessage, SignalKind, TokenId, WireError,
    server::{LeaveReason, ReceiptStatus},
};

/// The hub's handle of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conn(u32);

/// A hub, its clock, and the outputs that no test has looked at yet: there must be none left when the bench is dropped.
pub(crate) struct Bench {
    pub(crate) hub: Hub<Conn>,
    limits: Limits,
    now: Moment,
    next_connection: u32,
    seen: VecDeque<Output<Conn>>,
    events: Vec<Event>,
    /// Whom the hub has put out, by identity.
    pub(crate) put_out: Vec<Identity>,
}

/// A connection with a seat.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) seat: Seat<Conn>,
    pub(crate) welcome: Admission<Conn>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            hub: Hub::new(limits.clone()),
            limits,
            now: Moment(1_000),
            next_connection: 0,
            seen: VecDeque::new(),
            events: Vec::new(),
            put_out: Vec::new(),
        }
    }

    /// Somebody who wants into the room `r`, by `aldis.v1` and with the default grant; its id and identity are its name.
    pub(crate) fn join(&mut self, name: &str) -> Joining<'_> {
        self.next_connection += 1;
        let join = Join {
            connection: Conn(self.next_connection),
            room: room("r"),
            profile: profile(name),
            grant: Grant::default(),
            stamp: Stamp::default(),
            max_peers: None,
            duplicates: Duplicates::Allow,
            dialect: Dialect::V1,
            features: Vec::new(),
            fresh: id(name),
            ticket: None,
        };
        Joining { bench: self, join }
    }

    /// The same client again on a new connection, with the token of its welcome. Its room and dialect stay.
    pub(crate) fn again(&mut self, client: &Client) -> Joining<'_> {
        let ticket = client.ticket();
        let room = client.seat.room.clone();
        let profile = profile(client.welcome.peer.identity.as_str());
        let mut joining = self.join(&format!("{}-new", client.seat.peer));
        joining.join.room = room;
        joining.join.profile = profile;
        joining.ticket(ticket)
    }

    /// Seats them in the room `r`, one after the other, and looks at nothing.
    pub(crate) fn crowd<const N: usize>(&mut self, names: [&str; N]) -> [Client; N] {
        let clients = names.map(|name| self.join(name).enter());
        self.skip();
        clients
    }

    /// The client sends this text.
    pub(crate) fn say(&mut self, client: &Client, text: &str) {
        let message = ClientMessage::parse(text, &self.limits).expect("a test sends what the parser takes");
        self.input(Input::Message { seat: &client.seat, message });
    }

    /// The client's connection breaks.
    pub(crate) fn lose(&mut self, client: &Client) {
        self.disconnect(client, Departure::Lost, Vec::new());
    }

    pub(crate) fn disconnect(&mut self, client: &Client, departure: Departure, unsent: Vec<Parcel>) {
        self.input(Input::Disconnected { seat: &client.seat, departure, unsent });
    }

    /// Its client says goodbye by a way that does not need the connection.
    pub(crate) fn goodbye(&mut self, client: &Client) {
        let generation = client.welcome.generation;
        self.input(Input::Goodbye { room: &client.seat.room, peer: &client.seat.peer, generation });
    }

    pub(crate) fn authorize(&mut self, client: &Client, profile: Profile, grant: Grant) {
        self.input(Input::Authorized { seat: &client.seat, profile, grant, stamp: Stamp::default() });
    }

    /// The same with a token that says more of itself.
    pub(crate) fn authorize_as(&mut self, client: &Client, profile: Profile, stamp: Stamp) {
        self.input(Input::Authorized { seat: &client.seat, profile, grant: Grant::default(), stamp });
    }

    /// Revokes this and tells the hub, at a wall's time of zero.
    pub(crate) fn revoke(&mut self, target: Target, reason: Option<&str>) {
        let mut news = Revocations::new(1);
        news.impose(0, target, 1, 0, reason.map(str::to_owned)).expect("room for one");
        self.input(Input::Revoked { news: &news, unix_ms: 0 });
    }

    pub(crate) fn alive(&mut self, client: &Client) {
        self.input(Input::Alive { seat: &client.seat });
    }

    /// The parcel that `from` named so has left for its receiver.
    pub(crate) fn written(&mut self, from: &Client, re: &str) {
        self.input(Input::Written { room: &from.seat.room, from: &from.seat.peer, re: &msg(re) });
    }

    /// The parcel that `from` named so waits for a receiver that does not read.
    pub(crate) fn late(&mut self, from: &Client, to: &Client, re: &str) {
        self.input(Input::Late { room: &from.seat.room, from: &from.seat.peer, to: &to.seat.peer, re: &msg(re) });
    }

    pub(crate) fn confirm(&mut self, asking: &Asking) {
        self.input(Input::Confirmed { room: &asking.room, connection: &asking.connection });
    }

    pub(crate) fn abandon(&mut self, asking: &Asking) {
        self.input(Input::Abandoned { room: &asking.room, connection: &asking.connection });
    }

    /// Lets time pass, stopping wherever the hub has something to do.
    pub(crate) fn forward(&mut self, ms: u64) {
        let end = self.now.after(ms);
        while let Some(at) = self.hub.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.hub.handle_timeout(at);
            self.drain();
            assert!(self.hub.poll_timeout().is_none_or(|next| next > at), "a deadline that is due stays due");
        }
        self.now = end;
    }

    /// Everything that came out since the last look, in order. An error's own words are left to the reader of the code.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[Output<Conn>]) {
        let seen: Vec<_> = self.seen.drain(..).collect();
        assert_eq!(seen, expected, "\nseen (left) is not what was expected (right)");
    }

    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) {
        self.expect(&[]);
    }

    /// Ignores what came out so far: it is another test's story.
    pub(crate) fn skip(&mut self) {
        self.seen.clear();
    }

    /// How often the event came since the last call for it.
    pub(crate) fn count(&mut self, event: Event) -> usize {
        let before = self.events.len();
        self.events.retain(|seen| *seen != event);
        before - self.events.len()
    }

    pub(crate) fn preview(&self, name: &str, max_peers: Option<u64>, duplicates: Duplicates) -> Option<ErrorCode> {
        self.hub.preview(&room("r"), &identity(name), max_peers, duplicates).err().map(|error| error.code)
    }

    /// Lets everything end that ends by itself, and checks that nothing is kept: no deadline, and no room that would remember
    /// its last place.
    pub(crate) fn expect_forgotten(&mut self, rooms: &[&str]) {
        self.forward(self.limits.tombstone_ms + self.limits.resume_window_ms + 1);
        assert_eq!(self.hub.poll_timeout(), None);
        assert_eq!(self.hub.rooms(), 0);
        for name in rooms {
            let first = self.join("the-first-again").room(name).enter();
            assert_eq!(first.welcome.seq, 1, "the room `{name}` was kept");
        }
        self.skip();
    }

    pub(crate) fn input(&mut self, input: Input<'_, Conn>) {
        self.hub.handle_input(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::PutOut { identity } => self.put_out.push(identity),
                Output::Send { to, message: ServerMessage::Error(error) } => {
                    self.seen.push_back(Output::Send { to, message: wordless(*error).into() });
                }
                Output::Close { connection, code, error } => {
                    let error = error.map(|error| Box::new(wordless(*error)));
                    self.seen.push_back(Output::Close { connection, code, error });
                }
                output => self.seen.push_back(output),
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.seen.is_empty(), "left over: {:#?}", self.seen);
        }
    }
}

/// A join that is being put together.
#[must_use]
pub(crate) struct Joining<'b> {
    bench: &'b mut Bench,
    join: Join<Conn>,
}

/// A join between its two steps.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    room: RoomId,
    connection: Conn,
}

impl Joining<'_> {
    pub(crate) fn room(mut self, name: &str) -> Self {
        self.join.room = room(name);
        self
    }

    pub(crate) fn raw(mut self) -> Self {
        self.join.dialect = Dialect::Raw;
        self
    }

    pub(crate) fn identity(mut self, name: &str) -> Self {
        self.join.profile.identity = identity(name);
        self
    }

    pub(crate) fn profile(mut self, profile: Profile) -> Self {
        self.join.profile = profile;
        self
    }

    pub(crate) fn features(mut self, names: &[&str]) -> Self {
        self.join.features = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn can(mut self, permissions: &[Permission]) -> Self {
        self.join.grant = permissions.iter().copied().collect();
        self
    }

    pub(crate) fn jti(mut self, id: &str) -> Self {
        self.join.stamp.id = Some(TokenId::parse(id).expect("a jti"));
        self
    }

    pub(crate) fn max_peers(mut self, max: u64) -> Self {
        self.join.max_peers = Some(max);
        self
    }

    pub(crate) fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.join.duplicates = duplicates;
        self
    }

    pub(crate) fn ticket(mut self, ticket: Ticket) -> Self {
        self.join.ticket = Some(ticket);
        self
    }

    /// The first step: the hub asks for a confirmation and says nothing else.
    #[track_caller]
    pub(crate) fn ask(self) -> Asking {
        let Self { bench, join } = self;
        let asking = Asking { room: join.room.clone(), connection: join.connection };
        bench.input(Input::Join(Box::new(join)));
        let last = bench.seen.pop_back();
        assert_eq!(last, Some(Output::Confirm { room: asking.room.clone(), connection: asking.connection }));
        asking
    }

    /// Both steps, whatever comes of them.
    #[track_caller]
    pub(crate) fn attempt(self) -> Asking {
        let Self { bench, join } = self;
        let asking = Joining { bench: &mut *bench, join }.ask();
        bench.confirm(&asking);
        asking
    }

    /// Both steps, and a seat.
    #[track_caller]
    pub(crate) fn enter(self) -> Client {
        let Self { bench, join } = self;
        let asking = Joining { bench: &mut *bench, join }.attempt();
        bench.seated(&asking)
    }
}

impl Bench {
    /// The client that a confirmed join has become. Its welcome is still to be expected.
    #[track_caller]
    pub(crate) fn seated(&self, asking: &Asking) -> Client {
        let welcome = self.seen.iter().rev().find_map(|output| match output {
            Output::Welcome(welcome) if welcome.seat.connection == asking.connection => Some(welcome.as_ref().clone()),
            _ => None,
        });
        let welcome = welcome.unwrap_or_else(|| panic!("no welcome in {:#?}", self.seen));
        assert_eq!(welcome.seat.room, asking.room);
        Client { seat: welcome.seat.clone(), welcome }
    }
}

impl Asking {
    /// It is refused, and why.
    pub(crate) fn refused(&self, code: ErrorCode) -> Output<Conn> {
        let error = Some(Box::new(error(code)));
        Output::Close { connection: self.connection, code: CloseCode::Full, error }
    }
}

impl Client {
    pub(crate) fn id(&self) -> &PeerId {
        &self.seat.peer
    }

    /// The resume token of its welcome.
    pub(crate) fn ticket(&self) -> Ticket {
        let welcome = &self.welcome;
        Ticket { peer: self.id().clone(), seq: welcome.seq, generation: welcome.generation, age: Age::Fresh }
    }

    pub(crate) fn expired_ticket(&self) -> Ticket {
        Ticket { age: Age::Expired, ..self.ticket() }
    }

    /// Its own welcome; a story looks into [`Self::welcome`] for what is in it.
    pub(crate) fn welcomed(&self) -> Output<Conn> {
        Output::Welcome(Box::new(self.welcome.clone()))
    }

    pub(crate) fn gets(&self, message: impl Into<ServerMessage>) -> Output<Conn> {
        Output::Send { to: self.seat.connection, message: message.into() }
    }

    /// It gets this text, relayed.
    pub(crate) fn hears(&self, text: &str) -> Output<Conn> {
        Output::Relay { to: self.seat.connection, parcel: parcel(text) }
    }

    pub(crate) fn closed(&self, code: CloseCode, why: ErrorCode) -> Output<Conn> {
        Output::Close { connection: self.seat.connection, code, error: Some(Box::new(error(why))) }
    }

    pub(crate) fn closed_with_bye(&self) -> Output<Conn> {
        Output::Close { connection: self.seat.connection, code: CloseCode::Bye, error: None }
    }

    pub(crate) fn probed(&self) -> Output<Conn> {
        Output::Probe { connection: self.seat.connection }
    }
}

/// The text without the words for people, which it must have.
fn wordless(mut error: WireError) -> WireError {
    assert!(!error.message.is_empty() && error.hint.is_some(), "an error says what is wrong and what to do: {error:?}");
    error.message.clear();
    error.hint = None;
    error
}

pub(crate) fn id(name: &str) -> PeerId {
    PeerId::parse(name).expect("an id")
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity::parse(name).expect("an identity")
}

pub(crate) fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("a room")
}

pub(crate) fn msg(name: &str) -> MsgId {
    MsgId::parse(name).expect("a msg")
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

pub(crate) fn profile(name: &str) -> Profile {
    Profile { identity: identity(name), name: None, metadata: None }
}

/// The parcel of a text as its receiver gets it.
pub(crate) fn parcel(text: &str) -> Parcel {
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let named = value["msg"].as_str().map(msg);
    Parcel {
        from: id(value["from"].as_str().expect("`from`")),
        kind: *SignalKind::ALL.iter().find(|kind| value["type"] == kind.as_str()).expect("`type`"),
        naming: match (named, value["receipt"] == true) {
            (None, _) => Naming::Anonymous,
            (Some(msg), false) => Naming::Named(msg),
            (Some(msg), true) => Naming::Receipt(msg),
        },
        text: text.into(),
    }
}

/// A peer that the viewer need not yield to.
pub(crate) fn peer(name: &str) -> PeerInfo {
    PeerInfo {
        id: id(name),
        identity: identity(name),
        name: None,
        metadata: None,
        attributes: None,
        presence: Presence::Here,
        polite: false,
        features: Vec::new(),
        previous: None,
    }
}

/// A peer that the viewer yields to.
pub(crate) fn elder(name: &str) -> PeerInfo {
    PeerInfo { polite: true, ..peer(name) }
}

pub(crate) fn joined(peer: PeerInfo) -> ServerMessage {
    ServerMessage::PeerJoined { peer: Box::new(peer) }
}

pub(crate) fn updated(peer: PeerInfo) -> ServerMessage {
    ServerMessage::PeerUpdated { peer: Box::new(peer) }
}

pub(crate) fn away(name: &str) -> ServerMessage {
    ServerMessage::PeerAway { id: id(name) }
}

pub(crate) fn back(name: &str) -> ServerMessage {
    ServerMessage::PeerBack { id: id(name) }
}

pub(crate) fn left(name: &str, reason: LeaveReason) -> ServerMessage {
    ServerMessage::PeerLeft { id: id(name), reason, is_final: true }
}

pub(crate) fn checked(name: &str, presence: Presence) -> ServerMessage {
    ServerMessage::Checked { id: id(name), presence }
}

pub(crate) fn receipt(re: &str, status: ReceiptStatus) -> ServerMessage {
    ServerMessage::Receipt { re: msg(re), status }
}

pub(crate) fn error(code: ErrorCode) -> WireError {
    WireError { code, message: String::new(), hint: None, to: None, re: None, retry_after_ms: None, outcome: None }
}

/// The signal for `to` was not delivered.
pub(crate) fn not_delivered(code: ErrorCode, to: &str, re: Option<&str>) -> WireError {
    error(code).about(Some(id(to)), re.map(msg)).outcome(Outcome::NotDelivered)
}
