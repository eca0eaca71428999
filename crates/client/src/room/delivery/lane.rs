//! The way to one peer and back: a stream where both sides speak them, plain messages otherwise.

use aldis_protocol::{PeerInfo, Presence, Relayed, SignalKind, WireError};

use super::{
    super::undelivered::Why,
    letter::{Fates, Letter},
    plain_lane::PlainLane,
    stream_lane::StreamLane,
};
use crate::{Outgoing, streams::Moment};

/// What a peer's `hello` names where it speaks streams.
pub(crate) const STREAMS: &str = "streams";

/// Whether this side's connection stands; what stood before may have swallowed what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connected {
    Yes,
    No,
}

/// Whether the application takes anything at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Everything,
    /// Messages of streams wait, and with them their senders.
    Nothing,
}

/// The way to one peer; see the module.
#[derive(Debug)]
pub(super) enum Lane<T> {
    Stream(StreamLane<T>),
    Plain(PlainLane<T>),
}

impl<T> Lane<T> {
    /// The way to this peer. `number` begins the names of its messages.
    pub(super) fn to(peer: &PeerInfo, number: u64, epoch: u32, now: Moment) -> Self {
        if peer.features.iter().any(|feature| feature == STREAMS) {
            Self::Stream(StreamLane::new(peer.id.clone(), number, epoch))
        } else {
            Self::Plain(PlainLane::new(number, now))
        }
    }

    /// Takes a letter, which it settles sooner or later.
    pub(super) fn post(&mut self, letter: Letter<T>, now: Moment, fates: &mut Fates<T>) {
        match self {
            Self::Stream(lane) => lane.post(letter, now, fates),
            Self::Plain(lane) => lane.post(letter, now, fates),
        }
    }

    pub(super) fn connect(&mut self, connected: Connected, now: Moment, fates: &mut Fates<T>) {
        match self {
            Self::Stream(lane) => lane.connect(connected, now),
            Self::Plain(lane) => lane.connect(connected, now, fates),
        }
    }

    /// Whether the peer's connection stands.
    pub(super) fn present(&mut self, presence: Presence, now: Moment) {
        match self {
            Self::Stream(lane) => lane.present(presence, now),
            Self::Plain(lane) => lane.present(presence, now),
        }
    }

    /// How many bytes the signal has that may go now.
    pub(super) fn peek(&self, now: Moment) -> Option<usize> {
        match self {
            Self::Stream(lane) => lane.peek(now),
            Self::Plain(lane) => lane.peek(now),
        }
    }

    /// The signal that goes now.
    pub(super) fn take(&mut self, now: Moment) -> Option<Outgoing> {
        match self {
            Self::Stream(lane) => lane.take(now),
            Self::Plain(lane) => lane.take(now),
        }
    }

    /// The acknowledgement that goes now.
    pub(super) fn take_ack(&mut self, now: Moment) -> Option<Outgoing> {
        match self {
            Self::Stream(lane) => lane.take_ack(now),
            Self::Plain(_) => None,
        }
    }

    /// Takes a message of the peer. Returns what is to be handled now, in order.
    pub(super) fn receive(&mut self, signal: Relayed, takes: Takes, now: Moment, fates: &mut Fates<T>) -> Vec<Relayed> {
        match self {
            Self::Stream(lane) => lane.receive(signal, takes, now, fates),
            // It has nothing to acknowledge.
            Self::Plain(_) if signal.kind == SignalKind::Ack => Vec::new(),
            Self::Plain(_) => vec![signal],
        }
    }

    /// Goes on, by one message, with what came while the application took nothing; `None` where nothing is left.
    pub(super) fn catch_up(&mut self, now: Moment) -> Option<Vec<Relayed>> {
        match self {
            Self::Stream(lane) => lane.catch_up(now),
            Self::Plain(_) => None,
        }
    }

    /// The server wrote a message to the peer's connection.
    pub(super) fn written(&mut self, name: &str, fates: &mut Fates<T>) {
        match self {
            // It asks for no receipts.
            Self::Stream(_) => {}
            Self::Plain(lane) => lane.written(name, fates),
        }
    }

    /// The server did not hand a message on.
    pub(super) fn refuse(&mut self, name: &str, error: WireError, now: Moment, fates: &mut Fates<T>) {
        match self {
            Self::Stream(lane) => lane.refuse(name, error, now, fates),
            Self::Plain(lane) => lane.refuse(name, &error, now, fates),
        }
    }

    /// Settles what is too late.
    pub(super) fn expire(&mut self, now: Moment, fates: &mut Fates<T>) {
        match self {
            Self::Stream(lane) => lane.expire(now, fates),
            Self::Plain(lane) => lane.expire(now, fates),
        }
    }

    /// There is no way to the peer any more.
    pub(super) fn end(&mut self, why: &Why, fates: &mut Fates<T>) {
        match self {
            Self::Stream(lane) => lane.end(why, fates),
            Self::Plain(lane) => lane.end(why, fates),
        }
    }

    /// When something is to be done next.
    pub(super) fn next_at(&self, now: Moment) -> Option<Moment> {
        match self {
            Self::Stream(lane) => lane.next_at(now),
            Self::Plain(lane) => lane.next_at(now),
        }
    }
}
