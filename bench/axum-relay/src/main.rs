//! `axum-relay --listen 127.0.0.1:0 --ports-file FILE`: serves the relay until it is killed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum_relay::Writer;
use clap::Parser;

/// The relay people write over a weekend, to measure Aldis against.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to write the address as JSON: {"listen":"127.0.0.1:PORT"}.
    #[arg(long, value_name = "FILE")]
    ports_file: PathBuf,
    /// How the write task empties its channel.
    #[arg(long, value_enum, default_value = "send")]
    writer: Writer,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await.context("cannot listen")?;
    write_ports(&args.ports_file, listener.local_addr()?).context("cannot write the ports file")?;
    Ok(axum::serve(listener, axum_relay::router(args.writer)).await?)
}

/// Renames a complete file into place, so that nobody reads half of it.
fn write_ports(path: &Path, listen: SocketAddr) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, serde_json::json!({ "listen": listen }).to_string())?;
    fs::rename(&partial, path)
}
