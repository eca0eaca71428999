//! Two senders flood one receiver on all cores: nothing is lost, doubled or out of order.

use serde_json::json;

use crate::support::{Frame, Peer, Rig};

const EACH: u64 = 10_000;

async fn flood(mut sender: Peer, to: String) -> Peer {
    for number in 0..EACH {
        sender.send(json!({ "type": "message", "to": to, "data": number })).await;
    }
    // The last was read when this is answered; nothing was refused.
    sender.is_quiet().await;
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn per_sender_order_holds_over_twenty_thousand_messages() {
    let rig = Rig::start(|config| {
        config.limits.message_burst = 1_000_000;
        config.limits.byte_burst = 1 << 30;
        config.limits.outbound_bytes = 1 << 30;
    });
    let mut receiver = rig.v1("carol").await;
    let senders = [rig.v1("ann").await, rig.raw("bob").await];
    let ids = [senders[0].id.clone(), senders[1].id.clone()];
    receiver.expect("peer-joined").await;
    receiver.expect("peer-joined").await;
    let [mut ann, mut bob] = senders;
    ann.expect("peer-joined").await;
    bob.is_quiet().await;
    let to = receiver.id.clone();
    let floods = [tokio::spawn(flood(ann, to.clone())), tokio::spawn(flood(bob, to))];
    let mut next = [0, 0];
    while next != [EACH, EACH] {
        match receiver.frame().await {
            Frame::Text(message) if message["type"] == "message" => {
                let sender = ids.iter().position(|id| message["from"] == id.as_str()).expect("one of them");
                assert_eq!(message["data"], next[sender], "of sender {sender}");
                next[sender] += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    for flood in floods {
        flood.await.expect("a sender");
    }
    assert_eq!(rig.metric("aldis_relayed_total{type=\"message\"}"), 2 * EACH);
}
