//! The program itself, as a process.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
};

use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    process::{Child, Command},
    task::JoinHandle,
};

use super::{Answer, Request, within};

/// A running `aldis serve` or `aldis dev`, everything it says collected.
pub(crate) struct Aldis {
    child: Child,
    said: [JoinHandle<String>; 2],
    ports: Value,
}

impl Aldis {
    pub(crate) async fn serve(args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::run(&[&["serve"], args].concat(), env).await
    }

    pub(crate) async fn run(args: &[&str], env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ports.json");
        let mut child = Command::new(env!("CARGO_BIN_EXE_aldis"))
            .env_clear()
            .envs(env.iter().copied())
            .args(args)
            .args(["--listen", "127.0.0.1:0", "--ports-file"])
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it runs");
        let mut stderr = child.stderr.take().expect("a pipe");
        let mut stdout = child.stdout.take().expect("a pipe");
        // The file is there before the first line that says so; nothing else has to be waited for.
        let mut first = vec![0; 4_096];
        let read = within("a line", stderr.read(&mut first)).await.expect("a line");
        first.truncate(read);
        let mut begun = String::from_utf8(first).expect("UTF-8");
        while !begun.contains("\"ready\"") {
            let mut more = vec![0; 4_096];
            let read = within("a line", stderr.read(&mut more)).await.expect("a line");
            assert_ne!(read, 0, "it ended: {begun}");
            begun.push_str(std::str::from_utf8(&more[..read]).expect("UTF-8"));
        }
        let ports = serde_json::from_str(&std::fs::read_to_string(&path).expect("the file")).expect("JSON");
        let said = [
            tokio::spawn(async move {
                stderr.read_to_string(&mut begun).await.expect("UTF-8");
                begun
            }),
            tokio::spawn(async move {
                let mut text = String::new();
                stdout.read_to_string(&mut text).await.expect("UTF-8");
                text
            }),
        ];
        Self { child, said, ports }
    }

    pub(crate) fn ports(&self) -> &Value {
        &self.ports
    }

    pub(crate) async fn dial(&self, name: &str) -> TcpStream {
        let address: SocketAddr = self.ports[name].as_str().expect("an address").parse().expect("an address");
        TcpStream::connect(address).await.expect("connected")
    }

    pub(crate) async fn ask(&self, name: &str, request: Request) -> Answer {
        request.ask(&mut self.dial(name).await).await.0
    }

    /// What the system calls it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a living process")
    }

    pub(crate) async fn signal(&self, name: &str) {
        let arguments = [format!("-{name}"), self.id().to_string()];
        let killed = Command::new("kill").args(arguments).status().await.expect("kill runs");
        assert!(killed.success());
    }

    /// Waits for its end: how it ended, and all that it said on both streams.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = within("the end of the process", self.child.wait()).await.expect("a status");
        let [stderr, stdout] = self.said;
        (status, stderr.await.expect("stderr") + &stdout.await.expect("stdout"))
    }
}
