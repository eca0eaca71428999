//! What comes out of the hub: effects as values, for its owner to execute in order.

use std::sync::Arc;

use aldis_protocol::{
    CloseCode, Identity, MsgId, Naming, PeerId, PeerInfo, RoomId, ServerMessage, SignalKind, WireError, limits::Limit,
    server::LeaveReason,
};

use crate::{
    Seat,
    cluster::{RoomFrame, Subject, shared::Reach},
    revocation::Kind,
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<C> {
    /// Ask whoever else may know the room, then come back with [`Input::Confirmed`](crate::Input::Confirmed). A lone node comes back at once.
    Confirm {
        /// The room.
        room: RoomId,
        /// Whose join.
        connection: C,
    },
    /// The connection has a seat: write its `welcome`, before anything else goes to it.
    Welcome(Box<Admission<C>>),
    /// Write a message.
    Send {
        /// To whom.
        to: C,
        /// What.
        message: ServerMessage,
    },
    /// Write a relayed signal, or bring it back as unsent.
    Relay {
        /// To whom.
        to: C,
        /// What.
        parcel: Parcel,
    },
    /// Write the error, if there is one, then close. The session has nothing to do with this connection any more.
    Close {
        /// Which.
        connection: C,
        /// The close code.
        code: CloseCode,
        /// What the client is told first.
        error: Option<Box<WireError>>,
    },
    /// Ping the connection now; [`Input::Alive`](crate::Input::Alive) or a disconnect follows.
    Probe {
        /// Which.
        connection: C,
    },
    /// Publish a frame to other nodes.
    Publish {
        /// Where.
        subject: Subject,
        /// What.
        frame: Box<RoomFrame>,
    },
    /// Read the room's subject from now on, and say so with [`Input::Subscribed`](crate::Input::Subscribed): also each time that the
    /// backplane is up again.
    Subscribe {
        /// The room.
        room: RoomId,
    },
    /// Read it no more.
    Unsubscribe {
        /// The room.
        room: RoomId,
    },
    /// Revoke the tokens of an identity for a room, and come back with [`Input::Revoked`](crate::Input::Revoked).
    Exclude(Box<Exclusion<C>>),
    /// Somebody was put out: what the identity was given for calls is to be taken back where that is possible.
    PutOut {
        /// Who.
        identity: Identity,
    },
    /// For the metrics and the log.
    Event(Event),
}

/// Somebody is kept out of a room for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion<C> {
    /// The moderator, who is told if it cannot be.
    pub by: C,
    /// Whom the moderator had removed.
    pub id: PeerId,
    /// The room.
    pub room: RoomId,
    /// Who.
    pub identity: Identity,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Why.
    pub reason: Option<String>,
}

/// A signal on its way to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Who sent it.
    pub from: PeerId,
    /// Which type.
    pub kind: SignalKind,
    /// Whether the sender wants to know what becomes of it.
    pub naming: Naming,
    /// The text that the receiver gets.
    pub text: Arc<str>,
}

impl Parcel {
    /// The sender's name for it, if a receipt is owed.
    #[must_use]
    pub fn receipt(&self) -> Option<&MsgId> {
        match &self.naming {
            Naming::Receipt(msg) => Some(msg),
            Naming::Named(_) | Naming::Anonymous => None,
        }
    }
}

/// The hub's part of a `welcome`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission<C> {
    /// Where the connection sits from now on.
    pub seat: Seat<C>,
    /// The peer itself.
    pub peer: PeerInfo,
    /// The others, oldest first.
    pub peers: Vec<PeerInfo>,
    /// Ids that are gone for good; only on a resume.
    pub left: Vec<PeerId>,
    /// Whether an old stay goes on.
    pub continuity: Continuity,
    /// How many peers fit in the room for this client.
    pub max_peers: u64,
    /// The place in the room's order, for the resume token.
    pub seq: u64,
    /// The generation, for the resume token.
    pub generation: u64,
    /// Whether the peers of other nodes are among the others.
    pub reach: Reach,
}

/// Whether a stay is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// A new stay.
    New,
    /// An old stay goes on.
    Resumed,
}

/// Something worth counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A room has its first peer.
    RoomOpened,
    /// A room has nobody left.
    RoomClosed,
    /// A stay began.
    Joined,
    /// A stay goes on: after a break, or known only from its token.
    Resumed(Resumption),
    /// A session lost its connection.
    Away,
    /// A stay ended.
    Left(LeaveReason),
    /// A stay or a join ended because its token was revoked.
    Revoked(Kind),
    /// A session goes on at another node, or may.
    Moved,
    /// A frame of another node's room did not follow the one before.
    Gap,
    /// A signal waits for a peer that is away.
    Parked,
    /// Something that nobody has to be told about was dropped.
    Dropped(Dropped),
    /// A limit refused something.
    Limit(Limit),
}

/// Where a resumed session was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resumption {
    /// The hub had kept it.
    Kept,
    /// Another node had it and let it go.
    Moved,
    /// Only the token knew it: the node had restarted, or the one that had it is gone.
    Recalled,
}

/// What may be dropped without a word, because it is only counted or because its sender is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// An ack that had no receiver.
    Ack,
    /// A parked signal whose sender left for good.
    Orphan,
    /// A receipt or error for a peer that is away and has no room left for it.
    Notice,
}
