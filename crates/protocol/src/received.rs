//! What a client receives: a message of the server, or a signal that the server relayed.
//!
//! A relayed payload stays the text its sender wrote: the envelope is read into borrowed raw values, never through a tagged enum,
//! whose buffer would re-encode it. Fields that this version does not know are ignored, since a newer server may send them.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Json, MsgId, Naming, PeerId, ServerMessage, SignalKind};

/// One message as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The server's own.
    Server(ServerMessage),
    /// Another peer's.
    Relayed(Relayed),
}

/// A signal of another peer; the server vouches for `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// Which one.
    pub kind: SignalKind,
    /// Who sent it.
    pub from: PeerId,
    /// The value of [`SignalKind::payload_field`], verbatim. `candidate: null` is a value, an absent `reason` is none.
    pub payload: Option<Json>,
    /// The sender's name for it.
    pub naming: Naming,
    /// An object of the SDKs', verbatim.
    pub x: Option<Json>,
}

/// Why a text is no message that a client can read.
#[derive(Debug)]
pub enum Unreadable {
    /// It is no JSON object with a known `type` and that type's fields.
    Message(serde_json::Error),
    /// A field of a relayed signal is missing or of the wrong type.
    Field {
        /// The signal.
        kind: SignalKind,
        /// Its field.
        field: &'static str,
    },
}

impl Received {
    /// Parses one text message of a server.
    ///
    /// # Errors
    /// Names what was expected; never quotes a payload.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(Unreadable::Message)?;
        match SignalKind::ALL.iter().find(|kind| kind.as_str() == envelope.kind) {
            Some(&kind) => envelope.relayed(kind).map(Self::Relayed),
            None => serde_json::from_str(text).map(Self::Server).map_err(Unreadable::Message),
        }
    }
}

/// What relayed signals consist of.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    from: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "crate::client::present")]
    sdp: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "crate::client::present")]
    candidate: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "crate::client::present")]
    reason: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "crate::client::present")]
    data: Option<&'a RawValue>,
    #[serde(default, borrow)]
    msg: Option<&'a RawValue>,
    #[serde(default, borrow)]
    receipt: Option<&'a RawValue>,
    #[serde(default, borrow)]
    x: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn relayed(&self, kind: SignalKind) -> Result<Relayed, Unreadable> {
        let wrong = |field| Unreadable::Field { kind, field };
        let from = self.from.and_then(|raw| serde_json::from_str(raw.get()).ok()).ok_or_else(|| wrong("from"))?;
        let payload = match kind {
            SignalKind::Offer | SignalKind::Answer => Some(self.sdp.ok_or_else(|| wrong("sdp"))?),
            SignalKind::IceCandidate => Some(self.candidate.ok_or_else(|| wrong("candidate"))?),
            SignalKind::Message => Some(self.data.ok_or_else(|| wrong("data"))?),
            SignalKind::Hangup => self.reason,
            SignalKind::Ack | SignalKind::Nack | SignalKind::Restart | SignalKind::Rebuild => None,
        };
        let msg = self.msg.map(|raw| serde_json::from_str::<MsgId>(raw.get()).map_err(|_| wrong("msg"))).transpose()?;
        let naming = match (msg, self.receipt.map(RawValue::get)) {
            (None, _) => Naming::Anonymous,
            (Some(msg), Some("true")) => Naming::Receipt(msg),
            (Some(msg), _) => Naming::Named(msg),
        };
        Ok(Relayed { kind, from, payload: payload.map(Json::from_raw), naming, x: self.x.map(Json::from_raw) })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => write!(f, "no message of a server: {error}"),
            Self::Field { kind, field } => {
                write!(f, "`{}`: `{field}` is missing or of the wrong type", kind.as_str())
            }
        }
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Message(error) => Some(error),
            Self::Field { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relayed_payloads_stay_verbatim() {
        let cases = [
            (r#"{"type":"offer","from":"a","sdp":"v=0\r\n\u00e4"}"#, Some(r#""v=0\r\n\u00e4""#), None),
            (r#"{"from":"a","candidate":{ "b":1,"a":2 },"type":"ice-candidate"}"#, Some(r#"{ "b":1,"a":2 }"#), None),
            (r#"{"type":"ice-candidate","from":"a","candidate":null}"#, Some("null"), None),
            (r#"{"type":"message","from":"a","data":null}"#, Some("null"), None),
            (r#"{"type":"hangup","from":"a"}"#, None, None),
            (r#"{"type":"hangup","from":"a","reason":"bye","later":[1]}"#, Some(r#""bye""#), None),
            (r#"{"type":"ack","from":"a","x":{"a":{ "n":2 }}}"#, None, Some(r#"{"a":{ "n":2 }}"#)),
        ];
        for (text, payload, x) in cases {
            let Received::Relayed(relayed) = Received::parse(text).expect(text) else { panic!("not relayed: {text}") };
            assert_eq!(relayed.from.as_str(), "a");
            assert_eq!(relayed.payload.as_ref().map(Json::get), payload, "{text}");
            assert_eq!(relayed.x.as_ref().map(Json::get), x, "{text}");
        }
    }

    #[test]
    fn a_receipt_is_asked_for_by_name() {
        let named = |msg| MsgId::parse(msg).expect("a msg");
        let cases = [
            (r#"{"type":"nack","from":"a"}"#, Naming::Anonymous),
            (r#"{"type":"nack","from":"a","msg":"a\"b"}"#, Naming::Named(named("a\"b"))),
            (r#"{"type":"nack","from":"a","msg":"m","receipt":true}"#, Naming::Receipt(named("m"))),
        ];
        for (text, expected) in cases {
            let Received::Relayed(relayed) = Received::parse(text).expect(text) else { panic!("not relayed: {text}") };
            assert_eq!(relayed.naming, expected, "{text}");
        }
    }

    #[test]
    fn the_servers_own_messages() {
        let cases = [
            (r#"{"type":"pong","t":1}"#, "pong"),
            (r#"{"type":"peer-left","id":"p","reason":"left","final":true}"#, "peer-left"),
            (
                r#"{"type":"error","code":"unknown-peer","message":"Nobody.","to":"p","outcome":"not-delivered"}"#,
                "error",
            ),
        ];
        for (text, kind) in cases {
            let Received::Server(message) = Received::parse(text).expect(text) else { panic!("relayed: {text}") };
            assert!(message.to_json().starts_with(&format!(r#"{{"type":"{kind}""#)), "{message:?}");
        }
    }

    #[test]
    fn what_is_unreadable_says_why() {
        let cases = [
            ("", "no message of a server"),
            ("[]", "no message of a server"),
            (r#"{"type":"nonsense"}"#, "unknown variant `nonsense`"),
            (r#"{"type":"offer","sdp":"v=0"}"#, "`offer`: `from` is missing or of the wrong type"),
            (r#"{"type":"offer","from":"a b","sdp":"v=0"}"#, "`offer`: `from` is"),
            (r#"{"type":"offer","from":"a"}"#, "`offer`: `sdp` is"),
            (r#"{"type":"message","from":"a","data":1,"msg":2}"#, "`message`: `msg` is"),
        ];
        for (text, expected) in cases {
            let error = Received::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
