//! The floods themselves. Each goes on until its time is over, as fast as one core can.

use std::{future::Future, net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    task::JoinSet,
    time::{sleep, timeout_at},
};

use super::{
    field::{Field, any_address},
    link::{Dialect, Link},
};
use crate::{
    frame::{self, CONTINUATION, PING, TEXT},
    line::request,
    token::{KID, forge},
};

/// How many do the same thing at the same time, where it is one after another.
const LOOPS: u32 = 64;

/// How many messages are written at once.
const BATCH: usize = 64;

/// Does the same thing in many loops, again and again, and counts what each comes to.
async fn loops<F: Future<Output = anyhow::Result<String>> + Send + 'static>(
    field: &Field,
    count: u32,
    once: impl Fn(Field, u32) -> F + Clone + Send + 'static,
) {
    let mut running = JoinSet::new();
    for number in 0..count {
        let (field, once) = (field.clone(), once.clone());
        running.spawn(async move {
            while field.goes_on() {
                let Ok(seen) = timeout_at(field.until, once(field.clone(), number)).await else { return };
                field.saw(seen.unwrap_or_else(|error| error.to_string()));
            }
        });
    }
    while running.join_next().await.is_some() {}
}

pub(super) async fn handshakes(field: Field) {
    loops(&field, LOOPS, async |field, number| {
        let name = format!("handshake-{number}");
        field.join(&name, &name, Dialect::Raw).await.map(|_| "welcome".to_owned())
    })
    .await;
}

pub(super) async fn failed_tokens(field: Field) {
    loops(&field, LOOPS, async |field, number| {
        let claims = json!({ "sub": "eve", "room": "lobby", "exp": 4_102_444_800_u64 });
        let token = forge(&json!({ "alg": "HS256", "kid": KID }), &claims);
        // Some guess from one address, which waits ever longer, and some from everywhere.
        let from = if number % 4 == 0 { Ipv4Addr::new(127, 31, 0, 1) } else { any_address(fastrand::u8(100..)) };
        let mut link = Link::dial(field.port, from, None).await?;
        let bytes = request("GET", "/v1/signal", &[&format!("Authorization: Bearer {token}"), "Connection: close"]);
        Ok(link.ask(&bytes).await?.to_string())
    })
    .await;
}

pub(super) async fn probes(field: Field) {
    loops(&field, LOOPS, async |field, number| {
        let name = format!("probe-{number}");
        let bearer = format!("Authorization: Bearer {}", field.token(&name, &name)?);
        let mut link = Link::dial(field.port, any_address(30), None).await?;
        let bytes = request("GET", "/v1/signal", &[&bearer]);
        for _ in 0..100 {
            let status = link.ask(&bytes).await?;
            field.saw(status.to_string());
        }
        Ok("100 of them".to_owned())
    })
    .await;
}

/// 2,000 sockets, half of which send a byte of a header a second.
pub(super) async fn idle_sockets(field: Field) {
    let mut running = JoinSet::new();
    for number in 0..2_000_u16 {
        let field = field.clone();
        running.spawn(async move {
            let from = Ipv4Addr::new(127, 32, 0, u8::try_from(number % 20).unwrap_or(0) + 1);
            let Ok(mut link) = Link::dial(field.port, from, None).await else { return field.saw("no connection") };
            if number % 2 == 0 {
                let _ = link.send(b"GET /v1/signal HTTP/1.1\r\nX-Slow: ").await;
                for _ in 0..20 {
                    sleep(Duration::from_secs(1)).await;
                    if link.send(b"x").await.is_err() {
                        break;
                    }
                }
            }
            let end = link.frame().await;
            field.saw(end.map_or_else(|error| error.to_string(), |_| "an answer".to_owned()));
        });
    }
    while running.join_next().await.is_some() {}
}

