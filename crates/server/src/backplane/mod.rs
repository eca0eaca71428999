//! What carries frames between nodes: publish and subscribe of bytes, over memory, Redis or NATS.
//!
//! A backplane knows nothing of rooms but their names, and nothing of peers. It promises little and says what it did not do:
//!
//! - What one node publishes on a subject reaches another in order, at most once, or not at all. Frames are lost with the connections
//!   that carried them, and [`Event::Health`] and a new [`Event::Subscribed`] say that some may have been.
//! - [`Backplane::publish`] never waits. It queues the frame, or refuses it by name.
//! - A node does not hear what it published itself.
//! - What arrives without the cluster's MAC is dropped and counted.
//! - It heals by itself, for ever, and keeps no state at the broker: one that forgets everything costs time and nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`address`] | which broker, from its URL |
//! | `subject`, `frame` | names at the broker; sealed bytes |
//! | `wanted`, `probe`, `backoff` | the pure part: subscriptions, probes, delays |
//! | `outgoing`, `inlet`, `events` | the bounded ways out and in |
//! | `stranger` | what is said of frames that count for nothing |
//! | `turns` | which server to try next |
//! | `supervisor`, `follower`, `prober` | the life of a link, subscriptions and probes on it |
//! | `broker` | the trait of all brokers; `memory`, `redis` and `nats` are behind it |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use aldis_protocol::NodeId;
//! use aldis_server::{backplane::*, resume::ClusterKeys};
//!
//! let (bus, keys) = (MemoryBus::default(), ClusterKeys::new(None)?);
//! let node = |name: &str| {
//!     let metrics = Arc::new(BackplaneMetrics::register(&mut Default::default()));
//!     let node = NodeId::parse(name).expect("an id");
//!     Backplane::in_memory(&bus, Settings { node, prefix: Prefix::default(), key: keys.frames.clone(), metrics })
//! };
//! let ((north, mut north_events), (_south, mut south_events)) = (node("north"), node("south"));
//! assert!(matches!(north_events.recv().await, Some(Event::Health(Health::Up))));
//! assert!(matches!(south_events.recv().await, Some(Event::Health(Health::Up))));
//!
//! north.publish(&Subject::Nodes, b"hello", Unread::Ignore)?;
//! while let Some(event) = south_events.recv().await {
//!     if let Event::Frame { from, payload, .. } = event {
//!         assert_eq!((from.as_str(), &*payload), ("north", &b"hello"[..]));
//!         break;
//!     }
//! }
//! # Ok(()) }
//! ```

pub mod address;
mod backoff;
mod broker;
mod events;
mod follower;
mod frame;
mod health;
mod inlet;
mod memory;
mod metrics;
#[cfg(feature = "nats")]
mod nats;
mod outgoing;
mod probe;
mod prober;
#[cfg(feature = "redis")]
mod redis;
mod stranger;
mod subject;
mod supervisor;
#[cfg(feature = "redis")]
mod turns;
mod wanted;

pub use address::Address;
pub use events::Events;
pub use frame::MAX_PAYLOAD;
pub use health::{Cause, Health};
pub use memory::MemoryBus;
pub use metrics::BackplaneMetrics;
pub use outgoing::{Refused, Unread};
pub use probe::PROBE_INTERVAL;
pub use subject::{InvalidPrefix, Prefix, Subject};

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aldis_protocol::{NodeId, RoomId};
use thiserror::Error;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{clock::Clock, mac_ring::MacRing, sync::Mutex};

use broker::Broker;
use frame::{Frame, Kind, Sealer};
use outgoing::{Outgoing, Outlet, queue};
use stranger::Strangers;
use supervisor::Supervisor;
use wanted::Wanted;

/// How long [`Backplane::settled`] waits.
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// Probes with this number and above are those of [`Backplane::settled`]; those of the prober count from one.
const FIRST_MARK: u64 = 1 << 63;

