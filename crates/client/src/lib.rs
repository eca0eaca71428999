//! An asynchronous client of the Aldis signaling server, for native WebRTC peers and for services that take part in rooms.
//!
//! ```no_run
//! use aldis_client::{Event, Outgoing, Room, RoomOptions};
//! use serde_json::json;
//!
//! # async fn example(jwt: String) -> Result<(), Box<dyn std::error::Error>> {
//! let (room, mut events) = Room::join(RoomOptions::new("https://rtc.example.org").room("lobby").token(jwt)).await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         // Of a pair the newcomer is polite: it waits for the first offer of those that were there before.
//!         Event::PeerJoined(peer) => {
//!             room.send(Outgoing::offer(&peer.id, "v=0\r\n").x(json!({ "g": 1, "d": 1 })));
//!         }
//!         Event::Signal(signal) => println!("{} from {}", signal.kind.as_str(), signal.from),
//!         Event::Reconnecting { error, retry_in } => eprintln!("{error}: again in {retry_in:?}"),
//!         Event::Failed(error) => return Err(error.into()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Two ways to use it
//! A [`Room`] *stays*: it reconnects, for ever and without a gap where a server is shut down in order, resumes its session, renews its
//! token, and gives its messages to peers over all of that: each is delivered once and in order, or its sender is told what became of it
//! within 31 s ([`streams`]). Where this crate ends is WebRTC itself: offers, answers and candidates are the application's, and whoever
//! negotiates with the SDK for browsers numbers them as `docs/protocol.md`, "Numbers", says. The example `examples/native-peer` does.
//!
//! A [`Connection`] is one WebSocket that has been welcomed, for tests, load, and clients with ideas of their own: it neither reconnects
//! nor resumes by itself.
//!
//! ```no_run
//! use aldis_client::{Connection, Options, Outgoing, Token};
//! use aldis_protocol::{CloseCode, Received};
//!
//! # async fn example(jwt: String) -> Result<(), aldis_client::Error> {
//! let options = Options::new("http://localhost:7654").room("lobby").token(Token::Subprotocol(jwt));
//! let mut connection = Connection::connect(options).await?;
//! for peer in connection.welcome().peers.clone() {
//!     connection.send(Outgoing::message(&peer.id, serde_json::json!("hello"))).await?;
//! }
//! if let Received::Relayed(signal) = connection.recv().await? {
//!     println!("{} from {}", signal.kind.as_str(), signal.from);
//! }
//! connection.close(CloseCode::Bye).await
//! # }
//! ```
//!
//! What the server refuses comes back typed: before the upgrade as [`Error::Refused`], after it as [`Error::Closed`]. A TLS server must
//! show a certificate that the system trusts, or one of [`Options::trust`] or [`RoomOptions::trust`].
//!
//! A connection reads the socket only inside [`recv`](Connection::recv) and its siblings, so a caller keeps one of them running: that is
//! also what answers the server's pings. All of them may be dropped halfway, as `select!` does, and lose nothing.
//!
//! | module | holds |
//! |---|---|
//! | `room` | the stay: a pure `session` (its `way` to the server, its `delivery` to the peers, its `roster`) and the `driver` that executes it |
//! | [`streams`] | what brings messages over, pure, for whoever builds another client |
//! | `connection`, `handshake`, `stream`, `trust` | one WebSocket |
//! | `outgoing`, `addressed` | what is sent |
//!
//! The types of the wire are those of [`protocol`].

mod addressed;
mod connection;
mod error;
mod handshake;
mod options;
mod outgoing;
mod room;
mod stream;
pub mod streams;
mod trust;

pub use aldis_protocol as protocol;

pub use addressed::{Addressed, Payload};
pub use connection::Connection;
pub use error::Error;
pub use options::{Dialect, Options, Token};
pub use outgoing::Outgoing;
pub use room::{Event, Events, Room, RoomOptions, Sending, Sent, Undelivered, Why};
pub use trust::Trust;
