//! Whether nodes reach each other, and why not.

use std::fmt;

/// The state of a node's backplane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// What is published goes out, and what others publish comes in: the probe came back.
    Up,
    /// Nothing crosses nodes. The backplane heals by itself.
    Degraded(Cause),
}

/// Why nothing crosses nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The broker was not asked yet.
    Starting,
    /// The broker does not answer.
    Unreachable,
    /// It closed a connection.
    Lost,
    /// Two probes in a row did not come back.
    Deaf,
    /// It is a replica: what is published there reaches nobody at the primary.
    ReadOnly,
    /// Another one is the primary now.
    Moved,
    /// It refuses us: wrong credentials, no permission, or limits too small.
    Refused,
    /// We read too slowly, and it dropped frames.
    SlowConsumer,
    /// It is about to shut down.
    LameDuck,
}

impl Cause {
    /// The cause for `/readyz` and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
            Self::Deaf => "deaf",
            Self::ReadOnly => "read-only",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::SlowConsumer => "slow-consumer",
            Self::LameDuck => "lame-duck",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of a link to the broker.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    /// For the log: what the broker or the system said. Never an address with its credentials.
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, detail: &(impl ToString + ?Sized)) -> Self {
        Self { cause, detail: detail.to_string() }
    }
}
