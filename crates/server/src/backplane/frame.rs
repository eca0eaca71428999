//! What goes over the broker: bytes with a header and a keyed MAC.
//!
//! ```text
//!  version 1 · kind 1 · sent at, Unix ms 8 · length of sender 1 · sender · payload · HMAC-SHA256 32
//!  HMAC over  length of the subject's name 1 · name · all before it
//! ```
//!
//! The name is part of what is signed, so that a frame counts only where it was sent to: with its prefix it keeps deployments apart
//! that share a broker and a secret.

use aldis_protocol::NodeId;
use thiserror::Error;

use crate::mac_ring::MacRing;

/// The longest payload of a frame, in bytes: twice the longest message of a client, for what nodes say about it.
pub const MAX_PAYLOAD: usize = 128 * 1024;

/// The form of the frame. Another one is dropped: it comes from a node of another version.
const VERSION: u8 = 1;

const HEAD_LEN: usize = 1 + 1 + 8 + 1;
const MAC_LEN: usize = 32;
const MAX_FRAME: usize = HEAD_LEN + 128 + MAX_PAYLOAD + MAC_LEN;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// From node to node.
    Data,
    /// From a node to its own inbox.
    Probe,
}

/// An authentic frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) sent_at_ms: u64,
    pub(super) from: NodeId,
    pub(super) payload: &'a [u8],
}

/// Why bytes on one of our subjects count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    #[error("the frame is longer than any of ours")]
    Oversize,
    #[error("the frame is malformed")]
    Malformed,
    #[error("the frame is of another version")]
    Version,
    #[error("the frame is not authentic on this subject")]
    NotAuthentic,
}

impl FrameError {
    /// The value of the metric's label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::NotAuthentic => "mac",
        }
    }
}

/// Signs and opens frames.
#[derive(Debug, Clone)]
pub(super) struct Sealer {
    keys: MacRing,
}

impl Sealer {
    pub(super) fn new(keys: MacRing) -> Self {
        Self { keys }
    }

    /// Makes a frame for the subject of this name.
    pub(super) fn seal(&self, name: &str, frame: &Frame<'_>) -> Vec<u8> {
        let from = frame.from.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEAD_LEN + from.len() + frame.payload.len() + MAC_LEN);
        bytes.push(VERSION);
        bytes.push(match frame.kind {
            Kind::Data => 0,
            Kind::Probe => 1,
        });
        bytes.extend_from_slice(&frame.sent_at_ms.to_be_bytes());
        bytes.push(short(from.len()));
        bytes.extend_from_slice(from);
        bytes.extend_from_slice(frame.payload);
        let mac = self.keys.sign(&[&[short(name.len())], name.as_bytes(), &bytes]);
        bytes.extend_from_slice(mac.as_ref());
        bytes
    }

    /// Reads a frame that arrived on the subject of this name.
    ///
    /// The version is looked at before the MAC, which another version may place elsewhere; nothing else is believed before it.
    pub(super) fn open<'a>(&self, name: &str, bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Oversize);
        }
        if bytes.first().ok_or(FrameError::Malformed)? != &VERSION {
            return Err(FrameError::Version);
        }
        let (body, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(FrameError::Malformed)?;
        if !self.keys.has_signed(&[&[short(name.len())], name.as_bytes(), body], mac) {
            return Err(FrameError::NotAuthentic);
        }

        let (head, rest) = body.split_first_chunk::<HEAD_LEN>().ok_or(FrameError::Malformed)?;
        let [_, kind, sent_at @ .., length] = head;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Probe,
            _ => return Err(FrameError::Malformed),
        };
        let (from, payload) = rest.split_at_checked(usize::from(*length)).ok_or(FrameError::Malformed)?;
        let from = std::str::from_utf8(from).ok().and_then(|text| NodeId::parse(text).ok());
        let sent_at_ms = u64::from_be_bytes(*sent_at);
        Ok(Frame { kind, sent_at_ms, from: from.ok_or(FrameError::Malformed)?, payload })
    }
}

/// A length that is at most 128: of a node's id or of a subject's name.
fn short(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    fn sealer(key: &[u8]) -> Sealer {
        Sealer::new(hmac::Key::new(hmac::HMAC_SHA256, key).into())
    }

    fn frame(payload: &[u8]) -> Frame<'_> {
        let from = NodeId::parse("north").expect("an id");
        Frame { kind: Kind::Data, sent_at_ms: u64::MAX - 1, from, payload }
    }

    #[test]
    fn a_frame_comes_back_on_its_subject() {
        let own = sealer(b"one");
        for payload in [&b""[..], b"x", &vec![7; MAX_PAYLOAD]] {
            let sealed = own.seal("aldis.n", &frame(payload));
            assert_eq!(own.open("aldis.n", &sealed), Ok(frame(payload)));
        }
    }

    #[test]
    fn a_frame_of_another_key_or_subject_or_changed_in_any_byte_counts_for_nothing() {
        let own = sealer(b"one");
        let sealed = own.seal("aldis.n", &frame(b"hello"));
        assert_eq!(sealer(b"two").open("aldis.n", &sealed), Err(FrameError::NotAuthentic));
        assert_eq!(own.open("other.n", &sealed), Err(FrameError::NotAuthentic));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at == 0 { FrameError::Version } else { FrameError::NotAuthentic };
            assert_eq!(own.open("aldis.n", &changed), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn junk_is_told_apart() {
        let own = sealer(b"one");
        let cases: [(&[u8], FrameError); 5] = [
            (b"", FrameError::Malformed),
            (b"\x01", FrameError::Malformed),
            (b"\x02 from a later version", FrameError::Version),
            (&[1; 200], FrameError::NotAuthentic),
            (&vec![1; MAX_FRAME + 1], FrameError::Oversize),
        ];
        for (bytes, error) in cases {
            assert_eq!(own.open("aldis.n", bytes), Err(error));
        }
    }

    #[test]
    fn an_authentic_frame_may_still_be_malformed() {
        let own = sealer(b"one");
        let bodies: [&[u8]; 4] = [
            b"\x01",
            b"\x01\x07\0\0\0\0\0\0\0\0\x01n",
            b"\x01\0\0\0\0\0\0\0\0\0\x05no",
            b"\x01\0\0\0\0\0\0\0\0\0\x02a b",
        ];
        for body in bodies {
            let sealed = [body, own.keys.sign(&[&[7], b"aldis.n", body]).as_ref()].concat();
            assert_eq!(own.open("aldis.n", &sealed), Err(FrameError::Malformed), "{body:?}");
        }
    }
}
