//! What goes wrong with nodes, and how it ends.

use aldis_core::cluster::ClusterInput;

use crate::{
    broker::Cable,
    lines::Loss,
    world::{Happening, World},
};

impl World {
    pub(crate) fn kill(&mut self, node: usize) {
        self.note(|| format!("node {node} dies"));
        self.nodes[node].alive = false;
        self.dues[node] = u64::MAX;
        self.broker.cables.insert(node, Cable::Dead);
        for client in 0..self.clients.len() {
            if self.clients[client].link.is_some_and(|link| self.links[link].node == node) {
                self.broken(client);
                let delay = self.dice.below(1_500);
                self.at(delay, Happening::Connect { client });
            }
        }
    }

    pub(crate) fn unplug(&mut self, node: usize, cable: Cable) {
        self.note(|| format!("node {node} is {cable:?}"));
        if self.broker.is_plugged(node) {
            self.broker.cables.insert(node, cable);
            self.alone(node, self.now);
            if cable == Cable::Unplugged {
                self.cluster_input(node, ClusterInput::BackplaneDown);
            }
        }
    }

    pub(crate) fn plug(&mut self, node: usize) {
        self.note(|| format!("node {node} is plugged in"));
        if self.nodes[node].alive && !self.broker.is_plugged(node) {
            self.broker.cables.insert(node, Cable::Plugged);
            let delay = 20 + self.dice.below(200);
            self.at(delay, Happening::Plugged { node });
        }
    }

    pub(crate) fn heal(&mut self) {
        self.note(|| "everything heals".to_owned());
        self.broker.cuts.clear();
        self.broker.loss = 0;
        self.broker.twice = 0;
        self.broker.jitter = 0;
        self.broker.lines.end(self.now);
        for node in 0..self.nodes.len() {
            self.nodes[node].paused = self.nodes[node].paused.min(self.now);
            self.at(0, Happening::Runs { node });
            self.dues[node] = self.due(node);
            self.plug(node);
        }
    }

    /// A node does nothing for a while; what arrives meanwhile waits.
    pub(crate) fn pause(&mut self, node: usize, ms: u64) {
        self.note(|| format!("node {node} stops for {ms} ms"));
        self.nodes[node].paused = self.now + ms;
        self.at(ms, Happening::Runs { node });
        self.alone(node, self.now + ms);
        self.dues[node] = self.due(node);
    }

    /// Nothing goes from this node to any other or back, until then, also of what is not even published.
    pub(crate) fn alone(&mut self, node: usize, until: u64) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.broker.lines.trouble((node, other), self.now, until, Loss::Cut);
        }
    }
}
