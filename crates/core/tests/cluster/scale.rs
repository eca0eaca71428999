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
    if soak() > 1 { agree(100, 10_000) } else { agree(20, 500) }
}

/// Two people to a room, each on any node.
fn agree(nodes: usize, rooms: usize) -> Check {
    let mut world = World::new(4, nodes);
    world.people(rooms, 2 * rooms);
    world.run(3_000)?;
    world.tally = Tally::default();
    for client in 0..2 * rooms {
        let node = world.dice.index(nodes);
        world.connect(client, node);
        if client % 20 == 0 {
            world.run(1)?;
        }
    }
    world.run(1_000)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()?;
    let joins = std::mem::take(&mut world.tally);
    // The last distance between two announcements is 64 s, after as much for all that were shorter.
    world.run(2 * WATCHED_MS)?;
    world.tally = Tally::default();
    world.run(WATCHED_MS)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()?;
    ensure!(world.tally.published.keys().all(|kind| ["announcements", "beats", "digests"].contains(kind)), "no rest");
    report(&format!("{nodes} nodes, {rooms} rooms of two"), &joins, &world.tally, nodes, 2 * rooms);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is run for, with --nocapture")]
#[expect(clippy::cast_precision_loss, reason = "counts of frames are small")]
fn report(title: &str, joins: &Tally, rest: &Tally, nodes: usize, people: usize) {
    println!("{title}:");
    for (kind, count) in &joins.published {
        println!("  {:8.2} {kind} a join", *count as f64 / people as f64);
    }
    let seconds = nodes as f64 * WATCHED_MS as f64 / 1_000.0;
    for (kind, count) in &rest.published {
        println!("  {:8.2} {kind} a second and node at rest", *count as f64 / seconds);
    }
    println!("  {:8.2} frames that arrive, a second and node at rest", rest.arrived as f64 / seconds);
}
