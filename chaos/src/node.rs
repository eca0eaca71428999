//! One node: a whole `aldis serve`, with a way of its own to the broker.

use std::{fs, time::Duration};

use anyhow::Context as _;

use crate::{
    broker::Broker,
    cluster::Parts,
    ports::free_port,
    process::{Process, Recipe, get},
    proxy::Proxy,
    token::Key,
};

/// The secret of every cluster here.
const CLUSTER_SECRET: &str = "cluster-0123456789abcdef-0123456789";

/// Over how long the clients of a node that is stopped are sent elsewhere: shorter than a deployment's, so that there are more restarts.
const DRAIN_WINDOW: Duration = Duration::from_secs(6);

/// What a node may take beyond it on a busy machine.
const DRAIN_SLACK: Duration = Duration::from_secs(10);

/// A node, which may be down.
pub(crate) struct Node {
    port: u16,
    way_to_broker: Proxy,
    recipe: Recipe,
    process: Option<Process>,
}

impl Node {
    /// One that does not run yet.
    pub(crate) async fn new(number: usize, parts: &Parts<'_>, broker: &Broker, key: &Key) -> anyhow::Result<Self> {
        let port = free_port();
        let way_to_broker = Proxy::start(broker.port()).await?;
        let environment = [
            ("ALDIS_AUTH_KEYS", key.to_string()),
            ("ALDIS_CLUSTER_SECRET", CLUSTER_SECRET.to_owned()),
            ("ALDIS_BACKPLANE", broker.url(way_to_broker.port())),
            ("ALDIS_DRAIN_WINDOW_MS", DRAIN_WINDOW.as_millis().to_string()),
            // Everybody here has one address, and comes at once when a node dies.
            ("ALDIS_LIMITS_UNAUTHENTICATED_PER_ADDRESS", "10000".to_owned()),
        ];
        let recipe = Recipe {
            program: parts.aldis.clone(),
            arguments: ["serve", "--listen", &format!("127.0.0.1:{port}")].map(str::to_owned).to_vec(),
            environment: environment.into(),
            folder: parts.folder.to_owned(),
            log: format!("node-{number}.log"),
        };
        Ok(Self { port, way_to_broker, recipe, process: None })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its way to the broker.
    pub(crate) fn way_to_broker(&self) -> &Proxy {
        &self.way_to_broker
    }

    /// Starts it, and waits until it takes clients.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let process = self.process.insert(Process::start(&self.recipe)?);
        process.serves(self.port, "/readyz").await
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the node is down already")?.kill().await
    }

    /// Ends it in order, as a deployment does.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the node is down already")?;
        let status = process.terminate(DRAIN_WINDOW + DRAIN_SLACK).await?;
        anyhow::ensure!(status.success(), "a node that was told to end did with {status}");
        Ok(())
    }

    /// Writes what it counts beside its log.
    pub(crate) async fn dump_metrics(&self) -> anyhow::Result<()> {
        let metrics = get(self.port, "/metrics").await?;
        fs::write(self.recipe.folder.join(&self.recipe.log).with_extension("metrics"), metrics)?;
        Ok(())
    }
}
