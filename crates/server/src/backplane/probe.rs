//! Whether the own inbox still hears: after a failover a subscription can be healthy TCP and deaf.

use std::time::Duration;

/// How often a node writes to its own inbox.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// How many probes may go unanswered before the connections are built again.
const MISSES: u32 = 2;

/// The probe that is on its way, and how many before it were missed. Times are on a clock of the caller's.
#[derive(Debug, Default)]
pub(super) struct Probe {
    last: u64,
    sent_at: Option<Duration>,
    misses: u32,
}

/// What a tick found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The probe before came back, or there was none.
    No,
    /// It did not.
    Once,
    /// Nor did the one before it: nothing is heard any more.
    Deaf,
}

impl Probe {
    /// The time of the next probe: says what became of the one before, and the number of the new one.
    pub(super) fn tick(&mut self, now: Duration) -> (u64, Missed) {
        let missed = match self.sent_at.replace(now) {
            None => Missed::No,
            Some(_) => {
                self.misses += 1;
                if self.misses < MISSES { Missed::Once } else { Missed::Deaf }
            }
        };
        self.last += 1;
        (self.last, missed)
    }

    /// A probe came back: how long it took. One that was already counted as missed is too late.
    pub(super) fn returned(&mut self, number: u64, now: Duration) -> Option<Duration> {
        if number != self.last {
            return None;
        }
        let sent_at = self.sent_at.take()?;
        self.misses = 0;
        Some(now.saturating_sub(sent_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_probe_that_comes_back_is_timed_once() {
        let mut probe = Probe::default();
        assert_eq!(probe.tick(at(0)), (1, Missed::No));
        assert_eq!(probe.returned(1, at(1)), Some(at(1)));
        assert_eq!(probe.returned(1, at(1)), None);
        assert_eq!(probe.tick(at(2)), (2, Missed::No));
    }

    #[test]
    fn two_misses_in_a_row_are_deafness() {
        let mut probe = Probe::default();
        assert_eq!(probe.tick(at(0)), (1, Missed::No));
        assert_eq!(probe.tick(at(2)), (2, Missed::Once));
        assert_eq!(probe.returned(1, at(3)), None, "too late");
        assert_eq!(probe.returned(2, at(3)), Some(at(1)));
        assert_eq!(probe.tick(at(4)), (3, Missed::No));
        assert_eq!(probe.tick(at(6)), (4, Missed::Once));
        assert_eq!(probe.tick(at(8)), (5, Missed::Deaf));
    }
}
