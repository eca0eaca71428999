//! A server on a port of its own, and how to get into it.

use std::{ffi::OsString, time::Duration};

use aldis_core::{Duplicates, Permission};
use aldis_protocol::{Identity, Json, RoomId, TokenId};
use aldis_server::{
    auth::NewToken,
    config::{Config, Flags},
    server::{Mode, Server},
};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use super::{Answer, Certificate, Over, Peer, Request, Socket, Stream, http::open, within};

/// The key of every server here.
pub(crate) const KEY: &str = "k:0123456789abcdef0123456789abcdef";

/// A running server.
pub(crate) struct Rig {
    pub(crate) server: Server,
    /// What it shows, over TLS.
    pub(crate) certificate: Option<Certificate>,
}

/// What a token shall say.
pub(crate) struct Token(NewToken);

impl Token {
    /// Of somebody for the room `lobby`, for an hour.
    pub(crate) fn of(identity: &str) -> Self {
        let identity = Identity::parse(identity).expect("an identity");
        Self(NewToken::new(identity, RoomId::parse("lobby").expect("a room"), Duration::from_secs(3_600)))
    }

    pub(crate) fn room(mut self, room: &str) -> Self {
        self.0.room = RoomId::parse(room).expect("a room");
        self
    }

    pub(crate) fn ttl_s(mut self, seconds: u64) -> Self {
        self.0.ttl = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn can(mut self, can: &[Permission]) -> Self {
        self.0.can = Some(can.to_vec());
        self
    }

    pub(crate) fn all(self) -> Self {
        self.can(&Permission::ALL)
    }

    pub(crate) fn name(mut self, name: &str) -> Self {
        self.0.name = Some(name.to_owned());
        self
    }

    pub(crate) fn metadata(mut self, metadata: &Value) -> Self {
        self.0.metadata = Some(Json::parse(&metadata.to_string()).expect("JSON"));
        self
    }

    pub(crate) fn jti(mut self, id: &str) -> Self {
        self.0.id = Some(TokenId::parse(id).expect("a jti"));
        self
    }

    pub(crate) fn max_peers(mut self, max: u64) -> Self {
        self.0.max_peers = Some(max);
        self
    }

    pub(crate) fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.0.duplicates = Some(duplicates);
        self
    }
}

impl From<&str> for Token {
    fn from(identity: &str) -> Self {
        Self::of(identity)
    }
}

impl Peer {
    /// Joins with this token and this `hello`.
    pub(crate) async fn greeting(stream: impl Into<Stream>, token: &str, hello: Value) -> Self {
        let opened = open(stream, &Request::upgrade("/v1/signal").v1(token)).await;
        let (mut socket, answer) = opened.unwrap_or_else(|answer| panic!("refused: {answer:?}"));
        assert_eq!(answer.header("sec-websocket-protocol"), Some("aldis.v1"));
        socket.send(hello).await;
        Self::seated(socket).await
    }
}

