//! Where attacks happen: the servers, and an address of its own for each attack.

use std::{net::Ipv4Addr, path::Path, sync::Mutex};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    line::{Answer, Line, UPGRADE, request},
    peer::{Peer, Socket},
    server::{Recipe, Secrets, Server},
    token,
};

/// The one page that may connect where origins are limited.
pub(crate) const ORIGIN: &str = "https://app.example.org";

/// The servers under attack, each set up in another way.
pub(crate) struct Servers {
    /// With the defaults.
    pub(crate) usual: Server,
    /// Over TLS, for pages of one origin.
    pub(crate) tls: Server,
    /// Behind 127.0.0.1, which has to send PROXY headers; for pages of one origin.
    pub(crate) proxied: Server,
}

/// What an attack has.
pub(crate) struct Ground<'a> {
    pub(crate) servers: &'a Servers,
    /// Where the attack comes from.
    pub(crate) from: Ipv4Addr,
    /// The program itself, and a folder of the attack's own.
    pub(crate) aldis: &'a Path,
    pub(crate) folder: &'a Path,
    /// What nobody may hear of again: tokens, and what was in messages.
    pub(crate) canaries: &'a Mutex<Vec<String>>,
    /// Bodies of refusals.
    pub(crate) bodies: &'a Mutex<Vec<String>>,
}

impl Servers {
    pub(crate) fn start(aldis: &Path, folder: &Path) -> anyhow::Result<Self> {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, certificate.cert.pem())?;
        std::fs::write(&key, certificate.signing_key.serialize_pem())?;
        let start = |name, environment: Vec<(&'static str, String)>| {
            Server::start(Recipe { aldis, folder, name, before: &[], environment, log: "trace" })
        };
        let origin = ("ALDIS_ALLOWED_ORIGINS", ORIGIN.to_owned());
        Ok(Self {
            usual: start("usual", Vec::new())?,
            tls: start(
                "tls",
                vec![("ALDIS_TLS_CERT", cert.display().to_string()), ("ALDIS_TLS_KEY", key.display().to_string())],
            )?,
            proxied: start(
                "proxied",
                vec![
                    ("ALDIS_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
                    ("ALDIS_PROXY_PROTOCOL", "true".to_owned()),
                    origin,
                ],
            )?,
        })
    }

    pub(crate) fn all(&self) -> [&Server; 3] {
        [&self.usual, &self.tls, &self.proxied]
    }
}

impl Ground<'_> {
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.servers.usual.secrets
    }

    /// Remembers what nobody may hear of again.
    pub(crate) fn canary(&self, text: impl Into<String>) {
        self.canaries.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(text.into());
    }

    pub(crate) fn line(&self) -> anyhow::Result<Line> {
        Line::dial(self.servers.usual.port, self.from)
    }

    /// A token for somebody in a room of this attack's own.
    pub(crate) fn token(&self, identity: &str) -> anyhow::Result<String> {
        self.token_with(identity, &self.room(), &json!({}))
    }

    /// The same with any room and more claims. Identities are of the attack's own, too.
    pub(crate) fn token_with(&self, identity: &str, room: &str, more: &Value) -> anyhow::Result<String> {
        let token = token::sign(&self.secrets().key, &format!("{identity}-{}", self.number()), room, more)?;
        self.canary(token.clone());
        Ok(token)
    }

    /// A room that no other attack is in.
    pub(crate) fn room(&self) -> String {
        format!("room-{}", self.number())
    }

    /// The attack's own number. Its address is nobody's business, so it is no part of a name.
    fn number(&self) -> u8 {
        let [.., number] = self.from.octets();
        number
    }

    /// The answer to a request; none where the server hangs up without one.
    pub(crate) fn ask(&self, bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
        self.ask_at(&self.servers.usual, bytes)
    }

    pub(crate) fn ask_at(&self, server: &Server, bytes: &[u8]) -> anyhow::Result<Option<Answer>> {
        let mut line = Line::dial(server.port, self.from)?;
        line.send(bytes);
        let answer = line.answer()?;
        if let Some(answer) = &answer {
            self.keep(answer);
        }
        Ok(answer)
    }

    /// Keeps what was answered, to look for canaries in it.
    pub(crate) fn keep(&self, answer: &Answer) {
        let kept = format!("{}{}", answer.head, answer.body);
        self.bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(kept);
    }

    /// The status, and the code of a problem; `hung up` where there is no answer.
    pub(crate) fn verdict(&self, bytes: &[u8]) -> anyhow::Result<String> {
        Ok(self.ask(bytes)?.map_or_else(|| "hung up".to_owned(), |answer| answer.verdict()))
    }

    /// A WebSocket, with these further headers and bytes behind the request.
    pub(crate) fn open(&self, target: &str, headers: &[&str], early: &[u8]) -> anyhow::Result<Socket> {
        let mut line = self.line()?;
        let headers: Vec<_> = UPGRADE.iter().chain(headers).copied().collect();
        line.send(&[request("GET", target, &headers), early.to_vec()].concat());
        let answer = line.answer()?.context("hung up")?;
        self.keep(&answer);
        anyhow::ensure!(answer.status == 101, "refused: {}", answer.verdict());
        Ok(Socket::new(line))
    }

    /// A WebSocket on which nothing was said, of an `aldis.v1` client with this token.
    pub(crate) fn greeting(&self, token: &str) -> anyhow::Result<Socket> {
        self.open("/v1/signal", &[&format!("Sec-WebSocket-Protocol: aldis.v1, aldis.bearer.{token}")], &[])
    }

    pub(crate) fn raw_with(&self, token: &str) -> anyhow::Result<Peer> {
        self.seated(self.open("/v1/signal", &[&format!("Authorization: Bearer {token}")], &[])?)
    }

    /// Somebody who is in, and whose TURN credentials are nobody else's business.
    fn seated(&self, socket: Socket) -> anyhow::Result<Peer> {
        let peer = Peer::seated(socket)?;
        let servers = peer.welcome["iceServers"].as_array().into_iter().flatten();
        for text in servers.flat_map(|server| [&server["username"], &server["credential"]]).filter_map(Value::as_str) {
            self.canary(text);
        }
        Ok(peer)
    }

    /// A raw client with the usual grant.
    pub(crate) fn raw(&self, identity: &str) -> anyhow::Result<Peer> {
        self.raw_with(&self.token(identity)?)
    }

    /// An `aldis.v1` client, which may resume.
    pub(crate) fn v1(&self, token: &str, resume: Option<&str>) -> anyhow::Result<Peer> {
        let mut socket = self.greeting(token)?;
        let mut hello = json!({ "type": "hello", "protocol": 1 });
        if let Some(resume) = resume {
            hello["resume"] = resume.into();
        }
        socket.say(&hello);
        let peer = self.seated(socket)?;
        self.canary(peer.resume_token());
        Ok(peer)
    }
}
