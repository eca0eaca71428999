//! What nodes say to each other.
//!
//! Every frame of a room begins with the sender's highest place in it, which moves everybody's Lamport number on, and with the
//! version of the sender's own part of the roster, so that whoever hears anything of a node learns whether it has missed something.

use aldis_protocol::{
    ErrorCode, Identity, Json, MsgId, NodeId, Outcome, PeerId, Presence, RoomId,
    server::{LeaveReason, ReceiptStatus},
};

use crate::{
    Duplicates, Parcel, Revocation,
    cluster::codec::{Wire, record, variants},
};

/// Where a frame is published.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// What only this node reads.
    Inbox(NodeId),
    /// What the nodes with somebody in the room read.
    Room(RoomId),
    /// What every node reads.
    Nodes,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Of one room: for the hub that holds it.
    Room {
        /// Which and what.
        frame: RoomFrame,
    },
    /// Between nodes as such: for the [`Cluster`](crate::cluster::Cluster).
    Node {
        /// What.
        frame: NodeFrame,
    },
    /// Of revocations: for the [`Ledger`](crate::cluster::Ledger). A node that does not know of them drops it as junk.
    Revocation {
        /// What.
        frame: RevocationFrame,
    },
}

/// What a node says of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFrame {
    /// The room.
    pub room: RoomId,
    /// The highest place that the sender knows in it.
    pub seq: u64,
    /// The version of the sender's own part of the roster; zero where it never had one.
    pub version: u64,
    /// What.
    pub body: Body,
}

/// What is said of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Who is there? On the room's subject; answered by a [`Body::Roster`] to the sender's inbox.
    Who {
        /// Whose join asks; unique for each join.
        asker: PeerId,
        /// The place that the joiner asks with: it counts for admission from now on.
        joining: Option<u64>,
        /// The session that the joiner proved to have had: its owner lets it go.
        claim: Option<Claim>,
    },
    /// As [`Body::Who`], to one node, after a gap or for an answer that did not come.
    Ask {
        /// Whose join, if it is for one.
        asker: Option<PeerId>,
    },
    /// The sender's part of the roster, whole.
    Roster {
        /// Whose join it answers.
        asker: Option<PeerId>,
        /// The number of this part, from zero.
        part: u32,
        /// Of how many.
        parts: u32,
        /// Its own peers.
        peers: Vec<Entry>,
        /// Who left for good, as far as it remembers.
        left: Vec<Departed>,
        /// Who is joining there, and with which place.
        joining: Vec<Joining>,
        /// Which other nodes it knows in the room.
        nodes: Vec<NodeId>,
        /// The claimed session, which is the asker's from now on.
        yielded: Option<Box<Entry>>,
    },
    /// The sender's part of the roster has changed.
    Delta {
        /// The version before.
        since: u64,
        /// The change.
        change: Change,
    },
    /// The sender is in the room, with the version above.
    Announce {},
    /// As [`Body::Announce`], to one node, with what the sender knows of that.
    Compare {
        /// The version that the sender knows of the receiver.
        yours: u64,
    },
    /// A signal: for a peer of the receiver, or for all.
    Signal {
        /// To whom; to everybody where it is absent.
        to: Option<PeerId>,
        /// What, with the text that the peer gets.
        parcel: Parcel,
    },
    /// What became of something that a peer of the receiver had sent.
    Tell {
        /// Whom to tell.
        to: PeerId,
        /// What.
        news: News,
    },
    /// A moderator of the sender removes a peer of the receiver.
    Remove {
        /// The moderator.
        by: PeerId,
        /// Whom.
        id: PeerId,
        /// Why.
        reason: Option<String>,
    },
    /// A peer of the sender asks whether a peer of the receiver is alive.
    Check {
        /// Who asks.
        asker: PeerId,
        /// About whom.
        id: PeerId,
    },
    /// A peer that the receiver lists has left for good.
    Dead {
        /// Who.
        departed: Departed,
    },
    /// A signal for a peer that has moved comes back, with where to.
    Moved {
        /// For whom.
        to: PeerId,
        /// Who has it.
        node: NodeId,
        /// What.
        parcel: Parcel,
    },
    /// As [`Body::Signal`], to the node that another one named: it does not come back once more.
    Again {
        /// To whom.
        to: PeerId,
        /// What, with the text that the peer gets.
        parcel: Parcel,
    },
}

/// A change of a node's own part of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Somebody came, or is different from before.
    Now {
        /// As it is now.
        peer: Box<Entry>,
    },
    /// Somebody left for good.
    Left {
        /// Who.
        departed: Departed,
    },
    /// Somebody is not here any more, which does not mean that it has left.
    Released {
        /// Who.
        id: PeerId,
    },
}

