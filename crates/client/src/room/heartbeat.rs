//! Whether a connection is still alive.
//!
//! A dead socket looks open for minutes: so the server is asked for a sign of life when it was silent for long, when nothing followed
//! what was sent, and when there is reason to doubt it. Pure: time is passed in, and who owns it sends the pings.

use std::time::Duration;

use aldis_protocol::server::Heartbeat as Rhythm;

use crate::streams::Moment;

/// How long nothing may be heard after something was sent.
const UNANSWERED: Duration = Duration::from_secs(2);

/// How long a sign of life may take where there is reason to doubt.
const DOUBT: Duration = Duration::from_secs(3);

/// No server has to be asked more often than that, whatever it says.
const LEAST: Duration = Duration::from_secs(1);

/// The watch over the silence of one connection.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    heard_at: Moment,
    /// When the silence is looked at next.
    look_at: Moment,
    /// When what was sent has been unanswered for too long.
    unanswered: Unanswered,
    /// When the answer to a ping is too late.
    dead_at: Option<Moment>,
}

/// What was sent and had no answer of any kind.
#[derive(Debug, PartialEq, Eq)]
enum Unanswered {
    /// Nothing.
    None,
    /// Something, at that time.
    Since(Moment),
    /// Something, and the server was asked already.
    Asked,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// The server is to be asked for a sign of life.
    Ping,
    /// None came in time.
    Dead,
}

impl Heartbeat {
    pub(crate) fn new(rhythm: &Rhythm, now: Moment) -> Self {
        let interval = Duration::from_millis(rhythm.interval_ms).max(LEAST);
        Self {
            interval,
            timeout: Duration::from_millis(rhythm.timeout_ms).max(LEAST),
            heard_at: now,
            look_at: now + interval,
            unanswered: Unanswered::None,
            dead_at: None,
        }
    }

    /// Something came at that time: it was alive then.
    pub(crate) fn heard(&mut self, at: Moment) {
        if at <= self.heard_at {
            return;
        }
        self.heard_at = at;
        self.dead_at = None;
        // What came before is no answer.
        if !matches!(self.unanswered, Unanswered::Since(sent_at) if sent_at > at) {
            self.unanswered = Unanswered::None;
        }
    }

    /// Something was sent.
    pub(crate) fn sent(&mut self, now: Moment) {
        if self.unanswered == Unanswered::None {
            self.unanswered = Unanswered::Since(now);
        }
    }

    /// There is reason to doubt that it is alive.
    #[must_use]
    pub(crate) fn doubt(&mut self, now: Moment) -> Option<Beat> {
        self.ask(now + DOUBT)
    }

    /// Nothing was read for a while, for a reason of our own: the silence says nothing.
    pub(crate) fn excuse(&mut self, now: Moment) {
        self.heard(now);
    }

    /// What its time has come for.
    #[must_use]
    pub(crate) fn poll(&mut self, now: Moment) -> Option<Beat> {
        if self.dead_at.is_some_and(|at| at <= now) {
            return Some(Beat::Dead);
        }
        if matches!(self.unanswered, Unanswered::Since(sent_at) if sent_at + UNANSWERED <= now) {
            self.unanswered = Unanswered::Asked;
            return self.doubt(now);
        }
        if self.look_at > now {
            return None;
        }
        if self.heard_at + self.interval > now {
            self.look_at = self.heard_at + self.interval;
            return None;
        }
        self.look_at = now + self.interval;
        self.ask(now + self.timeout)
    }

    /// When [`poll`](Self::poll) is to be called.
    #[must_use]
    pub(crate) fn next_at(&self) -> Moment {
        let unanswered = match self.unanswered {
            Unanswered::Since(sent_at) => sent_at + UNANSWERED,
            Unanswered::None | Unanswered::Asked => self.look_at,
        };
        self.look_at.min(unanswered).min(self.dead_at.unwrap_or(self.look_at))
    }

    /// Whoever asks again and again must not put off the end again and again.
    fn ask(&mut self, dead_at: Moment) -> Option<Beat> {
        if self.dead_at.is_some_and(|at| at <= dead_at) {
            return None;
        }
        self.dead_at = Some(dead_at);
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_millis(ms)
    }

