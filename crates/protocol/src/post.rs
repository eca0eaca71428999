//! What a client of the event stream sends upwards: the body of a POST.
//!
//! Only the envelope is read here. Each message in it is one text for [`ClientMessage::parse`](crate::ClientMessage::parse), as a
//! WebSocket frame is, so that a broken one spoils none of the others.

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use crate::{ErrorCode, client::Rejection};

/// Messages, and their place among the POSTs of the connection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post<'a> {
    /// 1 for the first POST of a connection, and one more for each further one.
    pub seq: u64,
    /// The messages, each still a text of its own.
    #[serde(borrow)]
    pub messages: Vec<&'a RawValue>,
}

impl<'a> Post<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field.
    pub fn parse(text: &'a str) -> Result<Self, Box<Rejection>> {
        // A struct would also be read from an array.
        let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
        let post: Self = serde_json::from_str(text).map_err(|error| refused(&error))?;
        match post {
            _ if !is_object => Err(Rejection::new(ErrorCode::BadEnvelope, "The body must be a JSON object.")),
            Self { seq: 0, .. } => Err(Rejection::new(ErrorCode::BadEnvelope, "The body's `seq` begins at 1.")),
            post => Ok(post),
        }
    }
}

fn refused(error: &serde_json::Error) -> Box<Rejection> {
    let text = error.to_string();
    if error.classify() == Category::Data {
        let sentence = text.split(" at line").next().unwrap_or(&text);
        Rejection::new(ErrorCode::BadEnvelope, format!("The body has a bad field: {sentence}."))
    } else {
        Rejection::new(ErrorCode::BadJson, format!("The body is not valid JSON: {text}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_a_number_and_messages_verbatim() {
        let post = Post::parse(r#" { "messages": [ { "type":  "leave" }, 7, nullx ], "seq": 1 }"#);
        assert_eq!(post.expect_err("no JSON").error.code, ErrorCode::BadJson);
        let text = r#" { "messages": [ { "type":  "leave" }, 7, "x" ], "seq": 9007199254740991 }"#;
        let post = Post::parse(text).expect("a body");
        let messages: Vec<_> = post.messages.iter().map(|message| message.get()).collect();
        assert_eq!((post.seq, messages), (9_007_199_254_740_991, vec![r#"{ "type":  "leave" }"#, "7", r#""x""#]));
        assert!(Post::parse(r#"{"seq":1,"messages":[]}"#).expect("a body").messages.is_empty());
    }

    #[test]
    fn what_is_no_body_is_refused_by_name() {
        use ErrorCode::{BadEnvelope, BadJson};
        let deep = format!(r#"{{"seq":1,"messages":{}1{}}}"#, "[".repeat(60_000), "]".repeat(60_000));
        let cases: &[(&str, ErrorCode, &str)] = &[
            ("", BadJson, "not valid JSON"),
            ("{", BadJson, "not valid JSON"),
            (r#"{"seq":1,"messages":[]}x"#, BadJson, "not valid JSON"),
            ("{}", BadEnvelope, "seq"),
            (r#"[1,[]]"#, BadEnvelope, "object"),
            (r#"{"seq":1}"#, BadEnvelope, "messages"),
            (r#"{"seq":0,"messages":[]}"#, BadEnvelope, "begins at 1"),
            (r#"{"seq":-1,"messages":[]}"#, BadEnvelope, "-1"),
            (r#"{"seq":1.5,"messages":[]}"#, BadEnvelope, "1.5"),
            (r#"{"seq":"1","messages":[]}"#, BadEnvelope, "string"),
            (r#"{"seq":1,"messages":{}}"#, BadEnvelope, "sequence"),
            (r#"{"seq":1,"seq":2,"messages":[]}"#, BadEnvelope, "duplicate"),
            (r#"{"seq":1,"messages":[],"x":1}"#, BadEnvelope, "unknown field `x`"),
        ];
        for (text, code, names) in cases {
            let error = Post::parse(text).expect_err("refused").error;
            assert_eq!(error.code, *code, "{text}");
            assert!(error.message.contains(names), "{text}: {}", error.message);
        }
        // Depth is judged message by message; nothing here recurses.
        assert_eq!(Post::parse(&deep).expect("a body").messages.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_it(text in r#"[\[\]{}",:0-9a-z seqmgn]{0,64}"#) {
            let _ = Post::parse(&text);
        }

        #[test]
        fn messages_come_back_as_they_were(messages in proptest::collection::vec(".{0,20}", 0..6), seq in 1_u64..) {
            let messages: Vec<_> = messages.iter().map(|text| serde_json::to_string(text).expect("a string")).collect();
            let text = format!(r#"{{"seq":{seq},"messages":[{}]}}"#, messages.join(" , "));
            let post = Post::parse(&text).expect("a body");
            proptest::prop_assert_eq!(post.seq, seq);
            let found: Vec<_> = post.messages.iter().map(|message| message.get()).collect();
            proptest::prop_assert_eq!(found, messages);
        }
    }
}
