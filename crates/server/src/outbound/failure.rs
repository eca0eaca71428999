//! Why there is no answer.

use std::io;

use axum::http::StatusCode;
use thiserror::Error;

/// Why there is no answer, in words for the operator's log. It holds nothing of what was sent or received.
#[derive(Debug, Error)]
pub enum Failure {
    /// The host's name has no address.
    #[error("its host cannot be resolved: {0}")]
    Resolve(io::Error),
    /// The host is no name that a certificate could have.
    #[error("its host is no name of a server")]
    Name,
    /// The host has only addresses that this server does not connect to.
    #[error(
        "`{host}` leads to a private, loopback or link-local address; list its network in outbound.networks if that is meant"
    )]
    Shut {
        /// The host of the URL.
        host: String,
    },
    /// Nobody answers there.
    #[error("it cannot be connected to: {0}")]
    Connect(io::Error),
    /// The handshake failed, mostly because of the certificate.
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    /// What came is no HTTP answer, or none came.
    #[error("it does not answer in HTTP: {0}")]
    Http(hyper::Error),
    /// It leads elsewhere.
    #[error("it redirects ({0}), and redirects are not followed; give the URL it leads to")]
    Redirect(StatusCode),
    /// The body is larger than it may be.
    #[error("its answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body broke off.
    #[error("its answer broke off")]
    Cut,
    /// The answer was not whole by the deadline.
    #[error("it did not answer in time")]
    Late,
}
