//! Makes the broker's subscriptions follow what is wanted.

use std::{convert::Infallible, sync::Arc};

use aldis_protocol::RoomId;

use super::{
    Event, Shared, broker::Link, events::Feed, health::Failure, subject::Subject, supervisor::answered, wanted::Change,
};

/// The subscriptions of one link.
pub(super) struct Follower<'a, L> {
    pub(super) link: &'a L,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) events: &'a Feed,
}

impl<L: Link> Follower<'_, L> {
    /// Sends what has changed: the rooms that are subscribed now and were not.
    pub(super) async fn catch_up(&self) -> Result<Vec<RoomId>, Failure> {
        let mut rooms = Vec::new();
        loop {
            let change = self.shared.wanted.lock().next();
            match change {
                None => return Ok(rooms),
                Some(Change::Unsubscribe(names)) => answered("unsubscribe", self.link.unsubscribe(&names)).await?,
                Some(Change::Subscribe(names)) => {
                    answered("subscribe", self.link.subscribe(&names)).await?;
                    let confirmed = self.shared.wanted.lock().confirmed(&names);
                    rooms.extend(confirmed.into_iter().filter_map(|subject| match subject {
                        Subject::Room(room) => Some(room),
                        Subject::Inbox(_) | Subject::Nodes => None,
                    }));
                }
            }
        }
    }

    /// Says that these rooms are subscribed.
    pub(super) async fn announce(&self, rooms: Vec<RoomId>) {
        for room in rooms {
            self.events.send(Event::Subscribed(room)).await;
        }
    }

    /// Follows until the link fails.
    pub(super) async fn run(&self) -> Result<Infallible, Failure> {
        loop {
            self.shared.changed.notified().await;
            let rooms = self.catch_up().await?;
            self.announce(rooms).await;
        }
    }
}
