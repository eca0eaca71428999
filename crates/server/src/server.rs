//! A whole server in this process: bind, serve, drain, stop.
//!
//! Every task belongs to the [`Server`]: dropping it stops them all.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use aldis_protocol::NodeId;
use axum::Router;
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    auth::Tokens,
    backplane::{Address, Backplane, Events, Health, MemoryBus, Settings},
    bell::{Bell, RingOnDrop},
    clock::Clock,
    cluster::{Membership, Publisher},
    config::{Config, Need, ProxyProtocol},
    driver::Driver,
    http::{
        self, Ops,
        dev::{Dev, Reach},
    },
    ice::{IceSource, office::Surroundings},
    lan::Lan,
    listen::{self, Gate},
    node::{Node, random_bits},
    reload::Reloader,
    resume::{ClusterKeys, ResumeTokens},
    sse::mailboxes::Mailboxes,
    telemetry::metrics::Metrics,
    throttle::Throttle,
    tls::{self, Acceptor},
    turnstile::Turnstile,
};

/// How long a server that requires its backplane waits for it at the start: several attempts, and less than what starts it waits.
const REACH_TIME: Duration = Duration::from_secs(10);

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Production: only the endpoints of clients and operator.
    Serve,
    /// Development on this machine: a page, and tokens for it.
    Dev,
    /// The same for the local network, over TLS with a certificate that is made now.
    Lan,
}

/// A running server.
pub struct Server {
    node: Arc<Node>,
    listen: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    requests: TaskTracker,
    certificate: Option<Arc<tls::Reloader>>,
    reloader: Arc<Reloader>,
    lan: Arc<Lan>,
    /// Stops listening.
    stop: CancellationToken,
    /// The listeners and the timers; aborted on drop.
    _tasks: JoinSet<()>,
    /// Ends every connection on drop.
    _connections: RingOnDrop,
}

impl Server {
    /// Binds and serves: alone, or at the broker that the configuration names.
    ///
    /// # Errors
    /// An address could not be bound, the certificate could not be loaded, the file of revocations could not be used, or the cluster's
    /// keys could not be derived.
    pub fn start(config: &Config, mode: Mode) -> anyhow::Result<Self> {
        let company = match &config.backplane.address {
            Address::Memory => None,
            broker => Some(Company::Broker(broker)),
        };
        Self::start_in(config, mode, company)
    }

