//! Whoever comes in waits for a turn; whoever is in does not.
//!
//! Tokio polls what is ready in the order in which it became ready. When 2,000 clients come at once, each message of everybody else
//! would wait behind 2,000 handshakes. So requests, up to the `welcome` of a join, are polled only in their turn. There are as many turns
//! as threads, and one is over when its thread has looked after whatever else had come.
//!
//! Three others take turns because they too are much work for few: whoever sends more than is read at once, the sockets of a
//! [crowd](crate::driver), and the POSTs of event streams, which are requests like others.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
};
use tokio_util::sync::PollSemaphore;

/// Hands out turns, in the order in which they are asked for.
#[derive(Debug)]
pub struct Turnstile {
    free: Arc<Semaphore>,
    turns: usize,
}

impl Turnstile {
    /// One with so many turns at a time.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(turns)), turns }
    }

    /// One with a turn for each thread of the runtime that this is called in, or for one thread outside of any.
    #[must_use]
    pub fn of_runtime() -> Self {
        Self::new(Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers()))
    }

    /// How many turns there are at a time.
    #[must_use]
    pub const fn turns(&self) -> usize {
        self.turns
    }

    /// Runs a future, each poll of which is a turn. Nothing is held while it waits for anything. It must not itself go through this
    /// turnstile: with one turn it would wait for itself.
    pub async fn through<F: Future>(&self, future: F) -> F::Output {
        let mut turns = PollSemaphore::new(Arc::clone(&self.free));
        let mut future = pin!(future);
        poll_fn(|cx| {
            // The semaphore is never closed.
            let Some(turn) = ready!(turns.poll_acquire(cx)) else { return Poll::Pending };
            let polled = future.as_mut().poll(cx);
            give_back(turn);
            polled
        })
        .await
    }

    /// Waits for a turn: what the caller does until it waits for something is done in it. Never two in one poll of a task.
    pub async fn turn(&self) {
        yield_now().await;
        self.through(async {}).await;
    }
}

/// Ends a turn, once the thread has looked for events and for who else is ready.
fn give_back(turn: OwnedSemaphorePermit) {
    tokio::spawn(async move {
        yield_now().await;
        drop(turn);
    });
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use futures_util::future::{join_all, pending};

    use super::*;

    #[tokio::test]
    async fn somebody_who_is_in_goes_between_two_who_come() {
        let turnstile = Turnstile::new(1);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let comes = |number: u32| {
            let seen = Rc::clone(&seen);
            turnstile.through(async move { seen.borrow_mut().push(Some(number)) })
        };
        let is_in = async {
            while seen.borrow().iter().flatten().count() < 50 {
                seen.borrow_mut().push(None);
                yield_now().await;
            }
        };
        tokio::join!(join_all((0..50).map(comes)), is_in);
        let seen = seen.take();
        assert_eq!(seen.iter().flatten().copied().collect::<Vec<_>>(), (0..50).collect::<Vec<_>>(), "in their order");
        assert!(seen.windows(2).all(|two| two.contains(&None)), "one at a time: {seen:?}");
    }

    #[tokio::test]
    async fn nothing_is_held_by_whoever_waits() {
        let turnstile = Turnstile::new(1);
        let waits = turnstile.through(pending::<()>());
        let comes = async {
            for _ in 0..3 {
                turnstile.through(yield_now()).await;
            }
        };
        tokio::select! {
            biased;
            () = waits => {}
            () = comes => {}
        }
        while turnstile.free.available_permits() == 0 {
            yield_now().await;
        }
    }
}
