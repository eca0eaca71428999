//! The messages of a client, one function a type.

use std::fmt::Write as _;

use aldis_protocol::{PeerId, SignalKind};
use serde_json::Value;

use crate::addressed::{Addressed, Payload, string};

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    kind: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// The messages that go to other peers.
impl Outgoing {
    /// A session description that offers.
    #[must_use]
    pub fn offer(to: &PeerId, sdp: &str) -> Addressed {
        Addressed::to(SignalKind::Offer, to).field("sdp", string(sdp))
    }

    /// A session description that answers.
    #[must_use]
    pub fn answer(to: &PeerId, sdp: &str) -> Addressed {
        Addressed::to(SignalKind::Answer, to).field("sdp", string(sdp))
    }

    /// An ICE candidate: an `RTCIceCandidateInit`, or `null` for the end of them.
    #[must_use]
    pub fn ice_candidate(to: &PeerId, candidate: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::IceCandidate, to).field("candidate", candidate.into().into_text())
    }

    /// Ends the call with one peer.
    #[must_use]
    pub fn hangup(to: &PeerId, reason: Option<&str>) -> Addressed {
        Addressed::to(SignalKind::Hangup, to).reason(reason)
    }

    /// Ends the calls with all peers; needs the grant `broadcast`.
    #[must_use]
    pub fn hangup_all(reason: Option<&str>) -> Addressed {
        Addressed::to_all(SignalKind::Hangup).reason(reason)
    }

    /// The application's own, for one peer.
    #[must_use]
    pub fn message(to: &PeerId, data: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::Message, to).field("data", data.into().into_text())
    }

    /// The application's own, for all peers; needs the grant `broadcast`.
    #[must_use]
    pub fn broadcast(data: impl Into<Payload>) -> Addressed {
        Addressed::to_all(SignalKind::Message).field("data", data.into().into_text())
    }

    /// A bare acknowledgement between SDKs.
    #[must_use]
    pub fn ack(to: &PeerId, x: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::Ack, to).x(x)
    }

    /// Your offer failed here.
    #[must_use]
    pub fn nack(to: &PeerId, x: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::Nack, to).x(x)
    }

    /// Please restart ICE.
    #[must_use]
    pub fn restart(to: &PeerId, x: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::Restart, to).x(x)
    }

    /// Build this pair anew.
    #[must_use]
    pub fn rebuild(to: &PeerId, x: impl Into<Payload>) -> Addressed {
        Addressed::to(SignalKind::Rebuild, to).x(x)
    }
}

/// The messages that are for the server.
impl Outgoing {
    /// The first message of an `aldis.v1` client; [`Connection::connect`](crate::Connection::connect) sends it.
    pub(crate) fn hello(protocol: u32, resume: Option<&str>, features: &[String]) -> Self {
        let hello = Self::new("hello").with("protocol", protocol.to_string());
        let hello = hello.with_some("resume", resume.map(string));
        if features.is_empty() { hello } else { hello.with("features", Value::from(features).to_string()) }
    }

    /// New attributes of this peer: a JSON object.
    #[must_use]
    pub fn update(attributes: impl Into<Payload>) -> Self {
        Self::new("update").with("attributes", attributes.into().into_text())
    }

    /// Asks for fresh ICE servers.
    #[must_use]
    pub fn ice_servers() -> Self {
        Self::new("ice-servers")
    }

    /// A new token in band.
    #[must_use]
    pub fn auth(token: &str) -> Self {
        Self::new("auth").with("token", string(token))
    }

    /// Asks whether a peer's signaling is alive.
    #[must_use]
    pub fn check(id: &PeerId) -> Self {
        Self::new("check").with("id", string(id.as_str()))
    }

    /// The page is being frozen: this peer is away.
    #[must_use]
    pub fn frozen() -> Self {
        Self::new("frozen")
    }

    /// An immediate, final goodbye.
    #[must_use]
    pub fn leave() -> Self {
        Self::new("leave")
    }

    /// Asks for a `pong`, which carries the same `t`.
    #[must_use]
    pub fn ping(t: Option<u64>) -> Self {
        Self::new("ping").with_some("t", t.map(|t| t.to_string()))
    }

    /// Removes a peer from the room; needs the grant `moderate`.
    #[must_use]
    pub fn remove(id: &PeerId, reason: Option<&str>) -> Self {
        Self::new("remove").with("id", string(id.as_str())).with_some("reason", reason.map(string))
    }

