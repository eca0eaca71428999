//! redis-server and redis-sentinel.

use std::fmt::Write as _;

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    Broker as _, Daemon, Open, free_port,
    server::{Program, Server},
    within,
};

/// A Redis.
pub(crate) type Redis = Server<RedisServer>;

/// Its program.
pub(crate) struct RedisServer;

impl Program for RedisServer {
    const NAME: &str = "redis-server";
    const SCHEME: &str = "redis";
    const READY: &str = "Ready to accept connections";

    fn arguments(port: u16) -> Vec<String> {
        let port = port.to_string();
        let address = ["--port", &port, "--bind", "127.0.0.1"];
        let keeps_nothing = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
        address.into_iter().chain(keeps_nothing).map(str::to_owned).collect()
    }
}

impl Redis {
    /// A replica that has all its primary has.
    pub(crate) async fn replica_of(primary: &Self) -> Self {
        let mut replica = Self::with(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]).await;
        replica.daemon().logged("Finished with success").await;
        replica
    }

    /// A sentinel that alone decides when it is down, with more lines in its configuration.
    pub(crate) async fn sentinel(&self, more: &str) -> Sentinel {
        Sentinel::with(self, 1, more).await
    }

    /// Lets it do something: the first line of its answer.
    pub(crate) async fn command(&self, words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.raw(&words).await
    }

    async fn raw(&self, words: &[&[u8]]) -> String {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        let answer = async {
            let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("Redis"));
            stream.write_all(&bytes).await.expect("written");
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("an answer");
            line
        };
        let line = within("an answer of Redis", answer).await;
        assert!(!line.starts_with('-'), "{line}");
        line
    }
}

impl Open for Redis {
    async fn inject(&self, name: &str, bytes: &[u8]) {
        self.raw(&[b"PUBLISH", name.as_bytes(), bytes]).await;
    }
}

/// A primary, its replica, and three sentinels that know both.
pub(crate) struct Sentinels {
    pub(crate) primary: Redis,
    pub(crate) sentinels: Vec<Sentinel>,
    _replica: Redis,
}

impl Sentinels {
    /// Starts them all.
    pub(crate) async fn watching() -> Self {
        let primary = Redis::start().await;
        let replica = Redis::replica_of(&primary).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::with(&primary, 2, "").await);
        }
        for sentinel in &mut sentinels {
            sentinel.daemon.logged("+sentinel sentinel").await;
            sentinel.daemon.logged("+sentinel sentinel").await;
        }
        Self { primary, sentinels, _replica: replica }
    }

    /// Where whoever follows the primary begins.
    pub(crate) fn address(&self) -> String {
        let seeds: Vec<String> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/mymaster", seeds.join(","))
    }
}

/// A sentinel.
pub(crate) struct Sentinel {
    pub(crate) daemon: Daemon,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Sentinel {
    /// Watches a primary by the name `mymaster`; `quorum` sentinels decide that it is down. Its configuration may have more lines.
    async fn with(primary: &Redis, quorum: usize, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut config = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.path().display());
        writeln!(config, "sentinel monitor mymaster 127.0.0.1 {} {quorum}", primary.port).expect("text");
        config.push_str("sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 10000\n");
        config.push_str(more);
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, config).expect("written");
        let arguments = [file.display().to_string(), "--sentinel".to_owned()];
        let daemon = Daemon::start("redis-server", &arguments, folder.path(), "+monitor master").await;
        Self { daemon, port, _folder: folder }
    }
}
