use proptest::prelude::*;

use super::*;

const MAX: usize = 1024;

/// A masked frame, as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(Opcode::Text, payload, &mut bytes);
    bytes[0] = first;
    bytes[1] |= 0x80;
    let header = bytes.len() - payload.len();
    let mask = [0x12, 0x34, 0x56, 0x78];
    let masked: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    bytes.truncate(header);
    bytes.extend(mask);
    bytes.extend(masked);
    bytes
}

fn raw(header: &[u8]) -> Result<(), Violation> {
    let mut bytes = header.to_vec();
    bytes.extend([0; 4]);
    Decoder::new(MAX).decode(&mut bytes).map(|_| ())
}

#[test]
fn headers_are_judged_before_their_payload() {
    use Violation::{Protocol, TooBig};
    let cases: &[(&str, &[u8], Result<(), Violation>)] = &[
        ("text", &[0x81, 0x80], Ok(())),
        ("not masked", &[0x81, 0x00], Err(Protocol)),
        ("RSV1, as with compression", &[0xC1, 0x80], Err(Protocol)),
        ("RSV2", &[0xA1, 0x80], Err(Protocol)),
        ("reserved opcode 3", &[0x83, 0x80], Err(Protocol)),
        ("reserved opcode 11", &[0x8B, 0x80], Err(Protocol)),
        ("fragmented ping", &[0x09, 0x80], Err(Protocol)),
        ("long ping", &[0x89, 0xFE, 0, 126], Err(Protocol)),
        ("length not minimal, 16 bits", &[0x81, 0xFE, 0, 125], Err(Protocol)),
        ("length not minimal, 64 bits", &[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], Err(Protocol)),
        ("one over the limit", &[0x81, 0xFE, 0x04, 0x01], Err(TooBig)),
        ("2^62 bytes", &[0x82, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0], Err(TooBig)),
        ("2^63 bytes", &[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], Err(Protocol)),
        ("continuation of nothing", &[0x80, 0x80], Err(Protocol)),
    ];
    for (name, header, expected) in cases {
        assert_eq!(raw(header), *expected, "{name}");
    }
}

#[test]
fn close_frames_are_judged() {
    let close = |payload: &[u8]| match Decoder::new(MAX).decode(&mut frame(0x88, payload)) {
        Ok(Decoded::Frame(_, Event::Close(code))) => Ok(code),
        Ok(other) => panic!("not a close: {other:?}"),
        Err(violation) => Err(violation),
    };
    assert_eq!(close(&[]), Ok(None));
    assert_eq!(close(&[3]), Err(Violation::Protocol));
    for code in [1000_u16, 1001, 1003, 1007, 1011, 1012, 3001, 4999] {
        assert_eq!(close(&close_payload(code, "why")), Ok(Some(code)));
    }
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(close(&close_payload(code, "")), Err(Violation::Protocol), "{code}");
    }
    assert_eq!(close(&[0x03, 0xE8, 0xFF]), Err(Violation::BadUtf8));
}

#[test]
fn fragments_become_one_message_around_control_frames() {
    let mut decoder = Decoder::new(MAX);
    let mut decode = |mut bytes: Vec<u8>| {
        let length = bytes.len();
        match decoder.decode(&mut bytes) {
            Ok(Decoded::Frame(used, event)) => {
                assert_eq!(used, length);
                Ok(format!("{event:?}"))
            }
            Ok(Decoded::Incomplete) => Ok("incomplete".to_owned()),
            Err(violation) => Err(violation),
        }
    };
    // A code point may be split between fragments.
    assert_eq!(decode(frame(0x01, b"a\xC3")), Ok("Fragment".to_owned()));
    assert_eq!(decode(frame(0x89, b"p")), Ok("Ping([112])".to_owned()));
    assert_eq!(decode(frame(0x00, b"\xA4")), Ok("Fragment".to_owned()));
    assert_eq!(decode(frame(0x80, b"b")), Ok("Text(\"a\u{e4}b\")".to_owned()));
    assert_eq!(decode(frame(0x01, b"\xFF")), Ok("Fragment".to_owned()));
    assert_eq!(decode(frame(0x80, b"")), Err(Violation::BadUtf8));
    assert_eq!(decode(frame(0x02, &[0; 1000])), Ok("Fragment".to_owned()));
    assert_eq!(decode(frame(0x81, b"new")), Err(Violation::Protocol));
    assert_eq!(decode(frame(0x80, &[0; 25])), Err(Violation::TooBig));
}

#[test]
fn endless_fragments_end() {
    let mut decoder = Decoder::new(MAX);
    assert!(decoder.decode(&mut frame(0x01, b"")).is_ok());
    let refused = (2..=MAX_FRAGMENTS).find_map(|_| decoder.decode(&mut frame(0x00, b"")).err());
    assert_eq!(refused, Some(Violation::TooBig));
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_messages(
        texts in prop::collection::vec(".{0,200}", 1..5),
        cuts in prop::collection::vec(1_usize..64, 1..400),
    ) {
        let stream: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
        let mut decoder = Decoder::new(MAX);
        let (mut held, mut got, mut fed) = (Vec::new(), Vec::new(), 0);
        for cut in cuts.into_iter().cycle() {
            if fed == stream.len() {
                break;
            }
            let end = (fed + cut).min(stream.len());
            held.extend_from_slice(&stream[fed..end]);
            fed = end;
            loop {
                let used = match decoder.decode(&mut held).expect("valid") {
                    Decoded::Frame(used, Event::Text(text)) => {
                        got.push(text.into_owned());
                        used
                    }
                    Decoded::Frame(_, other) => panic!("{other:?}"),
                    Decoded::Incomplete => break,
                };
                held.drain(..used);
            }
        }
        prop_assert_eq!(got, texts);
    }

    #[test]
    fn no_bytes_panic_it(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(MAX);
        let mut at = 0;
        while let Ok(Decoded::Frame(used, _)) = decoder.decode(&mut bytes[at..]) {
            prop_assert!(used > 0);
            at += used;
        }
    }

    #[test]
    fn what_is_encoded_has_the_announced_length(length in 0_usize..70_000) {
        let mut out = Vec::new();
        encode(Opcode::Text, &vec![b'x'; length], &mut out);
        prop_assert_eq!(out.len(), encoded_len(length));
    }
}
