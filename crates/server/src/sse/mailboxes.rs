//! The mailboxes of a node, by the names of their connections.
//!
//! A name is `NODE.HEX`: the node, so that another one knows whose it is, and 128 random bits, so that nobody guesses it. It is no
//! secret by itself: a POST counts only with a token of the same identity and room.

use std::{collections::HashMap, sync::Arc};

use aldis_core::Moment;
use aldis_protocol::{Identity, Limits, NodeId, RoomId};
use parking_lot::Mutex;

use super::{
    mailbox::Mailbox,
    parted::{Kept, Parted, PartedStreams},
};

/// Where a connection's POSTs go.
pub const PATH: &str = "/v1/signal/";

/// One connection of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u128);

/// All mailboxes.
pub struct Mailboxes {
    node: NodeId,
    named: Mutex<Named>,
}

/// What a name may stand for.
#[derive(Default)]
struct Named {
    open: HashMap<ConnectionId, Arc<Mailbox>>,
    parted: PartedStreams,
}

/// Whom a POST reaches.
pub enum Addressee {
    /// A connection.
    Open(Arc<Mailbox>),
    /// Nobody, unless it is a goodbye.
    Parted(Parted),
}

impl ConnectionId {
    /// An id of random bits.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(bits)
    }
}

impl Mailboxes {
    /// None yet.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self { node, named: Mutex::default() }
    }

    /// The path that a client POSTs to.
    #[must_use]
    pub fn path(&self, id: ConnectionId) -> String {
        format!("{PATH}{}", self.name(id))
    }

    /// Opens the mailbox of a connection.
    pub fn open(&self, id: ConnectionId, mailbox: Arc<Mailbox>) {
        self.named.lock().open.insert(id, mailbox);
    }

    /// Finds the connection of a path, if it is one of this node.
    #[must_use]
    pub fn find(&self, path: &str, now: Moment) -> Option<Addressee> {
        let name = path.strip_prefix(PATH)?;
        let (_, bits) = name.rsplit_once('.')?;
        let id = ConnectionId(u128::from_str_radix(bits, 16).ok()?);
        // One spelling and no other.
        if self.name(id) != name {
            return None;
        }
        let mut named = self.named.lock();
        match named.open.get(&id) {
            Some(mailbox) => Some(Addressee::Open(Arc::clone(mailbox))),
            None => named.parted.find(id, now).map(Addressee::Parted),
        }
    }

    /// Whether a path names a connection of another node.
    #[must_use]
    pub fn is_elsewhere(&self, path: &str) -> bool {
        let name = path.strip_prefix(PATH).and_then(|name| name.rsplit_once('.'));
        name.is_some_and(|(node, _)| NodeId::parse(node).is_ok_and(|node| node != self.node))
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.lock().open.is_empty()
    }

    /// Closes a mailbox: its connection has ended, and its session knows. For as long as that may be resumed it may say goodbye.
    pub fn close(&self, id: ConnectionId, now: Moment, limits: &Limits) -> Kept {
        let (closed, kept) = {
            let mut named = self.named.lock();
            let closed = named.open.remove(&id);
            let kept = match closed.as_ref().and_then(|mailbox| mailbox.parted()) {
                Some(parted) => {
                    let max = usize::try_from(limits.parted_streams).unwrap_or(usize::MAX);
                    named.parted.keep(id, parted, now, now.after(limits.resume_window_ms), max)
                }
                None => Kept::All,
            };
            (closed, kept)
        };
        // Whoever is told now that it is gone finds it among the others.
        if let Some(mailbox) = closed {
            mailbox.close();
        }
        kept
    }

    fn name(&self, ConnectionId(bits): ConnectionId) -> String {
        format!("{}.{bits:032x}", self.node)
    }
}

impl Addressee {
    /// Who may POST.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Open(mailbox) => &mailbox.identity,
            Self::Parted(parted) => &parted.identity,
        }
    }

    /// In which room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        match self {
            Self::Open(mailbox) => &mailbox.room,
            Self::Parted(parted) => &parted.seating.room,
        }
    }

    /// What the connection is when it is over.
    #[must_use]
    pub fn parted(&self) -> Option<Parted> {
        match self {
            Self::Open(mailbox) => mailbox.parted(),
            Self::Parted(parted) => Some(parted.clone()),
        }
    }
}
