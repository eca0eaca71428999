//! Something that happens once and that every connection waits for: the drain, the end of the server.
//!
//! A cancellation token alone would do, but to poll one locks the one token of the node, and a connection looks at every wake-up.
//! So a listener registers once, and from then on reads a flag.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Rings once.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    token: CancellationToken,
}

/// Rings the bell when it is dropped.
#[derive(Debug)]
pub struct RingOnDrop(pub Arc<Bell>);

/// One who waits for a bell, always in the same task.
#[derive(Debug)]
pub struct Listener {
    bell: Arc<Bell>,
    /// Made by the first poll, which registers the task.
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Bell {
    /// Rings: wakes whoever listens.
    pub fn ring(&self) {
        // Before the wake-up, which is what makes a listener look.
        self.rung.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// One more who waits.
    #[must_use]
    pub fn listener(self: &Arc<Self>) -> Listener {
        Listener { bell: Arc::clone(self), waiting: None }
    }

    /// The token behind it, for who waits in an ordinary future.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

impl Listener {
    /// Ready once the bell has rung.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_some() {
            return if self.bell.rung.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending };
        }
        let waiting = self.waiting.insert(Box::pin(self.bell.token.clone().cancelled_owned()));
        waiting.as_mut().poll(cx)
    }
}

impl Drop for RingOnDrop {
    fn drop(&mut self) {
        self.0.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_listens_is_woken_and_whoever_comes_late_need_not_wait() {
        let bell = Arc::new(Bell::default());
        let mut listener = bell.listener();
        let task = tokio::spawn(async move { std::future::poll_fn(|cx| listener.poll(cx)).await });
        // Let it register first.
        tokio::task::yield_now().await;
        drop(RingOnDrop(Arc::clone(&bell)));
        task.await.expect("it ends");
        let mut late = bell.listener();
        std::future::poll_fn(|cx| late.poll(cx)).await;
    }
}
