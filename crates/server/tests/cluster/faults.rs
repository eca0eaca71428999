//! Two clients with streams, at different nodes, who count at each other all the time, while everything is done to their broker that can
//! happen to one: each number arrives, once and in its place, and nobody is said to have left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aldis_client::{
    Event, Events, Outgoing, Room, RoomOptions,
    protocol::{PeerId, SignalKind},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    brokers::{Broker, Nats, Redis, Sentinels, Signal, within},
    nodes::{node_at, sees, until},
    support::Rig,
};

/// Between two numbers. A fault may take 25 s before more than the 1,024 messages wait that a client keeps for a peer.
const PAUSE: Duration = Duration::from_millis(25);

/// One of the two.
struct Client {
    /// Whoever drops it leaves.
    _room: Room,
    /// How many numbers it has sent.
    said: Arc<AtomicU64>,
    /// How many it has heard.
    heard: watch::Receiver<u64>,
    talking: JoinHandle<()>,
    listening: JoinHandle<()>,
}

/// Both, and their nodes.
struct Pair {
    nodes: [Rig; 2],
    /// How often each had lost the broker when all was well for the last time.
    failures: [u64; 2],
    clients: [Client; 2],
    hush: CancellationToken,
}

impl Pair {
    /// Two nodes at these addresses, and a client at each.
    async fn at(addresses: [&str; 2]) -> Self {
        let nodes = addresses.map(|address| node_at(address, |_| {}));
        for node in &nodes {
            sees(node, 1).await;
        }
        let [(ann, mut of_ann), (bob, of_bob)] = [joins(&nodes[0], "ann").await, joins(&nodes[1], "bob").await];
        let (to_ann, to_bob) = (ann.me().id, bob.me().id);
        await_peer(&mut of_ann, &to_bob).await;
        let hush = CancellationToken::new();
        let clients = [Client::new(ann, of_ann, to_bob, &hush), Client::new(bob, of_bob, to_ann, &hush)];
        let mut pair = Self { failures: [0; 2], nodes, clients, hush };
        pair.healed().await;
        pair
    }

    /// Waits until each has heard a number that the other says from now on.
    async fn reach_each_other(&mut self) {
        let [ann, bob] = &mut self.clients;
        let (of_ann, of_bob) = (ann.said.load(Ordering::Relaxed), bob.said.load(Ordering::Relaxed));
        within("a number of bob", ann.heard.wait_for(|heard| *heard > of_bob)).await.expect("it listens");
        within("a number of ann", bob.heard.wait_for(|heard| *heard > of_ann)).await.expect("it listens");
    }

    /// Waits until both nodes have lost the broker, be it for a moment.
    async fn degraded(&self) {
        for (node, before) in self.nodes.iter().zip(self.failures) {
            until("a lost broker", || async { (failures(node) > before).then_some(()) }).await;
        }
    }

    /// Waits until all is well again.
    async fn healed(&mut self) {
        for node in &self.nodes {
            sees(node, 1).await;
        }
        self.reach_each_other().await;
        self.failures = [failures(&self.nodes[0]), failures(&self.nodes[1])];
    }

    /// A session goes on at the other node, and nobody else is disturbed.
    async fn moves(&self) {
        let [north, south] = &self.nodes;
        let cat = north.v1("cat").await;
        let again = south.resume("cat", &cat.resume_token()).await;
        assert_eq!((&again.welcome["resumed"], &again.id), (&json!(true), &cat.id));
        for client in ["ann", "bob"] {
            let peers = again.welcome["peers"].as_array().expect("peers");
            assert!(peers.iter().any(|peer| peer["identity"] == client), "{peers:?}");
        }
    }

    /// All that was sent was delivered, all that was delivered was heard, in its place.
    async fn ends(mut self) {
        self.hush.cancel();
        for client in &mut self.clients {
            within("the fate of all numbers", &mut client.talking).await.expect("every number was delivered");
        }
        let [ann, bob] = &self.clients;
        assert_eq!(*ann.heard.borrow(), bob.said.load(Ordering::Relaxed));
        assert_eq!(*bob.heard.borrow(), ann.said.load(Ordering::Relaxed));
        for client in self.clients {
            assert!(!client.listening.is_finished(), "it saw something that it must not see");
            client.listening.abort();
        }
    }
}

impl Client {
    fn new(room: Room, events: Events, to: PeerId, hush: &CancellationToken) -> Self {
        let said = Arc::new(AtomicU64::new(0));
        let (news, heard) = watch::channel(0);
        let listening = tokio::spawn(listen(events, to.clone(), news));
        let talking = tokio::spawn(talk(room.clone(), to, Arc::clone(&said), hush.clone()));
        Self { _room: room, said, heard, talking, listening }
    }
}

