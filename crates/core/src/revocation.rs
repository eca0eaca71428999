//! Tokens that do not count any more: by their id, their identity, their time, their room.
//!
//! ```text
//!            impose                    lift
//!   nothing ───────► Held, round 0 ──────────► Lifted, round 0 ──impose──► Held, round 1 …
//!      ▲               │ until                   │ until
//!      └───────────────┴─────────────────────────┘
//! ```
//!
//! A list is a set that nodes make the same by [merging](Revocations::merge) what they hold, in whatever order and however often:
//! the later round counts, and within a round the later end, the later time of issue, and that it was lifted. So nothing is ever taken
//! back but by name, and what was lifted is remembered until its end, so that a node that did not hear of it does not bring it back.
//!
//! Times are the wall's, in Unix milliseconds, because they have to mean the same on every node and after a restart.

mod held;

use std::collections::{BTreeMap, BTreeSet};

use aldis_protocol::{CloseCode, ErrorCode, Identity, RoomId, TokenId, WireError};

use crate::cluster::{
    codec::{Wire, record, variants},
    fingerprint,
};

use held::Held;

/// The longest that a revocation can be needed, in milliseconds: as long as a token can be accepted that was signed just before. A
/// token lives for a day, a minute more for a backend whose clock is ahead, and half a minute of leeway.
pub const LONGEST_MS: u64 = 86_400_000 + 60_000 + 30_000;

/// Of how many times its bound a list takes what other nodes hold: two halves of a cluster that were apart may both be full.
pub const MERGED: usize = 2;

/// What a token shows of itself, besides its identity and its room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its `jti`.
    pub id: Option<TokenId>,
    /// Its `iat`, in Unix milliseconds. A token without one counts as older than any time.
    pub issued_at: Option<u64>,
}

/// Which tokens a revocation is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The ones with this `jti`.
    Token {
        /// The `jti`.
        id: TokenId,
    },
    /// All of an identity.
    Identity {
        /// The `sub`.
        identity: Identity,
    },
    /// Those of an identity that were issued before [`Terms::not_before`].
    Issued {
        /// The `sub`.
        identity: Identity,
    },
    /// All for a room.
    Room {
        /// The room.
        room: RoomId,
    },
    /// Those of an identity for a room.
    Member {
        /// The room.
        room: RoomId,
        /// The `sub`.
        identity: Identity,
    },
}

/// The kind of a target, as a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Target::Token`].
    Token,
    /// [`Target::Identity`].
    Identity,
    /// [`Target::Issued`].
    Issued,
    /// [`Target::Room`].
    Room,
    /// [`Target::Member`].
    Member,
}

/// How a revocation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How often it was imposed again after it had been lifted.
    pub round: u32,
    /// Whether it counts.
    pub standing: Standing,
    /// When it ends, Unix milliseconds.
    pub until: u64,
    /// Of [`Target::Issued`]: tokens that were issued before are revoked. Unix milliseconds, else zero.
    pub not_before: u64,
    /// Why, for those whom it concerns.
    pub reason: Option<String>,
}

/// Whether a revocation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It does.
    Held,
    /// It was taken back, and is only remembered.
    Lifted,
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Of which tokens.
    pub target: Target,
    /// For how long, and how.
    pub terms: Terms,
}

record!(Revocation { target, terms });
record!(Terms { round, standing, until, not_before, reason });
variants!(Target {
    0 => Token { id },
    1 => Identity { identity },
    2 => Issued { identity },
    3 => Room { room },
    4 => Member { room, identity },
});

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// By which kind of revocation.
    pub kind: Kind,
    /// What was given as the reason.
    pub reason: Option<String>,
}

/// The list is full: nothing that it holds is dropped for something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// The most that it holds.
    pub most: usize,
}

/// What merging changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// Nothing: it was known, or is over.
    Nothing,
    /// It is new, or stands differently now.
    Changed,
    /// There is no place for it.
    Full,
}

impl Target {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Token { .. } => Kind::Token,
            Self::Identity { .. } => Kind::Identity,
            Self::Issued { .. } => Kind::Issued,
            Self::Room { .. } => Kind::Room,
            Self::Member { .. } => Kind::Member,
        }
    }

    /// The bytes that stand for it everywhere, for a name that is made of them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Token, Self::Identity, Self::Issued, Self::Room, Self::Member];

    /// The label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Identity => "identity",
            Self::Issued => "issued",
            Self::Room => "room",
            Self::Member => "member",
        }
    }
}

