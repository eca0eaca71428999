//! How a socket leaves hyper for an event stream.
//!
//! An upgrade is hyper's only way to give a socket back, and a stream of events is none. So the answer carries a [`Takeover`] through
//! all layers, and where it would leave, in [`listen`](crate::listen), hyper is left instead: its connection is taken apart, the head
//! of the answer is written by hand, and the socket is served like that of a WebSocket. Through hyper each event would be copied into
//! a buffer of its own that stays, and what was written could not be told from what only was queued.

use std::{sync::Arc, time::SystemTime};

use aldis_core::Ticket;
use axum::http::{HeaderValue, Response, header};
use parking_lot::Mutex;

use crate::{
    auth::Verified,
    connection::{Connection, Places, transport::Transport},
    node::Node,
};

/// An event stream that may begin once the socket is ours. The clones are one.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<Box<Opened>>>>);

/// Who is let in.
pub struct Opened {
    /// Where.
    pub node: Arc<Node>,
    /// By what.
    pub token: Verified,
    /// What it holds of the node's counts.
    pub places: Places,
    /// What its `hello` named.
    pub features: Vec<String>,
    /// The session it goes on with.
    pub ticket: Option<Ticket>,
}

impl Takeover {
    /// The head of an answer that takes its socket over.
    #[must_use]
    pub fn answer<B: Default>(opened: Opened) -> Response<B> {
        let mut response = Response::new(B::default());
        response.extensions_mut().insert(Self(Arc::new(Mutex::new(Some(Box::new(opened))))));
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store, no-transform"),
            // Whoever compresses holds bytes back until there is a block of them. Caddy does not heed `no-transform`, but leaves
            // alone what is encoded already, if only by this.
            (header::CONTENT_ENCODING, "identity"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Takes the stream out of an answer, if it is one, with the head as it goes over the wire.
    pub fn of<B>(response: &mut Response<B>) -> Option<(Vec<u8>, Box<Opened>)> {
        let Self(opened) = response.extensions_mut().remove()?;
        let opened = opened.lock().take()?;
        // Written by the router for the empty body that it has seen.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        Some((head(response), opened))
    }
}

impl Opened {
    /// Writes the head and serves the client on its socket.
    pub fn serve(self: Box<Self>, transport: Transport, head: &[u8]) {
        // A socket that takes less is full of answers that its client has not read.
        if transport.wire.try_write(head).ok() != Some(head.len()) {
            return;
        }
        let Self { node, token, places, features, ticket } = *self;
        let tasks = node.connections.clone();
        // Boxed, as that of a WebSocket is.
        let connection = Box::new(Connection::event_stream(node, transport, token, places));
        tasks.spawn(connection.run_events(features, ticket));
    }
}

/// The body has no length and no chunks: it ends with the connection.
fn head<B>(response: &Response<B>) -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let mut head = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
