use super::{Acknowledgement, Position, StreamHeader};

const S: Position = Position { e: 7, n: 9 };

fn s(json: &str) -> Option<Position> {
    StreamHeader::read(&format!(r#"{{"s":{json}}}"#)).s
}

fn a(json: &str) -> Option<Acknowledgement> {
    StreamHeader::read(&format!(r#"{{"a":{json}}}"#)).a
}

#[test]
fn what_is_written_is_what_the_protocol_says_and_is_read_again() {
    let reset = Acknowledgement::Reset { e: 16_180_338 };
    let table = [
        (StreamHeader::default(), "{}"),
        (StreamHeader { s: Some(S), a: None }, r#"{"s":{"e":7,"n":9}}"#),
        (
            StreamHeader { s: None, a: Some(Acknowledgement::Arrived(Position { e: u32::MAX, n: 0 })) },
            r#"{"a":{"e":4294967295,"n":0}}"#,
        ),
        (StreamHeader { s: Some(S), a: Some(reset) }, r#"{"s":{"e":7,"n":9},"a":{"e":16180338,"reset":true}}"#),
    ];
    for (header, json) in table {
        assert_eq!(serde_json::to_string(&header).expect("serializes"), json);
        assert_eq!(serde_json::from_str::<StreamHeader>(json).expect("deserializes"), header);
        assert_eq!(
            serde_json::from_value::<StreamHeader>(serde_json::from_str(json).expect("is JSON")).ok(),
            Some(header)
        );
    }
}

#[test]
fn the_fields_of_others_are_passed_over() {
    let x = r#" { "g": 1, "d": 1e999, "re": "\ud800", "s": { "t": [], "e": 7, "n": 9 } , "a":{"n":"x","reset":true,"e":0} } "#;
    assert_eq!(StreamHeader::read(x), StreamHeader { s: Some(S), a: Some(Acknowledgement::Reset { e: 0 }) });
}

#[test]
fn a_number_is_one_as_in_javascript() {
    let table = [
        ("1", Some(1)),
        ("1.0", Some(1)),
        ("1e3", Some(1_000)),
        ("9007199254740991", Some(9_007_199_254_740_991)),
        ("9007199254740992", None),
        ("18446744073709551616", None),
        ("1e999", None),
        ("1.5", None),
        ("0", None),
        ("-0", None),
        ("-1", None),
        ("\"1\"", None),
        ("true", None),
        ("null", None),
        ("[1]", None),
        ("{}", None),
    ];
    for (n, read) in table {
        assert_eq!(s(&format!(r#"{{"e":7,"n":{n}}}"#)).map(|position| position.n), read, "{n}");
    }
    for (e, read) in
        [("-0", Some(0)), ("7.0", Some(7)), ("4294967295", Some(u32::MAX)), ("4294967296", None), ("-1", None)]
    {
        assert_eq!(s(&format!(r#"{{"e":{e},"n":1}}"#)).map(|position| position.e), read, "{e}");
    }
}

#[test]
fn only_a_true_reset_is_one() {
    let arrived = |n| Some(Acknowledgement::Arrived(Position { e: 7, n }));
    assert_eq!(a(r#"{"e":7,"reset":true,"n":3}"#), Some(Acknowledgement::Reset { e: 7 }));
    assert_eq!(a(r#"{"e":7,"reset":false,"n":3}"#), arrived(3));
    assert_eq!(a(r#"{"e":7,"reset":1,"n":0}"#), arrived(0));
    assert_eq!(a(r#"{"e":7,"reset":"true"}"#), None);
    assert_eq!(a(r#"{"reset":true}"#), None);
}

#[test]
fn junk_is_no_header() {
    for json in ["null", "5", "true", r#""s""#, "[]", r#"[{"e":7,"n":9}]"#, r#"{"e":7}"#, r#"{"n":9}"#, "{}"] {
        assert_eq!((s(json), a(json)), (None, None), "{json}");
        assert_eq!(StreamHeader::read(json), StreamHeader::default(), "{json}");
        assert!(serde_json::from_str::<Position>(json).is_err(), "{json}");
        assert!(serde_json::from_str::<Acknowledgement>(json).is_err(), "{json}");
    }
    let deep = "[".repeat(100_000);
    for no_json in ["", "{", "s", r#"{"s":{"e":7,"n":9}"#, deep.as_str()] {
        assert_eq!(StreamHeader::read(no_json), StreamHeader::default());
    }
}

#[test]
fn of_two_fields_with_one_name_the_last_counts() {
    assert_eq!(StreamHeader::read(r#"{"s":{"e":1,"n":1},"s":{"e":1,"e":7,"n":9}}"#).s, Some(S));
}
