//! TURN servers with a login that is always the same. Whoever has seen it may use it for ever: for servers of the inside, and for trying.

use aldis_protocol::IceServer;

use super::provider::{Minted, Minting, Order, Place, Provider, Revoking};
use crate::config::Secret;

/// Such servers.
pub(super) struct Fixed {
    urls: Vec<String>,
    username: String,
    credential: Secret,
}

impl Fixed {
    pub(super) fn new(urls: Vec<String>, username: String, credential: Secret) -> Self {
        Self { urls, username, credential }
    }
}

impl Provider for Fixed {
    fn place(&self) -> Place {
        Place::Here
    }

    fn mint(&self, _: &Order<'_>) -> Minting {
        // It was read as text.
        let credential = String::from_utf8_lossy(self.credential.expose()).into_owned();
        let username = Some(self.username.clone());
        let server = IceServer { urls: self.urls.clone(), username, credential: Some(credential) };
        Minting::Done(Minted { servers: vec![server], life: None, cuts_at_expiry: false })
    }

    fn revoke(&self, _: &str) -> Revoking {
        Revoking::Impossible
    }
}
