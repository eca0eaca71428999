//! A broker that is a process of its own.

use std::marker::PhantomData;

use tempfile::TempDir;

use super::{Broker, Daemon, Signal, Stops, Way, free_port};

/// The program of a broker.
pub(crate) trait Program {
    /// Its name.
    const NAME: &str;
    /// How addresses of it begin.
    const SCHEME: &str;
    /// What its log says when it is ready.
    const READY: &str;

    /// What it is always told.
    fn arguments(port: u16) -> Vec<String>;
}

/// A broker on a free port, with its data in a temporary folder.
pub(crate) struct Server<P> {
    daemon: Option<Daemon>,
    pub(crate) port: u16,
    folder: TempDir,
    options: Vec<String>,
    program: PhantomData<P>,
}

impl<P: Program> Server<P> {
    /// Starts one with more options.
    pub(crate) async fn with(options: &[&str]) -> Self {
        let mut server = Self::planned_with(options);
        server.revive().await;
        server
    }

    /// One with more options that does not run yet.
    pub(super) fn planned_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self { daemon: None, port: free_port(), folder, options, program: PhantomData }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("{}://127.0.0.1:{}", P::SCHEME, self.port)
    }

    /// Its process.
    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it runs")
    }
}

impl<P: Program> Broker for Server<P> {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    fn planned() -> Self {
        Self::planned_with(&[])
    }

    fn way(&self) -> Way {
        Way::Address(self.address())
    }

    async fn kill(&mut self) {
        self.daemon = None;
    }

    async fn revive(&mut self) {
        let arguments = [P::arguments(self.port), self.options.clone()].concat();
        self.daemon = Some(Daemon::start(P::NAME, &arguments, self.folder.path(), P::READY).await);
    }
}

impl<P: Program> Stops for Server<P> {
    fn stop(&mut self) {
        self.daemon().signal(Signal::Stop);
    }

    fn go_on(&mut self) {
        self.daemon().signal(Signal::Continue);
    }
}
