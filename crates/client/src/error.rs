//! What can go wrong, so that a caller can tell a refusal from a failure.

use std::io;

use aldis_protocol::{Unreadable, WireError};
use tokio_tungstenite::tungstenite;

/// Why something with a connection failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The options make no request.
    #[error("{0}")]
    Options(String),
    /// No connection to the server's address.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {source}")]
    Tls {
        /// Why.
        source: io::Error,
    },
    /// The server answered something that is no WebSocket handshake.
    #[error("the WebSocket handshake failed: {0}")]
    Handshake(String),
    /// The server answered the upgrade with an HTTP error.
    #[error("refused with HTTP {status}{}", detail(.problem.as_deref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `application/problem+json` body, if there was one.
        problem: Option<Box<WireError>>,
    },
    /// The connection is closed. Code 1005 stands for a close without a code, 1006 for an end without a close.
    #[error("closed with {code}{}{}", spaced(.reason), detail(.error.as_deref()))]
    Closed {
        /// The close code.
        code: u16,
        /// The close frame's reason.
        reason: String,
        /// The last `error` that [`recv`](crate::Connection::recv) saw on this connection; where its code closes, it says why.
        error: Option<Box<WireError>>,
    },
    /// The application's own source of tokens failed.
    #[error("there is no token: {0}")]
    Token(Box<dyn std::error::Error + Send + Sync>),
    /// The server took too long.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// The message cannot be read. The connection lives.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The socket failed, or the server broke the WebSocket protocol. After a failed send, `recv` still finds a close frame that came
    /// before.
    #[error("the socket failed: {0}")]
    Socket(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(error.into())
    }
}

fn spaced(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" {reason}") }
}

fn detail(error: Option<&WireError>) -> String {
    error.map(|error| format!(" ({error})")).unwrap_or_default()
}
