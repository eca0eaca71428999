//! A refused request: RFC 9457 problem details with our code, sentence and hint.

use aldis_protocol::{ErrorCode, WireError};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};

/// How long a client is told to wait where it is refused for too many others, or for a drain, in milliseconds.
pub(super) const RETRY_AFTER_MS: u64 = 5_000;

/// A refusal over HTTP.
#[derive(Debug)]
pub struct Problem {
    error: WireError,
}

impl Problem {
    /// The refusal of an error.
    #[must_use]
    pub fn new(error: WireError) -> Self {
        Self { error }
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> &WireError {
        &self.error
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        Self { error }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let code = self.error.code;
        let body = serde_json::to_vec(&self.error).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(ms) = self.error.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        match code {
            ErrorCode::UpgradeInvalid => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            ErrorCode::TokenMissing | ErrorCode::TokenInvalid | ErrorCode::TokenExpired => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ErrorCode::MethodNotAllowed => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
            }
            _ => {}
        }
        response
    }
}
