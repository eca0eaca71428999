//! Everything between this side and one peer of the room: which connection there is, and whose turn the first offer is.
//!
//! ```text
//!  older peer (impolite)              newcomer (polite)
//!      │── offer       g=1 d=1 ───────────▶│   the older one makes the first offer
//!      │◀───────────── g=1 d=1 re=1 answer ─│
//!      │◀── candidates g=1, both ways ────▶│
//!      │◀───────────── g=1        restart ──│   the newcomer asks where it needs ICE to start afresh
//!      │── offer       g=1 d=2 ───────────▶│
//!      │◀───────────── g=2        rebuild ──│   either one says that the connection cannot be mended,
//!      │── offer       g=2 d=1 ───────────▶│   and the older one makes the first offer of another
//! ```
//!
//! One task owns all of it, and takes one thing after the other from its mailbox (`call.rs`).

mod mending;

use std::{cmp::Ordering, mem, net::SocketAddr, sync::Arc, time::Duration};

use aldis_client::Room;
use aldis_protocol::{PeerInfo, Relayed, SignalKind};
use anyhow::{Context as _, Result};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use webrtc::{
    data_channel::DataChannel,
    peer_connection::{RTCIceCandidateInit, RTCPeerConnectionState as State},
};

use self::mending::Mended;
use crate::{
    call::{Alarm, Input},
    channel::{self, CHAT, COUNT, Does},
    connection::{Happening, Part, connect, main_channel},
    line::Line,
    numbers::Numbers,
    pair::{Pair, Refused},
};

/// How long the newcomer waits for the first offer before it asks for it.
const FIRST_OFFER: Duration = Duration::from_secs(10);

/// How long the other side's offer is waited for after it refused ours.
const YIELD: Duration = Duration::from_secs(3);

/// How many messages of a connection that is not there yet are kept: they may have overtaken its offer.
const EARLY_MAX: usize = 64;

/// What the task of a call owns.
pub struct Desk {
    room: Room,
    peer: PeerInfo,
    line: Line,
    addresses: Arc<[SocketAddr]>,
    mailbox: UnboundedSender<Input>,
    /// The number of the connection that is there, or was the last one.
    generation: u64,
    pair: Option<Pair>,
    /// It goes on as it is until the one that takes its place stands.
    retired: Option<Pair>,
    early: Vec<Relayed>,
    state: State,
    /// Whether it has ever been connected.
    has_stood: bool,
    mended: Mended,
    /// The offer whose answer is waited for.
    watched: Option<(u64, u64)>,
}

impl Desk {
    /// Everything about a peer, before anything has happened. `mailbox` is the one that it will work off.
    pub fn new(room: Room, peer: PeerInfo, addresses: Arc<[SocketAddr]>, mailbox: UnboundedSender<Input>) -> Self {
        Self {
            line: Line::new(room.clone(), &peer),
            room,
            peer,
            addresses,
            mailbox,
            generation: 0,
            pair: None,
            retired: None,
            early: Vec::new(),
            state: State::New,
            has_stood: false,
            mended: Mended::default(),
            watched: None,
        }
    }

    /// Works off the mailbox, until one of the two is no longer in the room.
    pub async fn work(mut self, mut inbox: UnboundedReceiver<Input>) {
        self.begin(self.generation + 1).await;
        self.watch();
        while let Some(input) = inbox.recv().await {
            if matches!(input, Input::Left) {
                break;
            }
            if let Err(error) = self.take(input).await {
                self.broken(&error).await;
            }
            self.watch();
        }
        self.hang_up().await;
    }

    /// An error means that the connection cannot be negotiated any more.
    async fn take(&mut self, input: Input) -> Result<()> {
        match input {
            Input::Peer(peer) => self.peer = peer,
            Input::Signal(signal) => self.receive(signal).await?,
            Input::Happening(g, happening) if g == self.generation => self.happened(happening).await?,
            // One that was retired goes on as it is.
            Input::Happening(..) | Input::Left => {}
            Input::IceServers => {
                if let Some(pair) = &self.pair {
                    pair.set_ice_servers(&self.room.ice_servers().ice_servers).await;
                }
            }
            Input::Alarm(alarm) => self.rings(alarm).await?,
        }
        Ok(())
    }

