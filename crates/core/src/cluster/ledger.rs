//! The revocations of one node, and what keeps them the same on all nodes.
//!
//! ```text
//!             up               a digest that is another         every part of the copy is here
//!   Apart ─────────► Asking ────────────────────────► Copying ─────────────────────► Settled
//!     │                │ ▲                              │ 2 s                         ▲  ▲
//!     │                │ └──────────────────────────────┘                             │  │
//!     │ 5 s            └── the same digest, or nobody answers for 2.5 s ──────────────┘  │
//!     └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What is revoked on one node is told to all at once. Whoever holds anything says the digest of it with every beat, and a node whose own
//! differs twice in a row asks that node for a copy: a first difference may only be news under way. After a gap the first one is enough.
//! Whoever is asked and holds something else asks back, so that both have the same after one exchange. At most one copy is under way to a
//! node, so that a cluster that heals does not send everybody's list to everybody.
//!
//! A node that starts asks all others for their digests and copies from the first that has another; it is ready when it is settled. Only
//! who is settled answers, so that nodes that start at once do not take each other's word.
//! On a node alone there is nothing of this: it is settled at once, and publishes nothing.

use std::collections::{BTreeSet, VecDeque};

use aldis_protocol::{Identity, NodeId, RoomId};

use crate::{
    Moment,
    cluster::{Subject, Tidings, frame::RevocationFrame},
    revocation::{Finding, Full, Kind, Merged, Revocation, Revocations, Stamp, Standing, Target},
};

/// How long a node waits at its start until the backplane is up, before it goes on without a copy.
const APART_MS: u64 = 5_000;

/// How long a starting node waits for somebody to answer: longer than from one beat to the next.
const ASKING_MS: u64 = 2_500;

/// How often it asks meanwhile.
const ASK_AGAIN_MS: u64 = 500;

/// How long a copy may take: then another one is asked for.
const COPY_MS: u64 = 2_000;

/// For how long after a gap of our own the first difference is enough.
const EAGER_MS: u64 = 10_000;

/// The most bytes of one part of a copy.
const PART_BYTES: usize = 48 * 1024;

/// The most parts of one copy: twenty times of what the usual bound needs with the longest names.
pub(crate) const MAX_PARTS: u32 = 4_096;

/// The list of one node. Its owner drains [`poll_output`](Self::poll_output) after every call that takes `&mut self`.
pub struct Ledger {
    list: Revocations,
    spread: Option<Spread>,
    outputs: VecDeque<LedgerOutput>,
    figures: LedgerFigures,
}

/// One thing to do.
#[derive(Debug)]
pub enum LedgerOutput {
    /// Publish a frame.
    Publish {
        /// Where.
        subject: Subject,
        /// What.
        frame: RevocationFrame,
    },
    /// Hand these to every hub, as [`Input::Revoked`](crate::Input::Revoked).
    Enforce(Revocations),
}

/// What is worth counting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct LedgerFigures {
    /// Digests of other nodes that differed.
    pub mismatches: u64,
    /// Copies that were asked for because of them.
    pub repairs: u64,
    /// Revocations of other nodes for which there was no place.
    pub overflowed: u64,
}

/// What there is between this node and others.
struct Spread {
    stage: Stage,
    /// Whose last digest differed.
    doubted: BTreeSet<NodeId>,
    /// Until when the first difference is enough.
    eager: Moment,
    /// Until when no other copy is asked for, unless the one that is under way arrives before.
    copying: Moment,
}

#[derive(Clone)]
enum Stage {
    Apart { until: Moment },
    Asking { until: Moment, again: Moment },
    Copying { from: NodeId, missing: Option<BTreeSet<u32>>, until: Moment, again: Moment },
    Settled,
}

impl Ledger {
    /// Of a node alone, with a list of at most so many.
    #[must_use]
    pub fn alone(most: usize) -> Self {
        Self { list: Revocations::new(most), spread: None, outputs: VecDeque::new(), figures: LedgerFigures::default() }
    }

    /// Of a node among others that starts now.
    #[must_use]
    pub fn among_others(most: usize, now: Moment) -> Self {
        let spread = Spread {
            stage: Stage::Apart { until: now.after(APART_MS) },
            doubted: BTreeSet::new(),
            eager: Moment::default(),
            copying: Moment::default(),
        };
        Self { spread: Some(spread), ..Self::alone(most) }
    }

