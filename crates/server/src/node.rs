//! One server process as its parts see it.

use std::sync::{Arc, Once};

use aldis_protocol::{ErrorCode, Limits, WireError};
use aws_lc_rs::rand;
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    auth::Tokens,
    backplane::Health,
    bell::Bell,
    clock::Clock,
    cluster::Membership,
    config::{DegradedJoins, Need, Origins, Secret, TrustedProxies},
    driver::Driver,
    ice::IceSource,
    resume::ClusterKeys,
    sse::mailboxes::Mailboxes,
    telemetry::metrics::Metrics,
    throttle::Throttle,
    turnstile::Turnstile,
};

/// How long a draining node waits between turning unready and sending its clients elsewhere, in milliseconds: load balancers need
/// a moment to look elsewhere first.
pub const DRAIN_GRACE_MS: u64 = 3_000;

/// What every connection and every request of a node shares.
pub struct Node {
    /// The limits.
    pub limits: Arc<Limits>,
    /// The clocks.
    pub clock: Clock,
    /// The hubs.
    pub driver: Driver,
    /// This node among others; none on a node alone.
    pub membership: Option<Membership>,
    /// What it is without its backplane.
    pub need: Need,
    /// Who may come while it does not reach the others.
    pub degraded_joins: DegradedJoins,
    /// Who may come in.
    pub tokens: Tokens,
    /// What is derived from the cluster's secret.
    pub keys: ClusterKeys,
    /// What the operator's own programs show.
    pub admin_key: Option<Secret>,
    /// What clients get for ICE.
    pub ice: Arc<IceSource>,
    /// Whose pages may connect.
    pub origins: Origins,
    /// Whose word on where a client comes from is taken.
    pub trusted_proxies: TrustedProxies,
    /// Done when the operator was told of what seems to be a proxy and is not listed.
    pub unlisted_proxy: Once,
    /// How long failed authentications wait.
    pub throttle: Mutex<Throttle>,
    /// What keeps those who come in from those who are in.
    pub turnstile: Arc<Turnstile>,
    /// The counts.
    pub admission: Arc<Admission>,
    /// Where the POSTs of event streams go.
    pub mailboxes: Mailboxes,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The tasks of all connections.
    pub connections: TaskTracker,
    /// Cancelled when no new client is taken any more.
    pub closing: CancellationToken,
    /// Rings when the clients are sent elsewhere.
    pub draining: Arc<Bell>,
    /// Rings when the server is dropped: connections end at once.
    pub abort: Arc<Bell>,
    /// How long a drain may take, in milliseconds.
    pub drain_window_ms: u64,
}

impl Node {
    /// Whether somebody who does not resume may come.
    ///
    /// # Errors
    /// The node does not reach the others, and is set to take nobody meanwhile.
    pub fn takes_joins(&self) -> Result<(), WireError> {
        const APART: &str = "This node does not reach the other nodes and takes nobody new meanwhile.";
        let apart = self.membership.as_ref().is_some_and(|membership| membership.health() != Health::Up);
        match self.degraded_joins {
            DegradedJoins::Refused if apart => Err(WireError::with(ErrorCode::Overloaded, APART)),
            DegradedJoins::Refused | DegradedJoins::Served => Ok(()),
        }
    }

    /// A random number below `bound`, or zero where that is zero. The bias of the remainder is far below what jitter needs.
    #[must_use]
    pub fn random_below(&self, bound: u64) -> u64 {
        let bits = u64::try_from(random_bits() >> 64).unwrap_or(0);
        bits.checked_rem(bound).unwrap_or(0)
    }

    /// The text that Prometheus reads, with what the core has counted until now.
    #[must_use]
    pub fn figures(&self) -> String {
        if let Some(membership) = &self.membership {
            membership.show(&self.driver);
        }
        self.metrics.hold(&self.driver.revoker().held());
        self.tokens.show();
        self.metrics.text()
    }

    /// Over how long a drain spreads its clients: what is left of the window after the grace.
    #[must_use]
    pub fn drain_spread_ms(&self) -> u64 {
        self.drain_window_ms.saturating_sub(self.drain_grace_ms()).max(1)
    }

    /// How long a drain waits before it sends anybody away.
    #[must_use]
    pub fn drain_grace_ms(&self) -> u64 {
        DRAIN_GRACE_MS.min(self.drain_window_ms / 4)
    }
}

/// 128 random bits of the system's generator.
#[must_use]
pub fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    // It fails only where the system has no randomness at all; a peer id that is not random would be found out by the first join.
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the system has no random numbers");
        std::process::abort();
    }
    u128::from_ne_bytes(bytes)
}
