//! What a client makes of what it gets, over all connections of one stay.

use std::collections::{BTreeMap, BTreeSet};

use aldis_core::Admission;
use aldis_protocol::{PeerInfo, Presence, ServerMessage};

use crate::world::number;

#[derive(Default)]
pub(crate) struct Client {
    pub(crate) roster: BTreeMap<usize, Presence>,
    /// To whom it yields, of everybody it ever saw: that never changes.
    pub(crate) yields: BTreeMap<usize, bool>,
    buried: BTreeSet<usize>,
    /// The last signal of each sender.
    heard: BTreeMap<usize, usize>,
}

impl Client {
    pub(crate) fn welcome(&mut self, welcome: &Admission<usize>) -> Result<(), String> {
        self.roster.clear();
        self.buried.extend(welcome.left.iter().map(number));
        for peer in &welcome.peers {
            self.see(peer)?;
        }
        ensure!(!welcome.peer.polite, "yields to itself");
        ensure!(!self.roster.contains_key(&number(&welcome.peer.id)), "is among its own peers");
        Ok(())
    }

    pub(crate) fn event(&mut self, message: &ServerMessage) -> Result<(), String> {
        match message {
            ServerMessage::PeerJoined { peer } => {
                ensure!(!self.roster.contains_key(&number(&peer.id)), "{} joins twice", peer.id);
                self.see(peer)
            }
            ServerMessage::PeerUpdated { peer } => {
                let known = self.roster.get(&number(&peer.id)).copied();
                ensure!(
                    known == Some(peer.presence),
                    "an update of {} as {:?}, it was {known:?}",
                    peer.id,
                    peer.presence
                );
                self.see(peer)
            }
            ServerMessage::PeerAway { id } => self.change(number(id), Presence::Here, Presence::Away),
            ServerMessage::PeerBack { id } => self.change(number(id), Presence::Away, Presence::Here),
            ServerMessage::PeerLeft { id, is_final, .. } => {
                ensure!(*is_final, "{id} left, but not for good");
                ensure!(self.roster.remove(&number(id)).is_some(), "{id} leaves without having been there");
                self.buried.insert(number(id));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A signal is from somebody who is there, and in the order of sending.
    pub(crate) fn hear(&mut self, from: usize, signal: usize, rerouted: bool) -> Result<(), String> {
        ensure!(!self.buried.contains(&from), "signal {signal} follows the `peer-left` of p{from}");
        ensure!(self.roster.contains_key(&from), "signal {signal} is from p{from}, who is not in the roster");
        if !rerouted {
            let before = self.heard.insert(from, signal);
            ensure!(before.is_none_or(|before| before < signal), "signal {signal} of p{from} comes after {before:?}");
        }
        Ok(())
    }

    fn see(&mut self, peer: &PeerInfo) -> Result<(), String> {
        let id = number(&peer.id);
        ensure!(!self.buried.contains(&id), "{} is back from the dead", peer.id);
        let before = self.yields.insert(id, peer.polite);
        ensure!(before.is_none_or(|before| before == peer.polite), "politeness to {} has changed", peer.id);
        self.roster.insert(id, peer.presence);
        Ok(())
    }

    fn change(&mut self, id: usize, from: Presence, to: Presence) -> Result<(), String> {
        let before = self.roster.insert(id, to);
        ensure!(before == Some(from), "p{id} becomes {to:?}, it was {before:?}");
        Ok(())
    }
}
