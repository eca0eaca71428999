//! One request to a provider on the network.

use std::time::Duration;

use axum::{
    body::Bytes,
    http::{HeaderName, HeaderValue, Method, StatusCode},
};

use super::provider::ProviderError;
use crate::outbound::{Caps, HttpsUrl, Outbound, Question};

/// The way to a provider: who asks, and what an answer may cost.
#[derive(Clone)]
pub(super) struct Line {
    outbound: Outbound,
    caps: Caps,
}

impl Line {
    pub(super) fn new(outbound: Outbound, deadline: Duration, body_bytes: usize) -> Self {
        Self { outbound, caps: Caps { deadline, body_bytes } }
    }

    /// POSTs and reads the answer to a request that succeeded.
    pub(super) async fn post(
        &self,
        url: &HttpsUrl,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: String,
    ) -> Result<Bytes, ProviderError> {
        let question = Question { method: Method::POST, url, headers, body: body.into() };
        let answer = self.outbound.ask(question, self.caps).await?;
        match answer.status() {
            status if status.is_success() => Ok(answer.into_body()),
            StatusCode::TOO_MANY_REQUESTS => Err(ProviderError::Limited(StatusCode::TOO_MANY_REQUESTS)),
            status if status.is_client_error() => Err(ProviderError::Refused(status)),
            status => Err(ProviderError::Failed(status)),
        }
    }
}

/// A header that no log shows.
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
