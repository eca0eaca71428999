//! The configuration: one tree from defaults, file, environment and flags, in that order, the later the stronger.
//!
//! ```text
//!  flags, ALDIS_*, TOML ─► layers (who says what) ─► sections (what it means) ─► Config, or every mistake at once
//! ```
//!
//! `layers` finds each key's value and where it came from without judging it; the sections then read them one by one and collect
//! what is wrong, so that one run names every mistake with its key and its source. Secrets come from the environment or the file,
//! never from a flag, and are never printed. An empty variable counts as unset.
//!
//! | module | holds |
//! |---|---|
//! | `layers`, `document`, `raw` | the tree as `conf` fills it, the TOML file, a value that nobody has judged yet |
//! | [`mistake`] | [`ConfigError`]: every mistake, with key and source |
//! | `reader` | what the sections read with, and what `aldis config show` prints |
//! | [`auth`], [`backplane`], [`ice`], [`limits`], [`listen`], [`log`], [`origins`], [`outbound`], [`proxies`], [`tls`], [`turn`] | a section each |
//! | `provider` | a table of `turn.providers` |
//! | [`secret`] | [`Secret`] |

use std::{ffi::OsString, path::PathBuf};

use aldis_protocol::Limits;

pub mod auth;
pub mod backplane;
mod document;
pub mod ice;
pub mod layers;
pub mod limits;
pub mod listen;
pub mod log;
pub mod mistake;
pub mod origins;
pub mod outbound;
mod provider;
pub mod proxies;
mod raw;
mod reader;
pub mod secret;
mod suggest;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod turn;

pub use auth::AuthConfig;
pub use backplane::{BackplaneConfig, DegradedJoins, Need};
pub use ice::IceConfig;
pub use layers::Flags;
pub use listen::ListenAddr;
pub use log::{LogConfig, LogFormat};
pub use mistake::{ConfigError, Mistake, Source};
pub use origins::Origins;
pub use proxies::{ProxyProtocol, TrustedProxies};
pub use reader::Row;
pub use secret::{MIN_SECRET_BYTES, Secret};
pub use turn::{ProviderConfig, ProviderKind};

use layers::Layers;
use reader::Reader;

use crate::{outbound::OutboundConfig, tls::TlsFiles};

/// Default of `drain_window_ms`: Kubernetes kills a process 30 s after it asked it to stop.
const DRAIN_WINDOW_MS: u64 = 25_000;

/// Longest drain window: a day.
const MAX_DRAIN_WINDOW_MS: u64 = 86_400_000;

/// What the configuration is for: what has to be there, and what must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `aldis serve`: keys are needed.
    Serve,
    /// `aldis dev`: the public development key, loopback only, no configuration file.
    Dev,
    /// `aldis dev --lan`: a random key, every address, no configuration file.
    Lan,
    /// A tool: only what is there has to be right.
    Tool,
}

/// Everything the server can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `listen`: where clients connect.
    pub listen: ListenAddr,
    /// `ports_file`: where to write the addresses that were bound, as JSON.
    pub ports_file: Option<PathBuf>,
    /// `admin`: where `/livez`, `/readyz` and `/metrics` are, if not beside the rest.
    pub admin: Option<ListenAddr>,
    /// `trusted_proxies`: whose word on where a client comes from is taken.
    pub trusted_proxies: TrustedProxies,
    /// `proxy_protocol`: whether these begin each connection to `listen` with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// `[tls]`: the certificate; plain HTTP where there is none.
    pub tls: Option<TlsFiles>,
    /// `[outbound]`: whom this server's own requests may reach.
    pub outbound: OutboundConfig,
    /// `[auth]`: who may come in.
    pub auth: AuthConfig,
    /// `cluster_secret`: what the keys of resume tokens, TURN pseudonyms and frames between nodes are derived from; random at each
    /// start where there is none.
    pub cluster_secret: Option<Secret>,
    /// `accepted_cluster_secrets`: others, whose signatures count too while the secret changes.
    pub accepted_cluster_secrets: Vec<Secret>,
    /// `admin_key`: what the operator's own programs show to revoke tokens; nobody can where there is none.
    pub admin_key: Option<Secret>,
    /// `revocations_file`: where revoked tokens are kept over a restart of all nodes; nowhere else where there is none.
    pub revocations_file: Option<PathBuf>,
    /// `backplane`, `backplane_prefix`, `require_backplane` and `refuse_degraded_joins`: what there is between nodes.
    pub backplane: BackplaneConfig,
    /// `[stun]` and `[turn]`: the ICE servers.
    pub ice: IceConfig,
    /// `allowed_origins`: whose pages may connect.
    pub origins: Origins,
    /// `[limits]`.
    pub limits: Limits,
    /// `drain_window_ms`: over how long the clients of a stopping server are sent elsewhere, in milliseconds.
    pub drain_window_ms: u64,
    /// `[log]`.
    pub log: LogConfig,
}

/// A configuration and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it comes to.
    pub config: Config,
    /// Every key, in the order of the sections.
    pub rows: Vec<Row>,
    /// The files that it was read from: the configuration file, and those that it names and that may change while a server runs.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Reads the configuration of `aldis serve`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(flags: &Flags, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        Ok(Loaded::load(flags, env, Purpose::Serve)?.config)
    }

    /// Reads the configuration of `aldis dev`: on loopback, at `localhost:7654` unless told otherwise, with the public development
    /// key. The environment still counts, except for keys, certificates and the configuration file.
    ///
    /// # Errors
    /// Every mistake in it; an address that is not loopback is one.
    pub fn dev(flags: &Flags, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        Ok(Loaded::load(flags, env, Purpose::Dev)?.config)
    }

    /// Reads the configuration of `aldis dev --lan`: as [`dev`](Self::dev), but on every address, at port 7654 unless told otherwise,
    /// and with a random key.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn lan(flags: &Flags, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        Ok(Loaded::load(flags, env, Purpose::Lan)?.config)
    }
}

