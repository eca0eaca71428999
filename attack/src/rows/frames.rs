//! Rows 25 to 35: frames, as RFC 6455 has them and as it has not.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Attack, Check, attack};
use crate::{
    frame::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT},
    ground::Ground,
    peer::Heard,
};

pub(super) const ATTACKS: [Attack; 8] = [
    attack(25, "frames that break RFC 6455", broken_frames),
    attack(26, "frames that say they are huge", huge_frames),
    attack(27, "endless fragments", endless_fragments),
    attack(28, "a message that never ends", unfinished_message),
    attack(30, "binary frames", binary_frames),
    attack(31, "text that is no UTF-8", bad_utf8),
    attack(32, "compression", compression),
    attack(35, "frames behind a close", behind_a_close),
];

/// What a new raw client's server makes of each.
fn reactions(ground: &Ground<'_>, cases: Vec<(&str, Vec<u8>, &str)>) -> anyhow::Result<Vec<Check>> {
    cases
        .into_iter()
        .map(|(case, bytes, expected)| Ok(Check::new(case, expected, ground.raw("ann")?.socket.reaction(&bytes)?)))
        .collect()
}

fn broken_frames(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    reactions(
        ground,
        vec![
            ("unmasked", vec![0x81, 0x02, b'{', b'}'], "close 1002"),
            ("RSV2", frame::frame(0xA1, b"{}"), "close 1002"),
            ("RSV3", frame::frame(0x91, b"{}"), "close 1002"),
            ("opcode 3", frame::frame(0x83, b""), "close 1002"),
            ("opcode 11", frame::frame(0x8B, b""), "close 1002"),
            ("a fragmented ping", frame::part(PING, b""), "close 1002"),
            ("a ping of 126 bytes", frame::whole(PING, &[0; 126]), "close 1002"),
            ("a close of one byte", frame::whole(CLOSE, b"x"), "close 1002"),
            ("a close with 1005", frame::whole(CLOSE, &1_005_u16.to_be_bytes()), "close 1002"),
            ("a continuation of nothing", frame::whole(CONTINUATION, b"{}"), "close 1002"),
            ("a message within a message", [frame::part(TEXT, b"{"), frame::whole(TEXT, b"}")].concat(), "close 1002"),
        ],
    )
}

fn huge_frames(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let before = ground.servers.usual.resident()?;
    let checks = reactions(
        ground,
        vec![
            ("2^63 - 1 bytes", frame::head(0x80 | TEXT, u64::MAX >> 1), "too-large + close 1009"),
            ("2^63 bytes", frame::head(0x80 | TEXT, 1 << 63), "close 1002"),
            ("64 KiB and one", frame::head(0x80 | TEXT, 65_537), "too-large + close 1009"),
        ],
    )?;
    // Other attacks run beside this one, so it is not a matter of pages.
    let grown = ground.servers.usual.resident()?.saturating_sub(before) >> 20;
    let seen = if grown < 64 { "nothing allocated".to_owned() } else { format!("{grown} MiB allocated") };
    Ok(checks.into_iter().chain([Check::new("memory", "nothing allocated", seen)]).collect())
}

fn endless_fragments(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let empty = [frame::part(TEXT, b""), frame::part(CONTINUATION, b"").repeat(10_000)].concat();
    let single = [frame::part(TEXT, b"{"), frame::part(CONTINUATION, b" ").repeat(10_000)].concat();
    reactions(
        ground,
        vec![("10,000 empty ones", empty, "too-large + close 1009"), ("of one byte", single, "too-large + close 1009")],
    )
}

fn unfinished_message(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut peer = ground.raw("ann")?;
    peer.socket.write(&frame::part(TEXT, &vec![b' '; 60_000]));
    // Nothing closes it as long as its client answers pings; it holds one message at most.
    peer.socket.write(&frame::whole(PING, b"here"));
    let answered = matches!(peer.socket.hear()?, Heard::Control(0xA));
    let more = peer.socket.reaction(&frame::part(CONTINUATION, &vec![b' '; 10_000]))?;
    Ok(vec![
        Check::new("60 kB of it", "lives", if answered { "lives" } else { "does not answer" }),
        Check::new("10 kB more", "too-large + close 1009", more),
    ])
}

fn binary_frames(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    reactions(ground, vec![("a message", frame::whole(BINARY, b"{\"type\":\"leave\"}"), "close 1003")])
}

fn bad_utf8(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let split = [frame::part(TEXT, b"{\"a\":\"\xc3"), frame::whole(CONTINUATION, b"(\"}")].concat();
    reactions(
        ground,
        vec![
            ("a stray byte", frame::whole(TEXT, b"\xff"), "close 1007"),
            ("a surrogate", frame::whole(TEXT, b"\"\xed\xa0\x80\""), "close 1007"),
            ("an overlong form", frame::whole(TEXT, b"\"\xc0\xaf\""), "close 1007"),
            ("a character broken between fragments", split, "close 1007"),
            ("a reason of a close", frame::whole(CLOSE, b"\x03\xe8\xff"), "close 1007"),
        ],
    )
}

fn compression(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bearer = format!("Authorization: Bearer {}", ground.token("ann")?);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame";
    let mut line = ground.line()?;
    let headers: Vec<_> = crate::line::UPGRADE.into_iter().chain([bearer.as_str(), offer]).collect();
    line.send(&crate::line::request("GET", "/v1/signal", &headers));
    let answer = line.answer()?;
    let head = answer.map(|answer| answer.head.to_lowercase()).unwrap_or_default();
    let seen = if head.contains(" 101 ") && !head.contains("extensions") { "not negotiated" } else { "negotiated" };
    let mut checks = vec![Check::new("offered", "not negotiated", seen)];
    checks.extend(reactions(ground, vec![("a compressed frame", frame::frame(0xC1, b"\xaa\x00"), "close 1002")])?);
    Ok(checks)
}

fn behind_a_close(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut peer = ground.raw("ann")?;
    peer.socket.write(&frame::whole(CLOSE, &1_000_u16.to_be_bytes()));
    let since = Instant::now();
    // It has said goodbye, and goes on all the same.
    let update = frame::whole(TEXT, json!({ "type": "update", "attributes": {} }).to_string().as_bytes());
    let mut heard = Vec::new();
    loop {
        peer.socket.write(&update);
        match peer.socket.hear()? {
            Heard::Close(code) => heard.push(format!("close {code}")),
            Heard::End => break,
            Heard::Message(message) => heard.push(message["type"].to_string()),
            Heard::Control(_) => {}
        }
    }
    let seen = if since.elapsed() < Duration::from_secs(7) { "hung up" } else { "stays" };
    // A client that never answers the server's close.
    let mut deaf = ground.raw("bob")?;
    deaf.socket.write(&frame::whole(BINARY, b""));
    let took = deaf.socket.line.hung_up()?;
    let after = if took < Duration::from_secs(8) { "hung up".to_owned() } else { format!("hung up after {took:.1?}") };
    Ok(vec![
        Check::new("what it hears", "close 1000", heard.join(" + ")),
        Check::new("then", "hung up", seen),
        Check::new("no answer to the server's close", "hung up", after),
    ])
}
