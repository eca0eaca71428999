//! Three nodes, the broker between them, and the load balancer in front.

use std::path::{Path, PathBuf};

use crate::{
    balancer::{Balancer, Doors},
    broker::{Broker, Kind},
    node::Node,
    token::Key,
};

/// How many nodes.
const NODES: usize = 3;

/// A cluster; its processes end with it.
pub(crate) struct Cluster {
    pub(crate) broker: Broker,
    pub(crate) nodes: Vec<Node>,
    balancer: Balancer,
    pub(crate) key: Key,
}

/// What a cluster is made of.
pub(crate) struct Parts<'a> {
    /// The server's binary.
    pub(crate) aldis: PathBuf,
    pub(crate) broker: Kind,
    /// Where logs go.
    pub(crate) folder: &'a Path,
}

impl Cluster {
    /// Starts one, and waits until it takes clients.
    pub(crate) async fn start(parts: &Parts<'_>) -> anyhow::Result<Self> {
        let mut broker = Broker::new(parts.broker, parts.folder);
        broker.start().await?;
        let key = Key::random();
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let mut node = Node::new(number, parts, &broker, &key).await?;
            node.start().await?;
            nodes.push(node);
        }
        let ports: Vec<_> = nodes.iter().map(Node::port).collect();
        let balancer = Balancer::start(&ports, parts.folder).await?;
        Ok(Self { broker, nodes, balancer, key })
    }

    /// Where clients find it.
    pub(crate) fn doors(&self) -> Doors {
        self.balancer.doors()
    }
}
