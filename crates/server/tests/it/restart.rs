//! A server that was started again: with the same cluster secret its clients go on, with a random one they begin anew.

use aldis_server::config::{Config, Secret};
use serde_json::json;

use crate::support::{Frame, Rig, is_deserted, within};

fn clustered(config: &mut Config) {
    config.cluster_secret = Some(Secret::new("cluster-0123456789abcdef-0123456789"));
}

#[tokio::test]
async fn both_peers_resume_on_a_restarted_server() {
    let first = Rig::start(clustered);
    let (ann, bob) = (first.v1("ann").await, first.v1("bob").await);
    drop(first);

    let second = Rig::start(clustered);
    // The younger comes first; both keep their ids and their places.
    let mut bob_again = second.resume("bob", &bob.resume_token()).await;
    assert_eq!((&bob_again.welcome["resumed"], &bob_again.id), (&json!(true), &bob.id));
    assert_eq!((&bob_again.welcome["peers"], &bob_again.welcome["left"]), (&json!([]), &json!([])));
    // Absence is not departure.
    bob_again.tell(&ann.id, 1).await;
    bob_again.refused("unknown-peer").await;
    let mut ann_again = second.resume("ann", &ann.resume_token()).await;
    assert_eq!((&ann_again.welcome["resumed"], &ann_again.id), (&json!(true), &ann.id));
    assert_eq!(ann_again.welcome["peers"][0]["polite"], false);
    let joined = bob_again.expect_about("peer-joined", &ann.id).await;
    assert_eq!(joined["peer"]["polite"], true);
    assert_eq!(second.metric("aldis_joins_total{reason=\"recalled\"}"), 2);
    // Newcomers come behind them.
    let carol = second.v1("carol").await;
    let peers = carol.welcome["peers"].as_array().expect("peers");
    let order: Vec<_> = peers.iter().map(|peer| (&peer["identity"], &peer["polite"])).collect();
    assert_eq!(order, [(&json!("ann"), &json!(true)), (&json!("bob"), &json!(true))]);
    bob_again.expect("peer-joined").await;
    bob_again.tell(&ann.id, 2).await;
    ann_again.expect("peer-joined").await;
    ann_again.told(&bob.id, 2).await;
}

#[tokio::test]
async fn without_a_cluster_secret_a_restart_forgets() {
    let first = Rig::usual();
    let ann = first.v1("ann").await;
    drop(first);
    let second = Rig::usual();
    let again = second.resume("ann", &ann.resume_token()).await;
    assert_eq!(again.welcome["resumed"], false);
    assert!(again.id != ann.id && again.welcome["peer"].get("previous").is_none(), "{}", again.welcome);
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let rig = Rig::usual();
    let mut ann = rig.v1("ann").await;
    let address = rig.server.listen()[0];
    let node = std::sync::Arc::clone(rig.server.node());
    drop(rig);
    assert_eq!(ann.frame().await, Frame::End);
    node.connections.close();
    within("the end of all tasks", node.connections.wait()).await;
    assert_eq!(node.admission.connections(), 0);
    assert!(is_deserted(address).await);
}
