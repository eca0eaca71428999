//! Keys that change under load: of tokens, of resume tokens, of TURN credentials, of TLS. Nobody is disconnected and nobody is turned away.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aldis_client::Trust;
use aldis_protocol::{Identity, Limits, RoomId};
use aldis_server::{
    auth::{Algorithm, Key, KeyRing, NewToken, Rules, SigningKey, Verifier},
    clock::unix_ms,
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Aldis, Certificate, Peer, Request, Stream, open, within};

const SECRETS: [&str; 2] = ["first-cluster-secret-0123456789abcdef", "second-cluster-secret-0123456789abcde"];

/// What the operator's programs show, before and after.
const ADMIN_KEYS: [&str; 2] = ["first-admin-key-0123456789abcdef0123", "second-admin-key-0123456789abcdef012"];

/// How many pairs talk.
const PAIRS: u64 = 3;

/// coturn's `static-auth-secret`, before and after.
const TURN_SECRETS: [&str; 2] = ["north", "south"];

/// The shortest `turn.ttl` there is, in seconds: three quarters of it are the time between two pushes.
const TURN_TTL_S: u64 = 10;

/// A backend that signs with one of its keys.
struct Backend {
    folder: tempfile::TempDir,
    certificate: Certificate,
    signer: Mutex<Verifier>,
}

impl Backend {
    fn new() -> Self {
        let backend = Self {
            folder: tempfile::tempdir().expect("a folder"),
            certificate: Certificate::make(),
            signer: Mutex::new(Verifier::new(KeyRing::default(), Rules::default(), &Limits::default())),
        };
        for kid in ["old", "new"] {
            let key = SigningKey::generate(Algorithm::Es256).expect("random").expect("a pair");
            std::fs::write(backend.file(kid, "pem"), key.to_pem().expect("PEM")).expect("written");
            std::fs::write(backend.file(kid, "pub.pem"), key.public_pem().expect("PEM")).expect("written");
        }
        backend.signs_with("old");
        backend.shares_with_coturn(0);
        backend
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{ending}"))
    }

    fn signs_with(&self, kid: &str) {
        *self.signer.lock().expect("alive") = self.signer(kid);
    }

    fn shares_with_coturn(&self, secret: usize) {
        std::fs::write(self.file("turn", "secret"), TURN_SECRETS[secret]).expect("written");
    }

    fn signer(&self, kid: &str) -> Verifier {
        let pem = std::fs::read(self.file(kid, "pem")).expect("a key");
        let mut ring = KeyRing::default();
        ring.put_first(Key::pair(kid, SigningKey::from_pem(&pem).expect("a key")).expect("a pair"));
        Verifier::new(ring, Rules::default(), &Limits::default())
    }

    fn token(&self, identity: &str) -> String {
        mint(&self.signer.lock().expect("alive"), identity)
    }
}

fn mint(signer: &Verifier, identity: &str) -> String {
    let (identity, room) = (Identity::parse(identity).expect("an identity"), RoomId::parse("lobby").expect("a room"));
    signer.mint(&NewToken::new(identity, room, Duration::from_secs(600)), unix_ms()).expect("minted").token
}

impl Backend {
    /// Writes the configuration: these keys of tokens, this cluster secret and those that are accepted besides.
    fn configure(&self, kids: &[&str], secret: usize, accepted: &[usize]) {
        let keys: Vec<_> = kids.iter().map(|kid| format!("{kid}:{}", self.file(kid, "pub.pem").display())).collect();
        let accepted: Vec<_> = accepted.iter().map(|number| SECRETS[*number]).collect();
        let files = self.certificate.files();
        let text = format!(
            "admin_key = {:?}\ncluster_secret = {:?}\naccepted_cluster_secrets = {accepted:?}\n[auth]\npublic_keys = {keys:?}\n\
             [tls]\ncert = {:?}\nkey = {:?}\n[turn]\nurls = ['turn:turn.example.org']\nsecret_file = {:?}\n\
             ttl = {TURN_TTL_S}\n",
            ADMIN_KEYS[0],
            SECRETS[secret],
            files.cert,
            files.key,
            self.file("turn", "secret")
        );
        std::fs::write(self.file("aldis", "toml"), text).expect("written");
    }

