//! `backplane`, `backplane_prefix`, `require_backplane` and `refuse_degraded_joins`: what there is between nodes.

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
    /// Who may come while it does not reach the others.
    pub degraded: DegradedJoins,
}

/// What a node is without its backplane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It serves its own clients, and says that it is degraded.
    Wanted,
    /// It does not start, and is not ready.
    Required,
}

/// Who may come into the rooms of a node that does not reach the others. Whoever resumes always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DegradedJoins {
    /// Everybody: they meet those of their own node, and the others when it heals.
    Served,
    /// Nobody: a client is better off at another node, or later.
    Refused,
}

impl Default for BackplaneConfig {
    fn default() -> Self {
        Self {
            address: Address::Memory,
            prefix: Prefix::default(),
            need: Need::Wanted,
            degraded: DegradedJoins::Served,
        }
    }
}

/// The four keys, unread.
pub(super) struct Keys {
    pub(super) backplane: Option<Raw>,
    pub(super) prefix: Option<Raw>,
    pub(super) require: Option<Raw>,
    pub(super) refuse: Option<Raw>,
}

pub(super) fn read(reader: &mut Reader, keys: Keys, cluster: Option<&Secret>, purpose: Purpose) -> BackplaneConfig {
    let address = reader.address("backplane", keys.backplane);
    let prefix = reader.text_or("backplane_prefix", keys.prefix, &Prefix::default().to_string());
    let prefix = Prefix::parse(&prefix).unwrap_or_else(|invalid| {
        reader.refuse("backplane_prefix", invalid.to_string());
        Prefix::default()
    });
    let need = if reader.switch("require_backplane", keys.require) { Need::Required } else { Need::Wanted };
    let refused = reader.switch("refuse_degraded_joins", keys.refuse);
    let degraded = if refused { DegradedJoins::Refused } else { DegradedJoins::Served };
    let Some(address) = address else {
        return BackplaneConfig { prefix, need, degraded, ..BackplaneConfig::default() };
    };
    if address == Address::Memory {
        const USELESS: &str = "is of no use in memory; set ALDIS_BACKPLANE to the URL of a broker";
        if need == Need::Required {
            reader.refuse("require_backplane", USELESS);
        }
        if degraded == DegradedJoins::Refused {
            reader.refuse("refuse_degraded_joins", USELESS);
        }
    } else if cluster.is_none() && purpose != Purpose::Tool {
        let problem = format!(
            "is missing although backplane is {address}; set ALDIS_CLUSTER_SECRET to the same secret on every node \
             (`openssl rand -base64 48` makes one)"
        );
        reader.refuse("cluster_secret", problem);
    }
    BackplaneConfig { address, prefix, need, degraded }
}
