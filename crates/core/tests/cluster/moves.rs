//! Sessions that go to another node, and what is under way to them.

use aldis_core::{Departure, Input, Moment, Output, Parcel, cluster::Claims};
use aldis_protocol::{ErrorCode, MsgId, Naming, ServerMessage, SignalKind};

use crate::{
    client::Check,
    world::{Happening, World},
};

impl World {
    /// What became of claims, by hubs.
    pub(crate) fn claims(&self) -> impl Iterator<Item = Claims> {
        self.nodes.iter().flat_map(|node| &node.hubs).map(aldis_core::Hub::claims)
    }
}

/// Three in a room, each on another node.
fn three() -> Result<World, String> {
    World::apart(9, 3)
}

#[test]
fn a_session_moves_in_the_time_of_a_join() -> Check {
    let mut world = three()?;
    world.wander(0, 1);
    world.run(10)?;
    ensure!(world.clients[0].stays == 1 && world.clients[0].seated, "it did not resume");
    world.all_is_well()?;
    world.nobody_else_is_seen()?;
    let (granted, taken) = world.claims().fold((0, 0), |sum, claims| (sum.0 + claims.granted, sum.1 + claims.taken));
    ensure!((granted, taken) == (1, 1), "{granted} granted, {taken} taken");
    Ok(())
}

#[test]
fn what_is_sent_to_where_a_peer_was_follows_it() -> Check {
    for after in [300, 9_000] {
        let mut world = three()?;
        // The third node does not hear of the move.
        world.broker.cuts.extend([(0, 2), (1, 2)]);
        world.wander(0, 1);
        world.run(100)?;
        let until = world.now + after;
        while world.now < until {
            world.run(100)?;
        }
        world.broker.cuts.clear();
        let sender = world.clients[2].link.ok_or("no connection")?;
        let moved = world.clients[0].id().cloned();
        world.clients[2].roster.retain(|id, _| Some(id) == moved.as_ref());
        world.send(2);
        world.run(15)?;
        let receiver = world.clients[0].link.ok_or("no connection")?;
        ensure!(world.heard.contains_key(&(sender, receiver)), "after {after} ms: it is lost");
        ensure!(world.sent[0].answers == 1, "after {after} ms: its sender has no receipt");
    }
    Ok(())
}

#[test]
fn a_room_that_everybody_moved_away_from_is_forgotten() -> Check {
    let mut world = three()?;
    world.wander(0, 1);
    world.run(9_000)?;
    ensure!(world.nodes[0].rooms.len() == 1, "nobody can be told where it went");
    world.run(2_000)?;
    ensure!(world.nodes[0].rooms.is_empty(), "it is kept");
    world.all_is_well()
}

#[test]
fn a_claim_of_the_dead_begins_a_new_stay() -> Check {
    let mut world = three()?;
    let ticket = world.clients[0].ticket.clone();
    world.leave(0);
    world.run(100)?;
    world.clients[0].ticket = ticket;
    world.connect(0, 2);
    world.run(100)?;
    ensure!(world.clients[0].stays == 2, "it is back from the dead");
    ensure!(world.claims().map(|claims| claims.dead).sum::<u64>() == 1, "nobody has counted it");
    Ok(())
}

#[test]
fn a_question_that_comes_again_moves_nothing_again() -> Check {
    let mut world = three()?;
    world.record = Some(Vec::new());
    world.wander(0, 1);
    let question = world.record.take().and_then(|frames| frames.into_iter().next()).ok_or("no question")?;
    world.run(100)?;
    world.wander(0, 0);
    world.run(100)?;
    world.at(0, Happening::Arrives { node: 0, bytes: question });
    world.run(100)?;
    ensure!(world.clients[0].link.is_some() && world.clients[0].seated, "it is put out");
    world.all_is_well()
}

#[test]
fn what_a_session_had_not_read_before_it_moved_may_be_sent_again() -> Check {
    let mut world = World::new(14, 2);
    world.people(1, 2);
    world.run(100)?;
    for client in 0..2 {
        world.connect(client, 0);
        world.run(100)?;
    }
    let seat = world.clients[0].link.and_then(|link| world.links[link].seat.clone()).ok_or("no seat")?;
    let from = world.clients[1].id().cloned().ok_or("nobody")?;
    world.wander(0, 1);
    world.run(100)?;
    // Its old connection had not written a signal.
    let naming = Naming::Receipt(MsgId::parse("1").map_err(|_| "a name")?);
    let unsent = vec![Parcel { from: from.clone(), kind: SignalKind::Message, naming, text: "{}".into() }];
    let now = Moment(world.now + world.nodes[0].offset);
    let hub = world.nodes[0].hubs.iter_mut().find(|hub| hub.generation(&seat.room, &from).is_some()).ok_or("no hub")?;
    hub.handle_input(now, Input::Disconnected { seat: &seat, departure: Departure::Lost, unsent });
    let told: Vec<_> = std::iter::from_fn(|| hub.poll_output())
        .filter_map(|output| match output {
            Output::Send { message: ServerMessage::Error(error), .. } => Some(error.code),
            _ => None,
        })
        .collect();
    ensure!(told == [ErrorCode::Unavailable], "its sender is told {told:?}");
    Ok(())
}
