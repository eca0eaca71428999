//! A stream to one peer and back: every message is delivered once and in order, or its sender is told what became of it.
//!
//! ```
//! use aldis_client::streams::{Moment, Fate, Settled, Stream, StreamHeader};
//!
//! let (mut ann, mut bob) = (Stream::<&str>::new(2_718_281_828), Stream::<&str>::new(161_803_398));
//! let mut now = Moment::from_millis(0);
//! ann.open(now);
//! ann.send("hello", 5, now)?;
//!
//! // The first copy is lost. The second one has the same position.
//! let lost = ann.take(now).expect("may be sent").header();
//! now = ann.next_at(now).expect("is to be sent again");
//! let copy = ann.take(now).expect("may be sent").header();
//! assert_eq!(copy, lost);
//!
//! let received = bob.receive(copy, "hello", 5, now);
//! assert_eq!(received.delivered, ["hello"]);
//!
//! // Bob has nothing to say that could take the acknowledgement along, so after a while it travels alone.
//! now = bob.next_at(now).expect("has to acknowledge");
//! let ack = StreamHeader { s: None, a: bob.take_ack(now) };
//! let received = ann.receive(ack, "", 0, now);
//! assert_eq!(received.settled, [Settled { item: "hello", outcome: Fate::Delivered }]);
//! # Ok::<(), aldis_client::streams::Full<&str>>(())
//! ```
//!
//! # Why
//! A server that relays cannot promise delivery: what it has written may die with a socket. So the two clients acknowledge to each other,
//! end to end, in the `x` of their messages, and keep what is not acknowledged. `docs/protocol.md`, "Streams", is the rule; the SDK for
//! browsers has the same algorithm, and both play the traces in `streams/`.
//!
//! # How it is used
//! There is one [`Stream`] for each peer that names `streams` among its features. It ends with either of the two peer ids and no sooner:
//! it outlives connections, and whoever begins a second one between the same two ids breaks the promise.
//!
//! It has no timer, socket, clock or randomness. Its owner
//! - sends what [`take`](Stream::take) and [`take_ack`](Stream::take_ack) give, as long as they give something, and adds their header to `x`;
//! - hands what comes to [`receive`](Stream::receive), with the header that [`StreamHeader::read`] finds in its `x`;
//! - says when the peer can be reached ([`open`](Stream::open), [`shut`](Stream::shut)): at first it cannot;
//! - says what the server refused ([`postpone`](Stream::postpone), [`refuse`](Stream::refuse)), and that the peer is gone for good
//!   ([`end`](Stream::end));
//! - calls [`expire`](Stream::expire) before it sends, and comes back at [`next_at`](Stream::next_at) at the latest.
//!
//! # Units and limits
//! Time is a [`Moment`], and never goes back. `bytes` is the size of a message as its owner counts it, without what the stream adds; both
//! ends should count alike. [`WINDOW_MESSAGES`] and [`WINDOW_BYTES`] are under way at most, and as much is held back by a receiver;
//! [`WAITING_MAX`] more wait. What is not acknowledged is sent again after 1 s, then after 2, 4, 8 and every 8 s, and after [`SETTLE`] it is
//! given up. An acknowledgement waits for 50 ms, or for the 16th message.
//!
//! | module | holds |
//! |---|---|
//! | `header` | what travels, and how it is read |
//! | `moment` | time |
//! | `outgoing` | the sending half |
//! | `incoming` | the receiving half |

mod header;
mod incoming;
mod moment;
mod outgoing;

use std::time::Duration;

pub use header::{Acknowledgement, Position, StreamHeader};
use incoming::Incoming;
pub use moment::Moment;
use outgoing::Outgoing;
pub use outgoing::{SETTLE, WAITING_MAX, WINDOW_BYTES, WINDOW_MESSAGES};

/// Both halves; see the [module](self). `Ours` is what is sent, and comes back when it is settled; `Theirs` is what comes.
#[derive(Debug)]
pub struct Stream<Ours, Theirs = Ours> {
    outgoing: Outgoing<Ours>,
    incoming: Incoming<Theirs>,
}

/// What is to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<'a, Ours> {
    /// The message. The stream keeps it: it may have to be sent again.
    pub item: &'a Ours,
    /// Its position.
    pub s: Position,
    /// What is acknowledged with it.
    pub a: Option<Acknowledgement>,
}

impl<Ours> Taken<'_, Ours> {
    /// What it adds to `x`.
    #[must_use]
    pub fn header(&self) -> StreamHeader {
        StreamHeader { s: Some(self.s), a: self.a }
    }
}

