use super::*;

fn parse(text: &str) -> Parsed<ClientMessage<'_>> {
    ClientMessage::parse(text, &Limits::default())
}

fn rejected(text: &str) -> WireError {
    match parse(text) {
        Ok(message) => panic!("{text} was accepted as {message:?}"),
        Err(rejection) => rejection.error,
    }
}

#[test]
fn every_refusal_has_its_code_and_names_the_field() {
    use ErrorCode::{BadEnvelope, BadJson, UnknownType};
    let cases = [
        ("", BadJson, "object"),
        ("null", BadEnvelope, "object"),
        ("[]", BadEnvelope, "object"),
        (r#"["offer","bob"]"#, BadEnvelope, "object"),
        ("1", BadEnvelope, "object"),
        ("\u{feff}{}", BadJson, "object"),
        ("{", BadJson, "JSON"),
        ("{\"type\":\"leave\"} {}", BadJson, "JSON"),
        (r#"{"type":"leave"} // x"#, BadJson, "JSON"),
        (r#"{"type":"ping","t":NaN}"#, BadJson, "JSON"),
        ("{}", BadEnvelope, "`type`"),
        (r#"{"type":1}"#, BadEnvelope, "string"),
        (r#"{"type":"leave","type":"leave"}"#, BadEnvelope, "duplicate field `type`"),
        (r#"{"type":"offer","to":"a","to":"b","sdp":""}"#, BadEnvelope, "duplicate field `to`"),
        (r#"{"type":"offer","to":"a","sdp":"","from":"b"}"#, BadEnvelope, "`from`"),
        (r#"{"type":"offer","to":"a","sdp":"","__proto__":1}"#, BadEnvelope, "`__proto__`"),
        (r#"{"type":"offer","to":"a","sdp":"\ud800"}"#, BadJson, "surrogate"),
        (r#"{"type":"offer","sdp":""}"#, BadEnvelope, "`to` is missing"),
        (r#"{"type":"offer","to":["a"],"sdp":""}"#, BadEnvelope, "`to` must be a string"),
        (r#"{"type":"offer","to":"a b","sdp":""}"#, BadEnvelope, "`to` must be 1 to 128"),
        (r#"{"type":"offer","to":"a"}"#, BadEnvelope, "`sdp` is missing"),
        (r#"{"type":"answer","to":"a","sdp":null}"#, BadEnvelope, "`sdp` must be a string"),
        (r#"{"type":"ice-candidate","to":"a"}"#, BadEnvelope, "`candidate` is missing"),
        (r#"{"type":"ice-candidate","to":"a","candidate":"x"}"#, BadEnvelope, "`candidate` must be"),
        (r#"{"type":"message","to":"a"}"#, BadEnvelope, "`data` is missing"),
        (r#"{"type":"hangup","reason":1}"#, BadEnvelope, "`reason` must be a string"),
        (r#"{"type":"ack"}"#, BadEnvelope, "`to` is missing"),
        (r#"{"type":"ack","to":"a","x":[]}"#, BadEnvelope, "`x` must be an object"),
        (r#"{"type":"message","to":"a","data":1,"receipt":true}"#, BadEnvelope, "`receipt` needs `msg`"),
        (r#"{"type":"message","to":"a","data":1,"msg":"","receipt":true}"#, BadEnvelope, "`msg` must be"),
        (r#"{"type":"message","to":"a","data":1,"msg":"m","receipt":1}"#, BadEnvelope, "`receipt` must be"),
        (r#"{"type":"message","to":"a","data":1,"sdp":"v"}"#, BadEnvelope, "`sdp` is not a field"),
        (r#"{"type":"hello"}"#, BadEnvelope, "`protocol` is missing"),
        (r#"{"type":"hello","protocol":"1"}"#, BadEnvelope, "`protocol` must be"),
        (r#"{"type":"hello","protocol":1.5}"#, BadEnvelope, "`protocol` must be"),
        (r#"{"type":"hello","protocol":1,"features":"streams"}"#, BadEnvelope, "`features` must be"),
        (r#"{"type":"hello","protocol":1,"resume":null}"#, BadEnvelope, "`resume` must be"),
        (r#"{"type":"update","attributes":[]}"#, BadEnvelope, "`attributes` must be"),
        (r#"{"type":"auth"}"#, BadEnvelope, "`token` is missing"),
        (r#"{"type":"check"}"#, BadEnvelope, "`id` is missing"),
        (r#"{"type":"remove","id":"\u0000"}"#, BadEnvelope, "`id` must be"),
        (r#"{"type":"ping","t":"now"}"#, BadEnvelope, "`t` must be a number"),
        (r#"{"type":"leave","msg":"m"}"#, BadEnvelope, "`msg` is not a field"),
        (r#"{"type":"Offer"}"#, UnknownType, "`Offer`"),
        (r#"{"type":"\u001b[31m"}"#, UnknownType, "`[31m`"),
    ];
    for (text, code, names) in cases {
        let error = rejected(text);
        assert_eq!(error.code, code, "{text}: {error}");
        assert!(error.message.contains(names), "{text}: {error}");
        assert!(error.hint.is_some(), "{text}");
    }
}

#[test]
fn a_refusal_of_a_signal_says_which() {
    let error = rejected(r#"{"type":"offer","to":"bob","msg":"m1"}"#);
    assert_eq!(
        (error.to.as_ref().map(PeerId::as_str), error.re.as_ref().map(MsgId::as_str)),
        (Some("bob"), Some("m1"))
    );
}

#[test]
fn a_deep_message_is_too_deep() {
    let nested = |n: usize| format!(r#"{{"type":"message","to":"a","data":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    assert!(parse(&nested(31)).is_ok());
    assert_eq!(rejected(&nested(32)).code, ErrorCode::TooDeep);
}

#[test]
fn an_oversize_candidate_is_too_large() {
    let candidate =
        |n: usize| format!(r#"{{"type":"ice-candidate","to":"a","candidate":{{"candidate":"{}"}}}}"#, "x".repeat(n));
    assert!(parse(&candidate(8_000)).is_ok());
    let error = rejected(&candidate(8_192));
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert!(error.message.contains("limits.smallMessageBytes"), "{error}");
    let offer = format!(r#"{{"type":"offer","to":"a","sdp":"{}"}}"#, "x".repeat(60_000));
    assert!(parse(&offer).is_ok());
}

#[test]
fn an_oversize_x_is_too_large() {
    let with = |n: usize| format!(r#"{{"type":"nack","to":"a","x":{{"a":"{}"}}}}"#, "x".repeat(n));
    assert!(parse(&with(1_016)).is_ok());
    assert_eq!(rejected(&with(1_017)).code, ErrorCode::TooLarge);
}

#[test]
fn oversize_attributes_are_too_large() {
    let with = |n: usize| format!(r#"{{"type":"update","attributes":{{"a":"{}"}}}}"#, "x".repeat(n));
    assert!(parse(&with(1_016)).is_ok());
    assert_eq!(rejected(&with(1_017)).code, ErrorCode::TooLarge);
}

#[test]
fn what_a_browser_writes_is_read() {
    // `JSON.stringify({ ...pc.localDescription.toJSON(), to })` and `JSON.stringify({ type, to, candidate })`.
    let texts = [
        r#"{"type":"offer","sdp":"v=0\r\n","to":"abc"}"#,
        r#"{"type":"ice-candidate","to":"abc","candidate":{"candidate":"candidate:1 1 udp 1 1.2.3.4 5 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"x"}}"#,
        r#"{"type":"ice-candidate","to":"abc","candidate":{"candidate":""}}"#,
        r#"{"type":"ice-candidate","to":"abc","candidate":null}"#,
    ];
    for text in texts {
        assert!(matches!(parse(text), Ok(ClientMessage::Signal(_))), "{text}");
    }
    // Escapes in an id are the same id.
    let Ok(ClientMessage::Check(id)) = parse(r#"{"type":"check","id":"\u0061bc"}"#) else { panic!("not a check") };
    assert_eq!(id.as_str(), "abc");
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_parser(text in r#"[{}\[\]":,a-z0-9\\u]{0,80}"#) {
        let _ = parse(&text);
    }
}
