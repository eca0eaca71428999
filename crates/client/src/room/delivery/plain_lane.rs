//! The way to a peer that speaks no streams: plain messages, each sent once and in order, with a receipt.
//!
//! What the server could not hand on (`unknown-peer`, `queue-full`, …) is sent again after a pause. What was sent on a connection that
//! broke may have arrived, and would be taken for another one the second time: it is given up.

use std::{collections::VecDeque, time::Duration};

use aldis_protocol::{MsgId, Outcome, Presence, WireError};

use super::{
    super::undelivered::{Undelivered, Why},
    lane::Connected,
    letter::{Fates, Letter},
};
use crate::{
    Outgoing,
    streams::{Moment, SETTLE},
};

/// How many messages may wait.
const CAPACITY: usize = 256;

/// How long a peer that could not be reached is left alone; its return ends that.
const PAUSE: Duration = Duration::from_secs(1);

/// A receipt or a refusal comes within 35 s, and what says so is itself on the way.
const RECEIPT: Duration = Duration::from_secs(36);

/// Its queue; see the module.
#[derive(Debug)]
pub(super) struct PlainLane<T> {
    number: u64,
    connected: Connected,
    entries: VecDeque<Entry<T>>,
    counter: u64,
    paused_until: Moment,
}

#[derive(Debug)]
struct Entry<T> {
    letter: Letter<T>,
    name: u64,
    /// When it is too late to send it.
    send_by: Moment,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    /// An answer is waited for until then.
    Sent(Moment),
}

impl<T> Entry<T> {
    fn deadline(&self) -> Moment {
        match self.state {
            State::Queued => self.send_by,
            State::Sent(answer_by) => answer_by,
        }
    }
}

impl<T> PlainLane<T> {
    /// `number` begins the names of its messages.
    pub(super) fn new(number: u64, now: Moment) -> Self {
        Self { number, connected: Connected::No, entries: VecDeque::new(), counter: 0, paused_until: now }
    }

    pub(super) fn post(&mut self, letter: Letter<T>, now: Moment, fates: &mut Fates<T>) {
        if self.entries.len() >= CAPACITY {
            fates.push((letter.ticket, Err(Undelivered::not(Why::QueueFull))));
            return;
        }
        self.counter += 1;
        self.entries.push_back(Entry { letter, name: self.counter, send_by: now + SETTLE, state: State::Queued });
    }

    pub(super) fn connect(&mut self, connected: Connected, now: Moment, fates: &mut Fates<T>) {
        self.connected = connected;
        self.paused_until = now;
        let broke = Undelivered::new(Outcome::Unknown, Why::ConnectionBroke);
        self.settle(fates, |entry| (entry.state != State::Queued).then(|| Err(broke.clone())));
    }

    pub(super) fn present(&mut self, presence: Presence, now: Moment) {
        // The server keeps messages for a while for whoever is away.
        if presence == Presence::Here {
            self.paused_until = now;
        }
    }

    pub(super) fn peek(&self, now: Moment) -> Option<usize> {
        self.next(now).and_then(|index| self.entries.get(index)).map(|entry| entry.letter.bytes)
    }

    pub(super) fn take(&mut self, now: Moment) -> Option<Outgoing> {
        let index = self.next(now)?;
        let entry = self.entries.get_mut(index)?;
        let msg = MsgId::parse(&format!("{}.{}", self.number, entry.name)).ok()?;
        entry.state = State::Sent(now + RECEIPT);
        Some(entry.letter.plain(msg))
    }

    /// The server wrote the message of this name to the peer's connection.
    pub(super) fn written(&mut self, name: &str, fates: &mut Fates<T>) {
        self.settle(fates, |entry| is_named(entry, name).then_some(Ok(())));
    }

    /// The server did not hand on the message of this name.
    pub(super) fn refuse(&mut self, name: &str, error: &WireError, now: Moment, fates: &mut Fates<T>) {
        let outcome = error.outcome.unwrap_or(Outcome::NotDelivered);
        if error.code.retryable() && outcome == Outcome::NotDelivered {
            let Some(entry) = self.entries.iter_mut().find(|entry| is_named(entry, name)) else { return };
            entry.state = State::Queued;
            self.paused_until = now + PAUSE.max(Duration::from_millis(error.retry_after_ms.unwrap_or(0)));
        } else {
            let refused = Undelivered::new(outcome, Why::Refused(Box::new(error.clone())));
            self.settle(fates, |entry| is_named(entry, name).then(|| Err(refused.clone())));
        }
    }

    pub(super) fn expire(&mut self, now: Moment, fates: &mut Fates<T>) {
        self.settle(fates, |entry| (entry.deadline() <= now).then(|| Err(lost(entry, Why::TimedOut))));
    }

    pub(super) fn end(&mut self, why: &Why, fates: &mut Fates<T>) {
        self.settle(fates, |entry| Some(Err(lost(entry, why.clone()))));
    }

    pub(super) fn next_at(&self, now: Moment) -> Option<Moment> {
        let queued = self.entries.iter().any(|entry| entry.state == State::Queued);
        let sending = (self.connected == Connected::Yes && queued).then_some(self.paused_until.max(now));
        self.entries.iter().map(Entry::deadline).chain(sending).min()
    }

    fn next(&self, now: Moment) -> Option<usize> {
        if self.connected == Connected::No || now < self.paused_until {
            return None;
        }
        self.entries.iter().position(|entry| entry.state == State::Queued)
    }

    fn settle(&mut self, fates: &mut Fates<T>, fate: impl Fn(&Entry<T>) -> Option<Result<(), Undelivered>>) {
        for entry in std::mem::take(&mut self.entries) {
            match fate(&entry) {
                Some(fate) => fates.push((entry.letter.ticket, fate)),
                None => self.entries.push_back(entry),
            }
        }
    }
}

fn is_named<T>(entry: &Entry<T>, name: &str) -> bool {
    name.parse() == Ok(entry.name)
}

/// What was never sent has certainly not arrived.
fn lost<T>(entry: &Entry<T>, why: Why) -> Undelivered {
    let outcome = match entry.state {
        State::Queued => Outcome::NotDelivered,
        State::Sent(_) => Outcome::Unknown,
    };
    Undelivered::new(outcome, why)
}
