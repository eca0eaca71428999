//! What one side has to do with one stay of the other: a stream, which is looked after.

use aldis_client::streams::StreamHeader;

use crate::{
    checker::{Cause, Letter, Stay},
    halves::AnyStream,
    messages::Frame,
    relay::Relay,
    scene::{Event, LineId, Scene, Wire},
};

/// The condition that a side is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) side: usize,
    pub(crate) timers: Timers,
    pub(crate) pace: Pace,
    pub(crate) line: Option<LineId>,
    pub(crate) connection: Connection,
}

/// Whether timers are late, as in a hidden page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timers {
    Exact,
    Late,
}

/// Whether the server's rate is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Fast,
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connection {
    Connecting,
    Joined,
    Away,
}

/// See the module.
pub(crate) struct Talk {
    /// No other talk of this side has it.
    pub(crate) number: u64,
    pub(crate) peer: Stay,
    pub(crate) stream: Box<dyn AnyStream>,
    pub(crate) state: Presence,
    pub(crate) wake_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Away,
}

/// How many messages go at once where the pace is slow, and how long the pause after them is.
const SLOW_MESSAGES: usize = 8;
const SLOW_MS: u64 = 100;
/// How late a late timer is at most.
const LATE_MS: u64 = 1_000;

impl Condition {
    pub(crate) fn of(side: usize) -> Self {
        Self { side, timers: Timers::Exact, pace: Pace::Fast, line: None, connection: Connection::Away }
    }
}

impl Talk {
    /// Settles what is too late, sends what may be sent, and plans when to come back.
    pub(crate) fn pump(&mut self, condition: Condition, scene: &mut Scene, relay: &Relay) {
        let now = scene.agenda.moment();
        scene.settled(self.stream.expire(now), Cause::Expire);
        let mut room = if condition.pace == Pace::Slow { SLOW_MESSAGES } else { usize::MAX };
        if let Some(line) = condition.line.filter(|_| condition.connection == Connection::Joined) {
            while room > 0
                && let Some(bytes) = self.stream.peek(now)
                && let Some((letter, x)) = self.stream.take(now)
            {
                assert_eq!(bytes, bytes_of(letter), "what was taken is not what was seen");
                let stay = scene.stays[condition.side];
                scene.log(format_args!("{stay}: sends {} #{} to {}", Wire(x), letter.id, self.peer));
                self.transmit(x, Some(letter), line, scene, relay);
                room -= 1;
            }
        }
        while let Some(a) = self.stream.take_ack(now) {
            if let Some(line) = condition.line {
                self.transmit(StreamHeader { s: None, a: Some(a) }, None, line, scene, relay);
            }
        }
        self.plan(condition, if room == 0 { SLOW_MS } else { 0 }, scene);
    }

    fn transmit(&self, x: StreamHeader, letter: Option<Letter>, line: LineId, scene: &mut Scene, relay: &Relay) {
        let from = scene.stays[scene.lines[line].side];
        relay.transmit(line, Frame { from, to: self.peer, x, letter }, scene);
    }

    fn plan(&mut self, condition: Condition, pause: u64, scene: &mut Scene) {
        let now = scene.agenda.now();
        let Some(next) = self.stream.next_at(scene.agenda.moment()) else {
            return;
        };
        let moment = (next.since_origin().as_millis() as u64).max(now + pause);
        let at = if condition.timers == Timers::Late { moment.next_multiple_of(LATE_MS) } else { moment };
        if self.wake_at.is_some_and(|wake_at| now < wake_at && wake_at <= at) {
            return;
        }
        self.wake_at = Some(at);
        scene.agenda.after(at.saturating_sub(now), Event::Wakes { side: condition.side, talk: self.number, at });
    }
}

/// How large a letter is: so that now and then the bytes fill the window.
pub(crate) fn bytes_of(letter: Letter) -> usize {
    if letter.id.is_multiple_of(7) { 60_000 } else { 700 }
}
