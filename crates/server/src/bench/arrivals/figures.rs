//! The times that the arrivals load takes, and what they come to.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// A minute: what takes longer counts as this.
const LONGEST: Duration = Duration::from_secs(60);

/// What is measured: first as all its times, then as what they come to.
#[derive(Debug, Serialize)]
pub(super) struct Figures<T> {
    /// From sending a message to receiving it.
    pub(super) relay: T,
    /// From connecting to `welcome`.
    pub(super) join: T,
    /// From the second peer's arrival to the last message of the call.
    pub(super) handshake: T,
    /// How late the load itself was: to arrive, and to send.
    pub(super) lateness: T,
}

/// Times of one kind, in microseconds.
pub(super) struct Times(Histogram<u64>);

/// What they come to, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spread {
    pub(super) count: u64,
    p50_us: u64,
    p90_us: u64,
    pub(super) p99_us: u64,
    p999_us: u64,
    max_us: u64,
}

impl Figures<Times> {
    /// Without a time yet.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { relay: Times::new()?, join: Times::new()?, handshake: Times::new()?, lateness: Times::new()? })
    }

    /// What the times come to.
    pub(super) fn spreads(&self) -> Figures<Spread> {
        Figures {
            relay: self.relay.spread(),
            join: self.join.spread(),
            handshake: self.handshake.spread(),
            lateness: self.lateness.spread(),
        }
    }
}

impl Times {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_max(micros(LONGEST), 3)?))
    }

    /// Adds one.
    pub(super) fn note(&mut self, time: Duration) {
        self.0.saturating_record(micros(time));
    }

    fn spread(&self) -> Spread {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Spread {
            count: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_us, p90_us, p99_us, p999_us, max_us } = self;
        write!(f, "{p50_us:>8} {p90_us:>8} {p99_us:>8} {p999_us:>8} {max_us:>8}   of {count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_what_was_noted() {
        let mut times = Times::new().expect("bounds");
        for micros in 1..=1000 {
            times.note(Duration::from_micros(micros));
        }
        let expected = Spread { count: 1000, p50_us: 500, p90_us: 900, p99_us: 990, p999_us: 999, max_us: 1000 };
        assert_eq!(times.spread(), expected);
    }

    #[test]
    fn what_takes_too_long_still_counts() {
        let mut times = Times::new().expect("bounds");
        times.note(2 * LONGEST);
        let Spread { count, max_us, .. } = times.spread();
        assert_eq!(count, 1);
        assert!((60_000_000..61_000_000).contains(&max_us), "{max_us}");
    }
}