impl Finding {
    /// What a client is told at the door.
    #[must_use]
    pub fn refusal(&self) -> WireError {
        let what = match self.kind {
            Kind::Token => "This token has been revoked",
            Kind::Identity => "The tokens of this identity have been revoked",
            Kind::Issued => "The tokens that this identity was given until then have been revoked; a newer one counts",
            Kind::Room => "The room has been closed",
            Kind::Member => "This identity has been removed from the room, and is kept out for now",
        };
        WireError::with(ErrorCode::TokenRevoked, self.sentence(what))
    }

    /// What a client is told that is inside, and how its connection closes.
    #[must_use]
    pub fn expulsion(&self) -> (CloseCode, WireError) {
        if self.kind == Kind::Member {
            let error = WireError::with(ErrorCode::Removed, self.sentence("Removed by a moderator"));
            return (CloseCode::Removed, error);
        }
        (CloseCode::Forbidden, self.refusal())
    }

    fn sentence(&self, what: &str) -> String {
        self.reason.as_ref().map_or_else(|| format!("{what}."), |why| format!("{what}: {why}"))
    }
}

impl Terms {
    /// Takes over whatever counts more in the other.
    fn merge(&mut self, other: Self) {
        if other.round > self.round {
            *self = other;
        } else if other.round == self.round {
            self.standing = self.standing.max(other.standing);
            self.until = self.until.max(other.until);
            self.not_before = self.not_before.max(other.not_before);
            // Two reasons for the same: any of them, as long as every node keeps the same one.
            self.reason = self.reason.take().max(other.reason);
        }
    }

    fn counts(&self, unix_ms: u64) -> bool {
        self.standing == Standing::Held && unix_ms < self.until
    }
}

impl Revocation {
    fn fingerprint(target: &Target, terms: &Terms) -> u64 {
        let mut bytes = target.to_bytes();
        terms.write(&mut bytes);
        fingerprint(&bytes)
    }

    /// An upper bound of its bytes in a frame.
    pub(crate) fn wire_size(&self) -> usize {
        let target = match &self.target {
            Target::Token { id } => id.as_str().len(),
            Target::Identity { identity } | Target::Issued { identity } => identity.as_str().len(),
            Target::Room { room } => room.as_str().len(),
            Target::Member { room, identity } => room.as_str().len() + identity.as_str().len(),
        };
        32 + target + self.terms.reason.as_ref().map_or(0, String::len)
    }
}

/// All revocations that a node holds.
#[derive(Debug)]
pub struct Revocations {
    entries: BTreeMap<Target, Terms>,
    most: usize,
    /// The XOR of the fingerprints of all entries.
    digest: u64,
    /// The end of each entry, the first one first.
    ends: BTreeSet<(u64, Target)>,
    held: Held,
    /// How often something was put here.
    revision: u64,
}

