//! Which broker: `memory`, `redis://`, `rediss://`, `redis+sentinel://`, `nats://` or `tls://`.
//!
//! ```text
//! memory
//! redis://:secret@10.0.0.5:6379,10.0.0.6            one that is a primary
//! rediss://aldis:secret@redis.example.org           the same over TLS
//! redis+sentinel://s1,s2,s3:26379/mymaster          the primary that the sentinels name
//! nats://n1,n2,n3       tls://token@nats.example.org
//! ```
//!
//! Servers stand in one address, by comma, behind the one login they share; the scheme may be repeated with each of them. What is
//! special in an address is percent-encoded in a login. A Redis database number may follow and means nothing: publish and subscribe
//! know no databases.

use std::fmt;

use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::Unsupported;
use crate::config::Secret;

/// A parsed address. Neither `Debug` nor `Display` shows its login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The inside of this process.
    Memory,
    /// Redis or Valkey.
    Redis(Servers),
    /// Redis or Valkey behind sentinels.
    Sentinel {
        /// The sentinels, with the login for the primary, and for those sentinels that ask for one.
        sentinels: Servers,
        /// What the sentinels call the primary.
        service: String,
    },
    /// NATS.
    Nats(Servers),
}

/// Servers that stand for each other, with what it takes to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// Where they are; at least one.
    pub seeds: Vec<Seed>,
    /// Who to be there.
    pub login: Option<Login>,
    /// What the bytes go over.
    pub transport: Transport,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user, where it is not the default one.
    pub user: Option<String>,
    /// The password; at NATS and without a user, the token.
    pub password: Secret,
}

/// What bytes go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Plain,
    /// TLS with the certificates that this system trusts.
    Tls,
}

/// Why a text is no address. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No scheme of a broker.
    #[error("expected memory, redis://, rediss://, redis+sentinel://, nats:// or tls://")]
    Scheme,
    /// No servers, or one of them is no `host` or `host:port`.
    #[error("expected host or host:port, several by comma, behind the scheme and at most one login")]
    Server,
    /// The login is no `user:password@` in percent-encoding.
    #[error("expected user:password@ in percent-encoding before the servers")]
    Login,
    /// What follows the servers is not what belongs there.
    #[error("expected nothing behind the servers, or a database number of Redis")]
    Path,
    /// Sentinels are of no use without it.
    #[error("expected the name of the primary, as in redis+sentinel://host/mymaster")]
    Service,
}

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (transport, port) = match scheme {
            "redis" => (Transport::Plain, 6379),
            "rediss" => (Transport::Tls, 6379),
            "redis+sentinel" => (Transport::Plain, 26379),
            "nats" => (Transport::Plain, 4222),
            "tls" => (Transport::Tls, 4222),
            _ => return Err(AddressError::Scheme),
        };
        let rest = rest.replace(&format!(",{scheme}://"), ",");
        let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
        let (login, seeds) = match authority.rsplit_once('@') {
            Some((login, seeds)) => (Some(Login::parse(login)?), seeds),
            None => (None, authority),
        };
        let seeds = seeds.split(',').map(|seed| Seed::parse(seed, port)).collect::<Result<_, _>>()?;
        let servers = Servers { seeds, login, transport };
        let is_database = |path: &str| path.bytes().all(|byte| byte.is_ascii_digit());
        match scheme {
            "redis" | "rediss" if is_database(path) => Ok(Self::Redis(servers)),
            "redis+sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                match service {
                    "" => Err(AddressError::Service),
                    _ if !is_database(database) => Err(AddressError::Path),
                    service => Ok(Self::Sentinel { sentinels: servers, service: service.to_owned() }),
                }
            }
            "nats" | "tls" if path.is_empty() => Ok(Self::Nats(servers)),
            _ => Err(AddressError::Path),
        }
    }
}

