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
//!
//! The defaults of the rate limits would throttle `relay`: start the server under test with
//! `ALDIS_LIMITS_MESSAGES_PER_SECOND`, `ALDIS_LIMITS_BYTES_PER_SECOND`, `ALDIS_LIMITS_MESSAGE_BURST` and
//! `ALDIS_LIMITS_BYTE_BURST` raised to 1000000000, as `bench/run.sh` does.

mod idle;
mod join;
mod payload;
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
}

/// Runs the load and prints its report.
///
/// # Errors
/// The load could not run, or the server lost, doubled or reordered a message.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.load {
        Load::Relay(args) => relay::run(&args),
        Load::Idle(args) => idle::run(&args),
    }
}
