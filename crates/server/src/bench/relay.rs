//! The relay load: pairs of peers that answer each other's messages as fast as the server passes them on.
//!
//! A closed loop: each peer starts with a window of messages under way and sends one for each that arrives, so that the server is
//! never idle and never flooded. Window 1 is a server's worst case, since no read brings two messages; 10 is a burst of trickled
//! candidates.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::TryStreamExt as _;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    join,
    process::{self, Usage},
    report::{Cost, RelayReport},
    tally::Faults,
    target::{self, Target},
    volley::{Client, Phase, Shared},
};

/// The options of `aldis bench relay`.
#[derive(Debug, clap::Args)]
pub(super) struct RelayArgs {
    #[command(flatten)]
    target: Target,
    /// Pairs of peers.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Messages that each peer keeps under way.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    window: u64,
    /// How long messages flow before anything is measured.
    #[arg(long, default_value = "1s", value_parser = target::duration)]
    warmup: Duration,
    /// How long it is measured.
    #[arg(long, default_value = "3s", value_parser = target::duration)]
    duration: Duration,
}

/// What the server has used and the messages delivered, at one moment.
struct Mark {
    at: Instant,
    delivered: u64,
    usage: Option<Usage>,
}

/// Runs the load and prints its report.
pub(super) fn run(args: &RelayArgs) -> anyhow::Result<()> {
    process::check_descriptors(2 * u64::from(args.pairs))?;
    let report = args.target.runtime()?.block_on(load(args))?;
    report.print(args.target.json)?;
    let Faults { lost, doubled, reordered } = report.faults;
    if report.faults != Faults::default() {
        bail!("{lost} messages were lost, {doubled} doubled, {reordered} reordered");
    }
    Ok(())
}

async fn load(args: &RelayArgs) -> anyhow::Result<RelayReport> {
    let pairs: Vec<_> = join::pairs(&args.target, args.pairs as usize).try_collect().await?;
    let shared = Arc::new(Shared::new()?);
    let (phase, phases) = watch::channel(Phase::Warmup);
    let mut clients = JoinSet::new();
    for pair in pairs {
        for client in Client::pair(pair.first, pair.second) {
            clients.spawn(client.run(args.window, Arc::clone(&shared), phases.clone()));
        }
    }

    play(args.warmup, &mut clients).await?;
    let before = mark(args, &shared)?;
    phase.send_replace(Phase::Measuring);
    play(args.duration, &mut clients).await?;
    let after = mark(args, &shared)?;
    phase.send_replace(Phase::Draining);

    let mut faults = Faults::default();
    while let Some(client) = clients.join_next().await {
        faults += client.context("a client of the load failed")??;
    }
    let messages = after.delivered - before.delivered;
    let cost = after
        .usage
        .zip(before.usage)
        .map(|(after, before)| Cost { cpu: after.cpu.saturating_sub(before.cpu), rss_kib: after.rss_kib });
    Ok(RelayReport::new(args.pairs, args.window, messages, after.at - before.at, &shared.latency(), faults)
        .with_cost(cost))
}

/// Lets the clients play for a while; none of them may end.
async fn play(time: Duration, clients: &mut JoinSet<anyhow::Result<Faults>>) -> anyhow::Result<()> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        Some(ended) = clients.join_next() => {
            ended.context("a client of the load failed")??;
            bail!("a client ended before its time")
        }
    }
}

fn mark(args: &RelayArgs, shared: &Shared) -> anyhow::Result<Mark> {
    let usage = args.target.usage()?;
    Ok(Mark { at: Instant::now(), delivered: shared.delivered(), usage })
}
