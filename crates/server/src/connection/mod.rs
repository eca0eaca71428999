//! One connection: one task, no channel, no buffer while idle.
//!
//! The task reads, parses and hands on; whoever has something for the client writes to its [`outlet`] directly. So the task wakes
//! for inbound bytes or POSTs, for its one timer, for a socket that would not take everything, and for the drain; nothing else.
//!
//! ```text
//!  Greeting ──hello──► Supplying ──► Joining ──► Seated ──goodbye, violation, fence, drain──► Closing ──last frame out, or 5 s──► end
//!     │                                  └────────── refusal ──────────────────────────────────►▲
//!     └──────────── 4408, refusal ──────────────────────────────────────────────────────────────┘
//! ```
//! A raw client joins at once, and so does one of the event stream, whose `hello` came with its request. Supplying takes no time but where
//! somebody on the network makes TURN credentials. On a node alone joining takes none; among others it takes until these have answered.
//! Meanwhile nothing is read.
//!
//! | module | holds |
//! |---|---|
//! | `begin` | how it begins |
//! | `read` | bytes to frames to messages |
//! | `posts` | the same where the messages come in POSTs |
//! | `request` | what is answered here: hello, auth, ice-servers, ping |
//! | `supply` | ICE servers: before the `welcome`, and all that follow |
//! | `deadline` | everything that comes with time |
//! | [`outlet`], `frame`, `pongs` | the way out |
//! | [`transport`] | the socket under both, plain or TLS |
//! | [`rate`], [`liveness`] | the pure parts |

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aldis_core::{Departure, Dialect, Moment, Seat, Ticket};
use aldis_protocol::{CloseCode, Identity, ServerMessage, WireError, limits::Limit};
use tokio::time::Sleep;

use crate::{
    admission::{Counted, Slot},
    auth::Verified,
    bell::Listener,
    driver::Dirty,
    node::Node,
};

mod begin;
mod deadline;
mod frame;
pub mod liveness;
pub mod outlet;
mod pongs;
mod posts;
pub mod rate;
mod read;
pub mod request;
mod supply;
pub mod transport;

use deadline::Deadlines;
use liveness::{Due, Liveness, Reason};
use outlet::{Farewell, Frame, Handle, Health, Last, Push, Seating};
use posts::Posts;
use rate::{Rates, Strikes};
use read::Frames;
use supply::{Entrance, Supply, Waiting};
use transport::Reader;

/// How long a closing connection may take for its last frames, in milliseconds.
const CLOSING_MS: u64 = 5_000;

/// How long nothing is read from a client after a read in which it exceeded its rates, in milliseconds. Refusing a message costs as much
/// as relaying it: a few who send as fast as they can would otherwise keep a thread from everybody else. Their reads are of 4 KiB, so that
/// they get 80 kB/s each as long as there is something to refuse; the rest waits in their sockets.
const BREATHER_MS: u64 = 50;

/// How far ahead the timer is set at most, in milliseconds: a connection without a deadline looks again after a day.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// What a connection holds of the node's counts while it lives.
#[derive(Debug)]
pub struct Places {
    /// Its place among all connections.
    pub slot: Slot,
    /// Its place among those of its identity.
    pub identity: Option<Counted<Identity>>,
}

enum Stage {
    /// An `aldis.v1` client has until the deadline to say `hello`.
    Greeting { deadline: Moment },
    /// A provider makes TURN credentials for the `welcome`.
    Supplying(Box<Waiting>),
    /// Other nodes are asked about the room. What the client sends meanwhile waits in its socket.
    Joining(Dialect),
    /// In a room.
    Seated(Box<Seated>),
    /// The last frames are on their way, or the client's answer to them is. A socket that is closed with unread bytes in it is
    /// reset, and our close code is lost with it; so the client's close frame is awaited, within the deadline.
    Closing { deadline: Moment, answer: Answer },
    /// Nothing is left to do.
    Ended,
}

/// Whether the client has sent its close frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Awaited,
    Heard,
}

/// What a seated connection knows.
struct Seated {
    seat: Seat<Handle>,
    dialect: Dialect,
    deadlines: Deadlines,
}

/// A token that was sent with `auth` and is checked once more when its issuer's keys were fetched.
struct Asking {
    token: String,
    fetched: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Why a connection stops, other than to wait for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It has had its share of the thread, and more has come.
    Greedy,
    /// It is over.
    Over,
}

/// How much of what has come was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// All, as far as one can see.
    All,
    /// As much as is read at once.
    Part,
}

/// How the client's messages come.
enum Inbound {
    /// In frames on the socket.
    Frames(Frames),
    /// In requests of their own; the socket only says when it is over.
    Posts(Posts),
}

