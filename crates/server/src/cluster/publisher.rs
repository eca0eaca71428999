//! The way out: what hubs and cluster say becomes frames on the backplane.

use std::sync::Arc;

use aldis_core::{
    Moment,
    cluster::{Frame, NodeFrame, RevocationFrame, RoomFrame, Subject, frame::Body},
};
use aldis_protocol::{RoomId, SignalKind};

use super::{metrics::ClusterMetrics, outstanding::Outstanding};
use crate::{
    backplane::{self, Backplane, Health, Unread},
    sync::Mutex,
};

/// What publishes for the hubs of a node. Called under a shard's lock; never waits.
pub struct Publisher {
    backplane: Backplane,
    outstanding: Mutex<Outstanding>,
    metrics: Arc<ClusterMetrics>,
}

/// What becomes of a frame that cannot be published now.
enum Loss {
    /// Somebody waits for an answer, and hears at once that it did not go out.
    Told,
    /// A question: whoever asked goes on when its time is over. That it did not go out says nothing about the others.
    Awaited,
    /// Soft state, which is said again.
    Soft,
}

impl Loss {
    fn of(body: &Body) -> Self {
        match body {
            Body::Signal { to: Some(_), parcel } | Body::Again { parcel, .. } if parcel.kind != SignalKind::Ack => {
                Self::Told
            }
            Body::Remove { .. } | Body::Check { .. } => Self::Told,
            Body::Who { .. } | Body::Ask { .. } => Self::Awaited,
            Body::Signal { .. }
            | Body::Again { .. }
            | Body::Moved { .. }
            | Body::Roster { .. }
            | Body::Delta { .. }
            | Body::Announce {}
            | Body::Compare { .. }
            | Body::Tell { .. }
            | Body::Dead { .. } => Self::Soft,
        }
    }
}

impl Publisher {
    /// What publishes on this backplane.
    #[must_use]
    pub fn new(backplane: Backplane, metrics: Arc<ClusterMetrics>) -> Self {
        Self { backplane, outstanding: Mutex::default(), metrics }
    }

    /// Publishes a frame of a room. Returns it where its hub has to know that it goes nowhere.
    #[must_use]
    pub(crate) fn publish(&self, now: Moment, subject: &Subject, frame: RoomFrame) -> Option<Box<RoomFrame>> {
        let loss = Loss::of(&frame.body);
        let whole = Frame::Room { frame };
        let bytes = whole.to_bytes();
        let Frame::Room { frame } = whole else { return None };
        let to = outward(subject);
        if let Loss::Soft = loss {
            // Refused: counted there, and said again.
            let _ = self.backplane.publish(&to, &bytes, Unread::Ignore);
            return None;
        }
        // Before it goes out: word that nobody reads it may be here first.
        let tag = self.outstanding.lock().push(now, bytes.len(), subject.clone(), Box::new(frame));
        match self.backplane.publish(&to, &bytes, Unread::Report(tag)) {
            Ok(()) => None,
            Err(_) => self.lost(tag).map(|(_, frame)| frame),
        }
    }

    /// Publishes a frame of this node as such. What is refused is said again.
    pub(crate) fn publish_node(&self, subject: &Subject, frame: NodeFrame) {
        let _ = self.backplane.publish(&outward(subject), &Frame::Node { frame }.to_bytes(), Unread::Ignore);
    }

    /// Publishes a frame of revocations. What is refused is found by its digest.
    pub(crate) fn publish_revocations(&self, subject: &Subject, frame: RevocationFrame) {
        let _ = self.backplane.publish(&outward(subject), &Frame::Revocation { frame }.to_bytes(), Unread::Ignore);
    }

    /// The frame of this tag, which nobody reads.
    pub(crate) fn unread(&self, tag: u64) -> Option<(Subject, Box<RoomFrame>)> {
        self.outstanding.lock().take(tag)
    }

    /// The frame of this tag, which did not go out, where its hub has to know that.
    pub(crate) fn lost(&self, tag: u64) -> Option<(Subject, Box<RoomFrame>)> {
        self.unread(tag).filter(|(_, frame)| matches!(Loss::of(&frame.body), Loss::Told))
    }

    /// Forgets what cannot come back any more.
    pub(crate) fn forget(&self, now: Moment) {
        self.outstanding.lock().forget(now);
    }

    /// Reads a room's subject from now on.
    pub(crate) fn subscribe(&self, room: &RoomId) {
        self.backplane.subscribe(room);
    }

    /// Reads it no more.
    pub(crate) fn unsubscribe(&self, room: &RoomId) {
        self.backplane.unsubscribe(room);
    }

    /// Waits until the broker has what was published before, or for a moment.
    pub(crate) async fn settled(&self) {
        self.backplane.settled().await;
    }

    /// How the backplane is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.backplane.health()
    }

    /// What is counted of the cluster.
    #[must_use]
    pub(crate) fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }
}

fn outward(subject: &Subject) -> backplane::Subject {
    match subject {
        Subject::Inbox(node) => backplane::Subject::Inbox(node.clone()),
        Subject::Room(room) => backplane::Subject::Room(room.clone()),
        Subject::Nodes => backplane::Subject::Nodes,
    }
}
