//! Rows 37 to 47: messages that are none, or not what they say.

use serde_json::json;

use super::{Attack, Check, attack};
use crate::{
    frame::{self, TEXT},
    ground::Ground,
    peer::Peer,
};

pub(super) const ATTACKS: [Attack; 10] = [
    attack(37, "what is no message", no_messages),
    attack(38, "depth bombs", depth_bombs),
    attack(39, "doubled and foreign keys, 10,000 of them", odd_keys),
    attack(40, "lone surrogates, NUL and other scripts in ids", odd_ids),
    attack(41, "numbers at their edges", odd_numbers),
    attack(42, "types that nobody knows", unknown_types),
    attack(43, "descriptions of 64 KiB and one, and of 60 KiB", large_descriptions),
    attack(45, "candidates of any address", odd_candidates),
    attack(46, "64 KiB of escapes", escape_bombs),
    attack(47, "a forged sender", forged_senders),
];

/// What each text is answered with; each has a client of its own, because ten strikes close one.
fn refusals(ground: &Ground<'_>, cases: &[(&str, String, &str)]) -> anyhow::Result<Vec<Check>> {
    cases
        .iter()
        .map(|(case, text, expected)| {
            let mut peer = ground.raw("ann")?;
            let seen = peer.socket.reaction_to(text)?;
            // Whoever was refused goes on.
            let lives = peer.socket.reaction_to(r#"{"type":"ping"}"#)?;
            anyhow::ensure!(lives == "pong", "{case}: the connection did not live: {lives}");
            Ok(Check::new(*case, *expected, seen))
        })
        .collect()
}

fn no_messages(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let cases = [
        ("nothing", "", "bad-json"),
        ("null", "null", "bad-envelope"),
        ("an array", "[]", "bad-envelope"),
        ("an array for an object", r#"["offer","p"]"#, "bad-envelope"),
        ("a number", "1", "bad-envelope"),
        ("two documents", r#"{"type":"leave"}{"type":"leave"}"#, "bad-json"),
        ("a byte order mark", "\u{feff}{}", "bad-json"),
        ("something behind it", r#"{"type":"leave"} x"#, "bad-json"),
        ("a comment", r#"{"type":"leave"/**/}"#, "bad-json"),
        ("NaN", r#"{"type":"ping","t":NaN}"#, "bad-json"),
    ];
    refusals(ground, &cases.map(|(case, text, expected)| (case, text.to_owned(), expected)))
}

fn depth_bombs(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let nested =
        |depth: usize| format!(r#"{{"type":"message","to":"a","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let open = format!(r#"{{"type":"message","to":"a","data":{}"#, "[".repeat(60_000));
    refusals(
        ground,
        &[
            ("33 levels", nested(32), "too-deep"),
            ("30,000 levels", nested(30_000), "too-deep"),
            ("60,000 that never close", open, "too-deep"),
        ],
    )
}

fn odd_keys(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let many: Vec<_> = (0..5_000).map(|number| format!(r#""k{number}":1"#)).collect();
    refusals(
        ground,
        &[
            ("type twice", r#"{"type":"leave","type":"leave"}"#.to_owned(), "bad-envelope"),
            ("to twice", r#"{"type":"offer","to":"a","to":"b","sdp":""}"#.to_owned(), "bad-envelope"),
            (
                "to twice, once escaped",
                r#"{"type":"offer","to":"a","t\u006f":"b","sdp":""}"#.to_owned(),
                "bad-envelope",
            ),
            ("__proto__", r#"{"type":"leave","__proto__":{"x":1}}"#.to_owned(), "bad-envelope"),
            ("constructor", r#"{"type":"leave","constructor":{}}"#.to_owned(), "bad-envelope"),
            ("5,000 keys", format!(r#"{{"type":"message","to":"a","data":1,{}}}"#, many.join(",")), "bad-envelope"),
        ],
    )
}

fn odd_ids(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let to = |id: &str| format!(r#"{{"type":"offer","to":"{id}","sdp":""}}"#);
    refusals(
        ground,
        &[
            ("a lone surrogate in an id", to(r"\ud800"), "bad-json"),
            ("a lone surrogate in data", r#"{"type":"message","to":"a","data":["\udc00x"]}"#.to_owned(), "bad-json"),
            ("NUL", to(r"\u0000"), "bad-envelope"),
            ("an override of direction", to("a\u{202e}b"), "bad-envelope"),
            ("an emoji", to("😀"), "bad-envelope"),
            ("129 characters", to(&"a".repeat(129)), "bad-envelope"),
            ("nothing", to(""), "bad-envelope"),
        ],
    )
}

fn odd_numbers(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let cases = [
        ("a t of 1e400", r#"{"type":"ping","t":1e400}"#, "bad-envelope"),
        ("a t of 2^53", r#"{"type":"ping","t":9007199254740993}"#, "pong"),
        ("a t as text", r#"{"type":"ping","t":"1"}"#, "bad-envelope"),
        ("a protocol of 1.5", r#"{"type":"hello","protocol":1.5}"#, "bad-envelope"),
        ("a protocol of -1", r#"{"type":"hello","protocol":-1}"#, "bad-envelope"),
        ("a receipt of 1", r#"{"type":"message","to":"a","data":1,"msg":"m","receipt":1}"#, "bad-envelope"),
    ];
    refusals(ground, &cases.map(|(case, text, expected)| (case, text.to_owned(), expected)))
}

fn unknown_types(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let cases = ["Offer", "offer ", "welcome", "peer-left", "constructor", r"\u001b[31m"];
    let texts: Vec<_> = cases.iter().map(|kind| (*kind, format!(r#"{{"type":"{kind}"}}"#), "unknown-type")).collect();
    refusals(ground, &texts)
}

/// Two in a room.
fn pair(ground: &Ground<'_>) -> anyhow::Result<(Peer, Peer)> {
    let mut ann = ground.raw("ann")?;
    let bob = ground.raw("bob")?;
    ann.socket.expect("peer-joined")?;
    Ok((ann, bob))
}

/// Whether what is sent arrives as it was sent.
fn arrives(ground: &Ground<'_>, field: &str, kind: &str, payload: &str) -> anyhow::Result<String> {
    let (mut ann, mut bob) = pair(ground)?;
    let text = format!(r#"{{"type":"{kind}","to":"{}","{field}":{payload}}}"#, bob.id);
    let refused = ann.socket.reaction_to(&text)?;
    if refused != "nothing" {
        return Ok(refused);
    }
    let received = bob.socket.expect(kind)?;
    let same = received[field] == serde_json::from_str::<serde_json::Value>(payload)?;
    Ok(if same { "relayed" } else { "changed" }.to_owned())
}

fn large_descriptions(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    ground.canary("canary-sdp");
    let line = serde_json::to_string(&format!("canary-sdp {}", "x".repeat(60_000)))?;
    let candidates = serde_json::to_string(&"a=candidate:1 1 udp 1 198.51.100.77 5 typ host\r\n".repeat(1_200))?;
    ground.canary("198.51.100.77");
    let (mut ann, bob) = pair(ground)?;
    let too_large = json!({ "type": "offer", "to": bob.id, "sdp": "x".repeat(65_537) }).to_string();
    let small = json!({ "type": "ice-candidate", "to": bob.id, "candidate": { "candidate": "x".repeat(8_192) } });
    let candidate = ann.socket.reaction_to(&small.to_string())?;
    Ok(vec![
        Check::new("one line of 60 kB", "relayed", arrives(ground, "sdp", "offer", &line)?),
        Check::new("1,200 candidates", "relayed", arrives(ground, "sdp", "offer", &candidates)?),
        Check::new("a candidate of 8 KiB", "too-large", candidate),
        Check::new("64 KiB and more", "too-large + close 1009", ann.socket.reaction_to(&too_large)?),
    ])
}

fn odd_candidates(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    ground.canary("canary-candidate");
    let candidates = [
        "candidate:1 1 udp 1 169.254.169.254 80 typ host",
        "candidate:1 1 udp 1 0.0.0.0 0 typ host",
        "candidate:1 1 udp 1 4e0a.local 5 typ host canary-candidate",
        "canary-candidate\r\n{\"level\":\"ERROR\"}\u{1b}[31m",
    ];
    let long = format!("canary-candidate {}", "x".repeat(2_000));
    candidates
        .into_iter()
        .chain([long.as_str()])
        .map(|candidate| {
            let payload = json!({ "candidate": candidate, "sdpMid": "0" }).to_string();
            Ok(Check::new(candidate, "relayed", arrives(ground, "candidate", "ice-candidate", &payload)?))
        })
        .collect()
}

fn escape_bombs(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let zeros = format!("\"{}\"", r"\u0000".repeat(10_000));
    let pairs = format!("\"{}\"", r"\ud83d\ude00".repeat(5_000));
    let slashes = format!("\"{}\"", r"\\".repeat(30_000));
    let mut checks = Vec::new();
    for (case, payload) in [("NUL", zeros), ("pairs of surrogates", pairs), ("backslashes", slashes)] {
        checks.push(Check::new(case, "relayed", arrives(ground, "data", "message", &payload)?));
    }
    Ok(checks)
}

fn forged_senders(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (mut ann, mut bob) = pair(ground)?;
    let text = |field: &str| format!(r#"{{"type":"offer","to":"{}","sdp":"","{field}":"{}"}}"#, bob.id, bob.id);
    let mut checks = Vec::new();
    for field in ["from", "peer", "user", "identity", "id"] {
        checks.push(Check::new(field, "bad-envelope", ann.socket.reaction_to(&text(field))?));
    }
    checks.push(Check::new(
        "the other",
        "nothing",
        bob.socket.reaction(&frame::whole(TEXT, b" {\"type\":\"update\",\"attributes\":{}}"))?,
    ));
    Ok(checks)
}
