//! One node's backplane, and what it hears.

use std::{cell::RefCell, sync::Arc, time::Duration};

use aldis_protocol::{NodeId, RoomId};
use aldis_server::{
    backplane::{
        Address, Backplane, BackplaneMetrics, Cause, Event, Events, Health, MemoryBus, Prefix, Refused, Settings,
        Subject, Unread,
    },
    config::Secret,
    resume::ClusterKeys,
};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::brokers::{Broker, Way, within};

/// A node.
pub(crate) struct Node {
    pub(crate) backplane: Backplane,
    pub(crate) events: Events,
    name: String,
    registry: Registry,
}

/// A room.
pub(crate) fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("a room")
}

/// A node's id.
fn id(name: &str) -> NodeId {
    NodeId::parse(name).expect("an id")
}

/// A broker with nodes at it.
pub(crate) trait Hears: Broker {
    /// A node at it.
    fn node(&self, name: &str) -> Node {
        self.node_with(name, "aldis", "north")
    }

    /// A node at it, of a deployment with this prefix and secret.
    fn node_with(&self, name: &str, prefix: &str, secret: &str) -> Node {
        match self.way() {
            Way::Address(address) => Node::at(&address, name, prefix, secret),
            Way::Bus(bus) => Node::on(&bus, name, prefix, secret),
        }
    }
}

impl<B: Broker> Hears for B {}

/// Two nodes that are up, in the room `lobby`.
pub(crate) async fn lobby(broker: &impl Broker) -> (Node, Node) {
    let (mut north, mut south) = (broker.node("north"), broker.node("south"));
    for node in [&mut north, &mut south] {
        node.up().await;
        node.subscribe("lobby").await;
    }
    (north, south)
}

/// Waits until both are back in the lobby.
pub(crate) async fn back(north: &mut Node, south: &mut Node) {
    for node in [north, south] {
        node.up().await;
        node.subscribed("lobby").await;
    }
}

/// Both come back, with their subscriptions, and hear each other.
pub(crate) async fn heal(north: &mut Node, south: &mut Node) {
    back(north, south).await;
    north.converse(south, "lobby").await;
}

impl Node {
    /// At the broker with this address.
    pub(crate) fn at(address: &str, name: &str, prefix: &str, secret: &str) -> Self {
        let address = Address::parse(address).expect("an address");
        Self::start(name, prefix, secret, |settings| Backplane::start(&address, settings).expect("its feature is on"))
    }

    /// On this bus.
    fn on(bus: &MemoryBus, name: &str, prefix: &str, secret: &str) -> Self {
        Self::start(name, prefix, secret, |settings| Backplane::in_memory(bus, settings))
    }

    fn start(name: &str, prefix: &str, secret: &str, start: impl FnOnce(Settings) -> (Backplane, Events)) -> Self {
        let mut registry = Registry::with_prefix("aldis");
        let metrics = Arc::new(BackplaneMetrics::register(&mut registry));
        let keys = ClusterKeys::new(Some(&Secret::new(secret.repeat(32)))).expect("keys");
        let prefix = Prefix::parse(prefix).expect("a prefix");
        let (backplane, events) = start(Settings { node: id(name), prefix, key: keys.frames, metrics });
        Self { backplane, events, name: name.to_owned(), registry }
    }

    /// Waits until it is up.
    pub(crate) async fn up(&mut self) {
        self.until("up", |event| (*event == Event::Health(Health::Up)).then_some(())).await;
    }

    /// Waits until it is degraded, and says why.
    pub(crate) async fn degraded(&mut self) -> Cause {
        let degraded = |event: &Event| match event {
            Event::Health(Health::Degraded(cause)) => Some(*cause),
            _ => None,
        };
        self.until("degraded", degraded).await
    }

    /// Waits until it is degraded for this reason.
    pub(crate) async fn degraded_by(&mut self, cause: Cause) {
        while self.degraded().await != cause {}
    }