    async fn serve(&self) -> Aldis {
        let path = self.file("aldis", "toml").display().to_string();
        Aldis::serve(&["--config", &path, "--admin", "127.0.0.1:0"], &[("ALDIS_LOG_FORMAT", "json")]).await
    }
}

async fn metric(aldis: &Aldis, name: &str) -> u64 {
    let text = aldis.ask("admin", Request::get("/metrics")).await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or(0)
}

async fn reloaded(aldis: &Aldis, result: &str, times: u64) {
    let name = format!("aldis_reloads_total{{result=\"{result}\"}}");
    within(&format!("a reload ({result})"), async {
        while metric(aldis, &name).await < times {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Whoever connects, whatever certificate it is shown.
async fn enter(aldis: &Aldis, token: &str, hello: Value) -> Peer {
    let stream = Stream::secure(aldis.dial("listen").await, Trust::anybody().config()).await.expect("a handshake");
    Peer::greeting(stream, token, hello).await
}

fn hello() -> Value {
    json!({ "type": "hello", "protocol": 1 })
}

/// What the load has done so far.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    joins: AtomicU64,
    resumes: AtomicU64,
    messages: AtomicU64,
    /// The first of the secrets that may be behind the TURN credentials of who joins now, and the last.
    turn: [AtomicUsize; 2],
    /// How many pushes of ICE servers had credentials of each secret.
    pushes: [AtomicU64; 2],
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// Waits until so many more joins, resumes and messages have been.
    async fn more(&self, count: u64) {
        let counts = || [&self.joins, &self.resumes, &self.messages].map(|count| count.load(Ordering::SeqCst));
        let begun = counts();
        within("the load", async {
            while counts().iter().zip(begun).any(|(now, begun)| *now < begun + count) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until so many pushes had credentials of this secret, if need be for as long as they are apart.
    async fn pushed(&self, secret: usize, count: u64) {
        let pushes = async {
            while self.pushes[secret].load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(2 * TURN_TTL_S), pushes).await.expect("the pushes");
    }

    /// Joins, with credentials of a secret that counts.
    async fn enter(&self, aldis: &Aldis, token: &str, hello: Value) -> Guest {
        let first = self.turn[0].load(Ordering::SeqCst);
        let peer = enter(aldis, token, hello).await;
        let secret = turn_secret(&peer.welcome);
        assert!((first..=self.turn[1].load(Ordering::SeqCst)).contains(&secret), "{}", peer.welcome);
        Guest { peer, secret }
    }
}

/// Which secret made the credentials of a message.
fn turn_secret(message: &Value) -> usize {
    let server = &message["iceServers"][0];
    let text = |field: &str| server[field].as_str().unwrap_or_else(|| panic!("no {field} in {message}"));
    let fits = |secret: &&str| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        STANDARD.encode(hmac::sign(&key, text("username").as_bytes())) == text("credential")
    };
    TURN_SECRETS.iter().position(fits).unwrap_or_else(|| panic!("of no secret: {message}"))
}

/// Somebody in the room, and the secret of its last TURN credentials.
struct Guest {
    peer: Peer,
    secret: usize,
}

impl Guest {
    /// The next message: from whom, and what. Others come and go meanwhile, and TURN credentials are renewed.
    async fn message(&mut self, load: &Load) -> (Value, Value) {
        loop {
            let mut next = self.peer.next().await;
            match next["type"].as_str() {
                Some("message") => return (next["from"].take(), next["data"].take()),
                Some("ice-servers") => {
                    let secret = turn_secret(&next);
                    assert!(secret >= self.secret, "an old one after a new one");
                    self.secret = secret;
                    load.pushes[secret].fetch_add(1, Ordering::SeqCst);
                }
                kind => assert!(kind.is_some_and(|kind| kind.starts_with("peer-")), "{next}"),
            }
        }
    }
}

/// Two that stay and talk to each other; each message is answered, so that none is missing.
async fn talk(aldis: Arc<Aldis>, backend: Arc<Backend>, load: Arc<Load>, pair: u64) {
    let [mut ann, mut bob] = [
        load.enter(&aldis, &backend.token(&format!("ann-{pair}")), hello()).await,
        load.enter(&aldis, &backend.token(&format!("bob-{pair}")), hello()).await,
    ];
    let (a, b) = (ann.peer.id.clone(), bob.peer.id.clone());
    while load.goes_on() {
        let number = load.messages.fetch_add(1, Ordering::SeqCst);
        ann.peer.tell(&b, number).await;
        assert_eq!(bob.message(&load).await, (json!(a), json!(number)));
        bob.peer.tell(&a, number).await;
        assert_eq!(ann.message(&load).await, (json!(b), json!(number)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One that joins and leaves, over and over.
async fn come_and_go(aldis: Arc<Aldis>, backend: Arc<Backend>, load: Arc<Load>) {
    while load.goes_on() {
        let mut peer = load.enter(&aldis, &backend.token("visitor"), hello()).await.peer;
        load.joins.fetch_add(1, Ordering::SeqCst);
        peer.close(1000).await;
    }
}

/// One whose connection breaks over and over, and that resumes each time.
async fn break_and_resume(aldis: Arc<Aldis>, backend: Arc<Backend>, load: Arc<Load>) {
    let mut peer = load.enter(&aldis, &backend.token("mobile"), hello()).await.peer;
    while load.goes_on() {
        let (resume, id) = (peer.resume_token(), peer.id.clone());
        peer.into_socket().reset();
        let hello = json!({ "type": "hello", "protocol": 1, "resume": resume });
        peer = load.enter(&aldis, &backend.token("mobile"), hello).await.peer;
        assert_eq!((&peer.welcome["resumed"], &peer.id), (&json!(true), &id));
        load.resumes.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_changes_under_load_without_a_disconnect_or_a_failed_join() {
    let backend = Arc::new(Backend::new());
    backend.configure(&["old"], 0, &[]);
    let (aldis, load) = (Arc::new(backend.serve().await), Arc::new(Load::default()));
    let mut tasks = JoinSet::new();
    for pair in 0..PAIRS {
        tasks.spawn(talk(Arc::clone(&aldis), Arc::clone(&backend), Arc::clone(&load), pair));
    }
    tasks.spawn(come_and_go(Arc::clone(&aldis), Arc::clone(&backend), Arc::clone(&load)));
    tasks.spawn(break_and_resume(Arc::clone(&aldis), Arc::clone(&backend), Arc::clone(&load)));
    load.more(20).await;

    // What comes is accepted beside what is: by SIGHUP.
    backend.configure(&["old", "new"], 0, &[1]);
    backend.certificate.renew();
    aldis.signal("HUP").await;
    reloaded(&aldis, "ok", 1).await;
    Stream::secure(aldis.dial("listen").await, backend.certificate.trusted()).await.expect("the new certificate");
    load.more(20).await;

    // It signs from now on, and what was still counts: by the files alone. coturn takes two secrets, so its own change comes first.
    load.pushed(0, 2 * PAIRS).await;
    load.turn[1].store(1, Ordering::SeqCst);
    backend.shares_with_coturn(1);
    backend.signs_with("new");
    backend.configure(&["new", "old"], 1, &[0]);
    let old = backend.certificate.trusted();
    backend.certificate.renew();
    reloaded_slowly(&aldis, 2).await;
    load.turn[0].store(1, Ordering::SeqCst);
    let new = Stream::secure(aldis.dial("listen").await, backend.certificate.trusted()).await;
    assert!(new.is_ok() && Stream::secure(aldis.dial("listen").await, old).await.is_err());
    load.more(20).await;

    // What was counts no more.
    backend.configure(&["new"], 1, &[]);
    aldis.signal("HUP").await;
    reloaded(&aldis, "ok", 3).await;
    load.more(20).await;
    let stream = Stream::secure(aldis.dial("listen").await, Trust::anybody().config()).await.expect("a handshake");
    let late = mint(&backend.signer("old"), "late");
    let refused = open(stream, &Request::upgrade("/v1/signal").bearer(&late)).await;
    assert!(refused.is_err_and(|answer| answer.problem() == "token-invalid"));
    // Whoever was there all along has been given credentials of the new secret, without asking.
    load.pushed(1, 2 * PAIRS).await;

    load.over.store(true, Ordering::SeqCst);
    within("the end of the load", async {
        while let Some(ended) = tasks.join_next().await {
            ended.expect("nobody was disconnected, and nobody was refused");
        }
    })
    .await;
    let [joins, resumes, messages] = [&load.joins, &load.resumes, &load.messages].map(|n| n.load(Ordering::SeqCst));
    assert!(joins >= 80 && resumes >= 80 && messages >= 80, "{joins} {resumes} {messages}");
    // The one that came late, and nobody else; the visitors' goodbyes are no closes of ours.
    assert_eq!(metric(&aldis, "aldis_refused_total{code=\"token-invalid\"}").await, 1);
    for code in [1001, 1011, 4400, 4401, 4403, 4408, 4420] {
        assert_eq!(metric(&aldis, &format!("aldis_closed_total{{code=\"{code}\"}}")).await, 0, "{code}");
    }
}

/// The same as [`reloaded`], where the server looks at its files only every 5 s, and counts a change that it has seen twice.
async fn reloaded_slowly(aldis: &Aldis, times: u64) {
    let seen = async {
        while metric(aldis, "aldis_reloads_total{result=\"ok\"}").await < times {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("the look at the files, and one more");
}

#[tokio::test]
async fn a_mistake_changes_nothing_and_is_named() {
    let backend = Backend::new();
    backend.configure(&["old"], 0, &[]);
    let aldis = backend.serve().await;
    let mut ann = enter(&aldis, &backend.token("ann"), hello()).await;
    let whole = std::fs::read_to_string(backend.file("aldis", "toml")).expect("the file");
    let broken = whole.replace("old.pub.pem", "old.pem").replace("[tls]", "issuer = 7\n[tls]");
    std::fs::write(backend.file("aldis", "toml"), broken).expect("written");
    aldis.signal("HUP").await;
    reloaded(&aldis, "failed", 1).await;
    ann.is_quiet().await;
    enter(&aldis, &backend.token("bob"), hello()).await;

    // Its repair counts, and what cannot be changed is said, also of what is masked.
    let repaired = format!("drain_window_ms = 1000\n{}", whole.replace(ADMIN_KEYS[0], ADMIN_KEYS[1]));
    std::fs::write(backend.file("aldis", "toml"), repaired).expect("written");
    aldis.signal("HUP").await;
    reloaded(&aldis, "ok", 1).await;
    drop(ann);
    aldis.signal("TERM").await;
    aldis.signal("INT").await;
    let (_, said) = aldis.ended().await;
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("\"WARN\"")).collect();
    for key in ["auth.public_keys", "auth.issuer", "drain_window_ms", "admin_key"] {
        assert!(warnings.iter().any(|line| line.contains(&format!("\"key\":\"{key}\""))), "{key}: {said}");
    }
    assert!(said.contains("holds a private key") && !said.contains(SECRETS[0]), "{said}");
    assert!(ADMIN_KEYS.iter().all(|key| !said.contains(key)), "{said}");
}
