//! The process around a [`Server`], or around several: logs, ports file, banner, signals.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context;
use futures_util::future::join_all;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    backplane::{Address, MemoryBus},
    banner::{self, Ink},
    config::{Config, Loaded, Secret},
    node::random_bits,
    reload::{Load, Reloader},
    server::{Mode, Server},
    telemetry::{log, panic},
};

/// What a process is started with.
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// Loads it again, where it may change.
    pub load: Option<Load>,
    /// What the servers are for.
    pub mode: Mode,
    /// How many there are.
    pub nodes: u16,
}

/// Runs so many servers, of which there must be one, until they are told to stop: the first SIGTERM or SIGINT drains, a second one
/// forces.
///
/// # Errors
/// One could not start.
pub async fn run(start: Start) -> anyhow::Result<()> {
    let Start { loaded, load, mode, nodes } = start;
    let config = &loaded.config;
    log::start(&config.log);
    panic::log_all();
    raise_descriptors(config);
    let mut signals = Signals::listen()?;
    let servers = begin(config, mode, nodes)?;
    let server = servers.first().context("no server to run")?;
    for server in &servers {
        tokio::select! {
            reached = server.reach() => reached?,
            reason = signals.next() => {
                tracing::info!(reason, "stopped before it was ready");
                return Ok(());
            }
        }
    }
    if let Some(load) = load {
        server.reloader().load_by(load, &loaded);
    }
    let reloader = server.reloader().has_files().then(|| Arc::clone(server.reloader()));
    let _hangups = reloader.map(reload_at_hangup).transpose()?;
    if let Some(path) = &config.ports_file {
        write_ports(path, &servers).with_context(|| format!("cannot write ports_file {}", path.display()))?;
    }
    let listen = server.listen().first().copied().context("no address to listen on")?;
    tracing::info!(%listen, admin = server.admin().map(tracing::field::display), "ready");
    for server in servers.iter().skip(1) {
        tracing::info!(listen = server.listen().first().map(tracing::field::display), "another node");
    }
    if config.cluster_secret.is_none() && mode == Mode::Serve {
        tracing::warn!("no cluster_secret (ALDIS_CLUSTER_SECRET): sessions do not survive a restart of this server");
    }
    match mode {
        Mode::Serve => {}
        Mode::Dev => {
            let ports: Vec<_> = servers.iter().filter_map(|server| Some(server.listen().first()?.port())).collect();
            print(&banner::machine(&ports, Ink::of_stdout()));
        }
        Mode::Lan => {
            tracing::warn!("whoever can connect can open the page, get tokens and enter every room");
            print(&banner::lan(server.lan(), listen.port(), Ink::of_stdout())?);
        }
    }

    let reason = signals.next().await;
    tracing::info!(reason, "draining; a second signal stops at once");
    tokio::select! {
        _ = join_all(servers.iter().map(Server::drain)) => tracing::info!("stopped"),
        reason = signals.next() => tracing::warn!(reason, "stopped at once"),
    }
    Ok(())
}

/// Starts one server, or several on consecutive ports that share their rooms.
fn begin(config: &Config, mode: Mode, nodes: u16) -> anyhow::Result<Vec<Server>> {
    if nodes == 1 {
        return Ok(vec![Server::start(config, mode)?]);
    }
    let mut config = config.clone();
    if config.cluster_secret.is_none() {
        // Frames between them and resume tokens are signed with keys of one secret.
        config.cluster_secret = Some(Secret::new(format!("{:032x}{:032x}", random_bits(), random_bits())));
    }
    let bus = MemoryBus::default();
    let node = |number| {
        let config = nth(&config, number).with_context(|| format!("no port for {nodes} nodes"))?;
        match &config.backplane.address {
            Address::Memory => Server::start_on(&bus, &config, mode),
            _ => Server::start(&config, mode),
        }
    };
    (0..nodes).map(node).collect()
}

/// The configuration of a node by its number: its ports are so many further on.
fn nth(config: &Config, number: u16) -> Option<Config> {
    let listen = config.listen.further(number)?;
    let admin = match &config.admin {
        Some(admin) => Some(admin.further(number)?),
        None => None,
    };
    Some(Config { listen, admin, ..config.clone() })
}

/// Asks for as many descriptors as the system gives, and says so where they are fewer than the connections that are allowed.
fn raise_descriptors(config: &Config) {
    /// What a process needs besides its connections: listeners, logs, requests under way.
    const OTHERS: u64 = 64;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) if descriptors < config.limits.connections.saturating_add(OTHERS) => {
            tracing::info!(
                descriptors,
                "the system allows fewer descriptors than limits.connections; `ulimit -Hn` raises them"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of descriptors"),
    }
}

/// Reads everything again at every SIGHUP. A server without files keeps the signal's usual meaning: its terminal is gone.
fn reload_at_hangup(reloader: Arc<Reloader>) -> io::Result<AbortOnDropHandle<()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reloader.reload().await;
        }
    })))
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Writes beside the file and renames, so that whoever waits for it never reads half of it.
fn write_ports(path: &Path, servers: &[Server]) -> anyhow::Result<()> {
    let mut nodes = servers.iter().map(ports);
    let mut ports = nodes.next().unwrap_or_default();
    let others: Vec<_> = nodes.collect();
    if !others.is_empty() {
        ports["others"] = others.into();
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, format!("{ports}\n"))?;
    fs::rename(&beside, path)?;
    Ok(())
}

fn ports(server: &Server) -> serde_json::Value {
    let mut ports = json!({ "listen": server.listen().first().map(SocketAddr::to_string) });
    if let Some(admin) = server.admin() {
        ports["admin"] = admin.to_string().into();
    }
    ports
}

#[expect(clippy::print_stdout, reason = "the banner is what a developer starts the command for")]
fn print(banner: &str) {
    println!("{banner}");
}
