//! One client of the relay load: keeps a window of messages under way, then drains and counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use aldis_protocol::{PeerId, Received, ServerMessage};
use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    payload::{self, Candidates, Stamp},
    peer::Peer,
    tally::{Faults, Tally},
};

/// How long a message may be on its way before it counts as lost, once nobody sends any more.
const DRAIN: Duration = Duration::from_secs(5);

/// How long a client listens on after the last message it expects: for doubled ones.
const LINGER: Duration = Duration::from_millis(200);

/// What all clients of the load share.
pub(super) struct Shared {
    epoch: Instant,
    delivered: AtomicU64,
    latency: Mutex<Histogram<u64>>,
}

/// Where the load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Messages flow, nothing is measured.
    Warmup,
    /// Messages flow and their times count.
    Measuring,
    /// Nobody sends; what is under way arrives.
    Draining,
}

/// One client of a pair, which learns from the other in the end how many messages it should have got.
pub(super) struct Client {
    player: Player,
    total: oneshot::Sender<u64>,
    partners_total: oneshot::Receiver<u64>,
}

struct Player {
    connection: Peer,
    candidates: Candidates,
    sent: u64,
    tally: Tally,
}

impl Shared {
    /// With an empty histogram of up to a minute in microseconds.
    pub(super) fn new() -> anyhow::Result<Self> {
        let latency = Histogram::new_with_max(60_000_000, 3)?;
        Ok(Self { epoch: Instant::now(), delivered: AtomicU64::new(0), latency: Mutex::new(latency) })
    }

    /// Messages delivered so far.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// The latencies measured, in microseconds.
    pub(super) fn latency(&self) -> Histogram<u64> {
        self.latency.lock().clone()
    }
}

impl Client {
    /// The two clients of a pair.
    pub(super) fn pair(first: Peer, second: Peer) -> [Self; 2] {
        let (firsts_total, from_first) = oneshot::channel();
        let (seconds_total, from_second) = oneshot::channel();
        let (first_id, second_id) = (first.id().clone(), second.id().clone());
        [
            Self::new(first, &second_id, firsts_total, from_second),
            Self::new(second, &first_id, seconds_total, from_first),
        ]
    }

    fn new(connection: Peer, to: &PeerId, total: oneshot::Sender<u64>, partners_total: oneshot::Receiver<u64>) -> Self {
        let player = Player { connection, candidates: Candidates::to(to), sent: 0, tally: Tally::default() };
        Self { player, total, partners_total }
    }

    /// Keeps `window` messages under way until the load drains; then tells what went wrong with those it should have got.
    pub(super) async fn run(
        mut self,
        window: u64,
        shared: Arc<Shared>,
        mut phase: watch::Receiver<Phase>,
    ) -> anyhow::Result<Faults> {
        let current = phase.clone();
        tokio::select! {
            biased;
            over = phase.wait_for(|phase| *phase == Phase::Draining) => { over.context("the load was given up")?; }
            failed = self.player.play(window, &shared, &current) => failed?,
        }
        self.drain().await
    }

    async fn drain(self) -> anyhow::Result<Faults> {
        let Self { mut player, total, mut partners_total } = self;
        // The load may have been stopped between feeding and flushing.
        player.connection.flush().await?;
        // A partner that failed has no use for it.
        let _ = total.send(player.sent);
        let expected = loop {
            tokio::select! {
                expected = &mut partners_total => break expected.context("the other client of the pair failed")?,
                text = player.connection.recv_text() => { player.take(&text?)?; }
            }
        };
        // What is late for this is lost; the tally says so.
        let _ = timeout(DRAIN, player.read_until(Some(expected))).await;
        let _ = timeout(LINGER, player.read_until(None)).await;
        let faults = player.tally.faults(expected);
        // The figures are complete; how the goodbye goes is not what is measured.
        let _ = player.connection.close().await;
        Ok(faults)
    }
}

impl Player {
    /// Answers each message of the partner with one of its own. Whatever a read brought is answered with one write.
    async fn play(&mut self, window: u64, shared: &Shared, phase: &watch::Receiver<Phase>) -> anyhow::Result<()> {
        self.send(window, shared).await?;
        let mut latencies = Vec::new();
        loop {
            let mut next = Some(self.connection.recv_text().await?);
            let now = shared.epoch.elapsed();
            latencies.clear();
            while let Some(text) = next {
                latencies.extend(self.take(&text)?.map(|stamp| now.saturating_sub(stamp.sent)));
                next = self.connection.try_recv_text()?;
            }
            let fresh = latencies.len() as u64;
            shared.delivered.fetch_add(fresh, Ordering::Relaxed);
            if *phase.borrow() == Phase::Measuring {
                let mut histogram = shared.latency.lock();
                for latency in &latencies {
                    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                }
            }
            self.send(fresh, shared).await?;
        }
    }

    async fn send(&mut self, count: u64, shared: &Shared) -> anyhow::Result<()> {
        let now = shared.epoch.elapsed();
        for _ in 0..count {
            let message = self.candidates.message(Stamp { sequence: self.sent, sent: now });
            self.connection.feed_text(message).await?;
            self.sent += 1;
        }
        self.connection.flush().await
    }

    /// Notes a message of the partner; skips what the server says of the room.
    fn take(&mut self, text: &str) -> anyhow::Result<Option<Stamp>> {
        if let Some(stamp) = payload::stamp(text) {
            self.tally.note(stamp.sequence);
            return Ok(Some(stamp));
        }
        match Received::parse(text)? {
            Received::Server(ServerMessage::Error(error)) => bail!("the server refused a message: {error}"),
            Received::Server(_) => Ok(None),
            Received::Relayed(signal) => bail!("a `{}` came that nobody sent", signal.kind.as_str()),
        }
    }

    /// Reads until so many messages have come, or for ever.
    async fn read_until(&mut self, expected: Option<u64>) -> anyhow::Result<()> {
        while !expected.is_some_and(|expected| self.tally.is_complete(expected)) {
            let text = self.connection.recv_text().await?;
            self.take(&text)?;
        }
        Ok(())
    }
}
