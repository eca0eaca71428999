//! `listen` and `admin`: the addresses to serve on.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::{Purpose, raw::Raw, reader::Reader};

/// Default of `listen`: every address, IPv4 and IPv6.
const LISTEN: &str = "[::]:7654";

/// Default of `listen` in `aldis dev`.
const DEV_LISTEN: &str = "localhost:7654";

/// Where to listen. `[::]` means IPv4 too; `localhost` is both loopback addresses, with one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddr {
    text: String,
    addrs: Vec<SocketAddr>,
}

impl ListenAddr {
    /// The sockets to bind, at least one. With several and port 0, the port that the first gets is for the others too.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The same with the port so many further on; port 0 stays, since it takes any. None beyond the last port.
    #[must_use]
    pub fn further(&self, ports: u16) -> Option<Self> {
        let move_on = |port: u16| if port == 0 { Some(0) } else { port.checked_add(ports) };
        let addrs: Option<Vec<_>> =
            self.addrs.iter().map(|addr| Some(SocketAddr::new(addr.ip(), move_on(addr.port())?))).collect();
        let host = self.text.rsplit_once(':').map_or(self.text.as_str(), |(host, _)| host);
        let port = move_on(self.addrs.first()?.port())?;
        Some(Self { text: format!("{host}:{port}"), addrs: addrs? })
    }

    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addrs.iter().all(|addr| addr.ip().is_loopback())
    }
}

impl FromStr for ListenAddr {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "is not `IP:PORT`, `[IPv6]:PORT` or `localhost:PORT`";
        let addrs = match text.strip_prefix("localhost:") {
            Some(port) => {
                let port = port.parse().map_err(|_| EXPECTED)?;
                vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
            }
            None => vec![text.parse().map_err(|_| EXPECTED)?],
        };
        Ok(Self { text: text.to_owned(), addrs })
    }
}

impl fmt::Display for ListenAddr {
    /// As it was configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn read(reader: &mut Reader, raw: Option<Raw>, purpose: Purpose) -> ListenAddr {
    let default = match purpose {
        Purpose::Serve | Purpose::Lan | Purpose::Tool => LISTEN,
        Purpose::Dev => DEV_LISTEN,
    };
    let text = reader.text_or("listen", raw, default);
    let nowhere = ListenAddr { text: String::new(), addrs: Vec::new() };
    parse(reader, "listen", &text, purpose).unwrap_or(nowhere)
}

pub(super) fn read_admin(reader: &mut Reader, raw: Option<Raw>, purpose: Purpose) -> Option<ListenAddr> {
    let text = reader.text("admin", raw)?;
    parse(reader, "admin", &text, purpose)
}

fn parse(reader: &mut Reader, key: &'static str, text: &str, purpose: Purpose) -> Option<ListenAddr> {
    match text.parse::<ListenAddr>() {
        Ok(listen) if purpose == Purpose::Dev && !listen.is_loopback() => {
            reader.refuse(
                key,
                format!(
                    "`{text}` is not loopback; the development key is public, so use `aldis dev --lan` or `aldis serve`"
                ),
            );
            None
        }
        Ok(listen) => Some(listen),
        Err(problem) => {
            reader.refuse(key, format!("`{text}` {problem}"));
            None
        }
    }
}
