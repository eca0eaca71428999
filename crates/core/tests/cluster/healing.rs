//! How what was lost is found: each way on its own.

use crate::{broker::Cable, client::Check, world::World};

/// Three in a room, each on another node, long enough ago that the next announcement is far.
fn three() -> Result<World, String> {
    let mut world = World::new(12, 3);
    world.people(1, 4);
    world.run(100)?;
    for client in 0..3 {
        world.connect(client, client);
        world.run(100)?;
    }
    world.run(40_000)?;
    Ok(world)
}

/// Lets it happen while nothing that the node says reaches anybody, between two beats: also not its first announcement.
fn unheard(world: &mut World, node: usize, step: impl FnOnce(&mut World)) -> Check {
    let others: Vec<_> = (0..world.nodes.len()).filter(|other| *other != node).collect();
    let next = (world.now / 2_000 + 1) * 2_000;
    world.run(next - world.now + 100)?;
    world.broker.cuts.extend(others.iter().map(|other| (node, *other)));
    step(world);
    world.run(1_500)?;
    world.broker.cuts.clear();
    ensure!(world.nobody_else_is_seen().is_err(), "they have heard of it");
    Ok(())
}

fn comparisons(world: &World) -> u64 {
    world.nodes.iter().map(|node| node.cluster.figures().comparisons).sum()
}

#[test]
fn digests_find_that_the_last_one_of_a_node_has_left() -> Check {
    let mut world = three()?;
    unheard(&mut world, 0, |world| world.leave(0))?;
    world.run(5_000)?;
    ensure!(comparisons(&world) == 2, "{} comparisons", comparisons(&world));
    world.all_is_well()?;
    world.nobody_else_is_seen()
}

#[test]
fn an_announcement_finds_what_has_just_changed() -> Check {
    let mut world = three()?;
    unheard(&mut world, 0, |world| world.connect(3, 0))?;
    world.run(1_600)?;
    ensure!(comparisons(&world) == 0, "it was found by comparing");
    world.all_is_well()?;
    world.nobody_else_is_seen()
}

#[test]
fn a_gap_in_the_beats_finds_rooms_of_which_neither_knew() -> Check {
    let mut world = World::new(13, 2);
    world.people(1, 2);
    world.run(100)?;
    world.broker.cuts.extend([(0, 1), (1, 0)]);
    for client in 0..2 {
        world.connect(client, client);
        world.run(400)?;
    }
    // The next announcements are far.
    world.run(40_000)?;
    world.broker.cuts.clear();
    world.run(2_100)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()
}

#[test]
fn a_healed_link_asks_at_once() -> Check {
    let mut world = three()?;
    world.unplug(1, Cable::Unplugged);
    world.leave(0);
    world.run(5)?;
    world.plug(1);
    // As soon as its subscriptions are confirmed.
    world.run(230)?;
    world.all_is_well()?;
    world.nobody_else_is_seen()
}

#[test]
fn who_shows_the_dead_is_told() -> Check {
    let mut world = three()?;
    // The first node never hears that its session has moved, and that it has left then.
    world.broker.cuts.extend([(1, 0), (0, 1)]);
    world.wander(0, 1);
    world.run(400)?;
    world.leave(0);
    world.run(10)?;
    // The third one has heard of it.
    world.every_session_has_one_node()
}

#[test]
fn whoever_resumes_enters_a_full_room_and_nobody_is_put_out() -> Check {
    let mut world = World::new(14, 3);
    world.max_peers = Some(2);
    world.people(1, 3);
    world.run(100)?;
    for client in 0..2 {
        world.connect(client, client);
        world.run(100)?;
    }
    let ticket = world.clients[1].ticket.clone();
    world.clients[1].ticket = None;
    world.broker.cables.insert(1, Cable::Dead);
    world.lose(1);
    world.run(40_000)?;
    ensure!(world.clients[0].roster.is_empty(), "it is waited for");
    world.connect(2, 2);
    world.run(500)?;
    world.clients[1].ticket = ticket;
    world.connect(1, 2);
    world.run(500)?;
    ensure!(world.clients.iter().all(|client| client.seated && client.stays == 1), "somebody is not there any more");
    world.everybody_is_seen()?;
    world.nobody_else_is_seen()
}
