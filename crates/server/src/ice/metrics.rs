//! What is counted of TURN providers. Their names are the configuration's, so the labels are a closed set.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::telemetry::registering::Register as _;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    provider: String,
    outcome: &'static str,
}

/// Seconds, around what a request may take.
const BUCKETS: [f64; 9] = [0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0];

type Histograms = Family<Of, Histogram, fn() -> Histogram>;

/// The metrics of all providers.
pub struct TurnMetrics {
    mints: Family<Outcome, Counter>,
    seconds: Histograms,
    breaker: Family<Of, Gauge<i64, AtomicI64>>,
    revocations: Family<Outcome, Counter>,
    reused: Counter,
    delayed: Counter,
}

/// Those of one provider.
pub(super) struct LinkMetrics {
    provider: String,
    mints: Family<Outcome, Counter>,
    /// Counted without a look-up: every join does.
    minted: Counter,
    seconds: Histogram,
    breaker: Gauge<i64, AtomicI64>,
    revocations: Family<Outcome, Counter>,
}

impl TurnMetrics {
    /// All at zero, and registered under `turn_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("turn");
        Self {
            mints: registry.make("mints", "Credentials that TURN providers were asked for, by what came of it"),
            seconds: registry.keep(
                "request_seconds",
                "Time of one request to a TURN provider",
                Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            ),
            breaker: registry
                .make("breaker", "Whether a TURN provider is left alone: 0 no, 1 one request tries, 2 yes"),
            revocations: registry
                .make("revocations", "Credentials that TURN providers were asked to take back, by what came of it"),
            reused: registry.make("reused", "Credentials that were handed out again to the same identity"),
            delayed: registry.make("delayed", "Clients that were told to wait for TURN credentials"),
        }
    }

    /// Those of the provider of this name.
    pub(super) fn of(&self, name: &str) -> LinkMetrics {
        let (of, provider) = (Of { provider: name.to_owned() }, name.to_owned());
        let ok = Outcome { provider: provider.clone(), outcome: "ok" };
        LinkMetrics {
            provider,
            mints: self.mints.clone(),
            minted: self.mints.get_or_create(&ok).clone(),
            seconds: self.seconds.get_or_create(&of).clone(),
            breaker: self.breaker.get_or_create(&of).clone(),
            revocations: self.revocations.clone(),
        }
    }

    /// Counts credentials that were handed out again.
    pub(super) fn reused(&self) {
        self.reused.inc();
    }

    /// Counts a client that has to wait.
    pub fn delayed(&self) {
        self.delayed.inc();
    }
}

impl LinkMetrics {
    /// Counts credentials that were made.
    pub(super) fn minted(&self) {
        self.minted.inc();
    }

    /// Counts those that were not.
    pub(super) fn failed(&self, outcome: &'static str) {
        self.mints.get_or_create(&Outcome { provider: self.provider.clone(), outcome }).inc();
    }

    /// Notes how long a request took.
    pub(super) fn took(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }

    /// Shows whether the provider is left alone.
    pub(super) fn shows(&self, breaker: i64) {
        self.breaker.set(breaker);
    }

    /// Counts credentials that were taken back, or not.
    pub(super) fn revoked(&self, outcome: &'static str) {
        self.revocations.get_or_create(&Outcome { provider: self.provider.clone(), outcome }).inc();
    }
}