/// What came of what was received.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is delivered is delivered only once, and so is what is settled"]
pub struct Received<Theirs, Ours> {
    /// To be handed to the application, in order.
    pub delivered: Vec<Theirs>,
    /// What is known now of our own messages.
    pub settled: Vec<Settled<Ours>>,
    /// What was received, where it has no position: it is not of the stream, as a bare acknowledgement or a broadcast.
    pub unnumbered: Option<Theirs>,
}

/// A message, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled<Ours> {
    /// The message.
    pub item: Ours,
    /// What became of it.
    pub outcome: Fate,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It was delivered, once and in order.
    Delivered,
    /// It was not, for certain.
    NotDelivered,
    /// It may have arrived, or arrive yet where a copy is still on its way, but never twice, and never after something that was sent later.
    Unknown,
}

/// Too many messages wait already: this one was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many messages wait for this peer")]
pub struct Full<Item>(
    /// The message.
    pub Item,
);

impl<Ours, Theirs> Stream<Ours, Theirs> {
    /// A stream whose first epoch is this number. It has to be random, so that nothing of an earlier stream is taken for this one's.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        Self { outgoing: Outgoing::new(epoch), incoming: Incoming::new() }
    }

    /// How many messages are not settled yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether every message is settled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a message of so many bytes to be sent.
    ///
    /// # Errors
    /// [`Full`] gives it back where [`WAITING_MAX`] wait already.
    pub fn send(&mut self, item: Ours, bytes: usize, now: Moment) -> Result<(), Full<Ours>> {
        self.outgoing.push(item, bytes, now)
    }

    /// How many bytes the message has that may be sent now, if there is one.
    #[must_use]
    pub fn peek(&self, now: Moment) -> Option<usize> {
        self.outgoing.peek(now)
    }

    /// The message that may be sent now; it has to be sent.
    #[must_use]
    pub fn take(&mut self, now: Moment) -> Option<Taken<'_, Ours>> {
        let (item, s) = self.outgoing.take(now)?;
        Some(Taken { item, s, a: self.incoming.take() })
    }

    /// The acknowledgement that has waited long enough for a message to travel with; it has to be sent.
    #[must_use]
    pub fn take_ack(&mut self, now: Moment) -> Option<Acknowledgement> {
        self.incoming.ack_at().filter(|at| *at <= now)?;
        self.incoming.take()
    }

    /// Takes what came: a message of so many bytes with its header, or a bare acknowledgement.
    pub fn receive(&mut self, header: StreamHeader, item: Theirs, bytes: usize, now: Moment) -> Received<Theirs, Ours> {
        let settled = header.a.map(|a| self.acknowledge(a)).unwrap_or_default();
        match header.s {
            None => Received { delivered: Vec::new(), settled, unnumbered: Some(item) },
            Some(s) => Received { delivered: self.incoming.receive(s, item, bytes, now), settled, unnumbered: None },
        }
    }

    /// Takes an acknowledgement alone, as [`receive`](Self::receive) does with that of a message.
    #[must_use = "what is settled is settled only once"]
    pub fn acknowledge(&mut self, a: Acknowledgement) -> Vec<Settled<Ours>> {
        self.outgoing.acknowledge(a)
    }

    /// The server did not hand a message on, and it may later: it is sent again, not before `retry_after` has passed.
    pub fn postpone(&mut self, position: Position, retry_after: Duration, now: Moment) {
        self.outgoing.postpone(position, retry_after, now);
    }

    /// The server will never hand a message on. Settles everything that is under way.
    #[must_use = "what is settled is settled only once"]
    pub fn refuse(&mut self, position: Position) -> Vec<Settled<Ours>> {
        self.outgoing.refuse(position)
    }

    /// The peer can be reached, or can be again: what is under way goes again at once.
    pub fn open(&mut self, now: Moment) {
        self.outgoing.open(now);
    }

    /// The peer cannot be reached: nothing is sent, and deadlines go on.
    pub fn shut(&mut self) {
        self.outgoing.shut();
    }

    /// Acknowledges at once what is owed, for an owner whose timers are late.
    pub fn hurry(&mut self, now: Moment) {
        self.incoming.hurry(now);
    }

    /// Settles what is too late.
    #[must_use = "what is settled is settled only once"]
    pub fn expire(&mut self, now: Moment) -> Vec<Settled<Ours>> {
        self.outgoing.expire(now)
    }

    /// The peer is gone for good: settles everything.
    #[must_use = "what is settled is settled only once"]
    pub fn end(&mut self) -> Vec<Settled<Ours>> {
        self.outgoing.end()
    }

    /// When something is to be done next, if anything is.
    #[must_use]
    pub fn next_at(&self, now: Moment) -> Option<Moment> {
        [self.outgoing.next_at(now), self.incoming.ack_at()].into_iter().flatten().min()
    }
}
