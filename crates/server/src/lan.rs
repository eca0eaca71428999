//! The local network that `aldis dev --lan` serves: this machine's addresses on it, and the code that leads a phone there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::Context as _;
use qrcode::{QrCode, render::unicode::Dense1x2};
use rustls::sign::CertifiedKey;

use crate::tls::self_signed;

/// An address of the documentation's network. Nothing is sent there: it only asks for the way to anywhere.
const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);

/// This machine's addresses on the networks it is in, the likeliest for a phone first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lan {
    addrs: Vec<IpAddr>,
}

impl Lan {
    /// Asks the system for the addresses that are served. Where it has no answer there is no network.
    #[must_use]
    pub fn find(listen: &[SocketAddr]) -> Self {
        let found = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
        Self::of(found.filter(|addr| listen.iter().any(|listen| serves(listen.ip(), *addr))), route())
    }

    /// Of all addresses those that another machine can reach: the one on the way to anywhere first, then IPv4, which is shorter to
    /// type.
    #[must_use]
    pub fn of(found: impl IntoIterator<Item = IpAddr>, route: Option<IpAddr>) -> Self {
        let mut addrs: Vec<IpAddr> = found.into_iter().filter(is_reachable).collect();
        addrs.sort_by_key(|addr| (Some(*addr) != route, *addr));
        addrs.dedup();
        Self { addrs }
    }

    /// The page's address for a phone, if there is a network.
    #[must_use]
    pub fn url(&self, port: u16) -> Option<String> {
        self.addrs.first().map(|addr| format!("https://{}/", SocketAddr::new(*addr, port)))
    }

    /// Whether an address is this machine's.
    #[must_use]
    pub fn has(&self, addr: IpAddr) -> bool {
        addr == Ipv4Addr::LOCALHOST || addr == Ipv6Addr::LOCALHOST || self.addrs.contains(&addr)
    }

    /// A certificate for this machine under all its addresses.
    ///
    /// # Errors
    /// It could not be made.
    pub fn certificate(&self) -> anyhow::Result<CertifiedKey> {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        self_signed::make(loopback.into_iter().chain(self.addrs.iter().copied()))
    }
}

/// Whether a socket that is bound to `listen` is reached at `addr`. `[::]` means IPv4 too.
fn serves(listen: IpAddr, addr: IpAddr) -> bool {
    listen == addr || listen == Ipv6Addr::UNSPECIFIED || (listen == Ipv4Addr::UNSPECIFIED && addr.is_ipv4())
}

/// An address that is good only together with an interface is no use in a URL.
fn is_reachable(addr: &IpAddr) -> bool {
    let is_link_local = match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    };
    !is_link_local && !addr.is_loopback() && !addr.is_unspecified()
}

/// The address that packets to anywhere leave from: not that of a virtual machine's bridge.
fn route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ANYWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The QR code of a URL in half blocks. The light modules are drawn, so that it is dark on light on a dark terminal.
///
/// # Errors
/// The URL is too long for a code.
pub fn code(url: &str) -> anyhow::Result<String> {
    let code = QrCode::new(url).context("the URL makes no QR code")?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|addr| addr.parse().expect("an address")).collect()
    }

    #[test]
    fn the_likeliest_address_comes_first_and_unreachable_ones_are_left_out() {
        let found =
            ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "2001:db8::5", "172.17.0.1", "192.168.1.5", "172.17.0.1"];
        let lan = Lan::of(addrs(&found), Some(addrs(&["192.168.1.5"])[0]));
        assert_eq!(lan.addrs, addrs(&["192.168.1.5", "172.17.0.1", "2001:db8::5"]));
        assert_eq!(lan.url(7654).as_deref(), Some("https://192.168.1.5:7654/"));
        assert_eq!(Lan::of(addrs(&["2001:db8::5"]), None).url(1).as_deref(), Some("https://[2001:db8::5]:1/"));
        assert_eq!(Lan::of(addrs(&found[..4]), None).url(1), None);
        for (addr, has) in [("192.168.1.5", true), ("127.0.0.1", true), ("::1", true), ("192.168.1.6", false)] {
            assert_eq!(lan.has(addr.parse().expect("an address")), has, "{addr}");
        }
    }

    #[test]
    fn only_addresses_that_are_served_count() {
        let cases =
            [("::", [true, true]), ("0.0.0.0", [true, false]), ("10.0.0.1", [true, false]), ("::1", [false, false])];
        for (listen, expected) in cases {
            let listen = listen.parse().expect("an address");
            let served = addrs(&["10.0.0.1", "2001:db8::5"]).into_iter().map(|addr| serves(listen, addr));
            assert_eq!(served.collect::<Vec<_>>(), expected, "{listen}");
        }
    }

    #[test]
    fn the_printed_code_is_that_of_the_url() {
        const QUIET: usize = 4;
        let url = "https://192.168.1.5:7654/";
        let printed = code(url).expect("a code");
        let expected = QrCode::new(url).expect("a code");
        let rows: Vec<Vec<char>> = printed.lines().map(|line| line.chars().collect()).collect();
        // Whether a module is drawn, that is, light: the upper or the lower half of a block.
        let is_drawn = |x: usize, y: usize| match (rows[y / 2][x], y % 2) {
            ('█', _) | ('▀', 0) | ('▄', 1) => true,
            (' ' | '▀' | '▄', _) => false,
            (other, _) => panic!("{other}"),
        };
        let width = expected.width();
        assert_eq!(rows[0].len(), width + 2 * QUIET);
        for (at, color) in expected.to_colors().into_iter().enumerate() {
            let drawn = is_drawn(at % width + QUIET, at / width + QUIET);
            assert_eq!(drawn, color == qrcode::Color::Light, "{at}");
        }
        assert!((0..width + 2 * QUIET).all(|at| is_drawn(at, 0) && is_drawn(0, at)), "the quiet zone is light");
    }
}