/// What happens on a backplane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another node published.
    Frame {
        /// Where.
        subject: Subject,
        /// Which node.
        from: NodeId,
        /// When, by a clock of that node that never jumps, in Unix milliseconds; it may be wrong by as much as the wall's was at its start.
        sent_at_ms: u64,
        /// What.
        payload: Vec<u8>,
    },
    /// Nobody reads the frame that was published with this tag.
    Unread {
        /// The tag.
        tag: u64,
    },
    /// The frame that was published with this tag was thrown away, because the link ended before it went out.
    Lost {
        /// The tag.
        tag: u64,
    },
    /// The broker confirmed the subscription of this room: for the first time, or again after an outage.
    Subscribed(RoomId),
    /// The state changed.
    Health(Health),
    /// A probe came back after this time.
    ProbeReturned(Duration),
    /// A probe did not come back within [`PROBE_INTERVAL`].
    ProbeMissed,
    /// Frames and words of unread ones were dropped because the events before them were not taken.
    Gap {
        /// How many.
        events: u64,
    },
}

/// What a backplane needs to know of its node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its id.
    pub node: NodeId,
    /// The beginning of all names at the broker.
    pub prefix: Prefix,
    /// Signs frames: [`ClusterKeys::frames`](crate::resume::ClusterKeys).
    pub key: MacRing,
    /// Where it counts.
    pub metrics: Arc<BackplaneMetrics>,
}

/// This binary was built without the broker that the address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this binary was built without the feature `{0}`")]
pub struct Unsupported(pub &'static str);

/// A node's way to the other nodes. Dropping it closes the connections.
#[derive(Debug)]
pub struct Backplane {
    shared: Arc<Shared>,
    _supervisor: AbortOnDropHandle<()>,
}

impl Backplane {
    /// Starts towards the broker at this address; it need not answer yet. An address in memory is a bus of this node alone.
    ///
    /// # Errors
    /// The broker's feature is off.
    pub fn start(address: &Address, settings: Settings) -> Result<(Self, Events), Unsupported> {
        match address {
            Address::Memory => Ok(Self::in_memory(&MemoryBus::default(), settings)),
            #[cfg(feature = "redis")]
            Address::Redis(servers) => Ok(Self::over(redis::Redis::servers(servers), settings)),
            #[cfg(feature = "redis")]
            Address::Sentinel { sentinels, service } => {
                Ok(Self::over(redis::Redis::behind(sentinels, service.clone()), settings))
            }
            #[cfg(feature = "nats")]
            Address::Nats(servers) => {
                let nats = nats::Nats::new(servers.clone(), settings.prefix.clone());
                Ok(Self::over(nats, settings))
            }
            #[cfg(not(feature = "redis"))]
            Address::Redis(_) | Address::Sentinel { .. } => Err(Unsupported("redis")),
            #[cfg(not(feature = "nats"))]
            Address::Nats(_) => Err(Unsupported("nats")),
        }
    }

    /// Starts on a bus in this process, which other nodes of it may share.
    #[must_use]
    pub fn in_memory(bus: &MemoryBus, settings: Settings) -> (Self, Events) {
        Self::over(bus.clone(), settings)
    }

    fn over(broker: impl Broker, settings: Settings) -> (Self, Events) {
        let Settings { node, prefix, key, metrics } = settings;
        let (outlet, queue) = queue();
        let (feed, events) = events::events();
        let own = Subject::Inbox(node.clone());
        let inbox = prefix.name(&own);
        let mut wanted = Wanted::default();
        wanted.subscribe(&prefix.name(&Subject::Nodes), Subject::Nodes);
        wanted.subscribe(&inbox, own);
        let standing = Standing { health: Health::Degraded(Cause::Starting), since: Instant::now() };
        let shared = Arc::new(Shared {
            node,
            clock: Clock::start(),
            inbox,
            prefix,
            sealer: Sealer::new(key),
            wanted: Mutex::new(wanted),
            changed: Notify::new(),
            outlet,
            standing: Mutex::new(standing),
            next_mark: AtomicU64::new(FIRST_MARK),
            marks: watch::Sender::new(0),
            strangers: Mutex::default(),
            metrics,
        });
        let supervisor = Supervisor::new(broker, shared.clone(), queue, feed);
        let supervisor = AbortOnDropHandle::new(tokio::spawn(supervisor.run()));
        (Self { shared, _supervisor: supervisor }, events)
    }

    /// Publishes, in the order of the calls for each subject and kind of `unread`. Never waits.
    ///
    /// # Errors
    /// The broker is not reached, or too slow, or the payload too large. The frame goes nowhere then.
    pub fn publish(&self, subject: &Subject, payload: &[u8], unread: Unread) -> Result<(), Refused> {
        let result = self.shared.publish(subject, payload, unread);
        match result {
            Ok(()) => self.shared.metrics.published(),
            Err(refused) => self.shared.metrics.refused(refused),
        }
        result
    }

    /// Wants what is published on a room's subject, until [`unsubscribe`](Self::unsubscribe). [`Event::Subscribed`] says from when on.
    pub fn subscribe(&self, room: &RoomId) {
        let subject = Subject::Room(room.clone());
        self.shared.wanted.lock().subscribe(&self.shared.prefix.name(&subject), subject);
        self.shared.changed.notify_one();
    }

    /// Wants it no more.
    pub fn unsubscribe(&self, room: &RoomId) {
        let name = self.shared.prefix.name(&Subject::Room(room.clone()));
        self.shared.wanted.lock().unsubscribe(&name);
        self.shared.changed.notify_one();
    }

    /// Waits until the broker has all that was published before, as far as it can be told: until a probe behind it came back. At most
    /// half a second.
    pub async fn settled(&self) {
        let mut marks = self.shared.marks.subscribe();
        let mark = self.shared.next_mark.fetch_add(1, Ordering::Relaxed);
        self.shared.publish_probe(mark);
        let _ = timeout(SETTLE_TIME, marks.wait_for(|last| *last >= mark)).await;
    }

    /// The state, as the last [`Event::Health`] said it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.standing.lock().health
    }
}

