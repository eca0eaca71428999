//! One stay of somebody in a room.
//!
//! ```text
//!   (join) ──► Here ──lost, frozen──► Away ──window ends──► gone (tombstone)
//!               ▲  ▲                   │
//!               │  └──resume, thaw─────┘
//!               └─ resume from elsewhere fences the old connection
//! ```
//!
//! A raw client's session has no `Away`: it cannot come back, so a broken connection ends the stay.

use std::collections::VecDeque;

use aldis_protocol::{Identity, Json, Limits, PeerId, PeerInfo, Presence, ServerMessage, limits::Limit};

use crate::{Dialect, Duplicates, Grant, Moment, Profile, Stamp, output::Parcel};

/// A session: a peer as the server keeps it.
pub(crate) struct Session<C> {
    pub(crate) id: PeerId,
    /// The place in the room's order, together with the id.
    pub(crate) seq: u64,
    /// How often the session got a new connection; a resume carries the highest known one on.
    pub(crate) generation: u64,
    pub(crate) profile: Profile,
    pub(crate) attributes: Option<Json>,
    pub(crate) features: Vec<String>,
    pub(crate) previous: Option<PeerId>,
    pub(crate) grant: Grant,
    /// What its latest token shows of itself.
    pub(crate) stamp: Stamp,
    /// What its token says of others of its identity.
    pub(crate) duplicates: Duplicates,
    pub(crate) dialect: Dialect,
    pub(crate) state: State<C>,
    /// Who waits for the answer to a `check` of this peer.
    pub(crate) askers: Vec<PeerId>,
}

/// Whether the peer can be written to.
pub(crate) enum State<C> {
    Here { connection: C },
    Away(Box<Away<C>>),
}

/// A session without a living connection.
pub(crate) struct Away<C> {
    pub(crate) link: Link<C>,
    pub(crate) notice: Notice,
    /// When the stay ends.
    pub(crate) expires: Moment,
    pub(crate) parking: Parking,
}

/// Whether an away session still has a connection.
pub(crate) enum Link<C> {
    /// It broke.
    Broken,
    /// The page said that it is frozen; the connection is open and must not be probed.
    Frozen(C),
}

/// Whether the others know that a peer is away: a blip is no event.
#[derive(PartialEq, Eq)]
pub(crate) enum Notice {
    Due(Moment),
    Given,
}

impl<C: Clone + PartialEq> Session<C> {
    /// The place in the room's order: the smaller is older, makes the first offer and is impolite.
    pub(crate) fn place(&self) -> (u64, &PeerId) {
        (self.seq, &self.id)
    }

    /// The connection that may be written to.
    pub(crate) fn writable(&self) -> Option<&C> {
        match &self.state {
            State::Here { connection } => Some(connection),
            State::Away(_) => None,
        }
    }

    /// Whether messages from `connection` are this session's.
    pub(crate) fn is_on(&self, connection: &C) -> bool {
        self.connection() == Some(connection)
    }

    /// The connection that is open, frozen or not.
    pub(crate) fn connection(&self) -> Option<&C> {
        match &self.state {
            State::Here { connection } => Some(connection),
            State::Away(away) => match &away.link {
                Link::Frozen(connection) => Some(connection),
                Link::Broken => None,
            },
        }
    }

    /// What the others have been told of its presence.
    pub(crate) fn presence(&self) -> Presence {
        match &self.state {
            State::Away(away) if away.notice == Notice::Given => Presence::Away,
            State::Away(_) | State::Here { .. } => Presence::Here,
        }
    }

    /// The peer as the one at `viewer` sees it.
    pub(crate) fn seen_from(&self, viewer: (u64, &PeerId)) -> PeerInfo {
        PeerInfo {
            id: self.id.clone(),
            identity: self.profile.identity.clone(),
            name: self.profile.name.clone(),
            metadata: self.profile.metadata.clone(),
            attributes: self.attributes.clone(),
            presence: self.presence(),
            polite: self.place() < viewer,
            features: self.features.clone(),
            previous: self.previous.clone(),
        }
    }

    /// An upper bound of the bytes this peer takes in a `welcome`.
    pub(crate) fn wire_size(&self) -> u64 {
        let Self { id, profile, attributes, features, previous, .. } = self;
        let Profile { identity, name, metadata } = profile;
        wire_size(id, identity, name.as_deref(), [metadata, attributes], features, previous.as_ref())
    }
}

/// An upper bound of the bytes a peer takes in a `welcome`.
pub(crate) fn wire_size(
    id: &PeerId,
    identity: &Identity,
    name: Option<&str>,
    json: [&Option<Json>; 2],
    features: &[String],
    previous: Option<&PeerId>,
) -> u64 {
    const KEYS: usize = 192;
    let json: usize = json.into_iter().flatten().map(|json| json.get().len()).sum();
    let name = name.map_or(0, |name| 6 * name.len());
    let features: usize = features.iter().map(|feature| 6 * feature.len() + 3).sum();
    let previous = previous.map_or(0, |id| id.as_str().len());
    let ids = id.as_str().len() + 2 * identity.as_str().len() + previous;
    (KEYS + ids + name + features + json) as u64
}

/// What waits for a peer that is away, within its bounds and in order.
#[derive(Default)]
pub(crate) struct Parking {
    queue: VecDeque<Parked>,
    bytes: u64,
}

/// One thing that waits.
pub(crate) enum Parked {
    /// A signal from somebody.
    Signal(Parcel),
    /// What became of a message that the away peer sent: a receipt or an error.
    Notice(ServerMessage),
}

/// What a parking gives back, and the limit that it would break.
pub(crate) struct NoRoom {
    pub(crate) parked: Parked,
    pub(crate) limit: Limit,
}

impl Parked {
    fn size(&self) -> u64 {
        match self {
            Self::Signal(parcel) => parcel.text.len() as u64,
            Self::Notice(_) => 128,
        }
    }
}

impl Parking {
    /// Takes one thing, or gives it back where there is no room for it.
    pub(crate) fn park(&mut self, parked: Parked, limits: &Limits) -> Result<(), NoRoom> {
        let bytes = self.bytes + parked.size();
        if self.queue.len() as u64 >= limits.parked_messages {
            return Err(NoRoom { parked, limit: Limit::parked_messages });
        }
        if bytes > limits.parked_bytes {
            return Err(NoRoom { parked, limit: Limit::parked_bytes });
        }
        self.bytes = bytes;
        self.queue.push_back(parked);
        Ok(())
    }

    /// Empties the parking, oldest first.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = Parked> {
        self.queue.into_iter()
    }

    /// Drops the signals of a sender that left for good, and says how many.
    pub(crate) fn forget(&mut self, sender: &PeerId) -> usize {
        let before = self.queue.len();
        self.queue.retain(|parked| !matches!(parked, Parked::Signal(parcel) if parcel.from == *sender));
        self.bytes = self.queue.iter().map(Parked::size).sum();
        before - self.queue.len()
    }
}
