//! Lost, doubled, reordered: what a receiver can tell from the numbers it got.

use std::collections::BTreeSet;

/// What one receiver has seen of one sender's numbers, which count from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    next: u64,
    missing: BTreeSet<u64>,
    faults: Faults,
}

/// What must not happen, and how often it did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(super) struct Faults {
    /// Sent and never received.
    pub(super) lost: u64,
    /// Received more than once.
    pub(super) doubled: u64,
    /// Received after one that was sent later.
    pub(super) reordered: u64,
}

impl Tally {
    /// Notes a number.
    pub(super) fn note(&mut self, sequence: u64) {
        if sequence >= self.next {
            self.missing.extend(self.next..sequence);
            self.next = sequence + 1;
        } else if self.missing.remove(&sequence) {
            self.faults.reordered += 1;
        } else {
            self.faults.doubled += 1;
        }
    }

    /// Whether every number under `sent` has come.
    pub(super) fn is_complete(&self, sent: u64) -> bool {
        self.next >= sent && self.missing.is_empty()
    }

    /// What went wrong, now that nothing more will come and `sent` were sent.
    pub(super) fn faults(&self, sent: u64) -> Faults {
        Faults { lost: self.missing.len() as u64 + sent.saturating_sub(self.next), ..self.faults }
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_from_the_others() {
        let cases: [(&[u64], u64, [u64; 3]); 7] = [
            (&[], 0, [0, 0, 0]),
            (&[0, 1, 2], 3, [0, 0, 0]),
            (&[0, 2], 3, [1, 0, 0]),
            (&[0, 1], 4, [2, 0, 0]),
            (&[0, 1, 1], 2, [0, 1, 0]),
            (&[1, 0], 2, [0, 0, 1]),
            (&[0, 3, 1, 1, 3], 5, [2, 2, 1]),
        ];
        for (numbers, sent, [lost, doubled, reordered]) in cases {
            let mut tally = Tally::default();
            for &number in numbers {
                tally.note(number);
            }
            assert_eq!(tally.faults(sent), Faults { lost, doubled, reordered }, "{numbers:?} of {sent}");
            assert_eq!(tally.is_complete(sent), lost == 0, "{numbers:?} of {sent}");
        }
    }
}
