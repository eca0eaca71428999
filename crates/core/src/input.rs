//! What goes into the hub.

use aldis_protocol::{ClientMessage, Identity, Json, MsgId, NodeId, PeerId, RoomId};

use crate::{
    Duplicates, Grant, Revocations, Stamp,
    cluster::{RoomFrame, Subject, Tidings},
    output::Parcel,
};

/// One thing that happened, for [`Hub::handle_input`](crate::Hub::handle_input). `C` is the owner's handle of a connection.
#[derive(Debug)]
pub enum Input<'a, C> {
    /// The first step of a join or resume: somebody wants in. Answered by [`Output::Confirm`](crate::Output::Confirm).
    Join(Box<Join<C>>),
    /// The second step: whoever else knows the room has answered, or nobody does.
    Confirmed {
        /// The room.
        room: &'a RoomId,
        /// Whose join.
        connection: &'a C,
    },
    /// The connection of an unfinished join is gone.
    Abandoned {
        /// The room.
        room: &'a RoomId,
        /// Whose join.
        connection: &'a C,
    },
    /// A seated client sent something. `hello`, `auth`, `ice-servers` and `ping` are answered before the hub and change nothing.
    Message {
        /// Who.
        seat: &'a Seat<C>,
        /// What.
        message: ClientMessage<'a>,
    },
    /// A seated client showed a new token.
    Authorized {
        /// Who.
        seat: &'a Seat<C>,
        /// What the token says of it.
        profile: Profile,
        /// What it may do from now on.
        grant: Grant,
        /// What the token shows of itself.
        stamp: Stamp,
    },
    /// Tokens were revoked: whoever is in a room of this hub with one of them, or about to be, is put out.
    Revoked {
        /// What is new.
        news: &'a Revocations,
        /// The wall's time, Unix milliseconds.
        unix_ms: u64,
    },
    /// A probed connection gave a sign of life.
    Alive {
        /// Whose.
        seat: &'a Seat<C>,
    },
    /// A parcel whose sender asked for a receipt left for its receiver.
    Written {
        /// The room.
        room: &'a RoomId,
        /// The sender.
        from: &'a PeerId,
        /// The sender's name for it.
        re: &'a MsgId,
    },
    /// A parcel whose sender asked for a receipt could not be written in time; it may still be.
    Late {
        /// The room.
        room: &'a RoomId,
        /// The sender.
        from: &'a PeerId,
        /// The receiver.
        to: &'a PeerId,
        /// The sender's name for it.
        re: &'a MsgId,
    },
    /// The client of a connection that is over said goodbye after all. Nothing, if the session is of another generation by now.
    Goodbye {
        /// The room.
        room: &'a RoomId,
        /// Who.
        peer: &'a PeerId,
        /// The generation that the connection was.
        generation: u64,
    },
    /// A frame of another node about a room of this hub, which [`Cluster`](crate::Cluster) let pass.
    Frame {
        /// Who sent it.
        from: &'a NodeId,
        /// What.
        frame: Box<RoomFrame>,
    },
    /// Nobody read what was published: no node has this inbox, or only this one reads the room's subject.
    Undelivered {
        /// Where it was published.
        subject: &'a Subject,
        /// What.
        frame: Box<RoomFrame>,
    },
    /// What is published on the room's subject reaches this node from now on.
    Subscribed {
        /// The room.
        room: &'a RoomId,
    },
    /// Something that every hub has to know of the cluster.
    Tidings(&'a Tidings),
    /// The node is shutting down: nothing is parked any more, and what is parked goes back to its senders.
    Draining,
    /// A seated connection is gone.
    Disconnected {
        /// Whose.
        seat: &'a Seat<C>,
        /// For good, or perhaps not.
        departure: Departure,
        /// What was queued for it and never left, oldest first.
        unsent: Vec<Parcel>,
    },
}

/// Where a connection sits once it has its `welcome`: the address of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat<C> {
    /// The room.
    pub room: RoomId,
    /// The stay.
    pub peer: PeerId,
    /// The connection; a session that has a newer one ignores this seat.
    pub connection: C,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The client said goodbye: the stay ends now.
    Bye,
    /// It broke: an `aldis.v1` session is away until its window ends, a raw one has ended.
    Lost,
}

/// What a token says of a peer to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who it is.
    pub identity: Identity,
    /// A name to show.
    pub name: Option<String>,
    /// The backend's own.
    pub metadata: Option<Json>,
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Bare JSON messages: no `hello`, no resume.
    Raw,
    /// The subprotocol `aldis.v1`: speaks first, may resume.
    V1,
}

/// Somebody who wants into a room, with a token that was checked.
#[derive(Debug, Clone)]
pub struct Join<C> {
    /// Its connection.
    pub connection: C,
    /// The room.
    pub room: RoomId,
    /// What the token says of it.
    pub profile: Profile,
    /// What it may do.
    pub grant: Grant,
    /// What its token shows of itself.
    pub stamp: Stamp,
    /// Its token's `maxPeers`; the smaller of it and the server's limit counts.
    pub max_peers: Option<u64>,
    /// What happens to others of its identity.
    pub duplicates: Duplicates,
    /// How it speaks.
    pub dialect: Dialect,
    /// What it understands.
    pub features: Vec<String>,
    /// The id of a new stay, minted by the owner of the random numbers; unused when an old stay goes on.
    pub fresh: PeerId,
    /// The session it proved to have had, by an authentic resume token of the same identity and room.
    pub ticket: Option<Ticket>,
}

/// What an authentic resume token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The stay.
    pub peer: PeerId,
    /// Its place in the room's order.
    pub seq: u64,
    /// Its generation when the token was issued.
    pub generation: u64,
    /// Whether it still resumes.
    pub age: Age,
}

/// Whether a resume token is in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It resumes.
    Fresh,
    /// It only proves who this was: `previous`.
    Expired,
}
