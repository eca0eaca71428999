//! `/v1/revocations`: the operator's own programs revoke tokens, see what is revoked, and take it back.
//!
//! They show the admin key, and nothing else counts there: no token of a user. Where none is configured there is no such endpoint.

use std::sync::Arc;

use aldis_core::revocation::{Full, Revocation};
use aldis_protocol::{ErrorCode, WireError, limits::Limit};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    body::{self, NoBody},
    problem::Problem,
    query::bearer,
    remote::Remote,
    signal::not_allowed,
};
use crate::{
    config::Secret,
    node::Node,
    revoking::{
        Keeping,
        written::{self, Written, name},
    },
};

/// Where it is.
pub const PATH: &str = "/v1/revocations";

/// The largest order, in bytes: every field at its longest fits well.
const BODY_BYTES: u64 = 4_096;

/// All of them: to see what is revoked, and to revoke.
pub async fn all(State(node): State<Arc<Node>>, Extension(remote): Extension<Remote>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(error) = recognise(&node, &remote, &parts.headers).await {
        return Problem::new(error).into_response();
    }
    match parts.method {
        Method::GET => list(&node),
        Method::POST => match revoke(&node, body).await {
            Ok(revocation) => {
                let mut shown = json!(Written::of(&revocation));
                match node.driver.revoker().kept().await {
                    Keeping::NoFile => {}
                    Keeping::Kept => shown["kept"] = true.into(),
                    Keeping::Unkept => shown["kept"] = false.into(),
                }
                answer(StatusCode::CREATED, &shown)
            }
            Err(error) => Problem::new(error).into_response(),
        },
        _ => not_allowed("GET, POST"),
    }
}

/// One of them: to take it back.
pub async fn one(
    State(node): State<Arc<Node>>,
    Extension(remote): Extension<Remote>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    if let Err(error) = recognise(&node, &remote, request.headers()).await {
        return Problem::new(error).into_response();
    }
    if *request.method() != Method::DELETE {
        return not_allowed("DELETE");
    }
    let held = node.driver.revoker().list();
    match held.iter().find(|revocation| name(&revocation.target) == id) {
        Some(revocation) if node.driver.lift(&revocation.target) => {
            // Whether it is on the disk changes nothing here: it counts no more, and is said again to every node.
            node.driver.revoker().kept().await;
            StatusCode::NO_CONTENT.into_response()
        }
        Some(_) | None => {
            let error = WireError::with(ErrorCode::NotFound, "No revocation of this id is held.");
            let hint = format!("`GET {PATH}` lists those that are.");
            Problem::new(WireError { hint: Some(hint), ..error }).into_response()
        }
    }
}

/// Lets in whoever shows the admin key. A wrong one is answered as late as any failed authentication.
async fn recognise(node: &Node, remote: &Remote, headers: &HeaderMap) -> Result<(), WireError> {
    let caller = remote.caller(node, headers);
    let shown: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
    let (code, message) = match (shown.as_slice(), &node.admin_key) {
        ([value], Some(key)) if value.to_str().ok().and_then(bearer).is_some_and(|shown| is_equal(key, shown)) => {
            caller.recognise();
            return Ok(());
        }
        ([], _) => (ErrorCode::TokenMissing, "The request carries no admin key."),
        _ => (ErrorCode::TokenInvalid, "What the request carries is not the admin key of this server."),
    };
    caller.admit(node)?;
    caller.pause(node).await;
    let hint = "Send the admin key (ALDIS_ADMIN_KEY) as `Authorization: Bearer`; no token of a user counts here.";
    Err(WireError { hint: Some(hint.to_owned()), ..WireError::with(code, message) })
}

/// In a time that says nothing of where they differ; how long a key is, is no secret.
fn is_equal(key: &Secret, shown: &str) -> bool {
    verify_slices_are_equal(key.expose(), shown.as_bytes()).is_ok()
}

async fn revoke(node: &Node, body: Body) -> Result<Revocation, WireError> {
    let refuse = |message: String| WireError::with(ErrorCode::BadRequest, message);
    let text = body::read(body, BODY_BYTES, node.limits.post_ms).await.map_err(|why| match why {
        NoBody::TooLarge => WireError::with(ErrorCode::TooLarge, format!("The body has more than {BODY_BYTES} bytes.")),
        NoBody::Late => {
            node.metrics.limit(Limit::post_ms);
            refuse("The body did not come within limits.post_ms.".to_owned())
        }
        NoBody::Broken(_) => refuse("The body broke off, or is not UTF-8.".to_owned()),
    })?;
    let order = serde_json::from_str::<written::Body>(&text)
        .map_err(|error| format!("The body is no revocation: {error}."))
        .and_then(|body| body.judge(node.clock.unix_ms()));
    let written::Order { target, until, not_before, reason } = order.map_err(|message| {
        let hint =
            "Send {\"jti\"}, {\"identity\"}, {\"identity\", \"notBefore\"}, {\"room\"} or {\"identity\", \"room\"}.";
        WireError { hint: Some(hint.to_owned()), ..refuse(message) }
    })?;
    node.driver.revoke(target, until, not_before, reason).map_err(|Full { most }| {
        let message = format!("This server holds {most} revocations, as many as limits.revocations allows.");
        let hint = "Lift some, wait for some to end, or revoke more at once: an identity, a room.";
        WireError { hint: Some(hint.to_owned()), ..WireError::with(ErrorCode::Unavailable, message) }
    })
}

fn list(node: &Node) -> Response {
    let revoker = node.driver.revoker();
    let held: Vec<_> = revoker.list().iter().map(Written::of).collect();
    answer(StatusCode::OK, &json!({ "revocations": held, "most": revoker.most() }))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
