//! A panic in one connection: its task ends, the hub learns of it, and nobody else notices more than that somebody has left. And what the
//! log says of one.
//!
//! Nothing known panics in a connection, so its way out does here, where only the connection's own task goes: when it waits for room.

use std::{
    ffi::OsString,
    io,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use aldis_core::Dialect;
use aldis_server::{
    config::{Flags, Loaded, Purpose},
    connection::{Connection, Places, outlet::Wire, transport::Transport},
    serve::{self, Start},
    server::Mode,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::support::{KEY, Peer, Rig, Socket, within};

/// Takes everything until it is told not to; then whoever waits for it panics.
struct Faulty {
    wire: Box<dyn Wire>,
    broken: Arc<AtomicBool>,
}

impl Wire for Faulty {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken.load(Ordering::Acquire) {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.wire.try_write(bytes)
        }
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(!self.broken.load(Ordering::Acquire), "on purpose");
        self.wire.poll_writable(cx)
    }
}

#[tokio::test]
async fn a_task_that_panics_takes_nobody_with_it() {
    let rig = Rig::usual();
    let node = rig.server.node();
    let (mut ann, mut bob) = (rig.raw("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
    let transport = Transport::from(listener.accept().await.expect("accepted").0);
    let broken = Arc::new(AtomicBool::new(false));
    let wire = Box::new(Faulty { wire: transport.wire, broken: Arc::clone(&broken) });
    let token = node.tokens.verify(&rig.mint("eve"), None).expect("a good token");
    let places = Places { slot: node.admission.connection(10).expect("a place"), identity: None };
    let connection = Connection::websocket(Arc::clone(node), Transport { wire, ..transport }, token, places);
    let task = node.connections.spawn(Box::new(connection).run(Dialect::Raw));
    let eve = Peer::seated(Socket::new(client, Vec::new())).await;
    for peer in [&mut ann, &mut bob] {
        peer.expect_about("peer-joined", &eve.id).await;
    }
    assert_eq!((node.admission.connections(), rig.metric("aldis_sessions")), (3, 3));

    broken.store(true, Ordering::Release);
    ann.tell_with_receipt(&eve.id, "hello", "m").await;
    let ended = within("the end of its task", task).await;
    assert!(ended.expect_err("it panicked").is_panic());
    // The others hear what they always hear, its sender what became of the message, and they go on.
    assert_eq!(bob.expect_about("peer-left", &eve.id).await["reason"], "timeout");
    let mut told = [ann.next().await, ann.next().await];
    told.sort_by_key(|message| message["type"].to_string());
    assert_eq!((&told[0]["re"], &told[0]["code"]), (&json!("m"), &json!("peer-gone")), "{told:?}");
    assert_eq!((&told[1]["type"], &told[1]["id"]), (&json!("peer-left"), &json!(eve.id)), "{told:?}");
    ann.tell(&bob.id, "still here").await;
    bob.told(&ann.id, "still here").await;
    // Nothing of it is left, and there is a place for the next.
    assert_eq!((node.admission.connections(), rig.metric("aldis_sessions")), (2, 2));
    rig.raw("eve").await;
}

/// Says to this test's own process that it is the server, and where its folder is.
const FOLDER: &str = "ALDIS_TEST_PANICS_IN";

/// Panics of a server, in a process of its own: what becomes of them there is for all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_where_a_panic_was_and_not_what_it_said() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return panic_as_a_server(folder).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "panics::the_log_says_where_a_panic_was_and_not_what_it_said", "--nocapture"])
        .env_clear()
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let output = within("the end of the server", child.wait_with_output()).await.expect("an end");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("canary"), "{said}");
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).expect("one event a line"));
    let panics: Vec<_> = lines.filter(|event| event["level"] == "ERROR").collect();
    assert_eq!(panics.len(), 3, "{said}");
    for (event, reason) in panics.iter().zip([Value::Null, Value::Null, json!("a constant")]) {
        let at = event["at"].as_str().expect("a place");
        assert!(at.starts_with("crates/server/tests/it/panics.rs:"), "{said}");
        assert_eq!(event["reason"], reason);
    }
}

/// Serves, panics in its own ways, and stops.
async fn panic_as_a_server(folder: OsString) {
    let ports = Path::new(&folder).join("ports.json");
    let env = [
        ("ALDIS_AUTH_KEYS", KEY.to_owned()),
        ("ALDIS_LISTEN", "127.0.0.1:0".to_owned()),
        ("ALDIS_PORTS_FILE", ports.display().to_string()),
        ("ALDIS_LOG_FORMAT", "json".to_owned()),
    ];
    let env = env.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let loaded = Loaded::load(&Flags::default(), env, Purpose::Serve).expect("a configuration");
    let server = tokio::spawn(serve::run(Start { loaded, load: None, mode: Mode::Serve, nodes: 1 }));
    within("the ports", async {
        while !ports.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let secret = format!("canary-{}", std::process::id());
    let cut = secret.clone() + "\u{e4}";
    let end = cut.len() - 1;
    assert!(thread::spawn(move || panic!("{secret}")).join().is_err());
    assert!(thread::spawn(move || cut[..end].len()).join().is_err());
    assert!(tokio::spawn(async { panic!("a constant") }).await.is_err());
    let told = Command::new("/bin/kill").args(["-TERM", &std::process::id().to_string()]).status().await;
    assert!(told.expect("kill runs").success());
    within("the end", server).await.expect("no panic of its own").expect("served");
}
