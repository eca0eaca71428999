//! Everything that comes to a connection with time, behind its one timer.

use aldis_core::{Departure, Dialect, Moment};
use aldis_protocol::{CloseCode, ErrorCode, ServerMessage, WireError, limits::Limit, server::ReconnectReason};

use super::{
    Connection, Stage,
    liveness::Due,
    outlet::{Farewell, Frame, Health},
};
use crate::{
    auth::{LEEWAY_MS, Verified},
    node::Node,
};

/// How long before its end a token is announced to expire, at least, in milliseconds.
const EXPIRY_NOTICE_MS: u64 = 60_000;

/// The deadlines of a seated connection.
pub(super) struct Deadlines {
    token: TokenLife,
    /// When a fresh resume token is due.
    resume: Option<Moment>,
    /// When a drained connection is closed.
    drain: Option<Moment>,
}

/// What the token still has to live.
enum TokenLife {
    /// Nothing to say yet.
    Good { notice: Moment, end: Moment },
    /// The client knows.
    Announced { end: Moment },
}

impl TokenLife {
    fn new(node: &Node, token: &Verified) -> Self {
        let (now, wall) = (node.clock.now(), node.clock.unix_ms());
        // One that was accepted within the leeway of two clocks lives until the leeway ends.
        let left = match token.expires_at.saturating_sub(wall) {
            0 => (token.expires_at + LEEWAY_MS).saturating_sub(wall),
            left => left,
        };
        // A tenth of its whole life; of what is left where the token does not say when that began.
        let life = token.issued_at.map_or(left, |issued| token.expires_at.saturating_sub(issued));
        let notice = left.saturating_sub(EXPIRY_NOTICE_MS.max(life / 10));
        Self::Good { notice: now.after(notice), end: now.after(left) }
    }

    fn next(&self) -> Moment {
        match self {
            Self::Good { notice, .. } => *notice,
            Self::Announced { end } => *end,
        }
    }
}

impl Deadlines {
    pub(super) fn new(node: &Node, token: &Verified, dialect: Dialect) -> Self {
        let now = node.clock.now();
        let resume = (dialect == Dialect::V1).then(|| now.after(node.limits.resume_renew_ms));
        Self { token: TokenLife::new(node, token), resume, drain: None }
    }

    pub(super) fn renew_token(&mut self, node: &Node, token: &Verified) {
        self.token = TokenLife::new(node, token);
    }

    fn next(&self) -> Moment {
        let optional = [self.resume, self.drain];
        optional.into_iter().flatten().fold(self.token.next(), Moment::min)
    }
}

fn take_due(deadline: &mut Option<Moment>, now: Moment) -> bool {
    deadline.take_if(|at| *at <= now).is_some()
}

