//! An echo server on the frame codec of Aldis, for the conformance cases of RFC 6455 (`e2e/conformance.test.mjs`).
//!
//! It prints the address it listens on, and sends every text and binary message back; with `--tls` over TLS, with the handshake and the
//! records of the server. Only the message limit differs from the server's, so that no case is judged by
//! a limit instead of by the RFC.

use std::{future::poll_fn, io, net::Ipv4Addr, sync::Arc, time::Duration};

use aldis_server::{
    connection::{outlet::Wire, transport::Transport},
    tls::{Acceptor, Met, self_signed},
    ws::{
        codec::{self, Decoded, Decoder, Event, Opcode},
        handshake,
    },
};
use anyhow::Context as _;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header,
    server::conn::http1,
    service::service_fn,
    upgrade::{self, OnUpgrade},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
};

const MAX_MESSAGE: usize = 16 * 1024 * 1024;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it has to learn the port")]
async fn main() -> anyhow::Result<()> {
    let is_tls = std::env::args().any(|argument| argument == "--tls");
    let tls = is_tls.then(|| self_signed::make([Ipv4Addr::LOCALHOST.into()])).transpose()?;
    let tls = tls.map(Acceptor::new).transpose()?.map(Arc::new);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, tls.clone()));
    }
}

/// Some cases break off in the middle: how a connection ended is the report's to judge.
async fn serve(stream: TcpStream, tls: Option<Arc<Acceptor>>) -> anyhow::Result<()> {
    match tls {
        None => speak(stream).await,
        Some(tls) => match tls.meet(stream).await? {
            Met::Tls(stream) => speak(stream).await,
            Met::Plain(_) => anyhow::bail!("no TLS"),
        },
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> anyhow::Result<()> {
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).with_upgrades().await?)
}

async fn answer(mut request: Request<Incoming>) -> anyhow::Result<Response<String>> {
    let response = Response::builder();
    Ok(match handshake::open(request.method(), request.version(), request.headers()) {
        Ok(opening) => {
            tokio::spawn(echo(upgrade::on(&mut request)));
            response
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_ACCEPT, opening.accept)
                .body(String::new())?
        }
        Err(error) => response.status(StatusCode::BAD_REQUEST).body(error.message)?,
    })
}

async fn echo(upgrade: OnUpgrade) -> anyhow::Result<()> {
    let Transport { mut reader, wire, early } = Transport::of(upgrade.await?).context("not our socket")?;
    let mut decoder = Decoder::new(MAX_MESSAGE);
    let (mut held, mut out) = (early, Vec::new());
    loop {
        let next = loop {
            match decoder.decode(&mut held) {
                Ok(Decoded::Frame(used, event)) => {
                    let next = reply(&event, &mut out);
                    held.drain(..used);
                    if next == Next::End {
                        break Next::End;
                    }
                }
                Ok(Decoded::Incomplete) => break Next::GoOn,
                Err(violation) => {
                    let close = codec::close_payload(violation.close_code().code(), violation.close_code().meaning());
                    codec::encode(Opcode::Close, &close, &mut out);
                    break Next::End;
                }
            }
        };
        write_all(&*wire, &out).await?;
        out.clear();
        if next == Next::End {
            wire.end();
            // Closing a socket with unread bytes would reset it under our last frame.
            let mut sink = tokio::io::sink();
            let _ended = tokio::time::timeout(Duration::from_secs(1), tokio::io::copy(&mut reader, &mut sink)).await;
            return Ok(());
        }
        if reader.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
    }
}

/// Writes all of it, in as many steps as the socket wants.
async fn write_all(wire: &dyn Wire, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match wire.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => poll_fn(|cx| wire.poll_writable(cx)).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

fn reply(event: &Event<'_>, out: &mut Vec<u8>) -> Next {
    match event {
        Event::Text(text) => codec::encode(Opcode::Text, text.as_bytes(), out),
        Event::Binary(bytes) => codec::encode(Opcode::Binary, bytes, out),
        Event::Ping(payload) => codec::encode(Opcode::Pong, payload, out),
        Event::Pong | Event::Fragment => {}
        Event::Close(code) => {
            let payload = code.map(|code| codec::close_payload(code, "")).unwrap_or_default();
            codec::encode(Opcode::Close, &payload, out);
            return Next::End;
        }
    }
    Next::GoOn
}
