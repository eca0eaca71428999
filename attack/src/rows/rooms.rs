//! Rows 48 to 52 and 59 to 69: who may reach whom, and how much of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Attack, Check, attack};
use crate::{
    frame::{self, TEXT},
    ground::Ground,
    line::request,
    peer::{Heard, Peer},
};

pub(super) const ATTACKS: [Attack; 13] = [
    attack(48, "a peer of another room", other_rooms),
    attack(49, "to oneself, to several, to all", odd_receivers),
    attack(50, "room names, one after the other", enumeration),
    attack(51, "peer ids, one after the other", guessed_ids),
    attack(52, "an id of one's own choice", chosen_ids),
    attack(59, "signals without the grant", no_grant),
    attack(60, "a burst of candidates", candidate_burst),
    attack(61, "a burst of broadcasts", broadcast_burst),
    attack(63, "bursts of updates, and large ones", update_burst),
    attack(64, "more for a peer that is away than is kept", parked_stuffing),
    attack(66, "a burst of acks", ack_burst),
    attack(69, "messages as a tunnel", tunnel),
    attack(44, "lines of a log in a message", log_lines),
];

/// The error that a text is answered with, without what names its target.
fn error(peer: &mut Peer, message: &Value) -> anyhow::Result<Value> {
    peer.socket.say(message);
    let mut error = peer.socket.expect("error")?;
    error["to"] = Value::Null;
    Ok(error)
}

fn other_rooms(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut ann = ground.raw("ann")?;
    let eve = ground.raw_with(&ground.token_with("eve", &format!("{}-cellar", ground.room()), &json!({}))?)?;
    let offer = |to: &str| json!({ "type": "offer", "to": to, "sdp": "" });
    let there = error(&mut ann, &offer(&eve.id))?;
    let nowhere = error(&mut ann, &offer("nobody"))?;
    let checks = ann.socket.reaction_to(&json!({ "type": "check", "id": eve.id }).to_string())?;
    Ok(vec![
        Check::new("the code", "unknown-peer", there["code"].as_str().unwrap_or_default()),
        Check::new("beside that of nobody", "the same", if there == nowhere { "the same" } else { "another" }),
        Check::new("a check", "checked", checks),
    ])
}

fn odd_receivers(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut ann = ground.raw("ann")?;
    let own = ann.id.clone();
    let mut seen = |message: Value| ann.socket.reaction_to(&message.to_string());
    Ok(vec![
        Check::new("oneself", "unknown-peer", seen(json!({ "type": "offer", "to": own, "sdp": "" }))?),
        Check::new("an array", "bad-envelope", seen(json!({ "type": "offer", "to": [own], "sdp": "" }))?),
        Check::new("`*`", "bad-envelope", seen(json!({ "type": "offer", "to": "*", "sdp": "" }))?),
        Check::new("nobody", "bad-envelope", seen(json!({ "type": "offer", "sdp": "" }))?),
        Check::new("all, without the grant", "forbidden", seen(json!({ "type": "message", "data": 1 }))?),
        Check::new("remove, without the grant", "forbidden", seen(json!({ "type": "remove", "id": own }))?),
    ])
}

fn enumeration(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let cellar = format!("{}-cellar", ground.room());
    let _somebody = ground.raw_with(&ground.token_with("eve", &cellar, &json!({}))?)?;
    let bearer = format!("Authorization: Bearer {}", ground.token("ann")?);
    let ask = |room: &str| -> anyhow::Result<_> {
        let answer = ground.ask(&request("GET", &format!("/v1/signal?room={room}"), &[&bearer]))?.context("hung up")?;
        // It says which room was asked for, and nothing else of it.
        Ok((answer.verdict(), answer.body.replace(&format!("`{room}`"), "`ROOM`")))
    };
    let (there, told) = ask(&cellar)?;
    let mut same = true;
    for number in 0..100 {
        same &= ask(&format!("hidden-{number}"))? == (there.clone(), told.clone());
    }
    Ok(vec![
        Check::new("one with somebody in it", "403 forbidden", there),
        Check::new(
            "100 that are not there",
            "the same, byte by byte",
            if same { "the same, byte by byte".to_owned() } else { told.clone() },
        ),
    ])
}

