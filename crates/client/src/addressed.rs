//! What all messages for other peers share: an address, a name, and an `x`.

use aldis_protocol::{Json, MsgId, Naming, PeerId, SignalKind};
use serde_json::Value;

use crate::Outgoing;

/// A message for other peers, to which a name and an `x` can be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    kind: SignalKind,
    to: Option<PeerId>,
    payload: Option<(&'static str, String)>,
    naming: Naming,
    x: Option<Payload>,
}

impl Addressed {
    /// Names the message: errors about it carry `msg` in `re`.
    #[must_use]
    pub fn msg(mut self, msg: MsgId) -> Self {
        self.naming = Naming::Named(msg);
        self
    }

    /// Names the message and asks for a receipt: exactly one receipt or error tells its fate.
    #[must_use]
    pub fn receipt(mut self, msg: MsgId) -> Self {
        self.naming = Naming::Receipt(msg);
        self
    }

    /// Adds an object of the SDKs', opaque to the server.
    #[must_use]
    pub fn x(mut self, x: impl Into<Payload>) -> Self {
        self.x = Some(x.into());
        self
    }

    pub(crate) fn to(kind: SignalKind, to: &PeerId) -> Self {
        Self { to: Some(to.clone()), ..Self::to_all(kind) }
    }

    pub(crate) fn to_all(kind: SignalKind) -> Self {
        Self { kind, to: None, payload: None, naming: Naming::Anonymous, x: None }
    }

    pub(crate) fn field(mut self, name: &'static str, raw: String) -> Self {
        self.payload = Some((name, raw));
        self
    }

    pub(crate) fn reason(self, reason: Option<&str>) -> Self {
        match reason {
            Some(reason) => self.field("reason", string(reason)),
            None => self,
        }
    }

    /// Whom it is for; all peers where there is nobody.
    pub(crate) fn address(&self) -> Option<&PeerId> {
        self.to.as_ref()
    }

    /// The JSON of its `x`, taken out.
    pub(crate) fn take_x(&mut self) -> Option<String> {
        self.x.take().map(Payload::into_text)
    }

    /// How many bytes it carries for others.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload.as_ref().map_or(0, |(_, raw)| raw.len()) + self.x.as_ref().map_or(0, |x| x.0.len())
    }
}

impl From<Addressed> for Outgoing {
    fn from(addressed: Addressed) -> Self {
        let Addressed { kind, to, payload, naming, x } = addressed;
        let receipt = matches!(naming, Naming::Receipt(_)).then(|| "true".to_owned());
        let signal = Outgoing::new(kind.as_str()).with_some("to", to.map(|to| string(to.as_str())));
        let signal = match payload {
            Some((name, raw)) => signal.with(name, raw),
            None => signal,
        };
        signal
            .with_some("msg", naming.msg().map(|msg| string(msg.as_str())))
            .with_some("receipt", receipt)
            .with_some("x", x.map(Payload::into_text))
    }
}

impl From<&Addressed> for Outgoing {
    fn from(addressed: &Addressed) -> Self {
        addressed.clone().into()
    }
}

/// JSON to send: text that stays as it is ([`Json`]), or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(String);

impl Payload {
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl From<&Json> for Payload {
    fn from(json: &Json) -> Self {
        Self(json.get().to_owned())
    }
}

impl From<Json> for Payload {
    fn from(json: Json) -> Self {
        Self::from(&json)
    }
}

impl From<&Value> for Payload {
    fn from(value: &Value) -> Self {
        Self(value.to_string())
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

/// Quotes and escapes a text.
pub(crate) fn string(text: &str) -> String {
    Value::from(text).to_string()
}
