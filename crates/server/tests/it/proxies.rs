//! Behind proxies: whose forwarding headers are believed, and that each client then counts for itself.

use std::ops::RangeInclusive;

use aldis_server::config::Config;
use ipnet::IpNet;

use crate::support::{Aldis, KEY, Request, Rig, Token, within};

/// Longer than any test: who waits for it waits for ever.
const FOR_EVER_MS: u64 = 3_600_000;

/// A server that believes this machine, and lets each address fail once before its answers stay away.
fn behind_a_proxy(change: impl FnOnce(&mut Config)) -> Rig {
    Rig::start(|config| {
        let networks = ["127.0.0.1/32", "10.0.0.0/8"].map(|network| network.parse::<IpNet>().expect(network));
        config.trusted_proxies = networks.into_iter().collect();
        config.limits.auth_failures_free = 1;
        config.limits.auth_delay_ms = FOR_EVER_MS;
        config.limits.auth_delay_max_ms = FOR_EVER_MS;
        change(config);
    })
}

/// A request without a token, as a proxy passes it on for somebody.
fn failing(forwarded_for: &str) -> Request {
    Request::get("/v1/signal").header("X-Forwarded-For", forwarded_for)
}

/// Waits until so many answers have been held back.
async fn held_back(rig: &Rig, count: u64) {
    within("an answer that is held back", async {
        while rig.limit_hits("auth_failures_free") < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_an_unlisted_peer_says_of_others_is_ignored() {
    let rig = Rig::start(|config| config.limits.unauthenticated_per_address = 1);
    let mut first = rig.dial().await;
    assert_eq!(failing("192.0.2.1").ask(&mut first).await.0.status, 401);
    for request in [failing("192.0.2.2"), Request::get("/v1/signal").header("Forwarded", "for=192.0.2.3")] {
        assert_eq!(rig.ask(request).await.problem(), "address-limit");
    }
}

#[tokio::test]
async fn clients_behind_one_proxy_count_for_themselves_on_one_connection() {
    let rig = behind_a_proxy(|config| config.limits.unauthenticated_per_address = 1);
    let mut proxy = rig.dial().await;
    // What a client wrote itself is left of what the proxy adds, and a second trusted proxy is seen through.
    for client in ["203.0.113.9, 192.0.2.1", "192.0.2.2", "192.0.2.3, 10.0.0.7"] {
        assert_eq!(failing(client).ask(&mut proxy).await.0.status, 401, "{client}");
    }
    // The first one's second attempt waits, and keeps the one place of its address.
    let mut waiting = rig.dial().await;
    waiting.tcp().try_write(&failing("192.0.2.1").bytes()).expect("sent");
    held_back(&rig, 1).await;
    assert_eq!(failing("8.8.8.8, 192.0.2.1").ask(&mut proxy).await.0.problem(), "address-limit");
    assert_eq!(failing("192.0.2.4").ask(&mut proxy).await.0.status, 401);
    let good = Request::get("/v1/signal").bearer(&rig.mint("ann")).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(good.ask(&mut proxy).await.0.status, 200);
    // The proxy's own connections, two and a hundred, are nobody's.
    assert_eq!(rig.limit_hits("unauthenticated_per_address"), 1);
    assert_eq!(Request::get("/v1/signal").ask(&mut proxy).await.0.status, 401);
    rig.server.drain().await;
    let answer = within("the answer that was held back", crate::support::Answer::read(&mut waiting)).await;
    assert_eq!(answer.0.status, 401);
}

#[tokio::test]
async fn both_headers_are_understood_and_a_network_of_ipv6_is_one_address() {
    let rig = behind_a_proxy(|_| {});
    let mut proxy = rig.dial().await;
    let forwarded = |text: &str| Request::get("/v1/signal").header("Forwarded", text);
    assert_eq!(forwarded("for=\"[2001:db8:1:2::1]:4711\";proto=https").ask(&mut proxy).await.0.status, 401);
    let mut waiting = Vec::new();
    for (count, request) in [
        (1, failing("2001:db8:1:2:3:4:5:6")),
        (2, forwarded("for=\"[2001:db8:1:2:ffff::]\"")),
        (3, failing("[2001:db8:1:2::7]:80").header("Forwarded", "for=\"[2001:db8:1:2::7]\"")),
    ] {
        let stream = rig.dial().await;
        stream.tcp().try_write(&request.bytes()).expect("sent");
        held_back(&rig, count).await;
        waiting.push(stream);
    }
    assert_eq!(failing("2001:db8:1:3::1").ask(&mut proxy).await.0.status, 401);
    // Headers that differ name nobody: the request is the proxy's own, whichever of them its client made up.
    let differing = || failing("2001:db8:1:4::1").header("Forwarded", "for=192.0.2.9");
    assert_eq!(differing().ask(&mut proxy).await.0.status, 401);
    let stream = rig.dial().await;
    stream.tcp().try_write(&failing("unknown").bytes()).expect("sent");
    held_back(&rig, 4).await;
}

#[tokio::test]
async fn the_failures_of_only_so_many_addresses_are_remembered() {
    let rig = behind_a_proxy(|config| config.limits.auth_failures_tracked = 4);
    let mut proxy = rig.dial().await;
    let clients: RangeInclusive<u8> = 1..=40;
    for client in clients {
        assert_eq!(failing(&format!("192.0.2.{client}")).ask(&mut proxy).await.0.status, 401);
        assert!(rig.server.node().throttle.lock().tracked() <= 4);
    }
    assert!(rig.limit_hits("auth_failures_tracked") > 0);
    assert_eq!(failing("192.0.2.1").ask(&mut proxy).await.0.status, 401);
}

#[tokio::test]
async fn a_client_of_a_proxy_comes_in() {
    let rig = behind_a_proxy(|config| config.limits.unauthenticated_per_address = 1);
    // More of them than strangers are allowed.
    let mut sockets = Vec::new();
    for who in ["ann", "bob", "carol"] {
        let request = Request::upgrade("/v1/signal").bearer(&rig.mint(Token::of(who)));
        sockets.push(rig.open(request.header("X-Forwarded-For", "192.0.2.1")).await);
    }
    // A refusal in band, over the proxy too.
    let bad = Request::upgrade("/v1/signal").v1("nonsense").header("X-Forwarded-For", "192.0.2.1");
    rig.open(bad).await.closed_with(4401, "token-invalid").await;
    assert_eq!(sockets.len(), 3);
}

#[tokio::test]
async fn a_proxy_that_is_not_listed_is_told_of_once_and_without_any_address() {
    const TOLD: &str = "trusted_proxies";
    let env = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_LOG_FORMAT", "json"), ("ALDIS_LOG", "trace")];
    for (listed, times) in [(None, 1), (Some("127.0.0.1, 10.0.0.0/8"), 0)] {
        let env: Vec<_> = env.into_iter().chain(listed.map(|list| ("ALDIS_TRUSTED_PROXIES", list))).collect();
        let aldis = Aldis::serve(&[], &env).await;
        assert_eq!(aldis.ask("listen", Request::get("/v1/signal")).await.status, 401);
        for client in ["203.0.113.7", "203.0.113.8, unknown", "203.0.113.9:80"] {
            for name in ["X-Forwarded-For", "Forwarded"] {
                let request = Request::get("/v1/signal").header(name, client);
                assert_eq!(aldis.ask("listen", request).await.status, 401);
            }
        }
        aldis.signal("TERM").await;
        let (_, said) = aldis.ended().await;
        let told: Vec<_> = said.lines().filter(|line| line.contains(TOLD)).collect();
        assert_eq!(told.len(), times, "{said}");
        assert!(
            told.iter().all(|line| line.contains("\"WARN\"") && line.contains("ALDIS_TRUSTED_PROXIES")),
            "{told:?}"
        );
        assert!(!said.contains("203.0.113."), "{said}");
    }
}
