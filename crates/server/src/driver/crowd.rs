//! A crowd is written to in turns.
//!
//! Whoever comes into a room of a hundred, leaves it or speaks to all is told of by a hundred sockets, half a millisecond of one thread.
//! A few such rooms would be felt in all others. So the first are written to at once, and the rest a few in a turn, as those who come in
//! take theirs ([`turnstile`](crate::turnstile)).
//!
//! An outlet that waits here has something queued, so that what follows waits with it, unless it becomes much.

use std::collections::VecDeque;

use tokio::sync::Notify;

use super::{Dirty, Driver};
use crate::{connection::outlet::Handle, sync::Mutex, turnstile::Turnstile};

/// How many sockets are written to without a pause, some 5 µs each: of a crowd the first, and as many in each turn.
pub(super) const AT_ONCE: usize = 16;

/// The outlets that wait for their turn, oldest first.
pub(super) struct Crowd {
    waiting: Mutex<VecDeque<Handle>>,
    bell: Notify,
}

impl Crowd {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::new(VecDeque::new()), bell: Notify::new() }
    }

    pub(super) fn add(&self, handles: impl ExactSizeIterator<Item = Handle>) {
        if handles.len() > 0 {
            self.waiting.lock().extend(handles);
            self.bell.notify_one();
        }
    }

    fn take(&self) -> Dirty {
        let mut waiting = self.waiting.lock();
        let few = waiting.len().min(AT_ONCE);
        let dirty = Dirty(waiting.drain(..few).collect());
        if waiting.is_empty() {
            // A crowd that came once is not kept room for.
            waiting.shrink_to(AT_ONCE);
        }
        dirty
    }
}

impl Driver {
    /// Writes to those who wait in the crowd, for ever. There may be as many of these as there are threads.
    pub async fn run_crowd(&self, turnstile: &Turnstile) {
        loop {
            let few = self.crowd.take();
            if few.0.is_empty() {
                self.crowd.bell.notified().await;
            } else {
                turnstile.turn().await;
                self.flush(few);
            }
        }
    }
}
