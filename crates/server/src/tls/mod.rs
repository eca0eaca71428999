//! TLS: certificates from files, handshakes, and the record layer under a connection.
//!
//! ```text
//!  accept ─► meet (deadline) ─► hyper over tokio-rustls ─► 101 ─► split: Reader and Writer over one Session
//! ```
//! Until the upgrade tokio-rustls does the work. After it the TLS state is taken out, so that a TLS connection is like a plain one:
//! its task reads, and whoever has something for its client writes to its socket directly, without another task or a channel.
//!
//! | module | holds |
//! |---|---|
//! | [`certificate`] | two PEM files to a certificate with its key, or what is wrong with them |
//! | [`acceptor`] | what new handshakes are served with, and the handshake |
//! | [`reload`] | the files when they change |
//! | [`self_signed`] | a certificate for development |
//! | `session` | plaintext to records and back; what has become a record and not left yet |
//! | [`socket`] | the two halves of a connection |

pub mod acceptor;
pub mod certificate;
pub mod reload;
pub mod self_signed;
mod session;
pub mod socket;

pub use acceptor::{Acceptor, Met};
pub use certificate::{CertificateError, TlsFiles};
pub use reload::Reloader;
