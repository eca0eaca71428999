//! Measures a backplane: `cargo run --release --example backplane -- redis://127.0.0.1:6379`, or any other address but memory.
//!
//! Two nodes in this process: how long a frame takes from one to the other, and how many a second get through. Beside Redis, the same
//! way of the same bytes is measured bare: `PUBLISH` on one connection until the message on another one, in turns with the frames.

use std::{io::Write, sync::Arc, time::Duration};

use aldis_protocol::NodeId;
use aldis_server::{
    backplane::{Address, Backplane, BackplaneMetrics, Event, Events, Health, Prefix, Settings, Subject, Unread},
    config::Secret,
    resume::ClusterKeys,
};
use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

const PAYLOAD: [u8; 200] = [b'x'; 200];
const ROUNDS: usize = 5_000;
const FRAMES: usize = 100_000;
const WINDOW: usize = 2_000;

#[tokio::main]
async fn main() -> Result<()> {
    let text = std::env::args().nth(1).context("the address of a broker")?;
    let address = Address::parse(&text)?;
    let (_north, mut events) = node(&address, "north").await?;
    let (south, _south_events) = node(&address, "south").await?;
    let inbox = Subject::Inbox(NodeId::parse("north")?);
    let mut bare = match &address {
        Address::Redis(servers) => Some(Bare::connect(&servers.seeds[0].to_string()).await?),
        _ => None,
    };

    let (mut frames, mut messages) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        south.publish(&inbox, &PAYLOAD, Unread::Report(0))?;
        frame(&mut events).await?;
        frames.record(micros(start.elapsed()))?;
        if let Some(bare) = &mut bare {
            let start = Instant::now();
            bare.message().await?;
            messages.record(micros(start.elapsed()))?;
        }
    }
    let start = Instant::now();
    // A window, since what nobody takes is dropped: so this is what gets through, not what can be thrown at it.
    for sent in 0..FRAMES {
        if sent >= WINDOW {
            frame(&mut events).await?;
        }
        south.publish(&inbox, &PAYLOAD, Unread::Report(0))?;
    }
    for _ in 0..WINDOW {
        frame(&mut events).await?;
    }
    let rate = FRAMES as f64 / start.elapsed().as_secs_f64();

    let mut out = std::io::stdout();
    report(&mut out, "frame, publish to event", &frames)?;
    if bare.is_some() {
        report(&mut out, "bare PUBLISH to message", &messages)?;
    }
    writeln!(out, "{rate:.0} frames/s of {} bytes", PAYLOAD.len())?;
    Ok(())
}

async fn node(address: &Address, name: &str) -> Result<(Backplane, Events)> {
    let keys = ClusterKeys::new(Some(&Secret::new("a secret for measurements only, 32+")))?;
    let metrics = Arc::new(BackplaneMetrics::register(&mut prometheus_client::registry::Registry::default()));
    let settings = Settings { node: NodeId::parse(name)?, prefix: Prefix::default(), key: keys.frames, metrics };
    let (backplane, mut events) = Backplane::start(address, settings)?;
    loop {
        match events.recv().await {
            Some(Event::Health(Health::Up)) => return Ok((backplane, events)),
            Some(Event::Health(Health::Degraded(cause))) => bail!("the broker at {address}: {cause}"),
            Some(_) => {}
            None => bail!("the backplane ended"),
        }
    }
}

async fn frame(events: &mut Events) -> Result<()> {
    loop {
        match events.recv().await.context("events")? {
            Event::Frame { .. } => return Ok(()),
            Event::Gap { events } => bail!("{events} frames were dropped"),
            Event::Health(health) => bail!("the backplane is {health:?}"),
            _ => {}
        }
    }
}

/// Two connections that speak as little as Redis understands.
struct Bare {
    publisher: TcpStream,
    subscriber: TcpStream,
}

impl Bare {
    async fn connect(address: &str) -> Result<Self> {
        let (publisher, mut subscriber) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
        for stream in [&publisher, &subscriber] {
            stream.set_nodelay(true)?;
        }
        subscriber.write_all(b"SUBSCRIBE bare\r\n").await?;
        ensure!(subscriber.read(&mut [0; 512]).await? > 0, "subscribed");
        Ok(Self { publisher, subscriber })
    }

    /// One message, from here to here.
    async fn message(&mut self) -> Result<()> {
        // As long as a sealed frame.
        let payload = "x".repeat(PAYLOAD.len() + 48);
        let command = format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nbare\r\n${}\r\n{payload}\r\n", payload.len());
        self.publisher.write_all(command.as_bytes()).await?;
        let mut buffer = [0; 1_024];
        ensure!(self.subscriber.read(&mut buffer).await? > payload.len(), "one message in one piece");
        ensure!(self.publisher.read(&mut buffer).await? > 0, "an answer");
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn report(out: &mut impl Write, what: &str, times: &Histogram<u64>) -> Result<()> {
    let [median, p99] = [0.5, 0.99].map(|quantile| times.value_at_quantile(quantile));
    writeln!(out, "{what}: median {median} us, p99 {p99} us")?;
    Ok(())
}
