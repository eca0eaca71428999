//! An asynchronous client of the Aldis signaling server, over WebSocket.
//!
//! ```no_run
//! use aldis_client::{Connection, Options, Outgoing, Token};
//! use aldis_protocol::{CloseCode, Received, ServerMessage};
//!
//! # async fn example(jwt: String) -> Result<(), aldis_client::Error> {
//! let options = Options::new("http://localhost:7654").room("lobby").token(Token::Subprotocol(jwt));
//! let mut connection = Connection::connect(options).await?;
//!
//! // Of a pair the newcomer is polite: it waits for the first offer of those that it yields to.
//! for peer in connection.welcome().peers.clone().iter().filter(|peer| !peer.polite) {
//!     connection.send(Outgoing::offer(&peer.id, "v=0\r\n")).await?;
//! }
//! loop {
//!     match connection.recv().await? {
//!         Received::Relayed(signal) => println!("{} from {}", signal.kind.as_str(), signal.from),
//!         Received::Server(ServerMessage::PeerLeft { .. }) => break,
//!         Received::Server(_) => {}
//!     }
//! }
//! connection.close(CloseCode::Bye).await
//! # }
//! ```
//!
//! # What it does
//! [`Connection::connect`] does the upgrade, says `hello` where the [`Dialect`] has one and waits for `welcome`. What the server
//! refuses comes back typed: before the upgrade as [`Error::Refused`], after it as [`Error::Closed`].
//!
//! A `wss://` server must show a certificate that the system trusts, or one of [`Options::trust`].
//!
//! # What it leaves to its caller
//! It reads the socket only inside [`recv`](Connection::recv) and its siblings, so a caller keeps one of them running: that is also
//! what answers the server's pings. All of them may be dropped halfway, as `select!` does, and lose nothing. It neither reconnects
//! nor resumes by itself. [`streams`] bring messages over connections that break, and are pure: whoever speaks them owns one a peer.

mod addressed;
mod connection;
mod error;
mod handshake;
mod options;
mod outgoing;
mod stream;
pub mod streams;
mod trust;

pub use addressed::{Addressed, Payload};
pub use connection::Connection;
pub use error::Error;
pub use options::{Dialect, Options, Token};
pub use outgoing::Outgoing;
pub use trust::Trust;
