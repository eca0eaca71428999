//! The broker inside a process: for a node alone, for `aldis dev` with several, and for tests.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::sync::Mutex;

use super::{
    broker::{Broker, Link},
    health::{Cause, Failure},
    inlet::Inlet,
    outgoing::{Queue, Unread},
};

/// A bus that the nodes of one process share. Clones are the same bus.
#[derive(Debug, Clone, Default)]
pub struct MemoryBus(Arc<Bus>);

#[derive(Debug, Default)]
struct Bus {
    last_link: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    broken: bool,
    links: HashMap<u64, Inlet>,
    /// The links that read a name.
    readers: HashMap<Arc<str>, Vec<u64>>,
}

impl MemoryBus {
    /// Breaks all links, and lets nobody in until it is mended: what an outage of a broker looks like.
    pub fn interrupt(&self) {
        let mut state = self.0.state.lock();
        state.broken = true;
        state.readers.clear();
        for (_, inlet) in state.links.drain() {
            inlet.failed(Failure::new(Cause::Lost, "the bus was interrupted"));
        }
    }

    /// Lets nodes in again.
    pub fn mend(&self) {
        self.0.state.lock().broken = false;
    }
}

impl Broker for MemoryBus {
    type Link = MemoryLink;

    async fn connect(&self, inlet: &Inlet) -> Result<MemoryLink, Failure> {
        let id = self.0.last_link.fetch_add(1, Ordering::Relaxed);
        let mut state = self.0.state.lock();
        if state.broken {
            return Err(Failure::new(Cause::Unreachable, "the bus is interrupted"));
        }
        state.links.insert(id, inlet.clone());
        Ok(MemoryLink { id, bus: self.0.clone() })
    }
}

/// One node on the bus.
#[derive(Debug)]
pub(super) struct MemoryLink {
    id: u64,
    bus: Arc<Bus>,
}

impl Link for MemoryLink {
    async fn publish(&self, queue: &mut Queue) -> Result<Infallible, Failure> {
        loop {
            for outgoing in queue.take().await {
                let state = self.bus.state.lock();
                let Some(own) = state.links.get(&self.id) else { break };
                let readers = state.readers.get(&outgoing.name).map_or(&[][..], Vec::as_slice);
                for inlet in readers.iter().filter_map(|id| state.links.get(id)) {
                    inlet.message(&outgoing.name, &outgoing.bytes);
                }
                if let Unread::Report(tag) = outgoing.unread
                    && readers.len() <= own.own_share(&outgoing.name)
                {
                    own.unread(tag);
                }
            }
        }
    }

    async fn subscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let mut state = self.bus.state.lock();
        for name in names {
            let readers = state.readers.entry(name.clone()).or_default();
            if !readers.contains(&self.id) {
                readers.push(self.id);
            }
        }
        Ok(())
    }

    async fn unsubscribe(&self, names: &[Arc<str>]) -> Result<(), Failure> {
        let mut state = self.bus.state.lock();
        for name in names {
            if let Entry::Occupied(mut entry) = state.readers.entry(name.clone()) {
                entry.get_mut().retain(|id| *id != self.id);
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
        }
        Ok(())
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        let mut state = self.bus.state.lock();
        state.links.remove(&self.id);
        state.readers.retain(|_, readers| {
            readers.retain(|id| *id != self.id);
            !readers.is_empty()
        });
    }
}
