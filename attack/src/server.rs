//! The server under attack: a real `aldis serve`, at its loudest, with canaries in place of its secrets.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    line::{Line, request},
    token::KID,
};

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What must never be heard again.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    pub(crate) key: String,
    pub(crate) cluster: String,
    pub(crate) turn: String,
    pub(crate) admin: String,
}

/// A server, killed when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Where its operator asks: plain, and without a proxy, whatever clients need.
    pub(crate) admin: u16,
    pub(crate) secrets: Secrets,
    child: Child,
    log: PathBuf,
}

/// How to start one.
pub(crate) struct Recipe<'a> {
    pub(crate) aldis: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) name: &'a str,
    /// What stands before the program: `taskset`, `prlimit`.
    pub(crate) before: &'a [&'a str],
    pub(crate) environment: Vec<(&'a str, String)>,
    pub(crate) log: &'a str,
}

impl Secrets {
    pub(crate) fn random() -> Self {
        let random = |name: &str| {
            format!("canary-{name}-{}", std::iter::repeat_with(fastrand::alphanumeric).take(40).collect::<String>())
        };
        Self { key: random("key"), cluster: random("cluster"), turn: random("turn"), admin: random("admin") }
    }

    pub(crate) fn all(&self) -> [&str; 4] {
        [&self.key, &self.cluster, &self.turn, &self.admin]
    }

    /// As variables of a server.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("ALDIS_AUTH_KEYS", format!("{KID}:{}", self.key)),
            ("ALDIS_CLUSTER_SECRET", self.cluster.clone()),
            ("ALDIS_TURN_SECRET", self.turn.clone()),
            ("ALDIS_ADMIN_KEY", self.admin.clone()),
            ("ALDIS_TURN_URLS", "turn:turn.example.org:3478".to_owned()),
        ]
    }
}

impl Server {
    pub(crate) fn start(recipe: Recipe<'_>) -> anyhow::Result<Self> {
        let secrets = Secrets::random();
        let ports = recipe.folder.join(recipe.name).with_extension("ports");
        let log = recipe.folder.join(recipe.name).with_extension("log");
        let program = recipe.aldis.as_os_str();
        let mut command = match recipe.before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        // What whoever starts this has set for a server of their own is not for this one.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"ALDIS_")) {
            command.env_remove(key);
        }
        let output = File::create(&log)?;
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ports-file"])
            .arg(&ports)
            .envs(secrets.environment())
            .envs([("ALDIS_LOG", recipe.log), ("ALDIS_LOG_FORMAT", "json")])
            .envs(recipe.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", recipe.aldis.display()))?;
        let mut server = Self { port: 0, admin: 0, secrets, child, log };
        (server.port, server.admin) = server.await_ports(&ports)?;
        Ok(server)
    }

    fn await_ports(&mut self, ports: &Path) -> anyhow::Result<(u16, u16)> {
        let given_up = Instant::now() + PATIENCE;
        while Instant::now() < given_up {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the server ended at once, with {status}: {}", self.said()?);
            }
            if let Ok(text) = fs::read_to_string(ports) {
                let ports: Value = serde_json::from_str(&text)?;
                let port = |name: &str| -> anyhow::Result<u16> {
                    Ok(ports[name].as_str().context("no address")?.parse::<SocketAddr>()?.port())
                };
                return Ok((port("listen")?, port("admin")?));
            }
            sleep(Duration::from_millis(10));
        }
        anyhow::bail!("the server does not serve after {PATIENCE:?}")
    }

    /// All that it has written.
    pub(crate) fn said(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// What it has counted, as text.
    pub(crate) fn metrics(&self) -> anyhow::Result<String> {
        let mut line = Line::dial(self.admin, Ipv4Addr::LOCALHOST)?;
        line.send(&request("GET", "/metrics", &["Connection: close"]));
        Ok(line.answer()?.context("no metrics")?.body)
    }

    /// One of its figures; 0 where it has not counted yet.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let metrics = self.metrics()?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        Ok(value.unwrap_or(0))
    }

    /// What it holds in memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
