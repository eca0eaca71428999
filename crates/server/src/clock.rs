//! The two clocks: one that only moves forward for deadlines, and the wall's for what is written in tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aldis_core::Moment;
use tokio::time::Instant;

/// The clocks of one server.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    start_unix_ms: u64,
}

impl Clock {
    /// A clock that starts now. Moments begin at one, so that zero can mean never.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() - Duration::from_millis(1), start_unix_ms: unix_ms().saturating_sub(1) }
    }

    /// The time for deadlines.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When a moment comes.
    #[must_use]
    pub fn instant(&self, moment: Moment) -> Instant {
        self.start + Duration::from_millis(moment.0)
    }

    /// What the wall's time was at the start, and what has passed since then on the clock for deadlines: it never jumps.
    #[must_use]
    pub fn steady_unix_ms(&self) -> u64 {
        self.start_unix_ms + self.now().0
    }

    /// The wall's time, Unix milliseconds.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        unix_ms()
    }
}

/// The wall's time in Unix milliseconds; zero on a machine whose clock is before 1970.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