    /// Whether it holds what the others hold, as far as that could be found out.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.spread.as_ref().is_none_or(|spread| matches!(spread.stage, Stage::Settled))
    }

    /// Whether a token with this identity and stamp is revoked for this room.
    #[must_use]
    pub fn find(&self, unix_ms: u64, room: &RoomId, identity: &Identity, stamp: &Stamp) -> Option<Finding> {
        self.list.find(unix_ms, room, identity, stamp)
    }

    /// What it holds.
    #[must_use]
    pub fn list(&self) -> &Revocations {
        &self.list
    }

    /// How many are held, by kind.
    #[must_use]
    pub fn held(&mut self, unix_ms: u64) -> [(Kind, usize); 5] {
        Kind::ALL.map(|kind| (kind, self.list.count(unix_ms, kind)))
    }

    /// What was counted since its start.
    #[must_use]
    pub fn figures(&self) -> LedgerFigures {
        self.figures
    }

    /// Revokes tokens, here and on every other node: see [`Revocations::impose`].
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
        let revocation = self.list.impose(unix_ms, target, until, not_before, reason)?;
        self.enforce(unix_ms, std::slice::from_ref(&revocation));
        self.tell(Subject::Nodes, RevocationFrame::News { revocations: vec![revocation.clone()] });
        Ok(revocation)
    }

    /// Takes a revocation back, here and on every other node: see [`Revocations::lift`].
    pub fn lift(&mut self, unix_ms: u64, target: &Target) -> Option<Revocation> {
        let lifted = self.list.lift(unix_ms, target)?;
        self.tell(Subject::Nodes, RevocationFrame::News { revocations: vec![lifted.clone()] });
        Some(lifted)
    }

    /// Takes over what others hold, or a file.
    pub fn merge(&mut self, unix_ms: u64, revocations: &[Revocation]) {
        let mut news = Vec::new();
        for revocation in revocations {
            match self.list.merge(unix_ms, revocation) {
                Merged::Nothing => {}
                Merged::Changed => {
                    // As it stands here now, which may be more than was said.
                    let terms = self.list.get(unix_ms, &revocation.target).cloned();
                    news.extend(terms.map(|terms| Revocation { target: revocation.target.clone(), terms }));
                }
                Merged::Full => self.figures.overflowed += 1,
            }
        }
        self.enforce(unix_ms, &news);
    }

    /// A frame of another node.
    pub fn hear(&mut self, now: Moment, unix_ms: u64, from: &NodeId, frame: RevocationFrame) {
        match frame {
            RevocationFrame::News { revocations } => self.merge(unix_ms, &revocations),
            // Whoever is not settled itself has nothing to say: two that start at once must not take each other's word.
            RevocationFrame::Starting {} if self.is_settled() => {
                let digest = self.list.digest(unix_ms);
                self.tell(Subject::Inbox(from.clone()), RevocationFrame::Held { digest });
            }
            RevocationFrame::Starting {} => {}
            RevocationFrame::Held { digest } => self.compare(now, unix_ms, from, digest),
            RevocationFrame::Copy { digest } => {
                self.send_copy(unix_ms, from);
                self.ask_back(now, unix_ms, from, digest);
            }
            RevocationFrame::Part { part, parts, revocations } => {
                self.merge(unix_ms, &revocations);
                self.arrived(now, from, part, parts);
            }
        }
    }

    /// What every hub is told, too.
    pub fn tidings(&mut self, now: Moment, tidings: &Tidings) {
        let Some(spread) = &mut self.spread else { return };
        match tidings {
            Tidings::Up => {
                spread.eager = now.after(EAGER_MS);
                if let Stage::Apart { .. } = spread.stage {
                    spread.stage = Stage::Asking { until: now.after(ASKING_MS), again: now.after(ASK_AGAIN_MS) };
                    self.tell(Subject::Nodes, RevocationFrame::Starting {});
                }
            }
            Tidings::Down => {
                if !matches!(spread.stage, Stage::Settled) {
                    spread.stage = Stage::Apart { until: now.after(APART_MS) };
                }
            }
            Tidings::Silent(node) => drop(spread.doubted.remove(node)),
            // It may be what we have missed.
            Tidings::Compare(node, _) => drop(spread.doubted.insert(node.clone())),
            Tidings::Rtt(_) | Tidings::Heard(_) => {}
        }
    }

    /// The node says that it lives, and with it what it holds.
    pub fn beat(&mut self, unix_ms: u64) {
        let digest = self.list.digest(unix_ms);
        if !self.list.is_empty() && self.is_settled() {
            self.tell(Subject::Nodes, RevocationFrame::Held { digest });
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        let Some(spread) = &mut self.spread else { return };
        match &mut spread.stage {
            Stage::Apart { until } | Stage::Asking { until, .. } | Stage::Copying { until, .. } if *until <= now => {
                spread.stage = Stage::Settled;
            }
            Stage::Asking { again, .. } if *again <= now => {
                *again = now.after(ASK_AGAIN_MS);
                self.tell(Subject::Nodes, RevocationFrame::Starting {});
            }
            // It is lost, or whoever had it is gone: anybody may answer.
            Stage::Copying { until, again, .. } if *again <= now => {
                spread.stage = Stage::Asking { until: *until, again: now.after(ASK_AGAIN_MS) };
                self.tell(Subject::Nodes, RevocationFrame::Starting {});
            }
            Stage::Apart { .. } | Stage::Asking { .. } | Stage::Copying { .. } | Stage::Settled => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Moment> {
        match self.spread.as_ref()?.stage {
            Stage::Apart { until } => Some(until),
            Stage::Asking { until, again } | Stage::Copying { until, again, .. } => Some(until.min(again)),
            Stage::Settled => None,
        }
    }

    /// The next effect, in order.
    pub fn poll_output(&mut self) -> Option<LedgerOutput> {
        self.outputs.pop_front()
    }

    fn compare(&mut self, now: Moment, unix_ms: u64, from: &NodeId, theirs: u64) {
        let ours = self.list.digest(unix_ms);
        let Some(spread) = &mut self.spread else { return };
        if ours == theirs {
            spread.doubted.remove(from);
            if let Stage::Asking { .. } = spread.stage {
                spread.stage = Stage::Settled;
            }
            return;
        }
        self.figures.mismatches += 1;
        match spread.stage {
            // It is not ready before it is settled, so it asks at once; and once a copy is under way it waits for that.
            Stage::Asking { until, .. } => {
                let (until, again) = (until.max(now.after(COPY_MS)), now.after(COPY_MS));
                spread.stage = Stage::Copying { from: from.clone(), missing: None, until, again };
            }
            Stage::Copying { .. } => return,
            Stage::Apart { .. } | Stage::Settled => {
                let first = spread.doubted.insert(from.clone());
                if now < spread.copying || first && spread.eager <= now {
                    return;
                }
                spread.doubted.remove(from);
                spread.copying = now.after(COPY_MS);
                self.figures.repairs += 1;
            }
        }
        self.tell(Subject::Inbox(from.clone()), RevocationFrame::Copy { digest: ours });
    }

    /// Whoever asks for a copy and holds something else may hold something that we lack: both have the same after one exchange.
    fn ask_back(&mut self, now: Moment, unix_ms: u64, from: &NodeId, theirs: u64) {
        let ours = self.list.digest(unix_ms);
        let Some(spread) = &mut self.spread else { return };
        // Who asks us because we asked is not asked again.
        if ours != theirs && spread.copying <= now && matches!(spread.stage, Stage::Settled) {
            spread.copying = now.after(COPY_MS);
            self.figures.repairs += 1;
            self.tell(Subject::Inbox(from.clone()), RevocationFrame::Copy { digest: ours });
        }
    }

    fn send_copy(&mut self, unix_ms: u64, to: &NodeId) {
        let mut pages: Vec<Vec<Revocation>> = vec![Vec::new()];
        let mut bytes = 0;
        for revocation in self.list.all(unix_ms) {
            bytes += revocation.wire_size();
            if bytes > PART_BYTES {
                bytes = revocation.wire_size();
                pages.push(Vec::new());
            }
            if let Some(page) = pages.last_mut() {
                page.push(revocation);
            }
        }
        let parts = u32::try_from(pages.len()).unwrap_or(u32::MAX);
        for (part, revocations) in (0..).zip(pages) {
            self.tell(Subject::Inbox(to.clone()), RevocationFrame::Part { part, parts, revocations });
        }
    }

    /// A part of a copy is merged; the last that was missing settles who waits for it.
    fn arrived(&mut self, now: Moment, from: &NodeId, part: u32, parts: u32) {
        let Some(Spread { stage, copying, .. }) = &mut self.spread else { return };
        if part + 1 == parts {
            *copying = (*copying).min(now);
        }
        let Stage::Copying { from: source, missing, .. } = stage else { return };
        if source != from {
            return;
        }
        let missing = missing.get_or_insert_with(|| (0..parts).collect());
        missing.remove(&part);
        if missing.is_empty() {
            *stage = Stage::Settled;
        }
    }

    fn enforce(&mut self, unix_ms: u64, news: &[Revocation]) {
        let mut list = Revocations::new(news.len());
        for revocation in news.iter().filter(|revocation| revocation.terms.standing == Standing::Held) {
            list.merge(unix_ms, revocation);
        }
        if !list.is_empty() {
            self.outputs.push_back(LedgerOutput::Enforce(list));
        }
    }

    fn tell(&mut self, subject: Subject, frame: RevocationFrame) {
        if self.spread.is_some() {
            self.outputs.push_back(LedgerOutput::Publish { subject, frame });
        }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
