//! The socket under the WebSocket, plain or TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Error, Options, Trust, options::Target};

/// A socket to the server.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects, with the TLS handshake where the URL asks for one.
    pub(crate) async fn connect(target: &Target, options: &Options) -> Result<Self, Error> {
        let stream = dial(target).await?;
        if !target.tls {
            return Ok(Self::Plain(stream));
        }
        let trust = options.trust.clone().map_or_else(Trust::system, Ok)?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| Error::Options(format!("`{}` is no name that a certificate could have", target.host)))?;
        let secured = TlsConnector::from(trust.config()).connect(name, stream).await;
        secured.map(|stream| Self::Tls(Box::new(stream))).map_err(|source| Error::Tls { source })
    }
}

async fn dial(target: &Target) -> Result<TcpStream, Error> {
    let connected = match TcpStream::connect((target.host.as_str(), target.port)).await {
        // Signals are small and each counts: never wait to fill a segment.
        Ok(stream) => stream.set_nodelay(true).map(|()| stream),
        Err(error) => Err(error),
    };
    connected.map_err(|source| Error::Connect { address: format!("{}:{}", target.host, target.port), source })
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
