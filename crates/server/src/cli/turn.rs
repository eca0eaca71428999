//! `aldis turn`: TURN credentials by hand, to try a TURN server with.

use std::{path::PathBuf, time::Duration};

use aldis_core::Grant;
use aldis_protocol::Identity;
use clap::{Args, Subcommand};

use super::{Exit, output, time};
use crate::{
    clock::unix_ms,
    config::{Flags, Loaded, Purpose},
    ice::IceSource,
    resume::ClusterKeys,
};

#[derive(Debug, Subcommand)]
pub(super) enum TurnCommand {
    /// Print the ICE servers that a client of this identity would get, as JSON for RTCPeerConnection.
    #[command(after_help = "Example:
  export ALDIS_TURN_URLS=turn:turn.example.org:3478 ALDIS_TURN_SECRET=...   # coturn's static-auth-secret
  aldis turn credentials --identity ann --ttl 10m

Try them with coturn's own client: turnutils_uclient -u USERNAME -w CREDENTIAL turn.example.org")]
    Credentials(CredentialsArgs),
}

#[derive(Debug, Args)]
pub(super) struct CredentialsArgs {
    /// Who they are for; the username holds a pseudonym of it.
    #[arg(long, value_parser = Identity::parse)]
    identity: Identity,
    /// How long they are good, 10s to 30d; without this turn.ttl.
    #[arg(long, value_parser = ttl)]
    ttl: Option<Duration>,
    /// The configuration file [env: ALDIS_CONFIG_FILE].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(command: &TurnCommand) -> anyhow::Result<Exit> {
    let TurnCommand::Credentials(args) = command;
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let mut config = Loaded::load(&flags, std::env::vars_os(), Purpose::Tool)?.config;
    let Some(turn) = &mut config.ice.turn else {
        output::talk("error: no TURN server is configured: set ALDIS_TURN_URLS and ALDIS_TURN_SECRET");
        return Ok(Exit::Config);
    };
    turn.ttl = args.ttl.unwrap_or(turn.ttl);
    if config.cluster_secret.is_none() {
        output::talk("note: without ALDIS_CLUSTER_SECRET the pseudonym in the username is another each time");
    }
    let keys = ClusterKeys::new(config.cluster_secret.as_ref())?;
    let source = IceSource::new(&config.ice, &keys);
    let ice = source.mint(&args.identity, Grant::default(), unix_ms() / 1_000);
    output::data(&serde_json::to_string_pretty(&ice)?)?;
    Ok(Exit::Ok)
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = time::parse_duration(text)?;
    if crate::config::ice::TTL_RANGE_S.contains(&ttl.as_secs()) {
        Ok(ttl)
    } else {
        Err("is not from 10s to 30d".to_owned())
    }
}
