//! The outside of a frame: its version, its sender, its time and a keyed MAC over all of it.
//!
//! ```text
//!  version 1 · sender · sent, ms of the sender's own clock 8 · frame · MAC 32
//! ```
//!
//! The version stands first and is looked at before anything else: a node of another version may do the rest as it likes. What is
//! not understood is dropped and counted by its receiver, who knows that frames get lost anyway.

use aldis_protocol::NodeId;

use crate::{
    Moment,
    cluster::{
        codec::Wire,
        frame::{Body, Frame, RevocationFrame, RoomFrame},
        ledger,
    },
};

/// The form of the envelope and of all frames.
pub const VERSION: u8 = 1;

/// The largest envelope, in bytes: a signal of the largest message, and one part of a roster, fit well.
pub const MAX_ENVELOPE: usize = 128 * 1024;

/// The length of the MAC, in bytes.
pub const MAC_LEN: usize = 32;

/// A frame with its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it.
    pub from: NodeId,
    /// When, by the sender's clock, whose zero is the sender's own.
    pub sent: Moment,
    /// What.
    pub frame: Frame,
}

/// Why bytes are not an envelope of this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unopened {
    /// It is larger than [`MAX_ENVELOPE`].
    Oversize,
    /// It is of another version.
    Version(u8),
    /// Its MAC is not of this cluster's key.
    Forged,
    /// It is authentic, and makes no sense.
    Junk,
}

impl Envelope {
    /// The bytes to publish; none if they would be more than [`MAX_ENVELOPE`]. `mac` is computed with the cluster's key.
    pub fn seal(&self, mac: impl FnOnce(&[u8]) -> [u8; MAC_LEN]) -> Option<Vec<u8>> {
        let mut bytes = vec![VERSION];
        self.from.write(&mut bytes);
        self.sent.0.write(&mut bytes);
        self.frame.write(&mut bytes);
        let mac = mac(&bytes);
        bytes.extend_from_slice(&mac);
        (bytes.len() <= MAX_ENVELOPE).then_some(bytes)
    }

    /// Reads what somebody published. `is_authentic` compares a MAC in constant time.
    ///
    /// # Errors
    /// Why the bytes count for nothing.
    pub fn open(bytes: &[u8], is_authentic: impl FnOnce(&[u8], &[u8; MAC_LEN]) -> bool) -> Result<Self, Unopened> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(Unopened::Oversize);
        }
        let (version, _) = bytes.split_first().ok_or(Unopened::Junk)?;
        if *version != VERSION {
            return Err(Unopened::Version(*version));
        }
        let (signed, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(Unopened::Junk)?;
        if !is_authentic(signed, mac) {
            return Err(Unopened::Forged);
        }
        let mut rest = signed.get(1..).ok_or(Unopened::Junk)?;
        let envelope = Self::read(&mut rest).filter(|_| rest.is_empty());
        envelope.filter(|envelope| envelope.frame.makes_sense()).ok_or(Unopened::Junk)
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { from: Wire::read(bytes)?, sent: Moment(Wire::read(bytes)?), frame: Wire::read(bytes)? })
    }
}

impl Frame {
    /// The version and the frame, for a carrier that has a sender, a time and a MAC of its own.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        self.write(&mut bytes);
        bytes
    }

    /// Reads what such a carrier has brought, and found to be authentic.
    ///
    /// # Errors
    /// Why the bytes count for nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unopened> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(Unopened::Oversize);
        }
        let (version, mut rest) = bytes.split_first().ok_or(Unopened::Junk)?;
        if *version != VERSION {
            return Err(Unopened::Version(*version));
        }
        let frame: Option<Self> = Wire::read(&mut rest);
        frame.filter(|frame| rest.is_empty() && frame.makes_sense()).ok_or(Unopened::Junk)
    }

    /// A part is one of its parts, and there are not more than a roster can have.
    fn makes_sense(&self) -> bool {
        match self {
            Self::Room { frame: RoomFrame { body: Body::Roster { part, parts, .. }, .. } } => {
                part < parts && *parts <= MAX_PARTS
            }
            Self::Revocation { frame: RevocationFrame::Part { part, parts, .. } } => {
                part < parts && *parts <= ledger::MAX_PARTS
            }
            Self::Room { .. } | Self::Node { .. } | Self::Revocation { .. } => true,
        }
    }
}

