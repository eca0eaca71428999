//! The chaos runner: breaks a cluster of Aldis nodes in every way while clients talk to each other, and checks what they saw.
//!
//! Three real `aldis serve` with a broker between them and HAProxy in front, hundreds of clients with streams in rooms of two to six. One run
//! a fault, each with a cluster and clients of its own:
//!
//! ```text
//!   clients ── last mile ── HAProxy ─┬─ node ── way ─┬─ broker        a last mile and a way are a `proxy`
//!                                    ├─ node ── way ─┤
//!                                    └─ node ── way ─┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `run` | one run: gather, talk, break, wait for every fate, leave |
//! | `faults`, `proxy` | what is done, and ways that can be cut |
//! | `cluster`, `node`, `broker`, `balancer`, `process` | what it is done to |
//! | `client`, `desk`, `plain` | a client, its history, and the control: one that believes a socket |
//! | `history` | what is recorded |
//! | `check`, `goals`, `report` | what is judged, by promises and by figures, and told |

mod balancer;
mod broker;
mod check;
mod client;
mod cluster;
mod desk;
mod faults;
mod goals;
mod history;
mod node;
mod plain;
mod ports;
mod process;
mod proxy;
mod report;
mod run;
mod token;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    broker::Kind,
    faults::{Fault, Measure},
    report::{Judges, Report},
    run::Setup,
};

/// How much goes on at a time.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// How many clients.
    clients: usize,
    /// How many messages a second they send, all together.
    rate: f64,
    /// How many faults, each with a cluster and clients of its own.
    abreast: usize,
}

/// Alone: it is judged by how soon things happen.
const LONG: Scale = Scale { clients: 500, rate: 500.0, abreast: 1 };

/// Most of a run is waiting, and no goal is judged.
const SHORT: Scale = Scale { clients: 60, rate: 200.0, abreast: 2 };

/// Breaks a cluster of Aldis nodes while clients talk, and checks what they saw.
#[derive(Debug, Parser)]
#[command(name = "aldis-chaos")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Each fault again and again, with 500 clients: promises and goals.
    Long {
        #[command(flatten)]
        choice: Choice,
        /// How long each fault goes on.
        #[arg(long, value_name = "SECONDS", default_value_t = 120)]
        seconds: u64,
    },
    /// Each fault once, with 60 clients, two at a time, in about two minutes: promises alone.
    Short {
        #[command(flatten)]
        choice: Choice,
    },
    /// Judges histories that a run has left behind.
    Check {
        /// Folders with a `course.json`.
        #[arg(required = true)]
        folders: Vec<PathBuf>,
    },
}

/// What may be chosen of a run.
#[derive(Debug, Args)]
struct Choice {
    /// The broker.
    #[arg(long, value_enum, default_value = "redis")]
    broker: Kind,
    /// These faults, not all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT,...")]
    only: Vec<Fault>,
    /// How many clients.
    #[arg(long)]
    clients: Option<usize>,
    /// How many messages a second they send, all together.
    #[arg(long)]
    rate: Option<f64>,
    /// The server; otherwise the one that was built beside this program.
    #[arg(long, value_name = "FILE")]
    aldis: Option<PathBuf>,
    /// Leave the histories and logs of every run behind, not only of those that failed.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let outcome = async {
        match Cli::parse().command {
            Command::Long { choice, seconds } => {
                inflict(&choice, LONG, Measure::long(Duration::from_secs(seconds)), Judges::Goals).await
            }
            Command::Short { choice } => inflict(&choice, SHORT, Measure::short(), Judges::Promises).await,
            Command::Check { folders } => {
                let reports = folders.iter().map(|folder| judge(folder, Judges::Goals));
                Ok(tell(&reports.collect::<anyhow::Result<Vec<_>>>()?))
            }
        }
    };
    // Whoever interrupts it gets the processes ended too: they are killed when what holds them is dropped.
    tokio::select! {
        outcome = outcome => outcome,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no signals").map(|()| ExitCode::FAILURE),
    }
}

/// Runs what was chosen, as many faults at a time as the scale says.
async fn inflict(choice: &Choice, scale: Scale, measure: Measure, judges: Judges) -> anyhow::Result<ExitCode> {
    let setup = Setup {
        aldis: choice.aldis.clone().map_or_else(|| process::beside("aldis"), Ok)?,
        broker: choice.broker,
        clients: choice.clients.unwrap_or(scale.clients),
        rate: choice.rate.unwrap_or(scale.rate),
        measure,
    };
    let faults = if choice.only.is_empty() { Fault::ALL.to_vec() } else { choice.only.clone() };
    let folder = tempfile::Builder::new().prefix("aldis-chaos-").tempdir()?;
    let mut reports: Vec<_> = stream::iter(faults)
        .map(async |fault| {
            say(&format!("{fault} ..."));
            let own = folder.path().join(fault.name());
            fs::create_dir(&own)?;
            let report = once(fault, &setup, &own, judges).await;
            let report = report.unwrap_or_else(|error| Report::failed(fault, &error));
            if report.passed && !choice.keep {
                fs::remove_dir_all(&own)?;
            }
            anyhow::Ok(report)
        })
        .buffer_unordered(scale.abreast)
        .try_collect()
        .await?;
    reports.sort_by_key(|report| report.fault);
    let code = tell(&reports);
    if code != ExitCode::SUCCESS || choice.keep {
        say(&format!("\nhistories, logs and metrics: {}", folder.keep().display()));
    }
    Ok(code)
}

/// Runs one fault and judges it by what was written down.
async fn once(fault: Fault, setup: &Setup, folder: &Path, judges: Judges) -> anyhow::Result<Report> {
    let (course, histories) = run::run(fault, setup, folder).await?;
    history::write(folder, &course, &histories)?;
    judge(folder, judges)
}

fn judge(folder: &Path, judges: Judges) -> anyhow::Result<Report> {
    let (course, histories) = history::read(folder)?;
    Ok(Report::new(&course, &check::check(&course, &histories), judges))
}

fn tell(reports: &[Report]) -> ExitCode {
    say(&format!("\n{}", report::table(reports).trim_end()));
    if reports.iter().all(|report| report.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the report is what the program is started for")]
fn say(text: &str) {
    println!("{text}");
}
