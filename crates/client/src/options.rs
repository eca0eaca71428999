//! Where to connect and as whom, and the upgrade request that comes of it.

use std::{fmt, time::Duration};

use aldis_protocol::{BEARER_PREFIX, SUBPROTOCOL};
use tokio_tungstenite::tungstenite::{
    client::IntoClientRequest,
    handshake::client::Request,
    http::{HeaderValue, Uri, header},
};

use crate::{Error, Trust};

/// The signaling endpoint under the base URL.
const ENDPOINT: &str = "/v1/signal";

/// Longer than the server's own deadlines, so that its answer arrives first.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to connect and as whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server: `ws://host:port` or `wss://host:port`, or the same with `http` or `https`, perhaps with a path before `/v1/signal`.
    pub url: String,
    /// The room; may be left out where the token names exactly one.
    pub room: Option<String>,
    /// The token, and how it travels.
    pub token: Option<Token>,
    /// Which kind of client this is.
    pub dialect: Dialect,
    /// Whose certificate a `wss://` server may show; those that the system trusts where there is none.
    pub trust: Option<Trust>,
    /// How long connecting may take in all, up to `welcome`.
    pub timeout: Duration,
}

/// A token, and how it travels.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// As the subprotocol `aldis.bearer.<jwt>`: does not end in proxy logs, and a browser can do it too.
    Subprotocol(String),
    /// As `Authorization: Bearer`.
    Header(String),
    /// As `?token=`.
    Query(String),
}

/// Which kind of client this is.
#[derive(Clone, PartialEq, Eq)]
pub enum Dialect {
    /// Offers `aldis.v1` and speaks first; may resume.
    V1 {
        /// The resume token of an earlier connection.
        resume: Option<String>,
        /// What the client understands, shown to its peers.
        features: Vec<String>,
    },
    /// Plain WebSocket: the server speaks first.
    Raw,
}

impl Options {
    /// An `aldis.v1` client of the server at `url`, without a room or token yet.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), room: None, token: None, dialect: Dialect::default(), trust: None, timeout: TIMEOUT }
    }

    /// Names the room.
    #[must_use]
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.room = Some(room.into());
        self
    }

    /// Adds the token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Chooses the dialect.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Chooses whose certificate the server may show.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// The upgrade request, and where to send it.
    pub(crate) fn request(&self) -> Result<(Target, Request), Error> {
        let wrong = |why: &str| Error::Options(format!("the URL `{}` {why}", self.url));
        let base: Uri = self.url.parse().map_err(|_| wrong("is none"))?;
        let (scheme, usual_port) = match base.scheme_str() {
            Some("ws" | "http") => ("ws", 80),
            Some("wss" | "https") => ("wss", 443),
            _ => return Err(wrong("must begin with wss://, https://, ws:// or http://")),
        };
        let authority = base.authority().ok_or_else(|| wrong("has no host"))?;
        let uri = format!("{scheme}://{authority}{}{ENDPOINT}{}", base.path().trim_end_matches('/'), self.query());
        let mut request = uri.into_client_request().map_err(|_| wrong("is none"))?;
        let protocols = self.subprotocols();
        if !protocols.is_empty() {
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, secret(&protocols.join(", "))?);
        }
        if let Some(Token::Header(token)) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, secret(&format!("Bearer {token}"))?);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(usual_port);
        Ok((Target { host, port, tls: scheme == "wss" }, request))
    }

    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(room) = &self.room {
            query.append_pair("room", room);
        }
        if let Some(Token::Query(token)) = &self.token {
            query.append_pair("token", token);
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    fn subprotocols(&self) -> Vec<String> {
        let mut offered = Vec::new();
        if matches!(self.dialect, Dialect::V1 { .. }) {
            offered.push(SUBPROTOCOL.to_owned());
        }
        if let Some(Token::Subprotocol(token)) = &self.token {
            offered.push(format!("{BEARER_PREFIX}{token}"));
        }
        offered
    }
}

/// The address of a server.
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::Options("the token has characters that no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Default for Dialect {
    fn default() -> Self {
        Self::V1 { resume: None, features: Vec::new() }
    }
}

impl fmt::Debug for Token {
    /// Never prints the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subprotocol(_) => "Subprotocol",
            Self::Header(_) => "Header",
            Self::Query(_) => "Query",
        })
    }
}

impl fmt::Debug for Dialect {
    /// Never prints the resume token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1 { features, .. } => f.debug_struct("V1").field("features", features).finish_non_exhaustive(),
            Self::Raw => f.write_str("Raw"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_follows_the_options() {
        let token = || "a.b.c".to_owned();
        let base = || Options::new("http://[::1]:7654/").room("a b");
        let cases = [
            (base(), "/v1/signal?room=a+b", Some("aldis.v1"), None),
            (
                base().token(Token::Subprotocol(token())),
                "/v1/signal?room=a+b",
                Some("aldis.v1, aldis.bearer.a.b.c"),
                None,
            ),
            (
                base().token(Token::Header(token())).dialect(Dialect::Raw),
                "/v1/signal?room=a+b",
                None,
                Some("Bearer a.b.c"),
            ),
            (base().token(Token::Query(token())).dialect(Dialect::Raw), "/v1/signal?room=a+b&token=a.b.c", None, None),
            (Options::new("ws://[::1]:7654/under").dialect(Dialect::Raw), "/under/v1/signal", None, None),
        ];
        for (options, path, protocols, authorization) in cases {
            let (target, request) = options.request().expect("a request");
            let header = |name| request.headers().get(name).map(|value| value.to_str().expect("text"));
            assert_eq!((target.host.as_str(), target.port), ("::1", 7654));
            assert_eq!(request.uri().path_and_query().expect("a path").as_str(), path);
            assert_eq!(header(header::SEC_WEBSOCKET_PROTOCOL), protocols);
            assert_eq!(header(header::AUTHORIZATION), authorization);
            assert!(!format!("{options:?}").contains("a.b.c"));
        }
    }

    #[test]
    fn the_scheme_decides_about_tls_and_the_usual_port() {
        let cases = [("ws://h", 80, false), ("http://h:1", 1, false), ("wss://h", 443, true), ("https://h:1", 1, true)];
        for (url, port, tls) in cases {
            let (target, request) = Options::new(url).request().expect("a request");
            assert_eq!((target.port, target.tls), (port, tls), "{url}");
            assert_eq!(request.uri().scheme_str(), Some(if tls { "wss" } else { "ws" }), "{url}");
        }
    }

    #[test]
    fn bad_options_say_what_is_wrong() {
        let cases = [
            (Options::new("nonsense url"), "is none"),
            (Options::new("ftp://localhost"), "must begin with wss://, https://, ws:// or http://"),
            (Options::new("/v1/signal"), "must begin with"),
            (Options::new("ws://localhost").token(Token::Header("a\nb".to_owned())), "no header can carry"),
        ];
        for (options, expected) in cases {
            let error = options.request().err().expect("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
