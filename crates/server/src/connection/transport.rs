//! The socket under a connection, plain or TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
};
use tokio_rustls::server::TlsStream;

use super::outlet::Wire;
use crate::tls::socket;

/// A socket after the upgrade, or taken over for an event stream.
pub struct Transport {
    /// The way in.
    pub reader: Reader,
    /// The way out.
    pub wire: Box<dyn Wire>,
    /// What came with the handshake.
    pub early: Vec<u8>,
}

/// The way in.
pub enum Reader {
    /// As it comes.
    Plain(OwnedReadHalf),
    /// Through TLS.
    Tls(socket::Reader),
}

impl Transport {
    /// Takes the socket out of what hyper gives back; nothing where it is none that [`listen`](crate::listen) gave to hyper.
    #[must_use]
    pub fn of(upgraded: Upgraded) -> Option<Self> {
        let (transport, early) = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (Self::from(parts.io.into_inner()), parts.read_buf),
            Err(upgraded) => {
                let parts = upgraded.downcast::<TokioIo<Box<TlsStream<TcpStream>>>>().ok()?;
                (Self::from(parts.io.into_inner()), parts.read_buf)
            }
        };
        Some(Self { early: early.to_vec(), ..transport })
    }
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        let (reader, wire) = stream.into_split();
        Self { reader: Reader::Plain(reader), wire: Box::new(wire), early: Vec::new() }
    }
}

impl From<Box<TlsStream<TcpStream>>> for Transport {
    fn from(stream: Box<TlsStream<TcpStream>>) -> Self {
        let (reader, wire) = socket::split(*stream);
        Self { reader: Reader::Tls(reader), wire: Box::new(wire), early: Vec::new() }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(reader) => Pin::new(reader).poll_read(cx, buf),
            Self::Tls(reader) => Pin::new(reader).poll_read(cx, buf),
        }
    }
}
