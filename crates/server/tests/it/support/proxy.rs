//! A TCP proxy that fails when a test says so.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A way to a server, which breaks when the test says so. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    target: SocketAddr,
    door: Door,
    links: Vec<AbortHandle>,
}

/// What becomes of who comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Refusing,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared { target, door: Door::Open, links: Vec::new() }));
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Leads who comes from now on to another server.
    pub(crate) fn lead(&self, target: SocketAddr) {
        self.shared.lock().expect("sound").target = target;
    }

    /// Breaks the connections that are there; returns how many there were.
    pub(crate) fn cut(&self) -> usize {
        let links = std::mem::take(&mut self.shared.lock().expect("sound").links);
        links.iter().filter(|link| !link.is_finished()).map(AbortHandle::abort).count()
    }

    /// Lets nobody in any more.
    pub(crate) fn refuse(&self) {
        self.shared.lock().expect("sound").door = Door::Refusing;
    }

    pub(crate) fn open(&self) {
        self.shared.lock().expect("sound").door = Door::Open;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut state = shared.lock().expect("sound");
        if state.door == Door::Refusing {
            continue;
        }
        let target = state.target;
        let link = tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
        state.links.push(link.abort_handle());
    }
}
