//! Event streams that are over, for as long as their clients may still say goodbye.
//!
//! A browser that closes a page drops its stream first; the page's last POST comes when nobody listens to it any more. Its session is
//! away by then, so all that is kept is whose connection it was.

use std::collections::{HashMap, VecDeque};

use aldis_core::Moment;
use aldis_protocol::Identity;

use super::mailboxes::ConnectionId;
use crate::connection::outlet::Seating;

/// A connection that is over.
#[derive(Debug, Clone)]
pub struct Parted {
    /// Whose it was.
    pub identity: Identity,
    /// Where its client sat.
    pub seating: Seating,
}

/// The latest of them, each for the same time.
#[derive(Debug, Default)]
pub(super) struct PartedStreams {
    by_id: HashMap<ConnectionId, Parted>,
    /// Oldest first, and until when each is kept.
    order: VecDeque<(Moment, ConnectionId)>,
}

/// What became of the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There was room for all.
    All,
    /// One had to be forgotten before its time.
    Fewer,
}

impl PartedStreams {
    pub(super) fn keep(&mut self, id: ConnectionId, parted: Parted, now: Moment, until: Moment, max: usize) -> Kept {
        self.expire(now);
        self.by_id.insert(id, parted);
        self.order.push_back((until, id));
        if self.order.len() <= max {
            return Kept::All;
        }
        self.forget_oldest();
        Kept::Fewer
    }

    /// The connection, unless its time has passed.
    pub(super) fn find(&mut self, id: ConnectionId, now: Moment) -> Option<Parted> {
        self.expire(now);
        self.by_id.get(&id).cloned()
    }

    fn expire(&mut self, now: Moment) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::{PeerId, RoomId};

    use super::*;

    fn parted(name: &str) -> Parted {
        let seating = Seating {
            room: RoomId::parse("lobby").expect("a room"),
            peer: PeerId::parse(name).expect("an id"),
            seq: 1,
            generation: 1,
        };
        Parted { identity: Identity::parse(name).expect("an identity"), seating }
    }

    #[test]
    fn each_is_kept_for_its_time_and_the_oldest_makes_room() {
        let mut streams = PartedStreams::default();
        let [ann, bob, carol] = [1, 2, 3].map(ConnectionId::from_random);
        let keep = |streams: &mut PartedStreams, id, name, now: u64| {
            streams.keep(id, parted(name), Moment(now), Moment(now + 100), 2)
        };
        assert_eq!(keep(&mut streams, ann, "ann", 0), Kept::All);
        assert_eq!(keep(&mut streams, bob, "bob", 10), Kept::All);
        assert_eq!(streams.find(ann, Moment(99)).expect("kept").seating.peer.as_str(), "ann");
        assert_eq!(keep(&mut streams, carol, "carol", 20), Kept::Fewer);
        let kept = |streams: &mut PartedStreams, now| {
            [ann, bob, carol].map(|id| streams.find(id, Moment(now)).map(|parted| parted.identity.to_string()))
        };
        assert_eq!(kept(&mut streams, 109), [None, Some("bob".to_owned()), Some("carol".to_owned())]);
        assert_eq!(kept(&mut streams, 110), [None, None, Some("carol".to_owned())]);
        // Whose time has passed takes no room.
        assert_eq!(keep(&mut streams, ann, "ann", 130), Kept::All);
        assert_eq!(kept(&mut streams, 130), [Some("ann".to_owned()), None, None]);
        assert_eq!((streams.order.len(), streams.by_id.len()), (1, 1));
    }
}
