//! `POST /v1/signal/{connection}`: the way up of an event stream.
//!
//! The request is judged here, on its own: its origin, its token, its body. What it brings is handed to the connection's task in the
//! order of `seq`, and the answer is what became of it. The token only says that this is the same client: what a message may do is
//! the connection's grant, which `auth` renews.
//!
//! A goodbye is heard for as long as its session is away, also when its stream is over: it comes from pages that are closed, and a
//! browser breaks the stream of such a page before it sends the last POST.
//!
//! Whoever guesses names of connections learns nothing: for a good token there is one answer for those that are not here, those that
//! are somebody else's and those that are over.

use std::{sync::Arc, time::Duration};

use aldis_protocol::{ClientMessage, ErrorCode, Limits, Post, WireError, limits::Limit};
use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;

use super::{
    body::{self, Flaw, NoBody},
    problem::Problem,
    query::{Query, find_token},
    remote::{Caller, Remote},
    signal::{Refusal, check_origin, not_allowed, verify},
};
use crate::{
    auth::TokenError,
    node::Node,
    sse::{
        mailbox::{Fate, Refused},
        mailboxes::Addressee,
    },
    ws::handshake::Offered,
};

/// When a POST that found no place is to be sent again, in milliseconds.
const FULL_RETRY_MS: u64 = 200;

/// The endpoint.
pub async fn endpoint(
    State(node): State<Arc<Node>>,
    Extension(remote): Extension<Remote>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        return not_allowed("POST");
    }
    let (parts, body) = request.into_parts();
    let caller = remote.caller(&node, &parts.headers);
    match take(&node, &caller, &parts, body).await {
        Ok(()) => {
            let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::NO_CONTENT, no_store).into_response()
        }
        Err(error) => Problem::new(error).into_response(),
    }
}

async fn take(node: &Node, caller: &Caller, parts: &Parts, body: Body) -> Result<(), WireError> {
    check_origin(node, &parts.headers)?;
    let addressee = match find(node, caller, parts).await {
        Ok(addressee) => addressee,
        Err(refusal) => {
            // A good token is served whatever its address did; anybody else is one of so many strangers.
            caller.admit(node)?;
            return Err(match refusal {
                Refusal::Guess(error) => {
                    caller.pause(node).await;
                    error
                }
                Refusal::Client(error) | Refusal::Request(error) => error,
            });
        }
    };
    caller.recognise();
    let addressee = addressee.ok_or_else(|| missing(node, parts.uri.path()))?;
    match read(node, body).await? {
        Upward::Post { seq, text, goodbye } => {
            let handled = match &addressee {
                Addressee::Open(mailbox) => fate(node, mailbox.post(seq, text)).await,
                Addressee::Parted(_) => Err(gone()),
            };
            match handled {
                Err(error) if error.code == ErrorCode::Gone => hear(node, &addressee, goodbye),
                handled => handled,
            }
        }
        Upward::Broken(bytes, error) => {
            let Addressee::Open(mailbox) = addressee else { return Err(gone()) };
            fate(node, mailbox.broken(bytes, error.code)).await?;
            Err(error)
        }
    }
}

/// Hears the goodbye in a POST that came when its connection was over. What else it says is not handled, and the answer says so.
fn hear(node: &Node, addressee: &Addressee, goodbye: Goodbye) -> Result<(), WireError> {
    match addressee.parted() {
        Some(parted) if goodbye != Goodbye::None => node.driver.goodbye(&parted.seating).map_err(WireError::new)?,
        Some(_) | None => return Err(gone()),
    }
    match goodbye {
        Goodbye::Alone => Ok(()),
        Goodbye::Last | Goodbye::None => Err(gone()),
    }
}

/// What a body holds.
enum Upward {
    /// A place and all the rest, still as text.
    Post { seq: u64, text: String, goodbye: Goodbye },
    /// So many bytes that are no POST, and why.
    Broken(usize, WireError),
}

/// Whether a POST says `leave`. Behind that nothing is handled, so it is the last that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    None,
    Alone,
    Last,
}

