//! The way to one peer, through the room.

use aldis_client::{Addressed, Outgoing, Room, Undelivered, Why};
use aldis_protocol::{PeerId, PeerInfo};
use serde_json::{Value, json};

use crate::numbers::Numbers;

/// What peers call it that keep streams, and so number their descriptions.
const STREAMS: &str = "streams";

/// Says things to one peer.
#[derive(Clone)]
pub struct Line {
    room: Room,
    id: PeerId,
    name: String,
    is_numbered: bool,
}

impl Line {
    /// The way to a peer of the room.
    pub fn new(room: Room, peer: &PeerInfo) -> Self {
        let is_numbered = peer.features.iter().any(|feature| feature == STREAMS);
        Self { room, id: peer.id.clone(), name: peer.identity.to_string(), is_numbered }
    }

    /// Who is there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it numbers its descriptions. To others goes no number either.
    pub fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// A description that offers.
    pub fn offer(&self, sdp: &str, numbers: Numbers) {
        self.tell(Outgoing::offer(&self.id, sdp), numbers);
    }

    /// A description that answers.
    pub fn answer(&self, sdp: &str, numbers: Numbers) {
        self.tell(Outgoing::answer(&self.id, sdp), numbers);
    }

    /// An address that this side can be reached at, as an `RTCIceCandidateInit`.
    pub fn candidate(&self, candidate: Value, numbers: Numbers) {
        self.tell(Outgoing::ice_candidate(&self.id, candidate), numbers);
    }

    /// Its offer failed here.
    pub fn nack(&self, numbers: Numbers) {
        self.tell(Outgoing::nack(&self.id, json!({})), numbers);
    }

    /// It is to start ICE afresh; or, without a number, to make the first offer.
    pub fn restart(&self, numbers: Numbers) {
        self.tell(Outgoing::restart(&self.id, json!({})), numbers);
    }

    /// Both are to make a new connection, of the number that is named.
    pub fn rebuild(&self, numbers: Numbers) {
        self.tell(Outgoing::rebuild(&self.id, json!({})), numbers);
    }

    /// This side has ended that connection.
    pub fn hangup(&self, numbers: Numbers) {
        self.tell(Outgoing::hangup(&self.id, None), numbers);
    }

    fn tell(&self, message: Addressed, numbers: Numbers) {
        let message = if self.is_numbered { message.x(numbers.to_x()) } else { message };
        let delivery = self.room.send(message);
        let name = self.name.clone();
        tokio::spawn(async move {
            match delivery.await {
                // That is told otherwise.
                Ok(()) | Err(Undelivered { why: Why::Left | Why::PeerLeft, .. }) => {}
                Err(undelivered) => eprintln!("{name}: {undelivered}"),
            }
        });
    }
}
