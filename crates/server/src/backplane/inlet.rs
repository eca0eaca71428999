//! The way in: what a link hears, opened, sorted and handed on without ever waiting.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::mpsc, time::Instant};

use super::{Event, FIRST_MARK, Shared, events::Feed, frame::Kind, health::Failure, metrics::Dropped};

/// Where a link puts what it hears. One link has one; clones go to its tasks.
#[derive(Debug, Clone)]
pub(super) struct Inlet {
    pub(super) shared: Arc<Shared>,
    events: Feed,
    probes: mpsc::Sender<u64>,
    failures: mpsc::Sender<Failure>,
    gap: Arc<AtomicU64>,
}

/// What a link says that is for its supervisor.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) heard: Heard,
    /// The end of the link.
    pub(super) failures: mpsc::Receiver<Failure>,
}

/// What tells how well a link hears.
#[derive(Debug)]
pub(super) struct Heard {
    /// The numbers of the probes that came back.
    pub(super) probes: mpsc::Receiver<u64>,
    /// How many events were lost because nobody took the ones before.
    pub(super) gap: Arc<AtomicU64>,
}

impl Inlet {
    /// For one link.
    pub(super) fn new(shared: Arc<Shared>, events: Feed) -> (Self, Signals) {
        // A probe is on its way at a time, and the first failure is the one that counts.
        let (probes, returned) = mpsc::channel(1);
        let (failures, failed) = mpsc::channel(1);
        let gap = Arc::new(AtomicU64::new(0));
        let signals = Signals { heard: Heard { probes: returned, gap: gap.clone() }, failures: failed };
        (Self { shared, events, probes, failures, gap }, signals)
    }

    /// Bytes arrived on the subject of this name.
    pub(super) fn message(&self, name: &str, bytes: &[u8]) {
        let metrics = &self.shared.metrics;
        let subject = self.shared.wanted.lock().subject(name).cloned();
        let Some(subject) = subject else { return metrics.dropped(Dropped::Unwanted, 1) };
        let frame = match self.shared.sealer.open(name, bytes) {
            Ok(frame) => frame,
            Err(error) => {
                let advice = self.shared.strangers.lock().dropped(error, Instant::now());
                match advice {
                    Some(advice) => tracing::warn!(reason = error.as_str(), "{advice}"),
                    None => tracing::debug!(%error, "dropped what is no frame of ours"),
                }
                return metrics.dropped(Dropped::Bad(error), 1);
            }
        };
        let own = frame.from == self.shared.node;
        match frame.kind {
            Kind::Probe if own => {
                let number = frame.payload.try_into().map(u64::from_be_bytes);
                match number {
                    Ok(mark @ FIRST_MARK..) => drop(self.shared.marks.send_replace(mark)),
                    // Full only if the supervisor has not yet looked at an older one, which is then late.
                    Ok(number) => drop(self.probes.try_send(number)),
                    Err(_) => {}
                }
            }
            // Brokers send a node's own frames back; what it said itself is no news to it.
            Kind::Data if !own => {
                metrics.received();
                let payload = frame.payload.to_vec();
                self.hand_on(Event::Frame { subject, from: frame.from, sent_at_ms: frame.sent_at_ms, payload });
            }
            Kind::Data | Kind::Probe => {}
        }
    }

    /// Nobody reads the frame of this tag.
    pub(super) fn unread(&self, tag: u64) {
        self.shared.metrics.unread();
        self.hand_on(Event::Unread { tag });
    }

    /// How many of a subject's receivers are this node.
    pub(super) fn own_share(&self, name: &str) -> usize {
        usize::from(self.shared.wanted.lock().is_confirmed(name))
    }

    /// The link failed.
    pub(super) fn failed(&self, failure: Failure) {
        // Full if it has failed before.
        let _ = self.failures.try_send(failure);
    }

    fn hand_on(&self, event: Event) {
        if self.events.offer(event).is_err() {
            self.gap.fetch_add(1, Ordering::Relaxed);
            self.shared.metrics.dropped(Dropped::Full, 1);
        }
    }
}
