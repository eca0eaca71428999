//! A panic in one connection: its task ends, the hub learns of it, and nobody else notices more than that somebody has left.
//!
//! Nothing known panics in a connection, so its way out does here, where only the connection's own task goes: when it waits for room.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use aldis_core::Dialect;
use aldis_server::connection::{Connection, Places, outlet::Wire, transport::Transport};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Peer, Rig, Socket, within};

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
    let task = node.connections.spawn(connection.run(Dialect::Raw));
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
