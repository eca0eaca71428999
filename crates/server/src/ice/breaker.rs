//! Leaves a provider alone that fails again and again.
//!
//! ```text
//!             limits.turn_failures in a row           limits.turn_pause_ms
//!  Closed ──────────────────────────────────► Open ─────────────────────────► Trial: one request
//!    ▲ ▲                                        ▲                               │ │
//!    │ └── a success                            └─────────── it fails ──────────┘ │
//!    └─────────────────────────────────────────────────────── it succeeds ────────┘
//! ```
//!
//! Pure: time comes in.

use aldis_core::Moment;
use aldis_protocol::Limits;

/// Whether a provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// It is; so many requests in a row have failed.
    Closed { failures: u64 },
    /// It is not, for now.
    Open { until: Moment },
    /// One request is under way that decides; another one, if it has not come back by then.
    Trial { until: Moment },
}

/// What came of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tripped {
    /// The provider is left alone from now on.
    Now,
    /// Nothing changed.
    No,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a request would be let through now.
    pub(super) fn lets_through(self, now: Moment) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { until } | Self::Trial { until } => until <= now,
        }
    }

    /// Takes leave for a request. Whoever has it says what came of it.
    pub(super) fn admit(&mut self, now: Moment, limits: &Limits) -> bool {
        let lets = self.lets_through(now);
        if lets && !matches!(self, Self::Closed { .. }) {
            *self = Self::Trial { until: now.after(limits.turn_pause_ms) };
        }
        lets
    }

    /// A request succeeded.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// A request failed.
    pub(super) fn fail(&mut self, now: Moment, limits: &Limits) -> Tripped {
        let open = Self::Open { until: now.after(limits.turn_pause_ms) };
        match self {
            Self::Closed { failures } if failures.saturating_add(1) < limits.turn_failures => {
                *failures += 1;
                Tripped::No
            }
            Self::Closed { .. } => {
                *self = open;
                Tripped::Now
            }
            Self::Trial { .. } => {
                *self = open;
                Tripped::No
            }
            // A request from before it opened.
            Self::Open { .. } => Tripped::No,
        }
    }

    /// As a metric: 0 closed, 1 trial, 2 open.
    pub(super) fn figure(self) -> i64 {
        match self {
            Self::Closed { .. } => 0,
            Self::Trial { .. } => 1,
            Self::Open { .. } => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { turn_failures: 3, turn_pause_ms: 30_000, ..Limits::default() }
    }

    #[test]
    fn a_provider_that_fails_is_left_alone() {
        let limits = limits();
        let mut breaker = Breaker::default();
        for at in 1..=3 {
            assert!(breaker.admit(Moment(at), &limits), "{at}");
            let tripped = breaker.fail(Moment(at), &limits);
            assert_eq!(tripped == Tripped::Now, at == 3, "{at}");
        }
        assert!(!breaker.admit(Moment(30_002), &limits));
        // One request finds out; the others wait for it.
        assert!(breaker.admit(Moment(30_003), &limits));
        assert_eq!(breaker.figure(), 1);
        assert!(!breaker.admit(Moment(30_004), &limits));
        assert_eq!(breaker.fail(Moment(30_005), &limits), Tripped::No);
        assert!(!breaker.lets_through(Moment(60_004)));
        assert!(breaker.admit(Moment(60_005), &limits));
        breaker.succeed();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_success_forgets_the_failures() {
        let limits = limits();
        let mut breaker = Breaker::default();
        for at in 0..9 {
            assert_eq!(breaker.fail(Moment(at), &limits), Tripped::No);
            assert_eq!(breaker.fail(Moment(at), &limits), Tripped::No);
            breaker.succeed();
        }
        assert!(breaker.lets_through(Moment(9)));
    }

    #[test]
    fn a_trial_that_never_comes_back_is_no_end() {
        let limits = limits();
        let mut breaker = Breaker::Open { until: Moment(10) };
        assert!(breaker.admit(Moment(10), &limits));
        assert!(!breaker.admit(Moment(30_009), &limits));
        assert!(breaker.admit(Moment(30_010), &limits));
    }
}
