//! One request to a running server.

use std::time::Duration;

use aldis_client::Trust;
use anyhow::{Context as _, bail};
use axum::{
    body::{Body, to_bytes},
    http::{
        Method, Request, StatusCode, Uri, header,
        uri::{Authority, Scheme},
    },
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::config::Secret;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The largest answer, in bytes: ten thousand revocations with the longest names and reasons fit.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A server and how to get in.
pub(super) struct Server<'a> {
    pub(super) url: &'a Uri,
    pub(super) trust: Option<&'a Trust>,
    pub(super) key: &'a Secret,
}

/// What it said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Server<'_> {
    /// Sends one request, on a connection of its own.
    pub(super) async fn ask(&self, method: Method, path: &str, body: String) -> anyhow::Result<Answer> {
        let asked = timeout(PATIENCE, self.dial(method, path, body));
        asked.await.with_context(|| format!("{} did not answer within {PATIENCE:?}", self.url))?
    }

    async fn dial(&self, method: Method, path: &str, body: String) -> anyhow::Result<Answer> {
        let host = self.url.host().with_context(|| format!("{} names no host", self.url))?;
        let is_tls = match self.url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => bail!("{} must begin with http:// or https://", self.url),
        };
        let port = self.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await.with_context(|| format!("cannot reach {}", self.url))?;
        let request = self.request(method, path, body)?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let trust = self.trust.map_or_else(Trust::system, |trust| Ok(trust.clone()))?;
        let name = ServerName::try_from(bare.to_owned()).with_context(|| format!("`{bare}` is no name of a server"))?;
        let stream = TlsConnector::from(trust.config()).connect(name, stream).await;
        exchange(stream.with_context(|| format!("no TLS with {}", self.url))?, request).await
    }

    fn request(&self, method: Method, path: &str, body: String) -> anyhow::Result<Request<Body>> {
        let host = self.url.authority().map(Authority::as_str).unwrap_or_default();
        // A proxy may have put the server below another path.
        let path = format!("{}{path}", self.url.path().trim_end_matches('/'));
        let key = std::str::from_utf8(self.key.expose()).context("the admin key is no text")?;
        let mut bearer = header::HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| anyhow::anyhow!("the admin key has characters that no header may have"))?;
        bearer.set_sensitive(true);
        let request = Request::builder().method(method).uri(path).header(header::HOST, host);
        let request = request.header(header::AUTHORIZATION, bearer).header(header::CONTENT_LENGTH, body.len());
        request.body(Body::from(body)).context("no request can be made of this")
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("the server speaks no HTTP")?;
    let asking = async {
        let answer = sender.send_request(request).await.context("the server broke off")?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES).await.context("the server broke off")?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    tokio::select! {
        answer = asking => answer,
        // It ends before the answer only where it fails.
        ended = connection => bail!("the server broke off: {}", ended.err().map_or_else(String::new, |error| error.to_string())),
    }
}
