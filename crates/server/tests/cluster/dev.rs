//! `aldis dev --nodes 3`, and what a process does that requires its backplane.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{net::TcpStream, process::Command};

use crate::{
    brokers::{free_port, within},
    nodes::{SECRET, hears, reached, until},
    support::{Aldis, KEY, Peer, Request},
};

/// Joins the room `demo` at a node, with the token that its page would get.
async fn guest(address: &str, name: &str) -> Peer {
    let dial = async || TcpStream::connect(address).await.expect("connected");
    let path = format!("/dev/token?room=demo&identity={name}");
    let port = address.rsplit(':').next().expect("a port");
    let request = Request::get(path).without("Host").header("Host", format!("localhost:{port}"));
    let answer = request.ask(&mut dial().await).await.0;
    let token = answer.json()["token"].as_str().expect("a token").to_owned();
    Peer::greeting(dial().await, &token, json!({ "type": "hello", "protocol": 1 })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_of_one_process_share_their_rooms() {
    let aldis = Aldis::run(&["dev", "--nodes", "3"], &[("ALDIS_LOG_FORMAT", "json")]).await;
    let address = |node: &Value| node["listen"].as_str().expect("an address").to_owned();
    let others = aldis.ports()["others"].as_array().expect("other nodes").clone();
    assert_eq!(others.len(), 2);
    let (first, last) = (address(aldis.ports()), address(&others[1]));
    let ready = async || {
        let answer = Request::get("/readyz").ask(&mut TcpStream::connect(&last).await.expect("connected")).await.0;
        (answer.text() == "ok\n").then_some(())
    };
    until("the last node", ready).await;
    let mut ann = guest(&first, "ann").await;
    let mut bob = guest(&last, "bob").await;
    assert_ne!(ann.welcome["node"], bob.welcome["node"]);
    if bob.welcome["peers"] == json!([]) {
        hears(&mut bob, "peer-joined", &ann.id).await;
    }
    hears(&mut ann, "peer-joined", &bob.id).await;
    reached(&mut ann, &mut bob).await;
    drop((ann, bob));
    aldis.signal("TERM").await;
    let (status, said) = aldis.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    let port = last.rsplit(':').next().expect("a port");
    assert!(said.contains(&format!("http://localhost:{port}/")), "the banner lists it: {said}");
}

#[tokio::test]
async fn a_node_that_requires_its_backplane_does_not_start_without() {
    let broker = format!("redis://aldis:canary@127.0.0.1:{}", free_port());
    let env = [("ALDIS_AUTH_KEYS", KEY), ("ALDIS_CLUSTER_SECRET", SECRET), ("ALDIS_BACKPLANE", &broker)];
    let output = Command::new(env!("CARGO_BIN_EXE_aldis"))
        .env_clear()
        .envs(env)
        .args(["serve", "--listen", "127.0.0.1:0", "--require-backplane"])
        .stdin(Stdio::null())
        .output();
    let output = within("its end", output).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the backplane is unreachable") && said.contains("require_backplane"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
