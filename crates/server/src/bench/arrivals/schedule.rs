//! Who does what when: drawn from a seed, so that every server sees the same arrivals.

use std::{hash::BuildHasher as _, time::Duration};

use foldhash::quality::FixedState;

/// Candidates that each side of a call trickles.
pub(super) const CANDIDATES: usize = 10;

/// The second peer of a pair arrives at most so long after the first.
const GAP: Duration = Duration::from_secs(2);

/// A browser finds its candidates in bursts: of three, one comes together with the one before.
const TOGETHER: f64 = 1.0 / 3.0;

/// The others come at most so long after the one before.
const PAUSE: Duration = Duration::from_millis(20);

/// What the two peers of a pair do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) first: Peer,
    pub(super) second: Peer,
}

/// What one peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// When it connects, since the load began.
    pub(super) arrives: Duration,
    /// When it sends its candidates, since it sent its description.
    pub(super) candidates: [Duration; CANDIDATES],
}

/// So many pairs, in the order in which their first peers arrive: one within each of so many equal parts of the time.
pub(super) fn pairs(count: u32, over: Duration, seed: u64) -> impl Iterator<Item = Pair> {
    let gap = GAP.min(over / 2);
    let part = (over - gap) / count;
    (0..count).map(move |number| {
        let mut dice = Dice { seed, number, rolls: 0 };
        let arrives = part * number + part.mul_f64(dice.roll());
        Pair { first: Peer::new(arrives, &mut dice), second: Peer::new(arrives + gap.mul_f64(dice.roll()), &mut dice) }
    })
}

impl Peer {
    fn new(arrives: Duration, dice: &mut Dice) -> Self {
        let mut at = Duration::ZERO;
        let candidates = std::array::from_fn(|_| {
            if dice.roll() >= TOGETHER {
                at += PAUSE.mul_f64(dice.roll());
            }
            at
        });
        Self { arrives, candidates }
    }
}

/// A pair's chances. A hash of the roll's number is as even as a generator's next value, and needs no state but the number.
struct Dice {
    seed: u64,
    number: u32,
    rolls: u32,
}

impl Dice {
    /// The next number in `0..1`.
    fn roll(&mut self) -> f64 {
        self.rolls += 1;
        let bits = FixedState::with_seed(self.seed).hash_one((self.number, self.rolls));
        // A double holds 53 bits exactly.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn drawn(count: u32, over: Duration, seed: u64) -> Vec<Pair> {
        pairs(count, over, seed).collect()
    }

    #[test]
    fn a_seed_says_it_all() {
        assert_eq!(drawn(500, MINUTE, 1), drawn(500, MINUTE, 1));
        assert_ne!(drawn(500, MINUTE, 1), drawn(500, MINUTE, 2));
    }

    #[test]
    fn every_pair_arrives_in_order_and_in_time() {
        for (count, over) in [(1, MINUTE), (7, Duration::from_millis(3)), (5000, MINUTE), (10, Duration::ZERO)] {
            let pairs = drawn(count, over, 1);
            assert_eq!(pairs.len(), count as usize);
            assert!(pairs.is_sorted_by_key(|pair| pair.first.arrives), "{count} over {over:?}");
            for pair in pairs {
                assert!(pair.first.arrives <= pair.second.arrives && pair.second.arrives <= over, "{pair:?}");
                assert!(pair.second.arrives - pair.first.arrives <= GAP, "{pair:?}");
            }
        }
    }

    #[test]
    fn arrivals_are_even_and_no_two_alike() {
        let pairs = drawn(6000, MINUTE, 1);
        for second in 1..57 {
            let at = Duration::from_secs(second)..Duration::from_secs(second + 1);
            let arrivals = pairs.iter().filter(|pair| at.contains(&pair.first.arrives)).count();
            assert!((100..=106).contains(&arrivals), "{arrivals} in second {second}");
        }
        let gap = |pair: &Pair| pair.second.arrives - pair.first.arrives;
        let mean = pairs.iter().map(gap).sum::<Duration>() / 6000;
        assert!((Duration::from_millis(950)..Duration::from_millis(1050)).contains(&mean), "{mean:?}");
        assert_ne!(pairs[0].first.candidates, pairs[0].second.candidates);
        assert_ne!(pairs[0].first.candidates, pairs[1].first.candidates);
    }

    #[test]
    fn candidates_come_one_after_the_other_and_some_in_bursts() {
        let peers: Vec<_> = drawn(1000, MINUTE, 1).into_iter().flat_map(|pair| [pair.first, pair.second]).collect();
        for peer in &peers {
            assert!(peer.candidates.is_sorted(), "{peer:?}");
            assert!(peer.candidates[CANDIDATES - 1] <= PAUSE * CANDIDATES as u32, "{peer:?}");
        }
        let steps: Vec<_> =
            peers.iter().flat_map(|peer| peer.candidates.windows(2).map(|two| two[1] - two[0])).collect();
        let bursts = steps.iter().filter(|step| step.is_zero()).count() as f64 / steps.len() as f64;
        assert!((0.30..0.37).contains(&bursts), "{bursts}");
    }
}