    /// The same as one of several nodes in this process, which share a bus in memory.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(bus: &MemoryBus, config: &Config, mode: Mode) -> anyhow::Result<Self> {
        Self::start_in(config, mode, Some(Company::Bus(bus)))
    }

    fn start_in(config: &Config, mode: Mode, company: Option<Company<'_>>) -> anyhow::Result<Self> {
        let certificate = config.tls.clone().map(tls::Reloader::start).transpose()?.map(Arc::new);
        let public = listen::bind(&config.listen)?;
        let admin = config.admin.as_ref().map(listen::bind).transpose()?.unwrap_or_default();
        let (node, events, guard) = node(config, company)?;

        let addrs =
            |listeners: &[TcpListener]| listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>();
        let (listen, admin_addrs) = (addrs(&public)?, addrs(&admin)?);
        let lan = Arc::new(if mode == Mode::Lan { Lan::find(&listen) } else { Lan::default() });
        let ops = if admin.is_empty() { Ops::Beside } else { Ops::Elsewhere };
        let router = match mode {
            Mode::Serve => http::public(Arc::clone(&node), ops),
            Mode::Dev => development(&node, ops, &listen, Reach::Machine),
            Mode::Lan => development(&node, ops, &listen, Reach::Lan(Arc::clone(&lan))),
        };
        let tls = acceptor(mode, certificate.as_ref(), &lan)?;
        let gate = Arc::new(Gate::new(Arc::clone(&node), Arc::clone(&node.turnstile), config.proxy_protocol, tls));
        // The operator's listener is for the inside: it stays plain, and nobody stands before it.
        let own = Arc::new(Turnstile::of_runtime());
        let admin_gate = Arc::new(Gate::new(Arc::clone(&node), own, ProxyProtocol::Off, None));
        let (requests, stop, admin_stop) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        for listener in public {
            tasks.spawn(listen::serve(listener, router.clone(), Arc::clone(&gate), stop.clone(), requests.clone()));
        }
        // The operator watches to the end: this listener stops only with the server.
        for listener in admin {
            tasks.spawn(listen::serve(
                listener,
                http::admin(Arc::clone(&node)),
                Arc::clone(&admin_gate),
                admin_stop.clone(),
                TaskTracker::new(),
            ));
        }
        let reloader = Arc::new(Reloader::new(Arc::clone(&node), certificate.clone(), config));
        tasks.spawn(Arc::clone(&reloader).watch());
        let timers = Arc::clone(&node);
        tasks.spawn(async move { timers.driver.run_timers().await });
        for _ in 0..node.turnstile.turns() {
            let writer = Arc::clone(&node);
            tasks.spawn(async move { writer.driver.run_crowd(&writer.turnstile).await });
        }
        let keeper = Arc::clone(&node);
        tasks.spawn(async move { keeper.driver.revoker().keep().await });
        if let Some(events) = events {
            let member = Arc::clone(&node);
            tasks.spawn(async move {
                if let Some(membership) = &member.membership {
                    membership.read(&member.driver, events).await;
                }
            });
        }
        Ok(Self {
            node,
            listen,
            admin: admin_addrs.first().copied(),
            requests,
            certificate,
            reloader,
            lan,
            stop,
            _tasks: tasks,
            _connections: guard,
        })
    }

    /// Where clients connect: every address that was bound.
    #[must_use]
    pub fn listen(&self) -> &[SocketAddr] {
        &self.listen
    }

    /// Where the operator's endpoints are, if not beside the clients'.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The local network, as it was at the start; empty but for [`Mode::Lan`].
    #[must_use]
    pub fn lan(&self) -> &Lan {
        &self.lan
    }

    /// What looks after the certificate, if it comes from files.
    #[must_use]
    pub fn certificate(&self) -> Option<&Arc<tls::Reloader>> {
        self.certificate.as_ref()
    }

    /// What reads the configuration and its files again.
    #[must_use]
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// The node, for what looks inside.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Waits for the backplane, if this node is nothing without it.
    ///
    /// # Errors
    /// It could not be reached in time.
    pub async fn reach(&self) -> anyhow::Result<()> {
        let (Some(membership), Need::Required) = (&self.node.membership, self.node.need) else { return Ok(()) };
        if tokio::time::timeout(REACH_TIME, membership.reached()).await.is_err() {
            let Health::Degraded(cause) = membership.health() else { return Ok(()) };
            anyhow::bail!("the backplane is {cause} after {REACH_TIME:?}, and require_backplane is set");
        }
        Ok(())
    }

    /// Shuts down well: unready at once, then every client is sent elsewhere within the window. Returns when nobody is left.
    pub async fn drain(&self) {
        let node = &self.node;
        node.metrics.draining.set(1);
        node.closing.cancel();
        node.connections.close();
        if !node.connections.is_empty() {
            // Nobody to wait for ends the grace early too.
            let grace = Duration::from_millis(node.drain_grace_ms());
            let _grace_over = tokio::time::timeout(grace, node.connections.wait()).await;
        }
        node.driver.drain();
        node.draining.ring();
        // Half a second beyond the window for the last close frames.
        let window = Duration::from_millis(node.drain_spread_ms() + 500);
        let _everybody_left = tokio::time::timeout(window, node.connections.wait()).await;
        if let Some(membership) = &node.membership {
            membership.leave(&node.driver).await;
        }
        // What a moderator or another node has revoked last.
        node.driver.revoker().kept().await;
        self.stop.cancel();
        self.requests.close();
        let _answers_sent = tokio::time::timeout(Duration::from_millis(250), self.requests.wait()).await;
    }
}

/// What handshakes are served with, if clients speak TLS.
fn acceptor(mode: Mode, certificate: Option<&Arc<tls::Reloader>>, lan: &Lan) -> anyhow::Result<Option<Arc<Acceptor>>> {
    match mode {
        Mode::Serve | Mode::Dev => Ok(certificate.map(|certificate| Arc::clone(certificate.acceptor()))),
        Mode::Lan => Ok(Some(Arc::new(Acceptor::new(lan.certificate()?)?))),
    }
}

