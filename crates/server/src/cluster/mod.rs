//! This node among others: what its hubs say to those of other nodes, and what they hear.
//!
//! # The road of one frame
//! 1. A hub says `Publish` under its shard's lock; [`Driver`] hands it to the [`Publisher`].
//! 2. The publisher encodes it, remembers it if somebody waits for an answer, and queues it at the [`Backplane`](crate::backplane),
//!    which seals and sends it. What is refused there goes back to the hub in the same breath.
//! 3. At the other node the backplane opens it and queues an event. [`Membership::read`], one task, takes the events in their order.
//! 4. The [`Cluster`] takes note of its sender, drops it if it was held up for too long, and handles what is between nodes.
//! 5. A frame of a room goes to its hub, under its shard's lock; what follows from it is executed like anything else there.
//! 6. What is queued at clients by a whole batch of events is flushed once.
//!
//! A frame that nobody reads comes back by its tag, and its hub tells the sender.
//!
//! # Locks
//! The cluster's lock is taken before those of shards, which it tells and sums up; nobody who holds a shard's lock takes it. Those of
//! the publisher and the backplane come last.

mod metrics;
mod outstanding;
mod publisher;

use std::{sync::Arc, time::Duration};

use aldis_core::{
    Cluster, Moment,
    cluster::{ClusterInput, ClusterOutput, Envelope, Frame, Passage, RevocationFrame, Tidings},
    revocation::Standing,
};
use aldis_protocol::NodeId;
use tokio::{sync::watch, time::sleep_until};
use tokio_util::sync::CancellationToken;

pub use metrics::ClusterMetrics;
pub use publisher::Publisher;

use metrics::LostFrame;

use crate::{
    backplane::{Event, Events, Health},
    clock::Clock,
    driver::{Dirty, Driver},
    sync::Mutex,
};

/// How many events are handled before what they queued is written.
const BATCH: usize = 256;

/// A node's membership in its cluster.
pub struct Membership {
    cluster: Mutex<Cluster>,
    publisher: Arc<Publisher>,
    clock: Clock,
    /// As the last event said it.
    health: watch::Sender<Health>,
    /// Cancelled when this node has said goodbye to the others.
    gone: CancellationToken,
}

impl Membership {
    /// Of the node with this id, which knows nobody yet.
    #[must_use]
    pub fn new(node: NodeId, publisher: Arc<Publisher>, clock: Clock) -> Self {
        let health = watch::Sender::new(publisher.health());
        Self { cluster: Mutex::new(Cluster::new(node)), publisher, clock, health, gone: CancellationToken::new() }
    }

