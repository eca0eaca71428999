//! When the keys of an issuer are fetched, as a pure function of time.
//!
//! ```text
//!  good: every 10 min ± 10 %      bad: after 1, 2, 4, … 30 s ± 10 %      a key id that nobody knows: at once, but 30 s after the last
//! ```
//!
//! Strangers choose key ids, so what they can cause is one fetch in 30 s, however many they are.

use aldis_core::Moment;

/// How often keys are fetched that are there, in milliseconds.
const PERIOD_MS: u64 = 600_000;

/// How long after the beginning of a fetch a key id that nobody knows may cause the next one, in milliseconds.
pub(super) const UNKNOWN_MS: u64 = 30_000;

/// How long keys count that cannot be fetched anew, in milliseconds: a day.
pub(super) const LAST_GOOD_MS: u64 = 86_400_000;

/// How long after a first failure the next attempt is, in milliseconds. It doubles with each.
const RETRY_MS: u64 = 1_000;

const RETRY_MAX_MS: u64 = 30_000;

/// When the keys of one issuer are fetched.
#[derive(Debug)]
pub(super) struct Schedule {
    state: State,
    /// When the last fetch began.
    began: Option<Moment>,
    /// When the keys came that count now.
    fetched: Option<Moment>,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Due(Moment),
    Fetching,
}

/// What a fetch can do for a key that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// One begins now.
    Begin,
    /// One is under way.
    Wait,
    /// Nothing: the last one was just now.
    Refused,
}

impl Schedule {
    /// Of keys that are to be fetched at once.
    pub(super) fn new(now: Moment) -> Self {
        Self { state: State::Due(now), began: None, fetched: None, failures: 0 }
    }

    /// When the next fetch begins by itself; none while one is under way.
    pub(super) fn due(&self) -> Option<Moment> {
        match self.state {
            State::Due(at) => Some(at),
            State::Fetching => None,
        }
    }

    /// Somebody asks for a key that is not there.
    pub(super) fn wish(&mut self, now: Moment) -> Wish {
        match (self.state, self.began) {
            (State::Fetching, _) => Wish::Wait,
            (State::Due(at), _) if at <= now => Wish::Wait,
            (State::Due(_), Some(began)) if now.since(began) < UNKNOWN_MS => Wish::Refused,
            (State::Due(_), _) => {
                self.state = State::Due(now);
                Wish::Begin
            }
        }
    }

    pub(super) fn begin(&mut self, now: Moment) {
        self.state = State::Fetching;
        self.began = Some(now);
    }

    /// Keys came. `chance` is from 0 to 1 000.
    pub(super) fn succeeded(&mut self, now: Moment, chance: u64) {
        self.fetched = Some(now);
        self.failures = 0;
        self.state = State::Due(now.after(jittered(PERIOD_MS, chance)));
    }

    /// None came.
    pub(super) fn failed(&mut self, now: Moment, chance: u64) {
        let wait = RETRY_MS.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX_MS);
        self.failures += 1;
        self.state = State::Due(now.after(jittered(wait, chance)));
    }

    /// Whether the keys that came last still count.
    pub(super) fn counts(&self, now: Moment) -> bool {
        self.fetched.is_some_and(|fetched| now.since(fetched) <= LAST_GOOD_MS)
    }

    /// Whether there may be a key which nobody here has seen: the last fetch brought nothing, or one is under way.
    pub(super) fn is_behind(&self) -> bool {
        self.failures > 0 || self.fetched.is_none() || self.state == State::Fetching
    }

    /// When the keys came that count now.
    pub(super) fn fetched(&self) -> Option<Moment> {
        self.fetched
    }
}

/// From nine to eleven tenths.
fn jittered(ms: u64, chance: u64) -> u64 {
    ms - ms / 10 + ms * chance.min(1_000) / 5_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = 500;

    fn at(seconds: u64) -> Moment {
        Moment(1 + seconds * 1_000)
    }

    /// A schedule whose first fetch took a second and was good.
    fn good() -> Schedule {
        let mut schedule = Schedule::new(at(0));
        schedule.begin(at(0));
        schedule.succeeded(at(1), MIDDLE);
        schedule
    }

    #[test]
    fn keys_are_fetched_at_the_start_and_every_ten_minutes() {
        assert_eq!(Schedule::new(at(0)).due(), Some(at(0)));
        let mut schedule = good();
        assert_eq!(schedule.due(), Some(at(601)));
        schedule.begin(at(601));
        assert_eq!(schedule.due(), None);
        schedule.succeeded(at(602), 0);
        assert_eq!(schedule.due(), Some(at(602 + 540)));
        schedule.begin(at(1_142));
        schedule.succeeded(at(1_142), 1_000);
        assert_eq!(schedule.due(), Some(at(1_142 + 660)));
    }

    #[test]
    fn failures_are_tried_again_ever_more_slowly() {
        let mut schedule = good();
        let mut waits = Vec::new();
        let mut now = at(601);
        for _ in 0..8 {
            schedule.begin(now);
            schedule.failed(now, MIDDLE);
            let due = schedule.due().expect("a next one");
            waits.push(due.since(now) / 1_000);
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(schedule.is_behind() && schedule.counts(now));
        schedule.begin(now);
        schedule.succeeded(now, MIDDLE);
        assert_eq!((schedule.is_behind(), schedule.due()), (false, Some(now.after(600_000))));
    }

    #[test]
    fn a_flood_of_unknown_key_ids_is_one_fetch_in_thirty_seconds() {
        let mut schedule = good();
        let mut fetches = Vec::new();
        // A thousand a second, for two minutes; each fetch takes a second.
        let mut ends = None;
        for ms in 1_001..121_001 {
            let now = Moment(1 + ms);
            if ends == Some(ms) {
                schedule.succeeded(now, MIDDLE);
                ends = None;
            }
            match schedule.wish(now) {
                Wish::Begin => {
                    assert_eq!(schedule.due(), Some(now));
                    schedule.begin(now);
                    fetches.push(ms / 1_000);
                    ends = Some(ms + 1_000);
                }
                Wish::Wait => assert!(ends.is_some(), "{ms}"),
                Wish::Refused => assert!(ends.is_none(), "{ms}"),
            }
        }
        assert_eq!(fetches, [30, 60, 90, 120]);
    }

    #[test]
    fn the_last_good_keys_count_for_a_day() {
        let mut schedule = good();
        for attempt in 1..10 {
            schedule.begin(at(attempt * 600));
            schedule.failed(at(attempt * 600), MIDDLE);
        }
        assert_eq!(schedule.fetched(), Some(at(1)));
        assert!(schedule.counts(at(1 + 86_400)));
        assert!(!schedule.counts(at(1 + 86_401)));
        assert!(!Schedule::new(at(0)).counts(at(0)));
    }
}
