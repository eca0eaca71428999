//! For development: the demo at `/`, the one without a server at `/manual`, and tokens for whoever asks from this machine.
//!
//! Handing out tokens is safe only to pages that this server gave out itself. So `/dev/token` looks at `Host`, against a page of
//! another site that made its name point to this machine, and at `Origin`, against a page of another site that simply asks.
//!
//! On a local network anybody may open the page and so get a token. A page of another site still gets none: `Host` must be this
//! machine's address, which no name points to, and `Origin` the page's own.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aldis_core::Permission;
use aldis_protocol::{ErrorCode, Identity, RoomId, WireError};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    assets::{self, Asset},
    problem::Problem,
};
use crate::{auth::NewToken, lan::Lan, node::Node};

/// The demo and the check of connections, whose files a browser gets as they are in `web/demo`, and the page without an SDK.
const PAGES: &[Asset] = &[
    Asset { path: "/", body: include_str!("../../../../web/demo/index.html") },
    Asset { path: "/check", body: include_str!("../../../../web/demo/check.html") },
    Asset { path: "/demo/chat.js", body: include_str!("../../../../web/demo/chat.js") },
    Asset { path: "/demo/check.js", body: include_str!("../../../../web/demo/check.js") },
    Asset { path: "/demo/dom.js", body: include_str!("../../../../web/demo/dom.js") },
    Asset { path: "/demo/lobby.js", body: include_str!("../../../../web/demo/lobby.js") },
    Asset { path: "/demo/carry.js", body: include_str!("../../../../web/demo/carry.js") },
    Asset { path: "/demo/introduce.js", body: include_str!("../../../../web/demo/introduce.js") },
    Asset { path: "/demo/scan.js", body: include_str!("../../../../web/demo/scan.js") },
    Asset { path: "/demo/talk.js", body: include_str!("../../../../web/demo/talk.js") },
    Asset { path: "/demo/main.js", body: include_str!("../../../../web/demo/main.js") },
    Asset { path: "/demo/marks.js", body: include_str!("../../../../web/demo/marks.js") },
    Asset { path: "/demo/media.js", body: include_str!("../../../../web/demo/media.js") },
    Asset { path: "/demo/network.js", body: include_str!("../../../../web/demo/network.js") },
    Asset { path: "/demo/notice.js", body: include_str!("../../../../web/demo/notice.js") },
    Asset { path: "/demo/screen.js", body: include_str!("../../../../web/demo/screen.js") },
    Asset { path: "/demo/stage.js", body: include_str!("../../../../web/demo/stage.js") },
    Asset { path: "/demo/status.js", body: include_str!("../../../../web/demo/status.js") },
    Asset { path: "/demo/style.css", body: include_str!("../../../../web/demo/style.css") },
    Asset { path: "/demo/timeline.js", body: include_str!("../../../../web/demo/timeline.js") },
    Asset { path: "/manual", body: include_str!("../../../../web/demo/manual.html") },
    Asset { path: "/raw", body: include_str!("../../../../examples/raw/index.html") },
];

/// How long a development token lives.
const TOKEN_TTL: Duration = Duration::from_secs(3_600);

/// What development needs.
pub struct Dev {
    /// The node.
    pub node: Arc<Node>,
    /// The port that was bound.
    pub port: u16,
    /// Who gets tokens.
    pub reach: Reach,
}

/// Who gets tokens.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Pages of this machine, over plain HTTP.
    Machine,
    /// Pages that were loaded from one of this machine's addresses, over TLS.
    Lan(Arc<Lan>),
}

/// The page and the tokens.
pub fn router(dev: Arc<Dev>) -> Router {
    // A page on another port of this machine, as of a bundler, is the developer's own.
    let local = AllowOrigin::predicate(|origin, _| origin.to_str().is_ok_and(is_local_origin));
    Router::new()
        .route("/dev/token", get(token))
        .layer(CorsLayer::new().allow_origin(local))
        .merge(assets::router(PAGES))
        .with_state(dev)
}

/// `GET /dev/token?room=&identity=`: a token that allows everything in a room.
async fn token(State(dev): State<Arc<Dev>>, request: Request) -> Response {
    match mint(&dev, &request) {
        Ok(body) => {
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(error) => Problem::new(error).into_response(),
    }
}

fn mint(dev: &Dev, request: &Request) -> Result<String, WireError> {
    let host = check_host(dev, request.headers())?;
    check_origin(dev, request.headers(), &host)?;
    let mut asked = [None, None];
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        match &*name {
            "room" => asked[0] = Some(value),
            "identity" => asked[1] = Some(value),
            _ => {}
        }
    }
    let missing = |name: &str| {
        WireError::with(
            ErrorCode::BadRequest,
            format!("The query has no `{name}`: /dev/token?room=demo&identity=alice."),
        )
    };
    let invalid = |name: &str, why: &dyn std::fmt::Display| {
        WireError::with(ErrorCode::BadRequest, format!("The query's `{name}` {why}."))
    };
    let [room, identity] = asked;
    let room = RoomId::parse(&room.ok_or_else(|| missing("room"))?).map_err(|why| invalid("room", &why))?;
    let identity =
        Identity::parse(&identity.ok_or_else(|| missing("identity"))?).map_err(|why| invalid("identity", &why))?;

    let now = dev.node.clock.unix_ms();
    let mut token = NewToken::new(identity, room, TOKEN_TTL);
    token.can = Some(Permission::ALL.to_vec());
    let minted = dev.node.tokens.mint(&token, now).map_err(|_| WireError::new(ErrorCode::Internal))?;
    let scheme = match dev.reach {
        Reach::Machine => "ws",
        Reach::Lan(_) => "wss",
    };
    let url = format!("{scheme}://{host}/v1/signal");
    Ok(json!({ "token": minted.token, "url": url, "expiresAt": minted.expires_at }).to_string())
}

