//! What is done where a call does not go on by itself: ICE starts afresh, and where that does not help another connection is made.

use std::time::Duration;

use aldis_protocol::Presence;
use anyhow::{Result, bail};
use tokio::time::sleep;
use webrtc::peer_connection::RTCPeerConnectionState as State;

use super::Desk;
use crate::{
    call::{Alarm, Input},
    numbers::Numbers,
    pair::Pair,
};

/// How long an offer may go unanswered before it is made again.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a connection may be interrupted before ICE starts afresh: most heal by themselves.
const HEALING: Duration = Duration::from_millis(2_500);

/// How long a connection stays after the one in its place stands, so that nothing on its way is lost.
const REPLACED: Duration = Duration::from_secs(1);

/// How often another way is looked for before one is found.
const RESTARTS_MAX: u32 = 3;

/// How many connections are made in the place of broken ones before one of them stands.
const REBUILDS_MAX: u32 = 3;

/// How often mending was tried since a connection stood.
#[derive(Default)]
pub(super) struct Mended {
    pub(super) restarts: u32,
    pub(super) rebuilds: u32,
}

impl Desk {
    /// The connection is in another state.
    pub(super) async fn is_now(&mut self, state: State) -> Result<()> {
        println!("{}: {state}", self.line.name());
        self.state = state;
        match state {
            State::Connected => {
                self.has_stood = true;
                self.mended = Mended::default();
                self.later(REPLACED, Alarm::Replaced { g: self.generation });
                Ok(())
            }
            State::Disconnected => {
                self.later(HEALING, Alarm::Healing { g: self.generation });
                Ok(())
            }
            State::Failed => self.mend().await,
            _ => Ok(()),
        }
    }

    /// Looks for another way between the two, and where that did not help, for another connection.
    async fn mend(&mut self) -> Result<()> {
        let Some(pair) = &mut self.pair else { return Ok(()) };
        if self.mended.restarts >= RESTARTS_MAX {
            bail!("no way to the peer is found");
        }
        self.mended.restarts += 1;
        pair.restart().await
    }

    /// A time has come that something waited for.
    pub(super) async fn rings(&mut self, alarm: Alarm) -> Result<()> {
        let is_reachable = self.peer.presence == Presence::Here;
        let generation = self.generation;
        match (alarm, &mut self.pair) {
            (Alarm::FirstOffer { g }, None) if g > generation => {
                println!("{}: is asked for an offer", self.line.name());
                self.line.restart(Numbers::default());
                Ok(())
            }
            (Alarm::Answer { g, d }, Some(pair)) if g == generation && pair.pending() == Some(d) => {
                if is_reachable {
                    return pair.offer_again().await;
                }
                self.later(ANSWER, Alarm::Answer { g, d });
                Ok(())
            }
            (Alarm::Yielded { g, theirs }, Some(pair)) if g == generation && pair.theirs() == theirs => {
                pair.restart().await
            }
            (Alarm::Healing { g }, Some(_)) if g == generation && self.state == State::Disconnected => {
                self.mend().await
            }
            (Alarm::Replaced { g }, _) if g == generation => {
                self.close_retired().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The connection can be negotiated no more: another one takes its place.
    pub(super) async fn broken(&mut self, why: &anyhow::Error) {
        eprintln!("{}: {why:#}", self.line.name());
        self.mended.rebuilds += 1;
        if self.line.is_numbered() && self.mended.rebuilds <= REBUILDS_MAX {
            let g = self.generation + 1;
            self.line.rebuild(Numbers::connection(g));
            // Boxed, because a connection that cannot even be made leads here again.
            Box::pin(self.replace(g)).await;
        } else {
            self.line.hangup(Numbers::connection(self.generation));
            self.hang_up().await;
        }
    }

    /// Lets another connection take the place of what is there, which goes on until then if it ever stood.
    pub(super) async fn replace(&mut self, generation: u64) {
        self.close_retired().await;
        if self.has_stood {
            self.retired = self.pair.take();
        } else {
            self.close_pair().await;
        }
        self.begin(generation).await;
    }

    /// Sees to it that the offer which is pending gets its answer.
    pub(super) fn watch(&mut self) {
        let pending = self.pair.as_ref().and_then(Pair::pending).map(|d| (self.generation, d));
        if self.watched != pending {
            self.watched = pending;
            if let Some((g, d)) = pending {
                self.later(ANSWER, Alarm::Answer { g, d });
            }
        }
    }

    /// Puts an alarm into the mailbox after a while.
    pub(super) fn later(&self, after: Duration, alarm: Alarm) {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            sleep(after).await;
            // Nobody listens any more where the call has ended.
            let _ = mailbox.send(Input::Alarm(alarm));
        });
    }
}
