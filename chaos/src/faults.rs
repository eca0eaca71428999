//! What is done to a cluster.
//!
//! Each fault is a schedule on the wall clock: the one place here that sleeps. It marks when it breaks something and when everything is whole
//! again, so that the checker knows when rosters have to agree.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    cluster::Cluster,
    history::{Mark, Marks},
    proxy::{Flow, Proxy},
};

/// A cut that no roster may show: its lease is longer.
const CUT: Duration = Duration::from_secs(10);

/// How long a broker is dead.
const OUTAGE: Duration = Duration::from_secs(3);

/// How long a node that was killed is down, at most.
const DOWN: Duration = Duration::from_secs(4);

/// What follows something that everybody has to recover from before it happens again.
const REST: Duration = Duration::from_secs(15);

/// What is done to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// A random node is killed, every 20 s, and started again.
    Kill,
    /// The nodes are restarted in order, one after another, without a pause.
    Rolling,
    /// The broker is killed, every 30 s, and started again 3 s later.
    Broker,
    /// A random node does not reach the broker for 10 s.
    Cut,
    /// A random node does not reach the broker for 60 s.
    LongCut,
    /// The connections of one client in ten die without either end being told.
    HalfOpen,
    /// One client in ten gets 8 KiB/s of much more.
    SlowReaders,
    /// The control: a node is killed, and the clients have no streams. What they lose must be found.
    Control,
}

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// For so long it is done again and again; where this is nothing, once.
    pub(crate) lasts: Duration,
    /// A cut that outlasts every lease: 15 s until peers are away, 30 s until they are unreachable.
    pub(crate) long_cut: Duration,
    /// How long half-open connections may go unnoticed.
    pub(crate) unnoticed: Duration,
    /// How long readers are slow.
    pub(crate) slow: Duration,
}

impl Measure {
    /// The long form, with so much time for each fault.
    pub(crate) fn long(lasts: Duration) -> Self {
        Self {
            lasts,
            long_cut: Duration::from_secs(60),
            // 25 s by the heartbeat, and what a busy machine adds.
            unnoticed: Duration::from_secs(30),
            slow: Duration::from_secs(30),
        }
    }

    /// Each fault once.
    pub(crate) fn short() -> Self {
        Self {
            lasts: Duration::ZERO,
            long_cut: Duration::from_secs(40),
            // Whoever talks notices within 5 s, and everybody talks.
            unnoticed: Duration::from_secs(12),
            slow: Duration::from_secs(12),
        }
    }
}

impl Fault {
    /// All of them, the control last.
    pub(crate) const ALL: [Self; 8] = [
        Self::Kill,
        Self::Rolling,
        Self::Broker,
        Self::Cut,
        Self::LongCut,
        Self::HalfOpen,
        Self::SlowReaders,
        Self::Control,
    ];

    /// Its name, as the command takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Rolling => "rolling",
            Self::Broker => "broker",
            Self::Cut => "cut",
            Self::LongCut => "long-cut",
            Self::HalfOpen => "half-open",
            Self::SlowReaders => "slow-readers",
            Self::Control => "control",
        }
    }

    /// Does it to a cluster, and to the clients whose way is the last mile.
    pub(crate) async fn inflict(self, at: &mut Target<'_>, measure: Measure) -> anyhow::Result<()> {
        let end = Instant::now() + measure.lasts;
        loop {
            let began = Instant::now();
            at.marks.set(Mark::Began);
            let period = self.once(at, measure).await?;
            at.marks.set(Mark::Healed);
            sleep_until((began + period).min(end)).await;
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    /// Does it once. Returns when to do it again, counted from its beginning.
    async fn once(self, at: &mut Target<'_>, measure: Measure) -> anyhow::Result<Duration> {
        let nodes = &mut at.cluster.nodes;
        let random = fastrand::usize(..nodes.len());
        Ok(match self {
            Self::Kill | Self::Control => {
                nodes[random].kill().await?;
                // Sometimes it is back before its clients are, and sometimes they have to go elsewhere.
                sleep(DOWN.mul_f64(fastrand::f64())).await;
                nodes[random].start().await?;
                Duration::from_secs(20)
            }
            Self::Rolling => {
                for node in nodes {
                    node.stop().await?;
                    node.start().await?;
                }
                Duration::ZERO
            }
            Self::Broker => {
                at.cluster.broker.kill().await?;
                sleep(OUTAGE).await;
                at.cluster.broker.start().await?;
                Duration::from_secs(30)
            }
            Self::Cut => cut(nodes[random].way_to_broker(), CUT).await,
            Self::LongCut => cut(nodes[random].way_to_broker(), measure.long_cut).await,
            Self::HalfOpen => {
                at.last_mile.forget();
                sleep(measure.unnoticed).await;
                measure.unnoticed + REST
            }
            Self::SlowReaders => {
                at.last_mile.set(Flow::Trickle);
                sleep(measure.slow).await;
                at.last_mile.set(Flow::Free);
                measure.slow + REST
            }
        })
    }
}

/// What a fault is done to.
pub(crate) struct Target<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) last_mile: &'a Proxy,
    pub(crate) marks: Marks,
}

/// Cuts a way for so long.
async fn cut(way: &Proxy, duration: Duration) -> Duration {
    way.set(Flow::Cut);
    sleep(duration).await;
    way.set(Flow::Free);
    duration + REST
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
