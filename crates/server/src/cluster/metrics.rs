//! The metrics of a node among others. Labels are closed sets.

use std::sync::atomic::{AtomicI64, Ordering};

use aldis_core::cluster::{Claims, Figures, LedgerFigures};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::telemetry::registering::Register as _;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What is counted of the cluster, beside what the backplane counts.
#[derive(Debug)]
pub struct ClusterMetrics {
    nodes: Gauge<i64, AtomicI64>,
    silenced: Counter,
    revived: Counter,
    missed_beats: Counter,
    differences: Counter,
    mismatches: Counter,
    revocation_differences: Counter,
    revocation_copies: Counter,
    claims: Family<Outcome, Counter>,
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
        let registry = registry.sub_registry_with_prefix("cluster");
        Self {
            nodes: registry.make("nodes", "Other nodes that give signs of life"),
            silenced: registry.make("nodes_silenced", "Times that another node fell silent or left"),
            revived: registry.make("nodes_revived", "Times that a silent node was heard again"),
            missed_beats: registry.make("beats_missed", "Beats of other nodes that never came"),
            differences: registry
                .make("digest_differences", "Digests that differed; one alone may only have crossed a change"),
            mismatches: registry.make(
                "digest_mismatches",
                "Times that this node and another did not agree on their rosters twice in a row",
            ),
            revocation_differences: registry.make(
                "revocation_differences",
                "Sums of revocations that differed; one alone may only have crossed a change",
            ),
            revocation_copies: registry.make(
                "revocation_copies",
                "Times that another node's revocations were copied because this one had missed some",
            ),
            claims: registry.make("claims", "Sessions that were claimed, by outcome"),
            lost: registry.make("frames_dropped", "Authentic frames of other nodes that were dropped"),
        }
    }

    /// Takes over what the core has counted until now.
    pub(super) fn show(&self, figures: &Figures, claims: &Claims, revocations: &LedgerFigures) {
        self.nodes.set(i64::try_from(figures.live).unwrap_or(i64::MAX));
        set(&self.silenced, figures.silenced);
        set(&self.revived, figures.revived);
        set(&self.missed_beats, figures.missed_beats);
        set(&self.differences, figures.mismatches);
        set(&self.mismatches, figures.comparisons);
        set(&self.revocation_differences, revocations.mismatches);
        set(&self.revocation_copies, revocations.repairs);
        let outcomes = [
            ("granted", claims.granted),
            ("taken", claims.taken),
            ("unanswered", claims.unanswered),
            ("dead", claims.dead),
        ];
        for (outcome, count) in outcomes {
            set(&self.claims.get_or_create(&Outcome { outcome }), count);
        }
    }

    pub(super) fn lost(&self, why: LostFrame) {
        let reason = match why {
            LostFrame::Late => "late",
            LostFrame::Junk => "junk",
        };
        self.lost.get_or_create(&Reason { reason }).inc();
    }
}

/// A counter that somebody else has counted up.
fn set(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}
