//! How long to wait before the next attempt to reach the broker.

use std::time::Duration;

/// Half of it is the shortest delay: a broker that was only restarted is back by then.
const FIRST: Duration = Duration::from_millis(100);

/// The longest delay. A broker that comes back is found within it, also after a night.
const LONGEST: Duration = Duration::from_secs(1);

/// Doubling delays with a cap, for ever.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The broker was reached: the next failure is a first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next delay. `chance`, from 0 to 255, places it in the upper half of its range, so that nodes do not come back together.
    pub(super) fn next(&mut self, chance: u8) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + whole / 2 * u32::from(chance) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_cap_and_begin_again() {
        let mut backoff = Backoff::default();
        let whole: Vec<_> = (0..6).map(|_| backoff.next(255).as_millis()).collect();
        assert_eq!(whole, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff.next(0), LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next(0), FIRST / 2);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next(255), LONGEST);
    }
}
