//! What happens on a backplane, on its way to whoever takes it: a queue that is bounded in events and in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Event;

/// How many events may wait. Beyond it, frames are dropped and [`Event::Gap`] says how many.
const MAX_EVENTS: usize = 8_192;

/// How many bytes the frames among them may have: 4 KiB for each that may wait, as much as a session description.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// An event, and its room among the bytes.
type Waiting = (Event, Option<OwnedSemaphorePermit>);

/// The end that events come in at.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    events: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
}

/// The end that they are taken from. The backplane rests when it is dropped.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Waiting>);

/// There is no place for an event, or nobody takes it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlace;

/// An empty queue.
pub(super) fn events() -> (Feed, Events) {
    let (events, receiver) = mpsc::channel(MAX_EVENTS);
    (Feed { events, bytes: Arc::new(Semaphore::new(MAX_BYTES)) }, Events(receiver))
}

impl Feed {
    /// Appends an event if there is a place for it now.
    pub(super) fn offer(&self, event: Event) -> Result<(), NoPlace> {
        let room = match &event {
            Event::Frame { payload, .. } => {
                let bytes = u32::try_from(payload.len()).map_err(|_| NoPlace)?;
                Some(Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| NoPlace)?)
            }
            _ => None,
        };
        self.events.try_send((event, room)).map_err(|_| NoPlace)
    }

    /// Appends an event that must not be lost, and that has no bytes: waits for its place as long as somebody takes the others.
    pub(super) async fn send(&self, event: Event) {
        let _nobody_listens = self.events.send((event, None)).await;
    }

    /// Whether nobody takes events any more.
    pub(super) fn is_closed(&self) -> bool {
        self.events.is_closed()
    }
}

impl Events {
    /// Waits for the next event; there is none when the backplane was dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await.map(|(event, _)| event)
    }

    /// Waits for events and appends those that are there, at most so many. Returns how many, which is zero when the backplane was
    /// dropped. Loses none when it is given up.
    pub async fn recv_many(&mut self, taken: &mut Vec<Event>, most: usize) -> usize {
        let Some(first) = self.recv().await else { return 0 };
        let before = taken.len();
        taken.push(first);
        while taken.len() - before < most
            && let Ok((event, _)) = self.0.try_recv()
        {
            taken.push(event);
        }
        taken.len() - before
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::NodeId;

    use super::*;
    use crate::backplane::Subject;

    fn frame(bytes: usize) -> Event {
        let from = NodeId::parse("north").expect("an id");
        Event::Frame { subject: Subject::Nodes, from, sent_at_ms: 0, payload: vec![0; bytes] }
    }

    #[tokio::test]
    async fn frames_that_wait_are_bounded_in_bytes() {
        let (feed, mut events) = events();
        feed.offer(frame(MAX_BYTES - 1)).expect("a place");
        assert_eq!(feed.offer(frame(2)), Err(NoPlace));
        feed.offer(frame(1)).expect("a place");
        assert_eq!(feed.offer(frame(1)), Err(NoPlace));
        // What has no bytes has its place.
        feed.offer(Event::Unread { tag: 7 }).expect("a place");
        feed.send(Event::ProbeMissed).await;
        // Whoever takes them makes room.
        let mut taken = Vec::new();
        assert_eq!((events.recv_many(&mut taken, 2).await, taken.len()), (2, 2));
        feed.offer(frame(MAX_BYTES)).expect("a place");
        assert_eq!(events.recv().await, Some(Event::Unread { tag: 7 }));
        assert_eq!((events.recv_many(&mut taken, 9).await, taken.len()), (2, 4));
        assert_eq!(taken[2], Event::ProbeMissed);
        drop(events);
        assert!(feed.is_closed());
        assert_eq!(feed.offer(frame(1)), Err(NoPlace));
    }

    #[tokio::test]
    async fn events_that_wait_are_bounded_in_number() {
        let (feed, mut events) = events();
        (0..MAX_EVENTS).for_each(|_| feed.offer(frame(1)).expect("a place"));
        assert_eq!(feed.offer(frame(1)), Err(NoPlace));
        assert_eq!(feed.offer(Event::Unread { tag: 7 }), Err(NoPlace));
        let mut taken = Vec::new();
        assert_eq!(events.recv_many(&mut taken, 256).await, 256);
        feed.offer(frame(1)).expect("a place");
        drop(feed);
        while events.recv_many(&mut taken, 256).await > 0 {}
        assert_eq!(taken.len(), MAX_EVENTS + 1);
    }
}
