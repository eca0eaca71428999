//! What must hold at any time, whatever goes wrong.

use aldis_core::{Admission, Duplicates, Parcel, output::Continuity};
use aldis_protocol::{CloseCode, ErrorCode, PeerId, WireError, server::LeaveReason};

use crate::{
    client::{Check, Told},
    lines::Weather,
    world::{Happening, Sent, World, room_id},
};

/// The latest that a message has its answer: as long as any receipt takes to say that it is parked, and then as long as that may last.
const ANSWERED_MS: u64 = 41_000;

/// How long a session waits for its client, but for the time in which its node does not know yet that it is gone.
const WINDOW_MS: u64 = 29_000;

impl World {
    pub(crate) fn welcomed(&mut self, welcome: &Admission<usize>) -> Check {
        let link = welcome.seat.connection;
        let peer = &welcome.seat.peer;
        let (client, node) = (self.links[link].client, self.links[link].node);
        self.note(|| format!("client {client} is welcomed: {welcome:?}"));
        self.links[link].seat = Some(welcome.seat.clone());
        self.links[link].since = self.now;
        self.stays.insert(peer.clone(), self.clients[client].room);
        ensure!(!self.buried.contains(&(node, peer.clone())), "{peer} resumes where it is known to be dead");
        for other in &welcome.peers {
            self.rises(node, &other.id)?;
        }
        for other in &welcome.left {
            let lives =
                self.clients.iter().any(|client| client.link.is_some() && client.seated && client.id() == Some(other));
            // Or nobody was there to be told of its end, and the node where it lives has not heard of it yet.
            let ended = self.dead.contains_key(other) || self.lapsed.contains(other);
            // Whoever is put out where nobody else is may be elsewhere by then.
            let replaced = self.duplicates != Duplicates::Allow;
            ensure!(!lives || ended || replaced || self.revokes, "{other} is among those who left, and lives");
        }
        if welcome.continuity == Continuity::New {
            let most = self.max_peers.unwrap_or(u64::MAX);
            ensure!((welcome.peers.len() as u64) < most, "{peer} is let into a room with {:?}", welcome.peers);
        }
        if self.clients[client].link == Some(link) {
            if self.absence(peer).is_some_and(|away| away >= WINDOW_MS) {
                self.lapsed.insert(peer.clone());
            }
            self.gone.remove(peer);
            return self.clients[client].welcome(welcome);
        }
        // Its client does not wait for this one any more.
        if self.clients[client].id() != Some(peer) {
            self.gone.insert(peer.clone(), self.now);
        }
        Ok(())
    }

    pub(crate) fn told(&mut self, link: usize, message: &aldis_protocol::ServerMessage) -> Check {
        let (client, node) = (self.links[link].client, self.links[link].node);
        if self.clients[client].link != Some(link) {
            return Ok(());
        }
        self.note(|| format!("client {client} is told: {message:?}"));
        match self.clients[client].message(message)? {
            Told::Nothing => Ok(()),
            Told::Seen(id) => self.rises(node, &id),
            Told::Missing(id) => self.is_missing(node, &id),
            Told::Settled(number) => {
                let Sent { link: sender, at, answers } = &mut self.sent[number];
                // What its next connection hears may be more than the last one knew, and later.
                if *sender != link {
                    return Ok(());
                }
                *answers += 1;
                ensure!(*answers <= 1, "message {number} is answered twice");
                let took = self.now - *at;
                let stopped = self.nodes[node].paused > *at;
                ensure!(stopped || took <= ANSWERED_MS, "message {number} is answered after {took} ms");
                Ok(())
            }
            Told::Final(id, reason) => self.dies(node, id, reason),
        }
    }

    /// A signal is handed to a connection.
    pub(crate) fn relayed(&mut self, to: usize, parcel: &Parcel) -> Check {
        let client = self.links[to].client;
        if self.clients[client].link != Some(to) {
            return Ok(());
        }
        if let Some(number) = parcel.receipt().and_then(|re| re.as_str().parse::<usize>().ok()) {
            let sender = self.sent[number].link;
            let seat = self.links[sender].seat.as_ref();
            ensure!(seat.map(|seat| &seat.peer) == Some(&parcel.from), "message {number} is from {}", parcel.from);
            let room = self.clients[self.links[sender].client].room;
            ensure!(room == self.clients[client].room, "message {number} leaves its room");
            // While neither connection changes.
            let last = self.heard.insert((sender, to), number);
            let follows = last.is_none_or(|last| last < number);
            ensure!(follows || !self.broker.orderly, "message {number} comes after {last:?}");
        }
        self.clients[client].hear(&parcel.from)
    }

