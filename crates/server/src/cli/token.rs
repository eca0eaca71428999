//! `aldis token`: tokens by hand.

use std::{io::Read, path::PathBuf, sync::Arc, time::Duration};

use aldis_core::{Duplicates, Permission};
use aldis_protocol::{Identity, Json, RoomId, TokenId};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, output, time};
use crate::{
    auth::{NewToken, TokenError, Tokens, Verified, Verifier, error::span, jwks::JwksMetrics},
    clock::{Clock, unix_ms},
    config::{Config, ConfigError, Flags, Loaded, Purpose, auth::signer},
    telemetry::log,
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Sign a token with the first key of ALDIS_AUTH_KEYS (or of the configuration file), or with a private key, and print it.
    #[command(after_help = "Examples:
  aldis token create --room lobby --identity ann
  aldis token create --room lobby --identity ann --signing-key k-1:keys/k-1.pem
  aldis token create --room lobby --identity ann --ttl 1h --can signal,message,broadcast --dev
  aldis token create --room lobby --identity ann --json | jq -r .token")]
    Create(Box<CreateArgs>),
    /// Say whether this configuration accepts a token, and if not, exactly why. Exits with 1 if not.
    #[command(after_help = "Examples:
  aldis token verify eyJhbGciOi...
  aldis token create --room lobby --identity ann | aldis token verify - --room lobby

Keys of issuers (auth.jwks_urls) are fetched, as the server does it.")]
    Verify(VerifyArgs),
}

/// Whose keys.
#[derive(Debug, Args)]
struct Keys {
    /// Use the public development key of `aldis dev`.
    #[arg(long)]
    dev: bool,
    /// The configuration file [env: ALDIS_CONFIG_FILE].
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    config: Option<PathBuf>,
}

impl Keys {
    fn config(&self) -> Result<Config, ConfigError> {
        let purpose = if self.dev { Purpose::Dev } else { Purpose::Tool };
        let flags = Flags { config: self.config.clone(), ..Flags::default() };
        Ok(Loaded::load(&flags, std::env::vars_os(), purpose)?.config)
    }
}

fn verifier(config: &Config) -> Verifier {
    Verifier::new(config.auth.keys.clone(), config.auth.rules.clone(), &config.limits)
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The room it opens.
    #[arg(long, value_parser = RoomId::parse)]
    room: RoomId,
    /// Who it is for: `sub`, stable over reconnects and devices.
    #[arg(long, value_parser = Identity::parse)]
    identity: Identity,
    /// A name to show to the others.
    #[arg(long)]
    name: Option<String>,
    /// JSON for the others, signed.
    #[arg(long, value_name = "JSON", value_parser = Json::parse)]
    metadata: Option<Json>,
    /// How long it lives, at most 1d.
    #[arg(long, default_value = "10m", value_parser = time::parse_duration)]
    ttl: Duration,
    /// What it allows: signal, message, turn, broadcast, moderate. Without this the first three.
    #[arg(long, value_name = "PERMISSION,...", value_delimiter = ',', value_parser = permission)]
    can: Option<Vec<Permission>>,
    /// Let it in only while the room has fewer peers than this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_peers: Option<u64>,
    /// What happens if the identity is in the room already.
    #[arg(long, value_name = "WHAT")]
    duplicates: Option<DuplicatesArg>,
    /// What it calls itself: by this it can be revoked alone (`aldis revoke --jti`).
    #[arg(long, value_name = "ID", value_parser = TokenId::parse)]
    jti: Option<TokenId>,
    /// Sign with this private key, PEM (PKCS#8), under this key id, as your backend does [env: ALDIS_AUTH_SIGNING_KEY].
    #[arg(long, value_name = "KID:FILE", conflicts_with = "dev")]
    signing_key: Option<String>,
    /// Print a JSON object with `token` and `expiresAt` instead of the bare token.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DuplicatesArg {
    /// Both stay.
    Allow,
    /// The newcomer stays.
    Replace,
    /// The newcomer is refused.
    Reject,
}

