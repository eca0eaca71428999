//! ICE servers: STUN for all, and TURN credentials that live as long as they should.
//!
//! TURN servers are coturn with `use-auth-secret`, the scheme of draft-uberti-behave-turn-rest-00: the username says when it expires
//! and the password is an HMAC of the username, so the two servers share a secret and nothing else. coturn looks at the expiry when
//! it first sees a username, and does not end live relays after it; other servers do, and `turn.cuts_at_expiry` says so to clients.
//!
//! | module | holds |
//! |---|---|
//! | `coturn` | username and password |
//! | [`url`] | which URLs are accepted |

use std::time::Duration;

use aldis_core::{Grant, Permission};
use aldis_protocol::{IceServer, Identity, server::IceServers};
use aws_lc_rs::hmac;

use crate::{config::IceConfig, resume::ClusterKeys};

mod coturn;
pub mod url;

/// Makes the ICE servers of one client, fresh for every `welcome` and every renewal.
#[derive(Debug, Clone)]
pub struct IceSource {
    stun_urls: Vec<String>,
    turn: Option<Turn>,
}

#[derive(Debug, Clone)]
struct Turn {
    urls: Vec<String>,
    coturn: coturn::Coturn,
    ttl: Duration,
    tag_key: hmac::Key,
    cuts_at_expiry: bool,
}

impl IceSource {
    /// A source of what the configuration names. The cluster's keys make the same pseudonym of an identity on every node.
    #[must_use]
    pub fn new(config: &IceConfig, keys: &ClusterKeys) -> Self {
        let turn = config.turn.as_ref().map(|turn| Turn {
            urls: turn.urls.clone(),
            coturn: coturn::Coturn::new(turn.secret.expose()),
            ttl: turn.ttl,
            tag_key: keys.turn_tag.clone(),
            cuts_at_expiry: turn.cuts_at_expiry,
        });
        Self { stun_urls: config.stun_urls.clone(), turn }
    }

    /// The ICE servers of `identity`. Without the permission `turn` only STUN.
    #[must_use]
    pub fn mint(&self, identity: &Identity, grant: Grant, now_unix_s: u64) -> IceServers {
        let mut ice_servers = Vec::new();
        let mut ice_expires_at = None;
        let mut ice_cuts_at_expiry = false;
        if !self.stun_urls.is_empty() {
            ice_servers.push(IceServer { urls: self.stun_urls.clone(), username: None, credential: None });
        }
        if let Some(turn) = self.turn.as_ref().filter(|_| grant.allows(Permission::Turn)) {
            let tag = coturn::tag(&turn.tag_key, identity);
            let expiry = coturn::expiry(now_unix_s, turn.ttl);
            let (username, credential) = turn.coturn.credential(expiry, &tag);
            ice_servers.push(IceServer {
                urls: turn.urls.clone(),
                username: Some(username),
                credential: Some(credential),
            });
            ice_expires_at = Some(expiry.saturating_mul(1_000));
            ice_cuts_at_expiry = turn.cuts_at_expiry;
        }
        IceServers { ice_servers, ice_expires_at, ice_cuts_at_expiry }
    }

    /// How long after minting fresh credentials are due, for who may have them; nothing where there is no TURN server.
    #[must_use]
    pub fn renew_after(&self) -> Option<Duration> {
        self.turn.as_ref().map(|turn| renew_after(turn.ttl))
    }
}

/// When credentials of this TTL are replaced: at three quarters of it, so that a client whose renewal is late still has good ones.
#[must_use]
pub fn renew_after(ttl: Duration) -> Duration {
    ttl / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, TurnConfig};

    const NOW: u64 = 1_767_225_700;

    fn source(stun: &[&str], turn: Option<u64>) -> IceSource {
        let turn = turn.map(|ttl| TurnConfig {
            urls: vec!["turn:turn.example.org:3478".into(), "turns:turn.example.org:5349".into()],
            secret: Secret::new("north"),
            ttl: Duration::from_secs(ttl),
            cuts_at_expiry: false,
        });
        let config = IceConfig { stun_urls: stun.iter().map(|&url| url.to_owned()).collect(), turn };
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        IceSource::new(&config, &ClusterKeys::new(Some(&secret)).expect("keys"))
    }

    fn identity(text: &str) -> Identity {
        Identity::parse(text).expect("an identity")
    }

    #[test]
    fn who_may_use_turn_gets_credentials_and_everybody_stun() {
        let source = source(&["stun:stun.example.org"], Some(86_400));
        let ice = source.mint(&identity("ann"), Grant::default(), NOW);
        assert_eq!(ice.ice_expires_at, Some((NOW + 86_400) * 1_000));
        assert!(!ice.ice_cuts_at_expiry);
        let [stun, turn] = ice.ice_servers.as_slice() else { panic!("two entries: {ice:?}") };
        assert_eq!((stun.urls.as_slice(), &stun.username), (&["stun:stun.example.org".to_owned()][..], &None));
        let username = turn.username.clone().expect("a username");
        assert!(username.starts_with(&format!("{}:u", NOW + 86_400)), "{username}");
        assert_eq!(turn.credential.as_ref().map(String::len), Some(28));

        let without = source.mint(&identity("ann"), Grant::NONE, NOW);
        assert_eq!((without.ice_servers.len(), without.ice_expires_at), (1, None));
    }

    #[test]
    fn the_tag_is_stable_per_identity_and_tells_nothing_of_it() {
        let tag = |who: &str, now: u64| {
            let ice = source(&[], Some(3_600)).mint(&identity(who), Grant::default(), now);
            let username = ice.ice_servers.into_iter().next().and_then(|server| server.username).expect("a username");
            username.split_once(':').expect("expiry:tag").1.to_owned()
        };
        assert_eq!(tag("ann", NOW), tag("ann", NOW + 5_000));
        assert_ne!(tag("ann", NOW), tag("bob", NOW));
        assert!(!tag("ann", NOW).contains("ann"));
        assert_eq!(tag("ann", NOW).len(), 17);
    }

    #[test]
    fn without_servers_there_is_nothing_to_renew() {
        let none = source(&[], None);
        assert_eq!(none.mint(&identity("ann"), Grant::default(), NOW).ice_servers, []);
        assert_eq!(none.renew_after(), None);
        assert_eq!(source(&[], Some(86_400)).renew_after(), Some(Duration::from_secs(64_800)));
    }
}
