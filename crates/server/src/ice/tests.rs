//! Who gets which credentials, and when providers are asked: on paused time, with providers that do what a test wants.

use std::sync::atomic::{AtomicUsize, Ordering};

use aldis_protocol::Limits;
use axum::http::StatusCode;
use tokio::{
    sync::Semaphore,
    time::{Instant, advance},
};

use super::{
    office::Surroundings,
    provider::{Place, Provider, ProviderError, Revoking},
    *,
};
use crate::{
    bell::Bell,
    clock::Clock,
    config::{ProviderConfig, ProviderKind, Secret},
    telemetry::metrics::Metrics,
};

const DAY: Duration = Duration::from_secs(86_400);

/// A provider elsewhere that does as it is told.
#[derive(Clone)]
struct Fake(Arc<Inner>);

struct Inner {
    ttl: Duration,
    /// What it answers, as long as it is told nothing else: nothing is a success.
    mood: parking_lot::Mutex<Option<fn() -> ProviderError>>,
    /// An answer takes a permit; without one it waits.
    gate: Semaphore,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    revoked: parking_lot::Mutex<Vec<String>>,
}

impl Fake {
    /// One that answers at once.
    fn ready(ttl: Duration) -> Self {
        Self::with_permits(ttl, 1_000)
    }

    /// One that answers when it is let.
    fn held(ttl: Duration) -> Self {
        Self::with_permits(ttl, 0)
    }

    fn with_permits(ttl: Duration, permits: usize) -> Self {
        Self(Arc::new(Inner {
            ttl,
            mood: parking_lot::Mutex::default(),
            gate: Semaphore::new(permits),
            asked: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            revoked: parking_lot::Mutex::default(),
        }))
    }

    fn failing(error: fn() -> ProviderError) -> Self {
        let fake = Self::ready(DAY);
        fake.fails(Some(error));
        fake
    }

    fn fails(&self, error: Option<fn() -> ProviderError>) {
        *self.0.mood.lock() = error;
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn revoked(&self) -> Vec<String> {
        self.0.revoked.lock().clone()
    }

    fn boxed(&self) -> Box<dyn Provider> {
        Box::new(self.clone())
    }
}

impl Provider for Fake {
    fn place(&self) -> Place {
        Place::Elsewhere
    }

    fn mint(&self, order: &Order<'_>) -> Minting {
        let (inner, number, now) = (Arc::clone(&self.0), self.0.asked.fetch_add(1, Ordering::SeqCst), order.now_unix_s);
        Minting::Underway(Box::pin(async move {
            let under_way = inner.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            inner.most_under_way.fetch_max(under_way, Ordering::SeqCst);
            inner.gate.acquire().await.expect("open").forget();
            inner.under_way.fetch_sub(1, Ordering::SeqCst);
            let mood = *inner.mood.lock();
            match mood {
                Some(error) => Err(error()),
                None => Ok(Minted {
                    servers: vec![server(&format!("user-{number}"))],
                    life: Some(Life::new(inner.ttl, now)),
                    cuts_at_expiry: true,
                }),
            }
        }))
    }

    fn revoke(&self, username: &str) -> Revoking {
        let (inner, username) = (Arc::clone(&self.0), username.to_owned());
        Revoking::Underway(Box::pin(async move {
            inner.revoked.lock().push(username);
            Ok(())
        }))
    }
}

fn server(username: &str) -> IceServer {
    let [username, credential] = [username, "secret"].map(|text| Some(text.to_owned()));
    IceServer { urls: vec!["turn:elsewhere.example".to_owned()], username, credential }
}

/// A source, and where it counts.
struct Bench {
    source: IceSource,
    metrics: Arc<Metrics>,
    abort: Arc<Bell>,
}

impl Bench {
    fn new(limits: Limits, providers: Vec<(&str, Box<dyn Provider>)>) -> Self {
        let (around, abort) = around(limits);
        let metrics = Arc::clone(&around.metrics);
        let stun = vec![IceServer { urls: vec!["stun:a".to_owned()], username: None, credential: None }];
        let current = Current { stun, chain: chain::tests::chain(providers, &around.turn) };
        let current = RwLock::new(Arc::new(current));
        let source = IceSource { tag_key: keys().turn_tag, current, office: Arc::new(Office::new(around)) };
        Self { source, metrics, abort }
    }

    fn supply(&self, who: &str) -> Supply {
        self.supply_in(who, "lobby")
    }

    fn supply_in(&self, who: &str, room: &str) -> Supply {
        let (identity, room) = (identity(who), RoomId::parse(room).expect("a room"));
        self.source.supply(&Client { identity: &identity, room: &room, kid: "k", grant: Grant::default() })
    }

