//! The way to a peer that speaks streams.

use std::{collections::VecDeque, time::Duration};

use aldis_protocol::{MsgId, Outcome, PeerId, Presence, Relayed, SignalKind, WireError};

use super::{
    super::undelivered::{Undelivered, Why},
    lane::{Connected, Takes},
    letter::{Fates, Letter},
};
use crate::{
    Outgoing,
    streams::{self, Moment, Position, Settled, Stream, StreamHeader, WINDOW_BYTES, WINDOW_MESSAGES},
};

/// How long a peer that could not be reached is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Its stream; see [`streams`].
#[derive(Debug)]
pub(super) struct StreamLane<T> {
    to: PeerId,
    number: u64,
    stream: Stream<Letter<T>, Relayed>,
    connected: Connected,
    presence: Presence,
    backlog: Backlog,
}

/// What came while the application took nothing: it is neither delivered nor acknowledged yet, and its sender's window ends there.
#[derive(Debug, Default)]
struct Backlog {
    signals: VecDeque<(Position, Relayed)>,
    bytes: usize,
}

impl<T> StreamLane<T> {
    /// `number` begins the names of its messages; `epoch` is random.
    pub(super) fn new(to: PeerId, number: u64, epoch: u32) -> Self {
        Self {
            to,
            number,
            stream: Stream::new(epoch),
            connected: Connected::No,
            presence: Presence::Here,
            backlog: Backlog::default(),
        }
    }

    pub(super) fn post(&mut self, letter: Letter<T>, now: Moment, fates: &mut Fates<T>) {
        let bytes = letter.bytes;
        if let Err(streams::Full(letter)) = self.stream.send(letter, bytes, now) {
            fates.push((letter.ticket, Err(Undelivered::not(Why::QueueFull))));
        }
    }

    pub(super) fn connect(&mut self, connected: Connected, now: Moment) {
        self.connected = connected;
        self.turn(now);
    }

    pub(super) fn present(&mut self, presence: Presence, now: Moment) {
        // Whoever is still there has not missed anything.
        if presence != self.presence {
            self.presence = presence;
            self.turn(now);
        }
    }

    pub(super) fn peek(&self, now: Moment) -> Option<usize> {
        self.stream.peek(now)
    }

    pub(super) fn take(&mut self, now: Moment) -> Option<Outgoing> {
        let next = self.stream.take(now)?;
        let Position { e, n } = next.s;
        let msg = MsgId::parse(&format!("{}.{e}.{n}", self.number)).ok()?;
        Some(next.item.numbered(msg, next.header()))
    }

    pub(super) fn take_ack(&mut self, now: Moment) -> Option<Outgoing> {
        let a = self.stream.take_ack(now)?;
        let header = serde_json::to_value(StreamHeader { s: None, a: Some(a) }).ok()?;
        Some(Outgoing::ack(&self.to, header).into())
    }

    pub(super) fn receive(&mut self, signal: Relayed, takes: Takes, now: Moment, fates: &mut Fates<T>) -> Vec<Relayed> {
        // Whoever is heard is there, whatever the server has told so far.
        self.present(Presence::Here, now);
        let StreamHeader { s, a } = signal.x.as_ref().map(|x| StreamHeader::read(x.get())).unwrap_or_default();
        if let Some(a) = a {
            settle(self.stream.acknowledge(a), fates, &Why::StreamEnded);
        }
        match s {
            _ if signal.kind == SignalKind::Ack => Vec::new(),
            // What has no position is not of the stream: a broadcast.
            None => vec![signal],
            Some(s) if takes == Takes::Nothing || !self.backlog.signals.is_empty() => {
                self.backlog.hold(s, signal);
                Vec::new()
            }
            Some(s) => self.deliver(s, signal, now),
        }
    }

    /// Goes on with what came while the application took nothing: by one message.
    pub(super) fn catch_up(&mut self, now: Moment) -> Option<Vec<Relayed>> {
        let (s, signal) = self.backlog.take()?;
        Some(self.deliver(s, signal, now))
    }

    fn deliver(&mut self, s: Position, signal: Relayed, now: Moment) -> Vec<Relayed> {
        let bytes = bytes_of(&signal);
        self.stream.receive(StreamHeader { s: Some(s), a: None }, signal, bytes, now).delivered
    }

    /// The server did not hand on the message of this name.
    pub(super) fn refuse(&mut self, name: &str, error: WireError, now: Moment, fates: &mut Fates<T>) {
        let Some(position) = position_of(name) else { return };
        if error.code.retryable() {
            let after = error.retry_after_ms.map_or(PAUSE, Duration::from_millis);
            self.stream.postpone(position, after, now);
        } else {
            settle(self.stream.refuse(position), fates, &Why::Refused(Box::new(error)));
        }
    }

    pub(super) fn expire(&mut self, now: Moment, fates: &mut Fates<T>) {
        settle(self.stream.expire(now), fates, &Why::TimedOut);
    }

    pub(super) fn end(&mut self, why: &Why, fates: &mut Fates<T>) {
        settle(self.stream.end(), fates, why);
    }

    pub(super) fn next_at(&self, now: Moment) -> Option<Moment> {
        self.stream.next_at(now)
    }

    fn turn(&mut self, now: Moment) {
        if self.connected == Connected::Yes && self.presence == Presence::Here {
            self.stream.open(now);
        } else {
            self.stream.shut();
        }
    }
}

impl Backlog {
    /// As much as its sender may have under way; what does not fit comes again.
    fn hold(&mut self, s: Position, signal: Relayed) {
        let bytes = bytes_of(&signal);
        let fits = self.signals.len() < WINDOW_MESSAGES && self.bytes.saturating_add(bytes) <= WINDOW_BYTES;
        let is_known = self.signals.iter().any(|(known, _)| *known == s);
        if (fits || self.signals.is_empty()) && !is_known {
            self.bytes += bytes;
            self.signals.push_back((s, signal));
        }
    }

    fn take(&mut self) -> Option<(Position, Relayed)> {
        let (s, signal) = self.signals.pop_front()?;
        self.bytes -= bytes_of(&signal);
        Some((s, signal))
    }
}

/// Less than what its sender counted, who has to keep within the same window.
fn bytes_of(signal: &Relayed) -> usize {
    signal.payload.as_ref().map_or(0, |payload| payload.get().len())
}

fn position_of(name: &str) -> Option<Position> {
    let (e, n) = name.split_once('.')?;
    Some(Position { e: e.parse().ok()?, n: n.parse().ok()? })
}

fn settle<T>(settled: Vec<Settled<Letter<T>>>, fates: &mut Fates<T>, why: &Why) {
    fates.extend(settled.into_iter().map(|Settled { item, outcome }| {
        let fate = match outcome {
            streams::Fate::Delivered => Ok(()),
            streams::Fate::NotDelivered => Err(Undelivered::new(Outcome::NotDelivered, why.clone())),
            streams::Fate::Unknown => Err(Undelivered::new(Outcome::Unknown, why.clone())),
        };
        (item.ticket, fate)
    }));
}
