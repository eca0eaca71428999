//! A signaling relay as people write it over a weekend with `axum`: what Aldis is measured against.
//!
//! One read task and one write task a connection, a bounded channel between them, the buffers that `axum` has by default, and a
//! map behind a lock. It parses as carefully as Aldis does (borrowed envelope, raw payload) and loses nothing, so that the comparison
//! is one of layouts and not of blunders. It has no authentication, limits, heartbeats, errors or sessions.

mod relay;
mod rooms;
mod socket;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State, WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};

use aldis_protocol::RoomId;
use rooms::Rooms;

/// How the write task empties its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Writer {
    /// `send` for each message, as in axum's own chat example: one system call a message.
    Send,
    /// `forward`: one flush for all messages that are waiting.
    Forward,
}

/// The relay's one endpoint, `/v1/signal?room=`, with no room in it yet.
pub fn router(writer: Writer) -> Router {
    let state = Relay { rooms: Arc::default(), writer };
    Router::new().route("/v1/signal", get(signal)).with_state(state)
}

#[derive(Clone)]
struct Relay {
    rooms: Arc<Rooms>,
    writer: Writer,
}

#[derive(serde::Deserialize)]
struct Address {
    room: RoomId,
}

async fn signal(
    State(relay): State<Relay>,
    address: Result<Query<Address>, axum::extract::rejection::QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Response {
    match address {
        Ok(Query(Address { room })) => {
            upgrade.on_upgrade(move |socket| socket::serve(socket, relay.rooms, room, relay.writer))
        }
        Err(_) => (StatusCode::BAD_REQUEST, "the query needs a `room`").into_response(),
    }
}
