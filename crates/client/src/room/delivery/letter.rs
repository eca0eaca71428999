//! A signal on its way, and who wants to know what becomes of it.

use aldis_protocol::{ClientMessage, ErrorCode, InvalidId, Limits, MsgId, Outcome, WireError};
use serde_json::{Map, Value};

use super::super::undelivered::{Undelivered, Why};
use crate::{
    Addressed, Outgoing,
    streams::{Acknowledgement, Position, StreamHeader},
};

/// What a lane adds to a message, about, in bytes.
const ENVELOPE_BYTES: usize = 200;

/// The longest name that a lane gives to a message: three numbers and two dots.
const NAME_BYTES: usize = 52;

/// What became of messages: each ticket once.
pub(crate) type Fates<T> = Vec<(T, Result<(), Undelivered>)>;

/// A signal on its way; see the module.
#[derive(Debug)]
pub(crate) struct Letter<T> {
    message: Addressed,
    /// What the application put into `x`.
    x: Map<String, Value>,
    /// Its size, about.
    pub(crate) bytes: usize,
    /// For whoever wants to know.
    pub(crate) ticket: T,
}

impl<T> Letter<T> {
    /// Checks what the server would check: what it does not even read, it could not refuse by name.
    pub(crate) fn check(mut message: Addressed, limits: &Limits, ticket: T) -> Result<Self, (T, Undelivered)> {
        let bytes = ENVELOPE_BYTES + message.payload_bytes();
        let x = match message.take_x().map(|x| serde_json::from_str(&x)) {
            None => Map::new(),
            Some(Ok(Value::Object(x))) => x,
            Some(_) => {
                let error = WireError::with(ErrorCode::BadEnvelope, "`x` is not an object.");
                return Err((ticket, refused(error)));
            }
        };
        let letter = Self { message, x, bytes, ticket };
        let text = letter.widest().map(|widest| widest.to_json()).unwrap_or_default();
        match ClientMessage::parse(&text, limits) {
            Ok(_) => Ok(letter),
            Err(rejection) => Err((letter.ticket, refused(rejection.error))),
        }
    }

    /// The message as it goes on a stream.
    pub(crate) fn numbered(&self, msg: MsgId, header: StreamHeader) -> Outgoing {
        let mut x = self.x.clone();
        for (name, value) in [("s", json_of(header.s)), ("a", json_of(header.a))] {
            match value {
                Some(value) => x.insert(name.to_owned(), value),
                // These two names are the stream's.
                None => x.remove(name),
            };
        }
        self.message.clone().msg(msg).x(Value::from(x)).into()
    }

    /// The message as it goes to who speaks no streams.
    pub(crate) fn plain(&self, msg: MsgId) -> Outgoing {
        self.with_x(self.message.clone().receipt(msg))
    }

    /// The message as it goes to everybody.
    pub(crate) fn bare(&self) -> Outgoing {
        self.with_x(self.message.clone())
    }

    fn with_x(&self, message: Addressed) -> Outgoing {
        if self.x.is_empty() { message.into() } else { message.x(Value::from(self.x.clone())).into() }
    }

    /// No way of sending it is longer.
    fn widest(&self) -> Result<Outgoing, InvalidId> {
        let msg = MsgId::parse(&"x".repeat(NAME_BYTES))?;
        let position = Position { e: u32::MAX, n: 1 << 53 };
        let header = StreamHeader { s: Some(position), a: Some(Acknowledgement::Arrived(position)) };
        let mut x = self.x.clone();
        x.extend(
            [("s", json_of(header.s)), ("a", json_of(header.a))].map(|(name, value)| (name.to_owned(), value.into())),
        );
        Ok(self.message.clone().receipt(msg).x(Value::from(x)).into())
    }
}

fn json_of(value: Option<impl serde::Serialize>) -> Option<Value> {
    value.and_then(|value| serde_json::to_value(value).ok())
}

/// The server would have refused it, so it has not even left.
fn refused(error: WireError) -> Undelivered {
    Undelivered::new(Outcome::NotDelivered, Why::Refused(Box::new(error)))
}
