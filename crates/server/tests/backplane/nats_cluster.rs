//! Three NATS servers.

use aldis_server::backplane::{Cause, Subject};

use crate::{
    brokers::{Broker, Nats},
    support::{Hears, Node, room},
};

#[tokio::test]
async fn a_killed_server_is_replaced_by_the_others() {
    let mut servers = Nats::cluster(3);
    let seeds: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    // The others are not there yet, so the node is at the first.
    servers[0].revive().await;
    let mut north = Node::at(&format!("nats://{}", seeds.join(",")), "north", "aldis", "north");
    north.up().await;
    north.subscribe("lobby").await;
    for server in &mut servers[1..] {
        server.revive().await;
        server.daemon().logged("Route connection created").await;
    }
    let mut south = servers[2].node("south");
    south.up().await;
    south.subscribe("lobby").await;
    let lobby = Subject::Room(room("lobby"));
    north.reach(&mut south, &lobby).await;
    south.reach(&mut north, &lobby).await;

    servers[0].kill().await;
    north.degraded_by(Cause::Lost).await;
    north.up().await;
    north.subscribed("lobby").await;
    north.reach(&mut south, &lobby).await;
    south.reach(&mut north, &lobby).await;
    let inbox = north.inbox();
    south.reach(&mut north, &inbox).await;
    assert_eq!(south.metric("failures_total{reason=\"lost\"}"), 0.0);
}