    /// Waits for the confirmation of a room.
    pub(crate) async fn subscribed(&mut self, name: &str) {
        self.until(name, |event| (*event == Event::Subscribed(room(name))).then_some(())).await;
    }

    /// Subscribes a room and waits for the confirmation.
    pub(crate) async fn subscribe(&mut self, name: &str) {
        self.backplane.subscribe(&room(name));
        self.subscribed(name).await;
    }

    /// The next frame: where it was published, by whom, what.
    pub(crate) async fn frame(&mut self) -> (Subject, String, String) {
        let frame = |event: &Event| match event {
            Event::Frame { subject, from, payload, .. } => {
                let text = String::from_utf8_lossy(payload).into_owned();
                Some((subject.clone(), from.to_string(), text))
            }
            _ => None,
        };
        self.until("a frame", frame).await
    }

    /// What the next frame says.
    pub(crate) async fn heard(&mut self) -> String {
        self.frame().await.2
    }

    /// The tag of the next frame that nobody reads.
    pub(crate) async fn unread(&mut self) -> u64 {
        let unread = |event: &Event| match event {
            Event::Unread { tag } => Some(*tag),
            _ => None,
        };
        self.until("word of an unread frame", unread).await
    }

    /// The tags of the frames that were thrown away when the link ends, which comes behind them.
    pub(crate) async fn lost(&mut self) -> Vec<u64> {
        let tags = RefCell::new(Vec::new());
        let end = |event: &Event| match event {
            Event::Lost { tag } => {
                tags.borrow_mut().push(*tag);
                None
            }
            Event::Health(Health::Degraded(_)) => Some(()),
            _ => None,
        };
        self.until("the end of the link", end).await;
        tags.into_inner()
    }

    /// Waits for an event, and forgets the others.
    pub(crate) async fn until<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("events");
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        };
        within(&format!("{what} at {}", self.name), found).await
    }

    /// Where this node is reached.
    pub(crate) fn inbox(&self) -> Subject {
        Subject::Inbox(id(&self.name))
    }

    /// Says something.
    pub(crate) fn say(&self, subject: &Subject, text: &str) -> Result<(), Refused> {
        self.backplane.publish(subject, text.as_bytes(), Unread::Ignore)
    }

    /// Says something and wants to know if nobody reads it.
    pub(crate) fn ask(&self, subject: &Subject, text: &str, tag: u64) {
        self.backplane.publish(subject, text.as_bytes(), Unread::Report(tag)).expect("accepted");
    }

    /// Checks that nodes hear each other, over a room that both have subscribed and over their inboxes.
    pub(crate) async fn converse(&mut self, other: &mut Self, name: &str) {
        for subject in [Subject::Room(room(name)), other.inbox()] {
            self.say(&subject, "are you there?").expect("accepted");
            assert_eq!(other.heard().await, "are you there?");
        }
        other.say(&self.inbox(), "yes").expect("accepted");
        assert_eq!(self.heard().await, "yes");
    }

    /// Speaks until the other one hears it: what servers of a cluster confirm is true of themselves, and of the others soon.
    pub(crate) async fn reach(&self, other: &mut Self, subject: &Subject) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let text = format!("{:?}", tokio::time::Instant::now());
        let is_it = |event: &Event| match event {
            Event::Frame { payload, .. } => (*payload == text.as_bytes()).then_some(()),
            _ => None,
        };
        let heard = other.until("what is said again and again", is_it);
        tokio::pin!(heard);
        loop {
            tokio::select! {
                () = &mut heard => return,
                _ = ticks.tick() => self.say(subject, &text).expect("accepted"),
            }
        }
    }

    /// A metric, by the name and labels it has in the text.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("aldis_backplane_{name} ")));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a metric has this value: for what comes without an event.
    pub(crate) async fn counts(&self, name: &str, value: f64) {
        let counted = async {
            while self.metric(name) < value {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(name, counted).await;
    }
}
