//! Listening sockets and the HTTP connections on them.
//!
//! hyper is driven directly: `axum::serve` gives it no timer, so that its header deadline would never fire and half a handshake
//! would stay open for ever.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use aldis_protocol::limits::Limit;
use axum::Router;
use futures_util::FutureExt;
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::add_extension::AddExtension;

use crate::{
    config::{ListenAddr, ProxyProtocol},
    connection::transport::Transport,
    http::{
        self,
        remote::Remote,
        takeover::{Opened, Takeover},
    },
    node::Node,
    proxy_protocol::{self, Origin},
    telemetry::metrics::TlsFailure,
    tls::{Acceptor, Met},
    turnstile::Turnstile,
};

/// How many connections may wait to be accepted; the system caps it. With the usual 128, a thousand clients that come at once wait
/// a second for their SYN to be sent again.
const BACKLOG: u32 = 4_096;

/// A pause after a failed accept, as when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection meets before anything of its request is understood: a PROXY header, TLS, a deadline, a size, a count.
pub struct Gate {
    node: Arc<Node>,
    turnstile: Arc<Turnstile>,
    http: http1::Builder,
    handshake: Duration,
    proxy_protocol: ProxyProtocol,
    tls: Option<Arc<Acceptor>>,
}

impl Gate {
    /// The gate of a node, with its limits, whose requests take turns there; a TLS one where there is something to serve it with.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        turnstile: Arc<Turnstile>,
        proxy_protocol: ProxyProtocol,
        tls: Option<Arc<Acceptor>>,
    ) -> Self {
        let handshake = Duration::from_millis(node.limits.handshake_ms);
        let head_bytes = usize::try_from(node.limits.header_bytes).unwrap_or(usize::MAX);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(handshake).max_buf_size(head_bytes);
        Self { node, turnstile, http, handshake, proxy_protocol, tls }
    }

    /// Who is at the other end: the address of the connection, or what a trusted proxy says first. Nobody where it should and does not.
    async fn meet(&self, stream: &mut TcpStream, address: IpAddr) -> Option<Remote> {
        if self.proxy_protocol == ProxyProtocol::Off || !self.node.trusted_proxies.contain(address) {
            return Some(Remote::new(&self.node, address));
        }
        match timeout(self.handshake, proxy_protocol::read(stream)).await {
            Ok(Ok(Origin::Client(client))) => Some(Remote::new(&self.node, client)),
            Ok(Ok(Origin::Unnamed)) => Some(Remote::unnamed(&self.node, address)),
            Ok(Err(refused)) => {
                tracing::debug!(%refused, "a trusted proxy sent no PROXY header");
                self.node.metrics.proxy_header_failed(&refused);
                None
            }
            Err(_) => {
                self.node.metrics.limit(Limit::handshake_ms);
                None
            }
        }
    }

    /// Counts a connection that broke a bound. One that idles after a request breaks none.
    fn note(&self, error: &hyper::Error, asked: &AtomicBool) {
        if error.is_parse_too_large() {
            self.node.metrics.limit(Limit::header_bytes);
        } else if error.is_timeout() && !asked.load(Ordering::Relaxed) {
            self.node.metrics.limit(Limit::handshake_ms);
        }
    }
}

/// Opens every address. With port 0, the port that the first gets is for the others too.
///
/// # Errors
/// An address could not be bound. A second one that this machine does not have, as IPv6 on some, is left out.
pub fn bind(listen: &ListenAddr) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for addr in listen.addrs() {
        let mut addr = *addr;
        if let (0, Some(first)) = (addr.port(), listeners.first()) {
            addr.set_port(first.local_addr()?.port());
        }
        match open(addr) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && !listeners.is_empty() => {}
            // `[::]` where there is no IPv6 means every IPv4 address.
            Err(error) if is_unsupported(&error) && addr.ip() == Ipv6Addr::UNSPECIFIED => {
                listeners.push(open(SocketAddr::from(([0, 0, 0, 0], addr.port())))?);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let message = format!(
                    "cannot listen on {addr}: another program does; stop it, or choose another port with `--listen`"
                );
                return Err(io::Error::new(error.kind(), message));
            }
            Err(error) => return Err(io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"))),
        }
    }
    Ok(listeners)
}

