//! How long a failed authentication waits for its answer: the more of them an address had lately, the longer.
//!
//! ```text
//!  failures   1 … free   free + 1   free + 2   free + 3   …
//!  delay         0         first    2 × first  4 × first   … up to the longest
//! ```
//!
//! One failure is forgotten every so often, and an address has never more than it takes to reach the longest delay, so that it is
//! free again a few minutes after its last attempt, however many there were.
//!
//! The table has two halves, each with its share of the addresses. Whoever fails goes to the young half; when that is full it
//! becomes the old one, and what was there is forgotten: the addresses whose last failure is longest ago. So an attempt costs two
//! look-ups at most, and nothing is ever searched.

use std::{collections::HashMap, mem, net::IpAddr};

use aldis_core::Moment;
use aldis_protocol::Limits;

/// The failures of all addresses. It knows no clock: time comes in.
#[derive(Debug)]
pub struct Throttle {
    free: u64,
    first_ms: u64,
    longest_ms: u64,
    forget_ms: u64,
    /// How many addresses a half may have.
    half: usize,
    young: HashMap<IpAddr, Failures>,
    old: HashMap<IpAddr, Failures>,
}

/// What becomes of an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// How long its answer is held back, in milliseconds.
    pub delay_ms: u64,
    /// How many other addresses were forgotten to make room.
    pub forgotten: usize,
}

/// Those of one address.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u64,
    /// When the count began to shrink by one every so often.
    since: Moment,
}

impl Throttle {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            free: limits.auth_failures_free,
            first_ms: limits.auth_delay_ms,
            longest_ms: limits.auth_delay_max_ms,
            forget_ms: limits.auth_failure_ms.max(1),
            half: usize::try_from(limits.auth_failures_tracked / 2).unwrap_or(usize::MAX).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Notes that an address failed.
    pub fn fail(&mut self, address: IpAddr, now: Moment) -> Failed {
        if self.first_ms == 0 {
            return Failed { delay_ms: 0, forgotten: 0 };
        }
        let known = self.young.remove(&address).or_else(|| self.old.remove(&address));
        let mut failures = known.unwrap_or(Failures { count: 0, since: now });
        failures.forget(self.forget_ms, now);
        failures.count = failures.count.saturating_add(1).min(self.most());
        let forgotten = if self.young.len() < self.half {
            0
        } else {
            let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            forgotten.len()
        };
        self.young.insert(address, failures);
        Failed { delay_ms: self.delay_ms(failures.count), forgotten }
    }

    /// How many addresses are remembered.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn delay_ms(&self, failures: u64) -> u64 {
        let Some(doublings) = failures.checked_sub(self.free.saturating_add(1)) else { return 0 };
        let factor = 1_u64.checked_shl(u32::try_from(doublings).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
        self.first_ms.saturating_mul(factor).min(self.longest_ms)
    }

    /// With so many failures the delay is the longest.
    fn most(&self) -> u64 {
        let doublings = self.longest_ms.div_ceil(self.first_ms).next_power_of_two().ilog2();
        self.free.saturating_add(1).saturating_add(u64::from(doublings))
    }
}

impl Failures {
    fn forget(&mut self, each_ms: u64, now: Moment) {
        let forgotten = now.since(self.since) / each_ms;
        self.count = self.count.saturating_sub(forgotten);
        // What is left of the last interval counts on; somebody without failures begins anew.
        self.since = if self.count == 0 { now } else { self.since.after(forgotten * each_ms) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            auth_failures_free: 2,
            auth_delay_ms: 100,
            auth_delay_max_ms: 1_000,
            auth_failure_ms: 10_000,
            auth_failures_tracked: 4,
            ..Limits::default()
        }
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// The delays of attempts of one address at these moments.
    fn delays(throttle: &mut Throttle, moments: impl IntoIterator<Item = u64>) -> Vec<u64> {
        moments.into_iter().map(|at| throttle.fail(address(1), Moment(at)).delay_ms).collect()
    }

    #[test]
    fn the_delay_doubles_up_to_its_cap() {
        let mut throttle = Throttle::new(&limits());
        assert_eq!(delays(&mut throttle, [1; 8]), [0, 0, 100, 200, 400, 800, 1_000, 1_000]);
        // Others have failures of their own.
        assert_eq!(throttle.fail(address(2), Moment(1)).delay_ms, 0);
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let mut throttle = Throttle::new(&limits());
        assert_eq!(delays(&mut throttle, [0; 4]), [0, 0, 100, 200]);
        // One has been forgotten and one came: the same delay again. A rest of the interval is not lost.
        assert_eq!(delays(&mut throttle, [10_000, 20_000, 25_000, 30_000]), [200, 200, 400, 400]);
        // A long time makes it new, however many there were.
        delays(&mut throttle, [30_000; 1_000]);
        assert_eq!(delays(&mut throttle, [30_000 + 70_000; 3]), [0, 0, 100]);
    }

    #[test]
    fn who_comes_back_slowly_never_waits() {
        let mut throttle = Throttle::new(&limits());
        assert!(delays(&mut throttle, (0..100).map(|attempt| attempt * 10_000)).iter().all(|delay| *delay == 0));
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_go_first() {
        let mut throttle = Throttle::new(&limits());
        assert_eq!(delays(&mut throttle, [0; 6]).last(), Some(&800));
        let mut forgotten = 0;
        for other in 2..=100 {
            forgotten += throttle.fail(address(other), Moment(0)).forgotten;
            assert!(throttle.tracked() <= 4, "{}", throttle.tracked());
            // Whoever goes on is not forgotten.
            assert_eq!(throttle.fail(address(1), Moment(0)).delay_ms, 1_000);
        }
        assert!(forgotten >= 95, "{forgotten}");
        // Whoever rests is, once enough others have failed since.
        for other in 101..=104 {
            throttle.fail(address(other), Moment(0));
        }
        assert_eq!(throttle.fail(address(1), Moment(0)).delay_ms, 0);
    }

    #[test]
    fn zeros_and_giants_do_no_harm() {
        let off = Limits { auth_delay_ms: 0, ..limits() };
        let mut throttle = Throttle::new(&off);
        assert!(delays(&mut throttle, [0; 100]).iter().all(|delay| *delay == 0));
        assert_eq!(throttle.tracked(), 0);

        let none_free = Limits { auth_failures_free: 0, auth_delay_ms: 1_000, ..limits() };
        assert_eq!(delays(&mut Throttle::new(&none_free), [0; 3]), [1_000; 3]);

        let day = 86_400_000;
        let giant = Limits { auth_delay_ms: 1, auth_delay_max_ms: day, auth_failures_free: 0, ..limits() };
        assert_eq!(delays(&mut Throttle::new(&giant), [0; 200]).last(), Some(&day));
    }
}
