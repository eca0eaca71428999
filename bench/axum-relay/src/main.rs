//! `axum-relay --listen 127.0.0.1:0 --ports-file FILE`: serves the relay until it is killed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
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
    /// Leave Nagle's algorithm on, as `axum::serve` does by itself: the kernel then gathers small writes until the last one is
    /// acknowledged, which saves CPU time and costs latency.
    #[arg(long)]
    nagle: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await.context("cannot listen")?;
    write_ports(&args.ports_file, listener.local_addr()?).context("cannot write the ports file")?;
    let listener = listener.tap_io(move |stream| {
        // A socket that is gone already is found out by the first read.
        let _ = stream.set_nodelay(!args.nagle);
    });
    Ok(axum::serve(listener, axum_relay::router(args.writer)).await?)
}

/// Renames a complete file into place, so that nobody reads half of it.
fn write_ports(path: &Path, listen: SocketAddr) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, serde_json::json!({ "listen": listen }).to_string())?;
    fs::rename(&partial, path)
}
