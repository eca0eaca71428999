//! A peer without a browser: it joins a room of an Aldis server and opens a data channel to everybody there.
//!
//! | file | holds |
//! |---|---|
//! | `main.rs` | the room: who comes and goes, and whose signal is for which call |
//! | `call.rs` | a call to one peer: the mailbox of a task |
//! | `desk/` | that task: which connection there is, whose turn the first offer is, and what is done where it does not go on |
//! | `pair.rs` | one connection and its negotiation |
//! | `connection.rs` | how a connection of the `webrtc` crate is made |
//! | `numbers.rs`, `candidates.rs` | what is stale, and what comes too early |
//! | `channel.rs` | what goes over the data channels |
//! | `line.rs`, `token.rs` | the way to one peer through the room, and the way into the room |

mod call;
mod candidates;
mod channel;
mod connection;
mod desk;
mod line;
mod numbers;
mod pair;
mod token;

use std::{collections::HashMap, net::SocketAddr, pin::pin, sync::Arc};

use aldis_client::{Event, Room};
use aldis_protocol::{PeerId, PeerInfo};
use anyhow::Result;
use clap::Parser;
use tokio::signal::ctrl_c;

use crate::call::Call;

/// Joins a room, and counts on a data channel to everybody there.
#[derive(Debug, Parser)]
struct Options {
    /// The server.
    #[arg(env = "ALDIS_URL", default_value = "http://localhost:7654")]
    url: String,
    /// The room.
    #[arg(long, default_value = "demo")]
    room: String,
    /// Who this is.
    #[arg(long, default_value = "native")]
    name: String,
    /// A token for the room. Without one the server is asked, which only `aldis dev` answers.
    #[arg(long, env = "ALDIS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Where connections are to be reached: `0.0.0.0` and `[::]` are all addresses of this machine but loopback.
    #[arg(long, value_name = "ADDRESS", default_values = ["0.0.0.0:0", "[::]:0"])]
    listen: Vec<SocketAddr>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let (room, mut events) =
        Room::join(token::joining(&options.url, &options.room, &options.name, options.token)).await?;
    let mut calls = Calls { room: room.clone(), addresses: options.listen.into(), calls: HashMap::new() };
    // Made once: one made anew in each round would miss what came while an event was dealt with.
    let mut interrupted = pin!(ctrl_c());
    let ended = loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Failed(error)) => break Err(error.into()),
                Some(event) => calls.take(event).await,
                None => break Ok(()),
            },
            pressed = &mut interrupted => break pressed.map_err(Into::into),
        }
    };
    room.leave().await;
    calls.end().await;
    println!("left");
    ended
}

/// The calls to everybody in the room.
struct Calls {
    room: Room,
    addresses: Arc<[SocketAddr]>,
    calls: HashMap<PeerId, Call>,
}

impl Calls {
    async fn take(&mut self, event: Event) {
        match event {
            Event::Joined { me, peers } => {
                println!("joined as {}", me.id);
                // To the others this side is another peer than before: what there was ends.
                self.end().await;
                peers.into_iter().for_each(|peer| self.meet(peer));
            }
            Event::PeerJoined(peer) => self.meet(peer),
            Event::PeerUpdated(peer) => {
                if let Some(call) = self.calls.get(&peer.id) {
                    call.update(peer);
                }
            }
            Event::PeerLeft { peer, reason } => {
                println!("{}: has left: {reason:?}", peer.identity);
                if let Some(call) = self.calls.remove(&peer.id) {
                    call.end().await;
                }
            }
            Event::Signal(signal) => {
                if let Some(call) = self.calls.get(&signal.from) {
                    call.receive(signal);
                }
            }
            Event::IceServers(_) => self.calls.values().for_each(Call::renew_ice_servers),
            // Calls go on by themselves: nothing of them passes the server.
            Event::Reconnecting { error, .. } => println!("the way to the server is broken: {error}"),
            Event::Resumed => println!("the server is back"),
            Event::Refused(error) => eprintln!("refused: {error}"),
            other => println!("{other:?}"),
        }
    }

    fn meet(&mut self, peer: PeerInfo) {
        println!("{}: is in the room", peer.identity);
        let id = peer.id.clone();
        self.calls.insert(id, Call::open(self.room.clone(), peer, Arc::clone(&self.addresses)));
    }

    async fn end(&mut self) {
        for (_, call) in self.calls.drain() {
            call.end().await;
        }
    }
}
