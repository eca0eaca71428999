//! Writes to the own inbox, and looks whether the link is still the right one.

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Event, Shared,
    broker::Link,
    events::Feed,
    health::{Cause, Failure},
    inlet::Heard,
    probe::{Missed, PROBE_INTERVAL, Probe},
};

/// The probes of one link.
pub(super) struct Prober<'a, L> {
    link: &'a L,
    shared: &'a Arc<Shared>,
    events: &'a Feed,
    heard: Heard,
    probe: Probe,
    start: Instant,
}

impl<'a, L: Link> Prober<'a, L> {
    pub(super) fn new(link: &'a L, shared: &'a Arc<Shared>, events: &'a Feed, heard: Heard) -> Self {
        Self { link, shared, events, heard, probe: Probe::default(), start: Instant::now() }
    }

    /// The probe that opens a link: it must come back before the link counts.
    pub(super) async fn first(&mut self) -> Result<(), Failure> {
        self.send();
        let deaf = |_| Failure::new(Cause::Deaf, "the first probe did not come back");
        let time = timeout(PROBE_INTERVAL, self.returned()).await.map_err(deaf)?;
        self.shared.metrics.probe_returned(time);
        Ok(())
    }

    /// Probes until the link fails.
    pub(super) async fn run(&mut self) -> Result<Infallible, Failure> {
        loop {
            let next = Instant::now() + PROBE_INTERVAL;
            match self.send() {
                Missed::No => {}
                Missed::Once => self.missed().await,
                Missed::Deaf => {
                    self.missed().await;
                    return Err(Failure::new(Cause::Deaf, "two probes in a row did not come back"));
                }
            }
            let gap = self.heard.gap.swap(0, Ordering::Relaxed);
            if gap > 0 {
                self.events.send(Event::Gap { events: gap }).await;
            }
            let (link, events, metrics) = (self.link, self.events, &self.shared.metrics);
            let check = async {
                link.check().await?;
                pending::<Result<Infallible, Failure>>().await
            };
            let watch = async {
                let time = self.returned().await;
                metrics.probe_returned(time);
                events.send(Event::ProbeReturned(time)).await;
                pending::<Result<Infallible, Failure>>().await
            };
            tokio::select! {
                failure = check => return failure,
                failure = watch => return failure,
                () = sleep_until(next) => {}
            }
        }
    }

    fn send(&mut self) -> Missed {
        let (number, missed) = self.probe.tick(self.start.elapsed());
        self.shared.publish_probe(number);
        missed
    }

    async fn missed(&self) {
        self.shared.metrics.probe_missed();
        self.events.send(Event::ProbeMissed).await;
    }

    /// Waits for the probe that is on its way.
    async fn returned(&mut self) -> Duration {
        loop {
            let Some(number) = self.heard.probes.recv().await else { return pending().await };
            if let Some(time) = self.probe.returned(number, self.start.elapsed()) {
                return time;
            }
        }
    }
}
