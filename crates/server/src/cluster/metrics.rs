//! The metrics of a node among others. Labels are closed sets.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What is counted of the cluster, beside what the backplane counts.
#[derive(Debug)]
pub struct ClusterMetrics {
    nodes: Gauge<i64, AtomicI64>,
    mismatches: Counter,
    lost: Family<Reason, Counter>,
}

/// Why an authentic frame of another node was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostFrame {
    /// It was held up for too long.
    Late,
    /// It is of another version, or makes no sense.
    Junk,
}

impl ClusterMetrics {
    /// All at zero, and registered under `cluster_`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { nodes: Gauge::default(), mismatches: Counter::default(), lost: Family::default() };
        let registry = registry.sub_registry_with_prefix("cluster");
        registry.register("nodes", "Other nodes that give signs of life", metrics.nodes.clone());
        registry.register(
            "digest_mismatches",
            "Times that this node and another did not agree on their rosters twice in a row",
            metrics.mismatches.clone(),
        );
        registry.register("frames_dropped", "Authentic frames of other nodes that were dropped", metrics.lost.clone());
        metrics
    }

    pub(super) fn nodes(&self, count: usize) {
        self.nodes.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn mismatch(&self) {
        self.mismatches.inc();
    }

    pub(super) fn lost(&self, why: LostFrame) {
        let reason = match why {
            LostFrame::Late => "late",
            LostFrame::Junk => "junk",
        };
        self.lost.get_or_create(&Reason { reason }).inc();
    }
}
