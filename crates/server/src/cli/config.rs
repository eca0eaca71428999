//! `aldis config`: what the configuration comes to.

use clap::Subcommand;

use super::{Exit, output};
use crate::config::{Flags, Loaded, Purpose};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration of `aldis serve`: prints `ok`, or every mistake. Exits with 78 if there is one.
    #[command(after_help = "Examples:
  aldis config check --config aldis.toml
  ALDIS_LIMITS_ROOM_PEERS=0 aldis config check")]
    Check(Flags),
    /// Print every key, its value and where it came from. Secrets are masked.
    #[command(after_help = "Examples:
  aldis config show --config aldis.toml
  aldis config show | grep -v default          what somebody set

The variable of a key is ALDIS_ and its path: limits.room_peers is ALDIS_LIMITS_ROOM_PEERS
(log.filter is ALDIS_LOG). A flag is stronger than a variable, a variable than the file.")]
    Show(Flags),
}

pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Check(flags) => {
            Loaded::load(flags, std::env::vars_os(), Purpose::Serve)?;
            output::data("ok")?;
        }
        ConfigCommand::Show(flags) => {
            let loaded = Loaded::load(flags, std::env::vars_os(), Purpose::Tool)?;
            let rows: Vec<_> = loaded
                .rows
                .iter()
                .map(|row| vec![row.key.to_owned(), row.value.clone(), row.source.to_string()])
                .collect();
            output::data(&output::table(&rows))?;
        }
    }
    Ok(Exit::Ok)
}
