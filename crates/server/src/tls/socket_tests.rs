//! An outlet over TLS over sockets that take little: what it says has left has left, and what it gives back never arrives.

use std::{future::poll_fn, sync::Arc, time::Duration};

use aldis_core::{Moment, Parcel};
use aldis_protocol::{CloseCode, MsgId, Naming, PeerId, SignalKind};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::{
    connection::outlet::{Farewell, Frame, Framing, Last, Outlet, Push},
    tls::{Met, Reloader, certificate::tests::folder},
    ws::codec,
};

const NOW: Moment = Moment(0);
const PARCELS: usize = 20_000;
const TEXT: usize = 90;

async fn within<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), event).await.expect("it comes")
}

/// Room for less than a record, and for a few.
const TINY: u32 = 2_048;
const NARROW: u32 = 32_768;

/// The server's end and the client's, after the handshake.
async fn pair(send_buffer: u32) -> (TlsStream<TcpStream>, client::TlsStream<TcpStream>) {
    let (_folder, files) = folder();
    let listener = TcpSocket::new_v4().expect("a socket");
    listener.set_send_buffer_size(send_buffer).expect("a small buffer");
    listener.bind(([127, 0, 0, 1], 0).into()).expect("bound");
    let listener = listener.listen(1).expect("listens");
    let dialer = TcpSocket::new_v4().expect("a socket");
    dialer.set_recv_buffer_size(NARROW).expect("a small buffer");
    let dialed = dialer.connect(listener.local_addr().expect("an address")).await.expect("connected");
    let accepted = listener.accept().await.expect("accepted").0;
    accepted.set_nodelay(true).expect("a live socket");

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.cert).expect("a certificate")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let reloader = Reloader::start(files).expect("good files");
    let name = ServerName::try_from("localhost").expect("a name");
    let (met, client) = tokio::join!(reloader.acceptor().meet(accepted), connector.connect(name, dialed));
    match met.expect("a handshake") {
        Met::Tls(server) => (*server, client.expect("a handshake")),
        Met::Plain(_) => panic!("it spoke TLS"),
    }
}

fn parcel(number: usize) -> Parcel {
    Parcel {
        from: PeerId::from_random(1),
        kind: SignalKind::Message,
        naming: Naming::Receipt(MsgId::parse(&number.to_string()).expect("a name")),
        text: format!("{number:TEXT$}").into(),
    }
}

fn number(text: &str) -> usize {
    text.trim_start().parse().expect("a number")
}

fn numbers(parcels: &[Parcel]) -> Vec<usize> {
    parcels.iter().map(|parcel| number(&parcel.text)).collect()
}

/// An outlet that has been filled until its socket took no more: the numbers that left, and its two ends.
async fn full(send_buffer: u32) -> (Outlet, Vec<usize>, Reader, client::TlsStream<TcpStream>) {
    let (server, client) = pair(send_buffer).await;
    let (reader, writer) = split(server);
    let outlet = Outlet::new(Box::new(writer), Framing::WebSocket, usize::MAX, NOW);
    for number in 0..PARCELS {
        assert!(matches!(outlet.push(Frame::Parcel(parcel(number)), NOW), Push::First | Push::Behind));
    }
    let left = left(&outlet);
    assert!(left.len() < PARCELS, "{}", left.len());
    (outlet, left, reader, client)
}

/// The numbers whose receipts a flush settles.
fn left(outlet: &Outlet) -> Vec<usize> {
    outlet.flush(NOW).written.iter().map(|(_, re)| number(re.as_str())).collect()
}

/// The numbers that arrive before the close, and whether one comes.
async fn received(client: &mut client::TlsStream<TcpStream>) -> (Vec<usize>, bool) {
    let mut bytes = Vec::new();
    while within(client.read_buf(&mut bytes)).await.is_ok_and(|read| read > 0) {}
    let (mut numbers, mut rest) = (Vec::new(), bytes.as_slice());
    let frame = codec::encoded_len(TEXT);
    while rest.first() == Some(&0x81) && rest.len() >= frame {
        numbers.push(number(std::str::from_utf8(&rest[frame - TEXT..frame]).expect("text")));
        rest = &rest[frame..];
    }
    (numbers, rest.first() == Some(&0x88))
}

async fn finish(outlet: Outlet, mut left_so_far: Vec<usize>) -> Vec<usize> {
    while !matches!(outlet.health(), crate::connection::outlet::Health::Finished) {
        within(poll_fn(|cx| outlet.poll_writable(cx))).await.expect("alive");
        left_so_far.extend(left(&outlet));
    }
    left_so_far
}

#[tokio::test]
async fn what_a_closing_outlet_gives_back_never_arrives_and_the_rest_does() {
    let (outlet, left, reader, mut client) = full(NARROW).await;
    assert!(!left.is_empty());
    let given_back = numbers(&outlet.close(Farewell { error: None, last: Last::Ours(CloseCode::Bye) }, NOW));
    let sending = async {
        let left = finish(outlet, left).await;
        drop(reader);
        left
    };
    let (left, (arrived, closed)) = tokio::join!(sending, received(&mut client));
    assert!(closed);
    assert_eq!(arrived, left, "a receipt says that it left");
    assert_eq!([left, given_back].concat(), (0..PARCELS).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_killed_outlet_gives_back_never_arrives() {
    let (outlet, left, mut reader, mut client) = full(NARROW).await;
    assert!(!left.is_empty());
    let given_back = numbers(&outlet.kill());
    // Neither a reader that goes on nor the end may finish the record.
    let reading = async {
        client.write_all(b"more").await.expect("room");
        client.flush().await.expect("room");
        within(reader.read(&mut [0; 16])).await.expect("bytes");
        drop((reader, outlet));
        received(&mut client).await
    };
    let (arrived, closed) = reading.await;
    assert!(!closed);
    // What the record began with was in none before it.
    let begun = given_back.first().is_some_and(|first| *first == left.len());
    assert!(begun, "{:?}", given_back.first());
    assert_eq!(arrived, left);
    assert_eq!([left, given_back].concat(), (0..PARCELS).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_on_the_way_through_a_narrow_socket() {
    let (outlet, mut settled, reader, mut client) = full(TINY).await;
    let sending = async {
        while settled.len() < PARCELS {
            within(poll_fn(|cx| outlet.poll_writable(cx))).await.expect("alive");
            settled.extend(left(&outlet));
        }
        outlet.kill();
        drop((outlet, reader));
        settled
    };
    let (settled, (arrived, _)) = tokio::join!(sending, received(&mut client));
    assert_eq!((arrived.len(), &arrived), (PARCELS, &settled));
    assert!(arrived.is_sorted());
}