impl Loaded {
    /// Reads a configuration for some purpose.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(
        flags: &Flags,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        purpose: Purpose,
    ) -> Result<Self, ConfigError> {
        let Layers { tree, sources, mistakes, file: files } = Layers::gather(flags, env, purpose);
        let mut reader = Reader::new(sources, mistakes);

        let listen = listen::read(&mut reader, tree.listen, purpose);
        let ports_file = reader.text("ports_file", tree.ports_file).map(PathBuf::from);
        let admin = listen::read_admin(&mut reader, tree.admin, purpose);
        let trusted_proxies = proxies::read(&mut reader, tree.trusted_proxies);
        let proxy_protocol = proxies::read_protocol(&mut reader, tree.proxy_protocol, &trusted_proxies);
        let tls = tls::read(&mut reader, tree.tls, purpose);
        let outbound = outbound::read(&mut reader, tree.outbound, purpose);
        let origins = origins::read(&mut reader, tree.allowed_origins);
        let window = 0..=MAX_DRAIN_WINDOW_MS;
        let drain_window_ms = reader.number("drain_window_ms", tree.drain_window_ms, DRAIN_WINDOW_MS, &window);
        let cluster_secret = reader.strong_secret("cluster_secret", tree.cluster_secret);
        let accepted_cluster_secrets = reader.strong_secrets("accepted_cluster_secrets", tree.accepted_cluster_secrets);
        let admin_key = reader.strong_secret("admin_key", tree.admin_key);
        let revocations_file = reader.text("revocations_file", tree.revocations_file).map(PathBuf::from);
        if cluster_secret.is_none() && !accepted_cluster_secrets.is_empty() {
            reader.refuse("accepted_cluster_secrets", "is of no use without cluster_secret, the one that signs");
        }
        let keys = backplane::Keys {
            backplane: tree.backplane,
            prefix: tree.backplane_prefix,
            require: tree.require_backplane,
            refuse: tree.refuse_degraded_joins,
        };
        let backplane = backplane::read(&mut reader, keys, cluster_secret.as_ref(), purpose);
        let auth = auth::read(&mut reader, tree.auth, purpose);
        let ice = ice::read(&mut reader, tree.stun, tree.turn);
        let limits = limits::read(&mut reader, tree.limits);
        let log = log::read(&mut reader, tree.log);
        refuse_shared_secrets(&mut reader, &auth, cluster_secret.as_ref(), &accepted_cluster_secrets, &ice);
        refuse_shared_admin_key(&mut reader, &auth, admin_key.as_ref(), cluster_secret.as_ref(), &ice);

        let files = files.into_iter().chain(tls.iter().flat_map(|tls| [tls.cert.clone(), tls.key.clone()]));
        let files = files.chain(outbound.ca_file.clone()).chain(auth.files.iter().cloned());
        let files = files.chain(ice.files.iter().cloned()).collect();
        let config = Config {
            listen,
            ports_file,
            admin,
            trusted_proxies,
            proxy_protocol,
            tls,
            outbound,
            auth,
            cluster_secret,
            accepted_cluster_secrets,
            admin_key,
            revocations_file,
            backplane,
            ice,
            origins,
            limits,
            drain_window_ms,
            log,
        };
        reader.finish().map(|rows| Self { config, rows, files })
    }
}

/// A secret that serves two purposes is known in two places, and each could forge what the other signs.
fn refuse_shared_secrets(
    reader: &mut Reader,
    auth: &AuthConfig,
    cluster: Option<&Secret>,
    accepted: &[Secret],
    ice: &IceConfig,
) {
    let is_key = |secret: &Secret| auth.keys.keys().iter().any(|key| key.secret() == Some(secret));
    if cluster.is_some_and(is_key) {
        reader.refuse("cluster_secret", "is the secret of a key of auth.keys; every secret needs its own");
    }
    if accepted.iter().any(is_key) {
        reader.refuse("accepted_cluster_secrets", "has the secret of a key of auth.keys; every secret needs its own");
    }
    for (key, secret) in ice.turn.iter().map(ProviderConfig::secret) {
        let section = if key == "turn.secret" { "turn.secret" } else { turn::PROVIDERS };
        if is_key(secret) {
            let problem = "is the secret of a key of auth.keys; every secret needs its own";
            reader.refuse_in(section, key.clone(), problem);
        }
        if cluster == Some(secret) || accepted.contains(secret) {
            reader.refuse_in(section, key, "is the cluster_secret; every secret needs its own");
        }
    }
}

/// The admin key goes over the wire as it is, so it must not be worth more than that.
fn refuse_shared_admin_key(
    reader: &mut Reader,
    auth: &AuthConfig,
    key: Option<&Secret>,
    cluster: Option<&Secret>,
    ice: &IceConfig,
) {
    let Some(key) = key else { return };
    let is_key = auth.keys.keys().iter().any(|other| other.secret() == Some(key));
    let turn = ice.turn.iter().map(|provider| provider.secret().1);
    if is_key || cluster.into_iter().chain(turn).any(|other| other == key) {
        reader.refuse("admin_key", "is another secret of this server; every secret needs its own");
    }
}
