//! One call: two peers arrive, the first offers, the second answers, both trickle, and then both stay.
//!
//! Nothing here waits for the server to be ready: each peer arrives when the schedule says so, and sends its candidates so long
//! after its description, whatever has come back until then.

use std::collections::VecDeque;

use aldis_protocol::{PeerId, Received, ServerMessage};
use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::{
    figures::{Figures, Times},
    schedule::{CANDIDATES, Pair, Peer},
};
use crate::bench::{
    payload::{self, Candidates, Stamp},
    peer::Peer as Client,
    tally::{Faults, Tally},
    target::Target,
};

/// Messages of each side: its description and its candidates.
const MESSAGES: u64 = 1 + CANDIDATES as u64;

/// What all calls share.
pub(super) struct Scene {
    pub(super) target: Target,
    /// When the first peers may arrive.
    pub(super) start: Instant,
    /// When every peer stops.
    pub(super) end: Instant,
    pub(super) figures: Mutex<Figures<Times>>,
}

impl Scene {
    /// The stamp of a message that is sent now, the next after `sent` others.
    fn stamp(&self, sent: &mut u64) -> Stamp {
        let sequence = *sent;
        *sent += 1;
        Stamp { sequence, sent: self.start.elapsed() }
    }
}

/// What became of one call, or of all.
#[derive(Default)]
pub(super) struct Outcome {
    /// The connections that lived to the end, still open.
    pub(super) connections: Vec<Client>,
    /// Why the others did not.
    pub(super) failures: Vec<anyhow::Error>,
    pub(super) faults: Faults,
}

impl Outcome {
    fn note(&mut self, ended: anyhow::Result<Client>) {
        match ended {
            Ok(connection) => self.connections.push(connection),
            Err(failure) => self.failures.push(failure),
        }
    }
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.connections.extend(other.connections);
        self.failures.extend(other.failures);
        self.faults += other.faults;
    }
}

/// Plays a call to the end.
pub(super) async fn play(scene: &Scene, room: &str, plan: Pair) -> Outcome {
    let mut first = Caller::new(scene, Role::Offers, plan.first);
    let mut second = Caller::new(scene, Role::Answers, plan.second);
    let (firsts, seconds) = tokio::join!(first.run(room), second.run(room));
    if let Some((firsts, seconds)) = first.complete.zip(second.complete) {
        scene.figures.lock().handshake.note(firsts.max(seconds) - second.arrived);
    }
    let mut outcome = Outcome::default();
    outcome.faults += first.tally.faults(second.sent);
    outcome.faults += second.tally.faults(first.sent);
    outcome.note(firsts);
    outcome.note(seconds);
    outcome
}

/// What a peer does in a call.
#[derive(Debug, Clone, Copy)]
enum Role {
    Offers,
    Answers,
}

/// How far a peer is.
enum Stage {
    /// It sees nobody else.
    Alone,
    /// It sees its partner, and waits for the offer.
    Met(PeerId),
    /// It has sent its description; the candidates follow when they are due.
    Trickling { candidates: Candidates, due: VecDeque<Instant> },
}

struct Caller<'a> {
    scene: &'a Scene,
    role: Role,
    plan: Peer,
    stage: Stage,
    arrived: Instant,
    sent: u64,
    tally: Tally,
    /// When everything from the partner had come.
    complete: Option<Instant>,
}

impl<'a> Caller<'a> {
    fn new(scene: &'a Scene, role: Role, plan: Peer) -> Self {
        let arrived = scene.start + plan.arrives;
        Self { scene, role, plan, stage: Stage::Alone, arrived, sent: 0, tally: Tally::default(), complete: None }
    }

    /// Arrives, calls, and stays to the end.
    async fn run(&mut self, room: &str) -> anyhow::Result<Client> {
        let due = self.arrived;
        sleep_until(due).await;
        self.arrived = Instant::now();
        self.scene.figures.lock().lateness.note(self.arrived - due);
        let (at, identity) = match self.role {
            Role::Offers => (0, format!("first-{room}")),
            Role::Answers => (1, format!("second-{room}")),
        };
        let mut connection = self.scene.target.join(at, room, &identity).await?;
        self.scene.figures.lock().join.note(self.arrived.elapsed());
        self.call(&mut connection).await.with_context(|| format!("{identity} failed"))?;
        Ok(connection)
    }

    async fn call(&mut self, connection: &mut Client) -> anyhow::Result<()> {
        if let Some(partner) = connection.welcome().peers.first().map(|peer| peer.id.clone()) {
            self.meet(connection, partner).await?;
        }
        while Instant::now() < self.scene.end {
            tokio::select! {
                text = connection.recv_text() => self.take(connection, &text?).await?,
                () = sleep_until(self.next_due()) => self.trickle(connection).await?,
            }
        }
        Ok(())
    }

    fn next_due(&self) -> Instant {
        let candidate = match &self.stage {
            Stage::Trickling { due, .. } => due.front().copied(),
            Stage::Alone | Stage::Met(_) => None,
        };
        candidate.unwrap_or(self.scene.end)
    }

    async fn take(&mut self, connection: &mut Client, text: &str) -> anyhow::Result<()> {
        if let Some(stamp) = payload::stamp(text) {
            let latency = self.scene.start.elapsed().saturating_sub(stamp.sent);
            self.scene.figures.lock().relay.note(latency);
            return self.took(connection, stamp).await;
        }
        match Received::parse(text)? {
            Received::Server(ServerMessage::PeerJoined { peer }) => self.meet(connection, peer.id).await,
            Received::Server(ServerMessage::Error(error)) => bail!("the server refused a message: {error}"),
            Received::Server(_) => Ok(()),
            Received::Relayed(signal) => bail!("a `{}` came that nobody sent", signal.kind.as_str()),
        }
    }

    async fn took(&mut self, connection: &mut Client, stamp: Stamp) -> anyhow::Result<()> {
        self.tally.note(stamp.sequence);
        if self.complete.is_none() && self.tally.is_complete(MESSAGES) {
            self.complete = Some(Instant::now());
        }
        match &self.stage {
            Stage::Met(partner) => {
                let partner = partner.clone();
                self.describe(connection, &partner).await
            }
            Stage::Alone | Stage::Trickling { .. } => Ok(()),
        }
    }

    async fn meet(&mut self, connection: &mut Client, partner: PeerId) -> anyhow::Result<()> {
        match self.role {
            Role::Offers => self.describe(connection, &partner).await,
            Role::Answers => {
                self.stage = Stage::Met(partner);
                Ok(())
            }
        }
    }

    async fn describe(&mut self, connection: &mut Client, partner: &PeerId) -> anyhow::Result<()> {
        let stamp = self.scene.stamp(&mut self.sent);
        connection
            .send(match self.role {
                Role::Offers => payload::stamped_offer(partner, stamp),
                Role::Answers => payload::stamped_answer(partner, stamp),
            })
            .await?;
        let now = Instant::now();
        let due = self.plan.candidates.iter().map(|&after| now + after).collect();
        self.stage = Stage::Trickling { candidates: Candidates::to(partner), due };
        Ok(())
    }

    /// Sends the candidates that are due, in one write.
    async fn trickle(&mut self, connection: &mut Client) -> anyhow::Result<()> {
        if let Stage::Trickling { candidates, due } = &mut self.stage {
            while let Some(due) = due.pop_front_if(|due| *due <= Instant::now()) {
                self.scene.figures.lock().lateness.note(due.elapsed());
                connection.feed_text(candidates.message(self.scene.stamp(&mut self.sent))).await?;
            }
        }
        connection.flush().await
    }
}
