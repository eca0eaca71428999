//! Nodes, their broker and their clients on one virtual clock.

use std::collections::{BTreeMap, VecDeque};

use aldis_core::{
    Cluster, Departure, Dialect, Duplicates, Grant, Hub, Input, Join, Moment, Output, Permission, Profile, Seat,
    cluster::{ClusterInput, ClusterOutput, Digests, Envelope, Frame, NodeFrame, Passage, RoomFrame, Subject},
};
use aldis_protocol::{ClientMessage, CloseCode, Identity, Limits, NodeId, PeerId, RoomId, server::LeaveReason};

use crate::{
    broker::{Broker, Cable, Dice, Fate},
    client::{Check, Client, Told},
};

/// How many hubs a node has: rooms of one node need not share one.
const SHARDS: usize = 2;

/// How many frames a second, for each node and client, are more than any fault can cause.
const STORM: u64 = 200;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    cluster: Cluster,
    hubs: Vec<Hub<usize>>,
    rooms: Vec<RoomId>,
    /// Its clock is ahead of the world's by so much.
    pub(crate) offset: u64,
    pub(crate) alive: bool,
    /// Stopped until then; what arrives meanwhile waits.
    pub(crate) paused: u64,
}

/// What happens at a time.
enum Happening {
    Arrives { node: usize, bytes: Vec<u8> },
    NoReceiver { node: usize, subject: Subject, bytes: Vec<u8> },
    Subscribed { node: usize, room: RoomId },
    Probe { node: usize },
    Probed { node: usize },
    Plugged { node: usize },
    Connect { client: usize },
    Missed { link: usize },
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    pub(crate) broker: Broker,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    /// Whose a connection is, at which node, and its seat.
    links: Vec<(usize, usize, Option<Seat<usize>>)>,
    agenda: BTreeMap<(u64, u64), Happening>,
    happenings: u64,
    /// When each node has something to do.
    dues: Vec<u64>,
    /// Since when nobody with this id is connected.
    gone: BTreeMap<PeerId, u64>,
    left: BTreeMap<PeerId, &'static str>,
    /// Who was said to be dead for ever.
    pub(crate) dead: BTreeMap<PeerId, LeaveReason>,
    /// Messages by number: the connection they were sent on, when, and how often they were answered.
    pub(crate) sent: Vec<(usize, u64, u32)>,
    pub(crate) arrived: u64,
    pub(crate) frames: u64,
    pub(crate) max_peers: Option<u64>,
    pub(crate) duplicates: Duplicates,
    /// Since when frames are counted, and how many: nodes that answer each other for ever never come to rest.
    storm: (u64, u64),
    failure: Option<String>,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize) -> Self {
        let mut world = Self {
            now: 0,
            dice: Dice::new(seed),
            broker: Broker::new(),
            nodes: Vec::new(),
            clients: Vec::new(),
            links: Vec::new(),
            agenda: BTreeMap::new(),
            happenings: 0,
            dues: Vec::new(),
            gone: BTreeMap::new(),
            left: BTreeMap::new(),
            dead: BTreeMap::new(),
            sent: Vec::new(),
            arrived: 0,
            frames: 0,
            max_peers: None,
            duplicates: Duplicates::Allow,
            storm: (0, 0),
            failure: None,
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
        self.nodes.push(Node { id, cluster, hubs, rooms: Vec::new(), offset, alive: true, paused: 0 });
        self.dues.push(0);
        self.broker.cables.insert(number, Cable::Plugged);
        self.at(1, Happening::Plugged { node: number });
        let probe = self.dice.below(2_000);
        self.at(probe, Happening::Probe { node: number });
    }

    pub(crate) fn people(&mut self, rooms: usize, people: usize) {
        for number in 0..people {
            self.clients.push(Client::new(number % rooms, number));
        }
    }

    // Faults.

    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].alive = false;
        self.dues[node] = u64::MAX;
        self.broker.cables.insert(node, Cable::Dead);
        for client in 0..self.clients.len() {
            if self.clients[client].link.is_some_and(|link| self.links[link].1 == node) {
                self.broken(client);
                let delay = self.dice.below(1_500);
                self.at(delay, Happening::Connect { client });
            }
        }
    }

    pub(crate) fn unplug(&mut self, node: usize, cable: Cable) {
        if self.broker.is_plugged(node) {
            self.broker.cables.insert(node, cable);
            if cable == Cable::Unplugged {
                self.cluster_input(node, ClusterInput::BackplaneDown);
            }
        }
    }

    pub(crate) fn plug(&mut self, node: usize) {
        if self.nodes[node].alive && !self.broker.is_plugged(node) {
            self.broker.cables.insert(node, Cable::Plugged);
            let delay = 20 + self.dice.below(200);
            self.at(delay, Happening::Plugged { node });
        }
    }

    pub(crate) fn heal(&mut self) {
        self.broker.cuts.clear();
        self.broker.loss = 0;
        self.broker.twice = 0;
        self.broker.jitter = 0;
        for node in 0..self.nodes.len() {
            self.nodes[node].paused = self.nodes[node].paused.min(self.now);
            self.dues[node] = self.due(node);
            self.plug(node);
        }
    }

    // Clients.

    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].alive && self.nodes[*node].paused <= self.now).collect()
    }

    pub(crate) fn connect(&mut self, client: usize, node: usize) {
        if self.clients[client].link.is_some() {
            return;
        }
        let link = self.links.len();
        self.links.push((client, node, None));
        let Client { room, identity, ticket, .. } = &self.clients[client];
        let identity = Identity::parse(&format!("i{identity}")).expect("an identity");
        let join = Join {
            connection: link,
            room: room_id(*room),
            profile: Profile { identity, name: None, metadata: None },
            grant: Grant::default().with(Permission::Broadcast).with(Permission::Moderate),
            max_peers: self.max_peers,
            duplicates: self.duplicates,
            dialect: Dialect::V1,
            features: Vec::new(),
            fresh: PeerId::from_random(u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll())),
            ticket: ticket.clone(),
        };
        let room = join.room.clone();
        self.clients[client].link = Some(link);
        self.clients[client].seated = false;
        self.hub_input(node, &room, Input::Join(Box::new(join)));
    }

    pub(crate) fn connect_anywhere(&mut self, client: usize) {
        let living = self.living();
        if !living.is_empty() {
            let node = living[self.dice.index(living.len())];
            self.connect(client, node);
        }
    }

    /// The last welcome never arrived: the client still has the token of before.
    pub(crate) fn forget_welcome(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if let (Some(before), Some(ticket)) = (&client.before, &client.ticket)
            && before.peer == ticket.peer
        {
            client.ticket = client.before.clone();
        }
    }

    /// The connection breaks, and its node learns of it.
    pub(crate) fn lose(&mut self, client: usize) {
        let Some(link) = self.clients[client].link else { return };
        self.broken(client);
        self.missed(link);
    }

    /// The node of a connection learns that it is broken.
    fn missed(&mut self, link: usize) {
        let (client, node, seat) = self.links[link].clone();
        let room = room_id(self.clients[client].room);
        match seat {
            Some(seat) => {
                let input = Input::Disconnected { seat: &seat, departure: Departure::Lost, unsent: Vec::new() };
                self.hub_input(node, &room, input);
            }
            None => self.hub_input(node, &room, Input::Abandoned { room: &room, connection: &link }),
        }
    }

    /// The connection breaks, and its node does not learn of it.
    fn broken(&mut self, client: usize) {
        self.clients[client].link = None;
        if let Some(id) = self.clients[client].id() {
            self.gone.insert(id.clone(), self.now);
        }
    }

    /// As [`Self::lose`], but half open: the node believes in it until its ping is not answered.
    pub(crate) fn wander(&mut self, client: usize, node: usize) {
        if let Some(link) = self.clients[client].link {
            self.at(25_000, Happening::Missed { link });
        }
        self.broken(client);
        self.connect(client, node);
    }

    pub(crate) fn leave(&mut self, client: usize) {
        if let Some(id) = self.clients[client].id().cloned().filter(|_| self.clients[client].seated) {
            self.left.insert(id, "left");
            self.say(client, "{\"type\":\"leave\"}");
        }
    }

    /// Sends a message with `receipt` to somebody in its roster.
    pub(crate) fn send(&mut self, client: usize) {
        let Client { roster, link: Some(link), seated: true, .. } = &self.clients[client] else { return };
        let link = *link;
        let ids: Vec<_> = roster.keys().cloned().collect();
        if ids.is_empty() {
            return;
        }
        if !self.living().contains(&self.links[link].1) {
            return;
        }
        let to = &ids[self.dice.index(ids.len())];
        let number = self.sent.len();
        let text = format!("{{\"type\":\"message\",\"to\":\"{to}\",\"data\":1,\"msg\":\"{number}\",\"receipt\":true}}");
        self.sent.push((link, self.now, 0));
        self.say(client, &text);
    }

    pub(crate) fn say(&mut self, client: usize, text: &str) {
        let Some(link) = self.clients[client].link else { return };
        let (_, node, Some(seat)) = self.links[link].clone() else { return };
        if !self.nodes[node].alive || self.nodes[node].paused > self.now {
            return;
        }
        let message = ClientMessage::parse(text, &Limits::default()).expect("a client sends what the parser takes");
        let room = seat.room.clone();
        self.hub_input(node, &room, Input::Message { seat: &seat, message });
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

    fn due(&self, node: usize) -> u64 {
        let node = &self.nodes[node];
        let hubs = node.hubs.iter().filter_map(Hub::poll_timeout);
        let due = hubs.chain([node.cluster.poll_timeout()]).min().unwrap_or_default();
        let due = due.0.saturating_sub(node.offset).max(node.paused);
        if node.alive { due } else { u64::MAX }
    }

    /// A node does nothing for a while; what arrives meanwhile waits.
    pub(crate) fn pause(&mut self, node: usize, ms: u64) {
        self.nodes[node].paused = self.now + ms;
        self.dues[node] = self.due(node);
    }

    fn timeout(&mut self, node: usize) {
        let now = self.local(node);
        self.nodes[node].cluster.handle_timeout(now);
        self.settle_cluster(node);
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
            | Happening::Plugged { node } => *node,
            Happening::Missed { link } => self.links[*link].1,
            Happening::Connect { client } => return self.connect_anywhere(*client),
        };
        if !self.nodes[node].alive {
            return;
        }
        if self.nodes[node].paused > self.now {
            let delay = self.nodes[node].paused - self.now;
            return self.at(delay, happening);
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
            Happening::Connect { .. } => {}
        }
    }

    fn at(&mut self, delay: u64, happening: Happening) {
        self.happenings += 1;
        self.agenda.insert((self.now + delay, self.happenings), happening);
    }

    // The nodes' drivers.

    fn local(&self, node: usize) -> Moment {
        Moment(self.now + self.nodes[node].offset)
    }

    fn receive(&mut self, node: usize, bytes: &[u8]) {
        let Ok(envelope) = open(bytes) else { return self.fail("a frame that does not open") };
        let now = self.local(node);
        let passage = self.nodes[node].cluster.handle_envelope(now, &envelope);
        self.settle_cluster(node);
        if let (Passage::Timely, Frame::Room { frame }) = (passage, envelope.frame) {
            let room = frame.room.clone();
            self.hub_input(node, &room, Input::Frame { from: &envelope.from, frame: Box::new(frame) });
        }
    }

    fn cluster_input(&mut self, node: usize, input: ClusterInput) {
        let now = self.local(node);
        self.nodes[node].cluster.handle_input(now, input);
        self.settle_cluster(node);
    }

    fn settle_cluster(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].cluster.poll_output() {
            match output {
                ClusterOutput::Publish { subject, frame } => self.publish(node, subject, Content::Node(frame)),
                ClusterOutput::Tell(tidings) => {
                    let now = self.local(node);
                    for shard in 0..SHARDS {
                        self.nodes[node].hubs[shard].handle_input(now, Input::Tidings(&tidings));
                        self.settle(node, shard);
                    }
                }
                ClusterOutput::Sum(purpose) => {
                    let mut sums = Digests::default();
                    self.nodes[node].hubs.iter().for_each(|hub| hub.digests(&mut sums));
                    self.nodes[node].cluster.summed(purpose, &sums);
                }
            }
        }
        self.dues[node] = self.due(node);
    }

    fn hub_input(&mut self, node: usize, room: &RoomId, input: Input<'_, usize>) {
        if !self.nodes[node].alive {
            return;
        }
        let shard = room.as_str().bytes().map(usize::from).sum::<usize>() % SHARDS;
        let now = self.local(node);
        self.nodes[node].hubs[shard].handle_input(now, input);
        self.settle(node, shard);
    }

    fn settle(&mut self, node: usize, shard: usize) {
        let mut written = VecDeque::new();
        let mut probed = Vec::new();
        while let Some(output) = self.nodes[node].hubs[shard].poll_output() {
            let checked = match output {
                Output::Event(_) | Output::Confirm { .. } => Ok(()),
                Output::Publish { subject, frame } => {
                    self.publish(node, subject, Content::Room(*frame));
                    Ok(())
                }
                Output::Subscribe { room } => {
                    self.nodes[node].rooms.push(room.clone());
                    self.broker.subscribe(node, room.clone());
                    let delay = 1 + self.dice.below(5);
                    self.at(delay, Happening::Subscribed { node, room });
                    Ok(())
                }
                Output::Unsubscribe { room } => {
                    self.nodes[node].rooms.retain(|other| *other != room);
                    self.broker.unsubscribe(node, &room);
                    Ok(())
                }
                Output::Welcome(welcome) => {
                    let link = welcome.seat.connection;
                    self.links[link].2 = Some(welcome.seat.clone());
                    let client = self.links[link].0;
                    let peer = &welcome.seat.peer;
                    if self.clients[client].link == Some(link) {
                        self.gone.remove(peer);
                        self.clients[client].welcome(&welcome)
                    } else {
                        // It does not wait for this one any more.
                        if self.clients[client].id() != Some(peer) {
                            self.gone.insert(peer.clone(), self.now);
                        }
                        Ok(())
                    }
                }
                Output::Send { to, message } => self.told(to, &message),
                Output::Relay { to, parcel } => {
                    let client = self.links[to].0;
                    if parcel.receipt().is_some() {
                        written.push_back(parcel.clone());
                    }
                    if self.clients[client].link == Some(to) {
                        self.arrived += 1;
                        self.clients[client].hear(&parcel.from)
                    } else {
                        Ok(())
                    }
                }
                Output::Close { connection, code, .. } => {
                    self.closed(connection, code);
                    Ok(())
                }
                Output::Probe { connection } => {
                    probed.extend(self.links[connection].2.clone());
                    Ok(())
                }
            };
            if let Err(failure) = checked {
                self.fail(&failure);
            }
            if let Some(seat) =
                probed.pop().filter(|seat| self.clients[self.links[seat.connection].0].link == Some(seat.connection))
            {
                let now = self.local(node);
                self.nodes[node].hubs[shard].handle_input(now, Input::Alive { seat: &seat });
            }
            if let Some(parcel) = written.pop_front() {
                let now = self.local(node);
                let room = self.room_of(&parcel);
                if let (Some(room), Some(re)) = (room, parcel.receipt()) {
                    let input = Input::Written { room: &room, from: &parcel.from, re };
                    self.nodes[node].hubs[shard].handle_input(now, input);
                }
            }
        }
        self.dues[node] = self.due(node);
    }

    fn room_of(&self, parcel: &aldis_core::Parcel) -> Option<RoomId> {
        let number: usize = parcel.receipt()?.as_str().parse().ok()?;
        let (link, ..) = self.sent.get(number)?;
        Some(room_id(self.clients[self.links[*link].0].room))
    }

    fn told(&mut self, link: usize, message: &aldis_protocol::ServerMessage) -> Check {
        let client = self.links[link].0;
        if self.clients[client].link != Some(link) {
            return Ok(());
        }
        match self.clients[client].message(message)? {
            Told::Nothing => Ok(()),
            Told::Settled(number) => {
                let message = &mut self.sent[usize::try_from(number).unwrap_or(0)];
                // What its next connection hears may be more than the last one knew.
                message.2 += u32::from(message.0 == link);
                ensure!(message.2 <= 1, "message {number} is answered twice");
                Ok(())
            }
            Told::Final(id, reason) => {
                let since = self.gone.get(&id).copied();
                let window = Limits::default().resume_window_ms;
                match reason {
                    LeaveReason::Left => ensure!(self.left.contains_key(&id), "{id} never said goodbye"),
                    LeaveReason::Timeout => {
                        let away = since.map(|since| self.now - since);
                        ensure!(away.is_some_and(|away| away + 1_000 >= window), "{id} timed out after {away:?} ms");
                    }
                    LeaveReason::Removed | LeaveReason::Replaced | LeaveReason::Unreachable => {}
                }
                self.dead.insert(id, reason);
                Ok(())
            }
        }
    }

    fn closed(&mut self, link: usize, code: CloseCode) {
        let client = self.links[link].0;
        if self.clients[client].link != Some(link) {
            return;
        }
        self.broken(client);
        match code {
            CloseCode::Superseded | CloseCode::Timeout => {
                let delay = self.dice.below(500);
                self.at(delay, Happening::Connect { client });
            }
            _ => {
                // It begins anew, some time.
                self.clients[client].ticket = None;
                self.clients[client].seated = false;
            }
        }
    }

    fn publish(&mut self, node: usize, subject: Subject, content: Content) {
        self.frames += 1;
        self.count_storm();
        let frame = match content {
            Content::Room(frame) => Frame::Room { frame },
            Content::Node(frame) => Frame::Node { frame },
        };
        let envelope = Envelope { from: self.nodes[node].id.clone(), sent: self.local(node), frame };
        let Some(bytes) = envelope.seal(|_| [0; 32]) else { return self.fail("a frame is too large") };
        let inbox = match &subject {
            Subject::Inbox(id) => self.nodes.iter().position(|node| node.id == *id),
            Subject::Room(_) | Subject::Nodes => None,
        };
        match self.broker.publish(self.now, node, &subject, inbox, &mut self.dice) {
            Fate::NoReceiver => self.at(1, Happening::NoReceiver { node, subject, bytes }),
            Fate::Arrives(arrivals) => {
                for (node, at) in arrivals {
                    self.at(at - self.now, Happening::Arrives { node, bytes: bytes.clone() });
                }
            }
        }
    }

    fn count_storm(&mut self) {
        if self.now - self.storm.0 >= 1_000 {
            self.storm = (self.now, 0);
        }
        self.storm.1 += 1;
        if self.storm.1 > STORM * (self.nodes.len() + self.clients.len()) as u64 {
            self.fail("the nodes do not come to rest");
        }
    }

    fn fail(&mut self, failure: &str) {
        self.failure.get_or_insert_with(|| format!("at {} ms: {failure}", self.now));
    }

    // Judging.

    /// Everybody who is connected sees everybody else who is, as here, and of each pair exactly one yields.
    pub(crate) fn everybody_is_seen(&self) -> Check {
        for (viewer, others) in self.connected() {
            for other in others {
                let (me, you) = (&self.clients[viewer], &self.clients[other]);
                let (Some(mine), Some(yours)) = (me.id(), you.id()) else { continue };
                let seen = me.roster.get(yours).copied();
                ensure!(seen == Some(aldis_protocol::Presence::Here), "{mine} sees {yours} as {seen:?}");
                let (yields, back) = (me.yields.get(yours), you.yields.get(mine));
                ensure!(yields.is_some() && yields != back, "{mine} and {yours} yield {yields:?} and {back:?}");
                ensure!(!self.dead.contains_key(yours), "{yours} lives, and was said to be dead");
            }
        }
        Ok(())
    }

    /// Of a session that two nodes had, one has let it go.
    pub(crate) fn every_session_has_one_node(&self) -> Check {
        for client in &self.clients {
            let Some(id) = client.id() else { continue };
            let room = room_id(client.room);
            let alive = self.nodes.iter().filter(|node| node.alive);
            let owners: Vec<_> =
                alive.filter(|node| node.hubs.iter().any(|hub| hub.generation(&room, id).is_some())).collect();
            ensure!(owners.len() <= 1, "{id} is on {} nodes", owners.len());
        }
        Ok(())
    }

    /// And nobody else.
    pub(crate) fn nobody_else_is_seen(&self) -> Check {
        for (viewer, others) in self.connected() {
            let mut expected: Vec<_> = others.iter().filter_map(|other| self.clients[*other].id()).collect();
            expected.sort();
            let seen: Vec<_> = self.clients[viewer].roster.keys().collect();
            ensure!(seen == expected, "{:?} sees {seen:?}, not {expected:?}", self.clients[viewer].id());
        }
        Ok(())
    }

    /// Every message whose sender's connection lived on has its answer.
    pub(crate) fn everything_is_settled(&self) -> Check {
        for (number, (link, at, answers)) in self.sent.iter().enumerate() {
            let lives = self.clients[self.links[*link].0].link == Some(*link);
            ensure!(!lives || *answers == 1, "message {number}, sent at {at}, was answered {answers} times");
        }
        Ok(())
    }

    /// Everybody who is connected, each with the others of its room.
    fn connected(&self) -> Vec<(usize, Vec<usize>)> {
        let mut rooms: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (client, state) in self.clients.iter().enumerate().filter(|(_, state)| state.link.is_some() && state.seated)
        {
            rooms.entry(state.room).or_default().push(client);
        }
        let others = |room: &Vec<usize>, viewer| room.iter().copied().filter(|other| *other != viewer).collect();
        rooms.values().flat_map(|room| room.iter().map(move |viewer| (*viewer, others(room, *viewer)))).collect()
    }
}

enum Content {
    Room(RoomFrame),
    Node(NodeFrame),
}

fn open(bytes: &[u8]) -> Result<Envelope, aldis_core::cluster::Unopened> {
    Envelope::open(bytes, |_, _| true)
}

pub(crate) fn room_id(number: usize) -> RoomId {
    RoomId::parse(&format!("r{number}")).expect("a room")
}

fn node_id(text: &str) -> NodeId {
    NodeId::parse(text).expect("an id")
}
