//! ICE servers: STUN for all, and TURN credentials that live as long as they should.
//!
//! Credentials come from a chain of providers. Those of coturn and fixed ones are made here, at once. Those of Cloudflare and Twilio are
//! asked for over the network: then there is something to wait for, which a join does only for `limits.turn_wait_ms`.
//!
//! | module | holds |
//! |---|---|
//! | [`provider`] | [`Provider`](provider::Provider): what all of them are |
//! | `coturn`, `fixed`, `cloudflare`, `twilio` | one each |
//! | `hosted`, `answer` | a request to one on the network; ICE servers as they spell them |
//! | `chain` | who is served by whom |
//! | [`office`] | who asks them, and when not |
//! | `ledger`, `budget`, `breaker` | its pure parts: what lives, who may have more, who is left alone |
//! | [`metrics`] | what is counted |
//! | [`url`] | which URLs are accepted |

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use aldis_core::{Grant, Permission};
use aldis_protocol::{IceServer, Identity, RoomId, server::IceServers};
use anyhow::Context as _;
use parking_lot::RwLock;

use crate::{config::IceConfig, mac_ring::MacRing, outbound::OutboundConfig, resume::ClusterKeys};

mod answer;
mod breaker;
mod budget;
mod chain;
mod cloudflare;
mod coturn;
mod fixed;
mod hosted;
mod ledger;
pub mod metrics;
pub mod office;
pub mod provider;
mod twilio;
pub mod url;

use budget::Payer;
use chain::Chain;
use ledger::Live;
use office::{Found, Office, Surroundings};
use provider::{Life, Minted, Minting, Order};

/// Makes the ICE servers of clients.
pub struct IceSource {
    /// Shared: who changes the cluster's secret changes it here.
    tag_key: MacRing,
    current: RwLock<Arc<Current>>,
    office: Arc<Office>,
}

/// What the configuration names now.
struct Current {
    stun: Vec<IceServer>,
    chain: Chain,
}

/// For whom ICE servers are.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Who it is.
    pub identity: &'a Identity,
    /// Where it is.
    pub room: &'a RoomId,
    /// The key that signed its token.
    pub kid: &'a str,
    /// What it may do: `turn`, or not.
    pub grant: Grant,
}

/// What there is for a client.
pub enum Supply {
    /// ICE servers.
    Ready(Ice),
    /// TURN credentials are being made.
    Pending(Pending),
    /// There are none for now.
    Delayed(Delayed),
}

/// ICE servers, and when others are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ice {
    /// What a client is given.
    pub servers: IceServers,
    /// When fresh ones are due; nothing where these are good for ever.
    pub renew_after: Option<Duration>,
}

/// What there is where TURN credentials are late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    /// What does meanwhile: earlier credentials where there are some, else STUN alone.
    pub servers: IceServers,
    /// When to try again.
    pub retry_after: Duration,
}

/// Waits for TURN credentials.
pub struct Pending {
    meanwhile: IceServers,
    landing: Pin<Box<dyn Future<Output = Option<Ice>> + Send>>,
}

impl Delayed {
    /// Whether there is no TURN server among what does meanwhile.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.servers.ice_servers.iter().all(|server| server.username.is_none())
    }
}

impl Pending {
    /// What there is for who does not wait any longer.
    #[must_use]
    pub fn delayed(&self) -> Delayed {
        Delayed { servers: self.meanwhile.clone(), retry_after: office::retry_after() }
    }
}

impl Future for Pending {
    type Output = Result<Ice, Delayed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ice = ready!(self.landing.as_mut().poll(cx));
        Poll::Ready(ice.ok_or_else(|| self.delayed()))
    }
}

impl IceSource {
    /// A source of what the configuration names. The cluster's keys make the same pseudonym of an identity on every node.
    ///
    /// # Errors
    /// A provider is on the network, and requests to it cannot be made.
    pub fn new(
        config: &IceConfig,
        outbound: &OutboundConfig,
        keys: &ClusterKeys,
        around: Surroundings,
    ) -> anyhow::Result<Self> {
        let current = Current::new(config, outbound, &around)?;
        let current = RwLock::new(Arc::new(current));
        Ok(Self { tag_key: keys.turn_tag.clone(), current, office: Arc::new(Office::new(around)) })
    }

    /// From now on ICE servers are those of another configuration. Whoever has others gets these when its own are due.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing has changed.
    pub fn replace(&self, config: &IceConfig, outbound: &OutboundConfig) -> anyhow::Result<()> {
        let replacement = Arc::new(Current::new(config, outbound, self.office.around())?);
        *self.current.write() = replacement;
        Ok(())
    }

