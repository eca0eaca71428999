//! The answers to pings that wait for the socket: one in the queue, and the newest besides.
//!
//! After RFC 6455 section 5.5.3 only the most recent ping has to be answered, so a client that pings without reading fills no queue.
//! What is queued may have left in part, so it is not replaced there: the newest follows when it has left.

/// What waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pongs {
    /// Nothing.
    None,
    /// A pong is in the queue.
    Queued,
    /// Another one will follow it, with this payload.
    Newer(Box<[u8]>),
}

impl Pongs {
    /// A ping is to be answered: returns the payload where its pong has to be queued.
    pub(super) fn answer(&mut self, payload: Box<[u8]>) -> Option<Box<[u8]>> {
        match self {
            Self::None => Some(payload),
            Self::Queued | Self::Newer(_) => {
                *self = Self::Newer(payload);
                None
            }
        }
    }

    /// The one in the queue has left: returns the payload of the next one, which has to be queued then.
    pub(super) fn left(&mut self) -> Option<Box<[u8]>> {
        match std::mem::replace(self, Self::None) {
            Self::None | Self::Queued => None,
            Self::Newer(payload) => Some(payload),
        }
    }
}