    pub(crate) fn closed(&mut self, link: usize, code: CloseCode, error: Option<&WireError>) {
        let client = self.links[link].client;
        if self.clients[client].link != Some(link) {
            return;
        }
        let full = error.is_some_and(|error| error.code == ErrorCode::RoomFull);
        if self.clients[client].seated && (full || code == CloseCode::Full && self.duplicates == Duplicates::Allow) {
            self.fail("somebody is put out because the room is full");
        }
        let resumes = self.clients[client].id().is_some_and(|id| !self.dead.contains_key(id));
        if !self.clients[client].seated && full && resumes {
            self.fail("somebody who resumes is not let in because the room is full");
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

    /// Somebody is shown by a node: it is not one whose death the node remembers.
    fn rises(&self, node: usize, id: &PeerId) -> Check {
        ensure!(!self.buried.contains(&(node, id.clone())), "{id} is shown where it is known to be dead");
        Ok(())
    }

    /// Somebody is dead for ever, says a node.
    fn dies(&mut self, node: usize, id: PeerId, reason: LeaveReason) -> Check {
        match reason {
            LeaveReason::Left => ensure!(self.left.contains(&id), "{id} never said goodbye"),
            LeaveReason::Timeout => {
                let away = self.absence(&id);
                // It may have come back where nobody has heard of its end.
                let lapsed = away.is_some_and(|away| away >= WINDOW_MS) || self.lapsed.contains(&id);
                ensure!(lapsed, "{id} timed out after {away:?} ms");
            }
            LeaveReason::Removed | LeaveReason::Replaced | LeaveReason::Unreachable => {}
        }
        self.buried.insert((node, id.clone()));
        self.dead.insert(id, reason);
        Ok(())
    }

    /// For how long somebody has had no connection.
    fn absence(&self, id: &PeerId) -> Option<u64> {
        self.gone.get(id).map(|since| self.now - since)
    }

    /// Somebody is away or unreachable, says a node. It is not, if it has its connection, and the node could have heard of that.
    fn is_missing(&self, viewer: usize, id: &PeerId) -> Check {
        let client = self.clients.iter().find(|client| client.id() == Some(id) && client.seated);
        let Some(link) = client.and_then(|client| client.link) else { return Ok(()) };
        let (owner, since) = (self.links[link].node, self.links[link].since);
        let others = self.owners(id);
        if owner != viewer && others != [owner] {
            return Ok(());
        }
        ensure!(owner != viewer, "{id} is missing at its own node");
        let weather = self.broker.lines.weather(owner, viewer, self.now);
        match weather {
            Weather::Calm { since: known } | Weather::Blip { since: known } => {
                ensure!(since > known, "{id} is missing, and connected since {since} in the weather {weather:?}");
            }
            Weather::Storm => {}
        }
        Ok(())
    }

    /// Which living nodes have a session of this stay.
    pub(crate) fn owners(&self, id: &PeerId) -> Vec<usize> {
        let Some(room) = self.stays.get(id).copied().map(room_id) else { return Vec::new() };
        let has = |node: &usize| {
            let node = &self.nodes[*node];
            node.alive && node.hubs.iter().any(|hub| hub.generation(&room, id).is_some())
        };
        (0..self.nodes.len()).filter(has).collect()
    }

    /// Of two nodes that have heard of each other's sessions for long enough, only one has a stay.
    pub(crate) fn no_stay_is_in_two_places(&self) -> Check {
        for id in self.stays.keys() {
            let owners = self.owners(id);
            for (one, other) in owners.iter().flat_map(|one| owners.iter().map(move |other| (*one, *other))) {
                let Weather::Calm { since } = self.broker.lines.weather(one, other, self.now) else { continue };
                let seated = |node| {
                    let seats = self.links.iter().filter(move |link| link.node == node);
                    seats.filter(|link| link.seat.as_ref().is_some_and(|seat| seat.peer == *id)).map(|link| link.since)
                };
                let newest = seated(one).chain(seated(other)).max();
                ensure!(one == other || newest > Some(since), "{id} is on the nodes {one} and {other}");
            }
        }
        Ok(())
    }
}
