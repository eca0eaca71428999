//! What the server says: who is there, what changed, and what concerns this side alone.

use std::time::Duration;

use aldis_protocol::{Presence, ServerMessage, Welcome, WireError, error::Effect, server::ReceiptStatus};

use super::{
    super::{delivery::Due, event::Event, roster::Change, undelivered::Why},
    Renewal, Session,
};
use crate::streams::Moment;

impl<T> Session<T> {
    /// A new stay.
    pub(super) fn begin(&mut self, welcome: &Welcome, now: Moment, due: &mut Due<T>) {
        self.delivery.clear(&Why::NewStay, due);
        self.roster.begin(&welcome.peers);
        for peer in &welcome.peers {
            let epoch = self.epoch();
            self.delivery.add(peer, epoch, now, due);
        }
        self.tell(Event::Joined { me: welcome.peer.clone(), peers: welcome.peers.clone() });
    }

    /// The same stay.
    pub(super) fn go_on(&mut self, welcome: &Welcome, now: Moment, due: &mut Due<T>) {
        self.tell(Event::Resumed);
        self.tell(Event::IceServers(welcome.ice.clone()));
        for change in self.roster.reconcile(welcome, now) {
            self.apply(change, now, due);
        }
    }

    pub(super) fn handle(&mut self, message: ServerMessage, now: Moment, due: &mut Due<T>) {
        let change = match message {
            ServerMessage::PeerJoined { peer } => {
                for change in self.roster.joined(*peer) {
                    self.apply(change, now, due);
                }
                return;
            }
            ServerMessage::PeerUpdated { peer } => self.roster.updated(*peer),
            ServerMessage::PeerAway { id } => self.roster.present(&id, Presence::Away),
            ServerMessage::PeerBack { id } => self.roster.present(&id, Presence::Here),
            ServerMessage::PeerLeft { id, reason, is_final: true } => self.roster.left(&id, reason),
            // It may come back under the same id.
            ServerMessage::PeerLeft { id, is_final: false, .. } => self.roster.present(&id, Presence::Away),
            ServerMessage::Checked { id, presence: presence @ (Presence::Here | Presence::Away) } => {
                self.roster.present(&id, presence)
            }
            other => return self.hear(other, now, due),
        };
        if let Some(change) = change {
            self.apply(change, now, due);
        }
    }

    /// What is about nobody in the room.
    fn hear(&mut self, message: ServerMessage, now: Moment, due: &mut Due<T>) {
        match message {
            ServerMessage::IceServers(ice) => {
                self.ice = ice.clone();
                self.tell(Event::IceServers(ice));
            }
            ServerMessage::Resume { token } => self.resume = Some(token),
            ServerMessage::Receipt { re, status: ReceiptStatus::Written } => self.delivery.written(&re, due),
            ServerMessage::Error(error) => self.complain(*error, now, due),
            ServerMessage::AuthOk { .. } => self.renew(Renewal::None),
            ServerMessage::TokenExpiring { .. } if self.renewable => self.ask_for_token(1),
            ServerMessage::Reconnect { within_ms, .. } => {
                let random = (self.chance)();
                self.way.hinted(Duration::from_millis(within_ms), random, now);
            }
            // The rest is of no consequence, or was handled before.
            _ => {}
        }
    }

    fn complain(&mut self, error: WireError, now: Moment, due: &mut Due<T>) {
        // What closes the connection is said again by its end.
        if matches!(error.code.effect(), Effect::Closes(_)) {
            return;
        }
        // One about a message that nobody knows is about a peer that has left.
        if let Some(error) = self.delivery.refuse(error, now, due).filter(|error| error.re.is_none()) {
            self.tell(Event::Refused(error));
        }
    }

    pub(super) fn apply(&mut self, change: Change, now: Moment, due: &mut Due<T>) {
        match change {
            Change::Joined(peer) => {
                let epoch = self.epoch();
                self.delivery.add(&peer, epoch, now, due);
                self.tell(Event::PeerJoined(peer));
            }
            Change::Updated(peer) => {
                self.delivery.present(&peer.id, peer.presence, now);
                self.tell(Event::PeerUpdated(peer));
            }
            Change::Left(peer, reason) => {
                self.delivery.remove(&peer.id, &Why::PeerLeft, now, due);
                self.tell(Event::PeerLeft { peer, reason });
            }
        }
    }
}
