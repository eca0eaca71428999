//! The attack suite: does to a real `aldis serve` what `docs/attacks.md` lists, and prints what was expected and what was seen.
//!
//! | module | holds |
//! |---|---|
//! | `rows` | the attacks without load, one function each |
//! | `floods` | those with load, and a group of peers that must not feel them |
//! | `ground`, `server` | where they happen: servers at their loudest, with canaries for secrets |
//! | `line`, `frame`, `peer`, `token` | clients that nobody has taught manners |
//! | `table` | what is told |

mod floods;
mod frame;
mod ground;
mod line;
mod peer;
mod rows;
mod server;
mod table;
mod token;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{floods::Flood, table::Report};

/// Attacks an Aldis server, and prints what it answers.
#[derive(Debug, Parser)]
#[command(name = "aldis-attack")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The attacks without load, in less than a minute.
    Rows {
        #[command(flatten)]
        choice: Choice,
        /// These rows, not all.
        #[arg(long, value_delimiter = ',', value_name = "ROW,...")]
        only: Vec<u8>,
    },
    /// Floods, and 200 peers that must not feel them: seven minutes, on a machine that has nothing else to do.
    Floods {
        #[command(flatten)]
        choice: Choice,
        /// These floods, not all.
        #[arg(long, value_enum, value_delimiter = ',', value_name = "FLOOD,...")]
        only: Vec<Flood>,
    },
    /// The peers of a flood: a process of their own, so that they have a core of their own.
    #[command(hide = true)]
    Control {
        #[command(flatten)]
        target: Target,
    },
    /// The attackers of a flood, likewise.
    #[command(hide = true)]
    Attackers {
        flood: Flood,
        #[command(flatten)]
        target: Target,
    },
}

/// A server that runs.
#[derive(Debug, Args)]
struct Target {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    secret: String,
}

/// What is attacked, and what is left behind.
#[derive(Debug, Args)]
struct Choice {
    /// The server; otherwise the one that was built beside this program.
    #[arg(long, value_name = "FILE")]
    aldis: Option<PathBuf>,
    /// Leave logs behind also where nothing failed.
    #[arg(long)]
    keep: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Rows { choice, only } => conduct(&choice, |aldis, folder| rows::run(aldis, folder, &only)),
        Command::Floods { choice, only } => conduct(&choice, |aldis, folder| floods::run(aldis, folder, &only, say)),
        Command::Control { target } => floods::control(target.port, &target.secret).map(|()| ExitCode::SUCCESS),
        Command::Attackers { flood, target } => {
            say(&floods::attack(flood, target.port, &target.secret)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs attacks in a folder that is kept where one fails.
fn conduct(
    choice: &Choice,
    attacks: impl FnOnce(&Path, &Path) -> anyhow::Result<Vec<Report>>,
) -> anyhow::Result<ExitCode> {
    let aldis = choice.aldis.clone().map_or_else(beside, Ok)?;
    let folder = tempfile::Builder::new().prefix("aldis-attack-").tempdir()?;
    let reports = attacks(&aldis, folder.path())?;
    say(table::table(&reports).trim_end());
    let passed = reports.iter().all(|report| report.passed);
    if choice.keep || !passed {
        say(&format!("\nlogs: {}", folder.keep().display()));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The server beside this program: cargo puts all binaries of a profile into one folder.
fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or_else(|| Path::new(".")).join("aldis"))
}

#[expect(clippy::print_stdout, reason = "the table is what the program is started for")]
fn say(text: &str) {
    println!("{text}");
}
