//! Time, as the caller tells it.

use std::time::Duration;

/// A moment on a clock that never goes back: how much time has passed since some origin, the same for all calls of one stream.
///
/// ```
/// use std::time::{Duration, Instant};
/// use aldis_client::streams::Moment;
///
/// let origin = Instant::now();
/// let now = Moment::from(origin.elapsed());
/// assert_eq!((now + Duration::from_secs(1)).since(now), Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment so many milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// How long after the origin it is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long after an earlier one it is; nothing if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<Duration> for Moment {
    fn from(since_origin: Duration) -> Self {
        Self(since_origin)
    }
}

/// Saturates: a wish for later may come from a server, and be as large as it likes.
impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}
