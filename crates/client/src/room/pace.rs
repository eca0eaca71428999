//! How fast this client may send: the two token buckets that the server holds for it, kept here first.

use std::time::Duration;

use aldis_protocol::limits::WireLimits;

use crate::streams::Moment;

/// What is used of the server's rates, because its clock and ours differ a little.
const SHARE: f64 = 0.9;

/// The rates of one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    messages: Bucket,
    bytes: Bucket,
    filled_at: Moment,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    burst: f64,
    level: f64,
}

impl Pace {
    /// `others` is how many others are in the room: the burst grows with them.
    pub(crate) fn new(limits: &WireLimits, others: usize, now: Moment) -> Self {
        let burst = limits.message_burst as f64 + limits.message_burst_per_peer as f64 * others as f64;
        Self {
            messages: Bucket::new(limits.messages_per_second as f64, burst),
            bytes: Bucket::new(limits.bytes_per_second as f64, limits.byte_burst as f64),
            filled_at: now,
        }
    }

    /// Takes a message of so many bytes, or says how long to wait for it.
    pub(crate) fn take(&mut self, bytes: usize, now: Moment) -> Result<(), Duration> {
        let elapsed = now.since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.messages.fill(elapsed);
        self.bytes.fill(elapsed);
        let wait = self.messages.wait_for(1.0).max(self.bytes.wait_for(bytes as f64));
        if wait > 0.0 {
            // Rounded up, so that nobody comes back a moment too soon; and a server may allow nothing at all.
            let millis = (wait * 1_000.0).ceil().min(60_000.0);
            return Err(Duration::from_millis(millis as u64));
        }
        self.messages.level -= 1.0;
        self.bytes.level -= bytes as f64;
        Ok(())
    }
}

impl Bucket {
    fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second: per_second * SHARE, burst: burst * SHARE, level: burst * SHARE }
    }

    fn fill(&mut self, seconds: f64) {
        self.level = self.burst.min(self.level + seconds * self.per_second);
    }

    /// In seconds. A message that is larger than the whole burst goes when the bucket is full.
    fn wait_for(&self, amount: f64) -> f64 {
        (amount.min(self.burst) - self.level) / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::Limits;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn limits(change: impl FnOnce(&mut WireLimits)) -> WireLimits {
        let mut limits = WireLimits::from(&Limits::default());
        change(&mut limits);
        limits
    }

    #[test]
    fn a_burst_goes_at_once_and_what_follows_at_the_rate() {
        let limits = limits(|limits| {
            limits.message_burst = 10;
            limits.message_burst_per_peer = 5;
            limits.messages_per_second = 10;
        });
        let mut pace = Pace::new(&limits, 2, at(0));
        for _ in 0..18 {
            assert_eq!(pace.take(1, at(0)), Ok(()));
        }
        assert_eq!(pace.take(1, at(0)), Err(Duration::from_millis(112)), "9 a second");
        assert_eq!(pace.take(1, at(100)), Err(Duration::from_millis(12)));
        assert_eq!(pace.take(1, at(112)), Ok(()));
    }

    #[test]
    fn bytes_count_too_and_what_is_larger_than_the_burst_goes_when_it_is_full() {
        let limits = limits(|limits| {
            limits.byte_burst = 1_000;
            limits.bytes_per_second = 1_000;
        });
        let mut pace = Pace::new(&limits, 0, at(0));
        assert_eq!(pace.take(5_000, at(0)), Ok(()));
        assert!(pace.take(100, at(1_000)).is_err(), "it is in debt");
        assert_eq!(pace.take(100, at(10_000)), Ok(()));
        assert!(pace.take(5_000, at(10_000)).is_err());
        assert_eq!(pace.take(5_000, at(10_200)), Ok(()));
    }

    #[test]
    fn a_server_that_allows_nothing_is_asked_again_after_a_while() {
        let limits = limits(|limits| {
            limits.message_burst = 0;
            limits.messages_per_second = 0;
        });
        let mut pace = Pace::new(&limits, 0, at(0));
        assert_eq!(pace.take(1, at(0)), Ok(()), "as with any message that is larger than the burst");
        assert_eq!(pace.take(1, at(1_000)), Err(Duration::from_secs(60)));
    }
}
