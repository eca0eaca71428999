//! The arrivals load: pairs of peers that come over a time and each set up a call, as when a lecture begins.
//!
//! An open loop: a schedule drawn from a seed says when everybody arrives, and a slow server makes nobody arrive later. How late the
//! load itself is, and what the machine did meanwhile, is measured too and says whether the server's times can be believed.

mod call;
mod figures;
mod report;
mod schedule;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::Instant};

use self::{
    call::{Outcome, Scene},
    figures::Figures,
    report::{ArrivalsReport, Cost},
};
use super::{
    join,
    peer::Peer,
    process::{self, Usage},
    report::print,
    tally::Faults,
    target::{self, Target},
};

/// Time to set the calls up before the first peer arrives.
const LEAD: Duration = Duration::from_millis(500);

/// How long everybody stays after the last arrival: what has not come by then is lost.
const STAY: Duration = Duration::from_secs(5);

/// The options of `aldis bench arrivals`.
#[derive(Debug, clap::Args)]
pub(super) struct ArrivalsArgs {
    #[command(flatten)]
    target: Target,
    /// Pairs of peers, each in a room of its own.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// The time within which all of them arrive.
    #[arg(long, default_value = "60s", value_parser = target::duration)]
    over: Duration,
    /// What the times of the arrivals and of the candidates are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the load and prints its report.
pub(super) fn run(args: ArrivalsArgs) -> anyhow::Result<()> {
    process::check_descriptors(2 * u64::from(args.pairs))?;
    let json = args.target.json;
    let (report, failure) = args.target.runtime()?.block_on(load(args))?;
    print(&report, json)?;
    if let Some(failure) = failure {
        return Err(failure.context(format!("{} connections failed, one of them so", report.failed)));
    }
    let Faults { lost, doubled, reordered } = report.faults;
    if report.faults != Faults::default() {
        bail!("{lost} messages were lost, {doubled} doubled, {reordered} reordered");
    }
    let complete = report.figures.handshake.count;
    if complete < report.pairs.into() {
        bail!("only {complete} of {} calls came to their end", report.pairs);
    }
    Ok(())
}

/// The report, and why one of the failed connections failed.
async fn load(args: ArrivalsArgs) -> anyhow::Result<(ArrivalsReport, Option<anyhow::Error>)> {
    let ArrivalsArgs { target, pairs, over, seed } = args;
    let (began, stolen_before) = (Instant::now(), process::stolen_time()?);
    let (load_before, server_before) = (Usage::of(std::process::id())?, target.usage()?);
    let start = Instant::now() + LEAD;
    let scene = Arc::new(Scene { target, start, end: start + over + STAY, figures: Mutex::new(Figures::new()?) });
    let mut calls = JoinSet::new();
    for (number, plan) in schedule::pairs(pairs, over, seed).enumerate() {
        let scene = Arc::clone(&scene);
        calls.spawn(async move { call::play(&scene, &join::room(number), plan).await });
    }
    let mut outcome = Outcome::default();
    while let Some(call) = calls.join_next().await {
        outcome += call.context("a call of the load failed")?;
    }
    let (load_after, server_after) = (Usage::of(std::process::id())?, scene.target.usage()?);
    let (seconds, stolen) = (began.elapsed().as_secs_f64(), process::stolen_time()?.saturating_sub(stolen_before));

    let Outcome { connections, failures, faults } = outcome;
    let stayed = connections.len() as u64;
    // The figures are complete; how the goodbyes go is not what is measured.
    let _ = join_all(connections.into_iter().map(Peer::close)).await;
    let report = ArrivalsReport {
        pairs,
        over_seconds: over.as_secs_f64(),
        seed,
        connections: stayed,
        failed: failures.len() as u64,
        figures: scene.figures.lock().spreads(),
        faults,
        seconds,
        stolen_seconds: stolen.as_secs_f64(),
        load: Cost::between(&load_before, &load_after, stayed),
        server: server_before.zip(server_after).map(|(before, after)| Cost::between(&before, &after, stayed)),
    };
    Ok((report, failures.into_iter().next()))
}
