//! The token that opens the room: given, or of a development server.

use std::time::Duration;

use aldis_client::RoomOptions;
use anyhow::{Result, bail};
use serde::Deserialize;
use tokio::task::spawn_blocking;

/// How long joining is tried: whoever starts this by hand wants to know soon.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `/dev/token` answers.
#[derive(Deserialize)]
struct Minted {
    token: String,
}

/// How to join a room as somebody.
pub fn joining(url: &str, room: &str, identity: &str, token: Option<String>) -> RoomOptions {
    let options = RoomOptions::new(url).room(room).join_timeout(PATIENCE);
    if let Some(token) = token {
        return options.token(token);
    }
    let asked = [url, room, identity].map(str::to_owned);
    options.token_from(move || from_dev_server(asked.clone()))
}

/// Asks a development server for one. Elsewhere it comes from the application's backend.
async fn from_dev_server([url, room, identity]: [String; 3]) -> Result<String> {
    let url = format!("{}/dev/token", url.trim_end_matches('/'));
    let request = ureq::get(&url).query("room", room).query("identity", identity);
    let asked = spawn_blocking(move || request.call()?.body_mut().read_json::<Minted>());
    match asked.await? {
        Ok(minted) => Ok(minted.token),
        Err(ureq::Error::StatusCode(status)) => {
            bail!("{url} answers {status}: only a development server gives tokens, so pass one with --token")
        }
        Err(error) => bail!("{url}: {error}"),
    }
}
