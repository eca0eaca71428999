//! The opening handshake, RFC 6455 section 4.2: what a request must hold, and what answers it.

use aldis_protocol::{BEARER_PREFIX, ErrorCode, SUBPROTOCOL, WireError};
use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderName, Method, Version, header};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A valid request for a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
}

/// Whether a request asks for a WebSocket at all; if not, it is a probe.
#[must_use]
pub fn is_requested(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// Checks the request.
///
/// # Errors
/// `upgrade-invalid`, with a sentence that names the header.
pub fn open(method: &Method, version: Version, headers: &HeaderMap) -> Result<Opening, WireError> {
    let refuse = |message: &str| Err(WireError::with(ErrorCode::UpgradeInvalid, message));
    if method != Method::GET || version != Version::HTTP_11 {
        return refuse("A WebSocket opens with GET over HTTP/1.1.");
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return refuse("The `Connection` header must hold `Upgrade`.");
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return refuse("The `Sec-WebSocket-Version` header must be 13.");
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return refuse("The `Sec-WebSocket-Key` header must come once.");
    };
    if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16) {
        return refuse("The `Sec-WebSocket-Key` header must be the Base64 of 16 bytes.");
    }
    Ok(Opening { accept: accept(key.as_bytes()) })
}

/// What a client offered as subprotocols.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Offered<'a> {
    /// Whether `aldis.v1` is among them.
    pub v1: bool,
    /// The tokens of `aldis.bearer.<jwt>` entries.
    pub bearers: Vec<&'a str>,
}

/// Reads `Sec-WebSocket-Protocol`.
#[must_use]
pub fn offered(headers: &HeaderMap) -> Offered<'_> {
    let mut offered = Offered::default();
    for entry in entries(headers, &header::SEC_WEBSOCKET_PROTOCOL) {
        if entry == SUBPROTOCOL {
            offered.v1 = true;
        } else if let Some(token) = entry.strip_prefix(BEARER_PREFIX) {
            offered.bearers.push(token);
        }
    }
    offered
}

fn accept(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    STANDARD.encode(context.finish())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    entries(headers, name).any(|entry| entry.eq_ignore_ascii_case(token))
}

/// The comma-separated entries of a header that may come several times.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_example_of_the_rfc_is_answered_as_the_rfc_says() {
        let opening = open(&Method::GET, Version::HTTP_11, &request(&GOOD)).expect("valid");
        assert_eq!(opening.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_requested(&request(&GOOD)));
    }

    #[test]
    fn a_bad_request_names_the_header() {
        let with = |at: usize, name, value| {
            let mut pairs = GOOD;
            pairs[at] = (name, value);
            open(&Method::GET, Version::HTTP_11, &request(&pairs)).expect_err("invalid").message
        };
        assert!(with(0, "connection", "close").contains("`Connection`"));
        assert!(with(2, "sec-websocket-version", "8").contains("`Sec-WebSocket-Version`"));
        assert!(with(3, "sec-websocket-key", "short").contains("`Sec-WebSocket-Key`"));
        assert!(with(3, "x-other", "1").contains("once"));
        assert!(open(&Method::POST, Version::HTTP_11, &request(&GOOD)).is_err());
        assert!(open(&Method::GET, Version::HTTP_10, &request(&GOOD)).is_err());
    }

    #[test]
    fn subprotocols_are_read_from_one_header_or_several() {
        let headers =
            request(&[("sec-websocket-protocol", "chat, aldis.v1"), ("sec-websocket-protocol", "aldis.bearer.a.b.c")]);
        assert_eq!(offered(&headers), Offered { v1: true, bearers: vec!["a.b.c"] });
    }
}
