//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which addresses this server's own requests may reach: public ones, and those of the networks that the operator lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach(Vec<IpNet>);

/// What is not on the internet (IANA, IPv4 special-purpose registry), and the one public address behind which a cloud (Azure) has
/// what only its own machines may ask.
const SHUT: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// All of IPv6 that is given out to be reached (RFC 4291, section 2.4), apart from the next ones.
const UNICAST: Ipv6Net = v6(0x2000, 0, 3);

/// Of those: IETF protocols with Teredo, documentation, 6to4, documentation.
const SHUT_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// IPv4 as a network of IPv6 alone sees it (RFC 6052): what counts is the address inside.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

impl Reach {
    /// Whether this address may be connected to.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address)) || is_public(address)
    }
}

impl FromIterator<IpNet> for Reach {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SHUT.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => UNICAST.contains(&address) && !SHUT_V6.iter().any(|network| network.contains(&address)),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(reach: &Reach, addresses: &[&str]) -> Vec<bool> {
        addresses.iter().map(|text| reach.permits(text.parse().expect(text))).collect()
    }

    #[test]
    fn the_internet_is_open_and_what_is_inside_is_shut() {
        let open = [
            "8.8.8.8",
            "1.1.1.1",
            "172.15.255.255",
            "172.32.0.1",
            "100.128.0.1",
            "11.0.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "2400:cb00::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ];
        assert_eq!(judged(&Reach::default(), &open), [true; 11]);
        let shut = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
        ];
        let judged = judged(&Reach::default(), &shut);
        let wrong: Vec<_> = shut.iter().zip(&judged).filter(|(_, open)| **open).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn what_the_operator_lists_is_open_too_and_nothing_beside_it() {
        let reach: Reach = ["10.1.0.0/16", "::1/128"].map(|text| text.parse().expect(text)).into_iter().collect();
        assert_eq!(judged(&reach, &["10.1.2.3", "::ffff:10.1.2.3", "::1", "8.8.8.8"]), [true; 4]);
        assert_eq!(judged(&reach, &["10.2.0.1", "127.0.0.1", "169.254.169.254"]), [false; 3]);
    }
}
