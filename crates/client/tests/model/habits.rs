//! How often things happen, and how long they last.

use crate::{chance::Range, relay::Weather};

/// Something that happens again and again: to one of the sides, but for the crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    Write,
    Cut,
    Leave,
    Temper,
    Crash,
}

/// How long things happen, and how long everything has time to settle afterwards, in milliseconds.
pub(crate) const LIVELY_MS: u64 = 150_000;
pub(crate) const QUIET_MS: u64 = 90_000;

/// How many messages are written at once: mostly few.
pub(crate) const BURSTS: [Range; 10] =
    [(1, 1), (1, 1), (1, 2), (1, 4), (1, 4), (1, 4), (2, 8), (2, 8), (4, 20), (60, 90)];
/// How long a side has no connection, in milliseconds: mostly short.
pub(crate) const OUTAGES_MS: [Range; 8] = [
    (0, 500),
    (0, 1_000),
    (500, 5_000),
    (500, 5_000),
    (500, 5_000),
    (2_000, 25_000),
    (2_000, 25_000),
    (25_000, 80_000),
];
/// How late an end notices that its connection is gone: at once, or after the silence that a heartbeat allows.
pub(crate) const NOTICES_MS: [Range; 3] = [(0, 0), (0, 5_000), (0, 25_000)];
/// How late a side notices that the relay has crashed.
pub(crate) const CRASH_NOTICES_MS: [Range; 3] = [(0, 100), (0, 100), (0, 25_000)];
/// What comes after calm.
pub(crate) const TURNS: [Weather; 5] =
    [Weather::Storm, Weather::Storm, Weather::Storm, Weather::Silent, Weather::Dammed];

impl Habit {
    /// How long it is until it happens again, in milliseconds.
    pub(crate) fn pause_ms(self) -> Range {
        match self {
            Self::Write => (200, 3_000),
            Self::Cut => (15_000, 90_000),
            Self::Leave => (60_000, 300_000),
            Self::Temper => (5_000, 40_000),
            Self::Crash => (20_000, 150_000),
        }
    }
}

impl Weather {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Storm => "storm",
            Self::Silent => "silent",
            Self::Dammed => "dammed",
        }
    }

    /// How long it is like that, in milliseconds.
    pub(crate) fn lasts_ms(self) -> Range {
        match self {
            Self::Calm => (2_000, 40_000),
            Self::Storm => (2_000, 25_000),
            Self::Silent | Self::Dammed => (500, 35_000),
        }
    }
}
