//! Watches what is sent, what arrives and what the sender is told, and says where a promise is broken.

use std::{collections::BTreeMap, fmt};

use aldis_client::streams::Fate;

/// A peer id: one stay of one side in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stay {
    /// 0 for side `a`, 1 for side `b`.
    pub(crate) side: usize,
    pub(crate) number: u32,
}

/// A message between two stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) id: u64,
    pub(crate) from: Stay,
    pub(crate) to: Stay,
    pub(crate) sent_at: u64,
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It was reported as delivered and had not arrived.
    Lost,
    /// It arrived again.
    Twice,
    /// It arrived after one that was sent later.
    Disordered,
    /// It arrived although it was reported as not delivered.
    Contradicted,
    /// It was not settled in time.
    Unsettled,
    SettledTwice,
    /// It was rejected although the way was free for long enough, or although its epoch was the newest.
    GivenUp,
}

/// What is wrong, with which message, and when it was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    pub(crate) letter: Letter,
    pub(crate) at: u64,
}

/// Which call settled a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Receive,
    Refuse,
    Expire,
    End,
}

/// How many messages met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) not_delivered: u64,
    pub(crate) unknown: u64,
    pub(crate) rejected_yet_arrived: u64,
}

/// How long a message may take to be settled, in milliseconds: 30 s, and what a late timer adds.
const SETTLED_MS: u64 = 31_000;
/// How long the way is to be free for a message to arrive for certain: two of the longest pauses, and room for a full queue.
const FREE_MS: u64 = 20_000;

struct Course {
    letter: Letter,
    arrivals: u32,
    outcome: Option<Fate>,
}

/// The checker of one run.
#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) violations: Vec<Violation>,
    pub(crate) counts: Counts,
    /// By the ids of the letters, which are in the order in which they were sent.
    fates: BTreeMap<u64, Course>,
    /// The highest id that has arrived, of each direction.
    latest: BTreeMap<(Stay, Stay), u64>,
}

impl Checker {
    pub(crate) fn sent(&mut self, letter: Letter) {
        self.counts.sent += 1;
        self.fates.insert(letter.id, Course { letter, arrivals: 0, outcome: None });
    }

    pub(crate) fn arrived(&mut self, letter: Letter, at: u64) {
        let fate = self.fate_of(letter);
        fate.arrivals += 1;
        let (arrivals, outcome) = (fate.arrivals, fate.outcome);
        if arrivals > 1 {
            self.blame(Kind::Twice, letter, at);
        }
        if outcome == Some(Fate::NotDelivered) {
            self.blame(Kind::Contradicted, letter, at);
        }
        let latest = self.latest.entry((letter.from, letter.to)).or_default();
        let overtaken = letter.id < *latest;
        *latest = letter.id.max(*latest);
        if overtaken {
            self.blame(Kind::Disordered, letter, at);
        }
    }

    /// `free_ms` is how long the way between the two has been free at most, while the message was on it.
    pub(crate) fn settled(&mut self, letter: Letter, outcome: Fate, cause: Cause, free_ms: u64, at: u64) {
        let fate = self.fate_of(letter);
        if fate.outcome.is_some() {
            return self.blame(Kind::SettledTwice, letter, at);
        }
        fate.outcome = Some(outcome);
        let arrived = fate.arrivals > 0;
        if at - letter.sent_at > SETTLED_MS {
            self.blame(Kind::Unsettled, letter, at);
        }
        let given_up = cause == Cause::Receive || (cause == Cause::Expire && free_ms >= FREE_MS);
        match outcome {
            Fate::Delivered => self.counts.delivered += 1,
            Fate::NotDelivered => self.counts.not_delivered += 1,
            Fate::Unknown => self.counts.unknown += 1,
        }
        match outcome {
            Fate::Delivered if !arrived => self.blame(Kind::Lost, letter, at),
            Fate::NotDelivered if arrived => self.blame(Kind::Contradicted, letter, at),
            Fate::Delivered | Fate::NotDelivered | Fate::Unknown => {}
        }
        if outcome != Fate::Delivered && given_up {
            self.blame(Kind::GivenUp, letter, at);
        }
    }

    /// Everything has had its time.
    pub(crate) fn finish(&mut self, at: u64) {
        for Course { letter, arrivals, outcome } in self.fates.values() {
            match outcome {
                None => self.violations.push(Violation { kind: Kind::Unsettled, letter: *letter, at }),
                Some(Fate::NotDelivered | Fate::Unknown) if *arrivals > 0 => {
                    self.counts.rejected_yet_arrived += 1;
                }
                Some(_) => {}
            }
        }
    }

    fn fate_of(&mut self, letter: Letter) -> &mut Course {
        self.fates.get_mut(&letter.id).unwrap_or_else(|| panic!("nobody has sent message {}", letter.id))
    }

    fn blame(&mut self, kind: Kind, letter: Letter, at: u64) {
        self.violations.push(Violation { kind, letter, at });
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.not_delivered += other.not_delivered;
        self.unknown += other.unknown;
        self.rejected_yet_arrived += other.rejected_yet_arrived;
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", ["a", "b"][self.side], self.number)
    }
}
