//! `/v1/signal`: a WebSocket, or a probe that says what would become of one. A POST is the other transport's ([`stream`]).
//!
//! A browser cannot see why an upgrade failed. So a client that offered `aldis.v1` and is refused for its token or its room is
//! upgraded, told, and closed; everybody else gets the HTTP status. Overload and malformed requests are always HTTP.

use std::{sync::Arc, time::Duration};

use aldis_core::Dialect;
use aldis_protocol::{
    CloseCode, ErrorCode, RoomId, SUBPROTOCOL, ServerMessage, WireError, error::Effect, limits::Limit,
};
use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{
    problem::{Problem, RETRY_AFTER_MS},
    query::{Query, find_token},
    remote::{Caller, Remote},
    stream,
};
use crate::{
    admission::Slot,
    auth::{TokenError, Verified},
    connection::{
        Connection, Places,
        outlet::{Frame, Framing, Last, Outlet},
        transport::{Reader, Transport},
    },
    node::Node,
    ws::{
        codec::{Decoded, Decoder, Event},
        handshake::{self, Offered, Opening},
    },
};

/// How long a refused client is waited for.
const LINGER: Duration = Duration::from_secs(1);

/// The largest message that is read from a refused client, in bytes: a `hello` with a resume token and features.
const REFUSED_BYTES: usize = 2_048;

/// The endpoint.
pub async fn endpoint(
    State(node): State<Arc<Node>>,
    Extension(remote): Extension<Remote>,
    mut request: Request,
) -> Response {
    match *request.method() {
        Method::GET => {}
        Method::POST => return stream::open(node, &remote, request).await,
        _ => return not_allowed("GET, POST"),
    }
    let upgrade = if handshake::is_requested(request.headers()) {
        match handshake::open(request.method(), request.version(), request.headers()) {
            Ok(opening) => Some((opening, hyper::upgrade::on(&mut request))),
            Err(error) => return Problem::new(error).into_response(),
        }
    } else if wants_event_stream(request.headers()) {
        return Problem::new(WireError::new(ErrorCode::NotAcceptable)).into_response();
    } else {
        None
    };
    let caller = remote.caller(&node, request.headers());
    let offered = handshake::offered(request.headers());
    let dialect = if offered.v1 { Dialect::V1 } else { Dialect::Raw };
    // In one statement: what borrows the request must be gone before anything is waited for.
    let seat = upgrade.as_ref().map(|_| dialect);
    let asked = Asked { uri: request.uri(), headers: request.headers(), offered, seat };
    let mut verdict = judge(&node, &asked, &caller).await;
    if let Err(Refusal::Guess(error)) = verdict {
        caller.pause(&node).await;
        verdict = Err(Refusal::Client(error));
    }
    match (verdict, upgrade) {
        (Ok((token, places)), Some((opening, upgrade))) => {
            serve(node, upgrade, token, places, dialect);
            switch(&opening, dialect)
        }
        (Ok((token, _)), None) => would_do(&token),
        (Err(Refusal::Client(error)), Some((opening, upgrade))) if dialect == Dialect::V1 => {
            node.metrics.refused(error.code);
            refuse_in_band(&node, upgrade, error, caller);
            switch(&opening, dialect)
        }
        (Err(Refusal::Guess(error) | Refusal::Client(error) | Refusal::Request(error)), _) => {
            Problem::new(error).into_response()
        }
    }
}

/// A request, as far as it was read.
pub(super) struct Asked<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) offered: Offered<'a>,
    /// How the client would be spoken to; a probe is not.
    pub(super) seat: Option<Dialect>,
}

/// Why a request is refused.
pub(super) enum Refusal {
    /// For a token that no key of this server signed: as `Client`, after a pause that grows with the failures of the address.
    Guess(WireError),
    /// For its token or its room: a browser has to be told in band.
    Client(WireError),
    /// For anything else.
    Request(WireError),
}