impl From<DuplicatesArg> for Duplicates {
    fn from(arg: DuplicatesArg) -> Self {
        match arg {
            DuplicatesArg::Allow => Self::Allow,
            DuplicatesArg::Replace => Self::Replace,
            DuplicatesArg::Reject => Self::Reject,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The token, or `-` to read it from standard input.
    token: String,
    /// The room that a client would ask for.
    #[arg(long, value_parser = RoomId::parse)]
    room: Option<RoomId>,
    #[command(flatten)]
    keys: Keys,
}

pub(super) fn run(command: &TokenCommand) -> anyhow::Result<Exit> {
    match command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::Verify(args) => verify(args),
    }
}

fn create(args: &CreateArgs) -> anyhow::Result<Exit> {
    let mut config = args.keys.config()?;
    if let Some(entry) = &args.signing_key {
        match signer(entry) {
            Ok(key) => config.auth.keys.put_first(key),
            Err(problem) => {
                output::talk(&format!("error: --signing-key: {problem}"));
                return Ok(Exit::Config);
            }
        }
    }
    let verifier = verifier(&config);
    let token = NewToken {
        identity: args.identity.clone(),
        room: args.room.clone(),
        ttl: args.ttl,
        name: args.name.clone(),
        metadata: args.metadata.clone(),
        can: args.can.clone(),
        max_peers: args.max_peers,
        duplicates: args.duplicates.map(Duplicates::from),
        id: args.jti.clone(),
    };
    let now = unix_ms();
    let minted = match verifier.mint(&token, now) {
        Ok(minted) => minted,
        Err(error) => {
            output::talk(&format!("error: {error}"));
            return Ok(Exit::Config);
        }
    };
    // A name or metadata beyond its limit is a bad value: better said here than by the server.
    if let Err(error) = verifier.verify(&minted.token, None, now) {
        output::talk(&format!("error: the server would refuse this token: {error}"));
        return Ok(Exit::Config);
    }
    output::data(&if args.json {
        serde_json::json!({ "token": minted.token, "expiresAt": minted.expires_at }).to_string()
    } else {
        minted.token
    })?;
    Ok(Exit::Ok)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let config = args.keys.config()?;
    let token = match args.token.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the token from standard input")?;
            text.trim().to_owned()
        }
        token => token.to_owned(),
    };
    match judge(&config, &token, args.room.as_ref())? {
        Ok(verified) => {
            output::data(&describe(&verified, unix_ms()))?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            output::talk(&refusal(&verifier(&config), &token, &error));
            Ok(Exit::Runtime)
        }
    }
}

/// Checks a token as a server would, keys of issuers included.
fn judge(config: &Config, token: &str, room: Option<&RoomId>) -> anyhow::Result<Result<Verified, TokenError>> {
    if config.auth.jwks.is_empty() {
        return Ok(verifier(config).verify(token, room, unix_ms()));
    }
    // Why a fetch failed is said by the log.
    log::start(&config.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (limits, metrics) = (Arc::new(config.limits.clone()), Arc::new(JwksMetrics::default()));
        let tokens = Tokens::start(&config.auth, &config.outbound, &limits, Clock::start(), metrics)?;
        let verified = tokens.verify(token, room);
        let fetched = verified.as_ref().err().and_then(|error| tokens.fetching(error));
        let Some(fetched) = fetched else { return Ok(verified) };
        fetched.await;
        Ok(tokens.verify(token, room))
    })
}

fn refusal(verifier: &Verifier, token: &str, error: &TokenError) -> String {
    let more = verifier.diagnose(token, error).map(|more| format!("\n  {more}")).unwrap_or_default();
    format!("refused ({}): {error}{more}\n  {}", error.code(), error.hint())
}

fn describe(verified: &Verified, now_ms: u64) -> String {
    let can: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|permission| verified.grant.allows(*permission))
        .map(Permission::as_str)
        .collect();
    let expires = match verified.expires_at.checked_sub(now_ms) {
        Some(left) => format!("in {}", span(left)),
        None => "now; it is accepted for its last seconds of leeway".to_owned(),
    };
    let mut rows = vec![
        ("identity", verified.identity.to_string()),
        ("room", verified.room.to_string()),
        ("can", can.join(", ")),
        ("expires", expires),
    ];
    rows.extend(verified.id.as_ref().map(|id| ("jti", id.to_string())));
    rows.extend(verified.name.as_ref().map(|name| ("name", name.clone())));
    rows.extend(verified.metadata.as_ref().map(|metadata| ("metadata", metadata.get().to_owned())));
    rows.extend(verified.max_peers.map(|count| ("maxPeers", count.to_string())));
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    format!("accepted\n{}", output::table(&rows))
}

fn permission(name: &str) -> Result<Permission, String> {
    let known = || format!("known are {}", Permission::ALL.map(Permission::as_str).join(", "));
    Permission::from_name(name).ok_or_else(known)
}
