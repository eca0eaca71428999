//! How a signal becomes the text its receiver gets: the sender's fields, spliced as they came, with `from` in the place of `to`.

use crate::{Naming, PeerId, Signal};

impl Signal<'_> {
    /// Writes the message for the receiver into `out`, which it clears first.
    ///
    /// Payloads are copied, never parsed or re-encoded. `from` is the server's word: a client cannot send one.
    pub fn splice(&self, from: &PeerId, out: &mut String) {
        out.clear();
        out.push_str("{\"type\":\"");
        out.push_str(self.kind.as_str());
        out.push_str("\",\"from\":\"");
        out.push_str(from.as_str()); // The alphabet of ids needs no escape.
        out.push('"');
        if let (Some(field), Some(payload)) = (self.kind.payload_field(), self.payload) {
            out.push_str(",\"");
            out.push_str(field);
            out.push_str("\":");
            out.push_str(payload.get());
        }
        let (msg, receipt) = match &self.naming {
            Naming::Anonymous => (None, false),
            Naming::Named(msg) => (Some(msg), false),
            Naming::Receipt(msg) => (Some(msg), true),
        };
        if let Some(msg) = msg {
            out.push_str(",\"msg\":");
            push_json_string(msg.as_str(), out);
        }
        if receipt {
            out.push_str(",\"receipt\":true");
        }
        if let Some(x) = self.x {
            out.push_str(",\"x\":");
            out.push_str(x.get());
        }
        out.push('}');
    }
}

/// Quotes printable ASCII: only the quote and the backslash need an escape.
fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use crate::{ClientMessage, Limits, PeerId};

    fn relayed(text: &str) -> String {
        let ClientMessage::Signal(signal) = ClientMessage::parse(text, &Limits::default()).expect("parses") else {
            panic!("not a signal: {text}");
        };
        let mut out = "left over from before".to_owned();
        signal.splice(&PeerId::parse("alice").expect("an id"), &mut out);
        out
    }

    #[test]
    fn payloads_pass_verbatim() {
        let cases = [
            (
                r#"{"type":"offer","sdp":"v=0\r\n\u00e4","to":"bob"}"#,
                r#"{"type":"offer","from":"alice","sdp":"v=0\r\n\u00e4"}"#,
            ),
            (
                r#"{"to":"bob","type":"ice-candidate","candidate":{ "candidate" : "" , "sdpMid":"0"},"x":{"g":1}}"#,
                r#"{"type":"ice-candidate","from":"alice","candidate":{ "candidate" : "" , "sdpMid":"0"},"x":{"g":1}}"#,
            ),
            (
                r#"{"type":"ice-candidate","to":"bob","candidate":null}"#,
                r#"{"type":"ice-candidate","from":"alice","candidate":null}"#,
            ),
            (r#"{"type":"hangup","to":"bob"}"#, r#"{"type":"hangup","from":"alice"}"#),
            (r#"{"type":"hangup","to":"bob","reason":"bye"}"#, r#"{"type":"hangup","from":"alice","reason":"bye"}"#),
            (
                r#"{"type":"message","to":"bob","data":[1,{"a":null}],"msg":"a\"b\\c","receipt":true}"#,
                r#"{"type":"message","from":"alice","data":[1,{"a":null}],"msg":"a\"b\\c","receipt":true}"#,
            ),
            (
                r#"{"type":"ack","to":"bob","x":{"a":{"e":1,"n":2}}}"#,
                r#"{"type":"ack","from":"alice","x":{"a":{"e":1,"n":2}}}"#,
            ),
        ];
        for (sent, expected) in cases {
            assert_eq!(relayed(sent), expected);
        }
    }
}