fn guessed_ids(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let mut ann = ground.raw("ann")?;
    let guess = |number: u32| json!({ "type": "offer", "to": format!("{number:026}"), "sdp": "" }).to_string();
    let guesses: Vec<u8> = (0..600).flat_map(|number| frame::whole(TEXT, guess(number).as_bytes())).collect();
    Ok(vec![
        Check::new("600 at once", "unknown-peer + rate-limited", ann.socket.reaction(&guesses)?),
        Check::new("and then", "lives", lives(&mut ann)?),
    ])
}

/// Whether the connection still answers, once its rates allow it.
fn lives(peer: &mut Peer) -> anyhow::Result<&'static str> {
    for _ in 0..200 {
        peer.socket.write(&frame::whole(frame::PING, b""));
        match peer.socket.hear()? {
            Heard::Control(0xA) => return Ok("lives"),
            Heard::Close(_) | Heard::End => return Ok("is closed"),
            Heard::Message(_) | Heard::Control(_) => {}
        }
    }
    Ok("does not answer")
}

fn chosen_ids(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let victim = ground.raw("bob")?;
    let token = ground.token("eve")?;
    ["id", "peer", "peerId", "identity"]
        .into_iter()
        .map(|field| {
            let mut socket = ground.greeting(&token)?;
            let mut hello = json!({ "type": "hello", "protocol": 1 });
            hello[field] = victim.id.clone().into();
            socket.say(&hello);
            let error = socket.expect("error")?;
            Ok(Check::new(field, "bad-envelope", error["code"].as_str().unwrap_or_default()))
        })
        .collect()
}

fn no_grant(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bob = ground.raw("bob")?;
    let mut eve = ground.raw_with(&ground.token_with("eve", &ground.room(), &json!({ "can": [] }))?)?;
    let mut checks = vec![Check::new("TURN credentials", "none", {
        let servers = eve.welcome["iceServers"].as_array().map_or(0, Vec::len);
        if servers == 0 { "none".to_owned() } else { format!("{servers}") }
    })];
    for message in [
        json!({ "type": "offer", "to": bob.id, "sdp": "" }),
        json!({ "type": "ice-candidate", "to": bob.id, "candidate": null }),
        json!({ "type": "message", "to": bob.id, "data": 1 }),
        json!({ "type": "hangup" }),
        json!({ "type": "remove", "id": bob.id }),
    ] {
        let seen = eve.socket.reaction_to(&message.to_string())?;
        checks.push(Check::new(message["type"].as_str().unwrap_or_default(), "forbidden", seen));
    }
    Ok(checks)
}

