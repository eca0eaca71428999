//! A TURN server for the tests that does what coturn does not: a relay ends when the credential that opened it expires.
//!
//! ```text
//! TURN_SECRET=… cutting-turn 127.0.0.1:3478
//! ```
//!
//! The credentials are those of coturn's `use-auth-secret`: the username begins with the second of its expiry, the password is its HMAC.
//! The server itself is of webrtc-rs; whoever is authenticated for the first time gets a timer here, and at its end all relays of that
//! username are closed. It says `listening`, and `cut USERNAME` for each that it ended.

use std::{
    collections::HashSet,
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use tokio::{net::UdpSocket, sync::mpsc};
use turn::{
    auth::{AuthHandler, generate_auth_key},
    relay::relay_static::RelayAddressGeneratorStatic,
    server::{
        Server,
        config::{ConnConfig, ServerConfig},
    },
};
use webrtc_util::vnet::net::Net;

const REALM: &str = "aldis.test";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args().nth(1).ok_or("which address? for example 127.0.0.1:3478")?.parse()?;
    let secret = std::env::var("TURN_SECRET")?;
    let (seen, mut usernames) = mpsc::unbounded_channel();
    let server = Arc::new(listen(address, Gate { secret, seen }).await?);
    println!("listening");

    let mut known = HashSet::new();
    while let Some((username, expiry)) = usernames.recv().await {
        if known.insert(username.clone()) {
            tokio::spawn(cut(Arc::clone(&server), username, expiry));
        }
    }
    Ok(())
}

async fn listen(address: SocketAddr, gate: Gate) -> Result<Server, Box<dyn Error>> {
    let relays = RelayAddressGeneratorStatic {
        relay_address: address.ip(),
        address: IpAddr::to_string(&address.ip()),
        net: Arc::new(Net::new(None)),
    };
    let listener =
        ConnConfig { conn: Arc::new(UdpSocket::bind(address).await?), relay_addr_generator: Box::new(relays) };
    let config = ServerConfig {
        conn_configs: vec![listener],
        realm: REALM.to_owned(),
        auth_handler: Arc::new(gate),
        channel_bind_timeout: Duration::ZERO, // its own default
        alloc_close_notify: None,
    };
    Ok(Server::new(config).await?)
}

/// Ends the relays of a username when it expires.
async fn cut(server: Arc<Server>, username: String, expiry: Duration) {
    tokio::time::sleep(expiry.saturating_sub(now())).await;
    match server.delete_allocations_by_username(username.clone()).await {
        Ok(()) => println!("cut {username}"),
        Err(error) => eprintln!("cannot cut {username}: {error}"),
    }
}

/// Who may open, refresh and use relays.
struct Gate {
    secret: String,
    seen: mpsc::UnboundedSender<(String, Duration)>,
}

impl AuthHandler for Gate {
    fn auth_handle(&self, username: &str, realm: &str, _from: SocketAddr) -> Result<Vec<u8>, turn::Error> {
        let refuse = |why: &str| turn::Error::Other(format!("{username}: {why}"));
        let seconds = username.split(':').next().and_then(|digits| digits.parse().ok());
        let expiry = Duration::from_secs(seconds.ok_or_else(|| refuse("no expiry in the username"))?);
        if expiry <= now() {
            return Err(refuse("expired"));
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).map_err(|_| refuse("no secret"))?;
        mac.update(username.as_bytes());
        let password = STANDARD.encode(mac.finalize().into_bytes());
        self.seen.send((username.to_owned(), expiry)).map_err(|_| refuse("the server is ending"))?;
        Ok(generate_auth_key(username, realm, &password))
    }
}

/// The time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