/// A peer as its node shows it to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The stay.
    pub id: PeerId,
    /// The place in the room's order, together with the id.
    pub seq: u64,
    /// Which connection of its session it has.
    pub generation: u64,
    /// Who it is.
    pub identity: Identity,
    /// A name to show.
    pub name: Option<String>,
    /// The backend's own.
    pub metadata: Option<Json>,
    /// The peer's own.
    pub attributes: Option<Json>,
    /// What it understands.
    pub features: Vec<String>,
    /// The stay before.
    pub previous: Option<PeerId>,
    /// Here or away.
    pub presence: Presence,
    /// What its token says of others of its identity.
    pub duplicates: Duplicates,
}

/// A peer that left for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// Who.
    pub id: PeerId,
    /// Why.
    pub reason: LeaveReason,
    /// For how long it is still remembered, so that memories do not renew each other for ever.
    pub remaining_ms: u64,
}

/// Somebody between the two steps of a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// The place it asks with.
    pub place: u64,
    /// The id of its new stay.
    pub id: PeerId,
}

/// A session that a resume token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The stay.
    pub peer: PeerId,
    /// The token's generation.
    pub generation: u64,
}

/// What a sender is told across nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A receipt.
    Receipt {
        /// The sender's name for its message.
        re: MsgId,
        /// What became of it.
        status: ReceiptStatus,
    },
    /// It was not delivered.
    Refused {
        /// Why.
        code: ErrorCode,
        /// To whom it was.
        to: PeerId,
        /// The sender's name for it.
        re: Option<MsgId>,
        /// What is known of its end.
        outcome: Option<Outcome>,
    },
    /// The answer to a `check`.
    Checked {
        /// Of whom.
        id: PeerId,
        /// How it is.
        presence: Presence,
    },
}

/// What a node says as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFrame {
    /// It is alive.
    Beat {
        /// The number of the beat, from one; a gap means that something was missed.
        number: u64,
    },
    /// It is about to end.
    Bye {},
    /// What it and the receiver should agree on, to the receiver's inbox.
    Digest {
        /// Over the sender's own versions in the rooms they share.
        mine: u64,
        /// Over the receiver's versions there, as the sender knows them.
        yours: u64,
    },
}

/// What nodes say of revocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevocationFrame {
    /// Something was revoked, or lifted.
    News {
        /// What.
        revocations: Vec<Revocation>,
    },
    /// What the sender holds, as a sum: with each beat, and in answer to [`RevocationFrame::Starting`].
    Held {
        /// The digest.
        digest: u64,
    },
    /// The sender has just come, and asks what is held.
    Starting {},
    /// The sender asks for all that the receiver holds, and says what it holds itself: the receiver may lack some of that.
    Copy {
        /// The digest.
        digest: u64,
    },
    /// A part of that.
    Part {
        /// The number of this part, from zero.
        part: u32,
        /// Of how many.
        parts: u32,
        /// What is held.
        revocations: Vec<Revocation>,
    },
}

variants!(Frame { 0 => Room { frame }, 1 => Node { frame }, 2 => Revocation { frame } });
variants!(RevocationFrame {
    0 => News { revocations },
    1 => Held { digest },
    2 => Starting {},
    3 => Copy { digest },
    4 => Part { part, parts, revocations },
});
record!(RoomFrame { room, seq, version, body });
variants!(Body {
    0 => Who { asker, joining, claim },
    1 => Ask { asker },
    2 => Roster { asker, part, parts, peers, left, joining, nodes, yielded },
    3 => Delta { since, change },
    4 => Announce {},
    5 => Compare { yours },
    6 => Signal { to, parcel },
    7 => Tell { to, news },
    8 => Remove { by, id, reason },
    9 => Check { asker, id },
    10 => Dead { departed },
    11 => Moved { to, node, parcel },
    12 => Again { to, parcel },
});
variants!(Change { 0 => Now { peer }, 1 => Left { departed }, 2 => Released { id } });
record!(Entry { id, seq, generation, identity, name, metadata, attributes, features, previous, presence, duplicates });
record!(Departed { id, reason, remaining_ms });
record!(Joining { place, id });
record!(Claim { peer, generation });
record!(Parcel { from, kind, naming, text });
variants!(News {
    0 => Receipt { re, status },
    1 => Refused { code, to, re, outcome },
    2 => Checked { id, presence },
});
variants!(NodeFrame { 0 => Beat { number }, 1 => Bye {}, 2 => Digest { mine, yours } });
