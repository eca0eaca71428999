//! Between which nodes frames were lost, and since when none are: what two nodes may be wrong about.

use std::collections::BTreeMap;

/// After so long without a loss what was lost before must not matter any more.
const CONVERGED_MS: u64 = 10_000;

/// As that, where single frames were lost of which nobody knows: until the next announcement.
const ANNOUNCED_MS: u64 = 75_000;

/// A lease is 15 s from the last sign of life, and the first frame that is lost comes at most a beat after that.
const LEASE_MS: u64 = 12_500;

/// How frames get lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of them, for a while.
    Cut,
    /// One here and there.
    Hidden,
}

/// What two nodes can know of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything that is older than this.
    Calm { since: u64 },
    /// Everything that was there before, because no lease has run out.
    Blip { since: u64 },
    /// Nothing certain.
    Storm,
}

/// The trouble between two nodes that is not over yet, or was the last.
#[derive(Clone, Copy)]
struct Trouble {
    first: u64,
    last: u64,
    loss: Loss,
    /// Whether all was well for long enough before.
    sudden: bool,
}

impl Trouble {
    fn over(&self) -> u64 {
        self.last + if self.loss == Loss::Hidden { ANNOUNCED_MS } else { CONVERGED_MS }
    }
}

/// All pairs of nodes.
#[derive(Default)]
pub(crate) struct Lines(BTreeMap<(usize, usize), Trouble>);

impl Lines {
    /// Something was lost between two nodes, or will be until `last`.
    pub(crate) fn trouble(&mut self, pair: (usize, usize), now: u64, last: u64, loss: Loss) {
        let pair = (pair.0.min(pair.1), pair.0.max(pair.1));
        let new = Trouble { first: now, last, loss, sudden: true };
        let trouble = self.0.entry(pair).or_insert(new);
        if trouble.over() < now {
            *trouble = new;
        } else if now > trouble.last + 5_000 {
            *trouble = Trouble { sudden: false, loss: trouble.loss, ..new };
        } else {
            trouble.last = trouble.last.max(last);
        }
        if loss == Loss::Hidden {
            trouble.loss = Loss::Hidden;
        }
    }

    /// One of two nodes has just begun, or the other is stopped until `last`: they know nothing of each other yet.
    pub(crate) fn begin(&mut self, pair: (usize, usize), now: u64, last: u64) {
        let pair = (pair.0.min(pair.1), pair.0.max(pair.1));
        self.0.insert(pair, Trouble { first: now, last, loss: Loss::Cut, sudden: false });
    }

    /// A node that was to be stopped for longer runs again.
    pub(crate) fn end(&mut self, now: u64) {
        self.0.values_mut().for_each(|trouble| trouble.last = trouble.last.min(now));
    }

    /// What two nodes can know of each other now.
    pub(crate) fn weather(&self, one: usize, other: usize, now: u64) -> Weather {
        match self.0.get(&(one.min(other), one.max(other))) {
            None => Weather::Calm { since: now.saturating_sub(CONVERGED_MS) },
            Some(trouble) if trouble.over() < now => Weather::Calm { since: now.saturating_sub(CONVERGED_MS) },
            Some(Trouble { first, sudden: true, .. }) if now < first + LEASE_MS => {
                Weather::Blip { since: first.saturating_sub(CONVERGED_MS) }
            }
            Some(_) => Weather::Storm,
        }
    }
}