/// Counts until it shall be silent, then waits for what became of each number.
async fn talk(room: Room, to: PeerId, said: Arc<AtomicU64>, hush: CancellationToken) {
    let mut sent = JoinSet::new();
    while hush.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let number = said.fetch_add(1, Ordering::Relaxed);
        // Now and then one that a broker with small buffers does not bear.
        let ballast = if number % 50 == 49 { 40_000 } else { 0 };
        let data = json!({ "number": number, "ballast": "x".repeat(ballast) });
        let delivered = room.send(Outgoing::message(&to, data)).into_future();
        sent.spawn(async move { delivered.await.unwrap_or_else(|undelivered| panic!("{number}: {undelivered}")) });
    }
    sent.join_all().await;
}

/// Hears the numbers of the other in their order, and nothing that must not happen.
async fn listen(mut events: Events, from: PeerId, news: watch::Sender<u64>) {
    while let Some(event) = events.next().await {
        match event {
            Event::Signal(signal) if signal.kind == SignalKind::Message => {
                let data: Value = serde_json::from_str(signal.payload.expect("data").get()).expect("JSON");
                assert_eq!((signal.from, &data["number"]), (from.clone(), &json!(*news.borrow())));
                news.send_modify(|heard| *heard += 1);
            }
            // Of the third, whose session moves; and a node that hears nothing may show somebody as away.
            Event::PeerJoined(peer) | Event::PeerUpdated(peer) | Event::PeerLeft { peer, .. } if peer.id != from => {}
            Event::PeerUpdated(_) => {}
            strange => panic!("{strange:?}"),
        }
    }
}

fn failures(node: &Rig) -> u64 {
    let figures = node.server.node().figures();
    let lost = figures.lines().filter(|line| line.starts_with("aldis_backplane_failures_total{"));
    lost.map(|line| line.rsplit_once(' ').expect("a value").1.parse::<u64>().expect("a number")).sum()
}

async fn joins(node: &Rig, name: &str) -> (Room, Events) {
    let url = format!("http://{}", node.server.listen()[0]);
    let options = RoomOptions::new(url).room("lobby").token(node.mint(name));
    let (room, mut events) = within("a seat", Room::join(options)).await.expect("a seat");
    assert!(matches!(events.next().await, Some(Event::Joined { .. })));
    (room, events)
}

async fn await_peer(events: &mut Events, id: &PeerId) {
    let joined = within("the other", events.next()).await;
    assert!(matches!(&joined, Some(Event::PeerJoined(peer)) if peer.id == *id), "{joined:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_redis() {
    let mut redis = Redis::start().await;
    let address = redis.address();
    let mut pair = Pair::at([&address, &address]).await;

    redis.kill().await;
    pair.degraded().await;
    redis.revive().await;
    pair.healed().await;
    pair.moves().await;

    for kind in ["pubsub", "normal"] {
        redis.command(&["CLIENT", "KILL", "TYPE", kind]).await;
        pair.healed().await;
    }

    redis.command(&["CLIENT", "PAUSE", "8000"]).await;
    pair.degraded().await;
    pair.healed().await;

    // What is larger than the buffer of a subscriber cuts it off, as often as it is tried.
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 20kb 0 0"]).await;
    pair.degraded().await;
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60"]).await;
    pair.healed().await;

    redis.command(&["FLUSHALL"]).await;
    pair.reach_each_other().await;

    redis.daemon().signal(Signal::Stop);
    pair.degraded().await;
    redis.daemon().signal(Signal::Continue);
    pair.healed().await;
    pair.moves().await;
    pair.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_under_sentinels() {
    let mut watched = Sentinels::watching().await;
    let address = watched.address();
    let mut pair = Pair::at([&address, &address]).await;
    watched.primary.kill().await;
    pair.degraded().await;
    pair.healed().await;
    pair.moves().await;
    pair.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_nats() {
    let mut nats = Nats::start().await;
    let address = nats.address();
    let mut pair = Pair::at([&address, &address]).await;

    nats.kill().await;
    pair.degraded().await;
    nats.revive().await;
    pair.healed().await;
    pair.moves().await;

    nats.daemon().signal(Signal::Stop);
    pair.degraded().await;
    nats.daemon().signal(Signal::Continue);
    pair.healed().await;
    pair.moves().await;
    pair.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_one_of_three_nats_servers() {
    let mut servers = Nats::cluster(3);
    for server in &mut servers {
        server.revive().await;
    }
    for server in &mut servers {
        server.daemon().logged("Route connection created").await;
    }
    let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let all = format!("nats://{}", addresses.join(","));
    let mut pair = Pair::at([&all, &format!("nats://{}", addresses[2])]).await;
    // Which of the three the first node is at is its own choice; that of the second stays.
    for server in servers.iter_mut().take(2) {
        server.kill().await;
        pair.healed().await;
        server.revive().await;
        server.daemon().logged("Route connection created").await;
        pair.healed().await;
    }
    pair.moves().await;
    pair.ends().await;
}
