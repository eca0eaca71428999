//! Pairs of peers, each pair in a room of its own.

use anyhow::ensure;
use futures_util::{Stream, StreamExt as _, stream};

use super::{peer::Peer, target::Target};

/// Joins under way at once: connections that have shown no token yet are limited by address, to 200 by default.
const JOINING: usize = 64;

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
    let second = target.join(number + 1, &room, &format!("second-{number}")).await?;
    ensure!(
        second.welcome().peers.iter().map(|peer| &peer.id).eq([first.id()]),
        "in {room} the second peer does not see exactly the first"
    );
    Ok(Pair { first, second })
}

/// The room of the pair with this number.
pub(super) fn room(number: usize) -> String {
    format!("bench-{}-{number}", std::process::id())
}
