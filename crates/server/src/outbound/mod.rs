//! HTTPS requests that this server itself makes: to whoever publishes keys of tokens, to who lends TURN servers.
//!
//! ```text
//!  https URL ─► addresses of its host ─► those that may be reached ─► TCP ─► TLS ─► one request, one answer, within its caps
//! ```
//!
//! A URL of the configuration is the operator's, but where its name leads is up to others, so the addresses are judged after the name
//! was resolved, and those that were judged are the ones that are connected to: no second look-up lies between. Redirects are answers
//! that are refused. There is one connection a request, since these are minutes apart.
//!
//! | module | holds |
//! |---|---|
//! | [`reach`] | [`Reach`]: which addresses may be connected to |
//! | [`url`] | [`HttpsUrl`]: a URL that can be asked |
//! | [`failure`] | [`Failure`]: why there is no answer |

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use aldis_client::Trust;
use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{
        HeaderValue, Method, Request, Response,
        header::{HOST, USER_AGENT},
    },
};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::task::AbortOnDropHandle;

pub mod failure;
#[cfg(test)]
pub(crate) mod fake;
pub mod reach;
#[cfg(test)]
mod tests;
pub mod url;

pub use failure::Failure;
pub use reach::Reach;
pub use url::{HttpsUrl, UrlError};

/// How much sooner than the next one an address is tried: RFC 8305, section 8.
const HEAD_START: Duration = Duration::from_millis(250);

/// Bytes of an answer's head, at most.
const HEAD_BYTES: usize = 16 * 1_024;

const AGENT: &str = concat!("aldis/", env!("CARGO_PKG_VERSION"));

/// `[outbound]`: whom this server's own requests may reach, and who is believed there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboundConfig {
    /// `outbound.networks`.
    pub reach: Reach,
    /// `outbound.ca_file`: certificates that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

/// What an answer may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// From the first look-up to the last byte.
    pub deadline: Duration,
    /// Bytes of the body.
    pub body_bytes: usize,
}

/// A question to ask.
#[derive(Clone)]
pub struct Question<'a> {
    /// Its method.
    pub method: Method,
    /// Whom, and what for.
    pub url: &'a HttpsUrl,
    /// Header fields besides `host` and `user-agent`. Mark what is secret as sensitive.
    pub headers: Vec<(axum::http::HeaderName, HeaderValue)>,
    /// The body; empty for a GET.
    pub body: Bytes,
}

impl<'a> Question<'a> {
    /// A GET without more header fields.
    #[must_use]
    pub fn get(url: &'a HttpsUrl) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Bytes::new() }
    }
}

/// Asks questions over HTTPS. Cheap to clone; one is enough for a server.
#[derive(Clone)]
pub struct Outbound {
    tls: TlsConnector,
    reach: Reach,
}

impl Outbound {
    /// Reads the certificates that are trusted.
    ///
    /// # Errors
    /// The system has none, or those of `outbound.ca_file` cannot be read.
    pub fn new(config: &OutboundConfig) -> Result<Self, aldis_client::Error> {
        let trust = config.ca_file.as_deref().map_or_else(Trust::system, Trust::file)?;
        let mut tls = (*trust.config()).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)), reach: config.reach.clone() })
    }

    /// Asks, and waits for the whole answer: any status but a redirect is one.
    ///
    /// # Errors
    /// Why there is none. The text holds neither a header nor a body, and of the URL only the host.
    pub async fn ask(&self, question: Question<'_>, caps: Caps) -> Result<Response<Bytes>, Failure> {
        timeout(caps.deadline, self.ask_patiently(question, caps.body_bytes)).await.unwrap_or(Err(Failure::Late))
    }

    async fn ask_patiently(&self, question: Question<'_>, body_bytes: usize) -> Result<Response<Bytes>, Failure> {
        let stream = self.connect(question.url).await?;
        let request = request(question)?;
        let mut head = http1::Builder::new();
        let (mut sender, connection) =
            head.max_buf_size(HEAD_BYTES).handshake::<_, Body>(TokioIo::new(stream)).await.map_err(Failure::Http)?;
        // The connection ends with the answer, or with whoever no longer waits for it.
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let (parts, body) = sender.send_request(request).await.map_err(Failure::Http)?.into_parts();
        if parts.status.is_redirection() {
            return Err(Failure::Redirect(parts.status));
        }
        let body = Body::new(body);
        if body.size_hint().lower() > body_bytes as u64 {
            return Err(Failure::TooLarge { limit: body_bytes });
        }
        let bytes = collect(body, body_bytes).await?;
        Ok(Response::from_parts(parts, bytes))
    }

    async fn connect(&self, url: &HttpsUrl) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| Failure::Name)?;
        let found = lookup_host((url.host(), url.port())).await.map_err(Failure::Resolve)?;
        let (open, shut): (Vec<_>, Vec<_>) = found.partition(|address| self.reach.permits(address.ip()));
        if open.is_empty() && !shut.is_empty() {
            return Err(Failure::Shut { host: url.host().to_owned() });
        }
        let stream = race(open).await.map_err(Failure::Connect)?;
        self.tls.connect(name, stream).await.map_err(Failure::Tls)
    }
}

/// Tries the addresses side by side, each a little after the one before (RFC 8305, section 5).
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
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

fn request(question: Question<'_>) -> Result<Request<Body>, Failure> {
    let Question { method, url, headers, body } = question;
    let request = Request::builder()
        .method(method)
        .uri(url.path_and_query())
        .header(HOST, url.authority())
        .header(USER_AGENT, AGENT)
        .body(Body::from(body));
    let mut request = request.map_err(|_| Failure::Name)?;
    request.headers_mut().extend(headers);
    Ok(request)
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Failure::Cut)?;
        if chunk.len() > limit - bytes.len() {
            return Err(Failure::TooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
