//! nats-server.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    Open, free_port,
    server::{Program, Server},
    within,
};

/// A NATS server.
pub(crate) type Nats = Server<NatsServer>;

/// Its program.
pub(crate) struct NatsServer;

impl Program for NatsServer {
    const NAME: &str = "nats-server";
    const SCHEME: &str = "nats";
    const READY: &str = "Server is ready";

    fn arguments(port: u16) -> Vec<String> {
        ["--addr", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned).to_vec()
    }
}

impl Nats {
    /// Servers that will know each other; none of them runs yet.
    pub(crate) fn cluster(size: usize) -> Vec<Self> {
        let routes: Vec<String> = (0..size).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
        let all = routes.join(",");
        let server =
            |own: &String| Self::planned_with(&["--cluster_name", "tests", "--cluster", own, "--routes", &all]);
        routes.iter().map(server).collect()
    }

    /// Reads what is published on subjects like this.
    pub(crate) async fn tap(&self, subject: &str) -> Tap {
        let mut tap = self.stranger().await;
        tap.write(format!("SUB {subject} 1\r\n").as_bytes()).await;
        tap
    }

    async fn stranger(&self) -> Tap {
        let mut tap = Tap(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.expect("NATS")));
        tap.write(b"CONNECT {\"verbose\":false,\"headers\":true}\r\n").await;
        tap
    }
}

/// A client that is no node and reads what crosses a server.
pub(crate) struct Tap(BufReader<TcpStream>);

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

impl Open for Nats {
    async fn inject(&self, name: &str, bytes: &[u8]) {
        let head = format!("PUB {name} {}\r\n", bytes.len());
        self.stranger().await.write(&[head.as_bytes(), bytes, b"\r\n"].concat()).await;
    }
}