/// EAFNOSUPPORT of Linux, for which the standard library has no kind: the machine was started without IPv6.
const NO_SUCH_FAMILY: i32 = 97;

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on a listener until `stop`; then requests that are under way are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    gate: Arc<Gate>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    // One at a time, but not as one of all who wait: whoever does not get in here waits in the system, which forgets them when it is full.
    let doorstep = Turnstile::new(1);
    loop {
        let accepted = tokio::select! {
            accepted = doorstep.through(listener.accept()) => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_ours(&error) {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        // Signals are small and must not wait for each other. It fails only where the client is gone already.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let (gate, router, stop) = (Arc::clone(&gate), router.clone(), stop.clone());
        tasks.spawn(async move {
            let turnstile = Arc::clone(&gate.turnstile);
            // Boxed, so that the task does not have room for it twice.
            turnstile.through(Box::pin(request(gate, stream, remote, router, stop))).await;
        });
    }
}

/// Whether a failed accept is this machine's trouble and not a client that went away.
fn is_ours(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn request(gate: Arc<Gate>, mut stream: TcpStream, from: SocketAddr, router: Router, stop: CancellationToken) {
    let accepted = Instant::now();
    // What comes before has its part of the time.
    let left = || gate.handshake.saturating_sub(accepted.elapsed()).max(Duration::from_millis(1));
    let Some(Some(remote)) = stop.run_until_cancelled(gate.meet(&mut stream, from.ip())).await else { return };
    let mut http = gate.http.clone();
    let Some(tls) = &gate.tls else {
        http.header_read_timeout(left());
        return speak(&gate, http, stream, AddExtension::new(router, remote), stop).await;
    };
    let met = stop.run_until_cancelled(timeout(left(), tls.meet(stream))).await;
    http.header_read_timeout(left());
    match met {
        None => {}
        Some(Err(_)) => gate.node.metrics.limit(Limit::handshake_ms),
        Some(Ok(Err(error))) => {
            tracing::debug!(%error, "a TLS handshake failed");
            gate.node.metrics.tls_failed(TlsFailure::Handshake);
        }
        Some(Ok(Ok(Met::Tls(stream)))) => {
            speak(&gate, http, stream, AddExtension::new(router, remote), stop).await;
        }
        Some(Ok(Ok(Met::Plain(stream)))) => {
            gate.node.metrics.tls_failed(TlsFailure::Plain);
            http.keep_alive(false);
            speak(&gate, http, stream, AddExtension::new(http::plain(), remote), stop).await;
        }
    }
}

/// Serves the requests of one connection.
async fn speak<S: AsyncRead + AsyncWrite + Into<Transport> + Unpin + Send + 'static>(
    gate: &Gate,
    http: http1::Builder,
    stream: S,
    router: AddExtension<Router, Remote>,
    stop: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let asked = AtomicBool::new(false);
    let taken = Mutex::new(None);
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        let answer = router.call(request);
        async {
            let mut answer = answer.await?;
            if let Some(stream) = Takeover::of(&mut answer) {
                *taken.lock() = Some(stream);
                // From here on this is no business of hyper's; it is dropped with its connection.
                return pending().await;
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut stopped = pin!(stop.cancelled().fuse());
    let over = poll_fn(|cx| {
        if stopped.as_mut().poll(cx).is_ready() {
            Pin::new(&mut connection).graceful_shutdown();
        }
        match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Over::Served(ended)),
            Poll::Pending => taken.lock().take().map_or(Poll::Pending, |stream| Poll::Ready(Over::Taken(stream))),
        }
    });
    match over.await {
        Over::Served(Ok(())) => {}
        // A client's broken request is its own affair: hyper has answered what could be answered.
        Over::Served(Err(error)) => gate.note(&error, &asked),
        Over::Taken((head, stream)) => {
            // What was pipelined behind the request is never answered.
            if let Some(parts) = connection.into_parts() {
                stream.serve(parts.io.into_inner().into(), &head);
            }
        }
    }
}

/// How hyper's part in a connection ends.
enum Over {
    /// With the connection, or with an upgrade.
    Served(hyper::Result<()>),
    /// With the head of an event stream, which goes on without it.
    Taken((Vec<u8>, Box<Opened>)),
}
