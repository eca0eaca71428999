//! What streams write into `x`, and how they read what others wrote there.
//!
//! `x` is the sender's own: nobody has looked at it before. So reading never fails. What makes no sense is as if it were not there, and
//! the fields of others are passed over. A number is one as JavaScript has it, because the SDK for browsers reads the same text: `1.0` is
//! the integer 1, and nothing is one beyond 2^53 - 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct as _};
use serde_json::value::RawValue;

/// The largest integer up to which a double has all of them: JavaScript's `MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Where a message is: an epoch, and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Position {
    /// The epoch: a random number at first, then one more each time.
    pub e: u32,
    /// The place, counted from 1.
    pub n: u64,
}

/// What one end tells the other of the messages that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acknowledgement {
    /// Everything of an epoch has arrived up to a place, which is 0 where nothing has.
    Arrived(Position),
    /// An epoch is over, and nothing of it is taken any more.
    Reset {
        /// The epoch.
        e: u32,
    },
}

/// What streams add to a message: its own position, and an acknowledgement of what came the other way.
///
/// ```
/// use aldis_client::streams::{Position, StreamHeader};
///
/// let header = StreamHeader::read(r#"{ "g": 1, "s": { "e": 2718281828, "n": 1 }, "a": "junk" }"#);
/// assert_eq!(header, StreamHeader { s: Some(Position { e: 2_718_281_828, n: 1 }), a: None });
/// assert_eq!(StreamHeader::read("[]"), StreamHeader::default());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamHeader {
    /// The position of the message, if it is of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s: Option<Position>,
    /// What is acknowledged with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Acknowledgement>,
}

impl StreamHeader {
    /// Reads what of the JSON in `x` belongs to the stream, as far as it makes sense.
    #[must_use]
    pub fn read(x: &str) -> Self {
        let fields = fields_of(x);
        Self {
            s: fields.get("s").and_then(|s| position_of(s.get())),
            a: fields.get("a").and_then(|a| acknowledgement_of(a.get())),
        }
    }
}

impl Serialize for Acknowledgement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Arrived(position) => position.serialize(serializer),
            Self::Reset { e } => {
                let mut fields = serializer.serialize_struct("Reset", 2)?;
                fields.serialize_field("e", e)?;
                fields.serialize_field("reset", &true)?;
                fields.end()
            }
        }
    }
}

/// From JSON alone. Any JSON makes a header, as with [`StreamHeader::read`].
impl<'de> Deserialize<'de> for StreamHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(Box::<RawValue>::deserialize(deserializer)?.get()))
    }
}

/// From JSON alone.
impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        position_of(json.get()).ok_or_else(|| D::Error::custom("no position in a stream"))
    }
}

/// From JSON alone.
impl<'de> Deserialize<'de> for Acknowledgement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        acknowledgement_of(json.get()).ok_or_else(|| D::Error::custom("no acknowledgement of a stream"))
    }
}

fn position_of(json: &str) -> Option<Position> {
    let fields = fields_of(json);
    let position = Position { e: epoch_of(&fields)?, n: integer_of(&fields, "n")? };
    (position.n > 0).then_some(position)
}

fn acknowledgement_of(json: &str) -> Option<Acknowledgement> {
    let fields = fields_of(json);
    let e = epoch_of(&fields)?;
    if fields.get("reset").is_some_and(|reset| reset.get() == "true") {
        return Some(Acknowledgement::Reset { e });
    }
    Some(Acknowledgement::Arrived(Position { e, n: integer_of(&fields, "n")? }))
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The fields of an object, unread, the last of those with one name; none of anything else.
fn fields_of(json: &str) -> Fields<'_> {
    serde_json::from_str(json).unwrap_or_default()
}

fn epoch_of(fields: &Fields<'_>) -> Option<u32> {
    integer_of(fields, "e")?.try_into().ok()
}

fn integer_of(fields: &Fields<'_>, name: &str) -> Option<u64> {
    let number: f64 = serde_json::from_str(fields.get(name)?.get()).ok()?;
    let whole = number.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER).contains(&number);
    whole.then_some(number as u64)
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
