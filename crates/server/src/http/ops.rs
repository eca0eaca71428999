//! For the operator: is it alive, may it get clients, what has it counted.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{backplane::Health, cluster::Membership, config::Need, node::Node};

/// The process runs.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The node takes clients; if not, the body says why.
///
/// Without its backplane it still serves those it has and takes more, and its body says so: all nodes lose a broker at once, and a load
/// balancer with no node left is worse than rooms that are apart for a while. `require_backplane` turns that round.
pub async fn readyz(State(node): State<Arc<Node>>) -> Response {
    if node.closing.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining: the node is shutting down\n").into_response();
    }
    if !node.driver.revoker().is_settled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting: the revocations of the other nodes are being copied\n")
            .into_response();
    }
    match node.membership.as_ref().map(Membership::health) {
        None | Some(Health::Up) => "ok\n".into_response(),
        Some(Health::Degraded(cause)) => {
            let status = match node.need {
                Need::Wanted => StatusCode::OK,
                Need::Required => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, format!("degraded: the backplane is {cause}\n")).into_response()
        }
    }
}

/// Prometheus text.
pub async fn metrics(State(node): State<Arc<Node>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], node.figures()).into_response()
}
