//! A TURN provider's API on loopback: HTTPS, and each answer is what a test says, when it says it.

use std::sync::Arc;

use aldis_server::{
    config::{Config, ProviderConfig, ProviderKind, Secret},
    outbound::OutboundConfig,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{Certificate, within};

/// The API. It ends when it is dropped.
pub(crate) struct Provider {
    certificate: Certificate,
    port: u16,
    asked: mpsc::UnboundedReceiver<Asked>,
    _accepting: JoinSet<()>,
}

/// A request that waits for its answer; without one it is hung up on.
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let certificate = Certificate::make();
        let files = certificate.files();
        let cert = CertificateDer::from_pem_file(files.cert).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(files.key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .expect("a certificate with its key");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let (tell, asked) = mpsc::unbounded_channel();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(acceptor.clone(), stream, tell.clone()));
            }
        });
        Self { certificate, port, asked, _accepting: accepting }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What makes a server trust it and reach it.
    pub(crate) fn outbound(&self) -> OutboundConfig {
        let networks = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
        OutboundConfig { reach: networks.into_iter().collect(), ca_file: Some(self.certificate.files().cert) }
    }

    /// Makes it the one provider of a server, as Cloudflare.
    pub(crate) fn as_cloudflare(&self) -> impl FnOnce(&mut Config) + use<> {
        let (url, outbound) = (self.url(), self.outbound());
        let kind = ProviderKind::Cloudflare {
            url: url.parse().expect("a URL"),
            key_id: "key-1".to_owned(),
            api_token: Secret::new("api-token"),
        };
        hosted("cloudflare", kind, outbound)
    }

    /// The same, as Twilio.
    pub(crate) fn as_twilio(&self) -> impl FnOnce(&mut Config) + use<> {
        let (url, outbound) = (self.url(), self.outbound());
        let kind = ProviderKind::Twilio {
            url: url.parse().expect("a URL"),
            account_sid: "AC1".to_owned(),
            api_key: Some("SK1".to_owned()),
            auth_token: Secret::new("auth-token"),
        };
        hosted("twilio", kind, outbound)
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        within("a request to the provider", self.next()).await
    }

    /// The same, whenever it comes.
    pub(crate) async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("it listens")
    }

    /// Asserts that nobody has asked.
    pub(crate) fn is_quiet(&mut self) {
        assert!(self.asked.try_recv().is_err(), "somebody asked");
    }
}

fn hosted(name: &str, kind: ProviderKind, outbound: OutboundConfig) -> impl FnOnce(&mut Config) + use<> {
    let provider = ProviderConfig {
        key: "turn.providers[0]".to_owned(),
        name: name.to_owned(),
        weight: 1,
        ttl: std::time::Duration::from_secs(3_600),
        cuts_at_expiry: true,
        kind,
    };
    move |config| {
        config.outbound = outbound;
        config.ice.stun_urls = vec!["stun:stun.example.org".to_owned()];
        config.ice.turn.push(provider);
    }
}

impl Asked {
    /// Answers with a status, as `201 Created`, and a body.
    pub(crate) fn answer(self, status: &str, body: &str) {
        let length = body.len();
        self.raw(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }

    /// Answers with these bytes.
    pub(crate) fn raw(self, bytes: impl Into<Vec<u8>>) {
        // Whoever has given up does not hear it.
        let _ = self.answer.send(bytes.into());
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// One request, one answer.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream, tell: mpsc::UnboundedSender<Asked>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(at + 4);
            break (String::from_utf8(bytes).expect("text"), body);
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value).next();
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (answer, answered) = oneshot::channel();
    let body = String::from_utf8(body).expect("text");
    if tell.send(Asked { head, body, answer }).is_ok()
        && let Ok(bytes) = answered.await
    {
        // Whoever has heard enough hangs up.
        let _ = stream.write_all(&bytes).await;
    }
    let _ = stream.shutdown().await;
}
