//! Twilio Network Traversal Service: credentials by `Tokens.json`. It has no way to take them back.

use std::{sync::Arc, time::Duration};

use axum::http::{
    HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    answer::{Entry, OneOrMany, ice_servers},
    hosted::Line,
    provider::{Life, Minted, Minting, Order, Place, Provider, ProviderError, Revoking},
};
use crate::outbound::HttpsUrl;

/// An account at Twilio.
pub(super) struct Twilio {
    account: Arc<Account>,
    ttl: Duration,
    cuts_at_expiry: bool,
}

struct Account {
    line: Line,
    tokens: HttpsUrl,
    authorization: HeaderValue,
}

#[derive(Deserialize)]
struct Answer {
    /// Seconds, documented as a string.
    ttl: Seconds,
    ice_servers: OneOrMany<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Text(String),
    Number(u64),
}

impl Twilio {
    /// An account of the API at `base`, in the name of the account itself or of one of its keys. Nothing where they make no URL, or no
    /// header: the configuration has looked.
    pub(super) fn new(
        line: Line,
        base: &HttpsUrl,
        account_sid: &str,
        login: (&str, &str),
        ttl: Duration,
        cuts_at_expiry: bool,
    ) -> Option<Self> {
        let base = base.to_string();
        let tokens = format!("{}/2010-04-01/Accounts/{account_sid}/Tokens.json", base.trim_end_matches('/'));
        let tokens = tokens.parse().ok()?;
        let (user, secret) = login;
        let authorization =
            super::hosted::sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))))?;
        Some(Self { account: Arc::new(Account { line, tokens, authorization }), ttl, cuts_at_expiry })
    }
}

impl Provider for Twilio {
    fn place(&self) -> Place {
        Place::Elsewhere
    }

    fn mint(&self, order: &Order<'_>) -> Minting {
        let (account, ttl, cuts_at_expiry) = (Arc::clone(&self.account), self.ttl, self.cuts_at_expiry);
        let now_unix_s = order.now_unix_s;
        Minting::Underway(Box::pin(async move {
            let headers = vec![
                (AUTHORIZATION, account.authorization.clone()),
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            ];
            let body = format!("Ttl={}", ttl.as_secs());
            let answer = account.line.post(&account.tokens, headers, body).await?;
            let answer: Answer = serde_json::from_slice(&answer).map_err(|_| {
                ProviderError::Unreadable("is not JSON with `ice_servers` and `ttl`, as Twilio documents it")
            })?;
            let life = Life::new(granted(&answer.ttl, ttl)?, now_unix_s);
            let servers = ice_servers(answer.ice_servers);
            let servers = servers.ok_or(ProviderError::Unreadable("names no TURN server with a login"))?;
            Ok(Minted { servers, life: Some(life), cuts_at_expiry })
        }))
    }

    fn revoke(&self, _: &str) -> Revoking {
        Revoking::Impossible
    }
}

/// How long they are good: not longer than was asked for, whatever the answer says.
fn granted(said: &Seconds, asked: Duration) -> Result<Duration, ProviderError> {
    let seconds = match said {
        Seconds::Text(text) => text.trim().parse().ok(),
        Seconds::Number(seconds) => Some(*seconds),
    };
    let ttl = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    ttl.map(|ttl| ttl.min(asked)).ok_or(ProviderError::Unreadable("has a `ttl` that is no number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_string_of_seconds() {
        let ttl = |json: &str| {
            let said: Seconds = serde_json::from_str(json).expect(json);
            granted(&said, Duration::from_secs(3_600)).ok().map(|ttl| ttl.as_secs())
        };
        assert_eq!(
            [r#""3600""#, r#""60""#, "60", r#""86400""#].map(ttl),
            [Some(3_600), Some(60), Some(60), Some(3_600)]
        );
        assert_eq!([r#""soon""#, r#""0""#, r#""""#, "0"].map(ttl), [None; 4]);
    }
}
