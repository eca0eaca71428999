//! `trusted_proxies`: whose word on where a client comes from is taken. `proxy_protocol`: whether they say it before anything else.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{raw::Raw, reader::Reader};

/// The networks of the proxies that are believed; by default nobody is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// `proxy_protocol`: whether the trusted proxies begin each connection with a PROXY header, which names its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// Nobody does; such a header is junk, whoever sends it.
    #[default]
    Off,
    /// They do, and one that does not is not served.
    Required,
}

impl TrustedProxies {
    /// Whether what this address says of others is believed.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }
}

pub(super) fn read(reader: &mut Reader, raw: Option<Raw>) -> TrustedProxies {
    const KEY: &str = "trusted_proxies";
    let entries = reader.list(KEY, raw);
    let mut networks = Vec::new();
    for entry in &entries {
        match parse(entry.trim_end()) {
            Ok(network) => networks.push(network),
            Err(problem) => reader.refuse(KEY, format!("`{entry}` {problem}")),
        }
    }
    networks.into_iter().collect()
}

pub(super) fn read_protocol(reader: &mut Reader, raw: Option<Raw>, proxies: &TrustedProxies) -> ProxyProtocol {
    const KEY: &str = "proxy_protocol";
    if !reader.switch(KEY, raw) {
        return ProxyProtocol::Off;
    }
    if proxies.0.is_empty() {
        reader.refuse(KEY, "is of no use without trusted_proxies (ALDIS_TRUSTED_PROXIES): list who sends the header");
    }
    ProxyProtocol::Required
}

fn parse(entry: &str) -> Result<IpNet, String> {
    let network = network(entry)?;
    if network.prefix_len() == 0 {
        return Err("would believe everybody, so that any client could name its own address; list your proxies".into());
    }
    Ok(network)
}

/// An address or a network, and nothing in between.
pub(super) fn network(entry: &str) -> Result<IpNet, String> {
    const FORM: &str = "is no address and no network: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::7` or `fd00::/8`";
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Ok(canonical(address.into()));
    }
    let network = canonical(entry.parse().map_err(|_| FORM.to_owned())?);
    if network != network.trunc() {
        return Err(format!("has bits beyond its prefix; write `{}`, or the address alone", network.trunc()));
    }
    Ok(network)
}

/// IPv4 as IPv4, also where it was written as IPv6: addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
    let IpNet::V6(v6) = network else { return network };
    if !MAPPED.contains(&v6) {
        return network;
    }
    let v4 = v6.addr().to_ipv4_mapped().and_then(|addr| Ipv4Net::new(addr, v6.prefix_len() - MAPPED.prefix_len()).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_address_or_a_network() {
        let good = [
            ("192.0.2.7", "192.0.2.7/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("fd00::/8", "fd00::/8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ];
        for (entry, network) in good {
            assert_eq!(parse(entry).map(|found| canonical(found).to_string()), Ok(network.to_owned()), "{entry}");
        }
        let bad = [
            ("proxy.example.org", "is no address"),
            ("10.0.0.0/33", "is no address"),
            ("10.0.0.1:80", "is no address"),
            ("", "is no address"),
            ("10.0.0.1/8", "write `10.0.0.0/8`"),
            ("0.0.0.0/0", "would believe everybody"),
            ("::/0", "would believe everybody"),
            ("::ffff:0.0.0.0/96", "would believe everybody"),
        ];
        for (entry, problem) in bad {
            assert!(parse(entry).is_err_and(|found| found.contains(problem)), "{entry}");
        }
    }

    #[test]
    fn an_address_is_found_in_whichever_form_it_comes() {
        let proxies: TrustedProxies = ["10.0.0.0/8", "::ffff:192.0.2.7", "fd00::/8"]
            .map(|entry| parse(entry).expect(entry))
            .into_iter()
            .collect();
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "fd12::1"] {
            assert!(proxies.contain(inside.parse().expect("an address")), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "fe80::1", "::1"] {
            assert!(!proxies.contain(outside.parse().expect("an address")), "{outside}");
        }
        assert!(!TrustedProxies::default().contain([127, 0, 0, 1].into()));
    }
}
