//! The socket under the WebSocket, plain or TLS.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::{Error, Options, Trust, options::Target};

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
    let connected = match TcpStream::connect((target.host.as_str(), target.port)).await {
        // Signals are small and each counts: never wait to fill a segment.
        Ok(stream) => stream.set_nodelay(true).map(|()| stream),
        Err(error) => Err(error),
    };
    connected.map_err(|source| Error::Connect { address: format!("{}:{}", target.host, target.port), source })
}
