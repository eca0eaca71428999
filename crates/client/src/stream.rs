//! The socket under the WebSocket, plain or TLS.

use std::{io, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::{Error, Options, Trust, options::Target};

/// How much sooner than the next one an address is tried: RFC 8305, section 8.
const HEAD_START: Duration = Duration::from_millis(250);

/// A socket to the server, plain or TLS.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Connects, with the TLS handshake where the URL asks for one.
pub(crate) async fn connect(target: &Target, options: &Options) -> Result<Stream, Error> {
    let stream = dial(target).await?;
    if !target.tls {
        return Ok(Either::Left(stream));
    }
    let trust = options.trust.clone().map_or_else(Trust::system, Ok)?;
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| Error::Options(format!("`{}` is no name that a certificate could have", target.host)))?;
    let secured = TlsConnector::from(trust.config()).connect(name, stream).await;
    secured.map(|stream| Either::Right(Box::new(stream))).map_err(|source| Error::Tls { source })
}

async fn dial(target: &Target) -> Result<TcpStream, Error> {
    let connected = match race(target).await {
        // Signals are small and each counts: never wait to fill a segment.
        Ok(stream) => stream.set_nodelay(true).map(|()| stream),
        Err(error) => Err(error),
    };
    connected.map_err(|source| Error::Connect { address: format!("{}:{}", target.host, target.port), source })
}

/// Tries the addresses of a host side by side, each a little after the one before (RFC 8305, section 5): one that nobody answers at must
/// not keep the others waiting.
async fn race(target: &Target) -> io::Result<TcpStream> {
    let mut addresses = lookup_host((target.host.as_str(), target.port)).await?;
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        attempts.extend(next.map(TcpStream::connect));
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failure = error,
                None => return Err(failure),
            },
            () = sleep(HEAD_START), if !is_last => {}
        }
    }
}
