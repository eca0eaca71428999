//! What a client sends.
//!
//! A message is parsed once, in one pass, into borrowed fields; `sdp`, `candidate`, `data` and `x` stay raw text. A field that the
//! message's type does not have is refused, and so is a duplicate one, so that what is not understood is never half obeyed.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::{Number, error::Category, value::RawValue};

use crate::{
    ErrorCode, Json, Limits, MsgId, PeerId, PeerRef, WireError,
    limits::Limit,
    scan::{self, Refused},
};

/// The longest `reason`, in bytes.
pub const MAX_REASON: usize = 256;

/// The longest `remove.forMs`, in milliseconds: as long as a token lives.
pub const MAX_REMOVAL_MS: u64 = 86_400_000;

/// Most entries of `hello.features`, and the longest of them in bytes.
pub const MAX_FEATURES: usize = 16;
/// The longest feature name, in bytes.
pub const MAX_FEATURE: usize = 32;

/// What a client sends, checked.
#[derive(Debug, Clone)]
pub enum ClientMessage<'a> {
    /// The first message of an `aldis.v1` client.
    Hello(Hello),
    /// A message for another peer, or for all of them.
    Signal(Signal<'a>),
    /// New attributes of the sender.
    Update(Json),
    /// Asks for fresh ICE servers.
    IceServers,
    /// A new token in band.
    Auth(String),
    /// Asks whether a peer's signaling is alive.
    Check(PeerId),
    /// The page is being frozen: treat it as away and do not probe it.
    Frozen,
    /// An immediate, final goodbye.
    Leave,
    /// Asks for a `pong` with the same `t`.
    Ping(Option<Number>),
    /// Removes a peer from the room.
    Remove {
        /// Whom.
        id: PeerId,
        /// Why, for the peer and the room.
        reason: Option<String>,
        /// For how long its identity is kept out of the room, in milliseconds; it may come back at once where this is absent.
        for_ms: Option<u64>,
    },
}

/// `hello`: who speaks, and which session it means to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// The protocol version; the server checks it.
    pub protocol: u32,
    /// The resume token of an earlier connection.
    pub resume: Option<String>,
    /// What the client understands, shown to its peers.
    pub features: Vec<String>,
}

/// A relayed message.
#[derive(Debug, Clone)]
pub struct Signal<'a> {
    /// Which one.
    pub kind: SignalKind,
    /// For whom; to all where it is absent.
    pub to: Option<PeerRef<'a>>,
    /// The raw value of [`SignalKind::payload_field`].
    pub payload: Option<&'a RawValue>,
    /// Whether errors and receipts can name it.
    pub naming: Naming,
    /// An object of the SDKs', opaque to the server.
    pub x: Option<&'a RawValue>,
}

/// How a sender follows what becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Naming {
    /// Not at all; an error still names the peer.
    #[default]
    Anonymous,
    /// An error about it names this `msg` in `re`.
    Named(MsgId),
    /// Besides, exactly one receipt or error tells its fate.
    Receipt(MsgId),
}

impl Naming {
    /// The `msg`, if the message has one.
    #[must_use]
    pub fn msg(&self) -> Option<&MsgId> {
        match self {
            Self::Anonymous => None,
            Self::Named(msg) | Self::Receipt(msg) => Some(msg),
        }
    }
}

macro_rules! signal_kinds {
    ($($name:ident = $wire:literal, $payload:expr, $broadcast:ident, $doc:literal;)*) => {
        /// The types that are relayed from peer to peer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SignalKind {
            $(#[doc = $doc] $name,)*
        }

        impl SignalKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The `type` on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The field that carries the payload, where there is one.
            #[must_use]
            pub const fn payload_field(self) -> Option<&'static str> {
                match self { $(Self::$name => $payload,)* }
            }

            /// Whether `to` may be absent.
            const fn addressing(self) -> Addressing {
                match self { $(Self::$name => Addressing::$broadcast,)* }
            }

            fn from_type(name: &str) -> Option<Self> {
                match name { $($wire => Some(Self::$name),)* _ => None }
            }
        }
    };
}

