//! The token that opens the room: given, or of a development server.

use aldis_client::RoomOptions;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::task::spawn_blocking;

/// What `/dev/token` answers.
#[derive(Deserialize)]
struct Minted {
    token: String,
}

/// How to join a room as somebody.
pub fn joining(url: &str, room: &str, identity: &str, token: Option<String>) -> RoomOptions {
    let options = RoomOptions::new(url).room(room);
    if let Some(token) = token {
        return options.token(token);
    }
    let asked = [url, room, identity].map(str::to_owned);
    options.token_from(move || from_dev_server(asked.clone()))
}

/// Asks a development server for one. Elsewhere it comes from the application's backend.
async fn from_dev_server([url, room, identity]: [String; 3]) -> Result<String> {
    let asked = spawn_blocking(move || {
        let request = ureq::get(format!("{}/dev/token", url.trim_end_matches('/')));
        let minted: Minted = request.query("room", room).query("identity", identity).call()?.body_mut().read_json()?;
        Ok::<_, ureq::Error>(minted.token)
    });
    asked.await?.context("only a development server gives a token: say `--token`")
}
