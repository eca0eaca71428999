//! Nodes, their broker and their clients on one virtual clock.

use std::collections::{BTreeMap, BTreeSet};

use aldis_core::{
    Cluster, Duplicates, Hub, Input, Moment, Seat,
    cluster::{ClusterInput, Envelope, Frame, Ledger, Subject, Unopened},
};
use aldis_protocol::{Identity, Limits, NodeId, PeerId, RoomId, server::LeaveReason};

use crate::{
    broker::{Broker, Cable, Dice},
    client::{Check, Client},
    driver::open,
    scale::Tally,
};

/// How many hubs a node has: rooms of one node need not share one.
pub(crate) const SHARDS: usize = 2;

/// How many revocations a node holds.
pub(crate) const REVOCATIONS: usize = 2_000;

/// How many frames a second, for each node and client, are more than any fault can cause.
const STORM: u64 = 200;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) cluster: Cluster,
    /// What it knows to be revoked.
    pub(crate) ledger: Ledger,
    pub(crate) hubs: Vec<Hub<usize>>,
    pub(crate) rooms: Vec<RoomId>,
    /// Its clock is ahead of the world's by so much.
    pub(crate) offset: u64,
    pub(crate) alive: bool,
    /// Stopped until then; what happens meanwhile waits.
    pub(crate) paused: u64,
    pub(crate) waiting: Vec<Happening>,
}

/// What happens at a time.
pub(crate) enum Happening {
    Arrives {
        node: usize,
        bytes: Vec<u8>,
    },
    NoReceiver {
        node: usize,
        subject: Subject,
        bytes: Vec<u8>,
    },
    Subscribed {
        node: usize,
        room: RoomId,
    },
    Probe {
        node: usize,
    },
    Probed {
        node: usize,
    },
    Plugged {
        node: usize,
    },
    Connect {
        client: usize,
    },
    Missed {
        link: usize,
    },
    /// A node that was stopped runs again.
    Runs {
        node: usize,
    },
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    /// For frames of revocations alone: what is said of these makes no other history of a seed.
    pub(crate) apart: Dice,
    pub(crate) broker: Broker,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    /// Every connection there ever was.
    pub(crate) links: Vec<Link>,
    pub(crate) agenda: BTreeMap<(u64, u64), Happening>,
    happenings: u64,
    /// When each node has something to do.
    pub(crate) dues: Vec<u64>,
    /// Since when nobody with this id is connected.
    pub(crate) gone: BTreeMap<PeerId, u64>,
    /// Who was nowhere for as long as a session waits.
    pub(crate) lapsed: BTreeSet<PeerId>,
    /// Who said goodbye.
    pub(crate) left: BTreeSet<PeerId>,
    /// Who was said to be dead for ever.
    pub(crate) dead: BTreeMap<PeerId, LeaveReason>,
    /// By which node: it remembers.
    pub(crate) buried: BTreeSet<(usize, PeerId)>,
    /// Every stay there ever was, and its room.
    pub(crate) stays: BTreeMap<PeerId, usize>,
    /// Messages by number.
    pub(crate) sent: Vec<Sent>,
    /// The last message that went from one connection to another, where their order is kept.
    pub(crate) heard: BTreeMap<(usize, usize), usize>,
    pub(crate) tally: Tally,
    /// What nodes could make nothing of.
    pub(crate) unopened: BTreeMap<Unopened, u64>,
    /// Every frame, where they are wanted.
    pub(crate) record: Option<Vec<Vec<u8>>>,
    pub(crate) max_peers: Option<u64>,
    pub(crate) duplicates: Duplicates,
    /// Whether anything was ever revoked.
    pub(crate) revokes: bool,
    /// Since when frames are counted, and how many: nodes that answer each other for ever never come to rest.
    storm: (u64, u64),
    failure: Option<String>,
    /// Whether it is told step by step: `ALDIS_TRACE`.
    tells: bool,
}