enum Addressing {
    One,
    OneOrAll,
}

signal_kinds! {
    Offer = "offer", Some("sdp"), One, "A session description that offers.";
    Answer = "answer", Some("sdp"), One, "A session description that answers.";
    IceCandidate = "ice-candidate", Some("candidate"), One, "An ICE candidate, or the end of them.";
    Hangup = "hangup", Some("reason"), OneOrAll, "Ends the pair's call, not the stay in the room.";
    Message = "message", Some("data"), OneOrAll, "The application's own.";
    Ack = "ack", None, One, "An acknowledgement between SDKs: never parked, refused or errored.";
    Nack = "nack", None, One, "Your offer failed here.";
    Restart = "restart", None, One, "Please restart ICE.";
    Rebuild = "rebuild", None, One, "Build this pair anew.";
}

/// Why a message was refused, and which limit it hit if it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What the sender is told.
    pub error: WireError,
    /// What the metrics count.
    pub limit: Option<Limit>,
}

impl Rejection {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { error: WireError::with(code, message), limit: None })
    }

    fn limit(limit: Limit, code: ErrorCode, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { error: WireError::with(code, message), limit: Some(limit) })
    }
}

type Parsed<T> = Result<T, Box<Rejection>>;

impl<'a> ClientMessage<'a> {
    /// Parses one text frame.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field or limit. `re` and `to` are set where the message had a valid `msg` and `to`.
    pub fn parse(text: &'a str, limits: &Limits) -> Parsed<Self> {
        let refuse = |limit, code, message: String| Err(Rejection::limit(limit, code, message));
        if text.len() as u64 > limits.message_bytes {
            return refuse(
                Limit::message_bytes,
                ErrorCode::TooLarge,
                over("The message", text.len(), "messageBytes", limits.message_bytes),
            );
        }
        match scan::scan(text, usize::try_from(limits.json_depth).unwrap_or(usize::MAX)) {
            Ok(()) => {}
            Err(Refused::TooDeep) => {
                return refuse(
                    Limit::json_depth,
                    ErrorCode::TooDeep,
                    format!("The JSON nests deeper than {} (limits.jsonDepth).", limits.json_depth),
                );
            }
            Err(Refused::LoneSurrogate) => {
                return Err(Rejection::new(
                    ErrorCode::BadJson,
                    "A string holds a lone surrogate escape, which is no Unicode text.",
                ));
            }
        }
        // A struct would also be read from an array; a message is an object.
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            let code = if serde_json::from_str::<&RawValue>(text).is_ok() {
                ErrorCode::BadEnvelope
            } else {
                ErrorCode::BadJson
            };
            return Err(Rejection::new(code, "The message must be a JSON object."));
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| not_an_envelope(&error))?;
        envelope.into_message(text.len(), limits)
    }
}

/// Every field of every message, still raw: which of them belong is the type's to say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    /// Which message it is.
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    /// The peer it is for; a broadcast has none.
    #[serde(default, borrow, deserialize_with = "present")]
    to: Option<&'a RawValue>,
    /// The session description.
    #[serde(default, borrow, deserialize_with = "present")]
    sdp: Option<&'a RawValue>,
    /// The candidate, or `null` for the end of candidates.
    #[serde(default, borrow, deserialize_with = "present")]
    candidate: Option<&'a RawValue>,
    /// Why, for people: at most 256 bytes.
    #[serde(default, borrow, deserialize_with = "present")]
    reason: Option<&'a RawValue>,
    /// The application's own, any JSON value.
    #[serde(default, borrow, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    /// The sender's name for this message; errors and receipts about it have it in `re`.
    #[serde(default, borrow, deserialize_with = "present")]
    msg: Option<&'a RawValue>,
    /// Asks for a receipt; only together with `msg`.
    #[serde(default, borrow, deserialize_with = "present")]
    receipt: Option<&'a RawValue>,
    /// What clients agree on among themselves, opaque to the server.
    #[serde(default, borrow, deserialize_with = "present")]
    x: Option<&'a RawValue>,
    /// The protocol version; the server checks it.
    #[serde(default, borrow, deserialize_with = "present")]
    protocol: Option<&'a RawValue>,
    /// The last resume token of the session that is to go on.
    #[serde(default, borrow, deserialize_with = "present")]
    resume: Option<&'a RawValue>,
    /// What the client understands, shown to its peers.
    #[serde(default, borrow, deserialize_with = "present")]
    features: Option<&'a RawValue>,
    /// The sender's new attributes, in the place of the old ones.
    #[serde(default, borrow, deserialize_with = "present")]
    attributes: Option<&'a RawValue>,
    /// The new token, of the same identity and room.
    #[serde(default, borrow, deserialize_with = "present")]
    token: Option<&'a RawValue>,
    /// Which peer it is about.
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    /// What `pong` is to bring back.
    #[serde(default, borrow, deserialize_with = "present")]
    t: Option<&'a RawValue>,
    /// For how long the identity of the peer is kept out of the room: 1 to 86400000 ms.
    #[serde(rename = "forMs", default, borrow, deserialize_with = "present")]
    for_ms: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent: `candidate: null` is a value.
