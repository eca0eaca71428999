//! Says where the histories of a run break a promise.
//!
//! Offline: it reads what was recorded and knows nothing of clients or clusters. Each part looks at one thing and has a test that breaks each
//! of its promises once.

mod letters;
mod returns;
mod rosters;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use crate::history::{At, Course, History, Record};

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Its sender was told that it was delivered, and it never came.
    Lost,
    /// It came again.
    Duplicated,
    /// It came after one that was sent later.
    Reordered,
    /// It came, and its sender was told that it was not delivered.
    Contradicted,
    /// It was rejected because of a peer that is gone, and the peer was there to the end.
    GivenUp,
    /// Its sender was not told in time what became of it, or never.
    Unsettled,
    /// Its sender was told twice.
    SettledTwice,
    /// Nobody wrote it, or somebody else did, or for somebody else, or in another room.
    Forged,
    /// It came from a peer that had not come yet, or had left.
    Stranger,
    /// Somebody was seen to leave, and nobody did.
    PeerLeft,
    /// Something of a cut was seen that is too short to be seen.
    RosterEvent,
    /// When it was all over, the peers of a room saw different rooms.
    Disagreed,
    /// A client that was not there when it was all over.
    Absent,
    /// A client was refused.
    Refused,
}

/// A broken promise, whose, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    pub(crate) room: usize,
    pub(crate) client: usize,
    pub(crate) at: At,
    pub(crate) what: String,
}

/// What a run comes to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    pub(crate) letters: letters::Figures,
    pub(crate) rosters: rosters::Figures,
    pub(crate) returns: returns::Figures,
}

/// Judges a run.
pub(crate) fn check(course: &Course, histories: &[History]) -> Verdict {
    let mut verdict = Verdict::default();
    letters::check(course, histories, &mut verdict);
    rosters::check(course, histories, &mut verdict);
    returns::check(course, histories, &mut verdict);
    verdict.violations.sort_by_key(|violation| violation.at);
    verdict
}

impl Verdict {
    /// How many promises of a kind were broken.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }

    fn blame(&mut self, kind: Kind, history: &History, at: At, what: impl Into<String>) {
        self.violations.push(Violation { kind, room: history.room, client: history.client, at, what: what.into() });
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Contradicted => "rejected as not delivered, yet delivered",
            Self::GivenUp => "rejected for one who is gone, and is not",
            Self::Unsettled => "unsettled",
            Self::SettledTwice => "settled twice",
            Self::Forged => "forged",
            Self::Stranger => "from a stranger",
            Self::PeerLeft => "seen to leave",
            Self::RosterEvent => "roster event",
            Self::Disagreed => "disagreed",
            Self::Absent => "absent",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, room, client, at, what } = self;
        write!(f, "{at} s, room {room}, client {client}: {kind}: {what}")
    }
}

/// The records of the run proper: what follows is its end.
fn during<'a>(course: &Course, history: &'a History) -> impl Iterator<Item = &'a Record> {
    let ended = course.ended;
    history.records.iter().take_while(move |record| record.at < ended)
}

/// The duration than which so many percent are not longer, of sorted ones.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let index = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(index).copied()
}
