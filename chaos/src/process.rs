//! Programs that are started, killed by their id, and started again.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How long a program may take until it serves, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// A look at whether it does may take so long, and so long is waited before the next.
const LOOK: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How to start a program.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where it runs, and where its output goes, in a file of this name.
    pub(crate) folder: PathBuf,
    pub(crate) log: String,
}

/// A program that runs; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program; its output is appended to its log.
    pub(crate) fn start(recipe: &Recipe) -> anyhow::Result<Self> {
        let name = recipe.program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let log = File::options().create(true).append(true).open(recipe.folder.join(&recipe.log))?;
        // Debian keeps some daemons where only root looks for programs.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(&recipe.program);
        // What whoever starts this has set for a server of their own is not for these.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_encoded_bytes().starts_with(b"ALDIS_")) {
            command.env_remove(key);
        }
        let child = command
            .args(&recipe.arguments)
            .envs(recipe.environment.iter().map(|(key, value)| (key, value)))
            .env("PATH", path)
            .current_dir(&recipe.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}; scripts/install.sh installs what is needed"))?;
        Ok(Self { child, name })
    }

    /// Ends it without a word, and waits until it is gone: then its port is free.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// Asks it to end, and waits.
    pub(crate) async fn terminate(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let id = self.child.id().with_context(|| format!("{} has ended by itself", self.name))?;
        let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        anyhow::ensure!(asked.success(), "{} cannot be told to end", self.name);
        let ended = timeout(patience, self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end", self.name))??)
    }

    /// Waits until it answers a GET with 200.
    pub(crate) async fn serves(&mut self, port: u16, path: &str) -> anyhow::Result<()> {
        self.look(async || get(port, path).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))).await
    }

    /// Waits until it takes connections.
    pub(crate) async fn listens(&mut self, port: u16) -> anyhow::Result<()> {
        self.look(async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await
    }

    async fn look(&mut self, is_there: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let given_up = Instant::now() + PATIENCE;
        while Instant::now() < given_up {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended at once, with {status}", self.name);
            }
            if timeout(LOOK, is_there()).await.unwrap_or(false) {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        anyhow::bail!("{} does not serve after {PATIENCE:?}", self.name)
    }
}

/// What a server answers, head and body.
pub(crate) async fn get(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A program beside this one: cargo puts all binaries of a profile into one folder.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().unwrap_or_else(|| Path::new("."));
    Ok(folder.join(name))
}