impl Goodbye {
    fn of(post: &Post<'_>, limits: &Limits) -> Self {
        let Some(last) = post.messages.last().map(|last| last.get()) else { return Self::None };
        let is_small = last.len() as u64 <= limits.small_message_bytes;
        match is_small.then(|| ClientMessage::parse(last, limits)) {
            Some(Ok(ClientMessage::Leave)) if post.messages.len() == 1 => Self::Alone,
            Some(Ok(ClientMessage::Leave)) => Self::Last,
            _ => Self::None,
        }
    }
}

/// Finds the connection that the path names, if the token is of its identity and room.
async fn find(node: &Node, caller: &Caller, parts: &Parts) -> Result<Option<Addressee>, Refusal> {
    let query = Query::read(&parts.uri).map_err(Refusal::Request)?;
    let token = find_token(&parts.headers, &Offered::default(), &query).map_err(Refusal::Request)?;
    let addressee = node.mailboxes.find(parts.uri.path(), node.clock.now());
    match verify(node, caller, token, addressee.as_ref().map(Addressee::room)).await {
        Ok(token) => Ok(addressee.filter(|of| *of.identity() == token.identity && *of.room() == token.room)),
        // It is good in every other way.
        Err(TokenError::OtherRoom { .. } | TokenError::RoomNeeded { .. }) => Ok(None),
        Err(error) => Err(Refusal::from(&error)),
    }
}

/// Reads the body. What is no POST is the connection's to count, so it is no error yet.
async fn read(node: &Node, body: Body) -> Result<Upward, WireError> {
    let limits = &node.limits;
    let text = match body::read(body, limits.post_bytes, limits.post_ms).await {
        Ok(text) => text,
        Err(NoBody::TooLarge) => {
            node.metrics.limit(Limit::post_bytes);
            let message = format!("The body has more than the {} bytes of limits.postBytes.", limits.post_bytes);
            return Err(WireError::with(ErrorCode::TooLarge, message));
        }
        Err(NoBody::Late) => {
            node.metrics.limit(Limit::post_ms);
            return Err(WireError::with(ErrorCode::BadRequest, "The body did not come within limits.post_ms."));
        }
        Err(NoBody::Broken(Flaw::Cut)) => return Err(WireError::with(ErrorCode::BadRequest, "The body broke off.")),
        Err(NoBody::Broken(Flaw::NoText(bytes))) => {
            return Ok(Upward::Broken(bytes, WireError::with(ErrorCode::BadJson, "The body is not UTF-8.")));
        }
    };
    Ok(match Post::parse(&text).map(|post| (post.seq, Goodbye::of(&post, limits))) {
        Ok((seq, goodbye)) => Upward::Post { seq, text, goodbye },
        Err(rejection) => Upward::Broken(text.len(), rejection.error),
    })
}

/// Waits for what becomes of a POST that was handed in.
async fn fate(node: &Node, handed: Result<oneshot::Receiver<Fate>, Refused>) -> Result<(), WireError> {
    let fate = match handed {
        Ok(fate) => fate,
        Err(Refused::Gone) => return Err(gone()),
        Err(Refused::Early) => {
            node.metrics.limit(Limit::posts_waiting);
            return Err(WireError::new(ErrorCode::OutOfOrder));
        }
        Err(Refused::Full) => {
            node.metrics.limit(Limit::posts_waiting);
            return Err(WireError::new(ErrorCode::Unavailable).retry_after(FULL_RETRY_MS));
        }
    };
    match tokio::time::timeout(Duration::from_millis(node.limits.post_ms), fate).await {
        Ok(Ok(Fate::Handled)) => Ok(()),
        Ok(Ok(Fate::Superseded)) => Err(WireError::new(ErrorCode::Superseded)),
        Ok(Ok(Fate::Gone) | Err(_)) => Err(gone()),
        // Its place is given up with the receiver.
        Err(_) => {
            node.metrics.limit(Limit::post_ms);
            Err(WireError::new(ErrorCode::OutOfOrder))
        }
    }
}

/// What a POST is told whose connection is not here: among others it may be elsewhere, and the next attempt may get there.
fn missing(node: &Node, path: &str) -> WireError {
    if node.membership.is_some() && node.mailboxes.is_elsewhere(path) {
        let error = WireError::with(ErrorCode::Unavailable, "The connection is another node's.");
        return error.retry_after(FULL_RETRY_MS);
    }
    gone()
}

fn gone() -> WireError {
    WireError::new(ErrorCode::Gone)
}
