//! The order of a connection's POSTs.
//!
//! Each is a request of its own, so they may overtake each other, and one whose answer got lost comes again. They are handed to the
//! connection's task in the order of their `seq`, each once; a repeated one is answered like the first, in its turn, so that its 204
//! means the same.
//!
//! ```text
//!            seq = next                          taken by the owner
//!  POST ──────────────────────► ready ───────────────────────────────► fate: handled, superseded, gone
//!    │ seq > next      ▲          ▲
//!    └──────► early ───┘          │ as a repeat
//!    └ seq < next ────────────────┘
//! ```

use std::collections::VecDeque;

use aldis_protocol::{ErrorCode, Identity, Limits, RoomId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::parted::Parted;
use crate::connection::outlet::Handle;

/// Where the POSTs of one connection wait for its task.
pub struct Mailbox {
    /// Whose connection it is.
    pub identity: Identity,
    /// Its room.
    pub room: RoomId,
    order: Mutex<Order>,
    max_waiting: usize,
    owner: Handle,
}

/// One POST, and who waits for what becomes of it.
#[derive(Debug)]
pub struct Delivery {
    /// What is to be done.
    pub work: Work,
    answer: oneshot::Sender<Fate>,
}

/// What a POST comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    /// A body that parses, to be handled.
    Post(String),
    /// So many bytes that have been handled already.
    Repeat(usize),
    /// So many bytes that are no body, and why.
    Broken(usize, ErrorCode),
}

/// What became of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Each of its messages was handled.
    Handled,
    /// The session has a newer connection.
    Superseded,
    /// The connection has ended.
    Gone,
}

/// Why a POST is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The connection has ended.
    Gone,
    /// It comes too early, and so do as many others as may wait.
    Early,
    /// As many as may are waiting for their turn.
    Full,
}

struct Order {
    /// The `seq` that is handed on next.
    next: u64,
    ready: VecDeque<Delivery>,
    early: Vec<(u64, Delivery)>,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Open,
    Closed,
}

impl Delivery {
    /// Tells whoever waits; nobody may.
    pub fn answer(self, fate: Fate) {
        let _ = self.answer.send(fate);
    }
}

impl Mailbox {
    /// The mailbox of a connection.
    #[must_use]
    pub fn new(identity: Identity, room: RoomId, owner: Handle, limits: &Limits) -> Self {
        let order = Order { next: 1, ready: VecDeque::new(), early: Vec::new(), stage: Stage::Open };
        let max_waiting = usize::try_from(limits.posts_waiting).unwrap_or(usize::MAX);
        Self { identity, room, order: Mutex::new(order), max_waiting, owner }
    }

    /// Gives a body its place. Whoever drops the receiver has given up on it.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn post(&self, seq: u64, body: String) -> Result<oneshot::Receiver<Fate>, Refused> {
        let (answer, fate) = oneshot::channel();
        self.order.lock().place(seq, body, answer, self.max_waiting)?;
        self.owner.0.wake();
        Ok(fate)
    }

    /// Hands on that something came which is no body.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    pub fn broken(&self, bytes: usize, code: ErrorCode) -> Result<oneshot::Receiver<Fate>, Refused> {
        let (answer, fate) = oneshot::channel();
        self.order.lock().ready(Work::Broken(bytes, code), answer, self.max_waiting)?;
        self.owner.0.wake();
        Ok(fate)
    }

    /// The next in order.
    pub fn take(&self) -> Option<Delivery> {
        self.order.lock().ready.pop_front()
    }

    /// What is kept of its connection when that is over; nothing, if it never had a seat.
    pub fn parted(&self) -> Option<Parted> {
        let seating = self.owner.0.seating()?.clone();
        Some(Parted { identity: self.identity.clone(), seating })
    }

    /// Nothing is handled any more: whoever waits is told that the connection is gone.
    pub fn close(&self) {
        let mut order = self.order.lock();
        order.stage = Stage::Closed;
        order.ready = VecDeque::new();
        order.early = Vec::new();
    }
}

impl Order {
    fn place(&mut self, seq: u64, body: String, answer: oneshot::Sender<Fate>, max: usize) -> Result<(), Refused> {
        // Whoever has given up was told to send it again: this copy must not be the one that counts.
        self.early.retain(|(_, delivery)| !delivery.answer.is_closed());
        if seq > self.next && self.stage == Stage::Open {
            if self.early.len() >= max {
                return Err(Refused::Early);
            }
            self.early.push((seq, Delivery { work: Work::Post(body), answer }));
            return Ok(());
        }
        let is_next = seq == self.next;
        self.ready(if is_next { Work::Post(body) } else { Work::Repeat(body.len()) }, answer, max)?;
        if is_next {
            self.next += 1;
            self.go_on();
        }
        Ok(())
    }

    fn ready(&mut self, work: Work, answer: oneshot::Sender<Fate>, max: usize) -> Result<(), Refused> {
        match self.stage {
            Stage::Closed => Err(Refused::Gone),
            Stage::Open if self.ready.len() >= max => Err(Refused::Full),
            Stage::Open => {
                self.ready.push_back(Delivery { work, answer });
                Ok(())
            }
        }
    }

    /// Moves on those whose predecessor has come, and what came early twice.
    fn go_on(&mut self) {
        while let Some(at) = self.early.iter().position(|(seq, _)| *seq <= self.next) {
            let (seq, mut delivery) = self.early.remove(at);
            if seq == self.next {
                self.next += 1;
            } else if let Work::Post(body) = delivery.work {
                delivery.work = Work::Repeat(body.len());
            }
            self.ready.push_back(delivery);
        }
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
