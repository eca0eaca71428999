//! The drivers of the nodes: what executes the outputs of clusters and hubs.

use std::collections::VecDeque;

use aldis_core::{
    Input, Moment, Output,
    cluster::{
        ClusterInput, ClusterOutput, Digests, Envelope, Frame, LedgerOutput, NodeFrame, Passage, RevocationFrame,
        RoomFrame, Subject, Unopened,
    },
    output::Exclusion,
    revocation::Target,
};
use aldis_protocol::RoomId;

use crate::{
    broker::Fate,
    world::{Happening, SHARDS, World, room_id},
};

/// What the nodes of the cluster know, and nobody else.
pub(crate) const MAC: [u8; 32] = [0x5a; 32];

impl World {
    pub(crate) fn local(&self, node: usize) -> Moment {
        Moment(self.now + self.nodes[node].offset)
    }

    pub(crate) fn receive(&mut self, node: usize, bytes: &[u8]) {
        let envelope = match open(bytes) {
            Ok(envelope) => envelope,
            Err(why) => {
                self.note(|| format!("node {node} drops what is {why:?}"));
                return *self.unopened.entry(why).or_default() += 1;
            }
        };
        let now = self.local(node);
        let passage = self.nodes[node].cluster.handle_envelope(now, &envelope);
        self.settle_cluster(node);
        match (passage, envelope.frame) {
            (Passage::Timely, Frame::Room { frame }) => {
                let room = frame.room.clone();
                self.hub_input(node, &room, Input::Frame { from: &envelope.from, frame: Box::new(frame) });
            }
            (Passage::Timely, Frame::Revocation { frame }) => {
                let unix_ms = self.unix_ms(node);
                self.nodes[node].ledger.hear(now, unix_ms, &envelope.from, frame);
                self.settle_ledger(node);
            }
            (Passage::Timely, Frame::Node { .. }) | (Passage::Dropped, _) => {}
        }
    }

    pub(crate) fn cluster_input(&mut self, node: usize, input: ClusterInput) {
        let now = self.local(node);
        self.nodes[node].cluster.handle_input(now, input);
        self.settle_cluster(node);
    }

    pub(crate) fn settle_cluster(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].cluster.poll_output() {
            match output {
                ClusterOutput::Publish { subject, frame } => self.publish(node, subject, Content::Node(frame)),
                ClusterOutput::Beat => {
                    let unix_ms = self.unix_ms(node);
                    self.nodes[node].ledger.beat(unix_ms);
                    self.settle_ledger(node);
                }
                ClusterOutput::Tell(tidings) => {
                    let now = self.local(node);
                    self.nodes[node].ledger.tidings(now, &tidings);
                    self.settle_ledger(node);
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

    pub(crate) fn settle_ledger(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ledger.poll_output() {
            match output {
                LedgerOutput::Publish { subject, frame } => self.publish(node, subject, Content::Revocation(frame)),
                LedgerOutput::Enforce(news) => {
                    let (now, unix_ms) = (self.local(node), self.unix_ms(node));
                    for shard in 0..SHARDS {
                        self.nodes[node].hubs[shard].handle_input(now, Input::Revoked { news: &news, unix_ms });
                        self.settle(node, shard);
                    }
                }
            }
        }
        self.dues[node] = self.due(node);
    }

    pub(crate) fn hub_input(&mut self, node: usize, room: &RoomId, input: Input<'_, usize>) {
        if !self.nodes[node].alive {
            return;
        }
        let shard = room.as_str().bytes().map(usize::from).sum::<usize>() % SHARDS;
        let now = self.local(node);
        self.nodes[node].hubs[shard].handle_input(now, input);
        self.settle(node, shard);
    }

    pub(crate) fn settle(&mut self, node: usize, shard: usize) {
        let mut written = VecDeque::new();
        let mut probed = Vec::new();
        let mut excluded = Vec::new();
        while let Some(output) = self.nodes[node].hubs[shard].poll_output() {
            let checked = match output {
                Output::Event(_) | Output::PutOut { .. } | Output::Confirm { .. } => Ok(()),
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
                Output::Welcome(welcome) => self.welcomed(&welcome),
                Output::Send { to, message } => self.told(to, &message),
                Output::Relay { to, parcel } => {
                    if parcel.receipt().is_some() {
                        written.push_back(parcel.clone());
                    }
                    self.relayed(to, &parcel)
                }
                Output::Close { connection, code, error } => {
                    self.closed(connection, code, error.as_deref());
                    Ok(())
                }
                Output::Exclude(exclusion) => {
                    excluded.push(*exclusion);
                    Ok(())
                }
                Output::Probe { connection } => {
                    probed.extend(self.links[connection].seat.clone());
                    Ok(())
                }
            };
            if let Err(failure) = checked {
                self.fail(&failure);
            }
            if let Some(seat) = probed
                .pop()
                .filter(|seat| self.clients[self.links[seat.connection].client].link == Some(seat.connection))
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
        for Exclusion { room, identity, for_ms, .. } in excluded {
            self.revoke(node, Target::Member { room, identity }, for_ms);
        }
    }

    fn room_of(&self, parcel: &aldis_core::Parcel) -> Option<RoomId> {
        let number: usize = parcel.receipt()?.as_str().parse().ok()?;
        let link = self.sent.get(number)?.link;
        Some(room_id(self.clients[self.links[link].client].room))
    }

    fn publish(&mut self, node: usize, subject: Subject, content: Content) {
        self.count_storm();
        let of_revocations = matches!(content, Content::Revocation(_));
        let frame = match content {
            Content::Room(frame) => Frame::Room { frame },
            Content::Node(frame) => Frame::Node { frame },
            Content::Revocation(frame) => Frame::Revocation { frame },
        };
        self.tally.count(&frame);
        self.note(|| format!("node {node} to {subject:?}: {frame:?}"));
        let envelope = Envelope { from: self.nodes[node].id.clone(), sent: self.local(node), frame };
        let Some(bytes) = envelope.seal(|_| MAC) else { return self.fail("a frame is too large") };
        if let Some(record) = &mut self.record {
            record.push(bytes.clone());
        }
        let inbox = match &subject {
            Subject::Inbox(id) => self.nodes.iter().position(|node| node.id == *id),
            Subject::Room(_) | Subject::Nodes => None,
        };
        let dice = if of_revocations { &mut self.apart } else { &mut self.dice };
        match self.broker.publish(self.now, node, &subject, inbox, dice) {
            Fate::NoReceiver => self.at(1, Happening::NoReceiver { node, subject, bytes }),
            Fate::Arrives(arrivals) => {
                self.tally.arrived += arrivals.len() as u64;
                for (node, at) in arrivals {
                    self.at(at - self.now, Happening::Arrives { node, bytes: bytes.clone() });
                }
            }
        }
    }
}

enum Content {
    Room(RoomFrame),
    Node(NodeFrame),
    Revocation(RevocationFrame),
}

pub(crate) fn open(bytes: &[u8]) -> Result<Envelope, Unopened> {
    Envelope::open(bytes, |_, mac| *mac == MAC)
}
