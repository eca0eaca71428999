//! `aldis serve` and `aldis dev`.

use std::sync::Arc;

use clap::Args;

use super::Exit;
use crate::{
    config::{Flags, Loaded, Purpose},
    serve::Start,
    server::Mode,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ALDIS_AUTH_KEYS=$(aldis keys generate) aldis serve
  aldis serve --config aldis.toml --listen 127.0.0.1:7654 --admin 127.0.0.1:9654
  aldis serve --listen 127.0.0.1:0 --ports-file ports.json
  aldis serve --listen '[::]:443' --tls-cert fullchain.pem --tls-key privkey.pem

Everything else comes from the environment or the file, and secrets only from there. For example:
  ALDIS_AUTH_KEYS         the keys that sign tokens: kid:secret[,kid:secret]
  ALDIS_AUTH_PUBLIC_KEYS  public keys, PEM: kid:FILE[,kid:FILE]
  ALDIS_AUTH_JWKS_URLS    ISSUER URL[,ISSUER URL]: identity providers; ALDIS_AUTH_AUDIENCE has to be set
  ALDIS_CLUSTER_SECRET    at least 32 bytes, the same on every node; with it sessions survive a restart
  ALDIS_BACKPLANE         what is between nodes: redis://HOST, rediss://, redis+sentinel://HOST/NAME,
                          nats://HOST or tls://HOST, several hosts separated by commas; else one node
  ALDIS_BACKPLANE_PREFIX  keeps deployments apart that share a broker
  ALDIS_STUN_URLS         stun:HOST[:PORT], separated by commas
  ALDIS_TURN_URLS         turn:HOST[:PORT][?transport=udp|tcp] or turns:..., separated by commas
  ALDIS_TURN_SECRET       coturn's static-auth-secret
  ALDIS_TURN_TTL          how long TURN credentials open new allocations, in seconds
  ALDIS_ALLOWED_ORIGINS   https://app.example.org, separated by commas; else any
  ALDIS_LOG               info, debug, or directives as aldis_server::auth=debug
  ALDIS_LOG_FORMAT        auto, pretty or json
  ALDIS_DRAIN_WINDOW_MS   over how long the clients of a stopping server are sent elsewhere
`aldis config show` lists all keys, `aldis config check` says what is wrong with them.")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aldis dev
  aldis dev --port 8080
  aldis dev --nodes 3
  aldis dev --lan
  ALDIS_STUN_URLS=stun:stun.example.org aldis dev

With --nodes several nodes run in this process, on consecutive ports. They share their rooms over a
backplane in memory, or over that of ALDIS_BACKPLANE: open the page of each in a tab.

The key is public, so only this machine can connect. The environment counts as for `aldis serve`,
except for ALDIS_AUTH_*, ALDIS_TLS_* and the configuration file.

With --lan the key is made at the start, and so is a certificate: phones on the local network
open the page over https, which a camera needs, once their browser has warned. Whoever can connect
gets tokens.")]
pub(super) struct DevArgs {
    /// Serve the local network over TLS, and print a QR code for a phone.
    #[arg(long)]
    lan: bool,
    /// How many nodes, from 1 to 16.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16), conflicts_with = "lan")]
    nodes: u16,
    /// The port on localhost, or on every address with --lan.
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// The address, on loopback: `127.0.0.1:PORT`, `[::1]:PORT` or `localhost:PORT`; with --lan any; port 0 takes a free one
    /// [default: `localhost:7654`, with --lan `[::]:7654`] [env: ALDIS_LISTEN].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Write the addresses that were bound to this file, as JSON: `{"listen": "127.0.0.1:7654"}`, those of further nodes in the list
    /// `others`.
    #[arg(long, value_name = "FILE")]
    ports_file: Option<String>,
    /// Serve /livez, /readyz and /metrics on an address of their own, on loopback unless with --lan; of several nodes on consecutive
    /// ports.
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
}

impl DevArgs {
    fn flags(&self) -> Flags {
        let host = if self.lan { "[::]" } else { "localhost" };
        let listen = self.port.map(|port| format!("{host}:{port}")).or_else(|| self.listen.clone());
        Flags { listen, ports_file: self.ports_file.clone(), admin: self.admin.clone(), ..Flags::default() }
    }
}

pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<Exit> {
    let flags = args.flags.clone();
    let load = move || Loaded::load(&flags, std::env::vars_os(), Purpose::Serve);
    run(Start { loaded: load()?, load: Some(Arc::new(load)), mode: Mode::Serve, nodes: 1 })
}

pub(super) fn dev(args: &DevArgs) -> anyhow::Result<Exit> {
    let (flags, env) = (args.flags(), std::env::vars_os());
    let (purpose, mode, nodes) =
        if args.lan { (Purpose::Lan, Mode::Lan, 1) } else { (Purpose::Dev, Mode::Dev, args.nodes) };
    run(Start { loaded: Loaded::load(&flags, env, purpose)?, load: None, mode, nodes })
}

fn run(start: Start) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(crate::serve::run(start))?;
    Ok(Exit::Ok)
}