    fn heartbeat() -> Heartbeat {
        Heartbeat::new(&Rhythm { interval_ms: 15_000, timeout_ms: 10_000 }, at(0))
    }

    /// Runs it until `until`, as its owner does, and says what it asked for and when.
    fn run(heartbeat: &mut Heartbeat, until: u64) -> Vec<(u64, Beat)> {
        let mut beats = Vec::new();
        while heartbeat.next_at() <= at(until) {
            let now = heartbeat.next_at();
            if let Some(beat) = heartbeat.poll(now) {
                let is_dead = beat == Beat::Dead;
                beats.push((now.since_origin().as_millis().try_into().expect("a small number"), beat));
                if is_dead {
                    break;
                }
            }
        }
        beats
    }

    #[test]
    fn silence_is_asked_about_and_then_taken_for_death() {
        assert_eq!(run(&mut heartbeat(), 60_000), [(15_000, Beat::Ping), (25_000, Beat::Dead)]);
    }

    #[test]
    fn whatever_is_heard_is_life() {
        let mut heartbeat = heartbeat();
        heartbeat.heard(at(14_000));
        assert_eq!(run(&mut heartbeat, 28_999), []);
        assert_eq!(run(&mut heartbeat, 29_000), [(29_000, Beat::Ping)]);
        heartbeat.heard(at(38_999));
        assert_eq!(run(&mut heartbeat, 53_000), []);
        // What was heard long ago and is only now reported.
        heartbeat.heard(at(20_000));
        assert_eq!(run(&mut heartbeat, 54_000), [(53_999, Beat::Ping)]);
    }

    #[test]
    fn what_is_sent_and_not_followed_by_anything_is_asked_about_sooner() {
        let mut heartbeat = heartbeat();
        heartbeat.sent(at(1_000));
        heartbeat.sent(at(2_000));
        assert_eq!(run(&mut heartbeat, 60_000), [(3_000, Beat::Ping), (6_000, Beat::Dead)]);
    }

    #[test]
    fn what_came_before_is_no_answer() {
        let mut heartbeat = heartbeat();
        heartbeat.sent(at(1_000));
        heartbeat.heard(at(500));
        assert_eq!(run(&mut heartbeat, 3_000), [(3_000, Beat::Ping)]);
    }

    #[test]
    fn a_rhythm_of_nothing_is_none() {
        let mut heartbeat = Heartbeat::new(&Rhythm { interval_ms: 0, timeout_ms: 0 }, at(0));
        assert_eq!(run(&mut heartbeat, 10_000), [(1_000, Beat::Ping), (2_000, Beat::Dead)]);
    }

    #[test]
    fn an_answer_of_any_kind_ends_the_question() {
        let mut heartbeat = heartbeat();
        heartbeat.sent(at(1_000));
        heartbeat.heard(at(1_050));
        assert_eq!(run(&mut heartbeat, 16_000), []);
    }

    #[test]
    fn doubts_do_not_put_off_the_end() {
        let mut heartbeat = heartbeat();
        assert_eq!(heartbeat.doubt(at(100)), Some(Beat::Ping));
        assert_eq!(heartbeat.doubt(at(2_000)), None);
        assert_eq!(run(&mut heartbeat, 60_000), [(3_100, Beat::Dead)]);
    }

    #[test]
    fn a_doubt_is_sooner_than_the_usual_patience() {
        let mut heartbeat = heartbeat();
        assert_eq!(run(&mut heartbeat, 15_000), [(15_000, Beat::Ping)]);
        assert_eq!(heartbeat.doubt(at(15_500)), Some(Beat::Ping));
        assert_eq!(run(&mut heartbeat, 60_000), [(18_500, Beat::Dead)]);
    }

    #[test]
    fn who_did_not_read_does_not_blame_the_server() {
        let mut heartbeat = heartbeat();
        heartbeat.sent(at(0));
        heartbeat.excuse(at(1_999));
        assert_eq!(run(&mut heartbeat, 16_998), []);
    }
}