pub(crate) fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn not_an_envelope(error: &serde_json::Error) -> Box<Rejection> {
    let text = error.to_string();
    if error.classify() != Category::Data {
        return Rejection::new(ErrorCode::BadJson, format!("The message is not valid JSON: {text}."));
    }
    if text.starts_with("unknown field `from`") {
        return Rejection::new(ErrorCode::BadEnvelope, "`from` is stamped by the server; a client never sends it.");
    }
    // serde's list of every field of every type would bury the one that is wrong.
    let sentence = text.split(", expected one of").next().unwrap_or(&text);
    let sentence = sentence.split(" at line").next().unwrap_or(sentence);
    Rejection::new(ErrorCode::BadEnvelope, format!("The message has a bad field: {sentence}."))
}

impl<'a> Envelope<'a> {
    fn into_message(mut self, length: usize, limits: &Limits) -> Parsed<ClientMessage<'a>> {
        let kind = std::mem::take(&mut self.kind);
        let signal = SignalKind::from_type(&kind);
        let may_be_large = matches!(&*kind, "hello" | "auth" | "offer" | "answer" | "message");
        let (to, msg_of) = (self.to, self.msg);
        let parsed = if !may_be_large && length as u64 > limits.small_message_bytes && is_known(&kind) {
            let message = over(&format!("`{kind}`"), length, "smallMessageBytes", limits.small_message_bytes);
            Err(Rejection::limit(Limit::small_message_bytes, ErrorCode::TooLarge, message))
        } else if let Some(kind) = signal {
            self.signal(kind, limits).map(ClientMessage::Signal)
        } else {
            self.request(&kind, limits)
        };
        parsed.map_err(|mut rejection| {
            // An error about a signal says which one.
            if signal.is_some() {
                let (to, re) = (to.and_then(|raw| id(raw).ok()), msg_of.and_then(|raw| msg(raw).ok()));
                rejection.error = rejection.error.about(to, re);
            }
            rejection
        })
    }

    fn signal(mut self, kind: SignalKind, limits: &Limits) -> Parsed<Signal<'a>> {
        let name = kind.as_str();
        let to = match (self.to.take(), kind.addressing()) {
            (Some(raw), _) => Some(peer_ref(raw).map_err(|why| field(name, "to", &why))?),
            (None, Addressing::OneOrAll) => None,
            (None, Addressing::One) => return Err(field(name, "to", "is missing; it is the id of a peer")),
        };
        let payload = match kind {
            SignalKind::Offer | SignalKind::Answer => Some(required(name, "sdp", self.sdp.take(), b"\"", "a string")?),
            SignalKind::IceCandidate => Some(required(
                name,
                "candidate",
                self.candidate.take(),
                b"{n",
                "an RTCIceCandidateInit object or null",
            )?),
            SignalKind::Message => {
                Some(self.data.take().ok_or_else(|| field(name, "data", "is missing; it is any JSON value"))?)
            }
            SignalKind::Hangup => {
                let raw = self.reason.take();
                raw.map(|raw| reason(raw).map_err(|why| field(name, "reason", &why))).transpose()?;
                raw
            }
            SignalKind::Ack | SignalKind::Nack | SignalKind::Restart | SignalKind::Rebuild => None,
        };
        let x = self.x.take();
        if let Some(x) = x {
            if !x.get().starts_with('{') {
                return Err(field(name, "x", "must be an object"));
            }
            if x.get().len() as u64 > limits.x_bytes {
                let message = over("`x`", x.get().len(), "xBytes", limits.x_bytes);
                return Err(Rejection::limit(Limit::x_bytes, ErrorCode::TooLarge, message));
            }
        }
        let named = self.msg.take().map(|raw| msg(raw).map_err(|why| field(name, "msg", &why))).transpose()?;
        let naming = match (named, self.receipt.take().map(RawValue::get)) {
            (None, None) => Naming::Anonymous,
            (Some(msg), None | Some("false")) => Naming::Named(msg),
            (Some(msg), Some("true")) => Naming::Receipt(msg),
            (None, Some("true" | "false")) => return Err(field(name, "receipt", "needs `msg`: the receipt names it")),
            (_, Some(_)) => return Err(field(name, "receipt", "must be true or absent")),
        };
        self.nothing_left(name)?;
        Ok(Signal { kind, to, payload, naming, x })
    }

    fn request(mut self, kind: &str, limits: &Limits) -> Parsed<ClientMessage<'a>> {
        let message = match kind {
            "hello" => ClientMessage::Hello(self.hello()?),
            "update" => {
                let raw = required(kind, "attributes", self.attributes.take(), b"{", "an object")?;
                if raw.get().len() as u64 > limits.attributes_bytes {
                    let message = over("`attributes`", raw.get().len(), "attributesBytes", limits.attributes_bytes);
                    return Err(Rejection::limit(Limit::attributes_bytes, ErrorCode::TooLarge, message));
                }
                ClientMessage::Update(Json::from_raw(raw))
            }
            "ice-servers" => ClientMessage::IceServers,
            "auth" => {
                let raw = required(kind, "token", self.token.take(), b"\"", "a string")?;
                ClientMessage::Auth(string(raw).map_err(|why| field(kind, "token", &why))?.into_owned())
            }
            "check" => ClientMessage::Check(self.peer(kind)?),
            "frozen" => ClientMessage::Frozen,
            "leave" => ClientMessage::Leave,
            "ping" => {
                let t = self.t.take().map(|raw| {
                    serde_json::from_str::<Number>(raw.get()).map_err(|_| field(kind, "t", "must be a number"))
                });
                ClientMessage::Ping(t.transpose()?)
            }
            "remove" => {
                let id = self.peer(kind)?;
                let reason = self.reason.take().map(|raw| reason(raw).map_err(|why| field(kind, "reason", &why)));
                let reason = reason.transpose()?.map(Cow::into_owned);
                ClientMessage::Remove { id, reason, for_ms: self.removal()? }
            }
            _ => {
                let shown: String = kind.chars().filter(|char| !char.is_control()).take(32).collect();
                return Err(Rejection::new(
                    ErrorCode::UnknownType,
                    format!("This server knows no message of type `{shown}`."),
                ));
            }
        };
        self.nothing_left(kind)?;
        Ok(message)
    }

    fn hello(&mut self) -> Parsed<Hello> {
        let expected = "must be a positive integer";
        let raw = self.protocol.take().ok_or_else(|| field("hello", "protocol", "is missing; this server speaks 1"))?;
        let protocol = serde_json::from_str(raw.get()).map_err(|_| field("hello", "protocol", expected))?;
        let resume = self.resume.take().map(|raw| string(raw).map_err(|why| field("hello", "resume", &why)));
        let features = self.features.take().map(|raw| features(raw).map_err(|why| field("hello", "features", &why)));
        Ok(Hello {
            protocol,
            resume: resume.transpose()?.map(Cow::into_owned),
            features: features.transpose()?.unwrap_or_default(),
        })
    }

    fn removal(&mut self) -> Parsed<Option<u64>> {
        let Some(raw) = self.for_ms.take() else { return Ok(None) };
        let ms = serde_json::from_str(raw.get()).ok().filter(|ms| (1..=MAX_REMOVAL_MS).contains(ms));
        ms.map(Some).ok_or_else(|| {
            field("remove", "forMs", &format!("must be an integer from 1 to {MAX_REMOVAL_MS}, in milliseconds"))
        })
    }

    fn peer(&mut self, kind: &str) -> Parsed<PeerId> {
        let raw = self.id.take().ok_or_else(|| field(kind, "id", "is missing; it is the id of a peer"))?;
        id(raw).map_err(|why| field(kind, "id", &why))
    }

    /// Refuses what the type does not have: each reader above took what is its own.
    fn nothing_left(&self, kind: &str) -> Parsed<()> {
        // Almost always there is nothing, and that is seen at once.
        if let Self {
            kind: _,
            to: None,
            sdp: None,
            candidate: None,
            reason: None,
            data: None,
            msg: None,
            receipt: None,
            x: None,
            protocol: None,
            resume: None,
            features: None,
            attributes: None,
            token: None,
            id: None,
            t: None,
            for_ms: None,
        } = self
        {
            return Ok(());
        }
        let left = [
            ("to", self.to),
            ("sdp", self.sdp),
            ("candidate", self.candidate),
            ("reason", self.reason),
            ("data", self.data),
            ("msg", self.msg),
            ("receipt", self.receipt),
            ("x", self.x),
            ("protocol", self.protocol),
            ("resume", self.resume),
            ("features", self.features),
            ("attributes", self.attributes),
            ("token", self.token),
            ("id", self.id),
            ("t", self.t),
            ("forMs", self.for_ms),
        ];
        match left.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(field(kind, name, "is not a field of this type")),
            None => Ok(()),
        }
    }
}

