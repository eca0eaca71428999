//! What is written on an event stream: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.
//!
//! A message is an event without a name, a ping and the end are named. Nothing else frames them: the body ends with the connection,
//! so that HTTP/1.0 proxies carry it too.

use aldis_protocol::close::Closed;

/// Asks for a sign of life.
pub const PING: &[u8] = b"event: ping\ndata: {}\n\n";

/// Nothing, for the ears of whoever waits for bytes.
pub const COMMENT: &[u8] = b":\n\n";

const FIELD: &[u8] = b"data: ";
const END: &[u8] = b"\n\n";

/// Appends a message.
///
/// A line break would end the field. In JSON it can only be white space between tokens, so a space stands in for it, and the length is
/// known beforehand.
pub fn message(json: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(FIELD);
    let start = out.len();
    out.extend_from_slice(json.as_bytes());
    for byte in &mut out[start..] {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(END);
}

/// How many bytes [`message`] appends.
#[must_use]
pub const fn message_len(json: usize) -> usize {
    FIELD.len() + json + END.len()
}

/// The last event.
#[must_use]
pub fn closed(closed: &Closed) -> Vec<u8> {
    // A number and a string have no way to fail.
    let json = serde_json::to_string(closed).unwrap_or_default();
    format!("event: close\ndata: {json}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use aldis_protocol::CloseCode;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_what_a_parser_of_the_standard_expects() {
        let mut out = Vec::new();
        message("{\"a\":\r\n\t1}", &mut out);
        assert_eq!(String::from_utf8(out).expect("text"), "data: {\"a\":  \t1}\n\n");
        let end = closed(&CloseCode::SlowReader.into());
        assert_eq!(
            String::from_utf8(end).expect("text"),
            "event: close\ndata: {\"code\":4420,\"reason\":\"The client did not read what was sent to it\"}\n\n"
        );
    }

    proptest! {
        #[test]
        fn a_message_is_one_event_of_the_announced_length_with_the_same_value(text in ".{0,40}", breaks in "[\r\n\t ]{0,6}") {
            let json = format!("{breaks}[{}{breaks},{breaks}1]", serde_json::to_string(&text).expect("a string"));
            let mut out = Vec::new();
            message(&json, &mut out);
            prop_assert_eq!(out.len(), message_len(json.len()));
            let written = String::from_utf8(out).expect("text");
            prop_assert_eq!(written.split(['\r', '\n']).count(), 3);
            let data = written.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).expect("a field");
            let (sent, came): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&json).expect("JSON"), serde_json::from_str(data).expect("JSON"));
            prop_assert_eq!(sent, came);
        }
    }
}
