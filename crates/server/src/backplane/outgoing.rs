//! The way out: a queue between whoever publishes, who never waits, and the link, which sends in batches.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::subject::Subject;

/// The most frames that wait for the broker: a tenth of a second at fifty thousand a second.
const MAX_FRAMES: usize = 5_000;

/// The most bytes that wait for it.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How many frames go out together at most.
const BATCH: usize = 256;

/// Why a publish was refused. Its frame goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// The broker is not reached.
    #[error("the backplane is down")]
    Down,
    /// The broker takes frames more slowly than they come.
    #[error("the backplane's queue is full")]
    Full,
    /// The payload is longer than [`MAX_PAYLOAD`](super::MAX_PAYLOAD).
    #[error("the payload is too large for the backplane")]
    TooLarge,
}

impl Refused {
    /// The value of the metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Full => "full",
            Self::TooLarge => "too-large",
        }
    }
}

/// Whether the publisher wants to hear that nobody reads a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It does not.
    Ignore,
    /// It does, by [`Event::Unread`](super::Event::Unread) with this tag of its own, or [`Event::Lost`](super::Event::Lost) where the frame
    /// did not even go out. On a room's subject, nobody is nobody else.
    Report(u64),
}

/// A sealed frame on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "only NATS asks otherwise in rooms than elsewhere"))]
    pub(super) subject: Subject,
    pub(super) name: Arc<str>,
    pub(super) bytes: Vec<u8>,
    pub(super) unread: Unread,
}

/// The end that takes frames.
#[derive(Debug)]
pub(super) struct Outlet {
    frames: mpsc::Sender<(Outgoing, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
}

/// The end that a link sends from.
#[derive(Debug)]
pub(super) struct Queue(mpsc::Receiver<(Outgoing, OwnedSemaphorePermit)>);

/// An empty queue.
pub(super) fn queue() -> (Outlet, Queue) {
    let (frames, receiver) = mpsc::channel(MAX_FRAMES);
    (Outlet { frames, bytes: Arc::new(Semaphore::new(MAX_BYTES)) }, Queue(receiver))
}

impl Outlet {
    /// Appends a frame, or refuses it at once.
    pub(super) fn push(&self, outgoing: Outgoing) -> Result<(), Refused> {
        let length = u32::try_from(outgoing.bytes.len()).map_err(|_| Refused::TooLarge)?;
        let room = self.bytes.clone().try_acquire_many_owned(length).map_err(|_| Refused::Full)?;
        self.frames.try_send((outgoing, room)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Down,
        })
    }
}

impl Queue {
    /// Waits for frames and takes all that are there, up to a batch. Loses none when it is given up.
    pub(super) async fn take(&mut self) -> Vec<Outgoing> {
        let mut taken = Vec::new();
        self.0.recv_many(&mut taken, BATCH).await;
        taken.into_iter().map(|(outgoing, _)| outgoing).collect()
    }

    /// Waits for the next frame. What is not taken like this stays in the queue, and is handed back when it is cleared.
    #[cfg(feature = "nats")]
    pub(super) async fn next(&mut self) -> Option<Outgoing> {
        self.0.recv().await.map(|(outgoing, _)| outgoing)
    }

    /// Empties the queue.
    pub(super) fn clear(&mut self) -> Cleared {
        let mut cleared = Cleared::default();
        while let Ok((outgoing, _)) = self.0.try_recv() {
            cleared.frames += 1;
            if let Unread::Report(tag) = outgoing.unread {
                cleared.tags.push(tag);
            }
        }
        cleared
    }
}

/// What was in a queue and goes nowhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cleared {
    pub(super) frames: u64,
    /// Of those whose publisher wants to hear what became of them, in their order.
    pub(super) tags: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(length: usize) -> Outgoing {
        Outgoing { subject: Subject::Nodes, name: Arc::from("aldis.n"), bytes: vec![0; length], unread: Unread::Ignore }
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_frames() {
        let (outlet, mut queue) = queue();
        for _ in 0..MAX_FRAMES {
            outlet.push(outgoing(1)).expect("room");
        }
        assert_eq!(outlet.push(outgoing(1)), Err(Refused::Full));
        assert_eq!(queue.take().await.len(), BATCH);
        outlet.push(outgoing(1)).expect("room again");
        assert_eq!(queue.clear().frames, (MAX_FRAMES - BATCH + 1) as u64);
    }

    #[tokio::test]
    async fn what_is_cleared_is_handed_back_by_its_tags() {
        let (outlet, mut queue) = queue();
        for unread in [Unread::Report(7), Unread::Ignore, Unread::Report(9), Unread::Report(8)] {
            outlet.push(Outgoing { unread, ..outgoing(1) }).expect("room");
        }
        assert_eq!(queue.clear(), Cleared { frames: 4, tags: vec![7, 9, 8] });
        assert_eq!(queue.clear(), Cleared::default());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_bytes() {
        let (outlet, mut queue) = queue();
        outlet.push(outgoing(MAX_BYTES)).expect("room");
        assert_eq!(outlet.push(outgoing(1)), Err(Refused::Full));
        assert_eq!(queue.take().await.len(), 1);
        outlet.push(outgoing(1)).expect("room again");
        drop(queue);
        assert_eq!(outlet.push(outgoing(1)), Err(Refused::Down));
    }
}