impl Revocations {
    /// An empty list of at most so many entries, those that were lifted included.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (entries, ends) = (BTreeMap::new(), BTreeSet::new());
        Self { entries, most, digest: 0, ends, held: Held::default(), revision: 0 }
    }

    /// Whether a token with this identity and stamp is revoked for this room.
    #[must_use]
    pub fn find(&self, unix_ms: u64, room: &RoomId, identity: &Identity, stamp: &Stamp) -> Option<Finding> {
        if self.entries.is_empty() {
            return None;
        }
        let find = |target: Target| {
            let terms = self.entries.get(&target).filter(|terms| terms.counts(unix_ms))?;
            let older = stamp.issued_at.is_none_or(|at| at < terms.not_before);
            let kind = target.kind();
            (kind != Kind::Issued || older).then(|| Finding { kind, reason: terms.reason.clone() })
        };
        let (room, identity) = (room.clone(), identity.clone());
        stamp
            .id
            .clone()
            .and_then(|id| find(Target::Token { id }))
            .or_else(|| find(Target::Identity { identity: identity.clone() }))
            .or_else(|| find(Target::Issued { identity: identity.clone() }))
            .or_else(|| find(Target::Room { room: room.clone() }))
            .or_else(|| find(Target::Member { room, identity }))
    }

    /// Adds a revocation, or makes one that is held last longer. One that was lifted begins a new round.
    ///
    /// # Errors
    /// The list is full.
    pub fn impose(
        &mut self,
        unix_ms: u64,
        target: Target,
        until: u64,
        not_before: u64,
        reason: Option<String>,
    ) -> Result<Revocation, Full> {
        self.expire(unix_ms);
        if !self.entries.contains_key(&target) {
            self.has_room(&target)?;
        }
        let round = match self.entries.get(&target) {
            Some(Terms { standing: Standing::Lifted, round, .. }) => round.saturating_add(1),
            Some(terms) => terms.round,
            None => 0,
        };
        let terms = Terms { round, standing: Standing::Held, until, not_before, reason };
        let terms = self.put(target.clone(), terms);
        Ok(Revocation { target, terms })
    }

    /// Whether one more fits. What was lifted is remembered beside, as far as others' lists would take it.
    fn has_room(&self, target: &Target) -> Result<(), Full> {
        // Any moderator of any room makes these: they must not be able to take the operator's places.
        let half = self.most.div_ceil(2);
        if target.kind() == Kind::Member && self.held.of(Kind::Member) >= half {
            return Err(Full { most: half });
        }
        if self.held.all() >= self.most || self.entries.len() >= self.most.saturating_mul(MERGED) {
            return Err(Full { most: self.most });
        }
        Ok(())
    }

    /// Takes a revocation back, if it is held. It is remembered for as long as any other, whose end nobody has to know for that.
    pub fn lift(&mut self, unix_ms: u64, target: &Target) -> Option<Revocation> {
        let terms = self.entries.get(target).filter(|terms| terms.counts(unix_ms))?;
        let until = terms.until.max(unix_ms.saturating_add(LONGEST_MS));
        let terms = Terms { standing: Standing::Lifted, until, ..terms.clone() };
        let terms = self.put(target.clone(), terms);
        Some(Revocation { target: target.clone(), terms })
    }

    /// Takes over what another node holds, or a file.
    pub fn merge(&mut self, unix_ms: u64, revocation: &Revocation) -> Merged {
        self.expire(unix_ms);
        let Revocation { target, terms } = revocation;
        if terms.until <= unix_ms {
            return Merged::Nothing;
        }
        let before = self.entries.get(target).cloned();
        if before.is_none() && self.entries.len() >= self.most.saturating_mul(MERGED) {
            return Merged::Full;
        }
        let now = self.put(target.clone(), terms.clone());
        if before.as_ref() == Some(&now) { Merged::Nothing } else { Merged::Changed }
    }

    /// Those that are held or remembered as lifted.
    pub fn all(&self, unix_ms: u64) -> impl Iterator<Item = Revocation> {
        let lasting = self.entries.iter().filter(move |(_, terms)| unix_ms < terms.until);
        lasting.map(|(target, terms)| Revocation { target: target.clone(), terms: terms.clone() })
    }

    /// Those that are held.
    pub fn held(&self, unix_ms: u64) -> impl Iterator<Item = Revocation> {
        self.all(unix_ms).filter(|revocation| revocation.terms.standing == Standing::Held)
    }

    /// How many of a kind are held.
    pub fn count(&mut self, unix_ms: u64, kind: Kind) -> usize {
        self.expire(unix_ms);
        self.held.of(kind)
    }

    /// The revocation of a target, if it counts.
    #[must_use]
    pub fn get(&self, unix_ms: u64, target: &Target) -> Option<&Terms> {
        self.entries.get(target).filter(|terms| terms.counts(unix_ms))
    }

    /// Grows whenever something may have changed but by its end.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether nothing is held or remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The same number on every node that holds the same; zero for nothing.
    pub fn digest(&mut self, unix_ms: u64) -> u64 {
        self.expire(unix_ms);
        self.digest
    }

    /// Forgets what is over.
    pub fn expire(&mut self, unix_ms: u64) {
        while self.ends.first().is_some_and(|(until, _)| *until <= unix_ms) {
            let Some((_, target)) = self.ends.pop_first() else { return };
            self.take(&target);
        }
    }

    /// Merges terms into the entry of a target, and returns what it is then.
    fn put(&mut self, target: Target, terms: Terms) -> Terms {
        self.revision += 1;
        let merged = match self.take(&target) {
            Some(mut known) => {
                self.ends.remove(&(known.until, target.clone()));
                known.merge(terms);
                known
            }
            None => terms,
        };
        self.digest ^= Revocation::fingerprint(&target, &merged);
        self.held.enter(&target, &merged);
        self.ends.insert((merged.until, target.clone()));
        self.entries.insert(target, merged.clone());
        merged
    }

    /// Takes an entry out, but for its end.
    fn take(&mut self, target: &Target) -> Option<Terms> {
        let terms = self.entries.remove(target)?;
        self.digest ^= Revocation::fingerprint(target, &terms);
        self.held.leave(target, &terms);
        Some(terms)
    }
}

#[cfg(test)]
#[path = "revocation_tests.rs"]
mod tests;
