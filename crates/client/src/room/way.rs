//! The way to the server: which connections there are, over all of them.
//!
//! One may *stand* and is used; beside it there may be a way to the *next*, and never two:
//!
//! ```text
//!                         ┌───────── its time has come, or the network is another one ──┐
//!                         ▼                                                             │
//!   start() ───────►  trying ── refused ──► waiting                                  hinted ◄── the server goes
//!                         │
//!                     `welcome`: it stands from now on, and the one that stood is closed
//!
//!   leave() ──► over            a refusal that will not go away ──► over
//! ```
//!
//! So a server that goes is left only when the next connection stands, and a connection that breaks meanwhile changes nothing about the
//! way to the next. Pure: time and chance are passed in, and what is to be done comes out as [`Step`]s. The SDK for browsers has the same
//! in `sdk/src/signaling.ts`.

use std::time::Duration;

use aldis_protocol::close::Reconnect;

use super::{backoff::backoff, failure::Failure};
use crate::{Error, streams::Moment};

/// After how many failures the waits are long enough for a server that has too much to do.
const LATER_FAILURES: u32 = 4;

/// How long a connection must stand before it counts as a success.
const STEADY: Duration = Duration::from_secs(5);

/// How much of the time that a server which goes leaves is used: the next connection has to stand before it is over.
const SHARE_OF_HINT: f64 = 0.75;

/// How long after an attempt no change of the network makes another: one that comes and goes must not hammer the server.
const DISTANCE: Duration = Duration::from_secs(1);

/// The way to the server; see the module.
#[derive(Debug)]
pub(crate) struct Way {
    standing: Standing,
    next: Next,
    /// Failed attempts since a connection last stood for a while.
    failures: u32,
    /// No attempt is made before, whatever happens to the network.
    not_before: Moment,
    token: TokenState,
    /// Whether another token may be had.
    renewable: bool,
    joined: Joined,
}

/// The connection that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    None,
    /// One, which has not proved itself before that.
    Fresh {
        steady_at: Moment,
    },
    Steady,
}

/// The way to the next connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nowhere,
    /// The server goes: another one at that time.
    Hinted(Moment),
    /// The last attempt failed.
    Waiting(Moment),
    Trying,
    /// There will be none.
    Over,
}

/// Whether the server refused the last token, so that a second refusal is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenState {
    Good,
    Refused,
}

/// Whether this side has ever been let in.
#[derive(Debug)]
enum Joined {
    /// Not yet, and it is given up then.
    Not {
        by: Moment,
        last_error: Option<Error>,
    },
    Yes,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Step {
    /// Make an attempt; another one that is under way is given up.
    Connect,
    /// The application is told that there is no connection, why, and when the next attempt is made.
    Reconnecting { error: Error, retry_in: Duration },
    /// It is over: whatever there is of connections is closed.
    Failed(Error),
    /// The connection that stands may be dead.
    Doubt,
}

impl Way {
    /// Nothing has happened yet; the first attempts are given up after `patience`.
    pub(crate) fn new(renewable: bool, patience: Duration, now: Moment) -> Self {
        Self {
            standing: Standing::None,
            next: Next::Nowhere,
            failures: 0,
            not_before: now,
            token: TokenState::Good,
            renewable,
            joined: Joined::Not { by: now + patience, last_error: None },
        }
    }

    /// Whether a connection stands.
    pub(crate) fn stands(&self) -> bool {
        self.standing != Standing::None
    }

    /// Whether there will never be another connection.
    pub(crate) fn is_over(&self) -> bool {
        self.next == Next::Over
    }

    /// Makes the first attempt.
    pub(crate) fn start(&mut self, now: Moment) -> Vec<Step> {
        vec![self.attempt(now)]
    }

    /// The attempt succeeded: the new connection stands.
    pub(crate) fn welcomed(&mut self, now: Moment) {
        self.next = Next::Nowhere;
        self.standing = Standing::Fresh { steady_at: now + STEADY };
        self.token = TokenState::Good;
        self.joined = Joined::Yes;
    }

    /// The attempt failed.
    pub(crate) fn refused(&mut self, failure: Failure, random: f64, now: Moment) -> Vec<Step> {
        if self.is_over() {
            return Vec::new();
        }
        self.next = Next::Nowhere;
        self.go_on(failure, random, now)
    }

    /// The connection that stood has ended by itself.
    pub(crate) fn lost(&mut self, failure: Failure, random: f64, now: Moment) -> Vec<Step> {
        if self.is_over() {
            return Vec::new();
        }
        self.standing = Standing::None;
        let Failure { policy, .. } = failure;
        match (policy, self.next) {
            (Reconnect::No, _) => self.fail(failure.error),
            // Superseded by that attempt: the `welcome` is on its way.
            (Reconnect::IfAlone, Next::Trying) => Vec::new(),
            (_, Next::Trying) => reconnecting(failure.error, Duration::ZERO),
            (Reconnect::IfAlone, _) if self.failures == 0 => self.try_at_once(failure.error, now),
            (Reconnect::Yes, Next::Hinted(_)) => self.try_at_once(failure.error, now),
            (Reconnect::Yes | Reconnect::Later | Reconnect::IfAlone, Next::Waiting(at)) => {
                reconnecting(failure.error, at.since(now))
            }
            _ => self.go_on(failure, random, now),
        }
    }

