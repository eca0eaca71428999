use std::{collections::VecDeque, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
};

use super::*;

/// One direction of a connection, with so much room.
struct Pipe {
    bytes: VecDeque<u8>,
    room: usize,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self { bytes: VecDeque::new(), room }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.extend(&bytes[..taken]);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.bytes.read(bytes) }
    }
}

/// A session and its client, after the handshake.
fn pair() -> (Session, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.expect("versions").with_root_certificates(roots).with_no_client_auth();

    let name = ServerName::try_from("localhost").expect("a name");
    let mut server = ServerConnection::new(Arc::new(server.expect("a configuration"))).expect("a server");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let (mut there, mut back) = (Pipe::new(usize::MAX), Pipe::new(usize::MAX));
    while client.wants_write() || server.wants_write() {
        while client.wants_write() {
            client.write_tls(&mut there).expect("room");
        }
        while server.read_tls(&mut there).is_ok() {
            server.process_new_packets().expect("sound");
        }
        while server.wants_write() {
            server.write_tls(&mut back).expect("room");
        }
        while client.read_tls(&mut back).is_ok() {
            client.process_new_packets().expect("sound");
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    (Session::new(server), client)
}

/// What a client has got so far.
fn heard(client: &mut ClientConnection, pipe: &mut Pipe) -> Vec<u8> {
    let mut heard = Vec::new();
    loop {
        let mut chunk = [0; 1_000];
        match client.reader().read(&mut chunk) {
            Ok(0) => return heard,
            Ok(read) => heard.extend_from_slice(&chunk[..read]),
            Err(_) if client.read_tls(pipe).is_ok() => drop(client.process_new_packets().expect("sound")),
            Err(_) => return heard,
        }
    }
}

fn sequence(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at) as u8).collect()
}

