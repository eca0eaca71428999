//! The command line: `aldis serve`, `aldis dev` and the tools around them.
//!
//! Standard output is data, standard error is talk. The exit codes are those of [`Exit`].
//!
//! | module | holds |
//! |---|---|
//! | `serve` | `aldis serve`, `aldis dev` |
//! | `keys`, `token`, `turn` | keys, tokens and TURN credentials by hand |
//! | `revoke`, `request` | revoked tokens, at a running server |
//! | `config` | `aldis config check`, `aldis config show` |
//! | `explain` | the tables of error and close codes |
//! | `time`, `output`, [`exit`] | durations, printing, exit codes |

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{bench, config::ConfigError};

mod config;
pub mod exit;
mod explain;
mod keys;
mod output;
mod request;
mod revoke;
mod serve;
mod time;
mod token;
mod turn;

pub use exit::Exit;

/// A WebRTC signaling server: introduces two browsers and steps out of the way.
#[derive(Debug, Parser)]
#[command(
    name = "aldis",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  aldis dev                                         a server on this machine, with a page to try it
  ALDIS_AUTH_KEYS=$(aldis keys generate) aldis serve
  aldis token create --room lobby --identity ann    a token for that server

Exit codes: 0 ok, 1 failed, 2 unknown flag or command, 78 a bad value from any source."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::ServeArgs),
    /// Run the server on this machine only, or on the local network, with a page to try it.
    Dev(serve::DevArgs),
    /// Make keys that sign tokens.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Make a token by hand, or find out why one is refused.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make TURN credentials by hand.
    #[command(subcommand)]
    Turn(turn::TurnCommand),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Revoke tokens at a running server, list what is revoked, or take it back.
    Revoke(Box<revoke::RevokeArgs>),
    /// Say what an error code or a close code means, or list them all.
    Explain(explain::ExplainArgs),
    /// Put a server under load and report what it costs.
    Bench(bench::BenchArgs),
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Serve(args) => serve::serve(&args),
            Self::Dev(args) => serve::dev(&args),
            Self::Keys(command) => keys::run(&command),
            Self::Token(command) => token::run(&command),
            Self::Turn(command) => turn::run(&command),
            Self::Config(command) => config::run(&command),
            Self::Revoke(args) => revoke::run(&args),
            Self::Explain(args) => explain::run(&args),
            Self::Bench(args) => bench::run(args).map(|()| Exit::Ok),
        }
    }
}

/// Runs one command line, the program's name first, and says how it ended.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command.run().unwrap_or_else(|error| {
            output::talk(&format!("error: {error:#}"));
            if error.is::<ConfigError>() { Exit::Config } else { Exit::Runtime }
        }),
        Err(error) => {
            // A closed pipe is the reader's choice.
            let _ = error.print();
            usage_exit(error.kind())
        }
    };
    exit.into()
}

fn usage_exit(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8 => Exit::Config,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
