//! The bus inside a process.

use aldis_server::backplane::MemoryBus;

use crate::{
    contract::contract,
    support::{Broker, Node},
};

impl Broker for MemoryBus {
    async fn start() -> Self {
        Self::default()
    }

    fn planned() -> Self {
        let bus = Self::default();
        bus.interrupt();
        bus
    }

    fn node_with(&self, name: &str, prefix: &str, secret: &str) -> Node {
        Node::on(self, name, prefix, secret)
    }

    async fn kill(&mut self) {
        self.interrupt();
    }

    async fn revive(&mut self) {
        self.mend();
    }
}

contract!(MemoryBus);
