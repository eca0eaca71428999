//! The bus inside a process.

use aldis_server::backplane::MemoryBus;

use super::{Broker, Way};

impl Broker for MemoryBus {
    async fn start() -> Self {
        Self::default()
    }

    fn planned() -> Self {
        let bus = Self::default();
        bus.interrupt();
        bus
    }

    fn way(&self) -> Way {
        Way::Bus(self.clone())
    }

    async fn kill(&mut self) {
        self.interrupt();
    }

    async fn revive(&mut self) {
        self.mend();
    }
}
