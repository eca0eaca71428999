//! How many revocations of each kind are held, without counting them one by one: that is asked under the locks of rooms.

use super::{Kind, Standing, Target, Terms};

/// The counts of one list, which says what it puts in and takes out.
#[derive(Debug)]
pub(super) struct Held([(Kind, usize); 5]);

impl Default for Held {
    fn default() -> Self {
        Self(Kind::ALL.map(|kind| (kind, 0)))
    }
}

impl Held {
    /// An entry is in the list from now on.
    pub(super) fn enter(&mut self, target: &Target, terms: &Terms) {
        self.change(target, terms, |count| count.saturating_add(1));
    }

    /// An entry is not in the list any more.
    pub(super) fn leave(&mut self, target: &Target, terms: &Terms) {
        self.change(target, terms, |count| count.saturating_sub(1));
    }

    /// How many of a kind are held.
    pub(super) fn of(&self, kind: Kind) -> usize {
        self.0.iter().filter(|(of, _)| *of == kind).map(|(_, count)| count).sum()
    }

    /// How many are held.
    pub(super) fn all(&self) -> usize {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn change(&mut self, target: &Target, terms: &Terms, change: impl Fn(usize) -> usize) {
        // What was lifted is remembered, not held.
        if terms.standing == Standing::Held {
            let kind = target.kind();
            self.0.iter_mut().filter(|(of, _)| *of == kind).for_each(|(_, count)| *count = change(*count));
        }
    }
}
