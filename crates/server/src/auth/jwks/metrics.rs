//! What is counted of fetched keys.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::telemetry::registering::Register as _;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

/// What is counted of all issuers together.
#[derive(Debug, Default)]
pub struct JwksMetrics {
    fetches: Family<Outcome, Counter>,
    age: Gauge<f64, AtomicU64>,
    keys: Gauge,
}

impl JwksMetrics {
    /// All at zero, and registered under `jwks_`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("jwks");
        Self {
            fetches: registry.make("fetches", "Attempts to fetch the keys of an issuer, by result"),
            age: registry.keep_seconds(
                "age",
                "How long ago the oldest keys that count were fetched; since the start where some never were",
                Gauge::default(),
            ),
            keys: registry.make("keys", "Keys of issuers that tokens are checked with"),
        }
    }

    pub(super) fn fetched(&self) {
        self.fetches.get_or_create(&Outcome { result: "ok" }).inc();
    }

    pub(super) fn failed(&self) {
        self.fetches.get_or_create(&Outcome { result: "failed" }).inc();
    }

    /// Shows the age of the oldest keys, in milliseconds, and how many there are.
    pub fn show(&self, age_ms: u64, keys: usize) {
        self.age.set(std::time::Duration::from_millis(age_ms).as_secs_f64());
        self.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }
}
