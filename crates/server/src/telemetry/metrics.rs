//! The metrics of one server, as Prometheus text.
//!
//! Labels are closed sets: no room, identity or address ever becomes one.

use std::sync::{Arc, atomic::AtomicI64};

use aldis_core::{
    Event,
    output::{Dropped, Resumption},
    revocation::Kind,
};
use aldis_protocol::{CloseCode, ErrorCode, SignalKind, limits::Limit, server::LeaveReason};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::registering::Register as _;
use crate::{
    auth::{TokenError, jwks::JwksMetrics},
    backplane::BackplaneMetrics,
    cluster::ClusterMetrics,
    connection::outlet::Framing,
    ice::metrics::TurnMetrics,
    proxy_protocol::Refused,
};

/// One label with a fixed set of values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Type {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabel {
    code: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transport {
    transport: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// Why a connection to a TLS port never spoke TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// The handshake failed, or the client went away in the middle of it.
    Handshake,
    /// The client spoke plain HTTP, or something else that is no TLS.
    Plain,
}

/// The metrics of one server; each has a registry of its own, so that several servers live in one process.
pub struct Metrics {
    registry: Registry,
    websockets: Gauge<i64, AtomicI64>,
    event_streams: Gauge<i64, AtomicI64>,
    rooms: Gauge<i64, AtomicI64>,
    sessions: Gauge<i64, AtomicI64>,
    joined: Family<Reason, Counter>,
    left: Family<Reason, Counter>,
    away: Counter,
    relayed: Box<[Counter]>,
    parked: Counter,
    gaps: Counter,
    dropped: Family<Reason, Counter>,
    refused: Family<Code, Counter>,
    limits: Family<Name, Counter>,
    closed: Family<CloseLabel, Counter>,
    tls_failures: Family<Reason, Counter>,
    proxy_header_failures: Family<Reason, Counter>,
    revocations: Family<KindLabel, Gauge<i64, AtomicI64>>,
    revoked: Family<KindLabel, Counter>,
    turned_away: Family<KindLabel, Counter>,
    reloads: Family<Outcome, Counter>,
    /// What is counted of issuers' keys.
    pub jwks: Arc<JwksMetrics>,
    /// Whether the node is shutting down.
    pub draining: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("aldis");
        let build: Family<Version, Gauge> = registry.make("build_info", "The version that runs");
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        let connections: Family<Transport, Gauge<i64, AtomicI64>> =
            registry.make("connections", "Open connections, by transport");
        let over = |transport| connections.get_or_create(&Transport { transport }).clone();
        let relayed: Family<Type, Counter> = registry.make("relayed", "Signals handed to a connection, by type");
        let of_kind = |kind: &SignalKind| relayed.get_or_create(&Type { r#type: kind.as_str() }).clone();
        Self {
            websockets: over("websocket"),
            event_streams: over("sse"),
            rooms: registry.make("rooms", "Rooms with somebody in them"),
            sessions: registry.make("sessions", "Peers that are here or away"),
            joined: registry.make(
                "joins",
                "Welcomes: new stays, and resumed ones: kept here, moved here by another node, or recalled from their token",
            ),
            left: registry.make("leaves", "Stays that ended, by reason"),
            away: registry.make("aways", "Sessions that lost their connection"),
            // The hot path counts without a look-up.
            relayed: SignalKind::ALL.iter().map(of_kind).collect(),
            parked: registry.make("parked", "Signals kept for a peer that is away"),
            gaps: registry.make("roster_gaps", "Changes of other nodes' rosters that did not follow the one before"),
            dropped: registry.make("dropped", "What was dropped without a word, by reason"),
            refused: registry.make("refused", "Errors sent to clients, by code"),
            limits: registry.make("limit_hits", "Times a limit refused something, by limit"),
            closed: registry.make("closed", "Connections the server closed, by close code"),
            tls_failures: registry.make(
                "tls_handshake_failures",
                "Connections to a TLS port that never spoke TLS, by reason",
            ),
            proxy_header_failures: registry.make(
                "proxy_header_failures",
                "Connections of trusted proxies that did not begin with a PROXY header, by reason",
            ),
            revocations: registry.make("revocations", "Revocations that are held, by kind"),
            revoked: registry.make(
                "revoked",
                "Stays and joins that ended because their token was revoked, by kind of revocation",
            ),
            turned_away: registry.make("revoked_refused", "Revoked tokens that were shown, by kind of revocation"),
            reloads: registry.make(
                "reloads",
                "Times the configuration and its files were read again, by result; a failed one changes nothing",
            ),
            draining: registry.make("draining", "1 while the node shuts down"),
            jwks: Arc::new(JwksMetrics::register(&mut registry)),
            registry,
        }
    }

    /// Adds what the backplane and the cluster of a node among others count in.
    #[must_use]
    pub fn of_member(&mut self) -> (Arc<BackplaneMetrics>, Arc<ClusterMetrics>) {
        let backplane = BackplaneMetrics::register(&mut self.registry);
        (Arc::new(backplane), Arc::new(ClusterMetrics::register(&mut self.registry)))
    }

    /// Adds what TURN providers count in.
    #[must_use]
    pub fn of_turn(&mut self) -> Arc<TurnMetrics> {
        Arc::new(TurnMetrics::register(&mut self.registry))
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string has no way to fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Counts a connection that begins.
    pub fn connected(&self, framing: Framing) {
        self.open(framing).inc();
    }

    /// Counts a connection that ends.
    pub fn disconnected(&self, framing: Framing) {
        self.open(framing).dec();
    }

    fn open(&self, framing: Framing) -> &Gauge<i64, AtomicI64> {
        match framing {
            Framing::WebSocket => &self.websockets,
            Framing::EventStream => &self.event_streams,
        }
    }

    /// Counts a relayed signal.
    pub fn relayed(&self, kind: SignalKind) {
        if let Some(counter) = self.relayed.get(kind as usize) {
            counter.inc();
        }
    }

    /// Counts an error that a client was told.
    pub fn refused(&self, code: ErrorCode) {
        self.refused.get_or_create(&Code { code: code.as_str() }).inc();
    }

    /// Counts a limit that refused something.
    pub fn limit(&self, limit: Limit) {
        tracing::debug!(limit = limit.as_str(), "a limit was hit");
        self.limits.get_or_create(&Name { limit: limit.as_str() }).inc();
    }

    /// Counts the limit that a token broke, if it was one.
    pub fn token_refused(&self, error: &TokenError) {
        match error {
            TokenError::TooLong { .. } => self.limit(Limit::token_bytes),
            TokenError::MetadataTooLarge { .. } => self.limit(Limit::metadata_bytes),
            _ => {}
        }
    }

    /// Says how many revocations are held.
    pub fn hold(&self, held: &[(Kind, usize)]) {
        for (kind, count) in held {
            let gauge = self.revocations.get_or_create(&KindLabel { kind: kind.as_str() });
            gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Counts a revoked token that was shown.
    pub fn turned_away(&self, kind: Kind) {
        self.turned_away.get_or_create(&KindLabel { kind: kind.as_str() }).inc();
    }

    /// Counts a connection that the server closed.
    pub fn closed(&self, code: CloseCode) {
        self.closed.get_or_create(&CloseLabel { code: u32::from(code.code()) }).inc();
    }

    /// Counts a connection to a TLS port that never spoke TLS. One that ran out of time is counted by its limit.
    pub fn tls_failed(&self, failure: TlsFailure) {
        let reason = match failure {
            TlsFailure::Handshake => "handshake",
            TlsFailure::Plain => "plain",
        };
        self.tls_failures.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a connection of a trusted proxy that is not served for want of a PROXY header. One that ran out of time is counted by its
    /// limit.
    pub fn proxy_header_failed(&self, refused: &Refused) {
        let reason = match refused {
            Refused::Malformed => "malformed",
            Refused::TooLong => "too-long",
            Refused::Cut(_) => "cut",
        };
        self.proxy_header_failures.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a reload that counts from now on.
    pub fn reloaded(&self) {
        self.reloads.get_or_create(&Outcome { result: "ok" }).inc();
    }

    /// Counts a reload that has changed nothing, because of a mistake.
    pub fn reload_failed(&self) {
        self.reloads.get_or_create(&Outcome { result: "failed" }).inc();
    }

    /// Counts what the hub reports.
    pub fn event(&self, event: Event) {
        let joined = |reason| {
            self.joined.get_or_create(&Reason { reason }).inc();
        };
        match event {
            Event::RoomOpened => drop(self.rooms.inc()),
            Event::RoomClosed => drop(self.rooms.dec()),
            Event::Joined => {
                self.sessions.inc();
                joined("new");
            }
            Event::Resumed(Resumption::Kept) => joined("resumed"),
            Event::Resumed(Resumption::Moved) => {
                self.sessions.inc();
                joined("moved");
            }
            Event::Resumed(Resumption::Recalled) => {
                self.sessions.inc();
                joined("recalled");
            }
            Event::Away => drop(self.away.inc()),
            Event::Left(reason) => {
                self.sessions.dec();
                let reason = match reason {
                    LeaveReason::Left => "left",
                    LeaveReason::Timeout => "timeout",
                    LeaveReason::Removed => "removed",
                    LeaveReason::Replaced => "replaced",
                    LeaveReason::Unreachable => "unreachable",
                };
                self.left.get_or_create(&Reason { reason }).inc();
            }
            Event::Revoked(kind) => drop(self.revoked.get_or_create(&KindLabel { kind: kind.as_str() }).inc()),
            Event::Moved => {
                self.sessions.dec();
                self.left.get_or_create(&Reason { reason: "moved" }).inc();
            }
            Event::Gap => drop(self.gaps.inc()),
            Event::Parked => drop(self.parked.inc()),
            Event::Dropped(what) => {
                let reason = match what {
                    Dropped::Ack => "ack",
                    Dropped::Orphan => "orphan",
                    Dropped::Notice => "notice",
                };
                self.dropped.get_or_create(&Reason { reason }).inc();
            }
            Event::Limit(limit) => self.limit(limit),
        }
    }
}
