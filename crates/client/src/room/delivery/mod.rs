//! What goes to the peers of a room, and what comes from them: a lane for each, which take turns, at the pace that the server allows.
//!
//! Every letter is settled: with its delivery, or with what became of it instead. Pure: time and the first epochs are passed in, what
//! is to be sent is taken out.

mod lane;
mod letter;
mod plain_lane;
mod stream_lane;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use aldis_protocol::{Limits, MsgId, PeerId, PeerInfo, Presence, Relayed, WireError, limits::WireLimits};

use self::lane::Lane;
pub(crate) use self::{
    lane::{Connected, STREAMS, Takes},
    letter::{Fates, Letter},
};
use super::{
    pace::Pace,
    undelivered::{Undelivered, Why},
};
use crate::{Addressed, Outgoing, streams::Moment};

/// How often what has to wait for the pace is looked after: acknowledgements and deadlines do not wait for it.
const LOOK: Duration = Duration::from_millis(50);

/// How many lanes of peers that are gone are kept: a stream goes on where its peer comes back under the same id.
const DORMANT_MAX: usize = 256;

/// The deliveries of one room.
#[derive(Debug)]
pub(crate) struct Delivery<T> {
    lanes: BTreeMap<PeerId, Entry<T>>,
    dormant: VecDeque<(PeerId, Entry<T>)>,
    limits: Limits,
    pace: Option<Pace>,
    /// When there is to be a look at it because the pace asked to wait.
    look_at: Option<Moment>,
    numbers: u64,
    turns: u64,
}

#[derive(Debug)]
struct Entry<T> {
    lane: Lane<T>,
    number: u64,
    /// When something was last sent on it, counted in messages.
    turn: u64,
}

/// What there is to do after a change.
#[derive(Debug)]
pub(crate) struct Due<T> {
    /// To be sent, in order.
    pub(crate) send: Vec<Outgoing>,
    /// To be told.
    pub(crate) fates: Fates<T>,
}

// Not derived: it would ask the same of the tickets.
impl<T> Default for Due<T> {
    fn default() -> Self {
        Self { send: Vec::new(), fates: Fates::new() }
    }
}

impl<T> Delivery<T> {
    pub(crate) fn new() -> Self {
        Self {
            lanes: BTreeMap::new(),
            dormant: VecDeque::new(),
            limits: Limits::default(),
            pace: None,
            look_at: None,
            numbers: 0,
            turns: 0,
        }
    }

    /// There is somebody to deliver to, perhaps again. `epoch` is random.
    pub(crate) fn add(&mut self, peer: &PeerInfo, epoch: u32, now: Moment, due: &mut Due<T>) {
        let slept = self.dormant.iter().position(|(id, _)| *id == peer.id).and_then(|index| self.dormant.remove(index));
        let connected = self.connected();
        let entry = self.lanes.entry(peer.id.clone()).or_insert_with(|| match slept {
            Some((_, entry)) => entry,
            None => {
                self.numbers += 1;
                Entry { lane: Lane::to(peer, self.numbers, epoch, now), number: self.numbers, turn: 0 }
            }
        });
        entry.lane.present(peer.presence, now);
        entry.lane.connect(connected, now, &mut due.fates);
    }

    /// They are gone, and why is what the senders of what is on its way are told.
    pub(crate) fn remove(&mut self, id: &PeerId, why: &Why, now: Moment, due: &mut Due<T>) {
        let Some(mut entry) = self.lanes.remove(id) else { return };
        entry.lane.end(why, &mut due.fates);
        entry.lane.connect(Connected::No, now, &mut due.fates);
        self.dormant.push_back((id.clone(), entry));
        if self.dormant.len() > DORMANT_MAX {
            self.dormant.pop_front();
        }
    }

    /// This side is gone: what comes is another stay, and has other streams.
    pub(crate) fn clear(&mut self, why: &Why, due: &mut Due<T>) {
        for entry in self.lanes.values_mut() {
            entry.lane.end(why, &mut due.fates);
        }
        self.lanes.clear();
        self.dormant.clear();
        self.pace = None;
    }

    /// A connection to the server stands.
    pub(crate) fn open(&mut self, limits: &WireLimits, others: usize, now: Moment, due: &mut Due<T>) {
        self.limits = known(limits);
        self.pace = Some(Pace::new(limits, others, now));
        self.connect(now, due);
    }

    /// It is gone.
    pub(crate) fn close(&mut self, now: Moment, due: &mut Due<T>) {
        self.pace = None;
        self.connect(now, due);
    }

    /// A peer can be reached, or cannot.
    pub(crate) fn present(&mut self, id: &PeerId, presence: Presence, now: Moment) {
        if let Some(entry) = self.lanes.get_mut(id) {
            entry.lane.present(presence, now);
        }
    }

