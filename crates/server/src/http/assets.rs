//! Files that are part of the binary, so that the server and what it gives out are always of one version.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A file, and the path it is given out at.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The path.
    pub path: &'static str,
    /// The content.
    pub body: &'static str,
}

/// The client for browsers, in one file. It is built from `sdk/`, and checked in.
pub const SDK: Asset = Asset { path: "/sdk.js", body: include_str!("../../assets/sdk.js") };

/// The part of it without calls, for workers and pages that make their connections themselves.
pub const SIGNALING: Asset = Asset { path: "/signaling.js", body: include_str!("../../assets/signaling.js") };

/// What finds out why a call does not come about: apart from the client, because a page loads it only then.
pub const DIAGNOSE: Asset = Asset { path: "/diagnose.js", body: include_str!("../../assets/diagnose.js") };

/// The part of it that introduces two browsers without a server.
pub const MANUAL: Asset = Asset { path: "/manual.js", body: include_str!("../../assets/manual.js") };

/// The QR codes for that.
pub const QR: Asset = Asset { path: "/qr.js", body: include_str!("../../assets/qr.js") };

impl Asset {
    fn content_type(self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        }
    }

    /// Names the content: a browser asks whether it has changed, and is told no in a few bytes.
    fn etag(self) -> String {
        format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, self.body.as_bytes())))
    }

    fn answer(self, etag: &str, asked: &HeaderMap) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|names| is_named(etag, names));
        let headers = [
            (header::CONTENT_TYPE, self.content_type()),
            (header::CACHE_CONTROL, "no-cache"),
            (header::ETAG, etag),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        if known { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, self.body).into_response() }
    }
}

/// Routes that give out `assets`.
pub fn router<S: Clone + Send + Sync + 'static>(assets: &[Asset]) -> Router<S> {
    assets.iter().copied().fold(Router::new(), |router, asset| {
        let etag: Arc<str> = asset.etag().into();
        router.route(asset.path, get(async move |asked: HeaderMap| asset.answer(&etag, &asked)))
    })
}

/// Whether a client has the content, RFC 9110 section 13.1.2. A proxy that compresses weakens the name.
fn is_named(etag: &str, names: &HeaderValue) -> bool {
    let names = names.to_str().unwrap_or_default().split(',').map(str::trim);
    names.map(|name| name.strip_prefix("W/").unwrap_or(name)).any(|name| name == etag || name == "*")
}
