//! The sending half of a stream: what was sent to one peer, until it is known what became of it.
//!
//! A message *waits* until the window has room for it, then *flies* under a position of the current epoch, and is sent again after pauses
//! until an acknowledgement covers it. A position is never given up: where one message cannot be brought over, the epoch ends, everything
//! that flew in it is settled, and the next one begins at place 1. What still waited goes on in there.

use std::{collections::VecDeque, time::Duration};

use super::{Acknowledgement, Fate, Full, Moment, Position, Settled};

/// How many messages fly at once: as many as a receiver holds back for the one that is missing.
pub const WINDOW_MESSAGES: usize = 64;
/// How many bytes fly at once, unless one message alone has more.
pub const WINDOW_BYTES: usize = 256 * 1024;
/// How many messages may wait behind them.
pub const WAITING_MAX: usize = 1_024;
/// How long a message has to be settled.
pub const SETTLE: Duration = Duration::from_secs(30);

/// How long the first pause before sending again is, and the longest: each is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// The sending half; see the module.
#[derive(Debug)]
pub(super) struct Outgoing<Item> {
    epoch: u32,
    /// The last place that was given out.
    last: u64,
    /// In the order of their deadlines.
    waiting: VecDeque<Letter<Item>>,
    /// In the order of their places, which is that of their deadlines.
    flying: VecDeque<Flight<Item>>,
    way: Way,
}

#[derive(Debug)]
struct Letter<Item> {
    item: Item,
    bytes: usize,
    deadline: Moment,
}

#[derive(Debug)]
struct Flight<Item> {
    letter: Letter<Item>,
    n: u64,
    sent: Sent,
    /// When it is to be sent again, and how long the pause after that is.
    due_at: Moment,
    pause: Duration,
}

/// How often it was sent: of one that was sent once, a refusal says for certain that it has not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Once,
    Again,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Shut,
}

/// What may be sent now.
enum Due {
    /// Once more, what flies already: its index.
    Again(usize),
    /// The first that waits.
    Next,
}

impl<Item> Outgoing<Item> {
    pub(super) fn new(epoch: u32) -> Self {
        Self { epoch, last: 0, waiting: VecDeque::new(), flying: VecDeque::new(), way: Way::Shut }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.flying.len()
    }

