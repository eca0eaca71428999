//! WebSocket frames, right and wrong ones.

/// How a client masks; any four bytes do.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The last or only frame of a message.
pub(crate) fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload)
}

/// A frame that others follow.
pub(crate) fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload)
}

/// A frame with any first byte: its bits FIN and RSV, and its opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What comes before the mask of a frame that says it has so many bytes.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match u16::try_from(length) {
        Ok(short @ 0..=125) => head.push(0x80 | short.to_le_bytes()[0]),
        Ok(medium) => {
            head.push(0x80 | 126);
            head.extend_from_slice(&medium.to_be_bytes());
        }
        Err(_) => {
            head.push(0x80 | 127);
            head.extend_from_slice(&length.to_be_bytes());
        }
    }
    head
}

/// A frame of the server's.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// Takes the first whole frame off what has come.
pub(crate) fn take(inbox: &mut Vec<u8>) -> Option<Received> {
    let (opcode, start, length) = match *inbox.as_slice() {
        [first, 127, a, b, c, d, e, f, g, h, ..] => (first & 0x0F, 10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
        [first, 126, high, low, ..] => (first & 0x0F, 4, u64::from(u16::from_be_bytes([high, low]))),
        [first, length @ 0..=125, ..] => (first & 0x0F, 2, u64::from(length)),
        _ => return None,
    };
    let end = start + usize::try_from(length).ok()?;
    let payload = inbox.get(start..end)?.to_vec();
    inbox.drain(..end);
    Some(Received { opcode, payload })
}
