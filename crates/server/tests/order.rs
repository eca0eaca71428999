//! Order under the room's lock, over the real driver and the real outlets: random schedules of threads that join, leave, break,
//! resume, relay and flush, over wires that take everything, a part or nothing.
//!
//! ```text
//! cargo test --workspace --features aldis-server/shuttle --test order
//! ```
//!
//! | what holds | checked by |
//! |---|---|
//! | `welcome` is the first frame of a connection | [`Tape::check_roster`] |
//! | nothing comes from a peer before its `peer-joined` or after its `peer-left` | [`Tape::check_roster`] |
//! | nothing follows a close, that of a fence (4419) above all | [`Tape::frames`] |
//! | the signals of one sender come in order, over all connections of the receiver, and never twice | [`check_signals`] |
//! | each signal of a sender that stays arrives, or is refused, and its sender is told which, once | [`check_answers`] |
#![cfg(feature = "shuttle")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use aldis_core::{Age, Departure, Dialect, Duplicates, Grant, Join, Profile, Seat, Stamp, Ticket};
use aldis_protocol::{ClientMessage, CloseCode, Identity, Limits, NodeId, PeerId, RoomId, server::IceServers};
use aldis_server::{
    clock::Clock,
    connection::outlet::{Farewell, Framing, Handle, Health, Last, Outlet, Wire},
    driver::{Dirty, Driver, Prelude},
    resume::{ClusterKeys, ResumeTokens},
    telemetry::metrics::Metrics,
};
use serde_json::Value;
use shuttle::{
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};

/// How many schedules are tried, by each of the two ways to choose them.
const SCHEDULES: usize = 1_000;

const CLOSE: u8 = 0x8;

/// What a wire does with bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Takes all, some or none of them, as it likes.
    Fickle,
    /// Takes all of them.
    Open,
    /// Takes none ever again.
    Dead,
}

/// A wire that remembers what was written to it. Its lock is no scheduling point: the outlet's lock is held around it.
struct Pipe(Mutex<Inside>);

struct Inside {
    mood: Mood,
    bytes: Vec<u8>,
    /// As a TLS record that was made and has not left: it comes before anything else, or never.
    committed: Vec<u8>,
}

impl Pipe {
    fn set(&self, mood: Mood) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }
}

struct PipeWire(Arc<Pipe>);

