//! The keys a cluster shares, and the resume token: proof of having been a certain peer.
//!
//! A resume token is text of at most 256 bytes that the server signs and reads back; nothing in it is secret. It counts only in
//! `hello` and only together with a valid JWT of the same identity and room: both are part of what is signed, though not of the
//! token, so a token shown with another identity or in another room is no more authentic than a forged one.
//!
//! ```text
//!  base64url( version 1 · issued at, ms 8 · seq 8 · generation 8 · peer id 1..128 · HMAC-SHA256 32 )
//!  HMAC over  all before it · length of identity 1 · identity · room
//! ```

use aldis_core::{Age, Ticket};
use aldis_protocol::{Identity, Limits, PeerId, RoomId};
use aws_lc_rs::{error::Unspecified, hkdf, hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use crate::{
    config::{MIN_SECRET_BYTES, Secret},
    mac_ring::MacRing,
};

/// The longest resume token, in bytes of text. The longest peer id makes one of 247.
pub const MAX_RESUME_TOKEN: usize = 256;

/// The form of the token; another one is refused.
const VERSION: u8 = 1;

const MAC_LEN: usize = 32;
const HEAD_LEN: usize = 1 + 3 * 8;

/// The keys that all nodes of a cluster derive from its one secret, each for one purpose, by HKDF-SHA256.
#[derive(Debug, Clone)]
pub struct ClusterKeys {
    /// Signs resume tokens.
    pub resume: MacRing,
    /// Makes the pseudonyms of identities in TURN usernames.
    pub turn_tag: MacRing,
    /// Signs the frames between nodes.
    pub frames: MacRing,
}

/// What one secret comes to.
struct Derived {
    resume: hmac::Key,
    turn_tag: hmac::Key,
    frames: hmac::Key,
}

/// Why there are no cluster keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClusterKeyError {
    /// The secret could be guessed.
    #[error("the cluster secret is {0} bytes; at least {MIN_SECRET_BYTES} are needed")]
    TooShort(usize),
    /// The cryptography library failed: no random numbers, or no key.
    #[error("the cluster keys could not be made")]
    Crypto,
}

impl From<Unspecified> for ClusterKeyError {
    fn from(_: Unspecified) -> Self {
        Self::Crypto
    }
}

impl ClusterKeys {
    /// Derives the keys from `ALDIS_CLUSTER_SECRET`, or from random bytes where there is none: then sessions do not outlive the process.
    ///
    /// # Errors
    /// The secret has fewer than 32 bytes, or there are no random numbers.
    pub fn new(secret: Option<&Secret>) -> Result<Self, ClusterKeyError> {
        Self::accepting(secret, &[])
    }

    /// The same, where what was signed with keys of these secrets counts as well: before and after the secret changes.
    ///
    /// # Errors
    /// As [`new`](Self::new), for any of them.
    pub fn accepting(secret: Option<&Secret>, accepted: &[Secret]) -> Result<Self, ClusterKeyError> {
        let first = match secret {
            Some(secret) => Derived::of(secret.expose())?,
            None => {
                let mut random = [0; MIN_SECRET_BYTES];
                rand::fill(&mut random)?;
                Derived::of(&random)?
            }
        };
        let others = accepted.iter().map(|secret| Derived::of(secret.expose())).collect::<Result<Vec<_>, _>>()?;
        let (resume, frames) = others.into_iter().map(|other| (other.resume, other.frames)).unzip();
        Ok(Self {
            resume: MacRing::new(first.resume, resume),
            // Nobody checks a pseudonym, so one key is enough.
            turn_tag: first.turn_tag.into(),
            frames: MacRing::new(first.frames, frames),
        })
    }

    /// Has everybody who has clones of these keys use those of another secret from now on.
    pub fn replace(&self, those: &Self) {
        self.resume.replace(&those.resume);
        self.turn_tag.replace(&those.turn_tag);
        self.frames.replace(&those.frames);
    }
}

impl Derived {
    fn of(secret: &[u8]) -> Result<Self, ClusterKeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(ClusterKeyError::TooShort(secret.len()));
        }
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"aldis cluster keys, version 1").extract(secret);
        let key = |purpose: &str| -> Result<hmac::Key, Unspecified> {
            Ok(root.expand(&[purpose.as_bytes()], hmac::HMAC_SHA256)?.into())
        };
        Ok(Self { resume: key("resume token")?, turn_tag: key("turn tag")?, frames: key("frames")? })
    }
}

