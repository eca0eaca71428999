//! A room of more than are written to at once: everybody hears of everything, and in its order.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Peer, Rig, Token};

const PEERS: usize = 60;

#[tokio::test]
async fn a_crowd_hears_of_everything_in_its_order() {
    let rig = Rig::usual();
    let mut room: Vec<Peer> = Vec::new();
    for number in 0..PEERS {
        room.push(rig.raw(Token::of(&format!("peer-{number}")).all()).await);
    }
    // Who came while they were there.
    for (at, peer) in room.iter_mut().enumerate() {
        for number in at + 1..PEERS {
            let joined = peer.expect("peer-joined").await;
            assert_eq!(joined["peer"]["identity"], format!("peer-{number}"));
        }
    }
    let (speaker, hearers) = room.split_first_mut().expect("somebody");
    for number in 0..20 {
        speaker.send(json!({ "type": "message", "data": number })).await;
    }
    join_all(hearers.iter_mut().map(async |peer| {
        for number in 0..20 {
            peer.told(&speaker.id, json!(number)).await;
        }
    }))
    .await;
    let mut room = room.into_iter();
    let gone = room.next().expect("the speaker");
    let id = gone.id.clone();
    drop(gone);
    for mut peer in room {
        peer.expect_about("peer-left", &id).await;
    }
}