impl Rig {
    /// A server with the defaults but for what is changed.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_over(Over::Plain, change)
    }

    /// The same, reached over TLS or not.
    pub(crate) fn start_over(over: Over, change: impl FnOnce(&mut Config)) -> Self {
        Self::launch(over, change, |config| Server::start(config, Mode::Serve))
    }

    /// The same, started in some way.
    pub(crate) fn launch(
        over: Over,
        change: impl FnOnce(&mut Config),
        start: impl FnOnce(&Config) -> anyhow::Result<Server>,
    ) -> Self {
        let certificate = (over == Over::Tls).then(Certificate::make);
        let env = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_LISTEN", "127.0.0.1:0")];
        let env = env.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let mut config = Config::load(&Flags::default(), env).expect("a configuration");
        config.tls = certificate.as_ref().map(Certificate::files);
        change(&mut config);
        Self { server: start(&config).expect("a server"), certificate }
    }

    pub(crate) fn usual() -> Self {
        Self::start(|_| {})
    }

    pub(crate) fn mint(&self, token: impl Into<Token>) -> String {
        self.mint_at(token, self.server.node().clock.unix_ms())
    }

    /// A token that was signed so many milliseconds ago.
    pub(crate) fn mint_ago(&self, token: impl Into<Token>, ago_ms: u64) -> String {
        self.mint_at(token, self.server.node().clock.unix_ms() - ago_ms)
    }

    fn mint_at(&self, token: impl Into<Token>, now: u64) -> String {
        self.server.node().tokens.mint(&token.into().0, now).expect("a token").token
    }

    /// A socket before anything was said, TLS or not.
    pub(crate) async fn dial_tcp(&self) -> TcpStream {
        let stream = within("a connection", TcpStream::connect(self.server.listen()[0])).await.expect("connected");
        stream.set_nodelay(true).expect("a live socket");
        stream
    }

    pub(crate) async fn dial(&self) -> Stream {
        self.secure(self.dial_tcp().await).await
    }

    async fn secure(&self, stream: TcpStream) -> Stream {
        match &self.certificate {
            None => stream.into(),
            Some(certificate) => {
                within("a TLS handshake", Stream::secure(stream, certificate.trusted())).await.expect("trusted")
            }
        }
    }

    /// A connection whose kernel keeps little and does not learn to keep more, so that not reading is noticed soon.
    pub(crate) async fn dial_narrow(&self) -> Stream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(128 * 1_024).expect("a small buffer");
        self.secure(within("a connection", socket.connect(self.server.listen()[0])).await.expect("connected")).await
    }

    pub(crate) async fn ask(&self, request: Request) -> Answer {
        request.ask(&mut self.dial().await).await.0
    }

    pub(crate) async fn open(&self, request: Request) -> Socket {
        open(self.dial().await, &request).await.unwrap_or_else(|answer| panic!("refused: {answer:?}")).0
    }

    /// The answer to a handshake that is refused.
    pub(crate) async fn refusal(&self, request: Request) -> Answer {
        match open(self.dial().await, &request).await {
            Ok(_) => panic!("let in"),
            Err(answer) => answer,
        }
    }

    pub(crate) async fn raw(&self, token: impl Into<Token>) -> Peer {
        self.raw_on(self.dial().await, token).await
    }

    pub(crate) async fn raw_on(&self, stream: Stream, token: impl Into<Token>) -> Peer {
        let request = Request::upgrade(format!("/v1/signal?token={}", self.mint(token)));
        let opened = open(stream, &request).await.unwrap_or_else(|answer| panic!("refused: {answer:?}"));
        Peer::seated(opened.0).await
    }

    pub(crate) async fn v1(&self, token: impl Into<Token>) -> Peer {
        self.v1_on(self.dial().await, token, json!({ "type": "hello", "protocol": 1 })).await
    }

    pub(crate) async fn resume(&self, token: impl Into<Token>, resume: &str) -> Peer {
        let hello = json!({ "type": "hello", "protocol": 1, "resume": resume });
        self.v1_on(self.dial().await, token, hello).await
    }

    pub(crate) async fn v1_on(&self, stream: Stream, token: impl Into<Token>, hello: Value) -> Peer {
        Peer::greeting(stream, &self.mint(token), hello).await
    }

    /// An `aldis.v1` connection that has not said `hello`.
    pub(crate) async fn greeting(&self, token: impl Into<Token>) -> Socket {
        self.open(Request::upgrade("/v1/signal").v1(&self.mint(token))).await
    }

    /// The value of a line of `/metrics`; zero where there is none.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.server.node().figures();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    pub(crate) fn limit_hits(&self, limit: &str) -> u64 {
        self.metric(&format!("aldis_limit_hits_total{{limit=\"{limit}\"}}"))
    }

    /// Waits until so many connections are left.
    pub(crate) async fn everybody_left_but(&self, left: u64) {
        within("the end of the others", async {
            while self.server.node().admission.connections() > left {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until every connection's task has ended.
    pub(crate) async fn everybody_left(&self) {
        let connections = &self.server.node().connections;
        connections.close();
        within("the end of the last connection", connections.wait()).await;
        connections.reopen();
    }
}
