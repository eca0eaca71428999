//! What goes over the connections between the sides and the relay.

use aldis_client::streams::{Position, StreamHeader};

use crate::checker::{Letter, Stay};

/// A message on its way: a letter with its header, or a bare acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) from: Stay,
    pub(crate) to: Stay,
    pub(crate) x: StreamHeader,
    pub(crate) letter: Option<Letter>,
}

/// What the relay says of the others in the room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News {
    pub(crate) turn: Turn,
    pub(crate) stay: Stay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Joined,
    Back,
    Away,
    Left,
}

/// How a connection begins: who one is, and who else is there.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) stay: Stay,
    pub(crate) begins: Begins,
    pub(crate) here: Vec<Stay>,
    pub(crate) away: Vec<Stay>,
    pub(crate) left: Vec<Stay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    Resumed,
    Anew,
}

/// Why a message was not handed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) to: Stay,
    pub(crate) position: Position,
    pub(crate) kind: Refused,
    pub(crate) retry_after_ms: u64,
}

/// It may be later; it never will; it never will, because its peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Postponed,
    Never,
    Gone,
}

/// What a connection brings.
#[derive(Debug)]
pub(crate) enum Delivery {
    Frame(Frame),
    News(News),
    Refusal(Refusal),
    Welcome(Welcome),
}

impl Turn {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Back => "back",
            Self::Away => "away",
            Self::Left => "left",
        }
    }
}

impl Refused {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postponed => "postponed",
            Self::Never => "refused",
            Self::Gone => "gone",
        }
    }
}
