//! Builds links to the broker, for ever, and says how it goes.
//!
//! ```text
//!   connect ──▶ subscribe all that is wanted ──▶ first probe came back ──▶ up: publish · follow changes · probe
//!      ▲                                                                              │
//!      └──────────── delay ◀──────────── degraded, by the name of the failure ◀───────┘ (and from every step)
//! ```

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_lc_rs::rand;
use tokio::time::{sleep, timeout};

use super::{
    Event, Shared,
    backoff::Backoff,
    broker::{Broker, Link},
    events::Feed,
    follower::Follower,
    health::{Cause, Failure, Health},
    inlet::Inlet,
    metrics::Dropped,
    outgoing::{Cleared, Queue},
    prober::Prober,
};

/// How long a broker may take to let us in, and to confirm a batch of subscriptions.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Keeps links to one broker.
pub(super) struct Supervisor<B> {
    broker: B,
    shared: Arc<Shared>,
    queue: Queue,
    events: Feed,
    backoff: Backoff,
}

impl<B: Broker> Supervisor<B> {
    pub(super) fn new(broker: B, shared: Arc<Shared>, queue: Queue, events: Feed) -> Self {
        Self { broker, shared, queue, events, backoff: Backoff::default() }
    }

    /// Runs until nobody takes the events any more.
    pub(super) async fn run(mut self) {
        while !self.events.is_closed() {
            let Err(failure) = self.link().await;
            self.degrade(&failure).await;
            sleep(self.backoff.next(chance())).await;
        }
    }

    /// One link, from its first connection to its failure.
    async fn link(&mut self) -> Result<Infallible, Failure> {
        let Self { broker, shared, queue, events, backoff } = self;
        let (inlet, mut signals) = Inlet::new(shared.clone(), events.clone());
        let link = answered("connect", broker.connect(&inlet)).await?;
        let follower = Follower { link: &link, shared, events };
        let mut prober = Prober::new(&link, shared, events, signals.heard);
        let control = async {
            let rooms = follower.catch_up().await?;
            prober.first().await?;
            backoff.reset();
            shared.set_health(Health::Up);
            tracing::info!("the backplane is up");
            events.send(Event::Health(Health::Up)).await;
            follower.announce(rooms).await;
            tokio::select! {
                failure = follower.run() => failure,
                failure = prober.run() => failure,
            }
        };
        tokio::select! {
            Some(failure) = signals.failures.recv() => Err(failure),
            failure = link.publish(queue) => failure,
            failure = control => failure,
        }
    }

    /// Says that nothing crosses nodes for now, and what did not go out. What did, but was not answered, may have arrived: nothing is
    /// said of it.
    async fn degrade(&mut self, failure: &Failure) {
        let Failure { cause, detail } = failure;
        let health = Health::Degraded(*cause);
        let before = self.shared.set_health(health);
        // After the change of health, which lets nothing more in.
        let Cleared { frames, tags } = self.queue.clear();
        self.shared.metrics.dropped(Dropped::LinkLost, frames);
        self.shared.metrics.failed(*cause);
        self.shared.wanted.lock().lost();
        for tag in tags {
            self.events.send(Event::Lost { tag }).await;
        }
        if before == health {
            tracing::debug!(%cause, %detail, "the backplane is still degraded");
        } else {
            tracing::warn!(%cause, %detail, frames, "the backplane is degraded");
            self.events.send(Event::Health(health)).await;
        }
    }
}

/// What a broker answers in time.
pub(super) async fn answered<T>(what: &str, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(ANSWER_TIME, answer)
        .await
        .unwrap_or_else(|_| Err(Failure::new(Cause::Unreachable, &format!("{what}: no answer within {ANSWER_TIME:?}"))))
}

/// A random byte. Without one, nodes come back at the same time: no reason not to come back.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = rand::fill(&mut byte);
    byte[0]
}