impl From<&TokenError> for Refusal {
    fn from(error: &TokenError) -> Self {
        match (error.is_guess(), WireError::from(error)) {
            (true, wire) => Self::Guess(wire),
            // What is malformed is no matter of the token or the room.
            (false, wire) if wire.code == ErrorCode::BadRequest => Self::Request(wire),
            // Nothing is wrong with it that anybody knows of.
            (false, wire) if wire.code == ErrorCode::Unavailable => Self::Request(wire.retry_after(RETRY_AFTER_MS)),
            (false, wire) => Self::Client(wire),
        }
    }
}

/// Decides about a request, in the order of what is cheapest.
pub(super) async fn judge(node: &Arc<Node>, asked: &Asked<'_>, caller: &Caller) -> Result<(Verified, Places), Refusal> {
    if node.closing.is_cancelled() {
        return Err(Refusal::Request(WireError::new(ErrorCode::Draining).retry_after(RETRY_AFTER_MS)));
    }
    let slot = slot(node).map_err(Refusal::Request)?;
    check_origin(node, asked.headers).map_err(Refusal::Request)?;
    let verified = match authenticate(node, asked, caller).await {
        Ok(verified) => verified,
        Err(refusal) => {
            // A good token is served whatever its address did; anybody else is one of so many strangers.
            caller.admit(node).map_err(Refusal::Request)?;
            return Err(refusal);
        }
    };
    caller.recognise();
    let Verified { room, identity, max_peers, duplicates, .. } = &verified;
    let counted = node.admission.identity(identity.clone(), node.limits.connections_per_identity);
    // An `aldis.v1` client may resume, which always enters: its `hello` decides. Anybody else is told now.
    if asked.seat != Some(Dialect::V1) {
        if counted.is_none() {
            node.metrics.limit(Limit::connections_per_identity);
            return Err(Refusal::Client(WireError::new(ErrorCode::ConnectionLimit).retry_after(RETRY_AFTER_MS)));
        }
        node.takes_joins().map_err(|error| Refusal::Request(error.retry_after(RETRY_AFTER_MS)))?;
        node.driver.preview(room, identity, *max_peers, *duplicates).map_err(Refusal::Client)?;
    }
    Ok((verified, Places { slot, identity: counted }))
}

/// A place among the connections of the node.
pub(super) fn slot(node: &Node) -> Result<Slot, WireError> {
    node.admission.connection(node.limits.connections).ok_or_else(|| {
        node.metrics.limit(Limit::connections);
        if node.admission.warns(node.clock.now()) {
            tracing::warn!(limit = node.limits.connections, "the node is full: limits.connections");
        }
        WireError::new(ErrorCode::Overloaded).retry_after(RETRY_AFTER_MS)
    })
}

pub(super) fn check_origin(node: &Node, headers: &HeaderMap) -> Result<(), WireError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if origin.to_str().is_ok_and(|origin| node.origins.allow(origin)) {
        return Ok(());
    }
    Err(WireError::new(ErrorCode::OriginForbidden))
}

async fn authenticate(node: &Node, asked: &Asked<'_>, caller: &Caller) -> Result<Verified, Refusal> {
    let query = Query::read(asked.uri).map_err(Refusal::Request)?;
    identify(node, caller, asked.headers, &asked.offered, &query).await
}

/// Who makes a request: its token, checked for the room that its query names.
pub(super) async fn identify(
    node: &Node,
    caller: &Caller,
    headers: &HeaderMap,
    offered: &Offered<'_>,
    query: &Query,
) -> Result<Verified, Refusal> {
    let token = find_token(headers, offered, query).map_err(Refusal::Request)?;
    let room = query.room.as_deref().map(RoomId::parse).transpose();
    let room = room.map_err(|why| WireError::with(ErrorCode::BadRequest, format!("The query's `room` {why}.")));
    let room = room.map_err(Refusal::Request)?;
    verify(node, caller, token, room.as_ref()).await.map_err(|error| Refusal::from(&error))
}

