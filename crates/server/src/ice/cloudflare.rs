//! Cloudflare Realtime TURN: credentials by `generate-ice-servers`, taken back by `revoke`.
//!
//! The answer does not say how long they are good: as long as was asked for, counted from when it was asked. Cloudflare ends relays in
//! use soon after that.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{
        HeaderName, HeaderValue,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{
    answer::{Entry, OneOrMany, ice_servers},
    hosted::Line,
    provider::{Life, Minted, Minting, Order, Place, Provider, ProviderError, Revoking},
};
use crate::outbound::HttpsUrl;

/// A TURN key of Cloudflare.
pub(super) struct Cloudflare {
    key: Arc<Key>,
    ttl: Duration,
    cuts_at_expiry: bool,
}

struct Key {
    line: Line,
    /// `https://rtc.live.cloudflare.com/v1/turn/keys/{key}/credentials`.
    credentials: String,
    generate: HttpsUrl,
    authorization: HeaderValue,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "iceServers")]
    ice_servers: OneOrMany<Entry>,
}

impl Cloudflare {
    /// A key of the API at `base`. Nothing where the two make no URL, or the token no header: the configuration has looked.
    pub(super) fn new(
        line: Line,
        base: &HttpsUrl,
        key_id: &str,
        api_token: &str,
        ttl: Duration,
        cuts_at_expiry: bool,
    ) -> Option<Self> {
        let base = base.to_string();
        let credentials = format!("{}/v1/turn/keys/{key_id}/credentials", base.trim_end_matches('/'));
        let generate = format!("{credentials}/generate-ice-servers").parse().ok()?;
        let authorization = super::hosted::sensitive(&format!("Bearer {api_token}"))?;
        Some(Self { key: Arc::new(Key { line, credentials, generate, authorization }), ttl, cuts_at_expiry })
    }
}

impl Key {
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        vec![(AUTHORIZATION, self.authorization.clone()), (CONTENT_TYPE, HeaderValue::from_static("application/json"))]
    }
}

impl Provider for Cloudflare {
    fn place(&self) -> Place {
        Place::Elsewhere
    }

    fn mint(&self, order: &Order<'_>) -> Minting {
        let (key, ttl, cuts_at_expiry) = (Arc::clone(&self.key), self.ttl, self.cuts_at_expiry);
        let life = Life::new(ttl, order.now_unix_s);
        Minting::Underway(Box::pin(async move {
            let body = format!(r#"{{"ttl":{}}}"#, ttl.as_secs());
            let answer = key.line.post(&key.generate, key.headers(), body).await?;
            Ok(Minted { servers: read(&answer)?, life: Some(life), cuts_at_expiry })
        }))
    }

    fn revoke(&self, username: &str) -> Revoking {
        let key = Arc::clone(&self.key);
        let url = format!("{}/{}/revoke", key.credentials, utf8_percent_encode(username, NON_ALPHANUMERIC));
        Revoking::Underway(Box::pin(async move {
            let url = url.parse().map_err(|_| ProviderError::Unreadable("had a username that is none"))?;
            key.line.post(&url, key.headers(), String::new()).await.map(drop)
        }))
    }
}

fn read(answer: &Bytes) -> Result<Vec<aldis_protocol::IceServer>, ProviderError> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| ProviderError::Unreadable("is not JSON with `iceServers`, as Cloudflare documents it"))?;
    ice_servers(answer.ice_servers).ok_or(ProviderError::Unreadable("names no TURN server with a login"))
}
