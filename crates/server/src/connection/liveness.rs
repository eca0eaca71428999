//! Whether the other end is still there.
//!
//! ```text
//!            silence ≥ interval, or a probe           any byte
//!  Listening ──────────── ping ──────────► Pinged ───────────────► Listening
//!      │ ▲                                    │ no answer in time
//!      │ └── any message ── Frozen            └───────────────────► dead (4408)
//!      └──── frozen ──────────▲
//! ```
//!
//! Any inbound byte is life. Pure: time comes in.

use aldis_core::Moment;
use aldis_protocol::Limits;

/// What the connection knows of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It was heard, or is given time to be.
    Listening,
    /// It was pinged and has until the deadline.
    Pinged {
        /// Until when any byte will do.
        deadline: Moment,
        /// What the answer is for.
        reason: Reason,
    },
    /// The page said that it is frozen: it is not probed.
    Frozen,
}

/// Why it was pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It had been silent for the heartbeat interval.
    Heartbeat,
    /// Somebody has something for it or asks about it.
    Probe,
}

/// What to do when the time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Ping it.
    Ping,
    /// It did not answer.
    Dead,
}

impl Liveness {
    /// When [`tick`](Self::tick) has something to do; `interval_ms` is this connection's own, jittered.
    #[must_use]
    pub fn deadline(self, heard: Moment, interval_ms: u64) -> Option<Moment> {
        match self {
            Self::Listening => Some(heard.after(interval_ms)),
            Self::Pinged { deadline, .. } => Some(deadline),
            Self::Frozen => None,
        }
    }

    /// Looks at the time.
    pub fn tick(&mut self, now: Moment, heard: Moment, interval_ms: u64, limits: &Limits) -> Due {
        match *self {
            Self::Listening if heard.after(interval_ms) <= now => {
                *self = Self::Pinged { deadline: now.after(limits.heartbeat_timeout_ms), reason: Reason::Heartbeat };
                Due::Ping
            }
            Self::Pinged { deadline, .. } if deadline <= now => Due::Dead,
            Self::Listening | Self::Pinged { .. } | Self::Frozen => Due::Nothing,
        }
    }

    /// Somebody wants to know now. An earlier deadline stays.
    pub fn probe(&mut self, now: Moment, limits: &Limits) -> Due {
        let deadline = now.after(limits.probe_ms);
        let (deadline, due) = match *self {
            Self::Frozen => return Due::Nothing,
            Self::Listening => (deadline, Due::Ping),
            Self::Pinged { deadline: earlier, reason: Reason::Probe } => (earlier, Due::Nothing),
            Self::Pinged { deadline: heartbeat, reason: Reason::Heartbeat } => (heartbeat.min(deadline), Due::Ping),
        };
        *self = Self::Pinged { deadline, reason: Reason::Probe };
        due
    }

    /// A byte came in. Returns whether a probe waited for it.
    pub fn heard(&mut self) -> Option<Reason> {
        match *self {
            Self::Pinged { reason, .. } => {
                *self = Self::Listening;
                Some(reason)
            }
            Self::Listening | Self::Frozen => None,
        }
    }

    /// The page is being frozen.
    pub fn freeze(&mut self) {
        *self = Self::Frozen;
    }

    /// A message came in: the page runs.
    pub fn thaw(&mut self) {
        if *self == Self::Frozen {
            *self = Self::Listening;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_pinged_and_no_answer_is_death() {
        let limits = Limits::default();
        let mut life = Liveness::Listening;
        let heard = Moment(1_000);
        assert_eq!(life.deadline(heard, 15_000), Some(Moment(16_000)));
        assert_eq!(life.tick(Moment(15_999), heard, 15_000, &limits), Due::Nothing);
        assert_eq!(life.tick(Moment(16_000), heard, 15_000, &limits), Due::Ping);
        assert_eq!(life.deadline(heard, 15_000), Some(Moment(26_000)));
        assert_eq!(life.tick(Moment(25_999), heard, 15_000, &limits), Due::Nothing);
        assert_eq!(life.tick(Moment(26_000), heard, 15_000, &limits), Due::Dead);
    }

    #[test]
    fn any_byte_is_life() {
        let limits = Limits::default();
        let mut life = Liveness::Listening;
        life.tick(Moment(15_000), Moment(0), 15_000, &limits);
        assert_eq!(life.heard(), Some(Reason::Heartbeat));
        assert_eq!(life.tick(Moment(26_000), Moment(20_000), 15_000, &limits), Due::Nothing);
    }

    #[test]
    fn a_probe_is_quicker_than_the_heartbeat_and_asked_once() {
        let limits = Limits::default();
        let mut life = Liveness::Listening;
        assert_eq!(life.probe(Moment(6_000), &limits), Due::Ping);
        assert_eq!(life.probe(Moment(8_000), &limits), Due::Nothing);
        assert_eq!(life.tick(Moment(9_000), Moment(0), 15_000, &limits), Due::Dead);
        let mut late = Liveness::Pinged { deadline: Moment(7_000), reason: Reason::Heartbeat };
        assert_eq!(late.probe(Moment(6_000), &limits), Due::Ping);
        assert_eq!(late.deadline(Moment(0), 15_000), Some(Moment(7_000)));
        assert_eq!(late.heard(), Some(Reason::Probe));
    }

    #[test]
    fn a_frozen_page_is_left_alone_until_it_speaks() {
        let limits = Limits::default();
        let mut life = Liveness::Listening;
        life.freeze();
        assert_eq!(life.probe(Moment(0), &limits), Due::Nothing);
        assert_eq!(life.tick(Moment(1_000_000), Moment(0), 15_000, &limits), Due::Nothing);
        assert_eq!(life.heard(), None);
        assert_eq!(life, Liveness::Frozen);
        life.thaw();
        assert_eq!(life, Liveness::Listening);
    }
}
