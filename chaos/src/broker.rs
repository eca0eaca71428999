//! The broker: Redis or NATS, from the distribution's packages, with no data on disk.

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::{
    ports::free_port,
    process::{Process, Recipe},
};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// redis-server.
    Redis,
    /// nats-server.
    Nats,
}

/// A broker, which may be down.
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    recipe: Recipe,
    process: Option<Process>,
}

impl Broker {
    /// One that does not run yet.
    pub(crate) fn new(kind: Kind, folder: &Path) -> Self {
        let port = free_port();
        let own = port.to_string();
        let (program, address, rest) = match kind {
            Kind::Redis => ("redis-server", "--bind", ["--save", "", "--appendonly", "no"].as_slice()),
            Kind::Nats => ("nats-server", "--addr", [].as_slice()),
        };
        let arguments = ["--port", &own, address, "127.0.0.1"].into_iter().chain(rest.iter().copied());
        let recipe = Recipe {
            program: program.into(),
            arguments: arguments.map(str::to_owned).collect(),
            environment: Vec::new(),
            folder: folder.to_owned(),
            log: "broker.log".to_owned(),
        };
        Self { kind, port, recipe, process: None }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The URL of whoever goes through this port.
    pub(crate) fn url(&self, port: u16) -> String {
        let scheme = match self.kind {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        };
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        self.process.insert(Process::start(&self.recipe)?).listens(self.port).await
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the broker is down already")?.kill().await
    }
}
