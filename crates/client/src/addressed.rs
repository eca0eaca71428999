//! What all messages for other peers share: an address, a name, and an `x`.

use aldis_protocol::{Json, MsgId, Naming, PeerId, SignalKind};
use serde_json::Value;

use crate::Outgoing;

/// A message for other peers, to which a name and an `x` can be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    signal: Outgoing,
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
        Self::to_all(kind).field("to", string(to.as_str()))
    }

    pub(crate) fn to_all(kind: SignalKind) -> Self {
        Self { signal: Outgoing::new(kind.as_str()), naming: Naming::Anonymous, x: None }
    }

    pub(crate) fn field(mut self, name: &'static str, raw: String) -> Self {
        self.signal = self.signal.with(name, raw);
        self
    }

    pub(crate) fn reason(mut self, reason: Option<&str>) -> Self {
        self.signal = self.signal.with_some("reason", reason.map(string));
        self
    }
}

impl From<Addressed> for Outgoing {
    fn from(addressed: Addressed) -> Self {
        let Addressed { signal, naming, x } = addressed;
        let receipt = matches!(naming, Naming::Receipt(_)).then(|| "true".to_owned());
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
