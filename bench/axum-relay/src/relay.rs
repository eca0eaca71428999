//! One message on its way: `to` becomes `from`, the payload stays the text it was.

use aldis_protocol::PeerId;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// What a client sends.
#[derive(Deserialize)]
pub(crate) struct Inbound<'a> {
    #[serde(rename = "type", borrow)]
    kind: &'a str,
    /// For whom.
    #[serde(borrow)]
    pub(crate) to: &'a str,
    #[serde(default, borrow, deserialize_with = "present")]
    sdp: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    candidate: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// What its receiver gets.
#[derive(Serialize)]
struct Outbound<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    from: &'a PeerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl Inbound<'_> {
    /// The text for the receiver.
    pub(crate) fn stamped(&self, from: &PeerId) -> Result<String, serde_json::Error> {
        let Self { kind, to: _, sdp, candidate, data } = *self;
        serde_json::to_string(&Outbound { kind, from, sdp, candidate, data })
    }
}

/// Keeps `null` apart from absent: `candidate: null` is a value.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
