//! `aldis turn`: TURN credentials by hand, to try a TURN server or a provider with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use aldis_protocol::Identity;
use clap::{Args, Subcommand};

use super::{Exit, output, time};
use crate::{
    bell::Bell,
    clock::Clock,
    config::{Config, Flags, Loaded, ProviderKind, Purpose},
    ice::{IceSource, office::Surroundings},
    resume::ClusterKeys,
    telemetry::metrics::Metrics,
};

#[derive(Debug, Subcommand)]
pub(super) enum TurnCommand {
    /// Print the ICE servers that a client of this identity would get, as JSON for RTCPeerConnection.
    #[command(after_help = "Example:
  export ALDIS_TURN_URLS=turn:turn.example.org:3478 ALDIS_TURN_SECRET=...   # coturn's static-auth-secret
  aldis turn credentials --identity ann --ttl 10m

Try them with coturn's own client: turnutils_uclient -u USERNAME -w CREDENTIAL turn.example.org

Of several providers it asks the one that serves this identity, or the one that is named:
  aldis turn credentials --config aldis.toml --identity ann --provider cloudflare")]
    Credentials(CredentialsArgs),
}

#[derive(Debug, Args)]
pub(super) struct CredentialsArgs {
    /// Who they are for; the username of coturn's holds a pseudonym of it.
    #[arg(long, value_parser = Identity::parse)]
    identity: Identity,
    /// How long they are good, 10s to 30d, where a provider does that; without this turn.ttl.
    #[arg(long, value_parser = ttl)]
    ttl: Option<Duration>,
    /// Which of turn.providers to ask, by its name.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The configuration file [env: ALDIS_CONFIG_FILE].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(command: &TurnCommand) -> anyhow::Result<Exit> {
    let TurnCommand::Credentials(args) = command;
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let mut config = Loaded::load(&flags, std::env::vars_os(), Purpose::Tool)?.config;
    if config.ice.turn.is_empty() {
        output::talk("error: no TURN server is configured: set ALDIS_TURN_URLS and ALDIS_TURN_SECRET");
        return Ok(Exit::Config);
    }
    for provider in &mut config.ice.turn {
        provider.ttl = args.ttl.unwrap_or(provider.ttl);
    }
    let has_coturn = config.ice.turn.iter().any(|provider| matches!(provider.kind, ProviderKind::Coturn { .. }));
    if config.cluster_secret.is_none() && has_coturn {
        output::talk("note: without ALDIS_CLUSTER_SECRET the pseudonym in the username is another each time");
    }
    let source = source(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ice = runtime.block_on(source.ask(args.provider.as_deref(), &args.identity))?;
    output::data(&serde_json::to_string_pretty(&ice)?)?;
    Ok(Exit::Ok)
}

fn source(config: &Config) -> anyhow::Result<IceSource> {
    let mut metrics = Metrics::new();
    let turn = metrics.of_turn();
    let around = Surroundings {
        limits: Arc::new(config.limits.clone()),
        clock: Clock::start(),
        metrics: Arc::new(metrics),
        turn,
        abort: Arc::new(Bell::default()),
    };
    IceSource::new(&config.ice, &config.outbound, &ClusterKeys::new(config.cluster_secret.as_ref())?, around)
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = time::parse_duration(text)?;
    if crate::config::turn::TTL_RANGE_S.contains(&ttl.as_secs()) {
        Ok(ttl)
    } else {
        Err("is not from 10s to 30d".to_owned())
    }
}
