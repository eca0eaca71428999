//! Who says what: the tree of all keys, filled from flags, environment and file.
//!
//! Every leaf is a `Raw`, so that filling the tree cannot fail on a value: judging them is for the sections, which see all of them.

use std::{collections::BTreeMap, collections::BTreeSet, ffi::OsString, path::PathBuf};

use conf::{Conf, introspection::ValueSource};

use super::{
    Mistake, Purpose, Source, auth::AuthSection, document, ice::StunSection, limits::LimitsSection, log::LogSection,
    outbound::OutboundSection, raw::Raw, suggest::closest, tls::TlsSection, turn::TurnSection,
};

const ENV_PREFIX: &str = "ALDIS_";
const CONFIG_FILE: &str = "ALDIS_CONFIG_FILE";

/// The flags of the commands that read the configuration. Everything else is set by the environment or the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Flags {
    /// The address to serve on: `IP:PORT`, or `localhost:PORT` for IPv4 and IPv6 loopback; port 0 takes a free one
    /// [default: `[::]:7654`] [env: ALDIS_LISTEN].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Write the addresses that were bound to this file, as JSON: `{"listen": "127.0.0.1:7654"}`.
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<String>,
    /// Serve /livez, /readyz and /metrics on an address of their own [env: ALDIS_ADMIN].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// The proxies whose forwarding headers are believed: addresses and networks, separated by commas
    /// [env: ALDIS_TRUSTED_PROXIES].
    #[arg(long, value_name = "LIST")]
    pub trusted_proxies: Option<String>,
    /// The certificate to serve with, PEM, its issuers after it; with it the server speaks TLS [env: ALDIS_TLS_CERT].
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// The private key of the certificate, PEM [env: ALDIS_TLS_KEY].
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Do not start, and do not be ready, without the backplane; else the node serves its own clients meanwhile
    /// [env: ALDIS_REQUIRE_BACKPLANE].
    #[arg(long)]
    pub require_backplane: bool,
    /// The configuration file, TOML [env: ALDIS_CONFIG_FILE].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Flags {
    /// As arguments of the tree. `config` is not of the tree: it is read before.
    fn to_args(&self) -> Vec<String> {
        let flags = [
            ("listen", &self.listen),
            ("ports-file", &self.ports_file),
            ("admin", &self.admin),
            ("trusted-proxies", &self.trusted_proxies),
            ("tls-cert", &self.tls_cert),
            ("tls-key", &self.tls_key),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)));
        let require = self.require_backplane.then(|| "--require-backplane=true".to_owned());
        std::iter::once("aldis".to_owned()).chain(given).chain(require).collect()
    }
}

/// Every key there is, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde, env_prefix = "ALDIS_", no_help_flag)]
pub struct Tree {
    #[conf(long, env)]
    pub(super) listen: Option<Raw>,
    #[conf(long, env)]
    pub(super) ports_file: Option<Raw>,
    #[conf(long, env)]
    pub(super) admin: Option<Raw>,
    #[conf(long, env)]
    pub(super) trusted_proxies: Option<Raw>,
    #[conf(env)]
    pub(super) proxy_protocol: Option<Raw>,
    #[conf(env)]
    pub(super) allowed_origins: Option<Raw>,
    #[conf(env)]
    pub(super) drain_window_ms: Option<Raw>,
    #[conf(env, secret)]
    pub(super) cluster_secret: Option<Raw>,
    #[conf(env, secret)]
    pub(super) accepted_cluster_secrets: Option<Raw>,
    #[conf(env, secret)]
    pub(super) admin_key: Option<Raw>,
    #[conf(env)]
    pub(super) revocations_file: Option<Raw>,
    #[conf(env, secret)]
    pub(super) backplane: Option<Raw>,
    #[conf(env)]
    pub(super) backplane_prefix: Option<Raw>,
    #[conf(long, env)]
    pub(super) require_backplane: Option<Raw>,
    #[conf(env)]
    pub(super) refuse_degraded_joins: Option<Raw>,
    #[conf(flatten, prefix = "tls")]
    pub(super) tls: TlsSection,
    #[conf(flatten, env_prefix = "OUTBOUND_")]
    pub(super) outbound: OutboundSection,
    #[conf(flatten, env_prefix = "AUTH_")]
    pub(super) auth: AuthSection,
    #[conf(flatten, env_prefix = "STUN_")]
    pub(super) stun: StunSection,
    #[conf(flatten, env_prefix = "TURN_")]
    pub(super) turn: TurnSection,
    #[conf(flatten, env_prefix = "LIMITS_")]
    pub(super) limits: LimitsSection,
    #[conf(flatten)]
    pub(super) log: LogSection,
}

