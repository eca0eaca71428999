//! nats-server.

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{Broker, Daemon, Open, Signal, Stops, Way, free_port, within};

/// A NATS server.
pub(crate) struct Nats {
    daemon: Option<Daemon>,
    pub(crate) port: u16,
    folder: TempDir,
    options: Vec<String>,
}

impl Nats {
    /// Starts one with more options.
    pub(crate) async fn with(options: &[&str]) -> Self {
        let mut nats = Self::planned();
        nats.options = options.iter().map(|option| (*option).to_owned()).collect();
        nats.revive().await;
        nats
    }

    /// Servers that will know each other; none of them runs yet.
    pub(crate) fn cluster(size: usize) -> Vec<Self> {
        let routes: Vec<String> = (0..size).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
        let server = |own: &String| {
            let options = ["--cluster_name", "tests", "--cluster", own, "--routes", &routes.join(",")];
            Self { options: options.map(str::to_owned).to_vec(), ..Self::planned() }
        };
        routes.iter().map(server).collect()
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it runs")
    }
}

/// A client that is no node and reads what crosses a server.
pub(crate) struct Tap(BufReader<TcpStream>);

impl Nats {
    /// Reads what is published on subjects like this.
    pub(crate) async fn tap(&self, subject: &str) -> Tap {
        let mut tap = Tap(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("NATS")));
        let hello = format!("CONNECT {{\"verbose\":false,\"headers\":true}}\r\nSUB {subject} 1\r\n");
        tap.write(hello.as_bytes()).await;
        tap
    }
}

impl Tap {
    /// The subject to which the publisher of the next message wants an answer, if it wants one.
    pub(crate) async fn reply(&mut self) -> String {
        let next = async {
            loop {
                let mut line = Vec::new();
                self.0.read_until(b'\n', &mut line).await.expect("a line");
                let line = String::from_utf8_lossy(&line).into_owned();
                if let ["MSG", _, _, reply, _] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
                    return reply.to_owned();
                }
            }
        };
        within("a message with a reply subject", next).await
    }

    /// Says that nobody reads, in the server's place.
    pub(crate) async fn claim_unread(&mut self, reply: &str) {
        self.write(format!("HPUB {reply} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").as_bytes()).await;
    }

    /// Writes, and waits until the server has read it.
    async fn write(&mut self, bytes: &[u8]) {
        let answered = async {
            self.0.write_all(&[bytes, b"PING\r\n"].concat()).await.expect("written");
            let mut line = Vec::new();
            while !line.starts_with(b"PONG") {
                line.clear();
                self.0.read_until(b'\n', &mut line).await.expect("an answer");
                assert!(!line.starts_with(b"-ERR") && !line.is_empty(), "{}", String::from_utf8_lossy(&line));
            }
        };
        within("an answer of NATS", answered).await;
    }
}

impl Broker for Nats {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    fn planned() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { daemon: None, port: free_port(), folder, options: Vec::new() }
    }

    fn way(&self) -> Way {
        Way::Address(self.address())
    }

    async fn kill(&mut self) {
        self.daemon = None;
    }

    async fn revive(&mut self) {
        let mut arguments =
            vec!["--addr".to_owned(), "127.0.0.1".to_owned(), "--port".to_owned(), self.port.to_string()];
        arguments.extend_from_slice(&self.options);
        self.daemon = Some(Daemon::start("nats-server", &arguments, self.folder.path(), "Server is ready").await);
    }
}

impl Stops for Nats {
    fn stop(&mut self) {
        self.daemon().signal(Signal::Stop);
    }

    fn go_on(&mut self) {
        self.daemon().signal(Signal::Continue);
    }
}

impl Open for Nats {
    async fn inject(&self, name: &str, bytes: &[u8]) {
        let answered = async {
            let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("NATS"));
            let head = format!("CONNECT {{\"verbose\":false}}\r\nPUB {name} {}\r\n", bytes.len());
            let bytes = [head.as_bytes(), bytes, b"\r\nPING\r\n"].concat();
            stream.write_all(&bytes).await.expect("written");
            let mut line = String::new();
            while !line.starts_with("PONG") {
                line.clear();
                stream.read_line(&mut line).await.expect("an answer");
                assert!(!line.starts_with("-ERR") && !line.is_empty(), "{line}");
            }
        };
        within("an answer of NATS", answered).await;
    }
}
