//! What a trace says, and how it is played.

use std::time::Duration;

use aldis_client::streams::{Acknowledgement, Fate, Moment, Position, Received, Settled, Stream, StreamHeader, Taken};
use serde::Deserialize;
use serde_json::{Value, json};

/// The names of the calls: those of the SDK.
pub(crate) const CALLS: [&str; 14] = [
    "size", "send", "peek", "take", "takeAck", "receive", "postpone", "refuse", "open", "shut", "hurry", "expire",
    "end", "nextAt",
];

/// A story of two ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trace {
    pub(crate) story: String,
    /// The first epochs of the ends `a` and `b`.
    pub(crate) epochs: [u32; 2],
    pub(crate) steps: Vec<Step>,
}

/// One call, at a moment of virtual time, and what it gives: `null` for nothing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    at: u64,
    end: End,
    pub(crate) gives: Value,
    #[serde(flatten)]
    pub(crate) call: Call,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    A,
    B,
}

/// A call of a stream with its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Call {
    Size {},
    Peek {},
    Take {},
    TakeAck {},
    Open {},
    Shut {},
    Hurry {},
    Expire {},
    End {},
    NextAt {},
    Send {
        item: String,
        bytes: usize,
    },
    Receive {
        x: Header,
        #[serde(default)]
        item: String,
        #[serde(default)]
        bytes: usize,
    },
    #[serde(rename_all = "camelCase")]
    Postpone {
        position: Place,
        retry_after_ms: u64,
    },
    Refuse {
        position: Place,
    },
}

/// A header as it is written, since some stories have what no owner would let through.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    s: Option<Place>,
    a: Option<Answer>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    e: u32,
    n: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Answer {
    Arrived(Place),
    Reset(Over),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Over {
    e: u32,
    reset: bool,
}

/// Plays a story. Returns what each step gave.
pub(crate) fn play(trace: &Trace) -> Vec<Value> {
    let mut ends = trace.epochs.map(Stream::<String>::new);
    trace.steps.iter().map(|step| perform(&mut ends[step.end as usize], step)).collect()
}

fn perform(stream: &mut Stream<String>, step: &Step) -> Value {
    let now = Moment::from_millis(step.at);
    match &step.call {
        Call::Size {} => {
            let size = stream.len();
            assert_eq!(stream.is_empty(), size == 0);
            json!(size)
        }
        Call::Send { item, bytes } => json!(stream.send(item.clone(), *bytes, now).is_ok()),
        Call::Peek {} => json!(stream.peek(now)),
        Call::Take {} => stream.take(now).map_or(Value::Null, |taken| taken_json(&taken)),
        Call::TakeAck {} => json!(stream.take_ack(now)),
        Call::Receive { x, item, bytes } => received_json(&stream.receive((*x).into(), item.clone(), *bytes, now)),
        Call::Postpone { position, retry_after_ms } => {
            stream.postpone((*position).into(), Duration::from_millis(*retry_after_ms), now);
            Value::Null
        }
        Call::Refuse { position } => settled_json(&stream.refuse((*position).into())),
        Call::Open {} => {
            stream.open(now);
            Value::Null
        }
        Call::Shut {} => {
            stream.shut();
            Value::Null
        }
        Call::Hurry {} => {
            stream.hurry(now);
            Value::Null
        }
        Call::Expire {} => settled_json(&stream.expire(now)),
        Call::End {} => settled_json(&stream.end()),
        Call::NextAt {} => stream.next_at(now).map_or(Value::Null, |at| millis(at.since_origin())),
    }
}

impl Call {
    /// What a trace calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Size {} => "size",
            Self::Send { .. } => "send",
            Self::Peek {} => "peek",
            Self::Take {} => "take",
            Self::TakeAck {} => "takeAck",
            Self::Receive { .. } => "receive",
            Self::Postpone { .. } => "postpone",
            Self::Refuse { .. } => "refuse",
            Self::Open {} => "open",
            Self::Shut {} => "shut",
            Self::Hurry {} => "hurry",
            Self::Expire {} => "expire",
            Self::End {} => "end",
            Self::NextAt {} => "nextAt",
        }
    }
}

fn millis(since_origin: Duration) -> Value {
    let whole = Duration::from_millis(since_origin.as_millis().try_into().expect("is no eternity"));
    assert_eq!(whole, since_origin, "a story has whole milliseconds");
    json!(since_origin.as_millis() as u64)
}

fn taken_json(taken: &Taken<'_, String>) -> Value {
    json!({ "item": taken.item, "x": taken.header() })
}

fn received_json(received: &Received<String, String>) -> Value {
    json!({ "delivered": received.delivered, "settled": settled_json(&received.settled) })
}

fn settled_json(settled: &[Settled<String>]) -> Value {
    let outcome = |outcome| match outcome {
        Fate::Delivered => "delivered",
        Fate::NotDelivered => "not-delivered",
        Fate::Unknown => "unknown",
    };
    settled.iter().map(|one| json!({ "item": one.item, "outcome": outcome(one.outcome) })).collect()
}

impl From<Place> for Position {
    fn from(Place { e, n }: Place) -> Self {
        Self { e, n }
    }
}

impl From<Header> for StreamHeader {
    fn from(Header { s, a }: Header) -> Self {
        let answer = |answer| match answer {
            Answer::Arrived(place) => Acknowledgement::Arrived(place.into()),
            Answer::Reset(Over { e, reset }) => {
                assert!(reset, "a reset is true");
                Acknowledgement::Reset { e }
            }
        };
        Self { s: s.map(Position::from), a: a.map(answer) }
    }
}
