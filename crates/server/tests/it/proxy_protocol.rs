//! The PROXY protocol: off unless asked for, demanded from the listed proxies where it is on, believed from nobody else.

use std::{net::SocketAddr, process::Stdio};

use aldis_server::config::{Config, ProxyProtocol};
use ipnet::IpNet;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    process::{Child, Command},
};

use crate::support::{Over, Request, Rig, Stream, within};

#[path = "../brokers/ports.rs"]
mod ports;

/// A header of version 2 of somebody at 192.0.2.1, with something about TLS behind the addresses.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x11\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x01\xbb\x01\x00\x02h2";

/// Of the proxy itself: a health check.
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// A server with one place for the strangers of an address, which demands the header from this machine.
fn behind(over: Over, change: impl FnOnce(&mut Config)) -> Rig {
    Rig::start_over(over, |config| {
        config.trusted_proxies =
            ["127.0.0.1/32"].map(|network| network.parse::<IpNet>().expect(network)).into_iter().collect();
        config.proxy_protocol = ProxyProtocol::Required;
        config.limits.unauthenticated_per_address = 1;
        change(config);
    })
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.0.0.1 4711 443\r\n").into_bytes()
}

/// A connection that begins with these bytes, before TLS where there is any.
async fn after(rig: &Rig, first: &[u8]) -> Stream {
    let mut stream = rig.dial_tcp().await;
    stream.write_all(first).await.expect("sent");
    match &rig.certificate {
        None => stream.into(),
        Some(certificate) => {
            within("a handshake", Stream::secure(stream, certificate.trusted())).await.expect("trusted")
        }
    }
}

/// The status of an answer to a request without a token.
async fn knock(stream: &mut Stream) -> u16 {
    Request::get("/v1/signal").ask(stream).await.0.status
}

/// Waits until the server hangs up, and returns what it said before.
async fn end(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end too: what was sent was not read.
    let _ = within("the end", stream.read_to_end(&mut said)).await;
    said
}

async fn names_its_client(over: Over) {
    let rig = behind(over, |_| {});
    // Each has the one place of its address for as long as its connection lives.
    let mut first = after(&rig, &v1("192.0.2.7")).await;
    assert_eq!(knock(&mut first).await, 401);
    let mut second = after(&rig, V2).await;
    assert_eq!(knock(&mut second).await, 401);
    for header in [v1("192.0.2.7"), V2.to_vec()] {
        assert_eq!(knock(&mut after(&rig, &header).await).await, 429);
    }
    // The client may claim what it likes.
    let claim = Request::get("/v1/signal").header("X-Forwarded-For", "192.0.2.9");
    assert_eq!(claim.ask(&mut after(&rig, &v1("192.0.2.7")).await).await.0.problem(), "address-limit");
    // Whoever shows a token comes in.
    let ann = rig.raw_on(after(&rig, V2).await, "ann").await;
    assert_eq!(ann.welcome["peer"]["identity"], "ann");
    assert!(rig.metric("aldis_proxy_header_failures_total") == 0);
}

#[tokio::test]
async fn a_proxy_header_names_its_client() {
    names_its_client(Over::Plain).await;
}

#[tokio::test]
async fn a_proxy_header_names_its_client_before_tls() {
    names_its_client(Over::Tls).await;
}

#[tokio::test]
async fn a_health_check_and_a_client_without_a_name_count_for_the_proxy() {
    let rig = behind(Over::Plain, |_| {});
    let mut check = after(&rig, V2_LOCAL).await;
    assert_eq!(Request::get("/readyz").ask(&mut check).await.0.status, 200);
    // Whoever has no name is not the proxy: what it says of others counts for nothing.
    for header in [&b"PROXY UNKNOWN\r\n"[..], V2_LOCAL] {
        let claim = Request::get("/v1/signal").header("X-Forwarded-For", "192.0.2.9");
        assert_eq!(claim.ask(&mut after(&rig, header).await).await.0.problem(), "address-limit");
    }
}