    /// Whether there is a TURN server at all.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        !self.current.read().chain.is_empty()
    }

    /// The ICE servers of a client. Without the permission `turn` only STUN.
    #[must_use]
    pub fn supply(&self, client: &Client<'_>) -> Supply {
        let current = Arc::clone(&self.current.read());
        if current.chain.is_empty() || !client.grant.allows(Permission::Turn) {
            return Supply::Ready(current.bare());
        }
        let tag = coturn::tag(&self.tag_key, client.identity);
        if let Some(link) = current.chain.at_hand(&tag) {
            let order = Order { tag: &tag, now_unix_s: self.office.clock().unix_ms() / 1_000 };
            if let Minting::Done(minted) = link.provider.mint(&order) {
                link.metrics.minted();
                return Supply::Ready(current.with(minted, Duration::ZERO));
            }
        }
        let payer = Payer { identity: client.identity, room: client.room, kid: client.kid };
        let now = self.office.clock().now();
        let ice = |live: Live| current.with(Minted::clone(&live.minted), live.age(now));
        let meanwhile = |left: Option<Live>| left.map_or_else(|| current.bare().servers, |live| ice(live).servers);
        match self.office.find(&current.chain, &payer, &tag) {
            Found::Live(live) => Supply::Ready(ice(live)),
            Found::Nothing { retry_after, left } => Supply::Delayed(Delayed { servers: meanwhile(left), retry_after }),
            Found::Underway { landing, left } => {
                let (meanwhile, office) = (meanwhile(left), Arc::clone(&self.office));
                let landing = Box::pin(async move {
                    let live = office::landed(landing).await?;
                    let age = live.age(office.clock().now());
                    Some(current.with(Minted::clone(&live.minted), age))
                });
                Supply::Pending(Pending { meanwhile, landing })
            }
        }
    }

    /// Takes back the TURN credentials of an identity where their provider can: relays that they opened end. Those of coturn, of Twilio
    /// and fixed ones end with their time.
    pub fn revoke(&self, identity: &Identity) {
        self.office.revoke(identity);
    }

    /// Counts a client that was told to wait.
    pub(crate) fn delayed(&self) {
        self.office.turn().delayed();
    }

    /// The ICE servers of an identity by one provider, the first of the chain if none is named: whatever its failures were, once.
    ///
    /// # Errors
    /// There is none of this name, or it failed.
    pub async fn ask(&self, provider: Option<&str>, identity: &Identity) -> anyhow::Result<IceServers> {
        let current = Arc::clone(&self.current.read());
        let tag = coturn::tag(&self.tag_key, identity);
        let links = current.chain.for_whom(&tag);
        let link = match provider {
            None => links.first().context("there is no TURN provider")?,
            Some(name) => links.iter().find(|link| link.name == name).with_context(|| {
                let names: Vec<_> = links.iter().map(|link| link.name.as_str()).collect();
                format!("no TURN provider is called {name}; there are {}", names.join(", "))
            })?,
        };
        let order = Order { tag: &tag, now_unix_s: self.office.clock().unix_ms() / 1_000 };
        let minted = match link.provider.mint(&order) {
            Minting::Done(minted) => minted,
            Minting::Underway(answer) => {
                answer.await.with_context(|| format!("the TURN provider {} gave no credentials", link.name))?
            }
        };
        Ok(current.with(minted, Duration::ZERO).servers)
    }
}

impl Current {
    fn new(config: &IceConfig, outbound: &OutboundConfig, around: &Surroundings) -> anyhow::Result<Self> {
        let stun = IceServer { urls: config.stun_urls.clone(), username: None, credential: None };
        let stun = if stun.urls.is_empty() { Vec::new() } else { vec![stun] };
        Ok(Self { stun, chain: Chain::new(&config.turn, outbound, &around.limits, &around.turn)? })
    }

    /// STUN alone.
    fn bare(&self) -> Ice {
        let servers = IceServers { ice_servers: self.stun.clone(), ice_expires_at: None, ice_cuts_at_expiry: false };
        Ice { servers, renew_after: None }
    }

    /// STUN, and these credentials, which are older by so much than when they were made.
    fn with(&self, minted: Minted, older: Duration) -> Ice {
        let Minted { servers, life, cuts_at_expiry } = minted;
        let mut ice_servers = self.stun.clone();
        ice_servers.extend(servers);
        let servers = IceServers {
            ice_servers,
            ice_expires_at: life.map(|life| life.expires_at_unix_s.saturating_mul(1_000)),
            ice_cuts_at_expiry: cuts_at_expiry,
        };
        Ice { servers, renew_after: life.map(|life| renew_after(life, older)) }
    }
}

/// When credentials are replaced: at three quarters of their time, so that a client whose renewal is late still has good ones.
fn renew_after(life: Life, older: Duration) -> Duration {
    (life.ttl / 4 * 3).saturating_sub(life.age.saturating_add(older))
}

#[cfg(test)]
mod tests;