fn development(node: &Arc<Node>, ops: Ops, listen: &[SocketAddr], reach: Reach) -> Router {
    let port = listen.first().map_or(0, SocketAddr::port);
    http::development(Arc::clone(node), ops, Arc::new(Dev { node: Arc::clone(node), port, reach }))
}

/// Who else there is.
#[derive(Clone, Copy)]
enum Company<'a> {
    /// The nodes at a broker.
    Broker(&'a Address),
    /// The nodes of this process.
    Bus(&'a MemoryBus),
}

impl Company<'_> {
    /// What publishes for the node, and what it hears.
    fn publisher(
        self,
        node: &NodeId,
        config: &Config,
        keys: &ClusterKeys,
        metrics: &mut Metrics,
    ) -> anyhow::Result<(Arc<Publisher>, Events)> {
        let (of_backplane, of_cluster) = metrics.of_member();
        let settings = Settings {
            node: node.clone(),
            prefix: config.backplane.prefix.clone(),
            key: keys.frames.clone(),
            metrics: of_backplane,
        };
        let (backplane, events) = match self {
            Self::Broker(address) => Backplane::start(address, settings)?,
            Self::Bus(bus) => Backplane::in_memory(bus, settings),
        };
        Ok((Arc::new(Publisher::new(backplane, of_cluster)), events))
    }
}

/// The node, what its membership reads if it has one, and what ends its connections.
type Started = (Arc<Node>, Option<Events>, RingOnDrop);

fn node(config: &Config, company: Option<Company<'_>>) -> anyhow::Result<Started> {
    let keys = ClusterKeys::accepting(config.cluster_secret.as_ref(), &config.accepted_cluster_secrets)?;
    let (limits, clock) = (Arc::new(config.limits.clone()), Clock::start());
    let resume = ResumeTokens::new(&keys, &limits);
    let abort = Arc::new(Bell::default());
    let id = NodeId::from_random(random_bits());
    let mut metrics = Metrics::new();
    let turn = metrics.of_turn();
    let company = company.map(|company| company.publisher(&id, config, &keys, &mut metrics));
    let (publisher, events) = company.transpose()?.unzip();
    let metrics = Arc::new(metrics);
    let around = Surroundings {
        limits: Arc::clone(&limits),
        clock,
        metrics: Arc::clone(&metrics),
        turn,
        abort: Arc::clone(&abort),
    };
    let ice = Arc::new(IceSource::new(&config.ice, &config.outbound, &keys, around)?);
    let driver = Driver::new(id.clone(), Arc::clone(&limits), resume, Arc::clone(&metrics), clock);
    let driver = driver.taking_back(Arc::clone(&ice));
    let (driver, membership) = match publisher {
        None => (driver, None),
        Some(publisher) => {
            let membership = Membership::new(id.clone(), Arc::clone(&publisher), clock);
            (driver.among_others(publisher), Some(membership))
        }
    };
    let driver = match &config.revocations_file {
        None => driver,
        Some(path) => driver.kept_in(path.clone())?,
    };
    let node = Node {
        clock,
        driver,
        membership,
        need: config.backplane.need,
        degraded_joins: config.backplane.degraded,
        tokens: Tokens::start(&config.auth, &config.outbound, &limits, clock, Arc::clone(&metrics.jwks))?,
        admin_key: config.admin_key.clone(),
        ice,
        keys,
        origins: config.origins.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        unlisted_proxy: Once::new(),
        throttle: Mutex::new(Throttle::new(&limits)),
        turnstile: Arc::new(Turnstile::of_runtime()),
        admission: Arc::new(Admission::default()),
        mailboxes: Mailboxes::new(id),
        limits,
        metrics,
        connections: TaskTracker::new(),
        closing: CancellationToken::new(),
        draining: Arc::default(),
        abort: Arc::clone(&abort),
        drain_window_ms: config.drain_window_ms,
    };
    Ok((Arc::new(node), events, RingOnDrop(abort)))
}
