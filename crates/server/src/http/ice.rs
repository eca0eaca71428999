//! `GET /v1/ice-servers`: what `welcome` says of ICE servers, for whoever has a token and no connection.

use std::{sync::Arc, time::Duration};

use aldis_protocol::{ErrorCode, Identity, WireError, limits::Limit, server::IceServers};
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    problem::{Problem, RETRY_AFTER_MS},
    query::Query,
    remote::{Caller, Remote},
    signal::{Refusal, check_origin, identify, not_allowed, slot},
};
use crate::{
    admission::{Counted, Slot},
    auth::Verified,
    ice::{Client, Delayed, Supply},
    node::Node,
    ws::handshake::Offered,
};

/// How long somebody waits for credentials: for two attempts of a provider, and a bit.
const PATIENCE: Duration = Duration::from_secs(5);

/// The endpoint.
pub async fn endpoint(
    State(node): State<Arc<Node>>,
    Extension(remote): Extension<Remote>,
    request: Request,
) -> Response {
    get(&node, &remote, request, answer).await
}

/// Answers a GET with what is found for it, as JSON, or with why there is nothing.
pub(super) async fn get<T: Serialize>(
    node: &Node,
    remote: &Remote,
    request: Request,
    find: impl AsyncFnOnce(&Node, &Caller, &Uri, &HeaderMap) -> Result<T, WireError>,
) -> Response {
    if request.method() != Method::GET {
        return not_allowed("GET");
    }
    let caller = remote.caller(node, request.headers());
    let (parts, _) = request.into_parts();
    match find(node, &caller, &parts.uri, &parts.headers).await {
        Ok(found) => json(&found),
        Err(error) => Problem::new(error).into_response(),
    }
}

async fn answer(node: &Node, caller: &Caller, uri: &Uri, headers: &HeaderMap) -> Result<IceServers, WireError> {
    let query = Query::read(uri)?;
    let token = authenticate(node, caller, headers, &query).await?;
    ice_servers(node, &token).await
}

/// Judges the token of a request.
pub(super) async fn authenticate(
    node: &Node,
    caller: &Caller,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Verified, WireError> {
    if node.closing.is_cancelled() {
        return Err(WireError::new(ErrorCode::Draining).retry_after(RETRY_AFTER_MS));
    }
    check_origin(node, headers)?;
    match identify(node, caller, headers, &Offered::default(), query).await {
        Ok(token) => {
            caller.recognise();
            Ok(token)
        }
        Err(refusal) => {
            // A good token is served whatever its address did; anybody else is one of so many strangers.
            caller.admit(node)?;
            Err(match refusal {
                Refusal::Guess(error) => {
                    caller.pause(node).await;
                    error
                }
                Refusal::Client(error) | Refusal::Request(error) => error,
            })
        }
    }
}

/// The ICE servers of a token, waited for. Whoever waits has a place among the connections, as it would with one.
pub(super) async fn ice_servers(node: &Node, token: &Verified) -> Result<IceServers, WireError> {
    let _places = places(node, token)?;
    let found = supplied(node, token).await;
    // Whoever was shut out meanwhile gets nothing, and nobody else what was made for it.
    if node.driver.revoker().find(&token.room, &token.identity, &token.stamp()).is_some() {
        node.ice.revoke(&token.identity);
        return Err(WireError::new(ErrorCode::TokenRevoked));
    }
    found
}

/// A place of the node's and one of the identity's.
fn places(node: &Node, token: &Verified) -> Result<(Slot, Counted<Identity>), WireError> {
    let slot = slot(node)?;
    let counted = node.admission.identity(token.identity.clone(), node.limits.connections_per_identity);
    let counted = counted.ok_or_else(|| {
        node.metrics.limit(Limit::connections_per_identity);
        WireError::new(ErrorCode::ConnectionLimit).retry_after(RETRY_AFTER_MS)
    })?;
    Ok((slot, counted))
}

async fn supplied(node: &Node, token: &Verified) -> Result<IceServers, WireError> {
    let Verified { identity, room, kid, grant, .. } = token;
    let delayed = match node.ice.supply(&Client { identity, room, kid, grant: *grant }) {
        Supply::Ready(ice) => return Ok(ice.servers),
        Supply::Delayed(delayed) => delayed,
        Supply::Pending(mut pending) => match timeout(PATIENCE, &mut pending).await {
            Ok(Ok(ice)) => return Ok(ice.servers),
            Ok(Err(delayed)) => delayed,
            Err(_) => pending.delayed(),
        },
    };
    if !delayed.is_bare() {
        return Ok(delayed.servers);
    }
    let Delayed { retry_after, .. } = delayed;
    let error = WireError::with(ErrorCode::Unavailable, "There are no TURN credentials for now.");
    let hint = Some("Ask again after `Retry-After`, and do without a relay until then.".to_owned());
    let after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    Err(WireError { hint, ..error }.retry_after(after_ms))
}

/// An answer that nobody keeps.
fn json(body: &impl Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, serde_json::to_string(body).unwrap_or_default()).into_response()
}
