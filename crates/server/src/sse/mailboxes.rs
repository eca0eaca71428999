//! The mailboxes of a node, by the names of their connections.
//!
//! A name is `NODE.HEX`: the node, so that another one knows whose it is, and 128 random bits, so that nobody guesses it. It is no
//! secret by itself: a POST counts only with a token of the same identity and room.

use std::{collections::HashMap, sync::Arc};

use aldis_protocol::NodeId;
use parking_lot::Mutex;

use super::mailbox::Mailbox;

/// Where a connection's POSTs go.
pub const PATH: &str = "/v1/signal/";

/// One connection of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u128);

/// All mailboxes.
pub struct Mailboxes {
    node: NodeId,
    open: Mutex<HashMap<ConnectionId, Arc<Mailbox>>>,
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
        Self { node, open: Mutex::new(HashMap::new()) }
    }

    /// The path that a client POSTs to.
    #[must_use]
    pub fn path(&self, id: ConnectionId) -> String {
        format!("{PATH}{}", self.name(id))
    }

    /// Opens the mailbox of a connection.
    pub fn open(&self, id: ConnectionId, mailbox: Arc<Mailbox>) {
        self.open.lock().insert(id, mailbox);
    }

    /// Finds the mailbox of a path, if it is one of this node and open.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Arc<Mailbox>> {
        let name = path.strip_prefix(PATH)?;
        let (_, bits) = name.rsplit_once('.')?;
        let id = ConnectionId(u128::from_str_radix(bits, 16).ok()?);
        // One spelling and no other.
        if self.name(id) != name {
            return None;
        }
        self.open.lock().get(&id).cloned()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.lock().is_empty()
    }

    /// Closes a mailbox: its connection has ended.
    pub fn close(&self, id: ConnectionId) {
        let closed = self.open.lock().remove(&id);
        if let Some(mailbox) = closed {
            mailbox.close();
        }
    }

    fn name(&self, ConnectionId(bits): ConnectionId) -> String {
        format!("{}.{bits:032x}", self.node)
    }
}