/// The filled tree.
pub(super) struct Layers {
    pub(super) tree: Tree,
    /// Where each key that somebody set came from.
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) mistakes: Vec<Mistake>,
    /// The configuration file, if there is one.
    pub(super) file: Option<PathBuf>,
}

impl Layers {
    pub(super) fn gather(flags: &Flags, env: impl IntoIterator<Item = (OsString, OsString)>, purpose: Purpose) -> Self {
        let mut mistakes = Vec::new();
        let mut env = own_variables(env, &mut mistakes);
        if matches!(purpose, Purpose::Dev | Purpose::Lan) {
            let is_for_serve = |name: &str| ["ALDIS_AUTH_", "ALDIS_TLS_"].iter().any(|prefix| name.starts_with(prefix));
            env.retain(|name, _| name != CONFIG_FILE && !is_for_serve(name));
        }
        let file = flags.config.clone().map(|path| (path, Source::Flag("--config".to_owned())));
        let file = file.or_else(|| Some((env.get(CONFIG_FILE)?.into(), Source::Env(CONFIG_FILE.to_owned()))));
        let path = file.as_ref().map(|(path, _)| path.clone());
        let (name, table) = match file {
            Some((path, asked_by)) => {
                let table = document::read(&path, asked_by, &keys(), &mut mistakes);
                (path.display().to_string(), table)
            }
            None => (String::new(), toml::Table::new()),
        };

        let mut sources = BTreeMap::new();
        let filled = Tree::conf_builder()
            .args(flags.to_args())
            .env(env)
            .doc(name, toml::Value::Table(table))
            .config_logger(|event| {
                let option = event.program_option();
                let source = match event.value_source() {
                    ValueSource::Args { .. } => {
                        Source::Flag(option.long_form().map(|flag| format!("--{flag}")).unwrap_or_default())
                    }
                    ValueSource::Env { var, .. } => Source::Env(var.to_string()),
                    ValueSource::Document { name, .. } => Source::File(name.to_string()),
                    _ => Source::Default,
                };
                sources.insert(option.id().to_string(), source);
            })
            .try_parse();
        let tree = filled.unwrap_or_else(|error| {
            mistakes.push(Mistake { key: "config".to_owned(), source: Source::Default, problem: error.to_string() });
            Tree::default()
        });
        Self { tree, sources, mistakes, file: path }
    }
}

/// The paths of all keys.
fn keys() -> BTreeSet<String> {
    use conf::introspection::ProgramOptionMeta;
    Tree::program_options().map(|option| option.id().to_string()).collect()
}

/// Our variables, as far as they are set and text.
///
/// One that nobody knows is a mistake, unless Kubernetes put it there.
fn own_variables(
    env: impl IntoIterator<Item = (OsString, OsString)>,
    mistakes: &mut Vec<Mistake>,
) -> BTreeMap<String, String> {
    use conf::introspection::ProgramOptionMeta;
    let mut known: BTreeMap<String, String> = Tree::program_options()
        .filter_map(|option| Some((option.env_form()?.to_string(), option.id().to_string())))
        .collect();
    known.insert(CONFIG_FILE.to_owned(), "config".to_owned());
    let mut own = BTreeMap::new();
    for (name, value) in env {
        let Some(name) = name.into_string().ok().filter(|name| name.starts_with(ENV_PREFIX)) else {
            continue;
        };
        let Some(key) = known.get(&name) else {
            if !is_injected(&name) {
                let problem = match closest(&name, known.keys().map(String::as_str)) {
                    Some(meant) => format!("is no variable of ours; did you mean {meant}?"),
                    None => "is no variable of ours; `aldis config show` lists them".to_owned(),
                };
                mistakes.push(Mistake { key: name, source: Source::Default, problem });
            }
            continue;
        };
        match value.into_string() {
            Ok(value) if value.is_empty() => {}
            Ok(value) => {
                own.insert(name, value);
            }
            Err(_) => mistakes.push(Mistake {
                key: key.clone(),
                source: Source::Env(name),
                problem: "is not UTF-8 text".to_owned(),
            }),
        }
    }
    own
}

/// Whether Kubernetes puts this variable there by itself, for a service called `aldis` or `aldis-…`: `ALDIS_SERVICE_HOST`,
/// `ALDIS_PORT`, `ALDIS_PORT_7654_TCP_ADDR` and the like.
fn is_injected(name: &str) -> bool {
    if name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.ends_with("_PORT") {
        return true;
    }
    let Some((_, rest)) = name.rsplit_once("_PORT_") else { return false };
    let protocol = rest.trim_start_matches(|char: char| char.is_ascii_digit());
    protocol.len() < rest.len() && (protocol.starts_with("_TCP") || protocol.starts_with("_UDP"))
}
