//! The providers of a configuration, and in which order an identity is served by them.
//!
//! An identity has its own order, by weight: of two providers with weights 3 and 1 the first serves three identities in four, and the
//! second stands in for it. The order is the same at every node and each time, so that the quotas of a TURN server and what was made a
//! moment ago hold for whoever comes back. Providers of weight 0 only stand in, in the order in which they are written down.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use aldis_core::Moment;
use aldis_protocol::Limits;
use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::{
    breaker::{Breaker, Tripped},
    cloudflare::Cloudflare,
    coturn::Coturn,
    fixed::Fixed,
    hosted::Line,
    metrics::{LinkMetrics, TurnMetrics},
    provider::{Place, Provider, ProviderError},
    twilio::Twilio,
};
use crate::{
    config::{ProviderConfig, ProviderKind, Secret},
    outbound::{Outbound, OutboundConfig},
};

/// One provider of a chain.
pub(super) struct Link {
    pub(super) name: String,
    weight: u32,
    pub(super) provider: Box<dyn Provider>,
    /// Whether it is asked.
    breaker: Mutex<Breaker>,
    pub(super) metrics: LinkMetrics,
}

impl Link {
    /// Takes leave to ask the provider.
    pub(super) fn admit(&self, now: Moment, limits: &Limits) -> bool {
        let mut breaker = self.breaker.lock();
        let admitted = breaker.admit(now, limits);
        self.metrics.shows(breaker.figure());
        admitted
    }

    /// Whether it may be asked.
    pub(super) fn lets_through(&self, now: Moment) -> bool {
        self.breaker.lock().lets_through(now)
    }

    /// It did what it was asked.
    pub(super) fn succeeded(&self) {
        let mut breaker = self.breaker.lock();
        if !matches!(*breaker, Breaker::Closed { .. }) {
            tracing::info!(provider = self.name, "the TURN provider is back");
        }
        breaker.succeed();
        self.metrics.shows(breaker.figure());
    }

    /// It did not.
    pub(super) fn failed(&self, error: &ProviderError, now: Moment, limits: &Limits) {
        let mut breaker = self.breaker.lock();
        match breaker.fail(now, limits) {
            Tripped::Now => {
                tracing::warn!(provider = self.name, %error, "the TURN provider is left alone for a while");
            }
            Tripped::No => tracing::debug!(provider = self.name, %error, "the TURN provider failed"),
        }
        self.metrics.shows(breaker.figure());
    }
}

/// The providers of a configuration.
#[derive(Default)]
pub(super) struct Chain {
    links: Vec<Arc<Link>>,
}

