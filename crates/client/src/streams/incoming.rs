//! The receiving half of a stream: what one peer sent, in order and once.
//!
//! A message that overtook another one is held until that has come. What is known already is acknowledged again, because its sender seems
//! not to know. Epochs have an order, as serial numbers do (RFC 1982): a newer one ends the older, and what comes of an older one is
//! answered by a reset, so that nothing of it can be delivered late. A new epoch begins at place 1: what comes of it before is held too.

use std::{collections::BTreeMap, time::Duration};

use super::{Acknowledgement, Moment, Position, WINDOW_BYTES, WINDOW_MESSAGES};

/// How long an acknowledgement waits for a message to travel with.
const ACK: Duration = Duration::from_millis(50);
/// After how many messages it waits no longer.
const ACK_MESSAGES: u32 = 16;

/// The receiving half; see the module.
#[derive(Debug)]
pub(super) struct Incoming<Item> {
    epoch: Option<Epoch<Item>>,
    /// How many messages are to be acknowledged.
    owed: u32,
    ack_at: Option<Moment>,
    /// An epoch whose sender has to be told that it is over.
    over: Option<u32>,
}

#[derive(Debug)]
struct Epoch<Item> {
    e: u32,
    /// The place up to which everything was delivered.
    delivered: u64,
    held: BTreeMap<u64, Held<Item>>,
}

#[derive(Debug)]
struct Held<Item> {
    item: Item,
    bytes: usize,
}

impl<Item> Incoming<Item> {
    pub(super) fn new() -> Self {
        Self { epoch: None, owed: 0, ack_at: None, over: None }
    }

    /// Takes a message of so many bytes. Returns what is to be delivered now, in order.
    pub(super) fn receive(&mut self, Position { e, n }: Position, item: Item, bytes: usize, now: Moment) -> Vec<Item> {
        if self.epoch.as_ref().is_none_or(|epoch| is_newer(e, epoch.e)) {
            self.begin(e);
        }
        let Some(epoch) = self.epoch.as_mut().filter(|epoch| epoch.e == e) else {
            self.over = Some(e);
            self.ack_at = Some(now);
            return Vec::new();
        };
        if n <= epoch.delivered {
            // No sooner than others: after an outage a whole window comes again.
            self.owe(now);
            return Vec::new();
        }
        // The next one always fits: it is not held.
        if n != epoch.delivered + 1 && !epoch.has_room_for(n, bytes) {
            return Vec::new();
        }
        epoch.held.insert(n, Held { item, bytes });
        let items = epoch.release();
        self.owe(now);
        items
    }

    /// What is to be acknowledged, if anything is; it has to be sent.
    pub(super) fn take(&mut self) -> Option<Acknowledgement> {
        if let Some(e) = self.over.take() {
            if self.owed == 0 {
                self.ack_at = None;
            }
            return Some(Acknowledgement::Reset { e });
        }
        let epoch = self.epoch.as_ref()?;
        self.ack_at.take()?;
        self.owed = 0;
        Some(Acknowledgement::Arrived(Position { e: epoch.e, n: epoch.delivered }))
    }

    /// When [`take`](Self::take) is to be called at the latest.
    pub(super) fn ack_at(&self) -> Option<Moment> {
        self.ack_at
    }

    /// Acknowledges at once what is owed.
    pub(super) fn hurry(&mut self, now: Moment) {
        self.ack_at = self.ack_at.map(|at| at.min(now));
    }

    fn begin(&mut self, e: u32) {
        self.epoch = Some(Epoch { e, delivered: 0, held: BTreeMap::new() });
        self.owed = 0;
        // The reset of an older epoch is still to be sent.
        if self.over.is_none() {
            self.ack_at = None;
        }
    }

    fn owe(&mut self, now: Moment) {
        self.owed = self.owed.saturating_add(1);
        if self.owed >= ACK_MESSAGES {
            self.ack_at = Some(now);
        } else {
            self.ack_at.get_or_insert(now + ACK);
        }
    }
}

impl<Item> Epoch<Item> {
    fn has_room_for(&self, n: u64, bytes: usize) -> bool {
        let held = self.held.values().fold(bytes, |sum, other| sum.saturating_add(other.bytes));
        n - self.delivered <= WINDOW_MESSAGES as u64 && held <= WINDOW_BYTES
    }

    /// Takes out what is next, as long as it is there.
    fn release(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(next) = self.held.remove(&(self.delivered + 1)) {
            self.delivered += 1;
            items.push(next.item);
        }
        items
    }
}

/// Whether fewer than 2^31 steps lead up from one epoch to the other.
fn is_newer(e: u32, than: u32) -> bool {
    (1..1 << 31).contains(&e.wrapping_sub(than))
}
