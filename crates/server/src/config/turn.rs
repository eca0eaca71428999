//! `[turn]`: who hands out TURN credentials. Either one coturn, by the keys of the section itself, or the chain of `turn.providers`.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use conf::Conf;

use super::{Secret, provider::Entry, raw::Raw, reader::Reader};
use crate::{
    ice::url::{IceUrlKind, check},
    outbound::HttpsUrl,
};

/// Default of `turn.ttl`: a day, so that a call seldom outlives its credentials.
const TTL_S: u64 = 86_400;

/// What `turn.ttl` may be, in seconds. Below ten seconds credentials expire while a call is being set up; above 30 days a leaked
/// credential works for months.
pub const TTL_RANGE_S: RangeInclusive<u64> = 10..=2_592_000;

/// The longest file that holds a secret, in bytes.
const SECRET_FILE_BYTES: u64 = 4_096;

pub(super) const PROVIDERS: &str = "turn.providers";

/// One who hands out TURN credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Where the configuration says this: `turn`, or `turn.providers[0]`.
    pub key: String,
    /// `name`: how metrics and logs call it.
    pub name: String,
    /// `weight`: how large its share of the identities is; with 0 it only stands in for others.
    pub weight: u32,
    /// `ttl`: how long a credential opens new allocations; in seconds in the configuration.
    pub ttl: Duration,
    /// `cuts_at_expiry`: whether relays that are in use end when their credential expires.
    pub cuts_at_expiry: bool,
    /// `kind`, and what belongs to it.
    pub kind: ProviderKind,
}

/// What kind of provider it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// TURN servers that share a secret with us: coturn's `use-auth-secret`.
    Coturn {
        /// `urls`.
        urls: Vec<String>,
        /// `secret`: coturn's `static-auth-secret`.
        secret: Secret,
    },
    /// Cloudflare Realtime TURN.
    Cloudflare {
        /// `url`: where its API is.
        url: HttpsUrl,
        /// `key_id`: the id of the TURN key.
        key_id: String,
        /// `api_token`: the secret of the TURN key.
        api_token: Secret,
    },
    /// Twilio Network Traversal Service.
    Twilio {
        /// `url`: where its API is.
        url: HttpsUrl,
        /// `account_sid`.
        account_sid: String,
        /// `api_key`: the SID of a key, whose secret `auth_token` then is.
        api_key: Option<String>,
        /// `auth_token`: of the account, or the secret of the key.
        auth_token: Secret,
    },
    /// TURN servers with a login that is always the same.
    Static {
        /// `urls`.
        urls: Vec<String>,
        /// `username`.
        username: String,
        /// `credential`.
        credential: Secret,
    },
}

impl ProviderConfig {
    /// Its secret, and the key that holds it.
    #[must_use]
    pub fn secret(&self) -> (String, &Secret) {
        let (name, secret) = match &self.kind {
            ProviderKind::Coturn { secret, .. } => ("secret", secret),
            ProviderKind::Cloudflare { api_token, .. } => ("api_token", api_token),
            ProviderKind::Twilio { auth_token, .. } => ("auth_token", auth_token),
            ProviderKind::Static { credential, .. } => ("credential", credential),
        };
        (format!("{}.{name}", self.key), secret)
    }
}

/// The section `[turn]`, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct TurnSection {
    #[conf(env)]
    pub(super) urls: Option<Raw>,
    #[conf(env, secret)]
    pub(super) secret: Option<Raw>,
    #[conf(env)]
    pub(super) secret_file: Option<Raw>,
    #[conf(env)]
    pub(super) ttl: Option<Raw>,
    #[conf(env)]
    pub(super) cuts_at_expiry: Option<Raw>,
    #[conf(env, secret)]
    pub(super) providers: Option<Raw>,
}

