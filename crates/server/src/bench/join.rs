//! Pairs of peers, each pair in a room of its own.

use std::time::Duration;

use aldis_protocol::{PeerId, Received, ServerMessage};
use anyhow::{Context as _, ensure};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::timeout;

use super::{peer::Peer, target::Target};

/// Joins under way at once: connections that have shown no token yet are limited by address, to 200 by default.
const JOINING: usize = 64;

/// How long the second of a pair may take to hear of the first, who is at another node.
const HEARD: Duration = Duration::from_secs(10);

/// Two peers in one room; the second came later.
pub(super) struct Pair {
    pub(super) first: Peer,
    pub(super) second: Peer,
}

/// Joins so many pairs, and yields each as soon as it is complete.
pub(super) fn pairs(target: &Target, count: usize) -> impl Stream<Item = anyhow::Result<Pair>> {
    stream::iter(0..count).map(|number| pair(target, number)).buffer_unordered(JOINING)
}

async fn pair(target: &Target, number: usize) -> anyhow::Result<Pair> {
    let room = room(number);
    let first = target.join(number, &room, &format!("first-{number}")).await?;
    let mut second = target.join(number + 1, &room, &format!("second-{number}")).await?;
    let sees = second.welcome().peers.iter().map(|peer| &peer.id).eq([first.id()]);
    ensure!(sees || target.has_nodes(), "in {room} the second peer does not see exactly the first");
    if !sees {
        let heard = timeout(HEARD, hears(&mut second, first.id())).await;
        heard.with_context(|| format!("in {room} the second peer does not hear of the first"))??;
    }
    Ok(Pair { first, second })
}

/// A node that is busy answers a newcomer late, who then hears of its peers one by one.
async fn hears(peer: &mut Peer, id: &PeerId) -> anyhow::Result<()> {
    loop {
        if let Received::Server(ServerMessage::PeerJoined { peer }) = peer.recv().await?
            && peer.id == *id
        {
            return Ok(());
        }
    }
}

/// The room of the pair with this number.
pub(super) fn room(number: usize) -> String {
    format!("bench-{}-{number}", std::process::id())
}