/// Sends so many messages at once to somebody: what the sender hears, and how many arrive.
fn burst(
    ground: &Ground<'_>,
    count: u32,
    message: impl Fn(&str, u32) -> Value,
) -> anyhow::Result<(String, usize, Duration)> {
    let all = json!({ "can": ["signal", "message", "broadcast"] });
    let mut ann = ground.raw_with(&ground.token_with("ann", &ground.room(), &all)?)?;
    let mut bob = ground.raw("bob")?;
    ann.socket.expect("peer-joined")?;
    let messages: Vec<u8> =
        (0..count).flat_map(|number| frame::whole(TEXT, message(&bob.id, number).to_string().as_bytes())).collect();
    let began = Instant::now();
    let heard = ann.socket.reaction(&messages)?;
    let took = began.elapsed();
    bob.socket.say(&json!({ "type": "ping", "t": 7 }));
    let mut arrived = 0;
    loop {
        match bob.socket.hear()? {
            Heard::Message(message) if message["type"] == "pong" => break,
            Heard::Message(_) => arrived += 1,
            Heard::Control(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    Ok((heard, arrived, took))
}

/// Whether so many are what a bucket holds, with what has flowed into it meanwhile.
fn within(arrived: usize, bucket: usize, per_second: u32, took: Duration) -> String {
    let flowed = (took.as_secs_f64() * f64::from(per_second)).ceil();
    let is_within = arrived >= bucket / 2 && arrived as f64 <= bucket as f64 * 1.1 + flowed;
    if is_within { "what the rate allows".to_owned() } else { format!("{arrived} in {took:.1?}") }
}

fn candidate_burst(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (heard, arrived, took) = burst(
        ground,
        2_000,
        |to, number| json!({ "type": "ice-candidate", "to": to, "candidate": { "candidate": number.to_string() } }),
    )?;
    Ok(vec![
        Check::new("the sender", "rate-limited", heard),
        Check::new("the victim gets", "what the rate allows", within(arrived, 320, 50, took)),
    ])
}

fn broadcast_burst(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (heard, arrived, took) = burst(ground, 2_000, |_, number| json!({ "type": "message", "data": number }))?;
    Ok(vec![
        Check::new("the sender", "rate-limited", heard),
        Check::new("each other gets", "what the rate allows", within(arrived, 320, 50, took)),
    ])
}

fn update_burst(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (heard, arrived, took) =
        burst(ground, 100, |_, number| json!({ "type": "update", "attributes": { "n": number } }))?;
    let (large, ..) = burst(ground, 1, |_, _| json!({ "type": "update", "attributes": { "n": "x".repeat(1_024) } }))?;
    Ok(vec![
        Check::new("the sender", "rate-limited", heard),
        Check::new("the others get", "what the rate allows", within(arrived, 2, 2, took + Duration::from_millis(500))),
        Check::new("1 KiB and more", "too-large", large),
    ])
}

fn ack_burst(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let (heard, arrived, took) =
        burst(ground, 2_000, |to, number| json!({ "type": "ack", "to": to, "x": { "a": { "e": 1, "n": number } } }))?;
    Ok(vec![
        Check::new("the sender", "nothing", heard),
        Check::new("the victim gets", "what the rate allows", within(arrived, 205, 205, took)),
    ])
}

fn parked_stuffing(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bob = ground.v1(&ground.token("bob")?, None)?;
    let mut ann = ground.raw("ann")?;
    let to = bob.id.clone();
    drop(bob);
    // It is away as soon as the server has seen the end of its connection.
    ann.socket.say(&json!({ "type": "check", "id": to }));
    while ann.socket.expect("checked")?["presence"] != "away" {
        ann.socket.say(&json!({ "type": "check", "id": to }));
    }
    let parked = |number: u32| json!({ "type": "message", "to": to, "data": number }).to_string();
    let messages: Vec<u8> = (0..100).flat_map(|number| frame::whole(TEXT, parked(number).as_bytes())).collect();
    let before = ground.servers.usual.metric("aldis_limit_hits_total{limit=\"parked_messages\"}")?;
    let seen = ann.socket.reaction(&messages)?;
    let refused = ground.servers.usual.metric("aldis_limit_hits_total{limit=\"parked_messages\"}")? - before;
    Ok(vec![
        Check::new("100 messages", "queue-full", seen),
        Check::new("refused", "36 of 100", format!("{refused} of 100")),
    ])
}

fn tunnel(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    let bob = ground.raw("bob")?;
    let mut eve = ground.raw_with(&ground.token_with("eve", &ground.room(), &json!({ "can": ["signal"] }))?)?;
    let seen = eve.socket.reaction_to(&json!({ "type": "message", "to": bob.id, "data": "x" }).to_string())?;
    // With the grant, bytes are what is limited.
    let (heard, arrived, took) =
        burst(ground, 60, |to, _| json!({ "type": "message", "to": to, "data": "x".repeat(60_000) }))?;
    Ok(vec![
        Check::new("without the grant", "forbidden", seen),
        Check::new("3.6 MB at once", "rate-limited", heard),
        // A bucket of 1 MiB, and 256 KiB a second.
        Check::new("of which arrive", "what the rate allows", within(arrived, 17, 5, took)),
    ])
}

fn log_lines(ground: &Ground<'_>) -> anyhow::Result<Vec<Check>> {
    ground.canary("canary-line");
    let line = "v=0\r\n{\"level\":\"ERROR\",\"fields\":{\"message\":\"canary-line\"}}\n\u{1b}[2Jcanary-line";
    let mut ann = ground.raw("ann")?;
    let mut bob = ground.raw("bob")?;
    ann.socket.expect("peer-joined")?;
    ann.socket.say(&json!({ "type": "offer", "to": bob.id, "sdp": line }));
    ann.socket.say(&json!({ "type": "hangup", "to": bob.id, "reason": line }));
    let same = bob.socket.expect("offer")?["sdp"] == line && bob.socket.expect("hangup")?["reason"] == line;
    Ok(vec![Check::new("in a description and a reason", "relayed", if same { "relayed" } else { "changed" })])
}