/// The most parts of one roster.
pub(crate) const MAX_PARTS: u32 = 64;

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path, sync::Arc};

    use aldis_protocol::{
        ErrorCode, Identity, Json, MsgId, Naming, Outcome, PeerId, Presence, RoomId, SignalKind, TokenId,
        server::{LeaveReason, ReceiptStatus},
    };

    use super::*;
    use crate::{
        Duplicates, Parcel,
        cluster::frame::{Change, Claim, Departed, Entry, Joining, News, NodeFrame},
        revocation::{Revocation, Standing, Target, Terms},
    };

    fn id(name: &str) -> PeerId {
        PeerId::parse(name).expect("an id")
    }

    fn node(name: &str) -> NodeId {
        NodeId::parse(name).expect("an id")
    }

    fn entry() -> Entry {
        Entry {
            id: id("p"),
            seq: 7,
            generation: u64::MAX,
            identity: Identity::parse("auth0|ann").expect("an identity"),
            name: Some("Änn".to_owned()),
            metadata: Some(Json::parse(r#"{ "a": 1 }"#).expect("JSON")),
            attributes: None,
            features: vec!["streams".to_owned()],
            previous: Some(id("q")),
            presence: Presence::Away,
            duplicates: Duplicates::Reject,
        }
    }

    /// One of every kind.
    fn frames() -> Vec<Frame> {
        let departed = Departed { id: id("d"), reason: LeaveReason::Removed, remaining_ms: 5 };
        let parcel = |naming| Parcel { from: id("p"), kind: SignalKind::Offer, naming, text: Arc::from("{\"ä\":1}") };
        let msg = || MsgId::parse("m").expect("a msg");
        let bodies = vec![
            Body::Who { asker: id("a"), joining: Some(3), claim: Some(Claim { peer: id("p"), generation: 2 }) },
            Body::Ask { asker: None },
            Body::Roster {
                asker: Some(id("a")),
                part: 1,
                parts: 2,
                peers: vec![entry(), entry()],
                left: vec![departed.clone()],
                joining: vec![Joining { place: 4, id: id("j") }],
                nodes: vec![node("n")],
                yielded: Some(Box::new(entry())),
            },
            Body::Delta { since: 1, change: Change::Now { peer: Box::new(entry()) } },
            Body::Delta { since: 1, change: Change::Left { departed: departed.clone() } },
            Body::Delta { since: 1, change: Change::Released { id: id("p") } },
            Body::Announce {},
            Body::Compare { yours: 9 },
            Body::Signal { to: Some(id("b")), parcel: parcel(Naming::Receipt(msg())) },
            Body::Signal { to: None, parcel: parcel(Naming::Named(msg())) },
            Body::Signal { to: None, parcel: parcel(Naming::Anonymous) },
            Body::Tell { to: id("p"), news: News::Receipt { re: msg(), status: ReceiptStatus::Parked } },
            Body::Tell {
                to: id("p"),
                news: News::Refused {
                    code: ErrorCode::Unavailable,
                    to: id("b"),
                    re: Some(msg()),
                    outcome: Some(Outcome::Unknown),
                },
            },
            Body::Tell { to: id("p"), news: News::Checked { id: id("b"), presence: Presence::Gone } },
            Body::Remove { by: id("p"), id: id("b"), reason: Some("noise".to_owned()) },
            Body::Check { asker: id("p"), id: id("b") },
            Body::Dead { departed },
            Body::Moved { to: id("b"), node: node("n2"), parcel: parcel(Naming::Receipt(msg())) },
            Body::Again { to: id("b"), parcel: parcel(Naming::Anonymous) },
        ];
        let room = RoomId::parse("r").expect("a room");
        let of = room.clone();
        let rooms = bodies
            .into_iter()
            .map(move |body| Frame::Room { frame: RoomFrame { room: of.clone(), seq: 1, version: 2, body } });
        let nodes = [NodeFrame::Beat { number: 1 }, NodeFrame::Bye {}, NodeFrame::Digest { mine: 1, yours: 2 }];
        let identity = Identity::parse("ann").expect("an identity");
        let token = TokenId::parse("0b9e6c1e").expect("a jti");
        let targets = [
            Target::Token { id: token },
            Target::Identity { identity: identity.clone() },
            Target::Issued { identity: identity.clone() },
            Target::Room { room: room.clone() },
            Target::Member { room, identity },
        ];
        let terms = |standing| Terms { round: 1, standing, until: 2, not_before: 3, reason: Some("spam".to_owned()) };
        let revoked = |standing| {
            let revocation = |target: &Target| Revocation { target: target.clone(), terms: terms(standing) };
            targets.iter().map(revocation).collect::<Vec<_>>()
        };
        let revocations = [
            RevocationFrame::News { revocations: revoked(Standing::Held) },
            RevocationFrame::Held { digest: 7 },
            RevocationFrame::Starting {},
            RevocationFrame::Copy { digest: 7 },
            RevocationFrame::Part { part: 1, parts: 2, revocations: revoked(Standing::Lifted) },
        ];
        let nodes = nodes.map(|frame| Frame::Node { frame });
        rooms.chain(nodes).chain(revocations.map(|frame| Frame::Revocation { frame })).collect()
    }

    /// The fuzzer of frames begins with them: `ALDIS_BLESS=1 cargo test -p aldis-core seeds` writes them again.
    #[test]
    fn the_fuzzers_seeds_are_one_of_every_kind() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/frame");
        for (number, frame) in frames().iter().enumerate() {
            let seed = seeds.join(format!("{number:02}"));
            if env::var_os("ALDIS_BLESS").is_some() {
                fs::write(&seed, frame.to_bytes()).expect("written");
            }
            assert_eq!(fs::read(&seed).expect("a seed"), frame.to_bytes(), "{}: {frame:?}", seed.display());
        }
    }

    /// No real MAC: one that depends on every byte and its place.
    fn mac(bytes: &[u8]) -> [u8; MAC_LEN] {
        let sum = bytes.iter().fold(1_u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte));
        let mut mac = [0x5a; MAC_LEN];
        mac[..8].copy_from_slice(&sum.to_be_bytes());
        mac
    }

    fn open(bytes: &[u8]) -> Result<Envelope, Unopened> {
        Envelope::open(bytes, |signed, tag| mac(signed) == *tag)
    }

    fn sealed(frame: Frame) -> (Envelope, Vec<u8>) {
        let envelope = Envelope { from: node("n1"), sent: Moment(1_000), frame };
        let bytes = envelope.seal(mac).expect("small");
        (envelope, bytes)
    }

    #[test]
    fn every_frame_comes_back_as_it_was() {
        for frame in frames() {
            let (envelope, bytes) = sealed(frame);
            assert_eq!(open(&bytes), Ok(envelope));
        }
    }

    #[test]
    fn a_frame_travels_alone_where_its_carrier_has_the_rest() {
        for frame in frames() {
            let bytes = frame.to_bytes();
            assert_eq!(Frame::from_bytes(&bytes), Ok(frame));
            for end in 1..bytes.len() {
                assert_eq!(Frame::from_bytes(&bytes[..end]), Err(Unopened::Junk), "{end} bytes");
            }
            assert_eq!(Frame::from_bytes(&[&*bytes, &[0]].concat()), Err(Unopened::Junk));
        }
        assert_eq!(Frame::from_bytes(&[]), Err(Unopened::Junk));
        assert_eq!(Frame::from_bytes(&[2, 0]), Err(Unopened::Version(2)));
        assert_eq!(Frame::from_bytes(&vec![VERSION; MAX_ENVELOPE + 1]), Err(Unopened::Oversize));
    }

    #[test]
    fn what_is_not_ours_is_told_apart_and_never_a_panic() {
        for frame in frames() {
            let (_, bytes) = sealed(frame);
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                let expected = if at == 0 { Unopened::Version(0) } else { Unopened::Forged };
                assert_eq!(open(&changed), Err(expected), "byte {at}");
                assert!(open(&bytes[..at]).is_err(), "{at} bytes");
            }
        }
        assert_eq!(open(&[]), Err(Unopened::Junk));
        assert_eq!(open(&[2, 3]), Err(Unopened::Version(2)));
        assert_eq!(open(&vec![VERSION; MAX_ENVELOPE + 1]), Err(Unopened::Oversize));
    }

    #[test]
    fn an_authentic_frame_that_makes_no_sense_is_junk() {
        // A node with the right key and a mistake: cut short, with a byte too many, and with each byte another one.
        for frame in frames() {
            let (_, bytes) = sealed(frame);
            let signed = &bytes[..bytes.len() - MAC_LEN];
            let trusted = |signed: &[u8]| Envelope::open(&[signed, &[0; MAC_LEN]].concat(), |_, _| true);
            for end in 1..signed.len() {
                assert_eq!(trusted(&signed[..end]), Err(Unopened::Junk), "{end} bytes");
            }
            assert_eq!(trusted(&[signed, &[0]].concat()), Err(Unopened::Junk));
            for at in 1..signed.len() {
                for bit in 0..8 {
                    let mut changed = signed.to_vec();
                    changed[at] ^= 1 << bit;
                    // Whatever it says, it says it without a panic and without a huge allocation.
                    let _ = trusted(&changed);
                }
            }
        }
    }

    #[test]
    fn a_frame_beyond_the_cap_is_not_published() {
        let text = Arc::from("x".repeat(MAX_ENVELOPE));
        let parcel = Parcel { from: id("p"), kind: SignalKind::Message, naming: Naming::Anonymous, text };
        let body = Body::Signal { to: None, parcel };
        let frame = RoomFrame { room: RoomId::parse("r").expect("a room"), seq: 1, version: 2, body };
        let envelope = Envelope { from: node("n1"), sent: Moment(0), frame: Frame::Room { frame } };
        assert_eq!(envelope.seal(mac), None);
    }
}
