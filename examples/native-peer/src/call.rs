//! A call to one peer, for as long as both are in the room: the mailbox of the task that owns everything about it.

use std::{net::SocketAddr, sync::Arc};

use aldis_client::Room;
use aldis_protocol::{PeerInfo, Relayed};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use crate::{connection::Happening, desk::Desk};

/// What a call takes from its mailbox.
pub enum Input {
    /// What the server says about the peer.
    Peer(PeerInfo),
    /// What the peer says.
    Signal(Relayed),
    /// What happens on the connection of that number.
    Happening(u64, Happening),
    /// ICE servers with other credentials.
    IceServers,
    /// Time has passed.
    Alarm(Alarm),
    /// One of the two is no longer in the room.
    Left,
}

/// What is looked at after a while.
pub enum Alarm {
    /// The first offer should have come.
    FirstOffer { g: u64 },
    /// The answer to the offer `d` of the connection `g` should have come.
    Answer { g: u64, d: u64 },
    /// The offer after that of the number `theirs` should have come.
    Yielded { g: u64, theirs: u64 },
    /// The connection should have healed.
    Healing { g: u64 },
    /// What `g` took the place of is needed no more.
    Replaced { g: u64 },
}

/// A call to one peer, for as long as both are in the room.
pub struct Call {
    mailbox: UnboundedSender<Input>,
    task: JoinHandle<()>,
}

impl Call {
    /// Calls a peer, or waits to be called, as the server has it.
    pub fn open(room: Room, peer: PeerInfo, addresses: Arc<[SocketAddr]>) -> Self {
        let (mailbox, inbox) = unbounded_channel();
        let desk = Desk::new(room, peer, addresses, mailbox.clone());
        Self { mailbox, task: tokio::spawn(desk.work(inbox)) }
    }

    /// Takes what the server says about the peer.
    pub fn update(&self, peer: PeerInfo) {
        self.put(Input::Peer(peer));
    }

    /// Takes what the peer says.
    pub fn receive(&self, signal: Relayed) {
        self.put(Input::Signal(signal));
    }

    /// The room has other ICE servers.
    pub fn renew_ice_servers(&self) {
        self.put(Input::IceServers);
    }

    /// Ends it: one of the two is no longer in the room.
    pub async fn end(self) {
        self.put(Input::Left);
        // Its error is a panic, which has been reported.
        let _ = self.task.await;
    }

    fn put(&self, input: Input) {
        // Nobody listens any more where the task has panicked.
        let _ = self.mailbox.send(input);
    }
}