    /// Takes a message for one peer.
    pub(crate) fn post(&mut self, message: Addressed, ticket: T, now: Moment, due: &mut Due<T>) {
        let entry = message.address().and_then(|to| self.lanes.get_mut(to));
        let letter = match (entry, Letter::check(message, &self.limits, ticket)) {
            (Some(entry), Ok(letter)) => return entry.lane.post(letter, now, &mut due.fates),
            (None, Ok(letter)) => (letter.ticket, Undelivered::not(Why::PeerLeft)),
            (_, Err(refused)) => refused,
        };
        due.fates.push((letter.0, Err(letter.1)));
    }

    /// Sends a message to everybody, once: nobody acknowledges it.
    pub(crate) fn broadcast(&mut self, message: Addressed, ticket: T, due: &mut Due<T>) {
        match Letter::check(message, &self.limits, ticket) {
            Ok(letter) if self.pace.is_some() => {
                due.send.push(letter.bare());
                due.fates.push((letter.ticket, Ok(())));
            }
            Ok(letter) => due.fates.push((letter.ticket, Err(Undelivered::not(Why::NotConnected)))),
            Err((ticket, refused)) => due.fates.push((ticket, Err(refused))),
        }
    }

    /// Takes a message of a peer. Returns what is to be handled now, in order.
    pub(crate) fn receive(&mut self, signal: Relayed, takes: Takes, now: Moment, due: &mut Due<T>) -> Vec<Relayed> {
        match self.lanes.get_mut(&signal.from) {
            Some(entry) => entry.lane.receive(signal, takes, now, &mut due.fates),
            None => Vec::new(),
        }
    }

    /// Goes on, by one message, with what came while the application took nothing; `None` where nothing is left.
    pub(crate) fn catch_up(&mut self, now: Moment) -> Option<Vec<Relayed>> {
        self.lanes.values_mut().find_map(|entry| entry.lane.catch_up(now))
    }

    /// The server says that a message reached its peer's connection.
    pub(crate) fn written(&mut self, msg: &MsgId, due: &mut Due<T>) {
        if let Some((entry, name)) = self.find(msg) {
            entry.lane.written(name, &mut due.fates);
        }
    }

    /// The server says that it did not hand a message on. Returns the error where it is about none of ours.
    pub(crate) fn refuse(&mut self, error: WireError, now: Moment, due: &mut Due<T>) -> Option<WireError> {
        let re = error.re.clone();
        match re.as_ref().and_then(|re| self.find(re)) {
            Some((entry, name)) => entry.lane.refuse(name, error, now, &mut due.fates),
            None => return Some(error),
        }
        None
    }

    /// Finds out what there is to do now.
    pub(crate) fn pump(&mut self, now: Moment, due: &mut Due<T>) {
        for entry in self.lanes.values_mut() {
            entry.lane.expire(now, &mut due.fates);
            let acks = std::iter::from_fn(|| entry.lane.take_ack(now));
            // Without a connection they are lost, as they might be with one: what is not acknowledged comes again.
            due.send.extend(acks.filter(|_| self.pace.is_some()));
        }
        self.look_at = None;
        let Some(pace) = &mut self.pace else { return };
        // The peers take turns, so that none of them keeps the others waiting.
        while let Some((bytes, entry)) = next(&mut self.lanes, now) {
            if let Err(wait) = pace.take(bytes, now) {
                self.look_at = Some(now + wait.min(LOOK));
                return;
            }
            due.send.extend(entry.lane.take(now));
            self.turns += 1;
            entry.turn = self.turns;
        }
    }

    /// When [`pump`](Self::pump) is to be called again.
    pub(crate) fn next_at(&self, now: Moment) -> Option<Moment> {
        // What waits for the pace is due all the time.
        self.look_at.or_else(|| self.lanes.values().filter_map(|entry| entry.lane.next_at(now)).min())
    }

    fn connected(&self) -> Connected {
        if self.pace.is_some() { Connected::Yes } else { Connected::No }
    }

    fn connect(&mut self, now: Moment, due: &mut Due<T>) {
        let connected = self.connected();
        for entry in self.lanes.values_mut() {
            entry.lane.connect(connected, now, &mut due.fates);
        }
    }

    fn find<'a>(&mut self, msg: &'a MsgId) -> Option<(&mut Entry<T>, &'a str)> {
        let (number, name) = msg.as_str().split_once('.')?;
        let number: u64 = number.parse().ok()?;
        self.lanes.values_mut().find(|entry| entry.number == number).map(|entry| (entry, name))
    }
}

/// Whose turn it is, and how many bytes it has to send.
fn next<T>(lanes: &mut BTreeMap<PeerId, Entry<T>>, now: Moment) -> Option<(usize, &mut Entry<T>)> {
    let ready = lanes.values_mut().filter_map(|entry| Some((entry.lane.peek(now)?, entry)));
    ready.min_by_key(|(_, entry)| entry.turn)
}

/// The limits of the server, as far as it tells them.
fn known(limits: &WireLimits) -> Limits {
    Limits {
        message_bytes: limits.message_bytes,
        small_message_bytes: limits.small_message_bytes,
        json_depth: limits.json_depth,
        x_bytes: limits.x_bytes,
        attributes_bytes: limits.attributes_bytes,
        ..Limits::default()
    }
}
