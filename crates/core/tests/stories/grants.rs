//! A grant is checked on every message, and a new token counts at once.

use aldis_core::{Grant, Permission};
use aldis_protocol::{CloseCode, ErrorCode, Outcome, server::LeaveReason};

use crate::support::{Bench, error, id, left, msg, not_delivered, profile};

const SIGNALS: [&str; 8] = [
    r#"{"type":"offer","to":"bob","sdp":"v=0"}"#,
    r#"{"type":"answer","to":"bob","sdp":"v=0"}"#,
    r#"{"type":"ice-candidate","to":"bob","candidate":null}"#,
    r#"{"type":"hangup","to":"bob"}"#,
    r#"{"type":"ack","to":"bob"}"#,
    r#"{"type":"nack","to":"bob"}"#,
    r#"{"type":"restart","to":"bob"}"#,
    r#"{"type":"rebuild","to":"bob"}"#,
];
const MESSAGE: &str = r#"{"type":"message","to":"bob","data":1}"#;

fn relayed(text: &str) -> String {
    text.replace(r#""to":"bob""#, r#""from":"alice""#)
}

#[test]
fn each_type_needs_its_own() {
    let mut bench = Bench::new();
    let [_bob] = bench.crowd(["bob"]);
    let alice = bench.join("alice").can(&[Permission::Signal]).enter();
    bench.skip();
    for text in SIGNALS {
        bench.say(&alice, text);
        bench.expect(&[_bob.hears(&relayed(text))]);
    }
    bench.say(&alice, MESSAGE);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::Forbidden, "bob", None))]);

    bench.authorize(&alice, profile("alice"), [Permission::Message].into_iter().collect());
    bench.say(&alice, MESSAGE);
    bench.expect(&[_bob.hears(&relayed(MESSAGE))]);
    for text in SIGNALS {
        bench.say(&alice, text);
        if text.contains("ack\"") && !text.contains("nack") {
            bench.expect_nothing();
        } else {
            bench.expect(&[alice.gets(not_delivered(ErrorCode::Forbidden, "bob", None))]);
        }
    }
}

#[test]
fn a_shrunken_grant_takes_effect_at_once() {
    let mut bench = Bench::new();
    let [_bob] = bench.crowd(["bob"]);
    let all: Grant = Permission::ALL.into_iter().collect();
    let alice = bench.join("alice").can(&Permission::ALL).enter();
    bench.skip();
    let everything = [MESSAGE, r#"{"type":"message","data":1,"msg":"m"}"#, r#"{"type":"remove","id":"bob"}"#];

    bench.authorize(&alice, profile("alice"), Grant::NONE);
    for (text, to, re) in [(everything[0], Some("bob"), None), (everything[1], None, Some("m"))] {
        bench.say(&alice, text);
        let refused = error(ErrorCode::Forbidden).about(to.map(id), re.map(msg)).outcome(Outcome::NotDelivered);
        bench.expect(&[alice.gets(refused)]);
    }
    bench.say(&alice, everything[2]);
    bench.expect(&[alice.gets(error(ErrorCode::Forbidden).about(Some(id("bob")), None))]);

    bench.authorize(&alice, profile("alice"), all);
    bench.say(&alice, MESSAGE);
    bench.expect(&[_bob.hears(&relayed(MESSAGE))]);
    bench.say(&alice, everything[2]);
    bench.expect(&[_bob.closed(CloseCode::Removed, ErrorCode::Removed), alice.gets(left("bob", LeaveReason::Removed))]);
}

#[test]
fn a_broadcast_needs_broadcast_and_the_types_own() {
    let mut bench = Bench::new();
    let [_bob] = bench.crowd(["bob"]);
    let table: [(&[Permission], &str, bool); 6] = [
        (&[Permission::Message], r#"{"type":"message","data":1}"#, false),
        (&[Permission::Broadcast], r#"{"type":"message","data":1}"#, false),
        (&[Permission::Message, Permission::Broadcast], r#"{"type":"message","data":1}"#, true),
        (&[Permission::Message, Permission::Broadcast], r#"{"type":"hangup"}"#, false),
        (&[Permission::Signal, Permission::Broadcast], r#"{"type":"hangup"}"#, true),
        (&[Permission::Signal], r#"{"type":"hangup"}"#, false),
    ];
    for (number, (can, text, passes)) in table.into_iter().enumerate() {
        let name = format!("peer-{number}");
        let client = bench.join(&name).can(can).enter();
        bench.skip();
        bench.say(&client, text);
        if passes {
            let (head, tail) = text.split_at(text.find([',', '}']).expect("an object"));
            bench.expect(&[_bob.hears(&format!(r#"{head},"from":"{name}"{tail}"#))]);
        } else {
            let refused = error(ErrorCode::Forbidden).outcome(Outcome::NotDelivered);
            bench.expect(&[client.gets(refused)]);
        }
        bench.say(&client, r#"{"type":"leave"}"#);
        bench.skip();
    }
}

#[test]
fn a_resume_brings_the_grant_of_its_token() {
    let mut bench = Bench::new();
    let [alice, _bob] = bench.crowd(["alice", "bob"]);
    let alice = bench.again(&alice).can(&[]).enter();
    bench.skip();
    bench.say(&alice, MESSAGE);
    bench.expect(&[alice.gets(not_delivered(ErrorCode::Forbidden, "bob", None))]);
}
