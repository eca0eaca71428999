//! `aldis revoke`: revoked tokens, at a running server. The key never comes from a flag.

use std::{path::PathBuf, time::Duration};

use aldis_client::Trust;
use aldis_protocol::{Identity, RoomId, TokenId, WireError};
use anyhow::Context as _;
use axum::http::{Method, Uri};
use clap::Args;
use serde::Deserialize;
use tokio::runtime::Builder;

use super::{Exit, output, request::Server, time};
use crate::{
    auth::error::span,
    clock::unix_ms,
    config::{Flags, Loaded, Purpose},
    http::revocations::PATH,
    revoking::written::{Body, Written},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export ALDIS_ADMIN_KEY=...                            the server's
  aldis revoke --identity ann --reason spam
  aldis revoke --identity ann --not-before now          ann has to log in again, everywhere
  aldis revoke --identity ann --room lobby --for 1h
  aldis revoke --jti 0b9e6c1e --url https://admin.example.org
  aldis revoke --list
  aldis revoke --lift 7c1d...                           an id of the list")]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["jti", "identity", "room", "list", "lift"]))]
pub(super) struct RevokeArgs {
    /// The tokens with this `jti`.
    #[arg(long, value_name = "ID", value_parser = TokenId::parse, conflicts_with_all = ["identity", "room"])]
    jti: Option<TokenId>,
    /// The tokens of this `sub`; with --room only those for that room.
    #[arg(long, value_parser = Identity::parse)]
    identity: Option<Identity>,
    /// The tokens for this room.
    #[arg(long, value_parser = RoomId::parse)]
    room: Option<RoomId>,
    /// Of the identity only those that were issued before: `now`, or Unix milliseconds.
    #[arg(long, value_name = "TIME", value_parser = not_before, requires = "identity", conflicts_with = "room")]
    not_before: Option<NotBefore>,
    /// For how long, as 90s, 10m, 2h or 1d; without it as long as any token that exists may live.
    #[arg(long = "for", value_name = "TIME", value_parser = time::parse_duration)]
    duration: Option<Duration>,
    /// Why, for those whom it concerns.
    #[arg(long)]
    reason: Option<String>,
    /// List what is revoked.
    #[arg(long, conflicts_with_all = ["jti", "identity", "room", "lift", "duration", "reason"])]
    list: bool,
    /// Take a revocation back.
    #[arg(long, value_name = "ID", conflicts_with_all = ["jti", "identity", "room", "duration", "reason"])]
    lift: Option<String>,
    /// The server's admin address, or its only one.
    #[arg(long, default_value = "http://127.0.0.1:7654")]
    url: Uri,
    /// A PEM file of certificates that a TLS server may show besides those that the system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print the server's answer as JSON.
    #[arg(long)]
    json: bool,
    /// The configuration file that has the admin key [env: ALDIS_CONFIG_FILE].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// When a token must have been issued.
#[derive(Debug, Clone, Copy)]
enum NotBefore {
    Now,
    At(u64),
}

fn not_before(text: &str) -> Result<NotBefore, &'static str> {
    match text {
        "now" => Ok(NotBefore::Now),
        digits => digits.parse().map(NotBefore::At).map_err(|_| "is neither `now` nor Unix milliseconds"),
    }
}

/// The answer to a list.
#[derive(Deserialize)]
struct Listed {
    revocations: Vec<Written>,
}

pub(super) fn run(args: &RevokeArgs) -> anyhow::Result<Exit> {
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let Some(key) = Loaded::load(&flags, std::env::vars_os(), Purpose::Tool)?.config.admin_key else {
        output::talk("error: no admin key: set ALDIS_ADMIN_KEY to that of the server, or name its file with --config");
        return Ok(Exit::Config);
    };
    let trust = args.ca.as_deref().map(Trust::file).transpose()?;
    let server = Server { url: &args.url, trust: trust.as_ref(), key: &key };
    let (method, path, body) = args.request(unix_ms())?;
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let answer = runtime.block_on(server.ask(method, &path, body))?;
    if !answer.status.is_success() {
        output::talk(&refusal(&answer.body, answer.status.as_u16()));
        return Ok(Exit::Runtime);
    }
    if args.lift.is_some() {
        return Ok(Exit::Ok);
    }
    output::data(&if args.json { answer.body } else { table(args, &answer.body)? })?;
    Ok(Exit::Ok)
}

impl RevokeArgs {
    fn request(&self, unix_ms: u64) -> anyhow::Result<(Method, String, String)> {
        if self.list {
            return Ok((Method::GET, PATH.to_owned(), String::new()));
        }
        if let Some(id) = &self.lift {
            anyhow::ensure!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "`{id}` is no id of a revocation");
            return Ok((Method::DELETE, format!("{PATH}/{id}"), String::new()));
        }
        let body = Body {
            jti: self.jti.clone(),
            identity: self.identity.clone(),
            room: self.room.clone(),
            not_before: self.not_before.map(|at| match at {
                NotBefore::Now => unix_ms,
                NotBefore::At(ms) => ms,
            }),
            until: None,
            for_ms: self.duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            reason: self.reason.clone(),
        };
        Ok((Method::POST, PATH.to_owned(), serde_json::to_string(&body)?))
    }
}

fn table(args: &RevokeArgs, body: &str) -> anyhow::Result<String> {
    let foreign = "the answer is not that of an Aldis server";
    let held = if args.list {
        serde_json::from_str::<Listed>(body).context(foreign)?.revocations
    } else {
        vec![serde_json::from_str(body).context(foreign)?]
    };
    Ok(output::table(&held.iter().map(|written| row(written, unix_ms())).collect::<Vec<_>>()))
}

fn row(written: &Written, unix_ms: u64) -> Vec<String> {
    let which = &written.which;
    let parts = [
        which.jti.as_ref().map(|id| format!("jti {id}")),
        which.identity.as_ref().map(|identity| format!("identity {identity}")),
        which.room.as_ref().map(|room| format!("room {room}")),
        which.not_before.map(|at| format!("issued before {at}")),
    ];
    let what: Vec<_> = parts.into_iter().flatten().collect();
    // A reason and a `jti` are any text: nothing of them may move a terminal's cursor.
    let plain = |text: &str| text.escape_debug().to_string();
    vec![
        plain(&written.id),
        plain(&what.join(", ")),
        format!("for {}", span(written.until.saturating_sub(unix_ms))),
        written.reason.as_deref().map(plain).unwrap_or_default(),
    ]
}

fn refusal(body: &str, status: u16) -> String {
    match serde_json::from_str::<WireError>(body) {
        Ok(error) => {
            let hint = error.hint.map(|hint| format!("\n  {hint}")).unwrap_or_default();
            format!("refused ({}): {}{hint}", error.code, error.message)
        }
        Err(_) => {
            format!("refused with HTTP status {status}: is this the address of an Aldis server's admin endpoint?")
        }
    }
}
