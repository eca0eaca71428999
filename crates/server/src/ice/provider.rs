//! What hands out TURN credentials, behind one trait.

use std::{future::Future, pin::Pin, time::Duration};

use aldis_protocol::IceServer;
use axum::http::StatusCode;
use thiserror::Error;

use crate::outbound::Failure;

/// An answer that a provider is still asked for.
pub type Underway<T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>;

/// Hands out TURN credentials, and takes them back where it can.
pub trait Provider: Send + Sync {
    /// Where credentials are made, which is where they may fail.
    fn place(&self) -> Place;

    /// Makes credentials.
    fn mint(&self, order: &Order<'_>) -> Minting;

    /// Takes credentials back by their username: relays that they opened end.
    fn revoke(&self, username: &str) -> Revoking;
}

/// Where credentials are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In this process, at once: it never fails, and what it makes is not kept.
    Here,
    /// At somebody's server on the network.
    Elsewhere,
}

/// For whom credentials are made.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The pseudonym of the identity.
    pub tag: &'a str,
    /// The wall's time, Unix seconds.
    pub now_unix_s: u64,
}

/// What a provider answers.
pub enum Minting {
    /// They are here.
    Done(Minted),
    /// Somebody is asked for them.
    Underway(Underway<Minted>),
}

/// What comes of taking credentials back.
pub enum Revoking {
    /// The provider cannot: they end with their time.
    Impossible,
    /// It is asked to.
    Underway(Underway<()>),
}

/// Credentials and the servers that they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// For `RTCConfiguration.iceServers`.
    pub servers: Vec<IceServer>,
    /// How long they are good; nothing where they are always.
    pub life: Option<Life>,
    /// Whether relays in use end with them.
    pub cuts_at_expiry: bool,
}

/// How long credentials are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// From their beginning to their end.
    pub ttl: Duration,
    /// How much of that has passed.
    pub age: Duration,
    /// When they end, Unix seconds.
    pub expires_at_unix_s: u64,
}

impl Minted {
    /// The name of what may be taken back.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.servers.iter().find_map(|server| server.username.as_deref())
    }
}

impl Life {
    /// A life that begins now.
    #[must_use]
    pub fn new(ttl: Duration, now_unix_s: u64) -> Self {
        Self { ttl, age: Duration::ZERO, expires_at_unix_s: now_unix_s.saturating_add(ttl.as_secs()) }
    }
}

/// For how long credentials of this TTL are handed out again to the same identity: half a minute, and never so long that less than nine
/// tenths of their time are left.
#[must_use]
pub fn reuse_for(ttl: Duration) -> Duration {
    (ttl / 10).min(Duration::from_secs(30))
}

/// Why a provider did not do what it was asked, in words for the operator's log. It holds nothing of what was sent or received.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// No answer in time.
    #[error("it did not answer in time")]
    Late,
    /// No answer at all.
    #[error("{0}")]
    Unreachable(Failure),
    /// It refuses us: a wrong key, a wrong account.
    #[error("it refuses ({0}): look at its key and its secret in turn.providers")]
    Refused(StatusCode),
    /// It has been asked too often.
    #[error("it is asked too often ({0})")]
    Limited(StatusCode),
    /// It failed.
    #[error("it failed ({0})")]
    Failed(StatusCode),
    /// Its answer is none that it documents.
    #[error("its answer {0}")]
    Unreadable(&'static str),
}

impl ProviderError {
    /// As a metric's label.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
            Self::Limited(_) => "limited",
            Self::Failed(_) => "failed",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Whether the same may work a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Late | Self::Unreachable(_) | Self::Failed(_) | Self::Unreadable(_) => true,
            Self::Refused(_) | Self::Limited(_) => false,
        }
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Late => Self::Late,
            Failure::TooLarge { .. } => Self::Unreadable("is larger than limits.turn_answer_bytes"),
            other => Self::Unreachable(other),
        }
    }
}
