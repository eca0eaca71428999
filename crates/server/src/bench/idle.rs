//! The idle load: many joined peers that say nothing, then one call set up in each pair.
//!
//! Buffers that grow for an offer and are never given back show in the second figure.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use aldis_client::Outgoing;
use aldis_protocol::{Received, ServerMessage, SignalKind};
use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    join::{self, Pair},
    payload,
    peer::Peer,
    process,
    report::IdleReport,
    target::{self, Target},
};

/// Candidates that each side of a call trickles.
const CANDIDATES: usize = 6;

/// How long one call may take while thousands of others are set up.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The options of `aldis bench idle`.
#[derive(Debug, clap::Args)]
pub(super) struct IdleArgs {
    #[command(flatten)]
    target: Target,
    /// Peers to hold, rounded up to whole pairs.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How long they are held before each look at the server's memory.
    #[arg(long, default_value = "4s", value_parser = target::duration)]
    hold: Duration,
    /// Set up one call in each pair (offer, answer, candidates), and look again.
    #[arg(long)]
    handshake: bool,
}

/// What the pairs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Holding,
    Calling,
    Over,
}

/// Runs the load and prints its report.
pub(super) fn run(args: &IdleArgs) -> anyhow::Result<()> {
    process::check_descriptors(args.connections.into())?;
    let report = args.target.runtime()?.block_on(load(args))?;
    Ok(report.print(args.target.json)?)
}

async fn load(args: &IdleArgs) -> anyhow::Result<IdleReport> {
    let rss_kib = || -> anyhow::Result<u64> {
        let usage = args.target.usage()?.context("the idle load reads the server's memory: it needs --pid")?;
        Ok(usage.rss_kib)
    };
    let pairs = args.connections.div_ceil(2) as usize;
    let connections = 2 * pairs as u64;
    let rss_before_kib = rss_kib()?;
    let per_connection =
        || -> anyhow::Result<f64> { Ok(rss_kib()?.saturating_sub(rss_before_kib) as f64 / connections as f64) };

    let start = Instant::now();
    let (phase, phases) = watch::channel(Phase::Holding);
    let (called, mut calls) = mpsc::channel(1);
    let mut held = JoinSet::new();
    {
        let mut joining = pin!(join::pairs(&args.target, pairs));
        while let Some(pair) = joining.next().await {
            held.spawn(hold(pair?, phases.clone(), called.clone()));
        }
    }
    let joining_seconds = start.elapsed().as_secs_f64();

    wait(sleep(args.hold), &mut held).await?;
    let joined_kib = per_connection()?;
    let after_handshake_kib = if args.handshake {
        phase.send_replace(Phase::Calling);
        let all_called = async {
            for _ in 0..pairs {
                calls.recv().await;
            }
            sleep(args.hold).await;
        };
        wait(all_called, &mut held).await?;
        Some(per_connection()?)
    } else {
        None
    };
    phase.send_replace(Phase::Over);
    while let Some(pair) = held.join_next().await {
        pair.context("a pair of the load failed")??;
    }
    Ok(IdleReport { connections, joining_seconds, rss_before_kib, joined_kib, after_handshake_kib })
}

/// Waits for `what` while every pair is held; none of them may end.
async fn wait(what: impl Future<Output = ()>, held: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        () = what => Ok(()),
        Some(ended) = held.join_next() => {
            ended.context("a pair of the load failed")??;
            bail!("a pair ended before its time")
        }
    }
}

/// Keeps a pair: reads, which answers the server's pings, and sets up a call when it is time.
async fn hold(mut pair: Pair, mut phases: watch::Receiver<Phase>, called: mpsc::Sender<()>) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            received = pair.first.recv() => { event(received?)?; }
            received = pair.second.recv() => { event(received?)?; }
            changed = phases.changed() => {
                changed.context("the load was given up")?;
                let phase = *phases.borrow_and_update();
                match phase {
                    Phase::Holding => {}
                    Phase::Calling => {
                        timeout(CALL_TIMEOUT, call(&mut pair)).await.context("a call took too long")??;
                        called.send(()).await.context("the load was given up")?;
                    }
                    Phase::Over => break,
                }
            }
        }
    }
    // The figures are complete; how the goodbyes go is not what is measured.
    let _ = tokio::join!(pair.first.close(), pair.second.close());
    Ok(())
}

/// One call: offer and answer, each with its candidates behind it.
async fn call(pair: &mut Pair) -> anyhow::Result<()> {
    let (first, second) = (pair.first.id().clone(), pair.second.id().clone());
    signal(&mut pair.first, payload::offer(&second), payload::candidate(&second)).await?;
    expect(&mut pair.second, SignalKind::Offer).await?;
    signal(&mut pair.second, payload::answer(&first), payload::candidate(&first)).await?;
    expect(&mut pair.first, SignalKind::Answer).await
}

async fn signal(connection: &mut Peer, description: Outgoing, candidate: Outgoing) -> anyhow::Result<()> {
    connection.feed_text(description.to_json()).await?;
    for _ in 0..CANDIDATES {
        connection.feed_text(candidate.to_json()).await?;
    }
    connection.flush().await
}

async fn expect(connection: &mut Peer, description: SignalKind) -> anyhow::Result<()> {
    let kinds = std::iter::once(description).chain(std::iter::repeat_n(SignalKind::IceCandidate, CANDIDATES));
    for expected in kinds {
        let came = loop {
            if let Some(kind) = event(connection.recv().await?)? {
                break kind;
            }
        };
        if came != expected {
            bail!("`{}` came where `{}` was due", came.as_str(), expected.as_str());
        }
    }
    Ok(())
}

/// The kind of a signal; `None` for what the server says of the room.
fn event(received: Received) -> anyhow::Result<Option<SignalKind>> {
    match received {
        Received::Relayed(signal) => Ok(Some(signal.kind)),
        Received::Server(ServerMessage::Error(error)) => bail!("the server refused a message: {error}"),
        Received::Server(_) => Ok(None),
    }
}