    /// Makes the first offer of a connection, or waits for it.
    async fn begin(&mut self, generation: u64) {
        if self.peer.polite {
            self.later(FIRST_OFFER, Alarm::FirstOffer { g: generation });
        } else if let Err(error) = self.call(generation).await {
            self.broken(&error).await;
        }
    }

    async fn call(&mut self, generation: u64) -> Result<()> {
        let pair = self.connect(generation, Part::Offers).await?;
        pair.offer().await
    }

    /// Makes a connection in the place of what is there.
    async fn connect(&mut self, generation: u64, part: Part) -> Result<&mut Pair> {
        self.close_pair().await;
        self.generation = generation;
        self.state = State::New;
        self.has_stood = false;
        self.mended.restarts = 0;
        let mailbox = self.mailbox.clone();
        let tell = move |happening| {
            // Nobody listens any more where the call has ended.
            let _ = mailbox.send(Input::Happening(generation, happening));
        };
        let connection = connect(part, &self.room.ice_servers().ice_servers, &self.addresses, tell).await?;
        self.serve(connection.create_data_channel("", Some(main_channel())).await?, "", Does::Answer);
        self.serve(connection.create_data_channel(COUNT, None).await?, COUNT, Does::Count);
        // The side that offers lays out the sections, and opens the channels that both sides have a name for.
        if part == Part::Offers {
            connection.add_transceiver_from_kind(RtpCodecKind::Audio, None).await?;
            connection.add_transceiver_from_kind(RtpCodecKind::Video, None).await?;
            self.serve(connection.create_data_channel(CHAT, None).await?, CHAT, Does::Answer);
        }
        Ok(self.pair.insert(Pair::new(connection, self.line.clone(), generation, self.peer.polite)))
    }

    fn serve(&self, channel: Arc<dyn DataChannel>, name: &str, does: Does) {
        tokio::spawn(channel::serve(channel, name.to_owned(), self.line.name().to_owned(), does));
    }

    async fn receive(&mut self, signal: Relayed) -> Result<()> {
        let numbers = Numbers::of(&signal);
        match signal.kind {
            SignalKind::Offer => self.offered(signal, numbers).await,
            SignalKind::Answer | SignalKind::IceCandidate | SignalKind::Nack => self.hand(signal, numbers).await,
            SignalKind::Restart => self.asked(numbers).await,
            SignalKind::Rebuild => self.rebuild_for(numbers).await,
            SignalKind::Hangup => self.hung_up(numbers).await,
            SignalKind::Message => {
                println!("{}: says {}", self.line.name(), signal.payload.as_ref().map_or("nothing", |data| data.get()));
                Ok(())
            }
            SignalKind::Ack => Ok(()),
        }
    }

    /// How old a signal's connection is, next to the one that is there.
    fn age(&self, numbers: Numbers) -> Ordering {
        numbers.g.unwrap_or(self.generation).cmp(&self.generation)
    }

    async fn offered(&mut self, offer: Relayed, numbers: Numbers) -> Result<()> {
        let age = match (numbers.g, &self.pair) {
            // A peer without numbers begins a new call where there is none.
            (None, None) => Ordering::Greater,
            _ => self.age(numbers),
        };
        match age {
            Ordering::Less => Ok(()),
            Ordering::Equal if self.pair.is_some() => self.hand(offer, numbers).await,
            Ordering::Equal => {
                self.line.hangup(Numbers::connection(self.generation));
                Ok(())
            }
            Ordering::Greater => {
                self.connect(numbers.g.unwrap_or(self.generation + 1), Part::Answers).await?;
                self.hand(offer, numbers).await?;
                for early in mem::take(&mut self.early) {
                    let numbers = Numbers::of(&early);
                    self.hand(early, numbers).await?;
                }
                Ok(())
            }
        }
    }