    /// The JSON text of the message.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = format!(r#"{{"type":"{}""#, self.kind);
        for (name, value) in &self.fields {
            // Writing to a string cannot fail.
            let _ = write!(text, r#","{name}":{value}"#);
        }
        text.push('}');
        text
    }

    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, fields: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, raw: String) -> Self {
        self.fields.push((name, raw));
        self
    }

    pub(crate) fn with_some(self, name: &'static str, raw: Option<String>) -> Self {
        match raw {
            Some(raw) => self.with(name, raw),
            None => self,
        }
    }
}

impl From<&Self> for Outgoing {
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::{ClientMessage, Json, Limits, MsgId};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_message_is_one_the_server_reads() {
        let bob = PeerId::parse("bob").expect("an id");
        let msg = |text| MsgId::parse(text).expect("a msg");
        let verbatim = Json::parse(r#"{ "b":1,"a":2 }"#).expect("JSON");
        let cases: Vec<(Outgoing, &str)> = vec![
            (
                Outgoing::offer(&bob, "v=0\r\n").receipt(msg("m\"1")).x(json!({"g": 1})).into(),
                r#"{"type":"offer","to":"bob","sdp":"v=0\r\n","msg":"m\"1","receipt":true,"x":{"g":1}}"#,
            ),
            (Outgoing::answer(&bob, "").msg(msg("m")).into(), r#"{"type":"answer","to":"bob","sdp":"","msg":"m"}"#),
            (
                Outgoing::ice_candidate(&bob, &verbatim).into(),
                r#"{"type":"ice-candidate","to":"bob","candidate":{ "b":1,"a":2 }}"#,
            ),
            (
                Outgoing::ice_candidate(&bob, json!(null)).into(),
                r#"{"type":"ice-candidate","to":"bob","candidate":null}"#,
            ),
            (Outgoing::hangup(&bob, Some("bye")).into(), r#"{"type":"hangup","to":"bob","reason":"bye"}"#),
            (Outgoing::hangup_all(None).into(), r#"{"type":"hangup"}"#),
            (Outgoing::message(&bob, json!([1])).into(), r#"{"type":"message","to":"bob","data":[1]}"#),
            (Outgoing::broadcast(json!("hi")).into(), r#"{"type":"message","data":"hi"}"#),
            (Outgoing::ack(&bob, json!({})).into(), r#"{"type":"ack","to":"bob","x":{}}"#),
            (Outgoing::nack(&bob, json!({})).into(), r#"{"type":"nack","to":"bob","x":{}}"#),
            (Outgoing::restart(&bob, json!({})).into(), r#"{"type":"restart","to":"bob","x":{}}"#),
            (Outgoing::rebuild(&bob, json!({})).into(), r#"{"type":"rebuild","to":"bob","x":{}}"#),
            (Outgoing::hello(1, None, &[]), r#"{"type":"hello","protocol":1}"#),
            (
                Outgoing::hello(1, Some("r"), &["streams".to_owned()]),
                r#"{"type":"hello","protocol":1,"resume":"r","features":["streams"]}"#,
            ),
            (Outgoing::update(json!({"a": 1})), r#"{"type":"update","attributes":{"a":1}}"#),
            (Outgoing::ice_servers(), r#"{"type":"ice-servers"}"#),
            (Outgoing::auth("a.b.c"), r#"{"type":"auth","token":"a.b.c"}"#),
            (Outgoing::check(&bob), r#"{"type":"check","id":"bob"}"#),
            (Outgoing::frozen(), r#"{"type":"frozen"}"#),
            (Outgoing::leave(), r#"{"type":"leave"}"#),
            (Outgoing::ping(None), r#"{"type":"ping"}"#),
            (Outgoing::ping(Some(7)), r#"{"type":"ping","t":7}"#),
            (Outgoing::remove(&bob, None), r#"{"type":"remove","id":"bob"}"#),
            (Outgoing::remove(&bob, Some("rude")), r#"{"type":"remove","id":"bob","reason":"rude"}"#),
        ];
        for (message, expected) in cases {
            assert_eq!(message.to_json(), expected);
            ClientMessage::parse(expected, &Limits::default()).expect(expected);
        }
    }
}
