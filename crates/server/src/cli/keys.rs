//! `aldis keys`: keys that sign tokens.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};

use super::{Exit, output};

/// Bytes of a new secret: more than the 32 that HS256 needs, and a multiple of three, so that its text has no padding.
const SECRET_BYTES: usize = 48;

/// Bytes of a new key id.
const KID_BYTES: usize = 6;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key id and a secret, and print them as ALDIS_AUTH_KEYS takes them.
    #[command(after_help = "Examples:
  ALDIS_AUTH_KEYS=$(aldis keys generate) aldis serve
  aldis keys generate --env >> .env
  aldis keys generate --toml >> aldis.toml

The text behind the colon is the key, byte for byte: your backend must not decode it.
To change keys without a break, put the new one first and remove the old one once its tokens have
expired: ALDIS_AUTH_KEYS=new:...,old:...")]
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Format {
    /// Print a line for an environment file: ALDIS_AUTH_KEYS=kid:secret.
    #[arg(long)]
    env: bool,
    /// Print a section for the configuration file.
    #[arg(long)]
    toml: bool,
    /// Print a JSON object with `kid`, `alg` and `secret`.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &KeysCommand) -> anyhow::Result<Exit> {
    let KeysCommand::Generate(GenerateArgs { format }) = command;
    let kid = format!("k-{}", random_text::<KID_BYTES>()?);
    let secret = random_text::<SECRET_BYTES>()?;
    output::data(&match format {
        Format { env: true, .. } => format!("ALDIS_AUTH_KEYS={kid}:{secret}"),
        Format { toml: true, .. } => format!("[auth]\nkeys = [\"{kid}:{secret}\"]"),
        Format { json: true, .. } => serde_json::json!({ "kid": kid, "alg": "HS256", "secret": secret }).to_string(),
        Format { .. } => format!("{kid}:{secret}"),
    })?;
    Ok(Exit::Ok)
}

fn random_text<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
