//! For tests: somebody who answers HTTPS on loopback, well or badly.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What it does when it is asked.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Answers 200 with this body.
    Body(String),
    /// Answers with this, head and all.
    Raw(String),
    /// Announces a body of 10 MiB and sends it.
    Huge,
    /// Sends a body without end, of which it does not say how long it is.
    Endless,
    /// Says nothing.
    Silence,
    /// Hangs up.
    Nothing,
}

/// Such a server. It ends when it is dropped.
pub(crate) struct Fake {
    port: u16,
    ca: tempfile::NamedTempFile,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Fake {
    /// Listens with a certificate for `localhost` that nobody knows yet.
    pub(crate) async fn start(answer: Answer) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let ca = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(ca.path(), cert.pem()).expect("written");
        let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let (asked, heads) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let answer = Arc::new(Mutex::new(answer));
        let (count, seen, current) = (Arc::clone(&asked), Arc::clone(&heads), Arc::clone(&answer));
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                let (count, seen, current) = (Arc::clone(&count), Arc::clone(&seen), Arc::clone(&current));
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Some(head) = head(&mut stream).await else { return };
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    // Whoever has heard enough hangs up.
                    let _ = say(&mut stream, answer).await;
                });
            }
        });
        Self { port, ca, asked, heads, answer, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate, as a file.
    pub(crate) fn ca(&self) -> &Path {
        self.ca.path()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The heads of the requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it does this.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> std::io::Result<()> {
    const HUGE: usize = 10 * 1_024 * 1_024;
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    match answer {
        Answer::Body(body) => stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await?,
        Answer::Raw(text) => stream.write_all(text.as_bytes()).await?,
        Answer::Huge => {
            stream.write_all(head(HUGE).as_bytes()).await?;
            for _ in 0..HUGE / 4_096 {
                stream.write_all(&[b' '; 4_096]).await?;
            }
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4_096]).await?;
            }
        }
        Answer::Silence => std::future::pending().await,
        Answer::Nothing => {}
    }
    stream.shutdown().await
}
