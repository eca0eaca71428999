//! Brokers over TLS, with a certificate of an authority that only who is told to trusts.

use crate::{
    authority::Authority,
    brokers::{Nats, Redis, free_port},
    nodes::{SECRET, figure, until},
    support::{Aldis, KEY},
};

/// A node as a process that trusts this authority alone.
async fn process_at(address: &str, authority: &Authority) -> Aldis {
    let env = [
        ("ALDIS_AUTH_KEYS", KEY),
        ("ALDIS_LOG_FORMAT", "json"),
        ("ALDIS_CLUSTER_SECRET", SECRET),
        ("ALDIS_BACKPLANE", address),
        ("SSL_CERT_FILE", &authority.trusted),
    ];
    Aldis::serve(&["--admin", "127.0.0.1:0"], &env).await
}

/// Nodes that trust the broker's authority reach each other, one that trusts another does not reach the broker.
async fn who_trusts_it_gets_through(address: &str, authority: &Authority) {
    let nodes = [process_at(address, authority).await, process_at(address, authority).await];
    for node in &nodes {
        until("a frame of the other", || async {
            (figure(node, "aldis_backplane_received_total").await > 0).then_some(())
        })
        .await;
    }
    let other = Authority::new();
    let wary = process_at(address, &other).await;
    until("a second attempt", || async {
        (figure(&wary, "aldis_backplane_failures_total{reason=\"unreachable\"}").await > 1).then_some(())
    })
    .await;
    assert_eq!(figure(&wary, "aldis_backplane_up").await, 0);
    wary.signal("TERM").await;
    let (_, said) = wary.ended().await;
    assert!(said.contains("invalid peer certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis() {
    let authority = Authority::new();
    let Authority { trusted, certificate, key, .. } = &authority;
    let port = free_port();
    let options = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", certificate],
        ["--tls-key-file", key],
        ["--tls-ca-cert-file", trusted],
        ["--tls-auth-clients", "no"],
    ];
    let _redis = Redis::with(options.as_flattened()).await;
    who_trusts_it_gets_through(&format!("rediss://127.0.0.1:{port}"), &authority).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats() {
    let authority = Authority::new();
    let nats = Nats::with(&["--tls", "--tlscert", &authority.certificate, "--tlskey", &authority.key]).await;
    who_trusts_it_gets_through(&format!("tls://127.0.0.1:{}", nats.port), &authority).await;
}
