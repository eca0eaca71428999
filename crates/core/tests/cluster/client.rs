//! What a client makes of what it gets.

use std::collections::{BTreeMap, BTreeSet};

use aldis_core::{Admission, Age, Reach, Stamp, Ticket, output::Continuity};
use aldis_protocol::{
    ErrorCode, PeerId, PeerInfo, Presence, ServerMessage,
    server::{LeaveReason, ReceiptStatus},
};

pub(crate) type Check = Result<(), String>;

/// Somebody with a browser.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) room: usize,
    pub(crate) identity: usize,
    /// Its connection, and the node of that.
    pub(crate) link: Option<usize>,
    pub(crate) seated: bool,
    pub(crate) ticket: Option<Ticket>,
    /// What its last token showed of itself.
    pub(crate) stamp: Stamp,
    /// The ticket before the last welcome.
    pub(crate) before: Option<Ticket>,
    pub(crate) roster: BTreeMap<PeerId, Presence>,
    /// To whom it yields, of everybody it ever saw in this stay.
    pub(crate) yields: BTreeMap<PeerId, bool>,
    buried: BTreeSet<PeerId>,
    pub(crate) stays: u64,
    /// Whether it was told of the peers of other nodes when it came.
    pub(crate) reach: Option<Reach>,
    /// The last answer to a `check`.
    pub(crate) checked: Option<Presence>,
}

/// What a step of a client tells the world.
pub(crate) enum Told {
    Nothing,
    /// Somebody is there.
    Seen(PeerId),
    /// Somebody is away, or unreachable.
    Missing(PeerId),
    /// Somebody is dead for ever.
    Final(PeerId, LeaveReason),
    /// A message of its has its answer.
    Settled(usize),
}

impl Client {
    pub(crate) fn new(room: usize, identity: usize) -> Self {
        Self { room, identity, ..Self::default() }
    }

    pub(crate) fn id(&self) -> Option<&PeerId> {
        self.ticket.as_ref().map(|ticket| &ticket.peer)
    }

    /// Its place in the order of its room.
    pub(crate) fn place(&self) -> Option<(u64, &PeerId)> {
        self.ticket.as_ref().map(|ticket| (ticket.seq, &ticket.peer))
    }

    pub(crate) fn welcome(&mut self, welcome: &Admission<usize>) -> Check {
        let id = welcome.seat.peer.clone();
        if welcome.continuity == Continuity::New {
            ensure!(self.id() != Some(&id), "{id} is a new stay with an old id");
            self.yields.clear();
            self.buried.clear();
            self.stays += 1;
        } else {
            ensure!(self.id() == Some(&id), "resumes as {id}, it was {:?}", self.id());
            let before = self.ticket.as_ref().map_or(0, |ticket| ticket.generation);
            ensure!(welcome.generation > before, "generation {} follows {before}", welcome.generation);
        }
        self.before = self.ticket.take();
        self.ticket =
            Some(Ticket { peer: id.clone(), seq: welcome.seq, generation: welcome.generation, age: Age::Fresh });
        self.seated = true;
        self.reach = Some(welcome.reach);
        self.roster.clear();
        // Another node may not have heard yet of everybody who is dead.
        self.buried = welcome.left.iter().cloned().collect();
        for peer in &welcome.peers {
            ensure!(peer.id != id, "{id} is among its own peers");
            ensure!(!self.roster.contains_key(&peer.id), "{} is in the welcome twice", peer.id);
            self.see(peer)?;
        }
        Ok(())
    }

    pub(crate) fn message(&mut self, message: &ServerMessage) -> Result<Told, String> {
        match message {
            ServerMessage::PeerJoined { peer } => {
                ensure!(!self.roster.contains_key(&peer.id), "{} joins twice", peer.id);
                self.see(peer)?;
                return Ok(Told::Seen(peer.id.clone()));
            }
            ServerMessage::PeerUpdated { peer } => {
                let known = self.roster.get(&peer.id).copied();
                ensure!(
                    known == Some(peer.presence),
                    "an update of {} as {:?}, it was {known:?}",
                    peer.id,
                    peer.presence
                );
                self.see(peer)?;
            }
            ServerMessage::PeerAway { id } => {
                self.change(id, Presence::Here, Presence::Away)?;
                return Ok(Told::Missing(id.clone()));
            }
            ServerMessage::PeerBack { id } => self.change(id, Presence::Away, Presence::Here)?,
            ServerMessage::PeerLeft { id, reason, is_final } => {
                ensure!(self.roster.remove(id).is_some(), "{id} leaves without having been there");
                ensure!(*is_final == (*reason != LeaveReason::Unreachable), "{id} left, {reason:?}, final: {is_final}");
                if *is_final {
                    self.buried.insert(id.clone());
                    return Ok(Told::Final(id.clone(), *reason));
                }
                return Ok(Told::Missing(id.clone()));
            }
            ServerMessage::Checked { presence, .. } => self.checked = Some(*presence),
            ServerMessage::Receipt { re, status: ReceiptStatus::Written } => {
                return Ok(Told::Settled(re.as_str().parse().map_err(|_| "a strange receipt")?));
            }
            ServerMessage::Error(error) => {
                ensure!(error.code != ErrorCode::Internal, "an internal error");
                if let Some(re) = &error.re {
                    return Ok(Told::Settled(re.as_str().parse().map_err(|_| "a strange error")?));
                }
            }
            _ => {}
        }
        Ok(Told::Nothing)
    }

    /// A signal is from somebody who is there.
    pub(crate) fn hear(&self, from: &PeerId) -> Check {
        ensure!(!self.buried.contains(from), "a signal follows the `peer-left` of {from}");
        ensure!(self.roster.contains_key(from), "a signal from {from}, who is not in the roster");
        Ok(())
    }

    fn see(&mut self, peer: &PeerInfo) -> Check {
        ensure!(!self.buried.contains(&peer.id), "{} is back from the dead", peer.id);
        let before = self.yields.insert(peer.id.clone(), peer.polite);
        ensure!(before.is_none_or(|before| before == peer.polite), "politeness to {} has changed", peer.id);
        self.roster.insert(peer.id.clone(), peer.presence);
        Ok(())
    }

    fn change(&mut self, id: &PeerId, from: Presence, to: Presence) -> Check {
        let before = self.roster.insert(id.clone(), to);
        ensure!(before == Some(from), "{id} becomes {to:?}, it was {before:?}");
        Ok(())
    }
}