/// One connection; see the module.
pub struct Connection {
    reader: Reader,
    inbound: Inbound,
    handle: Handle,
    node: Arc<Node>,
    /// The time of this wake-up: one look at the clock serves all its messages.
    now: Moment,
    token: Box<Verified>,
    stage: Stage,
    supply: Supply,
    liveness: Liveness,
    /// This connection's heartbeat interval: jittered, so that a crowd that joined together is not pinged together.
    interval_ms: u64,
    rates: Box<Rates>,
    /// Until when nothing is read, because the client sends too much.
    breather: Option<Moment>,
    strikes: Strikes,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set for.
    armed: Moment,
    drain: Option<Listener>,
    abort: Listener,
    places: Places,
    /// A new token whose key may be about to come.
    asking: Option<Box<Asking>>,
}

/// However a connection ends, by itself, by a panic or with the server, the hub learns of it once.
impl Drop for Connection {
    fn drop(&mut self) {
        self.leave();
        if let Inbound::Posts(posts) = &self.inbound {
            posts.close(&self.node);
        }
        self.node.metrics.disconnected(self.handle.0.framing());
        if let Some(Seating { room, peer, .. }) = self.handle.0.seating() {
            tracing::info!(%room, %peer, "disconnected");
        }
    }
}

impl Connection {
    /// Gives up the seat of a connection that is over.
    fn leave(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Seated(seated) => self.node.driver.disconnected(&seated.seat, Departure::Lost, None),
            Stage::Joining(_) => self.node.driver.abandon(&self.token.room, &self.handle, None),
            Stage::Greeting { .. } | Stage::Supplying(_) | Stage::Closing { .. } | Stage::Ended => {
                self.node.driver.abandoned(&self.handle);
            }
        }
    }
}

impl Connection {
    /// Serves the client of a WebSocket until the connection ends.
    pub async fn run(self: Box<Self>, dialect: Dialect) {
        self.serve(move |connection| {
            if dialect == Dialect::Raw {
                connection.join(Entrance { dialect: Dialect::Raw, features: Vec::new(), ticket: None });
            }
            connection.read_early();
        })
        .await;
    }

    /// Serves the client of an event stream, which has said `hello`, until the connection ends.
    pub async fn run_events(self: Box<Self>, features: Vec<String>, ticket: Option<Ticket>) {
        self.serve(move |connection| connection.join(Entrance { dialect: Dialect::V1, features, ticket })).await;
    }

    /// Takes turns with others who come in until the client is in a room, and from then on comes before them.
    async fn serve(mut self: Box<Self>, begin: impl FnOnce(&mut Self)) {
        let node = Arc::clone(&self.node);
        let entered = node.turnstile.through(async {
            begin(&mut self);
            poll_fn(|cx| self.poll_entrance(cx)).await;
        });
        // Boxed, because its memory is not needed for as long as the connection's.
        Box::pin(entered).await;
        while poll_fn(|cx| self.poll(cx)).await == Stop::Greedy {
            // It goes on in its turn.
            Box::pin(node.turnstile.turn()).await;
        }
    }

