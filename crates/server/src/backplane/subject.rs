//! Where a frame goes, and what that is called at the broker.

use std::{fmt, sync::Arc};

use aldis_protocol::{NodeId, RoomId};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

/// Where a frame goes. There is none for a single peer: thousands of them would be subscribed again after every outage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One node: signals, claims, answers.
    Inbox(NodeId),
    /// The nodes with somebody in this room.
    Room(RoomId),
    /// All nodes.
    Nodes,
}

/// The beginning of every name, so that several deployments can share a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

/// The text is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a prefix is 1 to 32 of [A-Za-z0-9_-]")]
pub struct InvalidPrefix;

impl Default for Prefix {
    fn default() -> Self {
        Self(Arc::from("aldis"))
    }
}

impl Prefix {
    /// Checks a prefix.
    ///
    /// # Errors
    /// It is empty, too long, or has characters that mean something to a broker.
    pub fn parse(text: &str) -> Result<Self, InvalidPrefix> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=32).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidPrefix)
        }
    }

    /// The name of a subject, of at most 60 bytes.
    ///
    /// Ids are hashed: they may hold dots and be longer than a broker likes, and need not be known to who watches it.
    pub(super) fn name(&self, subject: &Subject) -> Arc<str> {
        match subject {
            Subject::Inbox(node) => format!("{self}.i.{}", hash(node.as_str())),
            Subject::Room(room) => format!("{self}.r.{}", hash(room.as_str())),
            Subject::Nodes => format!("{self}.n"),
        }
        .into()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 128 bits of SHA-256, as 22 characters that every broker takes.
fn hash(id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, id.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_of_every_deployment_has_a_name_of_its_own() {
        let [one, two] = ["one", "two"].map(|text| Prefix::parse(text).expect("a prefix"));
        let subjects = [
            Subject::Inbox(NodeId::parse("a..b").expect("an id")),
            Subject::Room(RoomId::parse("a..b").expect("a room")),
            Subject::Room(RoomId::parse("a..B").expect("a room")),
            Subject::Nodes,
        ];
        let names: Vec<_> = [&one, &two].iter().flat_map(|prefix| subjects.iter().map(|of| prefix.name(of))).collect();
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        for name in names {
            assert!(name.len() <= 60 && name.split('.').all(|token| !token.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_prefix_means_nothing_to_a_broker() {
        let long = "x".repeat(33);
        for bad in ["", "a.b", "a*", ">", "a b", "ä", &long] {
            assert_eq!(Prefix::parse(bad), Err(InvalidPrefix), "{bad}");
        }
    }
}
