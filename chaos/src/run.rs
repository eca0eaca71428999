//! One run: a cluster, clients who talk, a fault, and the histories of it.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    broker::Kind,
    client::{self, Ticket},
    cluster::{Cluster, Parts},
    desk::{Audience, BURST, Desk, FAR, Seat, Stage, Tally, Traffic},
    faults::{Fault, Measure, Target},
    history::{Clock, Course, History, Marks},
    plain,
    proxy::Proxy,
};

/// Rooms have so many peers, in turn.
const SIZES: [usize; 5] = [2, 3, 4, 5, 6];

/// One room in so many has all its peers on one node: one of every size in its turn, since there are five sizes.
const TOGETHER: usize = 4;

/// One of the other clients in so many has the last mile as its way to the cluster.
const LAST_MILE: usize = 10;

/// The pause between two clients that come: a herd is not what is looked for here.
const APART: Duration = Duration::from_millis(4);

/// How long it may take until all have come.
const GATHERING: Duration = Duration::from_secs(90);

/// How long they talk before something breaks.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long the cluster is left alone after the last healing: rosters are to agree within 5 s.
const RECOVERY: Duration = Duration::from_secs(7);

/// How long they talk on after the last healing: what was broken is not used otherwise.
const TALK_ON: Duration = Duration::from_secs(4);

/// How long fates are waited for: each is to be known within 31 s.
const FATES: Duration = Duration::from_secs(33);

/// How long agreement is waited for beyond that. Whether it came in time is one of the goals; whether it comes at all, a promise.
const AGREEMENT: Duration = Duration::from_secs(20);

/// How long it may take until all have left.
const LEAVING: Duration = Duration::from_secs(20);

/// What does not depend on the fault.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) aldis: PathBuf,
    pub(crate) broker: Kind,
    pub(crate) clients: usize,
    /// Messages a second, of all clients together.
    pub(crate) rate: f64,
    pub(crate) measure: Measure,
}

/// Does a fault to a cluster of its own, whose logs go to a folder.
pub(crate) async fn run(fault: Fault, setup: &Setup, folder: &Path) -> anyhow::Result<(Course, Vec<History>)> {
    let mut cluster = Cluster::start(&Parts { aldis: setup.aldis.clone(), broker: setup.broker, folder }).await?;
    let last_mile = Proxy::start(cluster.doors().spread).await?;
    let clock = Clock::start();
    let run = Run { fault, setup, clock, tally: Tally::new(), stage: watch::Sender::new(Stage::Gather) };
    let mut clients = run.invite(&cluster, &last_mile).await?;
    let mut histories = Vec::new();
    let course = {
        let mut course = pin!(run.course(&mut cluster, &last_mile));
        loop {
            tokio::select! {
                course = &mut course => break course?,
                // Who was refused has a history too.
                Some(gone) = clients.join_next() => histories.push(gone??),
            }
        }
    };
    for node in &cluster.nodes {
        node.dump_metrics().await?;
    }
    run.stage.send_replace(Stage::Leave);
    let leaving = async {
        while let Some(left) = clients.join_next().await {
            histories.push(left??);
        }
        anyhow::Ok(())
    };
    timeout(LEAVING, leaving).await.context("not everybody has left")??;
    histories.sort_by_key(|history| history.client);
    Ok((course, histories))
}

/// What the parts of a run share.
struct Run<'a> {
    fault: Fault,
    setup: &'a Setup,
    clock: Clock,
    tally: Tally,
    stage: watch::Sender<Stage>,
}

impl Run<'_> {
    /// Lets all clients come, one after another.
    async fn invite(&self, cluster: &Cluster, last_mile: &Proxy) -> anyhow::Result<JoinSet<anyhow::Result<History>>> {
        let doors = cluster.doors();
        let mut clients = JoinSet::new();
        let rooms = rooms(self.setup.clients);
        for (number, &room) in rooms.iter().enumerate() {
            let others = rooms.iter().filter(|other| **other == room).count() - 1;
            let (port, place) = match (room % TOGETHER, number % LAST_MILE) {
                (0, _) => (doors.together, "near-"),
                (_, 0) => (last_mile.port(), FAR),
                _ => (doors.spread, "near-"),
            };
            let name = format!("room-{room}");
            let token = cluster.key.sign(&format!("{place}{number}"), &name)?;
            let seat = Seat { client: number, room, others };
            let desk = Desk::new(&seat, self.traffic(), self.clock, self.tally.clone());
            let (ticket, stage) = (Ticket { port, room: name, token }, self.stage.subscribe());
            if self.fault == Fault::Control {
                clients.spawn(plain::stay(ticket, desk, stage));
            } else {
                clients.spawn(client::stay(ticket, desk, stage));
            }
            sleep(APART).await;
        }
        Ok(clients)
    }

    /// From the first word until every fate is known.
    async fn course(&self, cluster: &mut Cluster, last_mile: &Proxy) -> anyhow::Result<Course> {
        let Self { fault, clock, .. } = *self;
        let mut joined = self.tally.joined.subscribe();
        let all_there = joined.wait_for(|joined| *joined == self.setup.clients);
        timeout(GATHERING, all_there).await.context("not everybody has come")??;
        self.stage.send_replace(Stage::Talk);
        sleep(WARM_UP).await;
        let mut target = Target { cluster, last_mile, marks: Marks::new(clock) };
        fault.inflict(&mut target, self.setup.measure).await?;
        let recovered = Instant::now() + RECOVERY;
        sleep(TALK_ON).await;
        self.stage.send_replace(Stage::Hush);
        let mut open = self.tally.open.subscribe();
        let mut complete = self.tally.complete.subscribe();
        // Where some are never settled, or never seen, the checker says which.
        let _ = timeout(FATES, open.wait_for(|open| *open == 0)).await;
        sleep_until(recovered).await;
        let _ = timeout(AGREEMENT, complete.wait_for(|complete| *complete == self.setup.clients)).await;
        Ok(Course { fault, ended: clock.now(), marks: target.marks.all })
    }

    /// What clients say: enough to fill every buffer on the way to those that read slowly.
    fn traffic(&self) -> Traffic {
        let mean_burst = (1.0 + BURST as f64) / 2.0;
        let pause = Duration::from_secs_f64(mean_burst * self.setup.clients as f64 / self.setup.rate);
        if self.fault == Fault::SlowReaders {
            Traffic { pause, ballast: 16 * 1_024, audience: Audience::Far }
        } else {
            Traffic { pause, ballast: 16, audience: Audience::Anybody }
        }
    }
}

/// The room of each client.
fn rooms(clients: usize) -> Vec<usize> {
    let sizes = SIZES.iter().cycle().enumerate();
    let mut rooms: Vec<_> = sizes.flat_map(|(room, size)| [room].repeat(*size)).take(clients).collect();
    // Nobody is alone in a room.
    if let [.., before, last] = rooms.as_mut_slice()
        && before != last
    {
        *last = *before;
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_alone() {
        assert_eq!(rooms(8), [0, 0, 1, 1, 1, 2, 2, 2]);
        assert_eq!(rooms(6), [0, 0, 1, 1, 1, 1], "the last would be");
        assert_eq!(rooms(20).iter().filter(|room| **room == 4).count(), 6);
    }
}
