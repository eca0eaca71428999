//! Bytes to frames to messages.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll},
};

use aldis_core::{Departure, Dialect};
use aldis_protocol::{
    ClientMessage, CloseCode, ErrorCode, Limits, PeerRef, SignalKind, WireError, client::Rejection, error::Effect,
    limits::Limit,
};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Answer, BREATHER_MS, Connection, Inbound, Read, Stage,
    outlet::{Farewell, Frame, Last, seat},
    rate::{Kind, Patience, Refusal},
};
use crate::{
    driver::Dirty,
    ws::codec::{Decoded, Decoder, Event, Violation},
};

/// How much is read at once beyond what is carried.
const READ_CHUNK: usize = 32 * 1024;

/// The same for a client that has just exceeded its rates: what one read refuses keeps everybody else of this thread waiting.
const SMALL_READ_CHUNK: usize = 4 * 1024;

/// How long its reads are small, in milliseconds.
const SMALL_READS_MS: u64 = 1_000;

thread_local! {
    /// Where sockets are read to: one buffer a thread, none a connection.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is known of the frames of a client.
pub(super) struct Frames {
    /// Bytes of a frame whose end has not come.
    carry: Vec<u8>,
    decoder: Decoder,
}

impl Frames {
    /// Frames that begin with the bytes that came with the handshake.
    pub(super) fn new(early: Vec<u8>, limits: &Limits) -> Self {
        let max_message = usize::try_from(limits.message_bytes).unwrap_or(usize::MAX);
        Self { carry: early, decoder: Decoder::new(max_message) }
    }
}

impl Connection {
    /// Reads once and handles every whole frame; pending when there is nothing to read.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        let Inbound::Frames(frames) = &self.inbound else { return Poll::Pending };
        let mut buffer = BUFFER.take();
        let carried = frames.carry.len();
        buffer.resize((carried + READ_CHUNK).max(buffer.len()), 0);
        buffer[..carried].copy_from_slice(&frames.carry);
        let end = match self.rates.were_exceeded_within(self.now, SMALL_READS_MS) {
            true => carried + SMALL_READ_CHUNK,
            false => buffer.len(),
        };
        let mut window = ReadBuf::new(&mut buffer[carried..end]);
        let read = Pin::new(&mut self.reader).poll_read(cx, &mut window);
        let length = window.filled().len();
        let done = match read {
            Poll::Ready(Ok(())) if length > 0 => {
                self.heard();
                self.handle_bytes(&mut buffer[..carried + length]);
                if self.rates.were_exceeded_within(self.now, 0) {
                    self.breather = Some(self.now.after(BREATHER_MS));
                }
                Poll::Ready(if carried + length == end { Read::Part } else { Read::All })
            }
            // The end of the stream, or an error: the connection is over.
            Poll::Ready(_) => {
                self.leave();
                Poll::Ready(Read::All)
            }
            Poll::Pending => Poll::Pending,
        };
        BUFFER.set(buffer);
        done
    }

    /// Handles what came with the handshake.
    pub(super) fn read_early(&mut self) {
        let Inbound::Frames(frames) = &mut self.inbound else { return };
        let mut early = std::mem::take(&mut frames.carry);
        if !early.is_empty() {
            self.handle_bytes(&mut early);
        }
    }

    /// Handles every whole frame of `bytes`, keeps the rest, and flushes once for each target.
    fn handle_bytes(&mut self, bytes: &mut [u8]) {
        let mut dirty = Dirty::default();
        let mut rest = bytes;
        while !rest.is_empty() && !matches!(self.stage, Stage::Supplying(_) | Stage::Joining(_) | Stage::Ended) {
            let Inbound::Frames(frames) = &mut self.inbound else { break };
            match frames.decoder.decode(rest) {
                Ok(Decoded::Incomplete) => break,
                Ok(Decoded::Frame(used, event)) => {
                    self.handle_event(event, &mut dirty);
                    rest = &mut rest[used..];
                }
                Err(violation) => {
                    self.violation(violation);
                    rest = &mut [];
                }
            }
        }
        if let Inbound::Frames(Frames { carry, .. }) = &mut self.inbound {
            carry.clear();
            carry.shrink_to(rest.len());
            carry.extend_from_slice(rest);
        }
        self.node.driver.flush(dirty);
        self.notice_close();
    }

    fn handle_event(&mut self, event: Event<'_>, dirty: &mut Dirty) {
        match event {
            Event::Close(code) => return self.client_closes(code),
            Event::Text(text) if matches!(self.stage, Stage::Closing { .. }) => return self.too_late(&text, dirty),
            _ if matches!(self.stage, Stage::Closing { .. }) => return,
            Event::Text(text) => return self.handle_text(&text, dirty),
            Event::Binary(_) => self.close(CloseCode::Binary, None, Departure::Lost),
            Event::Ping(payload) => {
                let payload = payload.into();
                self.write(Frame::Pong(payload));
            }
            Event::Pong | Event::Fragment => {}
        }
        self.charge(0);
    }

    /// A flood of what is no message, as control frames or fragments, costs like one of messages; only, there is nobody to tell.
    pub(super) fn charge(&mut self, bytes: usize) {
        let taken = self.rates.take(self.now, Kind::Message, bytes as u64, self.others(), &self.node.limits);
        if taken == Err(Refusal::Close) {
            self.too_much();
        }
    }

    /// What was sent before the client knew of the close: no signal of it goes anywhere, and whoever took the seat over is told.
    fn too_late(&mut self, text: &str, dirty: &mut Dirty) {
        let Some(seat) = seat(&self.handle) else { return };
        let Ok(message @ ClientMessage::Signal(_)) = ClientMessage::parse(text, &self.node.limits) else { return };
        if self.rates.take(self.now, kind(&message), text.len() as u64, self.others(), &self.node.limits).is_ok() {
            self.node.driver.message(&seat, message, self.now, dirty);
        }
    }

    pub(super) fn handle_text(&mut self, text: &str, dirty: &mut Dirty) {
        let now = self.now;
        match ClientMessage::parse(text, &self.node.limits) {
            Ok(message) => {
                let bytes = text.len() as u64;
                let taken = self.rates.take(now, kind(&message), bytes, self.others(), &self.node.limits);
                match taken {
                    Err(Refusal::Close) => self.too_much(),
                    // Whoever goes or freezes is not told to wait with it.
                    Err(Refusal::Wait(limit, wait_ms))
                        if !matches!(message, ClientMessage::Leave | ClientMessage::Frozen) =>
                    {
                        self.refuse_rate(&message, limit, wait_ms);
                    }
                    Ok(()) | Err(Refusal::Wait(..)) => {
                        self.liveness.thaw();
                        self.handle_message(message, dirty);
                    }
                }
            }
            Err(rejection) => {
                // Nonsense costs what sense does.
                let taken = self.rates.take(now, Kind::Message, text.len() as u64, self.others(), &self.node.limits);
                if taken == Err(Refusal::Close) {
                    return self.too_much();
                }
                self.reject(*rejection);
            }
        }
    }

    /// Tells the client what was wrong, and counts the strike if it is one.
    pub(super) fn reject(&mut self, rejection: Rejection) {
        let Rejection { error, limit } = rejection;
        if let Some(limit) = limit {
            self.node.metrics.limit(limit);
        }
        if limit == Some(Limit::message_bytes) {
            return self.close(CloseCode::TooBig, Some(error), Departure::Lost);
        }
        let code = error.code;
        tracing::debug!(%code, "refused a message");
        self.say(&error.into());
        self.strike(code);
    }

    /// Counts the strike, if it is one.
    pub(super) fn strike(&mut self, code: ErrorCode) {
        if code.effect() == Effect::Strike {
            let patience = self.strikes.strike(self.now, &self.node.limits);
            if patience == Patience::Exhausted {
                self.node.metrics.limit(Limit::strikes);
                self.close(CloseCode::BadMessages, None, Departure::Lost);
            }
        }
    }

    fn refuse_rate(&mut self, message: &ClientMessage<'_>, limit: Limit, wait_ms: u64) {
        self.node.metrics.limit(limit);
        let (to, re) = match message {
            // Nobody waits for an answer to an ack.
            ClientMessage::Signal(signal) if signal.kind == SignalKind::Ack => return,
            ClientMessage::Signal(signal) => (signal.to.as_ref().map(PeerRef::to_id), signal.naming.msg().cloned()),
            _ => (None, None),
        };
        let message = format!("More than limits.{} allows.", limit.wire_name());
        let error = WireError::with(ErrorCode::RateLimited, message);
        let error = error.about(to, re).retry_after(wait_ms).outcome(aldis_protocol::Outcome::NotDelivered);
        self.say(&error.into());
    }

    fn too_much(&mut self) {
        self.node.metrics.limit(Limit::excess_ms);
        let error = WireError::with(ErrorCode::RateLimited, "Rate limits were exceeded for limits.excess_ms.");
        self.close(CloseCode::RateLimited, Some(error), Departure::Lost);
    }

    fn violation(&mut self, violation: Violation) {
        let error = match violation {
            Violation::TooBig => {
                self.node.metrics.limit(Limit::message_bytes);
                let message = format!(
                    "The message has more than the {} bytes of limits.messageBytes.",
                    self.node.limits.message_bytes
                );
                Some(WireError::with(ErrorCode::TooLarge, message))
            }
            Violation::Protocol | Violation::BadUtf8 => None,
        };
        self.close(violation.close_code(), error, Departure::Lost);
    }

    /// A client's close frame. 1000 is a goodbye from anybody. 1001 and none are one from a raw client; an `aldis.v1` page that goes away
    /// may be in the back/forward cache, and says `leave` if it is not.
    fn client_closes(&mut self, code: Option<u16>) {
        let known = code.and_then(CloseCode::from_code);
        let dialect = match &self.stage {
            Stage::Seated(seated) => seated.dialect,
            Stage::Supplying(waiting) => waiting.entrance.dialect,
            Stage::Joining(dialect) => *dialect,
            Stage::Greeting { .. } => Dialect::V1,
            Stage::Closing { .. } | Stage::Ended => return self.answered(),
        };
        let departure = match (known, dialect) {
            (Some(CloseCode::Bye), _) | (Some(CloseCode::GoingAway), Dialect::Raw) => Departure::Bye,
            // `ws.close()` without a code, as tutorials have it.
            (None, Dialect::Raw) if code.is_none() => Departure::Bye,
            _ => Departure::Lost,
        };
        // The answer to a close frame is one of the same code, RFC 6455 section 5.5.1.
        self.farewell(Farewell { error: None, last: Last::Echo(code) }, departure);
        self.answered();
    }

    /// The client's close frame came: nothing more is expected of it.
    fn answered(&mut self) {
        if let Stage::Closing { answer, .. } = &mut self.stage {
            *answer = Answer::Heard;
        }
    }

    pub(super) fn others(&self) -> u64 {
        u64::from(self.handle.0.others())
    }
}

fn kind(message: &ClientMessage<'_>) -> Kind {
    match message {
        ClientMessage::Signal(signal) if signal.kind == SignalKind::Ack => Kind::Ack,
        ClientMessage::Signal(signal) if signal.to.is_none() => Kind::Broadcast,
        ClientMessage::Update(_) => Kind::Update,
        _ => Kind::Message,
    }
}