/// Checks the token of a request, and counts what is wrong with it. One whose key may be about to come waits for it, as a stranger.
pub(super) async fn verify(
    node: &Node,
    caller: &Caller,
    token: Option<String>,
    room: Option<&RoomId>,
) -> Result<Verified, TokenError> {
    let verified = match token.filter(|token| !token.is_empty()) {
        None => Err(TokenError::Missing),
        Some(token) => match node.tokens.verify(&token, room) {
            Ok(verified) => Ok(verified),
            Err(error) => match node.tokens.fetching(&error) {
                Some(fetched) if caller.has_place(node) => {
                    fetched.await;
                    node.tokens.verify(&token, room)
                }
                Some(_) | None => Err(error),
            },
        },
    };
    verified.and_then(|token| node.driver.revoker().admit(token)).inspect_err(|error| {
        tracing::debug!(code = %error.code(), "refused a token");
        node.metrics.token_refused(error);
    })
}

/// The answer to a method that an endpoint does not have.
pub(super) fn not_allowed(methods: &'static str) -> Response {
    let mut response = Problem::new(WireError::new(ErrorCode::MethodNotAllowed)).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

pub(super) fn wants_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream")))
}

/// The answer to a probe that would be let in.
fn would_do(token: &Verified) -> Response {
    let body = json!({
        "room": token.room,
        "identity": token.identity,
        "tokenExpiresAt": token.expires_at,
        "protocol": aldis_protocol::PROTOCOL,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.to_string()).into_response()
}

fn switch(opening: &Opening, dialect: Dialect) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&opening.accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if dialect == Dialect::V1 {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

/// Serves a client on the socket that hyper gives back after the 101.
fn serve(node: Arc<Node>, upgrade: OnUpgrade, token: Verified, places: Places, dialect: Dialect) {
    let tasks = node.connections.clone();
    tasks.spawn(async move {
        let Some(transport) = take_socket(upgrade).await else { return };
        // Boxed, so that what stays is the connection's memory alone and not the upgrade's too.
        Box::new(Connection::websocket(node, transport, token, places)).run(dialect).await;
    });
}

/// Upgrades a client only to tell it why it is refused.
fn refuse_in_band(node: &Arc<Node>, upgrade: OnUpgrade, error: WireError, caller: Caller) {
    let code = match error.code.effect() {
        Effect::Closes(code) => code,
        Effect::Lives | Effect::Strike | Effect::Http => CloseCode::Forbidden,
    };
    node.metrics.closed(code);
    let node = Arc::clone(node);
    let (tasks, abort) = (node.connections.clone(), node.abort.token());
    let refusal = async move {
        // Whoever keeps showing bad tokens is counted as long as it is here.
        let _stranger = caller;
        let Some(Transport { mut reader, wire, .. }) = take_socket(upgrade).await else { return };
        let now = node.clock.now();
        let outlet = Outlet::new(wire, Framing::WebSocket, usize::MAX, now);
        drop(outlet.push(Frame::Text(ServerMessage::from(error).to_json().into()), now));
        drop(outlet.push(Frame::Close(Last::Ours(code)), now));
        // Two small frames into a fresh socket: they fit.
        outlet.flush(now);
        // The client's close frame, or a moment: closing a socket with unread bytes would reset it under our last words.
        let _ended = tokio::time::timeout(LINGER, read_to_close(&mut reader)).await;
    };
    tasks.spawn(abort.run_until_cancelled_owned(refusal));
}

/// Reads what a refused client still sends, `hello` perhaps, up to its close frame or its end.
async fn read_to_close(reader: &mut Reader) {
    let mut decoder = Decoder::new(REFUSED_BYTES);
    let mut bytes = Vec::new();
    while reader.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        loop {
            match decoder.decode(&mut bytes) {
                Ok(Decoded::Frame(_, Event::Close(_))) | Err(_) => return,
                Ok(Decoded::Frame(used, _)) => drop(bytes.drain(..used)),
                Ok(Decoded::Incomplete) => break,
            }
        }
    }
}

async fn take_socket(upgrade: OnUpgrade) -> Option<Transport> {
    Transport::of(upgrade.await.ok()?)
}
