//! What a client may send, found out by asking the parser.
//!
//! The parser of `client.rs` is written by hand, so there is no type to read the messages from. Of each `type` this tries which
//! fields are required and which are accepted besides, and of each field which kinds of JSON value: what results cannot differ
//! from what the server accepts.

use std::collections::{BTreeMap, BTreeSet};

use aldis_protocol::{ClientMessage, Limits, PeerId};
use serde_json::Value;

use crate::declare::Field;

const STRING: &str = r#""a""#;
const NUMBER: &str = "1";
const TRUE: &str = "true";
const NULL: &str = "null";
const ARRAY: &str = r#"["a"]"#;
const OBJECT: &str = "{}";

/// One value of each kind that JSON has; every field takes some of them, however it is checked besides.
const SAMPLES: [&str; 6] = [STRING, NUMBER, TRUE, NULL, ARRAY, OBJECT];

/// The TypeScript type of each field, and the samples that are of this type.
const TYPES: [(&str, &str, &[&str]); 16] = [
    ("to", "PeerId", &[STRING]),
    ("sdp", "string", &[STRING]),
    ("candidate", "RTCIceCandidateInit | null", &[OBJECT, NULL]),
    ("reason", "string", &[STRING]),
    ("data", "unknown", &SAMPLES),
    ("msg", "MsgId", &[STRING]),
    ("receipt", "true", &[TRUE]),
    ("x", "JsonObject", &[OBJECT]),
    ("protocol", "number", &[NUMBER]),
    ("resume", "string", &[STRING]),
    ("features", "readonly string[]", &[ARRAY]),
    ("attributes", "JsonObject", &[OBJECT]),
    ("token", "string", &[STRING]),
    ("id", "PeerId", &[STRING]),
    ("t", "number", &[NUMBER]),
    ("forMs", "number", &[NUMBER]),
];

/// The fields of a client's message, in the order of [`TYPES`].
pub(crate) fn fields(tag: &str, documented: &[(String, Vec<String>)]) -> Vec<Field> {
    let names: Vec<&str> = TYPES.iter().map(|(name, _, _)| *name).collect();
    let envelope: Vec<&str> = documented.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "type").collect();
    assert_eq!(names, envelope, "the fields that the parser knows");

    let required = required(tag, &names);
    let mut accepted = required.clone();
    // Until nothing is added: `receipt` is only accepted beside `msg`.
    while let Some(&more) = names.iter().find(|name| !accepted.contains(name) && takes(tag, &with(&accepted, name))) {
        accepted.push(more);
    }
    for name in &accepted {
        check_kinds(tag, &accepted, name);
    }
    let of = |&(name, ty, _): &(&str, &str, &[&str])| Field {
        name: name.to_owned(),
        ty: ty.to_owned(),
        optional: !required.contains(&name),
        docs: documented.iter().find(|(field, _)| field == name).map(|(_, docs)| docs.clone()).unwrap_or_default(),
    };
    TYPES.iter().filter(|(name, _, _)| accepted.contains(name)).map(of).collect()
}

/// The fields of the relayed form: those that the sender's has, with `from` in the place of `to`.
pub(crate) fn relayed(tag: &str, sent: &[Field], from: &Field) -> Vec<Field> {
    let mut fields = vec![from.clone()];
    fields.extend(sent.iter().filter(|field| field.name != "to").cloned());
    let all = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<BTreeSet<_>>();
    let required = |fields: &[Field]| all(&fields.iter().filter(|field| !field.optional).cloned().collect::<Vec<_>>());
    for (sent, expected) in [(all(sent), all(&fields)), (required(sent), required(&fields))] {
        assert_eq!(spliced(tag, &sent), expected, "relayed `{tag}`");
    }
    fields
}

/// The fields, apart from `type`, of what the server makes of a signal with these fields.
fn spliced(tag: &str, sent: &BTreeSet<String>) -> BTreeSet<String> {
    let sent: Vec<_> = sent.iter().map(String::as_str).collect();
    let text = message(tag, &sent, None);
    let Ok(ClientMessage::Signal(signal)) = ClientMessage::parse(&text, &Limits::default()) else {
        panic!("{text} is no signal")
    };
    let mut written = String::new();
    signal.splice(&PeerId::parse("a").expect("an id"), &mut written);
    let mut fields: BTreeMap<String, Value> = serde_json::from_str(&written).expect("an object");
    fields.remove("type").expect("a type");
    fields.into_keys().collect()
}

/// The one smallest set of fields that makes a message of this type.
fn required<'a>(tag: &str, names: &[&'a str]) -> Vec<&'a str> {
    let none = vec![Vec::new()];
    let one = names.iter().map(|name| vec![*name]).collect();
    let two = names.iter().flat_map(|a| names.iter().filter(move |b| *b > a).map(move |b| vec![*a, *b])).collect();
    for sets in [none, one, two] {
        let mut taken = sets.into_iter().filter(|set: &Vec<&str>| takes(tag, set));
        if let Some(set) = taken.next() {
            assert!(taken.next().is_none(), "`{tag}` has more than one smallest form");
            return set;
        }
    }
    panic!("no two fields make a `{tag}`")
}

/// A field takes the values of its TypeScript type, and no others.
fn check_kinds(tag: &str, accepted: &[&str], name: &str) {
    for sample in SAMPLES {
        let text = message(tag, accepted, Some((name, sample)));
        assert_eq!(parses(&text), samples(name).contains(&sample), "the TypeScript type of `{tag}.{name}`: {text}");
    }
}

fn takes(tag: &str, names: &[&str]) -> bool {
    parses(&message(tag, names, None))
}

fn parses(text: &str) -> bool {
    ClientMessage::parse(text, &Limits::default()).is_ok()
}

/// A message with the first sample of each of these fields, or with the given one.
fn message(tag: &str, names: &[&str], instead: Option<(&str, &str)>) -> String {
    let mut text = format!(r#"{{"type":"{tag}""#);
    for name in names {
        let value = instead.filter(|(of, _)| of == name).map_or_else(|| samples(name)[0], |(_, sample)| sample);
        text.push_str(&format!(r#","{name}":{value}"#));
    }
    text.push('}');
    text
}

fn samples(name: &str) -> &'static [&'static str] {
    TYPES.iter().find(|(field, _, _)| *field == name).map_or(&[], |(_, _, samples)| samples)
}

fn with<'a>(names: &[&'a str], more: &'a str) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.push(more);
    names
}
