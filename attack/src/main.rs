//! The attack suite: does to a real `aldis serve` what `docs/attacks.md` lists, and prints what was expected and what was seen.
//!
//! | module | holds |
//! |---|---|
//! | `rows` | the attacks without load, one function each |
//! | `ground`, `server` | where they happen: servers at their loudest, with canaries for secrets |
//! | `line`, `frame`, `peer`, `token` | clients that nobody has taught manners |
//! | `table` | what is told |

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

use crate::table::Report;

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