    pub(super) fn push(&mut self, item: Item, bytes: usize, now: Moment) -> Result<(), Full<Item>> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Full(item));
        }
        self.waiting.push_back(Letter { item, bytes, deadline: now + SETTLE });
        Ok(())
    }

    /// The peer can be reached: what flies may not have arrived, and goes again at once.
    pub(super) fn open(&mut self, now: Moment) {
        self.way = Way::Open;
        for flight in &mut self.flying {
            flight.due_at = now;
            flight.pause = PAUSE;
        }
    }

    /// The peer cannot be reached: nothing is sent, and deadlines go on.
    pub(super) fn shut(&mut self) {
        self.way = Way::Shut;
    }

    pub(super) fn peek(&self, now: Moment) -> Option<usize> {
        match self.due(now)? {
            Due::Again(index) => self.flying.get(index).map(|flight| flight.letter.bytes),
            Due::Next => self.waiting.front().map(|letter| letter.bytes),
        }
    }

    pub(super) fn take(&mut self, now: Moment) -> Option<(&Item, Position)> {
        let flight = match self.due(now)? {
            Due::Again(index) => {
                let flight = self.flying.get_mut(index)?;
                flight.sent = Sent::Again;
                flight.due_at = now + flight.pause;
                flight.pause = PAUSE_MAX.min(2 * flight.pause);
                &*flight
            }
            Due::Next => {
                let letter = self.waiting.pop_front()?;
                self.last += 1;
                let flight = Flight { letter, n: self.last, sent: Sent::Once, due_at: now + PAUSE, pause: 2 * PAUSE };
                self.flying.push_back(flight);
                self.flying.back()?
            }
        };
        Some((&flight.letter.item, Position { e: self.epoch, n: flight.n }))
    }

    pub(super) fn acknowledge(&mut self, a: Acknowledgement) -> Vec<Settled<Item>> {
        match a {
            Acknowledgement::Reset { e } if e == self.epoch => self.begin(|_| Fate::Unknown),
            // Nobody can have got what was never sent.
            Acknowledgement::Arrived(Position { e, n }) if e == self.epoch && n <= self.last => {
                let arrived = self.flying.partition_point(|flight| flight.n <= n);
                self.flying.drain(..arrived).map(|flight| flight.letter.settled(Fate::Delivered)).collect()
            }
            Acknowledgement::Reset { .. } | Acknowledgement::Arrived(_) => Vec::new(),
        }
    }

    /// The server did not hand a message on, and it may later: it is sent again, not before `retry_after` has passed.
    pub(super) fn postpone(&mut self, position: Position, retry_after: Duration, now: Moment) {
        let index = self.find(position);
        if let Some(flight) = index.and_then(|index| self.flying.get_mut(index)) {
            flight.due_at = flight.due_at.max(now + retry_after);
        }
    }

    /// The server will never hand a message on. Where it was sent only once, neither it nor what followed has been delivered.
    pub(super) fn refuse(&mut self, position: Position) -> Vec<Settled<Item>> {
        let index = self.find(position);
        let Some(sent) = index.and_then(|index| self.flying.get(index)).map(|flight| flight.sent) else {
            return Vec::new();
        };
        self.begin(|flight| match sent {
            Sent::Once if flight.n >= position.n => Fate::NotDelivered,
            Sent::Once | Sent::Again => Fate::Unknown,
        })
    }

    pub(super) fn expire(&mut self, now: Moment) -> Vec<Settled<Item>> {
        let flew = self.flying.front().is_some_and(|flight| flight.letter.deadline <= now);
        let mut settled = if flew { self.begin(|_| Fate::Unknown) } else { Vec::new() };
        let late = self.waiting.partition_point(|letter| letter.deadline <= now);
        settled.extend(self.waiting.drain(..late).map(|letter| letter.settled(Fate::NotDelivered)));
        settled
    }

    pub(super) fn end(&mut self) -> Vec<Settled<Item>> {
        let mut settled = self.begin(|_| Fate::Unknown);
        settled.extend(self.waiting.drain(..).map(|letter| letter.settled(Fate::NotDelivered)));
        settled
    }

    pub(super) fn next_at(&self, now: Moment) -> Option<Moment> {
        let deadlines =
            [self.flying.front().map(|flight| flight.letter.deadline), self.waiting.front().map(|l| l.deadline)];
        let sendings = match self.way {
            Way::Open => [self.flying.iter().map(|flight| flight.due_at).min(), self.due(now).map(|_| now)],
            Way::Shut => [None, None],
        };
        deadlines.into_iter().chain(sendings).flatten().min()
    }

    fn due(&self, now: Moment) -> Option<Due> {
        if self.way == Way::Shut {
            return None;
        }
        if let Some(index) = self.flying.iter().position(|flight| flight.due_at <= now) {
            return Some(Due::Again(index));
        }
        let next = self.waiting.front()?;
        (self.flying.is_empty() || self.has_room_for(next.bytes)).then_some(Due::Next)
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        let flying = self.flying.iter().fold(bytes, |sum, flight| sum.saturating_add(flight.letter.bytes));
        self.flying.len() < WINDOW_MESSAGES && flying <= WINDOW_BYTES
    }

    fn find(&self, Position { e, n }: Position) -> Option<usize> {
        if e != self.epoch {
            return None;
        }
        self.flying.binary_search_by_key(&n, |flight| flight.n).ok()
    }

    /// Begins the next epoch: a hole never stays inside one.
    fn begin(&mut self, outcome: impl Fn(&Flight<Item>) -> Fate) -> Vec<Settled<Item>> {
        self.epoch = self.epoch.wrapping_add(1);
        self.last = 0;
        let settle = |flight: Flight<Item>| {
            let outcome = outcome(&flight);
            flight.letter.settled(outcome)
        };
        self.flying.drain(..).map(settle).collect()
    }
}

impl<Item> Letter<Item> {
    fn settled(self, outcome: Fate) -> Settled<Item> {
        Settled { item: self.item, outcome }
    }
}
