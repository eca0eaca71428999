//! What one connection may send: messages, bytes, acks, updates, and how much nonsense.
//!
//! Pure: time comes in. The buckets are our own forty lines because their sizes grow and shrink with the room, which the common
//! rate-limit crates fix at construction, and because a connection must not pay for a clock and an allocation of its own.

use aldis_core::Moment;
use aldis_protocol::{Limits, limits::Limit};

/// Tokens in thousandths, so that slow rates do not round to nothing.
const MILLI: u64 = 1_000;

/// A token bucket whose rate and size are given anew at every use.
#[derive(Debug)]
struct Bucket {
    level: Level,
}

#[derive(Debug, Clone, Copy)]
enum Level {
    /// Untouched, or full again.
    Full,
    /// So many thousandths were left at that moment.
    Left(u64, Moment),
}

impl Bucket {
    const fn new() -> Self {
        Self { level: Level::Full }
    }

    /// Takes `cost` tokens, or says in how many milliseconds they will be there.
    fn take(&mut self, now: Moment, cost: u64, per_second: u64, burst: u64) -> Result<(), u64> {
        let size = burst.saturating_mul(MILLI);
        let level = match self.level {
            Level::Full => size,
            // Per second and in thousandths is per millisecond and whole.
            Level::Left(left, at) => left.saturating_add(now.since(at).saturating_mul(per_second)).min(size),
        };
        // A cost above the whole bucket passes when it is full, and leaves nothing.
        let cost = cost.saturating_mul(MILLI).min(size);
        let Some(left) = level.checked_sub(cost) else {
            self.level = Level::Left(level, now);
            return Err((cost - level).div_ceil(per_second.max(1)));
        };
        self.level = Level::Left(left, now);
        Ok(())
    }
}

/// Since when a connection has been asking for too much.
#[derive(Debug, Clone, Copy)]
enum Excess {
    None,
    Since { first: Moment, last: Moment },
}

/// A pause in the refusals that ends an excess, in milliseconds.
const EXCESS_PAUSE_MS: u64 = 5_000;

/// Why something is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too much at once; in so many milliseconds it would be taken.
    Wait(Limit, u64),
    /// Too much for too long: the connection closes with 4429.
    Close,
}

/// What a message counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An acknowledgement between SDKs.
    Ack,
    /// New attributes.
    Update,
    /// To everybody: counts once for each.
    Broadcast,
    /// Anything else.
    Message,
}

/// All rates of one connection.
#[derive(Debug)]
pub struct Rates {
    messages: Bucket,
    bytes: Bucket,
    acks: Bucket,
    updates: Bucket,
    excess: Excess,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            messages: Bucket::new(),
            bytes: Bucket::new(),
            acks: Bucket::new(),
            updates: Bucket::new(),
            excess: Excess::None,
        }
    }
}

impl Rates {
    /// Takes a message of so many bytes from a connection with so many others in its room.
    ///
    /// # Errors
    /// Which limit it exceeds.
    pub fn take(&mut self, now: Moment, kind: Kind, bytes: u64, others: u64, limits: &Limits) -> Result<(), Refusal> {
        let taken = self.charge(now, kind, bytes, others, limits);
        let Err((limit, wait_ms)) = taken else { return Ok(()) };
        let first = match self.excess {
            Excess::Since { first, last } if now.since(last) <= EXCESS_PAUSE_MS => first,
            Excess::Since { .. } | Excess::None => now,
        };
        self.excess = Excess::Since { first, last: now };
        if now.since(first) >= limits.excess_ms { Err(Refusal::Close) } else { Err(Refusal::Wait(limit, wait_ms)) }
    }

    /// Whether something was refused within so many milliseconds.
    #[must_use]
    pub fn were_exceeded_within(&self, now: Moment, ms: u64) -> bool {
        matches!(self.excess, Excess::Since { last, .. } if now.since(last) <= ms)
    }

    fn charge(
        &mut self,
        now: Moment,
        kind: Kind,
        bytes: u64,
        others: u64,
        limits: &Limits,
    ) -> Result<(), (Limit, u64)> {
        if kind == Kind::Ack {
            let per_second = limits.acks_per_second + others * limits.acks_per_second_per_peer;
            return self.acks.take(now, 1, per_second, per_second).map_err(|wait| (Limit::acks_per_second, wait));
        }
        let of = |limit| move |wait| (limit, wait);
        self.bytes.take(now, bytes, limits.bytes_per_second, limits.byte_burst).map_err(of(Limit::bytes_per_second))?;
        let cost = if kind == Kind::Broadcast { others.max(1) } else { 1 };
        let burst = limits.message_burst + others * limits.message_burst_per_peer;
        self.messages.take(now, cost, limits.messages_per_second, burst).map_err(of(Limit::messages_per_second))?;
        if kind == Kind::Update {
            let rate = limits.updates_per_second;
            self.updates.take(now, 1, rate, rate).map_err(of(Limit::updates_per_second))?;
        }
        Ok(())
    }
}

