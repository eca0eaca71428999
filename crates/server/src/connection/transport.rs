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

/// A socket after the upgrade.
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
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => {
                let (reader, wire) = parts.io.into_inner().into_split();
                Some(Self { reader: Reader::Plain(reader), wire: Box::new(wire), early: parts.read_buf.to_vec() })
            }
            Err(upgraded) => {
                let parts = upgraded.downcast::<TokioIo<Box<TlsStream<TcpStream>>>>().ok()?;
                let (reader, wire) = socket::split(*parts.io.into_inner());
                Some(Self { reader: Reader::Tls(reader), wire: Box::new(wire), early: parts.read_buf.to_vec() })
            }
        }
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
