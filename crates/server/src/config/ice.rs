//! `[stun]` and `[turn]`: the ICE servers that clients are given.

use std::{ops::RangeInclusive, time::Duration};

use conf::Conf;

use super::{Secret, raw::Raw, reader::Reader};
use crate::ice::url::{IceUrlKind, check};

/// Default of `turn.ttl`: a day, so that a call seldom outlives its credentials.
const TURN_TTL_S: u64 = 86_400;

/// What `turn.ttl` may be, in seconds. Below ten seconds credentials expire while a call is being set up; above 30 days a leaked
/// credential works for months.
pub const TTL_RANGE_S: RangeInclusive<u64> = 10..=2_592_000;

/// Which ICE servers there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceConfig {
    /// `stun.urls`.
    pub stun_urls: Vec<String>,
    /// `[turn]`.
    pub turn: Option<TurnConfig>,
}

/// TURN servers that share a secret with us: coturn's `use-auth-secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnConfig {
    /// `turn.urls`.
    pub urls: Vec<String>,
    /// `turn.secret`: coturn's `static-auth-secret`.
    pub secret: Secret,
    /// `turn.ttl`: how long a credential opens new allocations; in seconds in the configuration.
    pub ttl: Duration,
    /// `turn.cuts_at_expiry`: whether the TURN servers end relays that are in use when their credential expires. coturn does not.
    pub cuts_at_expiry: bool,
}

/// The section `[stun]`, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct StunSection {
    #[conf(env)]
    pub(super) urls: Option<Raw>,
}

/// The section `[turn]`, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct TurnSection {
    #[conf(env)]
    pub(super) urls: Option<Raw>,
    #[conf(env, secret)]
    pub(super) secret: Option<Raw>,
    #[conf(env)]
    pub(super) ttl: Option<Raw>,
    #[conf(env)]
    pub(super) cuts_at_expiry: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, stun: StunSection, turn: TurnSection) -> IceConfig {
    IceConfig { stun_urls: read_urls(reader, "stun.urls", IceUrlKind::Stun, stun.urls), turn: read_turn(reader, turn) }
}

fn read_turn(reader: &mut Reader, section: TurnSection) -> Option<TurnConfig> {
    let named = section.urls.is_some();
    let urls = read_urls(reader, "turn.urls", IceUrlKind::Turn, section.urls);
    let secret = reader.secret("turn.secret", section.secret);
    let ttl = Duration::from_secs(reader.number("turn.ttl", section.ttl, TURN_TTL_S, &TTL_RANGE_S));
    let cuts_at_expiry = reader.switch("turn.cuts_at_expiry", section.cuts_at_expiry);
    match secret {
        Some(secret) if named => Some(TurnConfig { urls, secret, ttl, cuts_at_expiry }),
        Some(_) => {
            reader.refuse("turn.urls", "is missing although turn.secret is set; set ALDIS_TURN_URLS=turn:HOST:3478");
            None
        }
        None if named => {
            reader.refuse(
                "turn.secret",
                "is missing although turn.urls is set; set ALDIS_TURN_SECRET to coturn's static-auth-secret",
            );
            None
        }
        None => None,
    }
}

fn read_urls(reader: &mut Reader, key: &'static str, kind: IceUrlKind, raw: Option<Raw>) -> Vec<String> {
    let urls = reader.list(key, raw);
    for url in &urls {
        if let Err(error) = check(kind, url) {
            reader.refuse(key, format!("`{url}` {error}"));
        }
    }
    urls
}