impl Wire for PipeWire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = std::mem::take(&mut pipe.committed);
        assert!(bytes.starts_with(&committed), "committed bytes were taken back");
        let some = |least: usize| thread_rng().gen_range(least..=bytes.len());
        let taken = match (pipe.mood, thread_rng().gen_range(0..5)) {
            (Mood::Dead, _) => return Err(io::ErrorKind::BrokenPipe.into()),
            (Mood::Fickle, 0) => {
                pipe.committed = committed;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            (Mood::Fickle, 1) => {
                pipe.committed = bytes[..some(committed.len())].to_vec();
                return Err(io::ErrorKind::WouldBlock.into());
            }
            (Mood::Fickle, 2) => some(committed.len().max(1)),
            (Mood::Fickle | Mood::Open, _) => bytes.len(),
        };
        pipe.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn committed(&self) -> usize {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).committed.len()
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One connection of one session, and all that was written to it.
#[derive(Clone)]
struct Tape {
    peer: &'static str,
    handle: Handle,
    pipe: Arc<Pipe>,
}

/// A room with everybody who ever connected.
struct World {
    driver: Driver,
    clock: Clock,
    room: RoomId,
    tapes: Mutex<Vec<Tape>>,
}

/// What a client does on its connection.
struct Client {
    world: Arc<World>,
    tape: Tape,
    /// The name of its stream of signals: a session has one for each connection.
    stream: &'static str,
    sent: u32,
}

impl World {
    fn new() -> Arc<Self> {
        let limits = Arc::new(Limits::default());
        let clock = Clock::start();
        let resume = ResumeTokens::new(&ClusterKeys::new(None).expect("keys"), &limits);
        let driver = Driver::new(NodeId::from_random(1), limits, resume, Arc::new(Metrics::new()), clock);
        let room = RoomId::parse("room").expect("a room");
        Arc::new(Self { driver, clock, room, tapes: Mutex::new(Vec::new()) })
    }

    fn tapes(&self) -> Vec<Tape> {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Joins as a new stay, or goes on with one.
    fn connect(self: &Arc<Self>, peer: &'static str, stream: &'static str, dialect: Dialect, entry: Entry) -> Client {
        let pipe = Arc::new(Pipe(Mutex::new(Inside { mood: Mood::Fickle, bytes: Vec::new(), committed: Vec::new() })));
        let outlet = Outlet::new(Box::new(PipeWire(Arc::clone(&pipe))), Framing::WebSocket, 1 << 20, self.clock.now());
        let tape = Tape { peer, handle: Handle(Arc::new(outlet)), pipe };
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).push(tape.clone());
        let ticket = match entry {
            Entry::Anew => None,
            Entry::Resuming => Some(Ticket { peer: id(peer), seq: 1, generation: 1, age: Age::Fresh }),
        };
        let ice = IceServers { ice_servers: Vec::new(), ice_expires_at: None, ice_cuts_at_expiry: false };
        self.driver.join(
            Join {
                connection: tape.handle.clone(),
                room: self.room.clone(),
                profile: Profile { identity: Identity::parse(peer).expect("an identity"), name: None, metadata: None },
                grant: Grant::default(),
                stamp: Stamp::default(),
                max_peers: None,
                duplicates: Duplicates::Allow,
                dialect,
                features: Vec::new(),
                fresh: id(peer),
                ticket,
            },
            Prelude { ice, token_expires_at: 0, dialect, post: None },
        );
        Client { world: Arc::clone(self), tape, stream, sent: 0 }
    }

    fn flush(&self, handle: &Handle) {
        let mut dirty = Dirty::default();
        dirty.add(handle.clone());
        self.driver.flush(dirty);
    }

    /// Lets every living wire take what waits for it.
    fn settle(&self) {
        for tape in self.tapes() {
            if tape.handle.0.health() != Health::Dead {
                tape.pipe.set(Mood::Open);
            }
        }
        // A flush makes receipts, which wait for a flush.
        while let Some(tape) = self.tapes().iter().find(|tape| matches!(tape.handle.0.health(), Health::Blocked { .. }))
        {
            self.flush(&tape.handle);
        }
    }
}

#[derive(Clone, Copy)]
enum Entry {
    Anew,
    Resuming,
}

impl Client {
    fn seat(&self) -> Seat<Handle> {
        Seat { room: self.world.room.clone(), peer: id(self.tape.peer), connection: self.tape.handle.clone() }
    }

    /// Sends a signal to each, as one read of the socket would bring them: one flush for all.
    fn send(&mut self, to: &[&str]) {
        let mut dirty = Dirty::default();
        for to in to {
            self.sent += 1;
            let msg = format!("{}-{}", self.stream, self.sent);
            let text = format!(r#"{{"type":"message","to":"{to}","data":{},"msg":"{msg}","receipt":true}}"#, self.sent);
            let message = ClientMessage::parse(&text, &Limits::default()).expect("a message");
            self.world.driver.message(&self.seat(), message, self.world.clock.now(), &mut dirty);
        }
        self.world.driver.flush(dirty);
    }

    fn leave(&self) {
        let mut dirty = Dirty::default();
        self.world.driver.message(&self.seat(), ClientMessage::Leave, self.world.clock.now(), &mut dirty);
        self.world.driver.flush(dirty);
    }

    /// Closes with 1000, which is a goodbye too, but comes by the connection.
    fn close(&self) {
        let farewell = Farewell { error: None, last: Last::Ours(CloseCode::Bye) };
        self.world.driver.disconnected(&self.seat(), Departure::Bye, Some(farewell));
    }

    /// The socket breaks; its owner notices when a write fails, or later.
    fn break_down(&self) {
        self.tape.pipe.set(Mood::Dead);
        thread::yield_now();
        self.world.driver.disconnected(&self.seat(), Departure::Lost, None);
    }
}

fn id(text: &str) -> PeerId {
    PeerId::parse(text).expect("an id")
}

/// One frame as it was written.
#[derive(Debug)]
enum Heard {
    Text(Value),
    Close(u16),
}

impl Tape {
    /// The whole frames on the tape. A wire that died may end in the middle of one.
    fn frames(&self) -> Vec<Heard> {
        let bytes = self.pipe.bytes();
        let mut rest = bytes.as_slice();
        let mut heard = Vec::new();
        while let [first, length, tail @ ..] = rest {
            assert!(!matches!(heard.last(), Some(Heard::Close(_))), "{}: bytes after a close", self.peer);
            let (length, tail) = match *length {
                126 => match tail {
                    [high, low, tail @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), tail),
                    _ => break,
                },
                length => (usize::from(length), tail),
            };
            let Some((payload, tail)) = tail.split_at_checked(length) else { break };
            rest = tail;
            heard.push(if first & 0x0F == CLOSE {
                Heard::Close(u16::from_be_bytes([payload[0], payload[1]]))
            } else {
                Heard::Text(serde_json::from_slice(payload).expect("JSON"))
            });
        }
        heard
    }

    fn texts(&self) -> Vec<Value> {
        let text = |heard| match heard {
            Heard::Text(text) => Some(text),
            Heard::Close(_) => None,
        };
        self.frames().into_iter().filter_map(text).collect()
    }

    /// `welcome` comes first, and whatever comes from a peer comes while it is in the room.
    fn check_roster(&self) {
        let texts = self.texts();
        let Some((welcome, rest)) = texts.split_first() else {
            // A wire that took nothing before it died.
            assert!(self.handle.0.health() == Health::Dead, "{}: an empty tape", self.peer);
            return;
        };
        assert_eq!(welcome["type"], "welcome", "{}: {texts:#?}", self.peer);
        let ids = welcome["peers"].as_array().expect("peers").iter().map(|peer| &peer["id"]);
        let mut present: BTreeSet<String> = ids.map(text).collect();
        for message in rest {
            match message["type"].as_str().expect("a type") {
                "peer-joined" => {
                    assert!(present.insert(text(&message["peer"]["id"])), "{}: twice: {texts:#?}", self.peer);
                }
                "peer-left" => assert!(present.remove(&text(&message["id"])), "{}: {texts:#?}", self.peer),
                "message" => {
                    assert!(present.contains(&text(&message["from"])), "{}: {message} in {texts:#?}", self.peer);
                }
                "receipt" | "error" => {}
                other => panic!("{}: an unexpected {other}", self.peer),
            }
        }
    }

    fn generation(&self) -> u64 {
        self.handle.0.seating().expect("a seat").generation
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The signals that each session received, by their names, over its connections in the order of their generations.
fn received(tapes: &[Tape]) -> BTreeMap<&'static str, Vec<String>> {
    let mut tapes = tapes.to_vec();
    tapes.sort_by_key(|tape| (tape.peer, tape.generation()));
    let mut received: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for tape in tapes {
        let signals = tape.texts().into_iter().filter(|message| message["type"] == "message");
        received.entry(tape.peer).or_default().extend(signals.map(|signal| text(&signal["msg"])));
    }
    received
}

/// Of each stream, every signal comes after those that were sent before it, and once.
fn check_signals(received: &BTreeMap<&'static str, Vec<String>>) {
    for (peer, signals) in received {
        let mut last: BTreeMap<&str, u32> = BTreeMap::new();
        for signal in signals {
            let (stream, number) = signal.split_once('-').expect("stream-number");
            let number = number.parse().expect("a number");
            let before = last.insert(stream, number);
            assert!(before < Some(number), "{peer} got {signal} after {before:?}: {signals:?}");
        }
    }
}

/// Each signal of a client that stayed has one final answer, and the answer is true.
fn check_answers(client: &Client, received: &BTreeMap<&'static str, Vec<String>>) {
    let texts = client.tape.texts();
    for number in 1..=client.sent {
        let msg = format!("{}-{number}", client.stream);
        let finals: Vec<_> =
            texts.iter().filter(|answer| answer["re"] == msg.as_str() && answer["status"] != "parked").collect();
        let [answer] = finals.as_slice() else { panic!("{msg} has the answers {finals:?} in {texts:#?}") };
        let arrived = received.values().flatten().filter(|signal| **signal == msg).count();
        match answer["type"].as_str().expect("a type") {
            "receipt" => assert_eq!(arrived, 1, "{msg} was written: {answer}"),
            _ => assert_eq!((arrived, &answer["outcome"]), (0, &"not-delivered".into()), "{msg} was refused: {answer}"),
        }
    }
}

/// One life of a room: ann stays, bob is fenced by his own second connection while he talks, carol leaves, dave breaks and resumes.
fn a_busy_room() {
    let world = World::new();
    let spawn = |life: fn(&Arc<World>) -> Option<Client>| {
        let world = Arc::clone(&world);
        thread::spawn(move || life(&world))
    };
    let lives = [
        spawn(|world| {
            let mut ann = world.connect("ann", "ann", Dialect::V1, Entry::Anew);
            ann.send(&["bob", "carol"]);
            ann.send(&["dave", "bob", "bob"]);
            ann.send(&["carol", "dave", "bob"]);
            ann.send(&["dave"]);
            Some(ann)
        }),
        spawn(|world| {
            let mut bob = world.connect("bob", "bob", Dialect::V1, Entry::Anew);
            bob.send(&["ann", "carol"]);
            let elsewhere = {
                let world = Arc::clone(world);
                thread::spawn(move || {
                    let mut bob = world.connect("bob", "bob2", Dialect::V1, Entry::Resuming);
                    bob.send(&["ann", "dave"]);
                })
            };
            bob.send(&["ann", "ann"]);
            elsewhere.join().expect("bob's second connection");
            None
        }),
        spawn(|world| {
            let mut carol = world.connect("carol", "carol", Dialect::Raw, Entry::Anew);
            carol.send(&["ann", "bob"]);
            carol.send(&["dave", "ann", "bob"]);
            if thread_rng().gen_bool(0.5) {
                carol.leave();
            } else {
                carol.close();
            }
            None
        }),
        spawn(|world| {
            let mut dave = world.connect("dave", "dave", Dialect::V1, Entry::Anew);
            dave.send(&["bob", "ann"]);
            dave.break_down();
            let mut dave = world.connect("dave", "dave2", Dialect::V1, Entry::Resuming);
            dave.send(&["bob"]);
            None
        }),
        spawn(|world| {
            for _ in 0..6 {
                // The owner of a connection whose socket takes bytes again.
                let tapes = world.tapes();
                if !tapes.is_empty() {
                    world.flush(&tapes[thread_rng().gen_range(0..tapes.len())].handle);
                }
                thread::yield_now();
            }
            None
        }),
    ];
    let stayed: Vec<_> = lives.into_iter().filter_map(|life| life.join().expect("a life")).collect();
    world.settle();

    let tapes = world.tapes();
    for tape in &tapes {
        tape.check_roster();
    }
    let fenced = tapes.iter().filter(|tape| matches!(tape.frames().last(), Some(Heard::Close(4419)))).count();
    assert_eq!(fenced, 1, "bob's first connection");
    let received = received(&tapes);
    check_signals(&received);
    for client in &stayed {
        check_answers(client, &received);
    }
}

/// Debug builds keep every branch's locals of a hub's step apart: shuttle's usual 32 KiB are too few for its threads.
const STACK_BYTES: usize = 256 * 1024;

fn check(scheduler: impl Scheduler + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    shuttle::Runner::new(scheduler, config).run(a_busy_room);
}

#[test]
fn order_holds_in_random_schedules() {
    check(RandomScheduler::new(SCHEDULES));
}

#[test]
fn order_holds_in_schedules_with_few_preemptions() {
    check(PctScheduler::new(4, SCHEDULES));
}
