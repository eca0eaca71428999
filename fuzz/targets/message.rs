//! Any text: parsing a client's message, or the body of a POST, never panics, and a signal that is accepted becomes, spliced, exactly one message whose
//! sender is the server's word and whose payload is the sender's bytes.

#![no_main]

use std::collections::HashMap;

use aldis_protocol::{ClientMessage, Json, Limits, PeerId, Post, Received, Relayed};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    if let Ok(post) = Post::parse(text) {
        assert!(post.seq > 0);
        // Each is a part of the body, and JSON by itself.
        for message in post.messages {
            assert!(text.contains(message.get()) && serde_json::from_str::<&RawValue>(message.get()).is_ok());
        }
    }
    let limits = Limits::default();
    let signal = match ClientMessage::parse(text, &limits) {
        Ok(ClientMessage::Signal(signal)) => signal,
        Ok(_) => return,
        Err(rejection) => {
            assert!(!rejection.error.message.is_empty());
            return;
        }
    };
    let from = PeerId::parse("sender").expect("an id");
    let mut spliced = String::new();
    signal.splice(&from, &mut spliced);
    let verbatim = |raw: Option<&RawValue>| raw.map(Json::from_raw);
    let expected = Relayed {
        kind: signal.kind,
        from,
        payload: verbatim(signal.payload),
        naming: signal.naming.clone(),
        x: verbatim(signal.x),
    };
    match Received::parse(&spliced) {
        Ok(Received::Relayed(relayed)) => assert_eq!(relayed, expected, "{spliced}"),
        other => panic!("{other:?} from {spliced}"),
    }
    // The envelope is the server's: a payload must not be able to close it and go on with fields of its own.
    let fields: HashMap<String, &RawValue> = serde_json::from_str(&spliced).expect("JSON");
    let known = ["type", "from", "msg", "receipt", "x"];
    let strange =
        |name: &&String| !known.contains(&name.as_str()) && Some(name.as_str()) != signal.kind.payload_field();
    assert_eq!(fields.keys().find(strange), None, "{spliced}");
});