#[tokio::test]
async fn a_listed_proxy_without_a_header_is_not_served() {
    let rig = behind(Over::Plain, |config| config.limits.handshake_ms = 100);
    let failed = |reason: &str| rig.metric(&format!("aldis_proxy_header_failures_total{{reason=\"{reason}\"}}"));
    let request = Request::get("/livez").bytes();
    let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
    for (bytes, reason) in [(request, "malformed"), (long, "too-long")] {
        let mut stream = rig.dial_tcp().await;
        stream.write_all(&bytes).await.expect("sent");
        assert_eq!(end(stream).await, b"", "{reason}");
        assert_eq!(failed(reason), 1);
    }
    let mut cut = rig.dial_tcp().await;
    cut.write_all(&V2[..20]).await.expect("sent");
    cut.shutdown().await.expect("said");
    assert_eq!(end(cut).await, b"");
    assert_eq!(failed("cut"), 1);
    // Half a header has as long as half a request; and so have both together.
    for bytes in [&V2[..20], V2] {
        let mut slow = rig.dial_tcp().await;
        slow.write_all(bytes).await.expect("sent");
        assert_eq!(end(slow).await, b"");
    }
    assert_eq!(rig.limit_hits("handshake_ms"), 2);
}

#[tokio::test]
async fn a_proxy_header_of_anybody_else_is_junk() {
    let strange = |config: &mut Config| {
        config.trusted_proxies =
            ["10.0.0.0/8"].map(|network| network.parse::<IpNet>().expect(network)).into_iter().collect();
    };
    let rigs = [
        Rig::start(|config| {
            config.trusted_proxies =
                ["127.0.0.1/32"].map(|network| network.parse::<IpNet>().expect(network)).into_iter().collect();
        }),
        behind(Over::Plain, strange),
    ];
    for rig in rigs {
        assert_eq!(Request::get("/livez").ask(&mut rig.dial().await).await.0.status, 200);
        for header in [v1("192.0.2.7"), V2.to_vec()] {
            let mut stream = rig.dial_tcp().await;
            stream.write_all(&[header, Request::get("/livez").bytes()].concat()).await.expect("sent");
            let said = String::from_utf8(end(stream).await).expect("text");
            assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
        }
    }
}

/// A real HAProxy that passes bytes on, behind a header that it makes; killed when the test ends.
async fn haproxy(folder: &tempfile::TempDir, server: SocketAddr, options: &str) -> (Child, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
    let config = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout check 5s\n\
         listen aldis\n  bind {address}\n  option httpchk GET /readyz\n  server aldis {server} source 127.0.0.1 check inter 100ms fall 1000 {options}\n"
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, config).expect("written");
    // Debian keeps it where only root looks for programs.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file).env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn().expect("haproxy; scripts/install.sh installs it");
    within("a listening HAProxy", async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    (child, address)
}

#[tokio::test]
async fn a_real_haproxy_names_its_clients_in_both_versions() {
    for options in
        ["send-proxy check-send-proxy", "send-proxy-v2 check-send-proxy", "send-proxy-v2-ssl check-send-proxy"]
    {
        let rig = behind(Over::Plain, |_| {});
        let folder = tempfile::tempdir().expect("a folder");
        let (_haproxy, address) = haproxy(&folder, rig.server.listen()[0], options).await;
        let from = async |client: [u8; 4]| -> Stream {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind(SocketAddr::from((client, 0))).expect("all of 127/8 is this machine");
            within("a connection", socket.connect(address)).await.expect("connected").into()
        };
        let mut ann = from([127, 0, 0, 2]).await;
        assert_eq!(knock(&mut ann).await, 401, "{options}");
        assert_eq!(knock(&mut from([127, 0, 0, 2]).await).await, 429, "{options}");
        assert_eq!(knock(&mut from([127, 0, 0, 3]).await).await, 401, "{options}");
        let bob = rig.raw_on(from([127, 0, 0, 4]).await, "bob").await;
        assert_eq!(bob.welcome["peer"]["identity"], "bob", "{options}");
    }
}
