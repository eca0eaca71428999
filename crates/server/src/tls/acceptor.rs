//! What new handshakes are served with, and the handshake.

use std::{io, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The first byte of whoever speaks TLS: the type of a handshake record.
const HANDSHAKE: u8 = 0x16;

/// WebSocket runs over HTTP/1.1; whoever offers HTTP/2 too is told so.
const ALPN: &[u8] = b"http/1.1";

/// What new handshakes are served with. It may be replaced; connections that are there live on.
pub struct Acceptor {
    current: RwLock<Arc<ServerConfig>>,
}

/// Who is at the other end.
pub enum Met {
    /// Somebody who speaks TLS, after the handshake.
    Tls(Box<TlsStream<TcpStream>>),
    /// Somebody who does not: a plain `http://` or `ws://` URL, mostly.
    Plain(TcpStream),
}

impl Acceptor {
    /// Serves a certificate.
    ///
    /// # Errors
    /// The system has no randomness for the key of the session tickets.
    pub fn new(certificate: CertifiedKey) -> Result<Self, rustls::Error> {
        Ok(Self { current: RwLock::new(config(certificate)?) })
    }

    /// Serves another certificate from now on. Session tickets of the old one count no more: who resumes sees no certificate.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing has changed.
    pub fn replace(&self, certificate: CertifiedKey) -> Result<(), rustls::Error> {
        *self.current.write() = config(certificate)?;
        Ok(())
    }

    /// Finds out what a new connection speaks, and finishes the handshake with one that speaks TLS. The caller sets the deadline.
    ///
    /// # Errors
    /// The connection ended, or the handshake failed.
    pub async fn meet(&self, stream: TcpStream) -> io::Result<Met> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Ok(Met::Plain(stream));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.read()));
        Ok(Met::Tls(Box::new(acceptor.accept(stream).await?)))
    }
}

fn config(certificate: CertifiedKey) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // What a resumption needs is in the ticket that the client keeps; nothing is kept here.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
