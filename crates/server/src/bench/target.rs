//! The server under test: where it is, how to get in, and how to read what it costs.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aldis_client::{Connection, Dialect, Options, Token, Trust};
use anyhow::Context as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio::runtime::{Builder, Runtime};

use super::{
    events::{EventPeer, Origin},
    peer::Peer,
    process::Usage,
};

/// Longer than any run.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// How long one join may take while thousands of others happen.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What every load needs to know.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The server, e.g. http://127.0.0.1:7654 or https://signal.example.org. Given more than once, the nodes of one deployment: the two of
    /// a pair join different ones.
    #[arg(long, required = true)]
    url: Vec<String>,
    /// A PEM file of certificates that a TLS server may show besides those that the system trusts.
    #[arg(long, value_name = "FILE", value_parser = trust)]
    ca: Option<Trust>,
    /// Take any certificate of a TLS server.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// A key of the server as KID:SECRET, to mint tokens with; without it the clients send none.
    #[arg(long, value_name = "KID:SECRET")]
    key: Option<Key>,
    /// The server's process id, to read its CPU time and memory; of several nodes each, which are added up.
    #[arg(long)]
    pid: Vec<u32>,
    /// Which kind of clients join.
    #[arg(long, value_enum, default_value = "raw")]
    dialect: Kind,
    /// How they connect. An event stream is opened with an `aldis.v1` `hello` and the token in a header, without TLS.
    #[arg(long, value_enum, default_value = "websocket")]
    transport: Transport,
    /// Threads of the load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Print the report as one line of JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which kind of clients join.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Plain WebSocket, the token in a header.
    Raw,
    /// `aldis.v1`, the token as a subprotocol.
    V1,
}

/// How they connect.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Transport {
    /// As most clients do.
    Websocket,
    /// Event stream and POST.
    Sse,
}

/// An HS256 key of the server.
#[derive(Clone)]
struct Key {
    kid: String,
    secret: EncodingKey,
}

impl Target {
    /// Connects one client as `identity` to `room`; whoever has another number `at` joins at another node, if there are several.
    pub(super) async fn join(&self, at: usize, room: &str, identity: &str) -> anyhow::Result<Peer> {
        let url = &self.url[at % self.url.len()];
        let token = self.key.as_ref().map(|key| key.mint(room, identity)).transpose()?;
        let refused = || format!("{identity} cannot join {room}");
        match self.transport {
            Transport::Websocket => {
                let connection = Connection::connect(self.options(url, room, token)).await.with_context(refused)?;
                Ok(Peer::Socket(Box::new(connection)))
            }
            Transport::Sse => {
                let peer = EventPeer::join(Origin::parse(url)?, room, token, JOIN_TIMEOUT);
                Ok(Peer::Events(Box::new(peer.await.with_context(refused)?)))
            }
        }
    }

    fn options(&self, url: &str, room: &str, token: Option<String>) -> Options {
        let (dialect, token) = match self.dialect {
            Kind::Raw => (Dialect::Raw, token.map(Token::Header)),
            Kind::V1 => (Dialect::default(), token.map(Token::Subprotocol)),
        };
        let mut options = Options::new(url).room(room).dialect(dialect);
        options.token = token;
        options.trust = if self.insecure { Some(Trust::anybody()) } else { self.ca.clone() };
        options.timeout = JOIN_TIMEOUT;
        options
    }

    /// Whether the two of a pair join different nodes.
    pub(super) fn has_nodes(&self) -> bool {
        self.url.len() > 1
    }

    /// What the server has used, if it is known which processes it is.
    pub(super) fn usage(&self) -> anyhow::Result<Option<Usage>> {
        let each = self.pid.iter().map(|&pid| Usage::of(pid)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(each.into_iter().reduce(|sum, one| sum + one))
    }

    /// The runtime of the load.
    pub(super) fn runtime(&self) -> std::io::Result<Runtime> {
        match self.threads {
            1 => Builder::new_current_thread().enable_all().build(),
            threads => Builder::new_multi_thread().worker_threads(threads.into()).enable_all().build(),
        }
    }
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    sub: &'a str,
    room: &'a str,
    exp: u64,
}

impl Key {
    fn mint(&self, room: &str, identity: &str) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.kid.clone());
        let claims = Claims { sub: identity, room, exp: (now + TOKEN_LIFE).as_secs() };
        jsonwebtoken::encode(&header, &claims, &self.secret).context("cannot sign a token")
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((kid, secret)) if !kid.is_empty() && secret.len() >= 32 => {
                Ok(Self { kid: kid.to_owned(), secret: EncodingKey::from_secret(secret.as_bytes()) })
            }
            _ => Err("must be KID:SECRET, the secret of at least 32 bytes".to_owned()),
        }
    }
}

impl std::fmt::Debug for Key {
    /// Never prints the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn trust(path: &str) -> Result<Trust, String> {
    Trust::file(path.as_ref()).map_err(|error| error.to_string())
}

/// Reads `3s`, `500ms` or plain seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map(|number| number * scale);
    seconds
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "must be like `3s` or `500ms`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("3s", Some(3000)),
            ("500ms", Some(500)),
            ("2", Some(2000)),
            ("0.5s", Some(500)),
            ("-1s", None),
            ("x", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn keys() {
        let secret = "s".repeat(32);
        assert!(format!("bench:{secret}").parse::<Key>().is_ok());
        for bad in [String::new(), secret.clone(), format!(":{secret}"), "bench:short".to_owned()] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
        let key: Key = format!("bench:{secret}").parse().expect("a key");
        assert!(!format!("{key:?}").contains(&secret));
        assert_eq!(key.mint("room", "ann").expect("signs").split('.').count(), 3);
    }
}
