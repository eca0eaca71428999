//! A broker's process, whose log says when it is ready.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use tokio::sync::mpsc;

use super::within;

/// A signal that a test sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    Stop,
    Continue,
    /// How a NATS server is told to become a lame duck.
    User2,
}

/// A process that dies with its test.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Daemon {
    /// Starts a program, in this folder, and waits for a line of its log.
    pub(crate) async fn start(program: &str, arguments: &[String], folder: &Path, ready: &str) -> Self {
        // Debian keeps some daemons where only root looks for programs.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; scripts/install.sh installs it"));
        let (sender, lines) = mpsc::unbounded_channel();
        follow(child.stdout.take().expect("piped"), sender.clone());
        follow(child.stderr.take().expect("piped"), sender);
        let mut daemon = Self { child, lines };
        daemon.logged(ready).await;
        daemon
    }

    /// Waits for a line with this text.
    pub(crate) async fn logged(&mut self, text: &str) {
        let mut seen = Vec::new();
        let line = async {
            while let Some(line) = self.lines.recv().await {
                if line.contains(text) {
                    return true;
                }
                seen.push(line);
            }
            false
        };
        assert!(within(text, line).await, "{text:?} is not in the log: {seen:#?}");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
            Signal::User2 => "-USR2",
        };
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands on what a pipe says, until the process ends.
fn follow(pipe: impl Read + Send + 'static, lines: mpsc::UnboundedSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The pipe must be emptied also when nobody listens any more.
            let _ = lines.send(line);
        }
    });
}
