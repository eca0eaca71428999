//! What makes no sense: from strangers, from nodes of the next version, and from one of ours that has lost its mind.

use aldis_core::{
    Dialect, Duplicates, Grant, Hub, Input, Join, Moment, Profile, Stamp,
    cluster::{Cluster, ClusterInput, ClusterOutput, Envelope, Frame, Passage, Unopened, envelope::VERSION},
};
use aldis_protocol::{Limits, NodeId, PeerId};

use crate::{
    broker::Dice,
    client::Check,
    driver::{MAC, open},
    soak,
    world::{Happening, World, identity, room_id},
};

/// Somebody publishes on our subjects what is none of our frames. Its dice are its own, so that histories stay what they were.
pub(crate) fn shout(world: &mut World) {
    let mut dice = Dice::new(world.now);
    for node in 0..world.nodes.len() {
        let mut bytes: Vec<_> = (0..dice.below(200)).map(|_| dice.byte()).collect();
        if dice.percent(50) {
            bytes.insert(0, [VERSION, VERSION + 1][dice.index(2)]);
        }
        world.at(dice.below(100), Happening::Arrives { node, bytes });
    }
}

#[test]
fn what_is_not_ours_is_dropped_and_counted() -> Check {
    let mut world = World::new(10, 3);
    world.people(1, 3);
    world.run(100)?;
    for client in 0..3 {
        world.connect(client, client);
        world.run(100)?;
        shout(&mut world);
    }
    let frames = recorded(11)?;
    for (number, bytes) in frames.iter().enumerate() {
        let mut next = bytes.clone();
        next[0] = VERSION + 1;
        let mut forged = bytes.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        for bytes in [next, forged, bytes[..bytes.len() / 2].to_vec(), vec![VERSION; 200_000]] {
            world.at(1 + number as u64, Happening::Arrives { node: number % 3, bytes });
        }
    }
    world.run(5_000)?;
    for why in [Unopened::Oversize, Unopened::Version(VERSION + 1), Unopened::Forged, Unopened::Junk] {
        let counted = world.unopened.iter().any(|(counted, number)| *counted == why && *number > 0);
        ensure!(counted || why == Unopened::Junk, "nothing was {why:?}: {:?}", world.unopened);
    }
    world.all_is_well()?;
    world.nobody_else_is_seen()
}

/// An authentic node says anything: frames of a real history with bytes changed, and in any order.
#[test]
fn whatever_an_authentic_node_says_nothing_panics() -> Check {
    let mut opened = 0;
    for seed in 0..10 * soak() {
        let frames = recorded(seed)?;
        let mut dice = Dice::new(seed);
        let me = NodeId::parse("me").map_err(|_| "an id")?;
        let mut cluster = Cluster::new(me.clone());
        let mut hub = Hub::<usize>::clustered(Limits::default(), me);
        cluster.handle_input(Moment(1), ClusterInput::BackplaneUp);
        let mut now = Moment(1);
        for connection in 0..2 {
            hub.handle_input(now, Input::Join(Box::new(join(connection, &mut dice))));
        }
        for _ in 0..600 {
            now = now.after(dice.below(2_000));
            let mut bytes = frames[dice.index(frames.len())].clone();
            for _ in 0..dice.below(4) {
                let at = 1 + dice.index(bytes.len() - 33);
                bytes[at] = [dice.byte(), 0, u8::MAX][dice.index(3)];
            }
            if let Ok(envelope) = open(&bytes) {
                opened += 1;
                hear(&mut cluster, &mut hub, now, envelope);
            }
            cluster.handle_timeout(now);
            hub.handle_timeout(now);
            settle(&mut cluster, &mut hub, now);
        }
    }
    ensure!(opened > 1_000, "only {opened} frames were understood");
    Ok(())
}

fn join(connection: usize, dice: &mut Dice) -> Join<usize> {
    Join {
        connection,
        room: room_id(0),
        profile: Profile { identity: identity(connection), name: None, metadata: None },
        grant: Grant::default(),
        stamp: Stamp::default(),
        max_peers: None,
        duplicates: Duplicates::Replace,
        dialect: Dialect::V1,
        features: Vec::new(),
        fresh: PeerId::from_random(u128::from(dice.roll())),
        ticket: None,
    }
}

fn hear(cluster: &mut Cluster, hub: &mut Hub<usize>, now: Moment, envelope: Envelope) {
    let passage = cluster.handle_envelope(now, &envelope);
    settle(cluster, hub, now);
    if let (Passage::Timely, Frame::Room { frame }) = (passage, envelope.frame) {
        hub.handle_input(now, Input::Frame { from: &envelope.from, frame: Box::new(frame) });
    }
}

fn settle(cluster: &mut Cluster, hub: &mut Hub<usize>, now: Moment) {
    while let Some(output) = cluster.poll_output() {
        match output {
            ClusterOutput::Tell(tidings) => hub.handle_input(now, Input::Tidings(&tidings)),
            ClusterOutput::Sum(purpose) => {
                let mut sums = aldis_core::cluster::Digests::default();
                hub.digests(&mut sums);
                cluster.summed(purpose, &sums);
            }
            ClusterOutput::Publish { .. } | ClusterOutput::Beat => {}
        }
    }
    while hub.poll_output().is_some() {}
}

/// The frames of a short history with a bit of everything.
fn recorded(seed: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut world = World::new(seed, 3);
    world.record = Some(Vec::new());
    world.people(1, 4);
    world.run(100)?;
    for client in 0..4 {
        world.connect(client, client % 3);
        world.run(20)?;
        world.send(client);
    }
    world.wander(0, 1);
    world.run(100)?;
    world.leave(1);
    world.run(100)?;
    Ok(world.record.take().unwrap_or_default().into_iter().filter(|bytes| bytes.ends_with(&MAC)).collect())
}
