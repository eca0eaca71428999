//! Who may come in, as a running server has it: the keys of the configuration, those that issuers publish, and a reload of both.
//!
//! Everything is behind one pointer that a reload replaces. Whoever checks a token takes a copy of it and holds no lock meanwhile, so
//! a reload disturbs nobody, and a token is judged by the old configuration or by the new one and never by a mixture.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use aldis_protocol::{Limits, RoomId};
use futures_util::future::join_all;
use parking_lot::RwLock;
use tokio_util::task::AbortOnDropHandle;

use super::{
    MintError, Minted, NewToken, Published, TokenError, Verified, Verifier,
    jwks::{JwksMetrics, Source},
};
use crate::{
    clock::Clock,
    config::AuthConfig,
    outbound::{Outbound, OutboundConfig},
};

/// How long a token whose key is not there waits for a fetch.
const WAIT: Duration = Duration::from_secs(2);

/// Checks tokens for a server.
pub struct Tokens {
    current: RwLock<Arc<Current>>,
    limits: Arc<Limits>,
    clock: Clock,
    metrics: Arc<JwksMetrics>,
}

struct Current {
    verifier: Verifier,
    outbound: OutboundConfig,
    issuers: Vec<Issuer>,
}

/// An issuer and the task that fetches its keys, which ends with the last who has this.
#[derive(Clone)]
struct Issuer {
    source: Arc<Source>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Tokens {
    /// Begins to fetch what issuers publish. Needs the runtime.
    ///
    /// # Errors
    /// There are issuers, and no certificates to trust.
    pub fn start(
        auth: &AuthConfig,
        outbound: &OutboundConfig,
        limits: &Arc<Limits>,
        clock: Clock,
        metrics: Arc<JwksMetrics>,
    ) -> Result<Self, aldis_client::Error> {
        let none = Current { verifier: verifier(auth, limits), outbound: outbound.clone(), issuers: Vec::new() };
        let tokens = Self { current: RwLock::new(Arc::new(none)), limits: Arc::clone(limits), clock, metrics };
        tokens.replace(auth, outbound)?;
        Ok(tokens)
    }

    /// Judges by another configuration from now on. What an issuer has published stays known if nothing about it has changed.
    ///
    /// # Errors
    /// As [`start`](Self::start); then nothing has changed.
    pub fn replace(&self, auth: &AuthConfig, outbound: &OutboundConfig) -> Result<(), aldis_client::Error> {
        let old = self.current();
        let mut client = None;
        let mut issuers = Vec::new();
        for config in &auth.jwks {
            let kept = old.issuers.iter().find(|issuer| issuer.source.config() == config && old.outbound == *outbound);
            if let Some(kept) = kept {
                issuers.push(kept.clone());
                continue;
            }
            let client = match &client {
                Some(client) => Outbound::clone(client),
                None => client.insert(Outbound::new(outbound)?).clone(),
            };
            let source = Arc::new(Source::new(config.clone(), client, self.clock, Arc::clone(&self.metrics)));
            let task = Arc::new(AbortOnDropHandle::new(tokio::spawn(Arc::clone(&source).run())));
            issuers.push(Issuer { source, _task: task });
        }
        let verifier = verifier(auth, &self.limits);
        *self.current.write() = Arc::new(Current { verifier, outbound: outbound.clone(), issuers });
        Ok(())
    }

    /// Checks a token for a request that names `room`, with the keys that are there.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn verify(&self, token: &str, room: Option<&RoomId>) -> Result<Verified, TokenError> {
        let current = self.current();
        current.verifier.verify_with(&current.published(), token, room, self.clock.unix_ms())
    }

    /// What to wait for before a token that was refused is checked once more: a fetch that may bring its key. There is none where that
    /// is not why, or where no fetch may begin for now. It ends after two seconds at the latest.
    #[must_use]
    pub fn fetching(&self, error: &TokenError) -> Option<impl Future<Output = ()> + Send + 'static> {
        if !matches!(error, TokenError::UnknownKid | TokenError::KeysUnavailable) {
            return None;
        }
        let fetches: Vec<_> = self.current().issuers.iter().filter_map(|issuer| issuer.source.wish()).collect();
        (!fetches.is_empty()).then_some(async move {
            let all = join_all(fetches.into_iter().map(|mut over| async move { over.changed().await.is_ok() }));
            // Whether or not they are over: the token is checked with what is there then.
            let _ = tokio::time::timeout(WAIT, all).await;
        })
    }

    /// Signs a token with the first key that can.
    ///
    /// # Errors
    /// There is no such key, or the token would be refused.
    pub fn mint(&self, token: &NewToken, now_unix_ms: u64) -> Result<Minted, MintError> {
        self.current().verifier.mint(token, now_unix_ms)
    }

    /// Shows what is known of issuers' keys in the metrics.
    pub fn show(&self) {
        let current = self.current();
        let oldest = current.issuers.iter().map(|issuer| issuer.source.age_ms()).max().unwrap_or(0);
        let rings = current.published().rings;
        self.metrics.show(oldest, rings.iter().map(|ring| ring.keys().len()).sum());
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read())
    }
}

impl Current {
    fn published(&self) -> Published {
        let mut published = Published::default();
        for issuer in &self.issuers {
            let snapshot = issuer.source.snapshot();
            published.rings.extend(snapshot.ring);
            published.behind += usize::from(snapshot.is_behind);
        }
        published
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

fn verifier(auth: &AuthConfig, limits: &Limits) -> Verifier {
    Verifier::new(auth.keys.clone(), auth.rules.clone(), limits)
}
