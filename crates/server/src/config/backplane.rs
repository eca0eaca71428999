//! `backplane`, `backplane_prefix` and `require_backplane`: what there is between nodes.

use super::{Purpose, Secret, raw::Raw, reader::Reader};
use crate::backplane::{Address, Prefix};

/// What there is between this node and others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackplaneConfig {
    /// Where it is. In memory, the node is alone.
    pub address: Address,
    /// The beginning of all names there.
    pub prefix: Prefix,
    /// What the node is without it.
    pub need: Need,
}

/// What a node is without its backplane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It serves its own clients, and says that it is degraded.
    Wanted,
    /// It does not start, and is not ready.
    Required,
}

impl Default for BackplaneConfig {
    fn default() -> Self {
        Self { address: Address::Memory, prefix: Prefix::default(), need: Need::Wanted }
    }
}

/// The three keys, unread.
pub(super) struct Keys {
    pub(super) backplane: Option<Raw>,
    pub(super) prefix: Option<Raw>,
    pub(super) require: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, keys: Keys, cluster: Option<&Secret>, purpose: Purpose) -> BackplaneConfig {
    let address = reader.address("backplane", keys.backplane);
    let prefix = reader.text_or("backplane_prefix", keys.prefix, &Prefix::default().to_string());
    let prefix = Prefix::parse(&prefix).unwrap_or_else(|invalid| {
        reader.refuse("backplane_prefix", invalid.to_string());
        Prefix::default()
    });
    let need = if reader.switch("require_backplane", keys.require) { Need::Required } else { Need::Wanted };
    let Some(address) = address else { return BackplaneConfig { prefix, need, ..BackplaneConfig::default() } };
    if address == Address::Memory {
        if need == Need::Required {
            reader.refuse("require_backplane", "is of no use in memory; set ALDIS_BACKPLANE to the URL of a broker");
        }
    } else if cluster.is_none() && purpose != Purpose::Tool {
        let problem = format!(
            "is missing although backplane is {address}; set ALDIS_CLUSTER_SECRET to the same secret on every node \
             (`openssl rand -base64 48` makes one)"
        );
        reader.refuse("cluster_secret", problem);
    }
    BackplaneConfig { address, prefix, need }
}