fn is_known(kind: &str) -> bool {
    SignalKind::from_type(kind).is_some()
        || matches!(kind, "update" | "ice-servers" | "check" | "frozen" | "leave" | "ping" | "remove")
}

fn field(kind: &str, name: &str, why: &str) -> Box<Rejection> {
    Rejection::new(ErrorCode::BadEnvelope, format!("`{kind}`: `{name}` {why}."))
}

fn over(what: &str, length: usize, limit: &str, max: u64) -> String {
    format!("{what} has {length} bytes, more than the {max} of limits.{limit}.")
}

fn required<'a>(
    kind: &str,
    name: &str,
    raw: Option<&'a RawValue>,
    first: &[u8],
    expected: &str,
) -> Parsed<&'a RawValue> {
    match raw {
        Some(raw) if raw.get().bytes().next().is_some_and(|byte| first.contains(&byte)) => Ok(raw),
        Some(_) => Err(field(kind, name, &format!("must be {expected}"))),
        None => Err(field(kind, name, &format!("is missing; it is {expected}"))),
    }
}

/// Decodes a string; one without an escape is borrowed.
fn string(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    let text = raw.get();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(text).map(Cow::Owned).map_err(|_| "must be a string".to_owned()),
        None => Err("must be a string".to_owned()),
    }
}

fn peer_ref(raw: &RawValue) -> Result<PeerRef<'_>, String> {
    PeerRef::parse(string(raw)?).map_err(|why| why.to_string())
}

fn id(raw: &RawValue) -> Result<PeerId, String> {
    Ok(peer_ref(raw)?.to_id())
}

fn msg(raw: &RawValue) -> Result<MsgId, String> {
    MsgId::parse(&string(raw)?).map_err(|why| why.to_string())
}

fn reason(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    let text = string(raw)?;
    if text.len() > MAX_REASON { Err(format!("must have at most {MAX_REASON} bytes")) } else { Ok(text) }
}

fn features(raw: &RawValue) -> Result<Vec<String>, String> {
    let names: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| "must be an array of strings".to_owned())?;
    if names.len() > MAX_FEATURES || names.iter().any(|name| name.is_empty() || name.len() > MAX_FEATURE) {
        return Err(format!("must have at most {MAX_FEATURES} names of 1 to {MAX_FEATURE} bytes"));
    }
    Ok(names)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