    /// How the backplane is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.publisher.health()
    }

    /// Brings the metrics up to what the core has counted.
    pub fn show(&self, driver: &Driver) {
        let figures = self.cluster.lock().figures();
        self.metrics().show(&figures, &driver.claims(), &driver.revoker().figures());
    }

    /// Waits until the backplane is up, and the hubs know.
    pub async fn reached(&self) {
        // Its sender is this.
        let _ = self.health.subscribe().wait_for(|health| *health == Health::Up).await;
    }

    /// Says goodbye to the other nodes, and waits a moment until it is out. From then on nothing is read.
    pub async fn leave(&self, driver: &Driver) {
        if self.health() != Health::Up {
            return;
        }
        let mut dirty = Dirty::default();
        self.drive(driver, &mut dirty, |cluster, _| cluster.bye());
        driver.flush(dirty);
        self.gone.cancel();
        self.publisher.settled().await;
    }

    /// How many other nodes give signs of life.
    #[must_use]
    pub fn others(&self) -> usize {
        self.cluster.lock().live().count()
    }

    /// Takes the events of the backplane and keeps the cluster's time, until this node leaves.
    pub async fn read(&self, driver: &Driver, mut events: Events) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let due = self.cluster.lock().poll_timeout();
            let due = driver.revoker().due().map_or(due, |at| at.min(due));
            tokio::select! {
                taken = events.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = sleep_until(self.clock.instant(due)) => {}
                () = self.gone.cancelled() => return,
            }
            let mut dirty = Dirty::default();
            for event in batch.drain(..) {
                self.handle(event, driver, &mut dirty);
            }
            if self.clock.now() >= due {
                self.publisher.forget(self.clock.now());
                self.drive(driver, &mut dirty, Cluster::handle_timeout);
                driver.revoking(&mut dirty, |ledger, now, _| ledger.handle_timeout(now));
            }
            driver.flush(dirty);
        }
    }

    fn handle(&self, event: Event, driver: &Driver, dirty: &mut Dirty) {
        match event {
            Event::Frame { from, sent_at_ms, payload, .. } => self.hear(from, sent_at_ms, &payload, driver, dirty),
            Event::Unread { tag } => {
                if let Some((subject, frame)) = self.publisher.unread(tag) {
                    driver.undelivered(&subject, frame, dirty);
                }
            }
            Event::Lost { tag } => {
                if let Some((subject, frame)) = self.publisher.lost(tag) {
                    driver.undelivered(&subject, frame, dirty);
                }
            }
            Event::Subscribed(room) => driver.subscribed(&room, dirty),
            Event::Health(health) => {
                let input = match health {
                    Health::Up => ClusterInput::BackplaneUp,
                    Health::Degraded(_) => ClusterInput::BackplaneDown,
                };
                self.take(input, driver, dirty);
                self.health.send_replace(health);
            }
            Event::ProbeReturned(time) => {
                self.take(ClusterInput::ProbeHealthy { rtt_ms: whole_ms(time) }, driver, dirty);
            }
            Event::ProbeMissed => self.take(ClusterInput::ProbeMissed, driver, dirty),
            // Counted where they were dropped.
            Event::Gap { events } => {
                tracing::warn!(events, "frames of other nodes came faster than they were handled");
                self.take(ClusterInput::FramesMissed, driver, dirty);
            }
        }
    }

    fn hear(&self, from: NodeId, sent_at_ms: u64, payload: &[u8], driver: &Driver, dirty: &mut Dirty) {
        let frame = match Frame::from_bytes(payload) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%from, ?error, "dropped a frame that makes no sense");
                return self.metrics().lost(LostFrame::Junk);
            }
        };
        let envelope = Envelope { from, sent: Moment(sent_at_ms), frame };
        let passage = self.drive(driver, dirty, |cluster, now| cluster.handle_envelope(now, &envelope));
        match (passage, envelope.frame) {
            (Passage::Dropped, _) => self.metrics().lost(LostFrame::Late),
            (Passage::Timely, Frame::Room { frame }) => driver.frame(&envelope.from, Box::new(frame), dirty),
            (Passage::Timely, Frame::Revocation { frame }) => {
                if let RevocationFrame::News { revocations } = &frame {
                    let lifted = revocations.iter().filter(|one| one.terms.standing == Standing::Lifted).count();
                    let revoked = revocations.len() - lifted;
                    tracing::info!(node = %envelope.from, revoked, lifted, "another node has revoked tokens or lifted it");
                }
                driver.revoking(dirty, |ledger, now, unix_ms| ledger.hear(now, unix_ms, &envelope.from, frame));
            }
            (Passage::Timely, Frame::Node { .. }) => {}
        }
    }

    fn take(&self, input: ClusterInput, driver: &Driver, dirty: &mut Dirty) {
        self.drive(driver, dirty, |cluster, now| cluster.handle_input(now, input));
    }

    /// Lets the cluster take a step, and does what follows from it.
    fn drive<T>(&self, driver: &Driver, dirty: &mut Dirty, step: impl FnOnce(&mut Cluster, Moment) -> T) -> T {
        let mut cluster = self.cluster.lock();
        let result = step(&mut cluster, self.clock.now());
        while let Some(output) = cluster.poll_output() {
            match output {
                ClusterOutput::Publish { subject, frame } => self.publisher.publish_node(&subject, frame),
                ClusterOutput::Tell(tidings) => {
                    self.note(&tidings);
                    driver.revoking(dirty, |ledger, now, _| ledger.tidings(now, &tidings));
                    driver.tidings(&tidings, dirty);
                }
                ClusterOutput::Beat => driver.revoking(dirty, |ledger, _, unix_ms| ledger.beat(unix_ms)),
                ClusterOutput::Sum(purpose) => cluster.summed(purpose, &driver.digests()),
            }
        }
        result
    }

    fn note(&self, tidings: &Tidings) {
        match tidings {
            Tidings::Silent(node) => tracing::info!(%node, "another node is silent or has left"),
            Tidings::Heard(node) => tracing::info!(%node, "another node is heard again"),
            Tidings::Compare(..) | Tidings::Up | Tidings::Down | Tidings::Rtt(_) => {}
        }
    }

    fn metrics(&self) -> &ClusterMetrics {
        self.publisher.metrics()
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