    /// The username of what there is, waited for.
    async fn username(&self, who: &str) -> Option<String> {
        match self.supply(who) {
            Supply::Ready(ice) => username(&ice.servers),
            Supply::Delayed(_) => None,
            Supply::Pending(pending) => pending.await.ok().and_then(|ice| username(&ice.servers)),
        }
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    fn limit_hits(&self, limit: &str) -> u64 {
        self.metric(&format!("aldis_limit_hits_total{{limit=\"{limit}\"}}"))
    }
}

/// Lets other tasks run until something is so. Paused time does not pass meanwhile, so turns are counted.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("not so: {what}");
}

fn around(limits: Limits) -> (Surroundings, Arc<Bell>) {
    let (mut metrics, abort) = (Metrics::new(), Arc::new(Bell::default()));
    let turn = metrics.of_turn();
    let (limits, metrics) = (Arc::new(limits), Arc::new(metrics));
    (Surroundings { limits, clock: Clock::start(), metrics, turn, abort: Arc::clone(&abort) }, abort)
}

fn keys() -> ClusterKeys {
    ClusterKeys::new(Some(&Secret::new("0123456789abcdef0123456789abcdef"))).expect("keys")
}

fn identity(text: &str) -> Identity {
    Identity::parse(text).expect("an identity")
}

fn username(servers: &IceServers) -> Option<String> {
    servers.ice_servers.iter().find_map(|server| server.username.clone())
}

fn pending(supply: Supply) -> Pending {
    match supply {
        Supply::Pending(pending) => pending,
        Supply::Ready(ice) => panic!("ready: {ice:?}"),
        Supply::Delayed(delayed) => panic!("delayed: {delayed:?}"),
    }
}

fn delayed(supply: Supply) -> Delayed {
    match supply {
        Supply::Delayed(delayed) => delayed,
        Supply::Ready(ice) => panic!("ready: {ice:?}"),
        Supply::Pending(_) => panic!("pending"),
    }
}

fn coturn(secret: &str, ttl: Duration) -> ProviderConfig {
    let urls = vec!["turn:turn.example.org:3478".to_owned(), "turns:turn.example.org:5349".to_owned()];
    let kind = ProviderKind::Coturn { urls, secret: Secret::new(secret) };
    ProviderConfig { key: "turn".into(), name: "coturn".into(), weight: 1, ttl, cuts_at_expiry: false, kind }
}

fn configured(stun: &[&str], turn: Vec<ProviderConfig>) -> IceSource {
    let stun_urls = stun.iter().map(|&url| url.to_owned()).collect();
    let config = IceConfig { stun_urls, turn, ..IceConfig::default() };
    let (around, _) = around(Limits::default());
    IceSource::new(&config, &OutboundConfig::default(), &keys(), around).expect("a source")
}

fn ready(source: &IceSource, who: &str, grant: Grant) -> Ice {
    let room = RoomId::parse("lobby").expect("a room");
    match source.supply(&Client { identity: &identity(who), room: &room, kid: "k", grant }) {
        Supply::Ready(ice) => ice,
        Supply::Pending(_) | Supply::Delayed(_) => panic!("not at once"),
    }
}

#[test]
fn who_may_use_turn_gets_credentials_and_everybody_stun() {
    let source = configured(&["stun:stun.example.org"], vec![coturn("north", DAY)]);
    let ice = ready(&source, "ann", Grant::default());
    assert!(!ice.servers.ice_cuts_at_expiry);
    let [stun, turn] = ice.servers.ice_servers.as_slice() else { panic!("two entries: {ice:?}") };
    assert_eq!((stun.urls.as_slice(), &stun.username), (&["stun:stun.example.org".to_owned()][..], &None));
    let expires_at = ice.servers.ice_expires_at.expect("a time");
    let username = turn.username.clone().expect("a username");
    assert!(username.starts_with(&format!("{}:u", expires_at / 1_000)), "{username}");
    assert_eq!(turn.credential.as_ref().map(String::len), Some(28));
    let left = Duration::from_millis(expires_at.saturating_sub(crate::clock::unix_ms()));
    assert!(left <= DAY && left >= DAY - Duration::from_secs(60), "{left:?}");
    let renewal = ice.renew_after.expect("a renewal");
    assert!(renewal <= DAY / 4 * 3 && renewal >= DAY / 4 * 3 - Duration::from_secs(30), "{renewal:?}");

    let without = ready(&source, "ann", Grant::NONE).servers;
    assert_eq!((without.ice_servers.len(), without.ice_expires_at), (1, None));
}

#[test]
fn the_tag_is_stable_per_identity_and_tells_nothing_of_it() {
    let tag = |who: &str, ttl: u64| {
        let ice = ready(&configured(&[], vec![coturn("north", Duration::from_secs(ttl))]), who, Grant::default());
        let username = username(&ice.servers).expect("a username");
        username.split_once(':').expect("expiry:tag").1.to_owned()
    };
    assert_eq!(tag("ann", 3_600), tag("ann", 7_200));
    assert_ne!(tag("ann", 3_600), tag("bob", 3_600));
    assert!(!tag("ann", 3_600).contains("ann"));
    assert_eq!(tag("ann", 3_600).len(), 17);
}

#[test]
fn pseudonyms_follow_the_clusters_secret() {
    let with = |keys: &ClusterKeys| {
        let config = IceConfig { turn: vec![coturn("north", DAY)], ..IceConfig::default() };
        IceSource::new(&config, &OutboundConfig::default(), keys, around(Limits::default()).0).expect("a source")
    };
    let tag = |source: &IceSource| {
        let username = username(&ready(source, "ann", Grant::default()).servers).expect("a username");
        username.split_once(':').expect("expiry:tag").1.to_owned()
    };
    let [ours, new] = ["a", "b"].map(|byte| ClusterKeys::new(Some(&Secret::new(byte.repeat(32)))).expect("keys"));
    let source = with(&ours);
    let before = tag(&source);
    assert_eq!(before, tag(&with(&ours)));
    // As on a node that starts with it.
    ours.replace(&new);
    assert_ne!(tag(&source), before);
    assert_eq!(tag(&source), tag(&with(&new)));
}

#[test]
fn without_servers_there_is_nothing_to_renew() {
    let none = configured(&[], Vec::new());
    let ice = ready(&none, "ann", Grant::default());
    assert_eq!((ice.servers.ice_servers, ice.renew_after, none.has_turn()), (Vec::new(), None, false));
}

#[test]
fn a_login_that_is_always_the_same_never_expires() {
    let (username, credential) = ("ann".to_owned(), Secret::new("pass"));
    let kind = ProviderKind::Static { urls: vec!["turn:a".to_owned()], username, credential };
    let ice = ready(&configured(&[], vec![ProviderConfig { kind, ..coturn("", DAY) }]), "bob", Grant::default());
    let [server] = ice.servers.ice_servers.as_slice() else { panic!("one: {ice:?}") };
    assert_eq!((server.username.as_deref(), server.credential.as_deref()), (Some("ann"), Some("pass")));
    assert_eq!((ice.servers.ice_expires_at, ice.renew_after), (None, None));
}

#[test]
fn another_configuration_counts_from_now_on() {
    let source = configured(&[], vec![coturn("north", DAY)]);
    let of = |secret: &str| {
        let source = configured(&[], vec![coturn(secret, DAY)]);
        ready(&source, "ann", Grant::default()).servers.ice_servers
    };
    let credential = |servers: &[IceServer]| servers[0].credential.clone();
    let before = ready(&source, "ann", Grant::default()).servers.ice_servers;
    let config = IceConfig { turn: vec![coturn("south", DAY)], ..IceConfig::default() };
    source.replace(&config, &OutboundConfig::default()).expect("a configuration");
    let after = ready(&source, "ann", Grant::default()).servers.ice_servers;
    assert_ne!(credential(&before), credential(&after));
    // The half minute may have turned in between.
    assert!([of("south"), of("south")].iter().any(|south| credential(south) == credential(&after)));
    source.replace(&IceConfig::default(), &OutboundConfig::default()).expect("a configuration");
    assert!(!source.has_turn());
}

#[tokio::test(start_paused = true)]
async fn who_asks_at_the_same_time_waits_for_one_request() {
    let fake = Fake::held(DAY);
    let bench = Bench::new(Limits::default(), vec![("a", fake.boxed())]);
    let [first, second] = [bench.supply("ann"), bench.supply("ann")].map(pending);
    assert!(first.delayed().is_bare());
    let other = pending(bench.supply("bob"));
    fake.0.gate.add_permits(2);
    let (first, second, other) = tokio::join!(first, second, other);
    let [first, second, other] = [first, second, other].map(|ice| ice.expect("credentials"));
    assert_eq!(first, second);
    assert_ne!(first.servers, other.servers);
    assert_eq!(fake.asked(), 2);
    assert!(first.servers.ice_cuts_at_expiry);

    // A little later they are still good, and renewed when they would have been.
    advance(Duration::from_secs(29)).await;
    let Supply::Ready(again) = bench.supply("ann") else { panic!("reused") };
    assert_eq!(again.servers, first.servers);
    assert_eq!(again.renew_after, first.renew_after.map(|after| after - Duration::from_secs(29)));
    assert_eq!((fake.asked(), bench.metric("aldis_turn_reused_total")), (2, 1));
    // Then there are others, and the old ones do meanwhile.
    advance(Duration::from_secs(1)).await;
    let next = pending(bench.supply("ann"));
    assert_eq!(next.delayed().servers, first.servers);
    fake.0.gate.add_permits(1);
    assert_ne!(next.await.expect("credentials").servers, first.servers);
    assert_eq!(bench.metric("aldis_turn_mints_total{provider=\"a\",outcome=\"ok\"}"), 3);
    assert_eq!(bench.metric("aldis_turn_request_seconds_count{provider=\"a\"}"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_tried_once_more_and_then_the_next_provider() {
    let passing: [fn() -> ProviderError; 2] =
        [|| ProviderError::Failed(StatusCode::BAD_GATEWAY), || ProviderError::Unreadable("is none")];
    let lasting: [fn() -> ProviderError; 2] =
        [|| ProviderError::Refused(StatusCode::FORBIDDEN), || ProviderError::Limited(StatusCode::TOO_MANY_REQUESTS)];
    for (error, attempts) in passing.map(|error| (error, 2)).into_iter().chain(lasting.map(|error| (error, 1))) {
        let (bad, good) = (Fake::failing(error), Fake::ready(DAY));
        let bench = Bench::new(Limits::default(), vec![("bad", bad.boxed()), ("good", good.boxed())]);
        assert_eq!(bench.username("ann").await.as_deref(), Some("user-0"), "{}", error());
        assert_eq!((bad.asked(), good.asked()), (attempts, 1), "{}", error());
        let failed = format!("aldis_turn_mints_total{{provider=\"bad\",outcome=\"{}\"}}", error().outcome());
        assert_eq!(bench.metric(&failed), attempts as u64, "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_nothing_is_given_up() {
    let fake = Fake::held(DAY);
    let bench = Bench::new(Limits::default(), vec![("a", fake.boxed())]);
    let began = Instant::now();
    let delayed = pending(bench.supply("ann")).await.expect_err("nothing");
    assert!(delayed.is_bare());
    assert_eq!((began.elapsed(), fake.asked()), (Duration::from_secs(4), 2));
    assert_eq!(bench.metric("aldis_turn_mints_total{provider=\"a\",outcome=\"late\"}"), 2);
    // Whoever asks next has a request of its own.
    fake.0.gate.add_permits(1);
    assert!(bench.username("ann").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_again_and_again_is_not_asked_for_a_while() {
    let fake = Fake::failing(|| ProviderError::Failed(StatusCode::INTERNAL_SERVER_ERROR));
    let bench = Bench::new(Limits::default(), vec![("a", fake.boxed())]);
    let breaker = || bench.metric("aldis_turn_breaker{provider=\"a\"}");
    for who in ["ann", "bob", "cay"] {
        assert_eq!(bench.username(who).await, None);
    }
    // The third was given up in the middle.
    assert_eq!((fake.asked(), breaker()), (5, 2));
    assert!(delayed(bench.supply("dan")).is_bare());
    advance(Duration::from_millis(29_999)).await;
    assert!(delayed(bench.supply("dan")).is_bare());
    assert_eq!(fake.asked(), 5);
    advance(Duration::from_millis(1)).await;
    // One request finds out. It fails, so there is no second one.
    assert_eq!(bench.username("dan").await, None);
    assert_eq!((fake.asked(), breaker()), (6, 2));
    fake.fails(None);
    advance(Duration::from_secs(30)).await;
    assert!(bench.username("dan").await.is_some());
    assert_eq!((fake.asked(), breaker()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn where_a_provider_is_left_alone_the_next_one_serves_at_once() {
    let fake = Fake::failing(|| ProviderError::Failed(StatusCode::INTERNAL_SERVER_ERROR));
    let limits = Limits { turn_failures: 2, ..Limits::default() };
    let here = coturn::Coturn::new(vec!["turn:here".to_owned()], b"north", DAY, false);
    let bench = Bench::new(limits, vec![("a", fake.boxed()), ("b", Box::new(here))]);
    // The first waits for two failures.
    assert!(pending(bench.supply("ann")).await.expect("credentials").servers.ice_servers[1].urls[0] == "turn:here");
    let Supply::Ready(ice) = bench.supply("ann") else { panic!("at once") };
    assert_eq!((ice.servers.ice_servers[1].urls[0].as_str(), fake.asked()), ("turn:here", 2));
    // Where it came from counts for what follows too.
    assert!(!ice.servers.ice_cuts_at_expiry);
}

#[tokio::test(start_paused = true)]
async fn who_has_spent_its_budget_waits_or_takes_what_is_made_here() {
    let limits = || Limits { turn_mints_per_identity: 2, ..Limits::default() };
    let fake = Fake::ready(Duration::from_secs(60));
    let alone = Bench::new(limits(), vec![("a", fake.boxed())]);
    for number in 0..2 {
        assert_eq!(alone.username("ann").await, Some(format!("user-{number}")));
        // What was made is not handed out again.
        advance(Duration::from_secs(6)).await;
    }
    let late = delayed(alone.supply("ann"));
    // Two in 60 s: the next one is 30 s after the first, of which 12 have passed.
    assert_eq!((late.is_bare(), late.retry_after, fake.asked()), (true, Duration::from_secs(18), 2));
    assert_eq!(alone.limit_hits("turn_mints_per_identity"), 1);
    assert!(alone.username("bob").await.is_some());
    advance(Duration::from_secs(18)).await;
    assert!(alone.username("ann").await.is_some());

    let fake = Fake::ready(Duration::from_secs(60));
    let here = coturn::Coturn::new(vec!["turn:here".to_owned()], b"north", DAY, false);
    let both = Bench::new(limits(), vec![("a", fake.boxed()), ("b", Box::new(here))]);
    for _ in 0..2 {
        assert!(both.username("ann").await.is_some_and(|name| name.starts_with("user-")));
        advance(Duration::from_secs(6)).await;
    }
    let Supply::Ready(ice) = both.supply("ann") else { panic!("at once") };
    assert_eq!(ice.servers.ice_servers[1].urls[0], "turn:here");
    assert_eq!(both.limit_hits("turn_mints_per_identity"), 1);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_requests_are_under_way() {
    let fake = Fake::held(DAY);
    let limits = Limits { turn_requests: 3, ..Limits::default() };
    let bench = Bench::new(limits, vec![("a", fake.boxed())]);
    let waiting: Vec<_> = (0..8).map(|number| pending(bench.supply(&format!("peer-{number}")))).collect();
    until("three are asked for, five wait", || bench.limit_hits("turn_requests") == 5 && fake.asked() == 3).await;
    fake.0.gate.add_permits(8);
    for pending in waiting {
        assert!(pending.await.is_ok());
    }
    assert_eq!(fake.0.most_under_way.load(Ordering::SeqCst), 3);
    assert_eq!(bench.limit_hits("turn_requests"), 5);
}

#[tokio::test(start_paused = true)]
async fn what_an_identity_has_is_taken_back_and_so_is_what_is_being_made() {
    let fake = Fake::with_permits(DAY, 3);
    let bench = Bench::new(Limits::default(), vec![("a", fake.boxed())]);
    let mut names = Vec::new();
    for who in ["ann", "bob", "ann"] {
        names.extend(bench.username(who).await);
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(names, ["user-0", "user-1", "user-2"]);
    let under_way = pending(bench.supply("ann"));
    tokio::task::yield_now().await;
    bench.source.revoke(&identity("ann"));
    fake.0.gate.add_permits(2);
    // Whoever waited gets nothing.
    assert!(under_way.await.is_err());
    let taken_back = "aldis_turn_revocations_total{provider=\"a\",outcome=\"ok\"}";
    until("three are taken back", || bench.metric(taken_back) == 3).await;
    let mut revoked = fake.revoked();
    revoked.sort();
    assert_eq!(revoked, ["user-0", "user-2", "user-3"]);
    // Nothing of it is handed out again.
    assert_eq!(bench.username("ann").await.as_deref(), Some("user-4"));
    bench.source.revoke(&identity("nobody"));
}

#[tokio::test(start_paused = true)]
async fn where_the_server_ends_nobody_is_asked_any_more() {
    let fake = Fake::held(DAY);
    let bench = Bench::new(Limits::default(), vec![("a", fake.boxed())]);
    let waiting = pending(bench.supply("ann"));
    tokio::task::yield_now().await;
    assert_eq!(fake.asked(), 1);
    bench.abort.ring();
    assert!(waiting.await.is_err());
    assert_eq!(Arc::strong_count(&bench.source.office), 1, "no task is left");
}