/// What a resume token says, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeClaims<'a> {
    /// The stay.
    pub peer: &'a PeerId,
    /// Whose stay.
    pub identity: &'a Identity,
    /// Where.
    pub room: &'a RoomId,
    /// Its place in the room's order.
    pub seq: u64,
    /// Its generation.
    pub generation: u64,
    /// The time, in Unix milliseconds.
    pub issued_at: u64,
}

/// Why a resume token counts for nothing. The client then simply gets a new stay, without `previous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResumeError {
    /// It is no resume token of this version.
    #[error("the resume token is malformed")]
    Malformed,
    /// It is forged, of another cluster, or of another identity or room.
    #[error("the resume token is not authentic for this identity and room")]
    NotAuthentic,
}

/// Signs and checks resume tokens.
#[derive(Debug, Clone)]
pub struct ResumeTokens {
    keys: MacRing,
    valid_ms: u64,
}

impl ResumeTokens {
    /// With the cluster's keys; tokens are fresh for `limits.resume_token_ms`.
    #[must_use]
    pub fn new(keys: &ClusterKeys, limits: &Limits) -> Self {
        Self { keys: keys.resume.clone(), valid_ms: limits.resume_token_ms }
    }

    /// Signs a token, of at most [`MAX_RESUME_TOKEN`] bytes for any peer id.
    #[must_use]
    pub fn sign(&self, claims: &ResumeClaims<'_>) -> String {
        let mut bytes = Vec::with_capacity(HEAD_LEN + claims.peer.as_str().len() + MAC_LEN);
        bytes.push(VERSION);
        for number in [claims.issued_at, claims.seq, claims.generation] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(claims.peer.as_str().as_bytes());
        let mac = self.keys.sign(&[&signed(&bytes, claims.identity, claims.room)]);
        bytes.extend_from_slice(mac.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a token that somebody showed together with a valid JWT of this identity and room.
    ///
    /// An authentic token that is too old to resume is not an error: it still proves who this was, and its ticket says so.
    ///
    /// # Errors
    /// It is malformed or not authentic.
    pub fn verify(
        &self,
        token: &str,
        identity: &Identity,
        room: &RoomId,
        now_unix_ms: u64,
    ) -> Result<Ticket, ResumeError> {
        if token.len() > MAX_RESUME_TOKEN {
            return Err(ResumeError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| ResumeError::Malformed)?;
        let (body, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(ResumeError::Malformed)?;
        let (version, rest) = body.split_first().ok_or(ResumeError::Malformed)?;
        if *version != VERSION {
            return Err(ResumeError::Malformed);
        }
        if !self.keys.has_signed(&[&signed(body, identity, room)], mac) {
            return Err(ResumeError::NotAuthentic);
        }

        let (issued_at, rest) = number(rest)?;
        let (seq, rest) = number(rest)?;
        let (generation, rest) = number(rest)?;
        let peer = std::str::from_utf8(rest).ok().and_then(|text| PeerId::parse(text).ok());
        // A token of the near future comes from a node whose clock is ahead: it is fresh.
        let age = if now_unix_ms.saturating_sub(issued_at) > self.valid_ms { Age::Expired } else { Age::Fresh };
        Ok(Ticket { peer: peer.ok_or(ResumeError::Malformed)?, seq, generation, age })
    }
}

/// What the MAC is over. The identity's length keeps it from running into the room.
fn signed(body: &[u8], identity: &Identity, room: &RoomId) -> Vec<u8> {
    let identity = identity.as_str().as_bytes();
    let length = u8::try_from(identity.len()).unwrap_or(u8::MAX); // An identity has at most 128 bytes.
    [body, &[length], identity, room.as_str().as_bytes()].concat()
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), ResumeError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(ResumeError::Malformed)?;
    Ok((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_700_000;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(secret: &str) -> ResumeTokens {
        let keys = ClusterKeys::new(Some(&Secret::new(secret))).expect("keys");
        ResumeTokens::new(&keys, &Limits::default())
    }

    fn peer(text: &str) -> PeerId {
        PeerId::parse(text).expect("an id")
    }

    fn identity(text: &str) -> Identity {
        Identity::parse(text).expect("an identity")
    }

    fn room(text: &str) -> RoomId {
        RoomId::parse(text).expect("a room")
    }

    fn sign(tokens: &ResumeTokens, peer: &PeerId, issued_at: u64) -> String {
        let (identity, room) = (identity("auth0|ann"), room("lobby"));
        tokens.sign(&ResumeClaims { peer, identity: &identity, room: &room, seq: 7, generation: u64::MAX, issued_at })
    }

    #[test]
    fn a_token_comes_back_as_a_ticket_for_every_peer_id() {
        // Another process with the same secret reads it: a restarted node resumes its sessions.
        let (before, after) = (tokens(SECRET), tokens(SECRET));
        for id in [PeerId::from_random(u128::MAX), peer("p"), peer(&"x".repeat(128))] {
            let token = sign(&before, &id, NOW);
            assert!(token.len() <= MAX_RESUME_TOKEN, "{}", token.len());
            let ticket = after.verify(&token, &identity("auth0|ann"), &room("lobby"), NOW + 1).expect("authentic");
            assert_eq!(ticket, Ticket { peer: id, seq: 7, generation: u64::MAX, age: Age::Fresh });
        }
    }

    #[test]
    fn an_old_token_still_proves_who_it_was() {
        let tokens = tokens(SECRET);
        let token = sign(&tokens, &peer("p"), NOW);
        let valid = Limits::default().resume_token_ms;
        let cases = [
            (NOW, Age::Fresh),
            (NOW + valid, Age::Fresh),
            (NOW + valid + 1, Age::Expired),
            (u64::MAX, Age::Expired),
            (NOW - 60_000, Age::Fresh),
        ];
        for (now, age) in cases {
            let ticket = tokens.verify(&token, &identity("auth0|ann"), &room("lobby"), now).expect("authentic");
            assert_eq!(ticket.age, age, "{now}");
        }
    }

    #[test]
    fn what_is_not_authentic_counts_for_nothing() {
        let own = tokens(SECRET);
        let token = sign(&own, &peer("p"), NOW);
        let check = |tokens: &ResumeTokens, token: &str, who: &str, r#where: &str| {
            tokens.verify(token, &identity(who), &room(r#where), NOW).expect_err("refused")
        };
        use ResumeError::{Malformed, NotAuthentic};
        assert_eq!(check(&own, &token, "auth0|bob", "lobby"), NotAuthentic);
        assert_eq!(check(&own, &token, "auth0|ann", "cellar"), NotAuthentic);
        // The end of an identity and the beginning of a room cannot be exchanged.
        assert_eq!(check(&own, &token, "auth0|annlob", "by"), NotAuthentic);
        assert_eq!(check(&tokens(&SECRET.to_uppercase()), &token, "auth0|ann", "lobby"), NotAuthentic);
        let random = ResumeTokens::new(&ClusterKeys::new(None).expect("keys"), &Limits::default());
        assert_eq!(check(&random, &token, "auth0|ann", "lobby"), NotAuthentic);

        for bad in ["", "x", "####", &"A".repeat(MAX_RESUME_TOKEN), &"A".repeat(300), &token[..token.len() - 1]] {
            assert_eq!(check(&own, bad, "auth0|ann", "lobby"), Malformed, "{bad}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let error = check(&own, &URL_SAFE_NO_PAD.encode(changed), "auth0|ann", "lobby");
            assert_eq!(error, if at == 0 { Malformed } else { NotAuthentic }, "byte {at}");
        }
    }

    #[test]
    fn a_token_outlives_a_change_of_the_secret_and_not_its_removal() {
        let new = "fedcba9876543210fedcba9876543210";
        let secret = |text: &str| Secret::new(text);
        let keys = ClusterKeys::new(Some(&secret(SECRET))).expect("keys");
        let tokens = ResumeTokens::new(&keys, &Limits::default());
        let check =
            |token: &str| tokens.verify(token, &identity("auth0|ann"), &room("lobby"), NOW).map(|ticket| ticket.age);
        let old = sign(&tokens, &peer("p"), NOW);
        keys.replace(&ClusterKeys::accepting(Some(&secret(new)), &[secret(SECRET)]).expect("keys"));
        let changed = sign(&tokens, &peer("p"), NOW);
        assert_eq!([check(&old), check(&changed)], [Ok(Age::Fresh); 2]);
        keys.replace(&ClusterKeys::new(Some(&secret(new))).expect("keys"));
        assert_eq!([check(&old), check(&changed)], [Err(ResumeError::NotAuthentic), Ok(Age::Fresh)]);
        let short = ClusterKeys::accepting(Some(&secret(new)), &[secret("short")]).expect_err("too short");
        assert_eq!(short, ClusterKeyError::TooShort(5));
    }

    #[test]
    fn a_short_cluster_secret_is_refused() {
        let error = ClusterKeys::new(Some(&Secret::new("x".repeat(31)))).expect_err("too short");
        assert_eq!(error, ClusterKeyError::TooShort(31));
        let keys = ClusterKeys::new(Some(&Secret::new(SECRET))).expect("keys");
        let tags = [&keys.resume, &keys.turn_tag, &keys.frames].map(|key| key.sign(&[b"x"]).as_ref().to_vec());
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[2] != tags[0]);
    }
}