/// 2,000 clients who all come at once, into rooms of ten, and stay.
pub(super) async fn storm(field: Field) {
    let mut running = JoinSet::new();
    for number in 0..2_000_u32 {
        let field = field.clone();
        running.spawn(async move {
            let joined = field.join(&format!("storm-{number}"), &format!("storm-{}", number / 10), Dialect::Raw).await;
            match joined {
                Ok((link, _)) => {
                    field.saw("welcome");
                    let (reader, _writer) = link.stream.into_split();
                    field.clone().listen(reader, link.inbox).await;
                }
                Err(error) => field.saw(error.to_string()),
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// Who floods: so many connections in rooms of so many, of which each sends messages as fast as it can and begins anew when it is closed.
async fn blast(
    field: &Field,
    name: &'static str,
    senders: u32,
    room_of: u32,
    message: impl Fn(&str, u64) -> Vec<u8> + Clone + Send + Sync + 'static,
) {
    let mut running = JoinSet::new();
    for sender in 0..senders {
        let (field, message) = (field.clone(), message.clone());
        running.spawn(async move {
            while field.goes_on() {
                if let Err(error) = one_blast(&field, name, sender, room_of, &message).await {
                    field.saw(error.to_string());
                }
            }
        });
    }
    while running.join_next().await.is_some() {}
}

async fn one_blast(
    field: &Field,
    name: &str,
    sender: u32,
    room_of: u32,
    message: &impl Fn(&str, u64) -> Vec<u8>,
) -> anyhow::Result<()> {
    let room = format!("{name}-{sender}");
    let mut listeners = JoinSet::new();
    let mut victim = String::new();
    for seat in 1..room_of {
        let (link, id) = field.join(&format!("{room}-{seat}"), &room, Dialect::Raw).await?;
        let (reader, writer) = link.stream.into_split();
        let field = field.clone();
        listeners.spawn(async move {
            field.listen(reader, link.inbox).await;
            drop(writer);
        });
        victim = id;
    }
    let (link, _) = field.join(&room, &room, Dialect::Raw).await?;
    let (reader, mut writer) = link.stream.into_split();
    listeners.spawn(field.clone().listen(reader, link.inbox));
    for number in 0_u64.. {
        let batch: Vec<u8> =
            (0..BATCH as u64).flat_map(|index| message(&victim, number * BATCH as u64 + index)).collect();
        match timeout_at(field.until, writer.write_all(&batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
        // One thread is all that there is: the others have their turn.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn text(message: &Value) -> Vec<u8> {
    frame::whole(TEXT, message.to_string().as_bytes())
}

pub(super) async fn candidates(field: Field) {
    blast(&field, "candidates", 20, 2, |to, number| {
        text(&json!({ "type": "ice-candidate", "to": to, "candidate": { "candidate": number.to_string() } }))
    })
    .await;
}

pub(super) async fn acks(field: Field) {
    blast(&field, "acks", 20, 2, |to, number| {
        text(&json!({ "type": "ack", "to": to, "x": { "a": { "e": 1, "n": number } } }))
    })
    .await;
}

pub(super) async fn broadcasts(field: Field) {
    blast(&field, "broadcasts", 3, 100, |_, number| {
        text(&json!({ "type": "message", "data": [number, "x".repeat(2_000)] }))
    })
    .await;
}

pub(super) async fn updates(field: Field) {
    blast(&field, "updates", 5, 50, |_, number| text(&json!({ "type": "update", "attributes": { "n": number } })))
        .await;
}

pub(super) async fn tiny_fragments(field: Field) {
    blast(&field, "fragments", 20, 1, |_, number| {
        // Every third message has more fragments than one may have.
        let count = if number % (3 * BATCH as u64) == 0 { 80 } else { 50 };
        let mut bytes = frame::part(TEXT, b"{\"type\":\"ping\"");
        bytes.extend((0..count).flat_map(|_| frame::part(CONTINUATION, b" ")));
        bytes.extend(frame::whole(CONTINUATION, b"}"));
        bytes
    })
    .await;
}

/// Pings as fast as they go, of clients that read nothing.
pub(super) async fn pings(field: Field) {
    loops(&field, 20, async |field, number| {
        let name = format!("pings-{number}");
        let link = Link::dial(field.port, any_address(30), Some(4_096)).await?;
        let (link, _) = field.enter(link, &name, &name, Dialect::Raw).await?;
        field.saw("welcome");
        let (_reader, mut writer): (_, OwnedWriteHalf) = link.stream.into_split();
        let batch = frame::whole(PING, &[b'x'; 125]).repeat(BATCH);
        loop {
            if writer.write_all(&batch).await.is_err() {
                return Ok("hung up".to_owned());
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Peers that read nothing, and six others each that send them all that they may at once: more than the kernel keeps.
pub(super) async fn slow_readers(field: Field) {
    loops(&field, 20, async |field, number| {
        let room = format!("slow-{number}");
        let narrow = Link::dial(field.port, any_address(30), Some(4_096)).await?;
        let (_victim, to) = field.enter(narrow, &format!("{room}-victim"), &room, Dialect::Raw).await?;
        let message = text(&json!({ "type": "message", "to": to, "data": "x".repeat(30_000) }));
        let mut senders = Vec::new();
        for sender in 0..6 {
            senders.push(field.join(&format!("{room}-{sender}"), &room, Dialect::Raw).await?.0);
        }
        for link in &mut senders {
            link.send(&message.repeat(34)).await?;
        }
        if let Some(last) = senders.last_mut() {
            last.expect("peer-left").await?;
        }
        Ok("peer-left".to_owned())
    })
    .await;
}

/// Sessions that are away, and as much for each as is kept.
pub(super) async fn parked(field: Field) {
    loops(&field, 20, async |field, number| {
        let room = format!("parked-{number}");
        let (victim, to) = field.join(&format!("{room}-victim"), &room, Dialect::V1).await?;
        drop(victim);
        let (mut sender, _) = field.join(&room, &room, Dialect::Raw).await?;
        let message = text(&json!({ "type": "message", "to": to, "data": "x".repeat(1_000) }));
        sender.send(&message.repeat(100)).await?;
        let told = sender.expect("error").await?;
        Ok(told["code"].as_str().unwrap_or_default().to_owned())
    })
    .await;
}

/// A room of 90 in which ten others come and go.
pub(super) async fn churn(field: Field) {
    let mut residents = JoinSet::new();
    for number in 0..90 {
        match field.join(&format!("resident-{number}"), "churn", Dialect::Raw).await {
            Ok((link, _)) => {
                let (reader, writer) = link.stream.into_split();
                let field = field.clone();
                residents.spawn(async move {
                    field.listen(reader, link.inbox).await;
                    drop(writer);
                });
            }
            Err(error) => field.saw(error.to_string()),
        }
    }
    loops(&field, 10, async |field, number| {
        let (mut link, _) = field.join(&format!("churn-{number}"), "churn", Dialect::Raw).await?;
        link.say(&json!({ "type": "leave" })).await?;
        Ok("welcome".to_owned())
    })
    .await;
}
