//! Frames of RFC 6455, section 5: a decoder of what clients send and an encoder of what the server sends.
//!
//! The decoder works in place on whatever bytes are there: an unfragmented message is unmasked and lent out without a copy, an
//! incomplete frame is left as it is, for the caller to keep and to offer again with more bytes behind it. Only a fragmented
//! message is collected, within the message limit.

use std::borrow::Cow;

use aldis_protocol::CloseCode;

/// The longest payload of a control frame, RFC 6455 section 5.5.
const MAX_CONTROL: usize = 125;

/// Most fragments of one message. Browsers send none; without a bound, empty ones would cost work for ever.
const MAX_FRAGMENTS: usize = 64;

/// The longest header of a client's frame: two bytes, eight of length, four of mask.
pub const MAX_HEADER: usize = 14;

/// One thing a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(Cow<'a, str>),
    /// A whole binary message.
    Binary(Cow<'a, [u8]>),
    /// A ping, to be answered with the same payload.
    Ping(&'a [u8]),
    /// A pong.
    Pong,
    /// A close, with its code if it has one.
    Close(Option<u16>),
    /// A fragment of a message whose end has not come.
    Fragment,
}

/// What the decoder made of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A frame, and how many bytes it took.
    Frame(usize, Event<'a>),
    /// The frame is not complete.
    Incomplete,
}

/// How a client broke the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Not RFC 6455.
    Protocol,
    /// A text that is not UTF-8.
    BadUtf8,
    /// A message over the limit.
    TooBig,
}

impl Violation {
    /// The close code that answers it.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol => CloseCode::Protocol,
            Self::BadUtf8 => CloseCode::BadUtf8,
            Self::TooBig => CloseCode::TooBig,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataKind {
    Text,
    Binary,
}

/// A message whose last fragment has not come.
#[derive(Debug)]
struct Fragments {
    kind: DataKind,
    bytes: Vec<u8>,
    count: usize,
}

/// Decodes the frames of one client.
#[derive(Debug)]
pub struct Decoder {
    max_message: usize,
    fragments: Option<Box<Fragments>>,
}

struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    start: usize,
    end: usize,
}

impl Decoder {
    /// A decoder for messages of up to `max_message` bytes.
    #[must_use]
    pub const fn new(max_message: usize) -> Self {
        Self { max_message, fragments: None }
    }

    /// Decodes the first frame of `bytes`, unmasking it in place.
    ///
    /// # Errors
    /// How the client broke the rules; the connection is to be closed.
    pub fn decode<'a>(&mut self, bytes: &'a mut [u8]) -> Result<Decoded<'a>, Violation> {
        let Some(header) = self.header(bytes)? else { return Ok(Decoded::Incomplete) };
        let Some(payload) = bytes.get_mut(header.start..header.end) else { return Ok(Decoded::Incomplete) };
        unmask(payload, header.mask);
        let event = match header.opcode {
            0x0 => self.go_on(header.last, payload)?,
            0x1 => self.begin(header.last, DataKind::Text, payload)?,
            0x2 => self.begin(header.last, DataKind::Binary, payload)?,
            0x8 => Event::Close(close_code(payload)?),
            0x9 => Event::Ping(payload),
            _ => Event::Pong,
        };
        Ok(Decoded::Frame(header.end, event))
    }

    /// Reads the header; what it announces is judged before the payload is waited for.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
        // No extension is negotiated, so reserved bits are zero; a client masks.
        if first & 0x70 != 0 || second & 0x80 == 0 || !matches!(opcode, 0x0..=0x2 | 0x8..=0xA) {
            return Err(Violation::Protocol);
        }
        let (length, length_bytes) = match second & 0x7F {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        // "The minimal number of bytes MUST be used", section 5.2.
        if (length_bytes == 2 && length < 126) || (length_bytes == 8 && length <= 0xFFFF) || length > i64::MAX as u64 {
            return Err(Violation::Protocol);
        }
        if opcode >= 0x8 && (!last || length > MAX_CONTROL as u64) {
            return Err(Violation::Protocol);
        }
        let collected = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        if opcode < 0x8 && length.saturating_add(collected as u64) > self.max_message as u64 {
            return Err(Violation::TooBig);
        }
        let Some(mask) = rest.get(length_bytes..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        let start = 2 + length_bytes + 4;
        // Within `max_message` or `MAX_CONTROL` by now.
        let end = start + usize::try_from(length).map_err(|_| Violation::TooBig)?;
        Ok(Some(Header { last, opcode, mask: *mask, start, end }))
    }

    fn begin<'a>(&mut self, last: bool, kind: DataKind, payload: &'a [u8]) -> Result<Event<'a>, Violation> {
        if self.fragments.is_some() {
            return Err(Violation::Protocol);
        }
        if last {
            return whole(kind, Cow::Borrowed(payload));
        }
        self.fragments = Some(Box::new(Fragments { kind, bytes: payload.to_vec(), count: 1 }));
        Ok(Event::Fragment)
    }

    fn go_on<'a>(&mut self, last: bool, payload: &[u8]) -> Result<Event<'a>, Violation> {
        let Some(mut fragments) = self.fragments.take() else { return Err(Violation::Protocol) };
        fragments.bytes.extend_from_slice(payload);
        fragments.count += 1;
        if last {
            return whole(fragments.kind, Cow::Owned(fragments.bytes));
        }
        if fragments.count >= MAX_FRAGMENTS {
            return Err(Violation::TooBig);
        }
        self.fragments = Some(fragments);
        Ok(Event::Fragment)
    }
}

fn whole(kind: DataKind, payload: Cow<'_, [u8]>) -> Result<Event<'_>, Violation> {
    let text = match (kind, payload) {
        (DataKind::Binary, payload) => return Ok(Event::Binary(payload)),
        (DataKind::Text, Cow::Borrowed(bytes)) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Violation::BadUtf8)?
        }
        (DataKind::Text, Cow::Owned(bytes)) => {
            String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Violation::BadUtf8)?
        }
    };
    Ok(Event::Text(text))
}

/// Section 5.5.1 and 7.4: no payload, or a code that may be on the wire and a UTF-8 reason.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Violation::Protocol);
            }
            std::str::from_utf8(reason).map(|_| Some(code)).map_err(|_| Violation::BadUtf8)
        }
        [_] => Err(Violation::Protocol),
    }
}

/// Section 5.3, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// What a frame of the server carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Text.
    Text,
    /// Binary; only the conformance echo sends it.
    Binary,
    /// Close.
    Close,
    /// Ping.
    Ping,
    /// Pong.
    Pong,
}

/// Appends one whole, unmasked frame.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Text => 0x1,
        Opcode::Binary => 0x2,
        Opcode::Close => 0x8,
        Opcode::Ping => 0x9,
        Opcode::Pong => 0xA,
    };
    out.push(0x80 | opcode);
    let length = payload.len();
    match length {
        0..=125 => out.push(length.to_le_bytes()[0]),
        126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes()[size_of::<usize>() - 2..]);
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// How many bytes [`encode`] appends for a payload of this length.
#[must_use]
pub const fn encoded_len(payload: usize) -> usize {
    payload
        + match payload {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        }
}

/// The payload of a close frame. The reason is cut to what a control frame holds; ours are ASCII.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().take(MAX_CONTROL - 2));
    payload
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
