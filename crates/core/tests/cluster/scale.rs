//! Many nodes, and what they say to each other: the figures that sizing a cluster starts from.

use std::collections::BTreeMap;

use aldis_core::cluster::{Frame, NodeFrame, frame::Body};

use crate::{client::Check, soak, world::World};

/// How long a cluster at rest is watched, after its announcements have become seldom.
const WATCHED_MS: u64 = 64_000;

/// Frames by kind.
#[derive(Default)]
pub(crate) struct Tally {
    /// What was published: one frame, however many read it.
    pub(crate) published: BTreeMap<&'static str, u64>,
    /// What arrived: one for each reader.
    pub(crate) arrived: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, frame: &Frame) {
        let kind = match frame {
            Frame::Node { frame: NodeFrame::Beat { .. } } => "beats",
            Frame::Node { frame: NodeFrame::Digest { .. } } => "digests",
            Frame::Node { frame: NodeFrame::Bye {} } => "goodbyes",
            Frame::Revocation { .. } => "revocations",
            Frame::Room { frame } => match frame.body {
                Body::Announce {} => "announcements",
                Body::Who { .. } | Body::Ask { .. } | Body::Compare { .. } => "questions",
                Body::Roster { .. } => "rosters",
                Body::Delta { .. } => "changes",
                Body::Signal { .. }
                | Body::Tell { .. }
                | Body::Remove { .. }
                | Body::Check { .. }
                | Body::Moved { .. }
                | Body::Again { .. }
                | Body::Dead { .. } => "signals",
            },
        };
        *self.published.entry(kind).or_default() += 1;
    }
}

#[test]
fn many_nodes_with_many_rooms_agree() -> Check {
    if soak() > 1 {
        agree(100, 10_000)?;
        rest(&mut agree(100, 1_000)?, 100, 1_000)
    } else {
        rest(&mut agree(20, 500)?, 20, 500)
    }
}

/// Two people to a room, each on any node, come within a second.
fn agree(nodes: usize, rooms: usize) -> Result<World, String> {
    let mut world = World::new(4, nodes);
    world.people(rooms, 2 * rooms);
    world.run(3_000)?;
    world.tally = Tally::default();
    for client in 0..2 * rooms {
        let node = world.dice.index(nodes);
        world.connect(client, node);
        if client % (rooms / 500) == 0 {
            world.run(1)?;
        }
    }
    world.run(1_000)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()?;
    report(&format!("{nodes} nodes, {rooms} rooms of two: frames a join"), &world.tally, 2 * rooms as u64);
    Ok(world)
}

/// What they say when nothing happens.
fn rest(world: &mut World, nodes: usize, rooms: usize) -> Check {
    // The last distance between two announcements is 64 s, after as much for all that were shorter.
    world.run(2 * WATCHED_MS)?;
    world.tally = Tally::default();
    world.run(WATCHED_MS)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()?;
    ensure!(world.tally.published.keys().all(|kind| ["announcements", "beats", "digests"].contains(kind)), "no rest");
    let title = format!("{nodes} nodes, {rooms} rooms of two: frames a second and node at rest");
    report(&title, &world.tally, nodes as u64 * WATCHED_MS / 1_000);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is run for, with --nocapture")]
#[expect(clippy::cast_precision_loss, reason = "counts of frames are small")]
fn report(title: &str, tally: &Tally, share: u64) {
    println!("{title}");
    for (kind, count) in tally.published.iter().chain([(&"that arrive", &tally.arrived)]) {
        println!("  {:8.2} {kind}", *count as f64 / share as f64);
    }
}