/// What the handle, the supervisor and the link of a backplane share.
#[derive(Debug)]
struct Shared {
    node: NodeId,
    clock: Clock,
    inbox: Arc<str>,
    prefix: Prefix,
    sealer: Sealer,
    wanted: Mutex<Wanted>,
    /// Rung at every change of what is wanted.
    changed: Notify,
    outlet: Outlet,
    standing: Mutex<Standing>,
    /// The number of the next probe that is no question to the link.
    next_mark: AtomicU64,
    /// The last one that came back.
    marks: watch::Sender<u64>,
    /// What was said of frames of strangers, on all links.
    strangers: Mutex<Strangers>,
    metrics: Arc<BackplaneMetrics>,
}

/// The health, and since when it is or when it was last looked at.
#[derive(Debug)]
struct Standing {
    health: Health,
    since: Instant,
}

impl Shared {
    fn publish(&self, subject: &Subject, payload: &[u8], unread: Unread) -> Result<(), Refused> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Refused::TooLarge);
        }
        if self.standing.lock().health != Health::Up {
            return Err(Refused::Down);
        }
        let name = self.prefix.name(subject);
        let bytes = self.seal(&name, Kind::Data, payload);
        // Held until the frame is in the queue, which is cleared after the health changes: no frame comes in behind that.
        let standing = self.standing.lock();
        match standing.health {
            Health::Up => self.outlet.push(Outgoing { subject: subject.clone(), name, bytes, unread }),
            Health::Degraded(_) => Err(Refused::Down),
        }
    }

    /// Goes the way of every frame, so that it measures that; also while the backplane is not up yet.
    fn publish_probe(&self, number: u64) {
        let (subject, name) = (Subject::Inbox(self.node.clone()), self.inbox.clone());
        let bytes = self.seal(&name, Kind::Probe, &number.to_be_bytes());
        // A queue without room for it is a miss.
        let _ = self.outlet.push(Outgoing { subject, name, bytes, unread: Unread::Ignore });
    }

    fn seal(&self, name: &str, kind: Kind, payload: &[u8]) -> Vec<u8> {
        self.sealer
            .seal(name, &Frame { kind, sent_at_ms: self.clock.steady_unix_ms(), from: self.node.clone(), payload })
    }

    /// Changes the health and counts the time it was bad: what it was before.
    fn set_health(&self, health: Health) -> Health {
        let mut standing = self.standing.lock();
        let now = Instant::now();
        let before = std::mem::replace(&mut *standing, Standing { health, since: now });
        match before.health {
            Health::Up => {}
            Health::Degraded(_) => self.metrics.degraded(now.duration_since(before.since)),
        }
        if health == Health::Up {
            self.metrics.up();
        }
        before.health
    }
}
