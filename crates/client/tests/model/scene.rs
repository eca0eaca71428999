//! What all parts of a run share: time, chance, the connections, the checker, and the log.

use std::fmt;

use aldis_client::streams::{Fate, Settled, StreamHeader};

use crate::{
    agenda::Agenda,
    chance::Chance,
    checker::{Cause, Checker, Letter, Stay},
    habits::Habit,
    messages::{Delivery, Frame, News},
    relay::{HandedOn, Weather},
};

/// What happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A connection brings something.
    Brings {
        line: LineId,
        delivery: Delivery,
    },
    /// A frame has gone up a connection to the relay that has crashed so often.
    Rises {
        crashes: u32,
        line: LineId,
        frame: Frame,
    },
    /// A frame was held up in the relay until now.
    Resumes {
        crashes: u32,
        frame: Frame,
        time: HandedOn,
    },
    /// The relay says late what it has to say.
    Says {
        crashes: u32,
        line: LineId,
        news: News,
    },
    /// A stay whose connection was lost can come back no longer.
    Lapses {
        stay: Stay,
        line: LineId,
    },
    /// The relay, or a side, notices that a connection is gone.
    RelayLoses(LineId),
    SideLoses(LineId),
    /// A side begins another connection.
    Reconnects {
        side: usize,
    },
    /// A stream wants to be looked after.
    Wakes {
        side: usize,
        talk: u64,
        at: u64,
    },
    /// A peer has been away for too long.
    GivesUp {
        side: usize,
        talk: u64,
    },
    /// Something that happens again and again.
    Again {
        habit: Habit,
        side: usize,
    },
    /// The weather changes.
    Turns(Weather),
    /// A side writes so many messages.
    Writes {
        side: usize,
        count: u64,
    },
    /// A connection is cut, and so much later it is noticed.
    Cuts {
        side: usize,
        relay_after_ms: u64,
        side_after_ms: u64,
    },
}

/// A connection, by its number.
pub(crate) type LineId = usize;

/// One connection. Nothing passes one that is cut, whoever knows of it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) side: usize,
    pub(crate) state: LineState,
    pub(crate) up_at: u64,
    pub(crate) down_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineState {
    Open,
    Cut,
}

/// What is shared; see the module.
pub(crate) struct Scene {
    pub(crate) agenda: Agenda<Event>,
    pub(crate) chance: Chance,
    pub(crate) checker: Checker,
    pub(crate) lines: Vec<Line>,
    /// Who the two sides are now.
    pub(crate) stays: [Stay; 2],
    log: Log,
    free_since: Option<u64>,
    /// When the way between the two was free before.
    stretches: Vec<(u64, u64)>,
}

/// Whether somebody wants to know what happened.
pub(crate) enum Log {
    Off,
    On(Vec<String>),
}

impl Scene {
    pub(crate) fn new(seed: u32, log: Log) -> Self {
        Self {
            agenda: Agenda::new(),
            chance: Chance::new(seed),
            checker: Checker::default(),
            lines: Vec::new(),
            stays: [0, 1].map(|side| Stay { side, number: 1 }),
            log,
            free_since: None,
            stretches: Vec::new(),
        }
    }

    pub(crate) fn log(&mut self, line: fmt::Arguments<'_>) {
        if let Log::On(lines) = &mut self.log {
            lines.push(format!("{:>6} {line}", self.agenda.now()));
        }
    }

    /// What was logged.
    pub(crate) fn into_lines(self) -> Vec<String> {
        match self.log {
            Log::Off => Vec::new(),
            Log::On(lines) => lines,
        }
    }

    /// Begins a connection of a side.
    pub(crate) fn begin_line(&mut self, side: usize) -> LineId {
        self.lines.push(Line { side, state: LineState::Open, up_at: 0, down_at: 0 });
        self.lines.len() - 1
    }

    pub(crate) fn is_open(&self, line: LineId) -> bool {
        self.lines[line].state == LineState::Open
    }

    pub(crate) fn cut(&mut self, line: LineId) {
        self.lines[line].state = LineState::Cut;
    }

    pub(crate) fn arrived(&mut self, letter: Letter) {
        self.log(format_args!("{}: #{} arrives", letter.to, letter.id));
        self.checker.arrived(letter, self.agenda.now());
    }

    pub(crate) fn settled(&mut self, settled: Vec<Settled<Letter>>, cause: Cause) {
        for Settled { item, outcome } in settled {
            self.log(format_args!("{}: #{} is {} ({})", item.from, item.id, name_of(outcome), cause.name()));
            let free_ms = self.free_for(item);
            self.checker.settled(item, outcome, cause, free_ms, self.agenda.now());
        }
    }

    /// Notes whether the way between the two is free.
    pub(crate) fn observe(&mut self, free: bool) {
        let now = self.agenda.now();
        match self.free_since {
            None if free => self.free_since = Some(now),
            Some(since) if !free => {
                self.stretches.push((since, now));
                self.free_since = None;
            }
            None | Some(_) => {}
        }
    }

    /// How long the way has been free at a stretch since a message was sent between two that are still there.
    fn free_for(&self, letter: Letter) -> u64 {
        if !self.stays.contains(&letter.from) || !self.stays.contains(&letter.to) {
            return 0;
        }
        let now = self.agenda.now();
        // Of more than twenty stretches within the life of a message none is long enough to matter.
        let recent = self.stretches.iter().rev().take(20).copied();
        let stretches = recent.chain([(self.free_since.unwrap_or(now), now)]);
        stretches.map(|(from, to)| to.saturating_sub(from.max(letter.sent_at))).max().unwrap_or(0)
    }
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Refuse => "refuse",
            Self::Expire => "expire",
            Self::End => "end",
        }
    }
}

fn name_of(outcome: Fate) -> &'static str {
    match outcome {
        Fate::Delivered => "delivered",
        Fate::NotDelivered => "not-delivered",
        Fate::Unknown => "unknown",
    }
}

/// A header as it looks on the wire.
pub(crate) struct Wire(pub(crate) StreamHeader);

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}