fn is_block(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn what_is_half_out_counts_as_not_written_and_comes_first() {
    let (mut session, mut client) = pair();
    let bytes = sequence(8_000);
    let mut pipe = Pipe::new(3_000);
    assert!(is_block(&session.write(&mut pipe, &bytes[..5_000])));
    assert_eq!(session.committed(), 5_000);
    assert_eq!(heard(&mut client, &mut pipe), b"", "half a record cannot be read");
    assert!(is_block(&session.write(&mut pipe, &bytes)));
    // More was queued behind it meanwhile; only what was committed is written now.
    pipe.room = usize::MAX;
    assert_eq!(session.write(&mut pipe, &bytes).expect("room"), 5_000);
    assert_eq!((session.committed(), heard(&mut client, &mut pipe)), (0, bytes[..5_000].to_vec()));
    assert_eq!(session.write(&mut pipe, &bytes[5_000..]).expect("room"), 3_000);
    assert_eq!(heard(&mut client, &mut pipe), bytes[5_000..]);
}

#[test]
fn no_more_than_a_record_is_committed() {
    let (mut session, _client) = pair();
    assert!(is_block(&session.write(&mut Pipe::new(0), &sequence(100_000))));
    assert_eq!(session.committed(), RECORD);
}

#[test]
fn everything_arrives_once_and_in_order_however_little_fits() {
    let (mut session, mut client) = pair();
    let bytes = sequence(200_000);
    let mut pipe = Pipe::new(0);
    let (mut sent, mut received) = (0, Vec::new());
    let rooms = [1, 17, 5_000, RECORD + 22, 0, 40_000, 3];
    for room in rooms.into_iter().cycle().take(500) {
        pipe.room = room;
        while let Ok(written) = session.write(&mut pipe, &bytes[sent..(sent + 30_000).min(bytes.len())]) {
            if written == 0 {
                break;
            }
            sent += written;
        }
        received.extend(heard(&mut client, &mut pipe));
        assert_eq!(received.len(), sent, "written is what has left, no more and no less");
    }
    assert_eq!(received, bytes);
}

#[test]
fn nobody_but_the_writer_finishes_what_is_committed() {
    let (mut session, _client) = pair();
    let mut pipe = Pipe::new(1_000);
    assert!(is_block(&session.write(&mut pipe, &sequence(2_000))));
    pipe.room = usize::MAX;
    session.answer(&mut pipe).expect("nothing to do");
    session.close(&mut pipe);
    assert_eq!(pipe.bytes.len(), 1_000, "the frames may have been given back");
}

#[test]
fn a_goodbye_is_said_after_the_last_bytes() {
    let (mut session, mut client) = pair();
    let mut pipe = Pipe::new(usize::MAX);
    assert_eq!(session.write(&mut pipe, b"bye").expect("room"), 3);
    session.close(&mut pipe);
    assert_eq!(heard(&mut client, &mut pipe), b"bye");
    assert_eq!(client.reader().read(&mut [0]).expect("a clean end"), 0);
}

#[test]
fn a_clients_goodbye_is_the_end_and_a_lost_connection_an_error() {
    let (mut session, mut client) = pair();
    let mut pipe = Pipe::new(usize::MAX);
    client.writer().write_all(b"last").expect("room");
    client.send_close_notify();
    while client.wants_write() {
        client.write_tls(&mut pipe).expect("room");
    }
    let mut room = [0; 64];
    let mut buf = ReadBuf::new(&mut room);
    session.read(&mut pipe, &mut buf).expect("its words");
    assert_eq!(buf.filled(), b"last");
    buf.clear();
    session.read(&mut pipe, &mut buf).expect("a clean end");
    assert!(buf.filled().is_empty());

    let (mut session, _client) = pair();
    let error = session.read(&mut io::empty(), &mut buf).expect_err("the end came without a goodbye");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn plaintext_before_broken_bytes_counts_and_then_the_client_is_told() {
    let (mut session, mut client) = pair();
    let (mut there, mut back) = (Pipe::new(usize::MAX), Pipe::new(usize::MAX));
    client.writer().write_all(b"good").expect("room");
    while client.wants_write() {
        client.write_tls(&mut there).expect("room");
    }
    there.bytes.extend([0x17, 3, 3, 0, 20]);
    there.bytes.extend([0; 20]);
    let mut room = [0; 64];
    let mut buf = ReadBuf::new(&mut room);
    session.read(&mut there, &mut buf).expect("the good part");
    assert_eq!(buf.filled(), b"good");
    buf.clear();
    let error = session.read(&mut there, &mut buf).expect_err("broken");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    session.answer(&mut back).expect("room");
    assert!(client.read_tls(&mut back).is_ok());
    assert!(matches!(client.process_new_packets(), Err(rustls::Error::AlertReceived(_))));
}

#[test]
fn a_small_buffer_gets_everything_bit_by_bit() {
    let (mut session, mut client) = pair();
    let bytes = sequence(50_000);
    let mut pipe = Pipe::new(usize::MAX);
    let (mut sent, mut received) = (0, Vec::new());
    while received.len() < bytes.len() {
        if sent < bytes.len() {
            sent += client.writer().write(&bytes[sent..]).expect("room");
            while client.wants_write() {
                client.write_tls(&mut pipe).expect("room");
            }
        }
        let mut room = [0; 100];
        let mut buf = ReadBuf::new(&mut room);
        session.read(&mut pipe, &mut buf).expect("something");
        received.extend_from_slice(buf.filled());
    }
    assert_eq!(received, bytes);
}

#[test]
fn new_keys_are_answered_and_both_directions_go_on() {
    let (mut session, mut client) = pair();
    let (mut there, mut back) = (Pipe::new(usize::MAX), Pipe::new(10));
    client.refresh_traffic_keys().expect("TLS 1.3");
    client.writer().write_all(b"new").expect("room");
    while client.wants_write() {
        client.write_tls(&mut there).expect("room");
    }
    let mut room = [0; 64];
    let mut buf = ReadBuf::new(&mut room);
    session.read(&mut there, &mut buf).expect("readable");
    assert_eq!(buf.filled(), b"new");
    // Its own new keys go before the next record, and wait for room with it.
    assert!(is_block(&session.write(&mut back, b"too")));
    back.room = usize::MAX;
    assert_eq!(session.write(&mut back, b"too").expect("room"), 3);
    assert_eq!(heard(&mut client, &mut back), b"too");
}