/// A connection.
#[derive(Clone)]
pub(crate) struct Link {
    /// Whose it is.
    pub(crate) client: usize,
    pub(crate) node: usize,
    pub(crate) seat: Option<Seat<usize>>,
    /// Since when it has its seat.
    pub(crate) since: u64,
}

/// A message with `receipt`.
pub(crate) struct Sent {
    pub(crate) link: usize,
    pub(crate) at: u64,
    /// How often it was answered.
    pub(crate) answers: u32,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize) -> Self {
        let mut world = Self {
            now: 0,
            dice: Dice::new(seed),
            apart: Dice::new(!seed),
            broker: Broker::new(),
            nodes: Vec::new(),
            clients: Vec::new(),
            links: Vec::new(),
            agenda: BTreeMap::new(),
            happenings: 0,
            dues: Vec::new(),
            gone: BTreeMap::new(),
            lapsed: BTreeSet::new(),
            left: BTreeSet::new(),
            dead: BTreeMap::new(),
            buried: BTreeSet::new(),
            stays: BTreeMap::new(),
            sent: Vec::new(),
            heard: BTreeMap::new(),
            tally: Tally::default(),
            unopened: BTreeMap::new(),
            record: None,
            max_peers: None,
            duplicates: Duplicates::Allow,
            revokes: false,
            storm: (0, 0),
            failure: None,
            tells: std::env::var_os("ALDIS_TRACE").is_some(),
        };
        for _ in 0..nodes {
            world.start_node();
        }
        world
    }

    pub(crate) fn start_node(&mut self) {
        let number = self.nodes.len();
        let id = node_id(&format!("n{:08x}-{number}", self.dice.roll() >> 32));
        let offset = 1 + self.dice.below(1_000_000);
        let limits = Limits::default();
        let hubs = (0..SHARDS).map(|_| Hub::clustered(limits.clone(), id.clone())).collect();
        let cluster = Cluster::new(id.clone());
        let ledger = Ledger::among_others(REVOCATIONS, Moment(self.now + offset));
        self.nodes.push(Node {
            id,
            cluster,
            ledger,
            hubs,
            rooms: Vec::new(),
            offset,
            alive: true,
            paused: 0,
            waiting: Vec::new(),
        });
        self.dues.push(0);
        self.broker.cables.insert(number, Cable::Plugged);
        for other in 0..number {
            let last = self.nodes[other].paused.max(self.now);
            self.broker.lines.begin((number, other), self.now, last);
        }
        self.at(1, Happening::Plugged { node: number });
        let probe = self.dice.below(2_000);
        self.at(probe, Happening::Probe { node: number });
    }

    pub(crate) fn people(&mut self, rooms: usize, people: usize) {
        for number in 0..people {
            self.clients.push(Client::new(number % rooms, number));
        }
    }

    // Time.

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) -> Check {
        let end = self.now + ms;
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let timer = self.dues.iter().copied().zip(0..).min();
            let happening = self.agenda.first_key_value().map(|((at, _), _)| *at);
            match (timer, happening) {
                (Some((at, node)), next) if at <= end && next.is_none_or(|next| at < next) => {
                    self.now = self.now.max(at);
                    self.timeout(node);
                }
                (_, Some(at)) if at <= end => {
                    self.now = self.now.max(at);
                    if let Some(entry) = self.agenda.first_entry() {
                        let happening = entry.remove();
                        self.happen(happening);
                    }
                }
                _ => break,
            }
        }
        self.now = end;
        Ok(())
    }

    pub(crate) fn due(&self, node: usize) -> u64 {
        let node = &self.nodes[node];
        let hubs = node.hubs.iter().filter_map(Hub::poll_timeout);
        let due = hubs.chain([node.cluster.poll_timeout()]).chain(node.ledger.poll_timeout()).min().unwrap_or_default();
        let due = due.0.saturating_sub(node.offset).max(node.paused);
        if node.alive { due } else { u64::MAX }
    }

    fn timeout(&mut self, node: usize) {
        let now = self.local(node);
        self.nodes[node].cluster.handle_timeout(now);
        self.settle_cluster(node);
        self.nodes[node].ledger.handle_timeout(now);
        self.settle_ledger(node);
        for shard in 0..SHARDS {
            self.nodes[node].hubs[shard].handle_timeout(now);
            self.settle(node, shard);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let node = match &happening {
            Happening::Arrives { node, .. }
            | Happening::NoReceiver { node, .. }
            | Happening::Subscribed { node, .. }
            | Happening::Probe { node }
            | Happening::Probed { node }
            | Happening::Plugged { node }
            | Happening::Runs { node } => *node,
            Happening::Missed { link } => self.links[*link].node,
            Happening::Connect { client } => return self.connect_anywhere(*client),
        };
        if !self.nodes[node].alive {
            return;
        }
        if self.nodes[node].paused > self.now {
            return self.nodes[node].waiting.push(happening);
        }
        match happening {
            Happening::Arrives { bytes, .. } => self.receive(node, &bytes),
            Happening::NoReceiver { subject, bytes, .. } => {
                if let Ok(Envelope { frame: Frame::Room { frame }, .. }) = open(&bytes) {
                    let room = frame.room.clone();
                    self.hub_input(node, &room, Input::Undelivered { subject: &subject, frame: Box::new(frame) });
                }
            }
            Happening::Subscribed { room, .. } => {
                if self.broker.is_plugged(node) {
                    self.hub_input(node, &room, Input::Subscribed { room: &room });
                }
            }
            Happening::Probe { .. } => {
                let probe =
                    if self.broker.is_plugged(node) { Happening::Probed { node } } else { Happening::Probe { node } };
                if matches!(probe, Happening::Probe { .. }) {
                    self.alone(node, self.now);
                    self.cluster_input(node, ClusterInput::ProbeMissed);
                } else {
                    self.at(2, probe);
                }
                self.at(2_000, Happening::Probe { node });
            }
            Happening::Probed { .. } => self.cluster_input(node, ClusterInput::ProbeHealthy { rtt_ms: 2 }),
            Happening::Plugged { .. } => {
                if self.broker.is_plugged(node) {
                    for room in self.nodes[node].rooms.clone() {
                        self.hub_input(node, &room, Input::Subscribed { room: &room });
                    }
                    self.cluster_input(node, ClusterInput::BackplaneUp);
                }
            }
            Happening::Missed { link } => self.missed(link),
            Happening::Runs { .. } => {
                std::mem::take(&mut self.nodes[node].waiting).into_iter().for_each(|happening| self.at(0, happening));
            }
            Happening::Connect { .. } => {}
        }
    }

    pub(crate) fn at(&mut self, delay: u64, happening: Happening) {
        self.happenings += 1;
        self.agenda.insert((self.now + delay, self.happenings), happening);
    }

    pub(crate) fn count_storm(&mut self) {
        if self.now - self.storm.0 >= 1_000 {
            self.storm = (self.now, 0);
        }
        self.storm.1 += 1;
        if self.storm.1 > STORM * (self.nodes.len() + self.clients.len()) as u64 {
            self.fail("the nodes do not come to rest");
        }
    }

    /// Tells a step of a history that is looked at.
    #[expect(
        clippy::print_stdout,
        reason = "it is asked for by the environment, and shown with --nocapture or a failure"
    )]
    pub(crate) fn note(&self, step: impl FnOnce() -> String) {
        if self.tells {
            println!("{:7} {}", self.now, step());
        }
    }

    pub(crate) fn fail(&mut self, failure: &str) {
        self.failure.get_or_insert_with(|| format!("at {} ms: {failure}", self.now));
    }
}

pub(crate) fn room_id(number: usize) -> RoomId {
    RoomId::parse(&format!("r{number}")).expect("a room")
}

pub(crate) fn identity(number: usize) -> Identity {
    Identity::parse(&format!("i{number}")).expect("an identity")
}

fn node_id(text: &str) -> NodeId {
    NodeId::parse(text).expect("an id")
}
