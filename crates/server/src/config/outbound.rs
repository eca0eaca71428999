//! `[outbound]`: whom this server's own requests may reach, and who is believed there.

use std::path::PathBuf;

use conf::Conf;

use super::{Purpose, proxies::network, raw::Raw, reader::Reader};
use crate::outbound::{Outbound, OutboundConfig};

/// The section, unread. Public only because the derive needs it.
#[derive(Conf, Default)]
#[conf(serde)]
pub struct OutboundSection {
    #[conf(env)]
    pub(super) networks: Option<Raw>,
    #[conf(env)]
    pub(super) ca_file: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, section: OutboundSection, purpose: Purpose) -> OutboundConfig {
    const NETWORKS: &str = "outbound.networks";
    const CA_FILE: &str = "outbound.ca_file";
    let mut networks = Vec::new();
    for entry in reader.list(NETWORKS, section.networks) {
        match network(entry.trim_end()) {
            Ok(network) => networks.push(network),
            Err(problem) => reader.refuse(NETWORKS, format!("`{entry}` {problem}")),
        }
    }
    let ca_file = reader.text(CA_FILE, section.ca_file).map(PathBuf::from);
    let config = OutboundConfig { reach: networks.into_iter().collect(), ca_file };
    // A tool on another machine has no use for the file.
    if purpose == Purpose::Serve
        && config.ca_file.is_some()
        && let Err(error) = Outbound::new(&config)
    {
        reader.refuse(CA_FILE, format!("{error}; give the path of a PEM file with BEGIN CERTIFICATE"));
    }
    config
}
