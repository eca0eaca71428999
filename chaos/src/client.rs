//! A client as applications have it: it stays in a room, whatever happens, and talks to whoever is there.

use std::{future::IntoFuture as _, time::Duration};

use aldis_client::{Event, Room, RoomOptions};
use anyhow::Context as _;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    desk::{Desk, Stage},
    history::{Happening, History, Seen},
};

/// How long joining may take, when everybody comes at once.
const JOINING: Duration = Duration::from_secs(60);

/// Where a client goes, and as whom.
pub(crate) struct Ticket {
    /// The port of its way to the cluster.
    pub(crate) port: u16,
    /// The room of the token, for load balancers to see.
    pub(crate) room: String,
    pub(crate) token: String,
}

/// Stays until it is told to leave. Returns what it saw.
pub(crate) async fn stay(ticket: Ticket, mut desk: Desk, mut stage: watch::Receiver<Stage>) -> anyhow::Result<History> {
    let options = RoomOptions::new(format!("ws://127.0.0.1:{}", ticket.port)).room(ticket.room).token(ticket.token);
    let options = options.join_timeout(JOINING);
    let (room, mut events) = Room::join(options).await.context("a client was not let in")?;
    desk.joined();
    let mut fates = FuturesUnordered::new();
    let mut talk_at = Instant::now() + desk.pause();
    loop {
        let now = *stage.borrow_and_update();
        if now == Stage::Leave {
            break;
        }
        // What has come is noted before anything that comes of it.
        tokio::select! {
            biased;
            event = events.next() => match event {
                Some(event) => {
                    note(&mut desk, event);
                    desk.sees(&room.peers());
                }
                // Refused, for good.
                None => break,
            },
            Some((number, fate)) = fates.next(), if !fates.is_empty() => desk.settled(number, fate),
            () = sleep_until(talk_at), if now == Stage::Talk => {
                for (number, message) in desk.burst(&room.peers()) {
                    let fate = room.send(message).into_future();
                    fates.push(async move { (number, fate.await) });
                }
                talk_at = Instant::now() + desk.pause();
            }
            changed = stage.changed() => changed.context("the run has ended")?,
        }
    }
    // What was told already counts, also where nobody has looked yet.
    while let Some(Some(event)) = events.next().now_or_never() {
        note(&mut desk, event);
    }
    while let Some(Some((number, fate))) = fates.next().now_or_never() {
        desk.settled(number, fate);
    }
    room.leave().await;
    Ok(desk.close())
}

fn note(desk: &mut Desk, event: Event) {
    match event {
        Event::Signal(signal) => desk.delivered(&signal),
        Event::Joined { me, peers } => {
            desk.note(Happening::Joined { me: me.id, peers: peers.iter().map(Seen::from).collect() });
        }
        Event::Reconnecting { error, .. } => desk.note(Happening::Reconnecting { error: error.to_string() }),
        Event::Resumed => desk.note(Happening::Resumed),
        Event::PeerJoined(peer) => desk.note(Happening::PeerJoined { peer: Seen::from(&peer) }),
        Event::PeerUpdated(peer) => desk.note(Happening::PeerUpdated { peer: Seen::from(&peer) }),
        Event::PeerLeft { peer, reason } => desk.note(Happening::PeerLeft { id: peer.id, reason }),
        Event::Refused(error) => desk.note(Happening::Failed { error: error.to_string() }),
        Event::Failed(error) => desk.note(Happening::Failed { error: error.to_string() }),
        // There is no TURN server here, and what comes with later versions is not looked at.
        _ => {}
    }
}
