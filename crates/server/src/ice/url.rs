//! Which ICE URLs are accepted: RFC 7064 and RFC 7065, checked here because a browser that meets a bad one refuses the whole
//! `RTCConfiguration`.

use std::net::Ipv6Addr;

use thiserror::Error;

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceUrlKind {
    /// `stun:` and `stuns:`.
    Stun,
    /// `turn:` and `turns:`.
    Turn,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IceUrlError {
    /// A STUN URL begins otherwise.
    #[error("must begin with stun: or stuns:")]
    NotStun,
    /// A TURN URL begins otherwise.
    #[error("must begin with turn: or turns:")]
    NotTurn,
    /// There is no host, or it is none.
    #[error("must name a host: example.org, 192.0.2.1 or [2001:db8::1], without // before it")]
    Host,
    /// The port is none.
    #[error("must have a port from 1 to 65535 behind the colon")]
    Port,
    /// There is a query that browsers refuse.
    #[error("may end only in ?transport=udp or ?transport=tcp, and only for TURN")]
    Query,
}

/// Checks a URL.
///
/// # Errors
/// Says what it must be.
pub fn check(kind: IceUrlKind, url: &str) -> Result<(), IceUrlError> {
    let (schemes, wrong_scheme) = match kind {
        IceUrlKind::Stun => (["stun", "stuns"], IceUrlError::NotStun),
        IceUrlKind::Turn => (["turn", "turns"], IceUrlError::NotTurn),
    };
    let (scheme, rest) = url.split_once(':').ok_or(wrong_scheme)?;
    if !schemes.contains(&scheme) {
        return Err(wrong_scheme);
    }
    let (address, query) = match rest.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (rest, None),
    };
    match (kind, query) {
        (_, None) | (IceUrlKind::Turn, Some("transport=udp" | "transport=tcp")) => {}
        (IceUrlKind::Stun | IceUrlKind::Turn, Some(_)) => return Err(IceUrlError::Query),
    }
    let (host, port) = split_port(address)?;
    check_host(host)?;
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(Ok(0) | Err(_)) => Err(IceUrlError::Port),
    }
}

fn split_port(address: &str) -> Result<(&str, Option<&str>), IceUrlError> {
    let after_host = match address.strip_prefix('[') {
        Some(v6) => v6.find(']').ok_or(IceUrlError::Host)? + 2,
        None => address.find(':').unwrap_or(address.len()),
    };
    let (host, rest) = address.split_at_checked(after_host).ok_or(IceUrlError::Host)?;
    match rest {
        "" => Ok((host, None)),
        _ => rest.strip_prefix(':').map(|port| (host, Some(port))).ok_or(IceUrlError::Host),
    }
}

fn check_host(host: &str) -> Result<(), IceUrlError> {
    let good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.split('.').all(|label| !label.is_empty())
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if good { Ok(()) } else { Err(IceUrlError::Host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use IceUrlError::{Host, NotStun, NotTurn, Port, Query};
        use IceUrlKind::{Stun, Turn};
        let cases = [
            (Stun, "stun:stun.example.org", Ok(())),
            (Stun, "stun:stun.example.org:19302", Ok(())),
            (Stun, "stuns:192.0.2.1:5349", Ok(())),
            (Stun, "stun:[2001:db8::1]", Ok(())),
            (Turn, "turn:localhost:3478?transport=udp", Ok(())),
            (Turn, "turns:turn.example.org:443?transport=tcp", Ok(())),
            (Turn, "turn:[::1]:3478", Ok(())),
            (Stun, "stun.example.org", Err(NotStun)),
            (Stun, "", Err(NotStun)),
            (Stun, "turn:turn.example.org", Err(NotStun)),
            (Turn, "stun:stun.example.org", Err(NotTurn)),
            (Turn, "https://turn.example.org", Err(NotTurn)),
            (Turn, "turn:", Err(Host)),
            (Turn, "turn://turn.example.org", Err(Host)),
            (Turn, "turn:user@turn.example.org", Err(Host)),
            (Turn, "turn:turn..example.org", Err(Host)),
            (Turn, "turn:[::1", Err(Host)),
            (Turn, "turn:[::1]3478", Err(Host)),
            (Turn, "turn:[nonsense]", Err(Host)),
            (Turn, "turn: turn.example.org", Err(Host)),
            (Turn, "turn:turn.example.org:", Err(Port)),
            (Turn, "turn:turn.example.org:0", Err(Port)),
            (Turn, "turn:turn.example.org:65536", Err(Port)),
            (Turn, "turn:turn.example.org?transport=sctp", Err(Query)),
            (Turn, "turn:turn.example.org?", Err(Query)),
            (Stun, "stun:stun.example.org?transport=udp", Err(Query)),
        ];
        for (kind, url, expected) in cases {
            assert_eq!(check(kind, url), expected, "{url}");
        }
    }
}
