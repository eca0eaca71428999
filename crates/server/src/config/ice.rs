//! `[stun]`, and what `[turn]` comes to: the ICE servers that clients are given.

use std::path::PathBuf;

use conf::Conf;

use super::{
    ProviderConfig,
    raw::Raw,
    reader::Reader,
    turn::{self, TurnSection},
};
use crate::ice::url::{IceUrlKind, check};

/// Which ICE servers there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceConfig {
    /// `stun.urls`.
    pub stun_urls: Vec<String>,
    /// `[turn]`: who hands out TURN credentials, in the order in which they are written down.
    pub turn: Vec<ProviderConfig>,
    /// The files that their secrets came from.
    pub files: Vec<PathBuf>,
}

/// The section `[stun]`, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct StunSection {
    #[conf(env)]
    pub(super) urls: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, stun: StunSection, turn: TurnSection) -> IceConfig {
    const KEY: &str = "stun.urls";
    let stun_urls = reader.list(KEY, stun.urls);
    for url in &stun_urls {
        if let Err(error) = check(IceUrlKind::Stun, url) {
            reader.refuse(KEY, format!("`{url}` {error}"));
        }
    }
    let mut files = Vec::new();
    let turn = turn::read(reader, turn, &mut files);
    IceConfig { stun_urls, turn, files }
}