    /// The server asks to be left within that time.
    pub(crate) fn hinted(&mut self, within: Duration, random: f64, now: Moment) {
        if self.next == Next::Nowhere {
            self.next = Next::Hinted((now + within.mul_f64(random * SHARE_OF_HINT)).max(self.not_before));
        }
    }

    /// The network is another one, or is back.
    pub(crate) fn network_changed(&mut self, now: Moment) -> Vec<Step> {
        // A socket that is dead looks open.
        if self.stands() {
            return vec![Step::Doubt];
        }
        match self.next {
            Next::Waiting(at) => self.next = Next::Waiting(at.min(self.not_before.max(now))),
            // It may hang on the network that is gone.
            Next::Trying if self.not_before <= now => return vec![self.attempt(now)],
            Next::Nowhere | Next::Hinted(_) | Next::Trying | Next::Over => {}
        }
        Vec::new()
    }

    /// Does what the time has come for.
    pub(crate) fn poll(&mut self, now: Moment) -> Vec<Step> {
        if matches!(self.standing, Standing::Fresh { steady_at } if steady_at <= now) {
            self.standing = Standing::Steady;
            self.failures = 0;
        }
        if let Joined::Not { by, last_error } = &mut self.joined
            && *by <= now
            && self.next != Next::Over
        {
            let error = last_error.take().unwrap_or(Error::Timeout("joining"));
            return self.fail(error);
        }
        match self.next {
            Next::Hinted(at) | Next::Waiting(at) if at <= now => vec![self.attempt(now)],
            _ => Vec::new(),
        }
    }

    /// When [`poll`](Self::poll) is to be called.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        if self.is_over() {
            return None;
        }
        let next = match self.next {
            Next::Hinted(at) | Next::Waiting(at) => Some(at),
            Next::Nowhere | Next::Trying | Next::Over => None,
        };
        let steady = match self.standing {
            Standing::Fresh { steady_at } => Some(steady_at),
            Standing::None | Standing::Steady => None,
        };
        let given_up = match self.joined {
            Joined::Not { by, .. } => Some(by),
            Joined::Yes => None,
        };
        [next, steady, given_up].into_iter().flatten().min()
    }

    /// This side wants no more connections.
    pub(crate) fn leave(&mut self) {
        self.next = Next::Over;
        self.standing = Standing::None;
    }

    fn attempt(&mut self, now: Moment) -> Step {
        self.not_before = now + DISTANCE;
        self.next = Next::Trying;
        Step::Connect
    }

    fn try_at_once(&mut self, error: Error, now: Moment) -> Vec<Step> {
        self.failures += 1;
        let mut steps = reconnecting(error, Duration::ZERO);
        steps.push(self.attempt(now));
        steps
    }

    /// An attempt has failed, or a connection without a next one on its way: goes on, or gives up.
    fn go_on(&mut self, failure: Failure, random: f64, now: Moment) -> Vec<Step> {
        let Failure { error, policy, retry_after } = failure;
        if policy == Reconnect::WithNewToken && self.renewable && self.token == TokenState::Good {
            self.token = TokenState::Refused;
            let mut steps = self.tell(error, Duration::ZERO);
            steps.push(self.attempt(now));
            return steps;
        }
        // As long as a connection stands, another attempt costs nothing.
        if matches!(policy, Reconnect::WithNewToken | Reconnect::No) && !self.stands() {
            return self.fail(error);
        }
        let least = if policy == Reconnect::Later { LATER_FAILURES } else { 0 };
        self.failures = self.failures.saturating_add(1).max(least);
        let retry_in = backoff(self.failures, random, retry_after);
        if matches!(self.joined, Joined::Not { by, .. } if now + retry_in > by) {
            return self.fail(error);
        }
        self.not_before = self.not_before.max(now + retry_after);
        self.next = Next::Waiting(now + retry_in);
        self.tell(error, retry_in)
    }

    /// Tells the application, if this is anything to it: before it has joined it waits for the last word, and while a connection stands
    /// it misses nothing.
    fn tell(&mut self, error: Error, retry_in: Duration) -> Vec<Step> {
        match &mut self.joined {
            Joined::Not { last_error, .. } => {
                *last_error = Some(error);
                Vec::new()
            }
            Joined::Yes if self.standing == Standing::None => reconnecting(error, retry_in),
            Joined::Yes => Vec::new(),
        }
    }

    fn fail(&mut self, error: Error) -> Vec<Step> {
        self.leave();
        vec![Step::Failed(error)]
    }
}

fn reconnecting(error: Error, retry_in: Duration) -> Vec<Step> {
    vec![Step::Reconnecting { error, retry_in }]
}

#[cfg(test)]
#[path = "way_tests.rs"]
mod tests;