/// Reads the section, and notes the files that secrets come from.
pub(super) fn read(reader: &mut Reader, section: TurnSection, files: &mut Vec<PathBuf>) -> Vec<ProviderConfig> {
    let TurnSection { urls, secret, secret_file, ttl, cuts_at_expiry, providers } = section;
    let has = |raw: &Option<Raw>| raw.is_some();
    let alone = [
        ("turn.urls", has(&urls)),
        ("turn.secret", has(&secret)),
        ("turn.secret_file", has(&secret_file)),
        ("turn.cuts_at_expiry", has(&cuts_at_expiry)),
    ];
    let coturn = read_coturn(reader, urls, secret, secret_file, files);
    let ttl_s = reader.number("turn.ttl", ttl, TTL_S, &TTL_RANGE_S);
    let cuts_at_expiry = reader.switch("turn.cuts_at_expiry", cuts_at_expiry);
    let Some(providers) = providers else {
        reader.note(PROVIDERS, None);
        let kind = coturn.map(|(urls, secret)| ProviderKind::Coturn { urls, secret });
        let ttl = Duration::from_secs(ttl_s);
        let alone = |kind| ProviderConfig {
            key: "turn".to_owned(),
            name: "coturn".to_owned(),
            weight: 1,
            ttl,
            cuts_at_expiry,
            kind,
        };
        return kind.map(alone).into_iter().collect();
    };
    for (key, _) in alone.into_iter().filter(|(_, is_set)| *is_set) {
        reader.refuse(key, "is set beside turn.providers; make it part of a provider of kind \"coturn\" there");
    }
    let tables = tables(providers).unwrap_or_else(|problem| {
        reader.refuse(PROVIDERS, problem);
        Vec::new()
    });
    let mut configs: Vec<ProviderConfig> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut entry = Entry::new(reader, format!("{PROVIDERS}[{index}]"), table, files);
        let Some(config) = entry.provider(ttl_s) else { continue };
        if configs.iter().any(|other| other.name == config.name) {
            let problem = format!("another provider is called `{}` too; give each a name of its own", config.name);
            entry.refuse("name", problem);
        }
        configs.push(config);
    }
    let shown: Vec<_> = configs.iter().map(|config| format!("{} (weight {})", config.name, config.weight)).collect();
    reader.note(PROVIDERS, Some(shown.join(", ")));
    configs
}

/// The one coturn of the section itself.
fn read_coturn(
    reader: &mut Reader,
    urls: Option<Raw>,
    secret: Option<Raw>,
    secret_file: Option<Raw>,
    files: &mut Vec<PathBuf>,
) -> Option<(Vec<String>, Secret)> {
    let named = urls.is_some();
    let urls = reader.list("turn.urls", urls);
    for problem in url_problems(&urls) {
        reader.refuse("turn.urls", problem);
    }
    let is_set = secret.is_some();
    let secret = reader.secret("turn.secret", secret);
    let file = reader.text("turn.secret_file", secret_file);
    if is_set && file.is_some() {
        reader.refuse("turn.secret_file", "is set beside turn.secret; one of the two is enough");
    }
    files.extend(file.as_deref().map(PathBuf::from));
    let is_set = is_set || file.is_some();
    let secret = secret.or_else(|| {
        let read = secret_of_file(Path::new(file.as_deref()?));
        read.map_err(|problem| reader.refuse("turn.secret_file", problem)).ok()
    });
    if named && !is_set {
        reader.refuse(
            "turn.secret",
            "is missing although turn.urls is set; set ALDIS_TURN_SECRET to coturn's static-auth-secret",
        );
    }
    if is_set && !named {
        reader.refuse("turn.urls", "is missing although turn.secret is set; set ALDIS_TURN_URLS=turn:HOST:3478");
    }
    secret.filter(|_| named).map(|secret| (urls, secret))
}

pub(super) fn url_problems(urls: &[String]) -> impl Iterator<Item = String> + use<> {
    let problem = |url: &String| Some(format!("`{url}` {}", check(IceUrlKind::Turn, url).err()?));
    urls.iter().filter_map(problem).collect::<Vec<_>>().into_iter()
}

/// A secret alone in a file, as systemd, Docker and Kubernetes hand them in.
pub(super) fn secret_of_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let size = fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?.len();
    if size > SECRET_FILE_BYTES {
        return Err(format!("{shown} has {size} bytes; a secret has {SECRET_FILE_BYTES} at most"));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.trim() != text || text.contains(['\r', '\n']) {
        return Err(format!("{shown} must hold the secret alone, on one line without white space around it"));
    }
    Ok(Secret::new(text))
}

/// The tables of the chain: `[[turn.providers]]` of the file, or an array in a variable as TOML has it inline.
fn tables(raw: Raw) -> Result<Vec<toml::Table>, String> {
    const FORM: &str = "must be an array of tables: [[turn.providers]] in the file, [{kind = \"…\", …}] in a variable";
    let value = match raw {
        Raw::Toml(value) => value,
        // The library's own text would quote what may be a secret.
        Raw::Text(text) => {
            let document = format!("providers = {text}").parse::<toml::Table>().map_err(|_| FORM.to_owned())?;
            document.into_iter().map(|(_, value)| value).next().ok_or(FORM)?
        }
    };
    let toml::Value::Array(values) = value else { return Err(FORM.to_owned()) };
    if values.is_empty() {
        return Err("is empty; leave it out where there is no TURN server".to_owned());
    }
    let table = |value| match value {
        toml::Value::Table(table) => Ok(table),
        _ => Err(FORM.to_owned()),
    };
    values.into_iter().map(table).collect()
}
