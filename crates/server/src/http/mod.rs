//! The HTTP endpoints.
//!
//! | path | what |
//! |---|---|
//! | `/v1/signal` | the one endpoint of clients: WebSocket and probe ([`signal`]), event stream ([`stream`]) |
//! | `/v1/signal/{connection}` | what a client of an event stream says ([`post`]) |
//! | `/v1/ice-servers`, `/turn` | ICE servers for whoever has a token and no connection ([`ice`], [`turn`]) |
//! | `/sdk.js`, `/signaling.js`, `/diagnose.js`, `/manual.js`, `/qr.js` | the client for browsers, and parts of it ([`assets`]) |
//! | `/livez`, `/readyz`, `/metrics` | for the operator ([`ops`]); on their own listener with `--admin` |
//! | `/v1/revocations`, `/v1/revocations/{id}` | for the operator's own programs ([`revocations`]), beside those; only with an admin key |
//! | `/`, `/check`, `/manual`, `/demo/*`, `/raw`, `/dev/token` | for development ([`dev`]); only with `aldis dev` |
//!
//! [`remote`] is who asks, [`forwarded`] what proxies say of that, and [`query`] with which token. [`takeover`] is how an event stream gets its socket.

use std::{sync::Arc, time::Duration};

use aldis_protocol::{ErrorCode, WireError};
use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{any, get},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{config::Origins, node::Node};

pub mod assets;
pub mod body;
pub mod dev;
pub mod forwarded;
pub mod ice;
pub mod ops;
pub mod post;
pub mod problem;
pub mod query;
pub mod remote;
pub mod revocations;
pub mod signal;
pub mod stream;
pub mod takeover;
pub mod turn;

use problem::Problem;

/// The endpoints of clients, with those of the operator where they have no listener of their own.
pub fn public(node: Arc<Node>, ops: Ops) -> Router {
    let files = assets::router(&[assets::SDK, assets::SIGNALING, assets::DIAGNOSE, assets::MANUAL, assets::QR]);
    let mut router = Router::new()
        .route("/v1/signal", any(signal::endpoint))
        .route("/v1/signal/{connection}", any(post::endpoint))
        .route("/v1/ice-servers", any(ice::endpoint))
        .route("/turn", any(turn::endpoint))
        .merge(files);
    if ops == Ops::Beside {
        router = router.merge(operator(&node));
    }
    finish(router, node)
}

/// The same with the page and the tokens of development.
pub fn development(node: Arc<Node>, ops: Ops, dev: Arc<dev::Dev>) -> Router {
    public(node, ops).merge(dev::router(dev))
}

/// The operator's endpoints alone.
pub fn admin(node: Arc<Node>) -> Router {
    finish(operator(&node).layer(from_fn(recognise)), node)
}

/// Whoever reaches the operator's own listener is no stranger: its connections, which it keeps, take no place from clients.
async fn recognise(Extension(remote): Extension<remote::Remote>, request: Request<Body>, next: Next) -> Response {
    remote.recognise();
    next.run(request).await
}

/// Where the operator's endpoints are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// Beside the clients'.
    Beside,
    /// On a listener of their own.
    Elsewhere,
}

/// The one answer to whoever speaks plain HTTP to a TLS port.
pub fn plain() -> Router {
    let router = Router::new().fallback(|| async {
        let error = WireError::with(ErrorCode::BadRequest, "This port speaks TLS: use https:// or wss://.");
        Problem::new(WireError { hint: Some("Begin the URL with https:// or wss://.".to_owned()), ..error })
    });
    // It says nothing that a page may not know, and the page has to be told.
    router.layer(cors(&Origins::Any))
}

fn operator(node: &Node) -> Router<Arc<Node>> {
    let router = Router::new()
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics));
    if node.admin_key.is_none() {
        return router;
    }
    router
        .route(revocations::PATH, any(revocations::all))
        .route(&format!("{}/{{id}}", revocations::PATH), any(revocations::one))
}

fn finish(router: Router<Arc<Node>>, node: Arc<Node>) -> Router {
    router
        .fallback(|| async { Problem::new(WireError::new(ErrorCode::NotFound)) })
        .method_not_allowed_fallback(|| async { Problem::new(WireError::new(ErrorCode::MethodNotAllowed)) })
        .layer(from_fn_with_state(Arc::clone(&node), count_refusals))
        .layer(cors(&node.origins))
        .with_state(node)
}

/// Counts what is refused before there is a connection.
async fn count_refusals(State(node): State<Arc<Node>>, request: Request<Body>, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        node.metrics.refused(*code);
    }
    response
}

/// How long a browser may remember what a page of another origin may do: each POST of an event stream would be asked for anew. Two
/// hours are the most that Chromium takes.
const PREFLIGHT: Duration = Duration::from_secs(7_200);

/// Answers for pages of other origins. Nothing rides on cookies, so any origin may ask by default.
fn cors(origins: &Origins) -> CorsLayer {
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Only(list) => AllowOrigin::list(list.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        // A page compares its clock with `Date`: only its own server's is shown to it otherwise.
        .expose_headers([header::RETRY_AFTER, header::DATE])
        .max_age(PREFLIGHT)
}