/// The `Host` that a page of this server sends.
fn check_host(dev: &Dev, headers: &HeaderMap) -> Result<String, WireError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if dev.reach.is_own_host(host, dev.port) {
        return Ok(host.to_owned());
    }
    Err(forbidden(
        dev,
        match dev.reach {
            Reach::Machine => "`/dev/token` answers only to localhost, 127.0.0.1 and [::1].",
            Reach::Lan(_) => {
                "`/dev/token` answers only to localhost and the addresses that this machine had at its start."
            }
        },
    ))
}

/// The `Origin` of a page of this machine, or none at all: a program.
fn check_origin(dev: &Dev, headers: &HeaderMap, host: &str) -> Result<(), WireError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if origin.to_str().is_ok_and(|origin| dev.reach.is_own_origin(origin, host)) {
        return Ok(());
    }
    Err(forbidden(dev, "`/dev/token` gives tokens only to pages of this machine."))
}

/// `allowed_origins` has no say here, so the table's hint would mislead.
fn forbidden(dev: &Dev, message: &str) -> WireError {
    let hint = match dev.reach {
        Reach::Machine => format!(
            "Ask from a page of http://localhost:{}, or make a token with `aldis token create --dev`.",
            dev.port
        ),
        Reach::Lan(_) => {
            "Open the address that `aldis dev --lan` prints; start it again after the network has changed.".to_owned()
        }
    };
    WireError { hint: Some(hint), ..WireError::with(ErrorCode::OriginForbidden, message) }
}

fn is_local_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://");
    // `[::1]` without a port holds colons too.
    host.is_some_and(|host| is_local(host) || host.rsplit_once(':').is_some_and(|(name, _)| is_local(name)))
}

impl Reach {
    fn is_own_host(&self, host: &str, port: u16) -> bool {
        let usual = match self {
            Self::Machine => "80",
            Self::Lan(_) => "443",
        };
        // `[::1]` without a port holds colons too.
        let (name, given) = host.rsplit_once(':').filter(|_| !host.ends_with(']')).unwrap_or((host, usual));
        given.parse() == Ok(port) && (is_local(name) || self.is_own_address(name))
    }

    /// A page's own origin is that of the address it was loaded from.
    fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        match self {
            Self::Machine => is_local_origin(origin),
            Self::Lan(_) => is_local_origin(origin) || origin.strip_prefix("https://") == Some(host),
        }
    }

    fn is_own_address(&self, name: &str) -> bool {
        let Self::Lan(lan) = self else { return false };
        let addr = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(name) => name.parse().map(IpAddr::V6),
            None => name.parse().map(IpAddr::V4),
        };
        addr.is_ok_and(|addr| lan.has(addr))
    }
}

fn is_local(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_ours() {
        for host in ["localhost:7654", "127.0.0.1:7654", "[::1]:7654"] {
            assert!(Reach::Machine.is_own_host(host, 7654), "{host}");
        }
        for host in [
            "",
            "localhost",
            "localhost:80",
            "evil.example:7654",
            "localhost.evil.example:7654",
            "127.0.0.1.evil:7654",
            "10.0.0.1:7654",
        ] {
            assert!(!Reach::Machine.is_own_host(host, 7654), "{host}");
        }
        assert!(Reach::Machine.is_own_host("localhost", 80) && Reach::Machine.is_own_host("[::1]", 80));
        assert!(Reach::Machine.is_own_origin("http://localhost:5173", "localhost:7654"));
        assert!(!Reach::Machine.is_own_origin("https://localhost:7654", "localhost:7654"));
    }

    #[test]
    fn on_a_network_only_this_machines_addresses_are_ours_and_only_their_own_pages() {
        let addrs = ["192.168.1.5", "2001:db8::5"].map(|addr| addr.parse().expect("an address"));
        let lan = Reach::Lan(Arc::new(Lan::of(addrs, None)));
        for host in ["192.168.1.5:7654", "[2001:db8::5]:7654", "localhost:7654", "127.0.0.1:7654", "[::1]:7654"] {
            assert!(lan.is_own_host(host, 7654), "{host}");
            assert!(lan.is_own_origin(&format!("https://{host}"), host), "{host}");
        }
        assert!(lan.is_own_host("192.168.1.5", 443) && lan.is_own_host("[2001:db8::5]", 443));
        for host in [
            "",
            "192.168.1.5",
            "192.168.1.5:80",
            "192.168.1.6:7654",
            "2001:db8::5:7654",
            "[192.168.1.5]:7654",
            "192.168.1.5.evil.example:7654",
            "laptop.local:7654",
            "evil.example:7654",
        ] {
            assert!(!lan.is_own_host(host, 7654), "{host}");
        }
        let host = "192.168.1.5:7654";
        assert!(lan.is_own_origin("http://localhost:5173", host), "a bundler on this machine");
        for origin in [
            "null",
            "http://192.168.1.5:7654",
            "https://192.168.1.5:7655",
            "https://192.168.1.5",
            "https://192.168.1.6:7654",
            "https://localhost:7654",
            "https://evil.example",
        ] {
            assert!(!lan.is_own_origin(origin, host), "{origin}");
        }
    }
}
