//! Where a request says which room it is for, and with which token.

use aldis_protocol::{ErrorCode, WireError};
use axum::http::{HeaderMap, Uri, header};

use crate::ws::handshake::Offered;

/// What the query says. Our logs never hold it, and it has no `Debug`.
#[derive(Default)]
pub struct Query {
    /// `room`, decoded and otherwise as it was sent.
    pub room: Option<String>,
    /// `token`, likewise.
    pub token: Option<String>,
}

impl Query {
    /// Reads the query of a URI. What else a page keeps in its URL is its own business.
    ///
    /// # Errors
    /// `bad-request` where a parameter of ours is there twice: proxies would not agree which of the two counts.
    pub fn read(uri: &Uri) -> Result<Self, WireError> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let field = match &*name {
                "room" => &mut query.room,
                "token" => &mut query.token,
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(WireError::with(ErrorCode::BadRequest, format!("The query has `{name}` twice.")));
            }
        }
        Ok(query)
    }
}

/// Finds the token in the header, the subprotocol or the query.
///
/// # Errors
/// `bad-request` where there are two different ones, for it must be clear who asks, or a header `Authorization` that holds none.
pub fn find_token(headers: &HeaderMap, offered: &Offered<'_>, query: &Query) -> Result<Option<String>, WireError> {
    let refuse = |message: &str| Err(WireError::with(ErrorCode::BadRequest, message));
    let mut found = query.token.clone();
    let mut candidates = Vec::new();
    for value in headers.get_all(header::AUTHORIZATION) {
        let Some(bearer) = value.to_str().ok().and_then(bearer) else {
            return refuse("The `Authorization` header must be `Bearer` and a token.");
        };
        candidates.push(bearer);
    }
    candidates.extend(&offered.bearers);
    for candidate in candidates {
        match &found {
            Some(token) if token != candidate => return refuse("The request carries two different tokens."),
            Some(_) => {}
            None => found = Some(candidate.to_owned()),
        }
    }
    Ok(found)
}

/// The token behind `Bearer` in an `Authorization` header.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::ws::handshake;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_token_may_come_three_ways_but_only_one_may_come() {
        let query = |token: Option<&str>| Query { room: None, token: token.map(str::to_owned) };
        let found = |pairs: &[(&'static str, &'static str)], in_query| {
            let headers = headers(pairs);
            find_token(&headers, &handshake::offered(&headers), &query(in_query)).map_err(|error| error.code)
        };
        let protocol = ("sec-websocket-protocol", "aldis.v1, aldis.bearer.a.b.c");
        assert_eq!(found(&[], None), Ok(None));
        assert_eq!(found(&[], Some("a.b.c")), Ok(Some("a.b.c".to_owned())));
        assert_eq!(found(&[protocol], None), Ok(Some("a.b.c".to_owned())));
        assert_eq!(found(&[("authorization", "bearer a.b.c")], None), Ok(Some("a.b.c".to_owned())));
        assert_eq!(found(&[("authorization", "Bearer a.b.c"), protocol], Some("a.b.c")), Ok(Some("a.b.c".to_owned())));
        assert_eq!(found(&[("authorization", "Bearer x.y.z"), protocol], None), Err(ErrorCode::BadRequest));
        assert_eq!(found(&[protocol], Some("x.y.z")), Err(ErrorCode::BadRequest));
        assert_eq!(found(&[("authorization", "Basic YTpi")], None), Err(ErrorCode::BadRequest));
    }

    #[test]
    fn a_doubled_parameter_is_refused_and_an_unknown_one_is_not() {
        let read = |uri: &str| {
            Query::read(&uri.parse().expect("a URI")).map(|query| query.room).map_err(|error| error.message)
        };
        assert_eq!(read("/v1/signal?room=a%3Ab&x=1"), Ok(Some("a:b".to_owned())));
        assert_eq!(read("/v1/signal?room=a&room=b"), Err("The query has `room` twice.".to_owned()));
        assert_eq!(read("/v1/signal?token=a&token=a"), Err("The query has `token` twice.".to_owned()));
    }
}
