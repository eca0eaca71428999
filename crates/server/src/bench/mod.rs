//! `aldis bench`: the load program.
//!
//! It speaks the public protocol and nothing else, so that it drives any server of that shape; it reads the server's CPU time and
//! memory from `/proc`. It runs on one thread unless told otherwise, so that it can be pinned to a core that the server does not
//! use.
//!
//! | load | asks |
//! |---|---|
//! | `relay` | how many messages does a CPU second relay, and does any get lost, doubled or reordered? |
//! | `idle` | what does a joined connection cost in memory, before and after a call was set up over it? |
//! | `arrivals` | how long do messages take while thousands of pairs arrive and call, as when a lecture begins? |
//!
//! The defaults of the rate limits would throttle `relay`: start the server under test with
//! `ALDIS_LIMITS_MESSAGES_PER_SECOND`, `ALDIS_LIMITS_BYTES_PER_SECOND`, `ALDIS_LIMITS_MESSAGE_BURST` and
//! `ALDIS_LIMITS_BYTE_BURST` raised to 1000000000, as `bench/run.sh` does.

mod arrivals;
mod events;
mod idle;
mod join;
mod payload;
mod peer;
mod process;
mod relay;
mod report;
mod tally;
mod target;
mod volley;

/// What `aldis bench` is asked to do.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, clap::Subcommand)]
enum Load {
    /// Relay candidates between pairs of peers as fast as the server can, and report messages per CPU second.
    ///
    /// Start the server with ALDIS_LIMITS_MESSAGES_PER_SECOND, ALDIS_LIMITS_BYTES_PER_SECOND, ALDIS_LIMITS_MESSAGE_BURST and
    /// ALDIS_LIMITS_BYTE_BURST raised to 1000000000, or it throttles the load.
    Relay(relay::RelayArgs),
    /// Join many peers, hold them, and report the server's memory per connection.
    ///
    /// Start a fresh server for it: one that has held connections before has memory left to reuse, and looks better than it is.
    Idle(idle::IdleArgs),
    /// Let pairs of peers arrive over a time, each to set up its call, and report how long their messages took.
    ///
    /// Everybody arrives on schedule, however slow the server is. The limits may stay as they are by default.
    Arrivals(arrivals::ArrivalsArgs),
}

/// Runs the load and prints its report.
///
/// # Errors
/// The load could not run or come to its end, a connection of it failed, or the server lost, doubled or reordered a message.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.load {
        Load::Relay(args) => relay::run(&args),
        Load::Idle(args) => idle::run(&args),
        Load::Arrivals(args) => arrivals::run(args),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, error::ErrorKind};

    use super::*;

    fn command() -> Command {
        BenchArgs::augment_args(Command::new("bench"))
    }

    #[test]
    fn arrivals_explains_its_options() {
        let help = command().try_get_matches_from(["bench", "arrivals", "--help"]).expect_err("help");
        assert_eq!(help.kind(), ErrorKind::DisplayHelp);
        let help = help.to_string();
        for part in ["arrives on schedule", "--pairs", "[default: 5000]", "--over", "[default: 60s]", "--seed"] {
            assert!(help.contains(part), "no `{part}` in {help}");
        }
    }

    #[test]
    fn arrivals_refuses_what_makes_no_load() {
        let parse = |options: &[&str]| {
            command().try_get_matches_from(["bench", "arrivals", "--url", "http://localhost"].iter().chain(options))
        };
        assert!(parse(&["--pairs", "1", "--over", "500ms", "--seed", "7"]).is_ok());
        for (options, named) in [(["--pairs", "0"], "--pairs"), (["--over", "soon"], "--over")] {
            let refusal = parse(&options).expect_err("refused").to_string();
            assert!(refusal.contains(named), "{refusal}");
        }
    }
}
