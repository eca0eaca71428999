//! `aldis keys`: keys that sign tokens.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Exit, output};
use crate::auth::{Algorithm, SigningKey};

/// Bytes of a new secret: more than the 32 that HS256 needs, and a multiple of three, so that its text has no padding.
const SECRET_BYTES: usize = 48;

/// Bytes of a new key id.
const KID_BYTES: usize = 6;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key id and a secret, and print them as ALDIS_AUTH_KEYS takes them; or a pair of keys, as files.
    #[command(after_help = "Examples:
  ALDIS_AUTH_KEYS=$(aldis keys generate) aldis serve
  aldis keys generate --env >> .env
  aldis keys generate --toml >> aldis.toml
  aldis keys generate --alg ES256 --out keys --env >> .env

The text behind the colon is the key, byte for byte: your backend must not decode it.
Of a pair your backend gets KID.pem, which signs, and the server KID.pub.pem, which only checks;
KID.jwk.json is the public key for a JWKS.
To change keys without a break, put the new one first and remove the old one once its tokens have
expired: ALDIS_AUTH_KEYS=new:...,old:... In a file (auth.keys_file, the configuration file) that
counts within seconds, without a restart.")]
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// What the key is for: HS256 (a shared secret), ES256, EdDSA or RS256 (pairs).
    #[arg(long, value_name = "ALG", default_value = "HS256", value_parser = algorithm)]
    alg: Algorithm,
    /// Write the pair into this folder, which is made where it is missing; the private key is readable for its owner alone.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Format {
    /// Print a line for an environment file: ALDIS_AUTH_KEYS=kid:secret, or ALDIS_AUTH_PUBLIC_KEYS=kid:FILE.
    #[arg(long)]
    env: bool,
    /// Print a section for the configuration file.
    #[arg(long)]
    toml: bool,
    /// Print a JSON object: `kid`, `alg` and `secret`, or `privateKey`, `publicKey` (both PEM) and `jwk`.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &KeysCommand) -> anyhow::Result<Exit> {
    let KeysCommand::Generate(GenerateArgs { alg, out, format }) = command;
    let kid = format!("k-{}", random_text::<KID_BYTES>()?);
    match (SigningKey::generate(*alg).context("the key could not be made")?, out) {
        (None, None) => secret(&kid, format),
        (Some(key), Some(folder)) => pair(&kid, &key, folder, format),
        (Some(key), None) if format.json => {
            let (private, public) = pems(&key)?;
            let jwk = key.public_jwk(&kid);
            let all =
                json!({ "kid": kid, "alg": alg.as_str(), "privateKey": private, "publicKey": public, "jwk": jwk });
            output::data(&all.to_string())?;
            Ok(Exit::Ok)
        }
        (Some(_), None) => {
            output::talk(&format!("error: a pair of keys for {alg} goes into files: add --out FOLDER, or --json"));
            Ok(Exit::Usage)
        }
        (None, Some(_)) => {
            output::talk(
                "error: --out is for pairs of keys; a secret for HS256 is printed, as --env, --toml or --json",
            );
            Ok(Exit::Usage)
        }
    }
}

fn secret(kid: &str, format: &Format) -> anyhow::Result<Exit> {
    let secret = random_text::<SECRET_BYTES>()?;
    output::data(&match format {
        Format { env: true, .. } => format!("ALDIS_AUTH_KEYS={kid}:{secret}"),
        Format { toml: true, .. } => format!("[auth]\nkeys = [\"{kid}:{secret}\"]"),
        Format { json: true, .. } => json!({ "kid": kid, "alg": "HS256", "secret": secret }).to_string(),
        Format { .. } => format!("{kid}:{secret}"),
    })?;
    Ok(Exit::Ok)
}

/// Writes a pair, and prints what the server is told.
fn pair(kid: &str, key: &SigningKey, folder: &Path, format: &Format) -> anyhow::Result<Exit> {
    let (private, public) = pems(key)?;
    let file = |ending: &str| folder.join(format!("{kid}{ending}"));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&file(".pem"), &private, 0o600)?;
    write(&file(".pub.pem"), &public, 0o644)?;
    write(&file(".jwk.json"), &format!("{}\n", key.public_jwk(kid)), 0o644)?;
    let entry = format!("{kid}:{}", file(".pub.pem").display());
    output::data(&match format {
        Format { env: true, .. } => format!("ALDIS_AUTH_PUBLIC_KEYS={entry}"),
        Format { toml: true, .. } => format!("[auth]\npublic_keys = [{}]", toml::Value::from(entry)),
        Format { json: true, .. } => {
            json!({ "kid": kid, "alg": key.alg().as_str(), "privateKeyFile": file(".pem"), "publicKeyFile": file(".pub.pem"),
                "jwk": key.public_jwk(kid) })
            .to_string()
        }
        Format { .. } => entry,
    })?;
    if key.alg() == Algorithm::Rs256 {
        output::talk("note: the server accepts RS256 only where auth.algorithms (ALDIS_AUTH_ALGORITHMS) names it");
    }
    Ok(Exit::Ok)
}

fn pems(key: &SigningKey) -> anyhow::Result<(String, String)> {
    Ok((key.to_pem().context("the key has no PEM form")?, key.public_pem().context("the key has no PEM form")?))
}

/// Writes a file that must not be there yet: a key that is overwritten is lost.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = || format!("known are {}", Algorithm::ALL.map(Algorithm::as_str).join(", "));
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name)).ok_or_else(known)
}

fn random_text<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
