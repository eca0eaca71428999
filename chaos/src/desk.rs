//! Where a client keeps its history and writes its messages: the same for clients with streams and without.

use std::time::Duration;

use aldis_client::{
    Addressed, Outgoing, Undelivered, Why,
    protocol::{PeerId, PeerInfo, Presence, Relayed},
};
use serde_json::value::to_value;
use tokio::sync::watch;

use crate::history::{Clock, Fate, Happening, History, Letter, Record, Seen};

/// What the clients of a run are to do. The order is that of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Come in.
    Gather,
    /// Talk to each other.
    Talk,
    /// Say nothing new.
    Hush,
    /// Go.
    Leave,
}

/// How much a client says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// The mean time between two bursts.
    pub(crate) pause: Duration,
    /// Bytes in each message that say nothing.
    pub(crate) ballast: usize,
    /// Whom it is for.
    pub(crate) audience: Audience,
}

/// Whom messages are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anybody in the room.
    Anybody,
    /// Those at the end of the last mile, where there are any.
    Far,
}

/// How the identity of a client begins whose way is the last mile.
pub(crate) const FAR: &str = "far-";

/// The most messages of a burst, which all go to one peer: the order of single ones is hard to get wrong.
pub(crate) const BURST: u64 = 4;

/// What all clients of a run count together.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Clients that are in their room.
    pub(crate) joined: watch::Sender<usize>,
    /// Messages that nobody knows the fate of yet.
    pub(crate) open: watch::Sender<usize>,
    /// Clients that see everybody of their room.
    pub(crate) complete: watch::Sender<usize>,
}

/// Which client it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) client: usize,
    pub(crate) room: usize,
    /// How many others there are in the room.
    pub(crate) others: usize,
}

/// One client's desk.
pub(crate) struct Desk {
    clock: Clock,
    tally: Tally,
    traffic: Traffic,
    history: History,
    written: u64,
    /// How many others there are in its room, and whether it sees them all.
    others: usize,
    complete: bool,
}

impl Tally {
    /// Nobody, and nothing.
    pub(crate) fn new() -> Self {
        Self { joined: watch::Sender::new(0), open: watch::Sender::new(0), complete: watch::Sender::new(0) }
    }
}

impl Desk {
    /// An empty one.
    pub(crate) fn new(seat: &Seat, traffic: Traffic, clock: Clock, tally: Tally) -> Self {
        let Seat { client, room, others } = *seat;
        let history = History { client, room, records: Vec::new() };
        Self { clock, tally, traffic, history, written: 0, others, complete: false }
    }

    /// Notes what happened, now.
    pub(crate) fn note(&mut self, what: Happening) {
        self.history.records.push(Record { at: self.clock.now(), what });
    }

    /// The client is in its room for the first time.
    pub(crate) fn joined(&self) {
        self.tally.joined.send_modify(|joined| *joined += 1);
    }

    /// The client sees these others, now.
    pub(crate) fn sees(&mut self, peers: &[PeerInfo]) {
        let here = peers.iter().filter(|peer| peer.presence == Presence::Here).count();
        let complete = here == self.others;
        if complete != self.complete {
            self.complete = complete;
            self.tally.complete.send_modify(|all| if complete { *all += 1 } else { *all -= 1 });
        }
    }

    /// How long it says nothing: exponential, as of people who do not know of each other.
    pub(crate) fn pause(&self) -> Duration {
        self.traffic.pause.mul_f64(-(1.0 - fastrand::f64()).ln())
    }

    /// The next burst of messages, all for one of these.
    pub(crate) fn burst(&mut self, peers: &[PeerInfo]) -> Vec<(u64, Addressed)> {
        let far = peers.iter().filter(|peer| peer.identity.as_str().starts_with(FAR));
        let far: Vec<_> = far.filter(|_| self.traffic.audience == Audience::Far).collect();
        let Some(to) = fastrand::choice(far).or_else(|| fastrand::choice(peers)) else { return Vec::new() };
        (0..fastrand::u64(1..=BURST)).map(|_| self.write(&to.id)).collect()
    }

    fn write(&mut self, to: &PeerId) -> (u64, Addressed) {
        self.written += 1;
        let number = self.written;
        let ballast = "x".repeat(self.traffic.ballast);
        let letter = Letter { client: self.history.client, number, to: to.clone(), ballast };
        self.note(Happening::Sent { number, to: to.clone() });
        self.tally.open.send_modify(|open| *open += 1);
        (number, Outgoing::message(to, to_value(letter).unwrap_or_default()))
    }

    /// The fate of a message is known.
    pub(crate) fn settled(&mut self, number: u64, fate: Result<(), Undelivered>) {
        let fate = fate.map_or_else(rejected, |()| Fate::Delivered);
        self.note(Happening::Settled { number, fate });
        self.tally.open.send_modify(|open| *open -= 1);
    }

    /// A signal came.
    pub(crate) fn delivered(&mut self, signal: &Relayed) {
        let letter = signal.payload.as_ref().and_then(|json| serde_json::from_str::<Letter>(json.get()).ok());
        self.note(match letter {
            Some(letter) => {
                Happening::Delivered { from: signal.from.clone(), letter: Letter { ballast: String::new(), ..letter } }
            }
            None => Happening::Failed { error: format!("{} sent what nobody wrote", signal.from) },
        });
    }

    /// Everything that was noted.
    pub(crate) fn close(self) -> History {
        self.history
    }
}

impl From<&PeerInfo> for Seen {
    fn from(peer: &PeerInfo) -> Self {
        Self { id: peer.id.clone(), presence: peer.presence }
    }
}

fn rejected(Undelivered { outcome, why }: Undelivered) -> Fate {
    let why = match why {
        Why::TimedOut => "timed out".to_owned(),
        Why::PeerLeft => "peer left".to_owned(),
        Why::Left => "left".to_owned(),
        Why::NewStay => "new stay".to_owned(),
        Why::QueueFull => "queue full".to_owned(),
        Why::NotConnected => "not connected".to_owned(),
        Why::ConnectionBroke => "connection broke".to_owned(),
        Why::StreamEnded => "stream ended".to_owned(),
        Why::Refused(error) => error.code.as_str().to_owned(),
        other => other.to_string(),
    };
    Fate::Rejected { why, outcome }
}