impl Connection {
    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let life = self.liveness.deadline(self.handle.0.quiet_since(), self.interval_ms);
        let (stall, receipt) = match self.handle.0.health() {
            Health::Blocked { since, receipt_since } => (
                Some(since.after(self.node.limits.outbound_stall_ms)),
                receipt_since.map(|at| at.after(self.node.limits.receipt_ms)),
            ),
            Health::Idle | Health::Finished | Health::Dead => (None, None),
        };
        let stage = match &self.stage {
            Stage::Greeting { deadline } => return Some(*deadline),
            Stage::Closing { deadline, .. } => return Some(receipt.map_or(*deadline, |at| at.min(*deadline))),
            Stage::Supplying(waiting) => return Some(waiting.deadline),
            Stage::Seated(seated) => {
                Some(self.supply.due().map_or(seated.deadlines.next(), |due| due.min(seated.deadlines.next())))
            }
            // The hub's own time is short.
            Stage::Joining(_) => return None,
            Stage::Ended => None,
        };
        [life, stall, receipt, stage].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        match &self.stage {
            Stage::Greeting { .. } => {
                self.node.metrics.limit(Limit::hello_ms);
                let error = WireError::new(ErrorCode::HelloTimeout);
                self.close(CloseCode::Timeout, Some(error), Departure::Lost);
            }
            // The client takes neither its last frame nor its leave.
            Stage::Closing { deadline, .. } if *deadline <= now => self.node.driver.abandoned(&self.handle),
            Stage::Closing { .. } => self.tick_receipts(now),
            Stage::Seated(_) => {
                self.tick_liveness(now);
                self.tick_receipts(now);
                self.tick_stall(now);
                self.tick_seat(now);
            }
            Stage::Supplying(_) | Stage::Joining(_) | Stage::Ended => {}
        }
    }

    fn tick_liveness(&mut self, now: Moment) {
        match self.liveness.tick(now, self.handle.0.quiet_since(), self.interval_ms, &self.node.limits) {
            Due::Nothing => {}
            Due::Ping => self.write(Frame::Ping),
            Due::Dead => {
                self.node.metrics.limit(Limit::heartbeat_timeout_ms);
                let error = WireError::new(ErrorCode::HeartbeatTimeout);
                self.close(CloseCode::Timeout, Some(error), Departure::Lost);
            }
        }
    }

    /// Whoever waits for a receipt is told in time that it may not come, also of a frame that a closing connection has begun.
    fn tick_receipts(&self, now: Moment) {
        let (Health::Blocked { receipt_since: Some(at), .. }, Some(seating)) =
            (self.handle.0.health(), self.handle.0.seating())
        else {
            return;
        };
        let patience = self.node.limits.receipt_ms;
        if at.after(patience) <= now {
            let before = Moment(now.0.saturating_sub(patience));
            self.node.driver.late(seating, &self.handle.0.overdue(before));
        }
    }

    fn tick_stall(&mut self, now: Moment) {
        let (Health::Blocked { since, .. }, Stage::Seated(_)) = (self.handle.0.health(), &self.stage) else { return };
        if since.after(self.node.limits.outbound_stall_ms) <= now {
            self.node.metrics.limit(Limit::outbound_stall_ms);
            self.farewell(Farewell::slow_reader(), Departure::Lost);
        }
    }

    fn tick_seat(&mut self, now: Moment) {
        let Stage::Seated(seated) = &mut self.stage else { return };
        let deadlines = &mut seated.deadlines;
        let (resume, drain) = (take_due(&mut deadlines.resume, now), take_due(&mut deadlines.drain, now));
        let expires_at = self.token.expires_at;
        match deadlines.token {
            TokenLife::Announced { end } | TokenLife::Good { end, .. } if end <= now => {
                let error = WireError::new(ErrorCode::TokenExpired);
                return self.close(CloseCode::Unauthorized, Some(error), Departure::Lost);
            }
            TokenLife::Good { notice, end } if notice <= now => {
                deadlines.token = TokenLife::Announced { end };
                self.say(&ServerMessage::TokenExpiring { token_expires_at: expires_at });
            }
            TokenLife::Good { .. } | TokenLife::Announced { .. } => {}
        }
        if self.supply.take_due(now) {
            self.renew_ice();
        }
        if resume {
            self.push_resume(now);
        }
        if drain {
            self.close(CloseCode::Restart, None, Departure::Lost);
        }
    }

    fn push_resume(&mut self, now: Moment) {
        let (Stage::Seated(seated), Some(seating)) = (&mut self.stage, self.handle.0.seating()) else { return };
        seated.deadlines.resume = Some(now.after(self.node.limits.resume_renew_ms));
        let token = self.node.driver.resume_token(seating, &self.token.identity);
        self.say(&ServerMessage::Resume { token });
    }

    /// The node is shutting down: this client's turn is somewhere within the window, so that a crowd does not move at once, and not so soon
    /// that it could not be elsewhere before.
    pub(super) fn begin_drain(&mut self) {
        let now = self.node.clock.now();
        match &mut self.stage {
            Stage::Seated(seated) => {
                let spread_ms = self.node.drain_spread_ms();
                let within_ms = 1 + spread_ms / 4 + self.node.random_below(spread_ms - spread_ms / 4);
                seated.deadlines.drain = Some(now.after(within_ms));
                self.say(&ServerMessage::Reconnect { reason: ReconnectReason::Drain, within_ms });
            }
            Stage::Greeting { .. } => self.close(CloseCode::Restart, None, Departure::Lost),
            Stage::Supplying(_) | Stage::Joining(_) | Stage::Closing { .. } | Stage::Ended => {}
        }
    }
}
