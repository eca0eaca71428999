//! For the operator: is it alive, may it get clients, what has it counted.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::node::Node;

/// The process runs.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The node takes clients; if not, the body says why.
pub async fn readyz(State(node): State<Arc<Node>>) -> Response {
    if node.closing.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining: the node is shutting down\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

/// Prometheus text.
pub async fn metrics(State(node): State<Arc<Node>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], node.metrics.text()).into_response()
}