/// Malformed messages, remembered for a while.
#[derive(Debug, Default)]
pub struct Strikes {
    times: Vec<Moment>,
}

/// Whether a connection may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It may.
    Left,
    /// It is closed with 4400.
    Exhausted,
}

impl Strikes {
    /// Counts a malformed message.
    pub fn strike(&mut self, now: Moment, limits: &Limits) -> Patience {
        self.times.retain(|at| now.since(*at) < limits.strikes_window_ms);
        self.times.push(now);
        if self.times.len() as u64 >= limits.strikes { Patience::Exhausted } else { Patience::Left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(rates: &mut Rates, at: u64, kind: Kind, bytes: u64, others: u64, tries: usize) -> usize {
        let limits = Limits::default();
        (0..tries).filter(|_| rates.take(Moment(at), kind, bytes, others, &limits).is_ok()).count()
    }

    #[test]
    fn the_burst_grows_with_the_room() {
        for (others, burst) in [(0, 300), (1, 320), (19, 680)] {
            let mut rates = Rates::default();
            assert_eq!(passed(&mut rates, 0, Kind::Message, 100, others, 1_000), burst);
            assert_eq!(passed(&mut rates, 1_000, Kind::Message, 100, others, 1_000), 50);
            assert_eq!(passed(&mut rates, 1_020, Kind::Message, 100, others, 1_000), 1);
            assert_eq!(passed(&mut rates, 3_600_000, Kind::Message, 100, others, 1_000), burst);
        }
    }

    #[test]
    fn a_refusal_says_how_long_to_wait() {
        let (mut rates, limits) = (Rates::default(), Limits::default());
        passed(&mut rates, 0, Kind::Message, 100, 0, 300);
        assert_eq!(
            rates.take(Moment(0), Kind::Message, 100, 0, &limits),
            Err(Refusal::Wait(Limit::messages_per_second, 20))
        );
        assert_eq!(rates.take(Moment(20), Kind::Message, 100, 0, &limits), Ok(()));
    }

    #[test]
    fn bytes_acks_and_updates_have_rates_of_their_own() {
        assert_eq!(passed(&mut Rates::default(), 0, Kind::Message, 65_536, 0, 100), 16);
        assert_eq!(passed(&mut Rates::default(), 0, Kind::Ack, 65_536, 0, 1_000), 200);
        assert_eq!(passed(&mut Rates::default(), 0, Kind::Ack, 100, 10, 1_000), 250);
        assert_eq!(passed(&mut Rates::default(), 0, Kind::Update, 100, 0, 10), 2);
        assert_eq!(passed(&mut Rates::default(), 0, Kind::Broadcast, 100, 10, 1_000), 50);
        let mut rates = Rates::default();
        passed(&mut rates, 0, Kind::Ack, 100, 0, 1_000);
        assert_eq!(passed(&mut rates, 0, Kind::Message, 100, 0, 1_000), 300, "acks cost no messages");
    }

    #[test]
    fn only_sustained_excess_closes() {
        let limits = Limits::default();
        let flood = |rates: &mut Rates, from: u64, to: u64| {
            let closes =
                |rates: &mut Rates, at| rates.take(Moment(at), Kind::Message, 100, 0, &limits) == Err(Refusal::Close);
            (from..to).step_by(10).find(|at| closes(rates, *at))
        };
        let mut rates = Rates::default();
        // 100 a second: the burst lasts 6 s, the excess starts then and closes 30 s later.
        let closed = flood(&mut rates, 0, 60_000).expect("closes");
        assert!((35_900..36_100).contains(&closed), "{closed}");
        // A pause starts the count again.
        let mut rates = Rates::default();
        assert_eq!(flood(&mut rates, 0, 25_000), None);
        assert_eq!(flood(&mut rates, 40_000, 65_000), None);
    }

    #[test]
    fn strikes_are_forgotten() {
        let limits = Limits::default();
        let mut strikes = Strikes::default();
        for strike in 0..9 {
            assert_eq!(strikes.strike(Moment(strike), &limits), Patience::Left);
        }
        assert_eq!(strikes.strike(Moment(60_000), &limits), Patience::Left);
        assert_eq!(strikes.strike(Moment(60_000), &limits), Patience::Exhausted, "nine within a minute and this one");
    }
}
