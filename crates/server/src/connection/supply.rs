//! The ICE servers of a connection: those of its `welcome`, and all that follow.
//!
//! ```text
//!  join ──► Ready ───────────────────────────► welcome with them ──► due at three quarters of their time ──► the next ones
//!    │                                              ▲                                    ▲
//!    ├──► Pending ── in limits.turn_wait_ms ────────┘                                    │
//!    │      └─────── later ──► welcome without, `notice` ──► `ice-servers` once they are there
//!    └──► Delayed ───────────► welcome without, `notice` ──► tried again after a while
//! ```
//!
//! Where none can be made, what the client has stays as it is: it is sent ICE servers without TURN only in its `welcome`, or when it asks.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aldis_core::{Dialect, Moment, Permission, Ticket};
use aldis_protocol::{
    ServerMessage,
    limits::Limit,
    server::{IceServers, NoticeCode},
};

use super::{Connection, Stage};
use crate::{
    auth::Verified,
    ice::{self, Client, Delayed, Ice, Pending},
};

/// What is known of them.
#[derive(Default)]
pub(super) struct Supply {
    /// When fresh ones are due.
    due: Option<Moment>,
    /// Those that are being made.
    pending: Option<Box<Pending>>,
    asked: Asked,
    notice: Notice,
}

/// Who wants those that are being made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The server: it is time.
    #[default]
    ByUs,
    /// The client, which waits for an answer.
    ByClient,
}

/// Whether the client has to be told that TURN is late.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Notice {
    #[default]
    Unneeded,
    Owed,
}

/// A join that waits for its ICE servers.
pub(super) struct Waiting {
    /// Until when.
    pub(super) deadline: Moment,
    pub(super) entrance: Entrance,
}

/// How somebody joins.
pub(super) struct Entrance {
    pub(super) dialect: Dialect,
    pub(super) features: Vec<String>,
    pub(super) ticket: Option<Ticket>,
}

impl Supply {
    /// When fresh ones are due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    pub(super) fn take_due(&mut self, now: Moment) -> bool {
        self.due.take_if(|at| *at <= now).is_some()
    }
}

impl Connection {
    /// Gets ICE servers, and asks the hub for a seat once they are there or it has been long enough.
    pub(super) fn join(&mut self, entrance: Entrance) {
        let outcome = match self.node.ice.supply(&client(&self.token)) {
            ice::Supply::Ready(ice) => Ok(ice),
            ice::Supply::Delayed(delayed) => Err(delayed),
            ice::Supply::Pending(pending) => {
                self.supply.pending = Some(Box::new(pending));
                let deadline = self.node.clock.now().after(self.node.limits.turn_wait_ms);
                self.stage = Stage::Supplying(Box::new(Waiting { deadline, entrance }));
                return;
            }
        };
        self.enter_with(entrance, outcome);
    }

    /// Looks whether those that are being made are there, and whether a join has waited long enough for them.
    pub(super) fn poll_supply(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.stage, Stage::Supplying(_) | Stage::Seated(_)) {
            return;
        }
        let Some(pending) = &mut self.supply.pending else { return };
        let outcome = match (Pin::new(&mut **pending).poll(cx), &self.stage) {
            (Poll::Ready(outcome), _) => {
                self.supply.pending = None;
                outcome
            }
            (Poll::Pending, Stage::Supplying(waiting)) if waiting.deadline <= self.now => {
                self.node.metrics.limit(Limit::turn_wait_ms);
                Err(pending.delayed())
            }
            (Poll::Pending, _) => return,
        };
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Supplying(waiting) => {
                self.enter_with(waiting.entrance, outcome);
                if matches!(self.stage, Stage::Seated(_)) {
                    // What came right behind the `hello`.
                    self.read_early();
                }
                // For what a joining connection does not look at.
                cx.waker().wake_by_ref();
            }
            stage => {
                self.stage = stage;
                let asked = std::mem::take(&mut self.supply.asked);
                self.supplied(outcome, asked);
            }
        }
    }

    /// The client asks for fresh ones, or may have others now: it gets an answer in any case.
    pub(super) fn push_ice(&mut self) {
        if self.supply.pending.is_some() && self.token.grant.allows(Permission::Turn) {
            self.supply.asked = Asked::ByClient;
            return;
        }
        self.supply.pending = None;
        self.request_ice(Asked::ByClient);
    }

    /// Fresh ones are due.
    pub(super) fn renew_ice(&mut self) {
        if self.supply.pending.is_none() {
            self.request_ice(Asked::ByUs);
        }
    }

    /// Says that TURN is late, where the `welcome` has none for that reason.
    pub(super) fn tell_delayed(&mut self) {
        if std::mem::take(&mut self.supply.notice) == Notice::Owed {
            self.node.ice.delayed();
            self.say(&ServerMessage::Notice { code: NoticeCode::TurnDelayed });
        }
    }

    fn enter_with(&mut self, entrance: Entrance, outcome: Result<Ice, Delayed>) {
        if outcome.as_ref().is_err_and(Delayed::is_bare) {
            self.supply.notice = Notice::Owed;
        }
        let servers = self.settle(outcome);
        self.enter(entrance, servers);
    }

    fn request_ice(&mut self, asked: Asked) {
        match self.node.ice.supply(&client(&self.token)) {
            ice::Supply::Ready(ice) => self.supplied(Ok(ice), asked),
            ice::Supply::Delayed(delayed) => self.supplied(Err(delayed), asked),
            ice::Supply::Pending(pending) => {
                self.supply.pending = Some(Box::new(pending));
                self.supply.asked = asked;
            }
        }
    }

    fn supplied(&mut self, outcome: Result<Ice, Delayed>, asked: Asked) {
        let is_answer = outcome.is_ok() || asked == Asked::ByClient;
        let servers = self.settle(outcome);
        if is_answer {
            self.say(&ServerMessage::IceServers(servers));
        }
    }

    /// Plans the next ones, and returns what there is now.
    fn settle(&mut self, outcome: Result<Ice, Delayed>) -> IceServers {
        let (servers, after) = match outcome {
            Ok(Ice { servers, renew_after }) => (servers, renew_after.map(ms)),
            Err(Delayed { servers, retry_after }) => {
                // A crowd that was put off together does not come back together.
                let after = ms(retry_after);
                (servers, Some(after.saturating_add(self.node.random_below(after / 4 + 1))))
            }
        };
        self.supply.due = after.map(|after| self.node.clock.now().after(after));
        servers
    }
}

fn client(token: &Verified) -> Client<'_> {
    Client { identity: &token.identity, room: &token.room, kid: &token.kid, grant: token.grant }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
