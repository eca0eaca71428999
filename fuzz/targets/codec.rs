//! Any bytes, in any pieces: the frame decoder neither panics nor hangs, and what it makes of them does not depend on the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The module alone: with it the whole server would have to be built for the fuzzer.
#[allow(dead_code, reason = "the encoder is the server's")]
#[path = "../../crates/server/src/ws/codec.rs"]
mod codec;

use codec::{Decoded, Decoder, Violation};

/// Small, so that the fuzzer reaches the limit.
const MAX_MESSAGE: usize = 512;

/// What became of a stream of bytes.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<String>,
    violation: Option<Violation>,
    /// Bytes of a frame whose end has not come.
    left: usize,
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (cuts, bytes) = input;
    let whole = decode(std::iter::once(&*bytes));
    // A violation ends the connection, and with it what is left to count.
    assert!(whole.violation.is_some() || whole.left <= MAX_MESSAGE + codec::MAX_HEADER, "{whole:?}");
    assert_eq!(whole, decode(pieces(&bytes, &cuts).into_iter()));
    assert_eq!(whole, decode(bytes.chunks(1)));
});

/// Cuts `bytes` into pieces of the lengths in `cuts`; the last is whatever remains.
fn pieces<'a>(mut bytes: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at(usize::from(*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Feeds the pieces to a decoder as a connection does.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(MAX_MESSAGE);
    let (mut held, mut outcome) = (Vec::new(), Outcome::default());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let used = match decoder.decode(&mut held) {
                Ok(Decoded::Frame(used, event)) => {
                    outcome.events.push(format!("{event:?}"));
                    used
                }
                Ok(Decoded::Incomplete) => break,
                Err(violation) => {
                    outcome.violation = Some(violation);
                    return outcome;
                }
            };
            assert!((2..=held.len()).contains(&used), "a frame of {used} bytes");
            held.drain(..used);
        }
    }
    outcome.left = held.len();
    outcome
}
