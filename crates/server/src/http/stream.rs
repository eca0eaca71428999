//! `POST /v1/signal` for `text/event-stream`: an event stream, opened by the `hello` in its body.
//!
//! A browser can read these answers, so every refusal is an HTTP status. Only what happens between the look at the room and the join
//! itself comes down the stream, as it does to a raw WebSocket.

use std::sync::Arc;

use aldis_core::Dialect;
use aldis_protocol::{ClientMessage, ErrorCode, Hello, WireError, limits::Limit};
use axum::{
    body::Body,
    extract::Request,
    http::request::Parts,
    response::{IntoResponse, Response},
};

use super::{
    body::{self, Flaw, NoBody},
    problem::{Problem, RETRY_AFTER_MS},
    remote::Remote,
    signal::{Asked, Refusal, judge, wants_event_stream},
    takeover::{Opened, Takeover},
};
use crate::{
    connection::request::{check_protocol, resumes, ticket},
    node::Node,
    ws::handshake::Offered,
};

/// Answers with the stream, or says why not.
pub(super) async fn open(node: Arc<Node>, remote: &Remote, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match opened(node, remote, &parts, body).await {
        Ok(opened) => Takeover::answer(opened),
        Err(error) => Problem::new(error).into_response(),
    }
}

async fn opened(node: Arc<Node>, remote: &Remote, parts: &Parts, body: Body) -> Result<Opened, WireError> {
    if !wants_event_stream(&parts.headers) {
        return Err(WireError::new(ErrorCode::NotAcceptable));
    }
    let caller = remote.caller(&node, &parts.headers);
    let asked =
        Asked { uri: &parts.uri, headers: &parts.headers, offered: Offered::default(), seat: Some(Dialect::V1) };
    let (token, places) = match judge(&node, &asked, &caller).await {
        Ok(admitted) => admitted,
        Err(Refusal::Guess(error)) => {
            caller.pause(&node).await;
            return Err(error);
        }
        Err(Refusal::Client(error) | Refusal::Request(error)) => return Err(error),
    };
    let hello = hello(&node, body).await?;
    let ticket = hello.resume.as_deref().and_then(|resume| ticket(&node, &token, resume));
    places.admit(&node, ticket.as_ref()).map_err(|error| error.retry_after(RETRY_AFTER_MS))?;
    if !resumes(ticket.as_ref()) {
        node.driver.preview(&token.room, &token.identity, token.max_peers, token.duplicates)?;
    }
    Ok(Opened { token, places, features: hello.features, ticket, node })
}

/// The `hello` of the body.
async fn hello(node: &Node, body: Body) -> Result<Hello, WireError> {
    let limits = &node.limits;
    let text = body::read(body, limits.message_bytes, limits.hello_ms).await.map_err(|why| match why {
        NoBody::TooLarge => {
            node.metrics.limit(Limit::message_bytes);
            WireError::with(
                ErrorCode::TooLarge,
                format!("The body has more than the {} bytes of limits.messageBytes.", limits.message_bytes),
            )
        }
        NoBody::Late => {
            node.metrics.limit(Limit::hello_ms);
            WireError::new(ErrorCode::HelloTimeout)
        }
        NoBody::Broken(Flaw::Cut) => WireError::with(ErrorCode::BadRequest, "The body broke off."),
        NoBody::Broken(Flaw::NoText(_)) => WireError::with(ErrorCode::BadJson, "The body is not UTF-8."),
    })?;
    match ClientMessage::parse(&text, limits) {
        Ok(ClientMessage::Hello(hello)) => check_protocol(&hello).map(|()| hello),
        Ok(_) => {
            Err(WireError::with(ErrorCode::BadEnvelope, "The body must be `hello`; the rest is for `welcome.post`."))
        }
        Err(rejection) => {
            if let Some(limit) = rejection.limit {
                node.metrics.limit(limit);
            }
            Err(rejection.error)
        }
    }
}