    /// As [`poll`](Self::poll), but ready as soon as the client is in a room, or is not going to be in one.
    fn poll_entrance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.poll(cx);
        match (&self.stage, polled) {
            (Stage::Greeting { .. } | Stage::Supplying(_) | Stage::Joining(_), Poll::Pending) => Poll::Pending,
            (Stage::Greeting { .. } | Stage::Supplying(_) | Stage::Joining(_), Poll::Ready(Stop::Greedy)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, Poll::Ready(Stop::Over)) | (Stage::Seated(_) | Stage::Closing { .. } | Stage::Ended, _) => {
                Poll::Ready(())
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.handle.0.register(cx);
        if self.abort.poll(cx).is_ready() {
            return Poll::Ready(Stop::Over);
        }
        if matches!(self.stage, Stage::Joining(_)) {
            self.take_seat();
            if matches!(self.stage, Stage::Seated(_)) {
                // What came right behind the `hello`.
                self.read_early();
            }
        }
        // Whoever joins hears of it once it has its seat.
        if !matches!(self.stage, Stage::Supplying(_) | Stage::Joining(_))
            && self.drain.as_mut().is_some_and(|drain| drain.poll(cx).is_ready())
        {
            self.drain = None;
            self.begin_drain();
        }
        // A few rounds and no more: a client that never stops must not keep its thread.
        for _ in 0..8 {
            self.now = self.node.clock.now();
            if self.handle.0.take_probe() {
                self.probe();
            }
            match self.poll_outlet(cx) {
                Poll::Ready(()) => return Poll::Ready(Stop::Over),
                Poll::Pending => {}
            }
            // No deadline is earlier than what the timer was set for.
            if self.now >= self.armed {
                self.tick();
            }
            self.poll_supply(cx);
            match self.poll_inbound(cx) {
                Poll::Ready(Read::All) => {}
                Poll::Ready(Read::Part) => break,
                Poll::Pending => match self.poll_asking(cx) {
                    Poll::Ready(()) => {}
                    Poll::Pending => {
                        self.poll_timer(cx);
                        return Poll::Pending;
                    }
                },
            }
        }
        Poll::Ready(Stop::Greedy)
    }

    /// Looks after what the socket would not take; ready when the connection is over.
    fn poll_outlet(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.handle.0.health() {
                Health::Idle => return Poll::Pending,
                Health::Dead => return Poll::Ready(()),
                Health::Finished => {
                    self.notice_close();
                    let answered = !matches!(self.stage, Stage::Closing { answer: Answer::Awaited, .. });
                    return if answered { Poll::Ready(()) } else { Poll::Pending };
                }
                Health::Blocked { .. } => match self.handle.0.poll_writable(cx) {
                    Poll::Ready(Ok(())) => {
                        self.flush();
                        // The hub may have closed the outlet; then this connection only has to finish.
                        self.notice_close();
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.notice_close();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// Reads once and handles what came; pending when there is nothing to read, or when it has to wait.
    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        if let (Stage::Greeting { .. } | Stage::Seated(_), Some(until)) = (&self.stage, self.breather) {
            if self.now < until {
                return Poll::Pending;
            }
            self.breather = None;
        }
        match (&self.stage, &self.inbound) {
            (Stage::Supplying(_) | Stage::Joining(_), _) => Poll::Pending,
            (_, Inbound::Frames(_)) => self.poll_read(cx),
            (_, Inbound::Posts(_)) => self.poll_posts(cx).map(|()| Read::All),
        }
    }

    /// Checks a token again for whose key somebody has asked; pending where there is none.
    fn poll_asking(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(asking) = &mut self.asking else { return Poll::Pending };
        std::task::ready!(asking.fetched.as_mut().poll(cx));
        if let Some(asking) = self.asking.take() {
            self.auth_again(&asking.token);
        }
        Poll::Ready(())
    }

    /// Sets the timer for the next deadline and waits for it.
    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        let longest = self.now.after(LONGEST_WAIT_MS);
        let next = [self.next_deadline(), self.breather].into_iter().flatten().fold(longest, Moment::min);
        // Every message moves the heartbeat's deadline out. A timer that rings too early costs less than one that is always moved.
        if next < self.armed || self.now >= self.armed {
            self.armed = next;
            self.timer.as_mut().reset(self.node.clock.instant(next));
            if self.timer.as_mut().poll(cx).is_ready() {
                // Come back at once; `tick` does what is due.
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Writes a message to this client.
    fn say(&mut self, message: &ServerMessage) {
        if let ServerMessage::Error(error) = message {
            self.node.metrics.refused(error.code);
        }
        self.write(Frame::Text(message.to_json().into()));
    }

    /// Writes a frame to this client; one that does not fit closes it as a slow reader.
    fn write(&mut self, frame: Frame) {
        match self.handle.0.push(frame, self.node.clock.now()) {
            Push::First => self.flush(),
            Push::Behind | Push::Closed(_) => {}
            Push::Full(_) => {
                self.node.metrics.limit(Limit::outbound_bytes);
                self.farewell(Farewell::slow_reader(), Departure::Lost);
            }
        }
    }

    /// Says why, if there is something to say, gives up the seat and sends the last frame.
    fn close(&mut self, code: CloseCode, error: Option<WireError>, departure: Departure) {
        self.farewell(Farewell { error: error.map(Box::new), last: Last::Ours(code) }, departure);
    }

    fn farewell(&mut self, farewell: Farewell, departure: Departure) {
        if matches!(self.stage, Stage::Closing { .. } | Stage::Ended) {
            return;
        }
        if let Some(error) = &farewell.error {
            self.node.metrics.refused(error.code);
        }
        if let Last::Ours(code) = farewell.last {
            self.node.metrics.closed(code);
        }
        let deadline = self.node.clock.now().after(CLOSING_MS);
        match std::mem::replace(&mut self.stage, Stage::Closing { deadline, answer: Answer::Awaited }) {
            Stage::Seated(seated) => self.node.driver.disconnected(&seated.seat, departure, Some(farewell)),
            Stage::Joining(_) => self.node.driver.abandon(&self.token.room, &self.handle, Some(farewell)),
            Stage::Greeting { .. } | Stage::Supplying(_) => {
                self.handle.0.close(farewell, self.node.clock.now());
                self.flush();
            }
            Stage::Closing { .. } | Stage::Ended => {}
        }
    }

    fn flush(&self) {
        let mut dirty = Dirty::default();
        dirty.add(self.handle.clone());
        self.node.driver.flush(dirty);
    }

    /// The hub may close the outlet by itself: a fence, a removal, a queue that is full. Then the seat is gone already.
    fn notice_close(&mut self) {
        if self.handle.0.is_closing() && !matches!(self.stage, Stage::Closing { .. } | Stage::Ended) {
            self.stage = Stage::Closing { deadline: self.node.clock.now().after(CLOSING_MS), answer: Answer::Awaited };
        }
    }

    fn probe(&mut self) {
        if self.liveness.probe(self.node.clock.now(), &self.node.limits) == Due::Ping {
            self.write(Frame::Ping);
        }
    }

    /// A byte came in.
    fn heard(&mut self) {
        self.handle.0.hear(self.now);
        if self.liveness.heard() == Some(Reason::Probe)
            && let Stage::Seated(seated) = &self.stage
        {
            self.node.driver.alive(&seated.seat);
        }
    }
}
