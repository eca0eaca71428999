//! What `aldis dev` prints for the developer.

use std::io::IsTerminal;

use crate::lan::{self, Lan};

/// How the addresses stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// On a terminal.
    Bold,
    /// Anywhere else.
    Plain,
}

impl Ink {
    /// As standard output takes it.
    #[must_use]
    pub fn of_stdout() -> Self {
        if std::io::stdout().is_terminal() { Self::Bold } else { Self::Plain }
    }

    fn codes(self) -> (&'static str, &'static str) {
        match self {
            Self::Bold => ("\u{1b}[1m", "\u{1b}[0m"),
            Self::Plain => ("", ""),
        }
    }

    /// White on black, whatever the terminal's own colours are: some phones do not read a code that is inverted.
    fn dark(self) -> (&'static str, &'static str) {
        match self {
            Self::Bold => ("\u{1b}[97;40m", "\u{1b}[0m"),
            Self::Plain => ("", ""),
        }
    }
}

/// Of `aldis dev`, with the ports of its nodes.
#[must_use]
pub fn machine(ports: &[u16], ink: Ink) -> String {
    let (first, others) = ports.split_first().unwrap_or((&0, &[]));
    let base = format!("localhost:{first}");
    let (bold, plain) = ink.codes();
    let mut nodes: String =
        others.iter().map(|port| format!("  Node        {bold}http://localhost:{port}/{plain}\n")).collect();
    if !nodes.is_empty() {
        nodes = format!("\n{nodes}              all nodes share their rooms: open a tab at each\n");
    }
    format!(
        "
  {bold}aldis {version}{plain}  development: this machine only, in memory, with a public key

  Page        {bold}http://{base}/{plain}            open it in two tabs
  Check       http://{base}/check       why does it not connect?
  By hand     http://{base}/manual      two browsers meet without a server
  WebSocket   ws://{base}/v1/signal?room=demo&token=…
  Token       http://{base}/dev/token?room=demo&identity=alice
  Metrics     http://{base}/metrics
{nodes}
  import {{ joinRoom }} from 'http://{base}/sdk.js'                 // in a page of yours
  const room = await joinRoom('http://{base}', {{ room: 'demo' }})
  await room.publish({{ audio: true, video: true }})

  Ctrl+C stops it.
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// Of `aldis dev --lan`.
///
/// # Errors
/// The address makes no code.
pub fn lan(lan: &Lan, port: u16, ink: Ink) -> anyhow::Result<String> {
    let (bold, plain) = ink.codes();
    let version = env!("CARGO_PKG_VERSION");
    let (phone, code) = match lan.url(port) {
        Some(url) => {
            let (dark, plain) = ink.dark();
            let code = lan::code(&url)?;
            let code: String = code.lines().map(|line| format!("  {dark}{line}{plain}\n")).collect();
            (format!("{bold}{url}{plain}      on a phone in the same network"), format!("\n{code}"))
        }
        None => ("none: no other machine can reach this server".to_owned(), String::new()),
    };
    Ok(format!(
        "
  {bold}aldis {version}{plain}  development: anybody on this network, in memory, with a key made now
{code}
  Page        {phone}
              {bold}https://localhost:{port}/{plain}      on this machine
  Beside it   /check: why does it not connect?   /manual: two browsers meet without a server

  Your phone will warn about the certificate: it is made by this machine; choose to proceed.
  Whoever can connect can open the page and enter every room.

  Ctrl+C stops it.
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_starts_it_finds_every_page() {
        let network = Lan::of(["192.168.1.5".parse().expect("an address")], None);
        let here = machine(&[7654], Ink::Plain);
        for page in ["", "check", "manual"] {
            assert!(here.contains(&format!(" http://localhost:7654/{page} ")), "{here}");
        }
        let there = lan(&network, 7654, Ink::Plain).expect("a banner");
        assert!(there.contains(" /check: ") && there.contains(" /manual: "), "{there}");
    }

    #[test]
    fn every_node_is_listed() {
        let banner = machine(&[7654, 7655, 7656], Ink::Plain);
        for port in 7654..=7656 {
            assert!(banner.contains(&format!(" http://localhost:{port}/")), "{banner}");
        }
        assert!(!machine(&[7654], Ink::Plain).contains("Node "), "one node is no cluster");
    }

    #[test]
    fn a_phone_finds_the_address_as_text_and_as_code() {
        let network = Lan::of(["192.168.1.5".parse().expect("an address")], None);
        let banner = lan(&network, 7654, Ink::Plain).expect("a banner");
        let url = "https://192.168.1.5:7654/";
        assert!(banner.contains(&format!("Page        {url} ")), "{banner}");
        let block: Vec<_> = banner.lines().filter(|line| line.contains(['█', '▀'])).map(|line| &line[2..]).collect();
        assert_eq!(block.join("\n"), lan::code(url).expect("a code"));
        assert!(banner.contains("choose to proceed") && banner.contains("Whoever can connect"), "{banner}");
    }

    #[test]
    fn without_a_network_it_says_so() {
        let banner = lan(&Lan::default(), 7654, Ink::Plain).expect("a banner");
        assert!(banner.contains("no other machine can reach") && !banner.contains('█'), "{banner}");
    }
}