impl Login {
    /// `user:password`, `:password`, or a token alone.
    fn parse(text: &str) -> Result<Self, AddressError> {
        let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => Ok(text.into_owned()),
            _ => Err(AddressError::Login),
        };
        if text.contains(['@', ',']) {
            return Err(AddressError::Login);
        }
        match text.split_once(':') {
            None | Some(("", _)) => {
                let password = decode(text.trim_start_matches(':'))?;
                Ok(Self { user: None, password: Secret::new(password) })
            }
            Some((user, password)) => Ok(Self { user: Some(decode(user)?), password: Secret::new(decode(password)?) }),
        }
    }
}

impl Seed {
    fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(AddressError::Server)?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(AddressError::Server)?) })
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_host = match text.starts_with('[') {
            true => host.parse::<std::net::Ipv6Addr>().is_ok(),
            false => !host.is_empty() && host.bytes().all(is_name),
        };
        if !is_host {
            return Err(AddressError::Server);
        }
        let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| AddressError::Server))?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Address {
    /// Whether this binary has what it takes to be there.
    ///
    /// # Errors
    /// The broker's feature is off.
    pub fn supported(&self) -> Result<(), Unsupported> {
        match self {
            Self::Redis(_) | Self::Sentinel { .. } if !cfg!(feature = "redis") => Err(Unsupported("redis")),
            Self::Nats(_) if !cfg!(feature = "nats") => Err(Unsupported("nats")),
            Self::Memory | Self::Redis(_) | Self::Sentinel { .. } | Self::Nats(_) => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = |servers: &Servers| servers.transport == Transport::Tls;
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(servers) => write!(f, "{}://{servers}", if tls(servers) { "rediss" } else { "redis" }),
            Self::Sentinel { sentinels, service } => write!(f, "redis+sentinel://{sentinels}/{service}"),
            Self::Nats(servers) => write!(f, "{}://{servers}", if tls(servers) { "tls" } else { "nats" }),
        }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, seed) in self.seeds.iter().enumerate() {
            write!(f, "{}{seed}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let cases = [
            ("memory", "memory"),
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://localhost:1/0", "redis://localhost:1"),
            ("rediss://a,b:2,[::1],[::1]:3", "rediss://a:6379,b:2,[::1]:6379,[::1]:3"),
            ("redis+sentinel://s1,s2:5/mymaster/0", "redis+sentinel://s1:26379,s2:5/mymaster"),
            ("nats://n1,nats://n2:5", "nats://n1:4222,n2:5"),
            ("tls://n1", "tls://n1:4222"),
        ];
        for (text, shown) in cases {
            assert_eq!(parse(text).to_string(), shown);
        }
    }

    #[test]
    fn a_login_is_decoded_and_never_shown() {
        let login = |user: Option<&str>, password: &str| {
            Some(Login { user: user.map(str::to_owned), password: Secret::new(password) })
        };
        let cases = [
            ("nats://canary@host", login(None, "canary")),
            ("redis://:c%40nary%2C%2F@a,b", login(None, "c@nary,/")),
            ("redis://ann:canary@a,b/3", login(Some("ann"), "canary")),
            ("redis://a", None),
        ];
        for (text, expected) in cases {
            let address = parse(text);
            let (Address::Redis(servers) | Address::Nats(servers)) = &address else { panic!("{address}") };
            assert_eq!(servers.login, expected, "{text}");
            let shown = format!("{address} {address:?}");
            assert!(!shown.contains("nary"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        use AddressError::{Login, Path, Scheme, Server, Service};
        let cases = [
            ("", Scheme),
            ("redis", Scheme),
            ("http://canary@host", Scheme),
            ("redis://", Server),
            ("redis://a,", Server),
            ("redis://a:x", Server),
            ("redis://a:65536", Server),
            ("redis://[canary]", Server),
            ("redis://[::1", Server),
            ("redis://can ary", Server),
            ("redis://a:p@b,redis://c:canary@d", Login),
            ("redis://@a", Login),
            ("redis://ann:%ff@a", Login),
            ("redis://a/canary", Path),
            ("nats://a/1", Path),
            ("redis+sentinel://a", Service),
            ("redis+sentinel://a/m/canary", Path),
        ];
        for (text, expected) in cases {
            let error = Address::parse(text).expect_err(text);
            assert!(!error.to_string().contains("canary"), "{error}");
            assert_eq!(error, expected, "{text}");
        }
    }
}
