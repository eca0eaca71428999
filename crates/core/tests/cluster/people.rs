//! What clients do.

use aldis_core::{Departure, Dialect, Grant, Input, Join, Permission, Profile};
use aldis_protocol::{ClientMessage, Limits, PeerId};

use crate::{
    client::Client,
    world::{Happening, Link, Sent, World, identity as identity_of, room_id},
};

impl World {
    pub(crate) fn living(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].alive && self.nodes[*node].paused <= self.now).collect()
    }

    pub(crate) fn connect(&mut self, client: usize, node: usize) {
        if self.clients[client].link.is_some() {
            return;
        }
        let link = self.links.len();
        self.links.push(Link { client, node, seat: None, since: self.now });
        let Client { room, identity, ticket, .. } = &self.clients[client];
        let identity = identity_of(*identity);
        let stamp = self.stamp(client);
        let revoked = self.nodes[node].ledger.find(self.unix_ms(node), &room_id(*room), &identity, &stamp);
        if revoked.is_some() {
            self.links.pop();
            return self.note(|| format!("client {client} is refused by node {node}: its token is revoked"));
        }
        let join = Join {
            connection: link,
            room: room_id(*room),
            profile: Profile { identity, name: None, metadata: None },
            grant: Grant::default().with(Permission::Broadcast).with(Permission::Moderate),
            stamp: stamp.clone(),
            max_peers: self.max_peers,
            duplicates: self.duplicates,
            dialect: Dialect::V1,
            features: Vec::new(),
            fresh: PeerId::from_random(u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll())),
            ticket: ticket.clone(),
        };
        let room = join.room.clone();
        self.clients[client].link = Some(link);
        self.clients[client].stamp = stamp;
        self.clients[client].seated = false;
        self.note(|| format!("client {client} connects to node {node} by {link}, with {:?}", join.ticket));
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
    pub(crate) fn missed(&mut self, link: usize) {
        self.note(|| format!("node {} misses connection {link}", self.links[link].node));
        let Link { client, node, seat, .. } = self.links[link].clone();
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
    pub(crate) fn broken(&mut self, client: usize) {
        self.note(|| format!("client {client} has no connection any more"));
        self.clients[client].link = None;
        if let Some(id) = self.clients[client].id() {
            self.gone.entry(id.clone()).or_insert(self.now);
        }
    }

    /// So many nodes, with somebody at each of them in one room.
    pub(crate) fn apart(seed: u64, nodes: usize) -> Result<Self, String> {
        let mut world = Self::new(seed, nodes);
        world.people(1, nodes);
        world.run(100)?;
        for client in 0..nodes {
            world.connect(client, client);
            world.run(100)?;
        }
        Ok(world)
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
            self.left.insert(id);
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
        if !self.living().contains(&self.links[link].node) {
            return;
        }
        let to = &ids[self.dice.index(ids.len())];
        let number = self.sent.len();
        let text = format!("{{\"type\":\"message\",\"to\":\"{to}\",\"data\":1,\"msg\":\"{number}\",\"receipt\":true}}");
        self.sent.push(Sent { link, at: self.now, answers: 0 });
        self.say(client, &text);
    }

    pub(crate) fn say(&mut self, client: usize, text: &str) {
        let Some(link) = self.clients[client].link else { return };
        let Link { node, seat: Some(seat), .. } = self.links[link].clone() else { return };
        if !self.nodes[node].alive || self.nodes[node].paused > self.now {
            return;
        }
        let message = ClientMessage::parse(text, &Limits::default()).expect("a client sends what the parser takes");
        let room = seat.room.clone();
        self.hub_input(node, &room, Input::Message { seat: &seat, message });
    }
}
