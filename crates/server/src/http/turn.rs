//! `GET /turn?service=turn`: TURN credentials as draft-uberti-behave-turn-rest-00 has them, for clients that were written for it.
//!
//! Its `key` is the token, which may also come as everywhere else; its `username` is ignored: the token says who it is.

use std::sync::Arc;

use aldis_core::Permission;
use aldis_protocol::{ErrorCode, IceServer, WireError, server::IceServers};
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, Uri},
    response::Response,
};
use serde::Serialize;

use super::{
    ice::{authenticate, get, ice_servers},
    query::Query,
    remote::{Caller, Remote},
};
use crate::node::Node;

/// What is said of credentials that are good for ever: as long as the draft's own example, a day.
const FOR_EVER_S: u64 = 86_400;

/// The answer of the draft, section 2.2.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Credentials {
    username: String,
    password: String,
    ttl: u64,
    uris: Vec<String>,
}

/// The endpoint.
pub async fn endpoint(
    State(node): State<Arc<Node>>,
    Extension(remote): Extension<Remote>,
    request: Request,
) -> Response {
    get(&node, &remote, request, answer).await
}

async fn answer(node: &Node, caller: &Caller, uri: &Uri, headers: &HeaderMap) -> Result<Credentials, WireError> {
    let query = query(uri)?;
    let token = authenticate(node, caller, headers, &query).await?;
    if !token.grant.allows(Permission::Turn) {
        return Err(WireError::with(ErrorCode::Forbidden, "The token's `can` does not include `turn`."));
    }
    let servers = ice_servers(node, &token).await?;
    credentials(&servers, node.clock.unix_ms()).ok_or_else(|| {
        let hint = Some("Set `turn.urls` and `turn.secret`, or `turn.providers`.".to_owned());
        WireError { hint, ..WireError::with(ErrorCode::NotFound, "No TURN server is configured.") }
    })
}

/// The query, with the draft's `key` in the place of our `token`.
fn query(uri: &Uri) -> Result<Query, WireError> {
    let mut query = Query::read(uri)?;
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "service" if value != "turn" => {
                return Err(WireError::with(ErrorCode::BadRequest, "The query's `service` must be `turn`."));
            }
            "key" if query.token.as_deref().is_some_and(|token| token != value) => {
                return Err(WireError::with(ErrorCode::BadRequest, "The request carries two different tokens."));
            }
            "key" => query.token = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok(query)
}

/// One login with all URLs that it is for: the draft knows no other form.
fn credentials(ice: &IceServers, now_unix_ms: u64) -> Option<Credentials> {
    let (username, password) = ice.ice_servers.iter().find_map(login)?;
    let same = ice.ice_servers.iter().filter(|server| login(server).is_some_and(|(name, _)| name == username));
    let uris = same.flat_map(|server| &server.urls).filter(|url| url.starts_with("turn")).cloned().collect();
    let ttl = ice.ice_expires_at.map_or(FOR_EVER_S, |at| at.saturating_sub(now_unix_ms) / 1_000);
    Some(Credentials { username, password, ttl, uris })
}

fn login(server: &IceServer) -> Option<(String, String)> {
    server.username.clone().zip(server.credential.clone())
}