    /// Hands a signal to the connection that it is about.
    async fn hand(&mut self, signal: Relayed, numbers: Numbers) -> Result<()> {
        let age = self.age(numbers);
        let Some(pair) = self.pair.as_mut().filter(|_| age == Ordering::Equal) else {
            if age == Ordering::Greater && signal.kind == SignalKind::IceCandidate && self.early.len() < EARLY_MAX {
                self.early.push(signal);
            }
            return Ok(());
        };
        match signal.kind {
            SignalKind::Offer => pair.take_offer(&payload::<String>(&signal)?, numbers.d).await?,
            SignalKind::Answer => pair.take_answer(&payload::<String>(&signal)?, numbers.re).await?,
            SignalKind::Nack => {
                let theirs = pair.theirs();
                if pair.take_nack(numbers.re).await? == Refused::TheirTurn {
                    self.later(YIELD, Alarm::Yielded { g: self.generation, theirs });
                }
            }
            _ => {
                // `null` ends them, which nobody has to know; and one that is not understood is one less.
                if let Ok(candidate) = payload::<RTCIceCandidateInit>(&signal) {
                    pair.take_candidate(candidate).await;
                }
            }
        }
        Ok(())
    }

    /// The peer wants a fresh start of ICE; or, without a number, a connection, because it has none.
    async fn asked(&mut self, numbers: Numbers) -> Result<()> {
        if self.age(numbers) != Ordering::Equal {
            return Ok(());
        }
        match &mut self.pair {
            Some(pair) if numbers.g.is_some() || !self.line.is_numbered() || !self.has_stood => pair.restart().await,
            _ if numbers.g.is_some() || self.peer.polite => Ok(()),
            _ => self.call(self.generation + 1).await,
        }
    }

    /// The peer cannot mend the connection. Where both say so at once, it is the same one that both mean.
    async fn rebuild_for(&mut self, numbers: Numbers) -> Result<()> {
        if self.age(numbers) == Ordering::Greater && self.pair.is_some() {
            println!("{}: the connection is made anew, as it asked", self.line.name());
            self.replace(numbers.g.unwrap_or(self.generation + 1)).await;
        }
        Ok(())
    }

    async fn hung_up(&mut self, numbers: Numbers) -> Result<()> {
        if self.age(numbers) == Ordering::Less {
            return Ok(());
        }
        println!("{}: hung up", self.line.name());
        // An offer of a connection that ended before it came would come too late.
        self.generation = numbers.g.unwrap_or(self.generation);
        self.hang_up().await;
        Ok(())
    }

    async fn happened(&mut self, happening: Happening) -> Result<()> {
        match happening {
            Happening::Found(candidate) => {
                if let Some(pair) = &self.pair {
                    pair.found(&candidate).await;
                }
                Ok(())
            }
            Happening::Channel(channel) => {
                let name = channel.label().await?;
                let does = if name == COUNT || name == CHAT { Does::Answer } else { Does::Listen };
                self.serve(channel, &name, does);
                Ok(())
            }
            Happening::State(state) => self.is_now(state).await,
        }
    }

    async fn hang_up(&mut self) {
        self.close_pair().await;
        self.close_retired().await;
        self.early.clear();
        self.mended = Mended::default();
    }

    async fn close_pair(&mut self) {
        if let Some(pair) = self.pair.take() {
            pair.close().await;
        }
    }

    async fn close_retired(&mut self) {
        if let Some(retired) = self.retired.take() {
            retired.close().await;
        }
    }
}

/// What a signal carries.
fn payload<T: DeserializeOwned>(signal: &Relayed) -> Result<T> {
    let payload = signal.payload.as_ref().map_or("null", |payload| payload.get());
    serde_json::from_str(payload).with_context(|| format!("a strange {}", signal.kind.as_str()))
}
