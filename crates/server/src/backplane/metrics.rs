//! The metrics of a backplane. Labels are closed sets.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{frame::FrameError, health::Cause, outgoing::Refused};
use crate::telemetry::registering::Register as _;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Round trips from a tenth of a millisecond, which a broker on the same machine takes, to the interval of the probes.
const PROBE_BUCKETS: [f64; 10] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.1, 0.5, 2.0];

/// What a backplane counts.
#[derive(Debug)]
pub struct BackplaneMetrics {
    up: Gauge,
    published: Counter,
    received: Counter,
    unread: Counter,
    refused: Family<Reason, Counter>,
    dropped: Family<Reason, Counter>,
    failures: Family<Reason, Counter>,
    degraded_seconds: Counter<f64, AtomicU64>,
    probe: Histogram,
    probe_misses: Counter,
}

/// Why something on its way was dropped without a word to who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It came in and was no frame of ours.
    Bad(FrameError),
    /// It came in on a subject that is not wanted any more.
    Unwanted,
    /// It came in, and the queue of events was full.
    Full,
    /// It was to go out, and the link failed before.
    LinkLost,
}

impl BackplaneMetrics {
    /// All at zero, and registered under `backplane_`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("backplane");
        Self {
            up: registry.make("up", "1 while frames cross nodes"),
            published: registry.make("published", "Frames accepted for the broker"),
            received: registry.make("received", "Authentic frames of other nodes"),
            unread: registry.make("unread", "Publishes that nobody read, of those that asked"),
            refused: registry.make("refused", "Publishes refused at once, by reason"),
            dropped: registry.make("dropped", "Frames dropped on their way, by reason"),
            failures: registry.make("failures", "Links to the broker that failed, by cause"),
            degraded_seconds: registry.keep_seconds(
                "degraded",
                "Time in which nothing crossed nodes",
                Counter::default(),
            ),
            probe: registry.keep_seconds(
                "probe",
                "Round trips of a frame to the own inbox",
                Histogram::new(PROBE_BUCKETS),
            ),
            probe_misses: registry.make("probe_misses", "Probes that did not come back in time"),
        }
    }

    pub(super) fn up(&self) {
        self.up.set(1);
    }

    pub(super) fn failed(&self, cause: Cause) {
        self.up.set(0);
        self.failures.get_or_create(&Reason { reason: cause.as_str() }).inc();
    }

    pub(super) fn degraded(&self, time: Duration) {
        self.degraded_seconds.inc_by(time.as_secs_f64());
    }

    pub(super) fn published(&self) {
        self.published.inc();
    }

    pub(super) fn received(&self) {
        self.received.inc();
    }

    pub(super) fn unread(&self) {
        self.unread.inc();
    }

    pub(super) fn refused(&self, refused: Refused) {
        self.refused.get_or_create(&Reason { reason: refused.as_str() }).inc();
    }

    pub(super) fn dropped(&self, dropped: Dropped, frames: u64) {
        let reason = match dropped {
            Dropped::Bad(error) => error.as_str(),
            Dropped::Unwanted => "unwanted",
            Dropped::Full => "full",
            Dropped::LinkLost => "link-lost",
        };
        self.dropped.get_or_create(&Reason { reason }).inc_by(frames);
    }

    pub(super) fn probe_returned(&self, time: Duration) {
        self.probe.observe(time.as_secs_f64());
    }

    pub(super) fn probe_missed(&self) {
        self.probe_misses.inc();
    }
}
