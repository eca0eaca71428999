//! ICE servers as providers spell them, to what a browser takes.
//!
//! `iceServers` has been an object and an array, `urls` a string and an array, and `url` is what it was called before. A browser refuses a
//! whole `RTCConfiguration` for one URL that it does not like, so what is no ICE URL is left out, and so is port 53, which browsers
//! block. Fields that nobody documents are left out too.

use aldis_protocol::IceServer;
use serde::Deserialize;

use super::url::{IceUrlKind, check};

/// More URLs only make a browser's search longer.
const MOST_URLS: usize = 16;

/// The longest username or credential, in bytes.
const LONGEST_LOGIN: usize = 1_024;

/// One thing, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// An ICE server as providers spell it.
#[derive(Deserialize)]
pub(super) struct Entry {
    urls: Option<OneOrMany<String>>,
    url: Option<String>,
    username: Option<String>,
    credential: Option<String>,
}

/// What of them a browser takes; nothing where no TURN server is among it.
pub(super) fn ice_servers(entries: OneOrMany<Entry>) -> Option<Vec<IceServer>> {
    let mut room = MOST_URLS;
    let servers: Vec<_> = entries.into_vec().into_iter().filter_map(|entry| entry.server(&mut room)).collect();
    servers.iter().any(|server| server.username.is_some()).then_some(servers)
}

impl Entry {
    fn server(self, room: &mut usize) -> Option<IceServer> {
        let urls = self.urls.map_or_else(|| self.url.into_iter().collect(), OneOrMany::into_vec);
        let login = self.username.zip(self.credential).filter(|(username, credential)| {
            !username.is_empty() && username.len() <= LONGEST_LOGIN && credential.len() <= LONGEST_LOGIN
        });
        // A TURN URL without a login makes a browser throw.
        let serves = |url: &String| {
            !is_blocked(url)
                && (check(IceUrlKind::Stun, url).is_ok() || login.is_some() && check(IceUrlKind::Turn, url).is_ok())
        };
        let urls: Vec<_> = urls.into_iter().filter(serves).take(*room).collect();
        *room -= urls.len();
        let has_turn = urls.iter().any(|url| url.starts_with("turn"));
        let (username, credential) = login.filter(|_| has_turn).unzip();
        (!urls.is_empty()).then_some(IceServer { urls, username, credential })
    }
}

/// Whether browsers block the port: 53 belongs to DNS.
fn is_blocked(url: &str) -> bool {
    let address = url.split_once('?').map_or(url, |(address, _)| address);
    address.ends_with(":53")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Vec<IceServer>> {
        ice_servers(serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}")))
    }

    /// Each server as its URLs, with `!` before those with a login.
    fn shown(json: &str) -> Vec<String> {
        let shown = |server: IceServer| {
            let login = if server.username.is_some() && server.credential.is_some() { "!" } else { "" };
            format!("{login}{}", server.urls.join(" "))
        };
        read(json).map_or_else(Vec::new, |servers| servers.into_iter().map(shown).collect())
    }

    #[test]
    fn every_shape_that_was_ever_documented_is_understood() {
        let cases: &[(&str, &[&str])] = &[
            (
                r#"[{"urls":["stun:a:3478"]},{"urls":["turn:a:3478?transport=udp","turns:a:443?transport=tcp"],"username":"u","credential":"c"}]"#,
                &["stun:a:3478", "!turn:a:3478?transport=udp turns:a:443?transport=tcp"],
            ),
            // One entry for all, and URLs that browsers block.
            (
                r#"[{"urls":["stun:a:3478","stun:a:53","turn:a:53?transport=udp","turn:a:80?transport=tcp"],"username":"u","credential":"c"}]"#,
                &["!stun:a:3478 turn:a:80?transport=tcp"],
            ),
            (r#"{"urls":["turn:a:5349"],"username":"u","credential":"c"}"#, &["!turn:a:5349"]),
            (r#"{"urls":"turn:a:153","username":"u","credential":"c"}"#, &["!turn:a:153"]),
            (
                r#"[{"url":"stun:b","urls":"stun:a"},{"url":"turn:a","username":"u","credential":"c","more":[1]}]"#,
                &["stun:a", "!turn:a"],
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(shown(json), *expected, "{json}");
        }
    }

    #[test]
    fn what_a_browser_would_refuse_is_left_out() {
        let cases: &[(&str, &[&str])] = &[
            (
                r#"[{"urls":["http://a","turn:a","turn://b","javascript:x"],"username":"u","credential":"c"}]"#,
                &["!turn:a"],
            ),
            // Without a login there is no TURN server, and then it is no answer.
            (r#"[{"urls":["turn:a"]},{"urls":["turn:b"],"username":"u"}]"#, &[]),
            (r#"[{"urls":"turn:a","username":"","credential":"c"}]"#, &[]),
            (r#"[{"urls":["stun:a"]}]"#, &[]),
            // A login is of use to TURN alone.
            (
                r#"[{"urls":"stun:a","username":"u","credential":"c"},{"urls":"turn:a","username":"u","credential":"c"}]"#,
                &["stun:a", "!turn:a"],
            ),
            ("[]", &[]),
            ("{}", &[]),
        ];
        for (json, expected) in cases {
            assert_eq!(shown(json), *expected, "{json}");
        }
        let long = format!(r#"[{{"urls":"turn:a","username":"u","credential":"{}"}}]"#, "c".repeat(LONGEST_LOGIN + 1));
        assert_eq!(read(&long), None);
    }

    #[test]
    fn there_are_sixteen_urls_and_no_more() {
        let urls: Vec<_> = (1..=12).map(|port| format!(r#""turn:a:{port}""#)).collect();
        let entry = format!(r#"{{"urls":[{}],"username":"u","credential":"c"}}"#, urls.join(","));
        let servers = read(&format!("[{entry},{entry},{entry}]")).expect("servers");
        assert_eq!(servers.iter().map(|server| server.urls.len()).collect::<Vec<_>>(), [12, 4]);
    }
}