impl Chain {
    /// Builds what the configuration names.
    pub(super) fn new(
        configs: &[ProviderConfig],
        outbound: &OutboundConfig,
        limits: &Limits,
        metrics: &TurnMetrics,
    ) -> anyhow::Result<Self> {
        let mut line = None;
        let mut link = |config: &ProviderConfig| -> anyhow::Result<Arc<Link>> {
            let provider = build(config, &mut || match &line {
                Some(line) => Ok(Line::clone(line)),
                None => Ok(line.insert(open(outbound, limits)?).clone()),
            })?;
            Ok(Arc::new(Link {
                name: config.name.clone(),
                weight: config.weight,
                provider,
                breaker: Mutex::default(),
                metrics: metrics.of(&config.name),
            }))
        };
        Ok(Self { links: configs.iter().map(&mut link).collect::<anyhow::Result<_>>()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The only provider, or of several the first of an identity, if it makes credentials here.
    pub(super) fn at_hand(&self, tag: &str) -> Option<&Arc<Link>> {
        let first = match self.links.as_slice() {
            [only] => Some(only),
            links => links.iter().min_by(|a, b| by_preference(a, b, tag)),
        };
        first.filter(|link| link.provider.place() == Place::Here)
    }

    /// All of them, in the order of an identity.
    pub(super) fn for_whom(&self, tag: &str) -> Vec<Arc<Link>> {
        let mut links = self.links.clone();
        links.sort_by(|a, b| by_preference(a, b, tag));
        links
    }
}

fn open(outbound: &OutboundConfig, limits: &Limits) -> anyhow::Result<Line> {
    let outbound = Outbound::new(outbound).context("cannot make requests to TURN providers")?;
    let body_bytes = usize::try_from(limits.turn_answer_bytes).unwrap_or(usize::MAX);
    Ok(Line::new(outbound, Duration::from_millis(limits.turn_request_ms), body_bytes))
}

fn build(config: &ProviderConfig, line: &mut dyn FnMut() -> anyhow::Result<Line>) -> anyhow::Result<Box<dyn Provider>> {
    let ProviderConfig { name, ttl, cuts_at_expiry, kind, .. } = config;
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
    let unusable = || format!("the key or the secret of the TURN provider {name} holds characters that cannot be sent");
    Ok(match kind {
        ProviderKind::Coturn { urls, secret } => {
            Box::new(Coturn::new(urls.clone(), secret.expose(), *ttl, *cuts_at_expiry))
        }
        ProviderKind::Static { urls, username, credential } => {
            Box::new(Fixed::new(urls.clone(), username.clone(), credential.clone()))
        }
        ProviderKind::Cloudflare { url, key_id, api_token } => {
            let cloudflare = Cloudflare::new(line()?, url, key_id, &text(api_token), *ttl, *cuts_at_expiry);
            Box::new(cloudflare.with_context(unusable)?)
        }
        ProviderKind::Twilio { url, account_sid, api_key, auth_token } => {
            let user = api_key.as_deref().unwrap_or(account_sid);
            let twilio = Twilio::new(line()?, url, account_sid, (user, &text(auth_token)), *ttl, *cuts_at_expiry);
            Box::new(twilio.with_context(unusable)?)
        }
    })
}

/// Weighted rendezvous hashing: each provider draws a number from the identity's pseudonym, stretched by its weight; the least is first.
/// Those of weight 0 draw the same, so that a stable sort leaves them as they are.
fn by_preference(a: &Link, b: &Link, tag: &str) -> Ordering {
    draw(a, tag).total_cmp(&draw(b, tag))
}

fn draw(link: &Link, tag: &str) -> f64 {
    if link.weight == 0 {
        return f64::INFINITY;
    }
    let hash = digest(&SHA256, format!("{tag} {}", link.name).as_bytes());
    let bits = hash.as_ref().iter().take(6).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    // 48 bits fit a float exactly; between 0 and 1, and neither.
    let chance = (bits as f64 + 0.5) / (1_u64 << 48) as f64;
    -chance.ln() / f64::from(link.weight)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    /// A provider of this name that is never asked.
    pub(in crate::ice) fn link(name: &str, weight: u32) -> Arc<Link> {
        let provider = Box::new(Fixed::new(Vec::new(), String::new(), Secret::new("")));
        of(name, weight, provider, &Metrics::new().of_turn())
    }

    fn of(name: &str, weight: u32, provider: Box<dyn Provider>, metrics: &TurnMetrics) -> Arc<Link> {
        let metrics = metrics.of(name);
        Arc::new(Link { name: name.to_owned(), weight, provider, breaker: Mutex::default(), metrics })
    }

    /// A chain of these, in this order.
    pub(in crate::ice) fn chain(providers: Vec<(&str, Box<dyn Provider>)>, metrics: &TurnMetrics) -> Chain {
        let link = |(name, provider)| of(name, 0, provider, metrics);
        Chain { links: providers.into_iter().map(link).collect() }
    }

    fn order(chain: &Chain, tag: &str) -> Vec<String> {
        chain.for_whom(tag).iter().map(|link| link.name.clone()).collect()
    }

    #[test]
    fn identities_are_shared_by_weight_and_stay_where_they_are() {
        let chain = Chain { links: vec![link("spare", 0), link("a", 1), link("b", 3), link("last", 0)] };
        let firsts: Vec<_> = (0..4_000).map(|number| order(&chain, &format!("u{number}"))[0].clone()).collect();
        let of_b = firsts.iter().filter(|first| *first == "b").count();
        assert!((2_850..3_150).contains(&of_b), "{of_b} of 4000");
        assert_eq!(firsts.iter().filter(|first| *first == "a").count(), 4_000 - of_b);
        for number in 0..100 {
            let tag = format!("u{number}");
            let found = order(&chain, &tag);
            assert_eq!(found, order(&chain, &tag));
            assert_eq!(found[2..], ["spare", "last"]);
            assert_eq!(chain.at_hand(&tag).map(|link| link.name.clone()).as_ref(), found.first());
        }
    }

    #[test]
    fn a_provider_that_goes_moves_only_those_that_it_served() {
        let three = Chain { links: vec![link("a", 1), link("b", 1), link("c", 1)] };
        let two = Chain { links: vec![link("a", 1), link("b", 1)] };
        for number in 0..200 {
            let tag = format!("u{number}");
            let mut before = order(&three, &tag);
            before.retain(|name| name != "c");
            assert_eq!(before, order(&two, &tag));
        }
    }
}
