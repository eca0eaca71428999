//! The control group: 200 peers in rooms of two who exchange messages, whatever happens to others.
//!
//! It is a process of its own, so that it can be pinned. At each line that it reads it tells how it was since the last, in one line of
//! JSON; at the end of its input it waits for what is under way and tells what was lost in all.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, stdin},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::{Instant, interval_at, sleep},
};

use super::link::{Dialect, Link};
use crate::{
    frame::{self, PING, PONG, TEXT},
    token,
};

const ROOMS: u32 = 100;

/// How often each peer says something: 500 messages a second, all together.
const PAUSE: Duration = Duration::from_millis(400);

/// How long the last messages may take.
const LAST: Duration = Duration::from_secs(10);

/// What all have seen.
#[derive(Default)]
struct Ledger {
    sent: u64,
    arrived: u64,
    /// What came twice, or not in its turn.
    disordered: u64,
    broken: u64,
    /// Nobody says anything new.
    over: bool,
    /// Of the time since it was last asked for, in microseconds.
    latencies: Vec<u64>,
}

type Shared = Arc<Mutex<Ledger>>;

fn open(shared: &Shared) -> std::sync::MutexGuard<'_, Ledger> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until the end of its input.
pub(super) async fn run(port: u16, secret: &str) -> anyhow::Result<()> {
    let shared = Shared::default();
    let epoch = Instant::now();
    for room in 0..ROOMS {
        let room = format!("control-{room}");
        let (mut one, first) = join(port, secret, &room, "one").await?;
        let (other, second) = join(port, secret, &room, "other").await?;
        one.expect("peer-joined").await?;
        for (link, to) in [(one, second), (other, first)] {
            let Link { stream, inbox } = link;
            let (reader, writer) = stream.into_split();
            let writer = Arc::new(tokio::sync::Mutex::new(writer));
            tokio::spawn(listen(reader, inbox, Arc::clone(&writer), Arc::clone(&shared), epoch));
            tokio::spawn(talk(writer, to, Arc::clone(&shared), epoch));
        }
    }
    say(&json!({ "ready": true }));
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        say(&tell(&shared));
    }
    open(&shared).over = true;
    let given_up = Instant::now() + LAST;
    // What is under way may still arrive.
    let is_complete = || {
        let ledger = open(&shared);
        ledger.arrived == ledger.sent
    };
    while !is_complete() && Instant::now() < given_up {
        sleep(Duration::from_millis(10)).await;
    }
    say(&tell(&shared));
    Ok(())
}

async fn join(port: u16, secret: &str, room: &str, who: &str) -> anyhow::Result<(Link, String)> {
    let token = token::sign(secret, &format!("{room}-{who}"), room, &json!({}))?;
    let mut link = Link::dial(port, Ipv4Addr::LOCALHOST, None).await?;
    link.upgrade(&token, Dialect::Raw).await?;
    let welcome = link.expect("welcome").await?;
    let id = welcome["peer"]["id"].as_str().context("no id")?.to_owned();
    Ok((link, id))
}

async fn talk(writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>, to: String, shared: Shared, epoch: Instant) {
    // Spread out, so that not all speak at once.
    let begin = Instant::now() + PAUSE.mul_f64(fastrand::f64());
    let mut turns = interval_at(begin, PAUSE);
    for number in 1_u64.. {
        turns.tick().await;
        if open(&shared).over {
            return;
        }
        let at = u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let text = json!({ "type": "message", "to": to, "data": [number, at] }).to_string();
        open(&shared).sent += 1;
        if writer.lock().await.write_all(&frame::whole(TEXT, text.as_bytes())).await.is_err() {
            return;
        }
    }
}

async fn listen(
    mut reader: OwnedReadHalf,
    mut inbox: Vec<u8>,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    shared: Shared,
    epoch: Instant,
) {
    let mut last = 0;
    loop {
        while let Some(received) = frame::take(&mut inbox) {
            match received.opcode {
                TEXT => hear(&received.payload, &mut last, &shared, epoch),
                PING => {
                    let _ = writer.lock().await.write_all(&frame::whole(PONG, &received.payload)).await;
                }
                _ => {}
            }
        }
        if !reader.read_buf(&mut inbox).await.is_ok_and(|read| read > 0) {
            open(&shared).broken += 1;
            return;
        }
    }
}

fn hear(payload: &[u8], last: &mut u64, shared: &Shared, epoch: Instant) {
    let Ok(message) = serde_json::from_slice::<Value>(payload) else { return };
    let (Some(number), Some(at)) = (message["data"][0].as_u64(), message["data"][1].as_u64()) else { return };
    let now = u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut ledger = open(shared);
    ledger.arrived += 1;
    ledger.disordered += u64::from(number != *last + 1);
    ledger.latencies.push(now.saturating_sub(at));
    *last = number;
}

/// How it was since the last time, and in all.
fn tell(shared: &Shared) -> Value {
    let mut ledger = open(shared);
    let mut latencies = std::mem::take(&mut ledger.latencies);
    latencies.sort_unstable();
    let percentile =
        |per_mille: usize| latencies.get(latencies.len() * per_mille / 1_000).or(latencies.last()).copied();
    json!({
        "sent": ledger.sent, "arrived": ledger.arrived, "disordered": ledger.disordered, "broken": ledger.broken,
        "p50": percentile(500), "p99": percentile(990), "messages": latencies.len(),
    })
}

#[expect(clippy::print_stdout, reason = "whoever started it reads this")]
fn say(value: &Value) {
    println!("{value}");
}
