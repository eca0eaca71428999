//! Tokens that are revoked on one node: all others hear of it, sooner or later, and nobody with one of them stays.

use aldis_core::{Stamp, revocation::Target};
use aldis_protocol::{TokenId, server::LeaveReason};

use crate::{
    NOTICED_MS,
    broker::Cable,
    chance,
    client::Check,
    soak,
    world::{World, identity, room_id},
};

/// The wall's time when a world begins.
const BEGIN_MS: u64 = 1_792_368_000_000;

/// How many histories run by default.
const HISTORIES: u64 = 100;

/// How far the walls' clocks of two nodes are apart at most.
const SKEW_MS: u64 = 300;

/// The latest that a revocation that was missed is there after healing: two beats that say so, and the way.
const REPAIRED_MS: u64 = 5_000;

/// The latest that all have what each of them had: what two have exchanged the others learn with a beat more.
const AGREED_MS: u64 = 7_000;

impl World {
    /// The wall's time at a node.
    pub(crate) fn unix_ms(&self, node: usize) -> u64 {
        BEGIN_MS + self.now + self.nodes[node].offset % SKEW_MS
    }

    /// What a client's next token shows: always the same id, and when it was issued.
    pub(crate) fn stamp(&self, client: usize) -> Stamp {
        Stamp { id: Some(token(client)), issued_at: Some(BEGIN_MS + self.now) }
    }

    pub(crate) fn revoke(&mut self, node: usize, target: Target, for_ms: u64) {
        self.note(|| format!("node {node} revokes {target:?} for {for_ms} ms"));
        self.revokes = true;
        let unix_ms = self.unix_ms(node);
        let not_before = if matches!(target, Target::Issued { .. }) { unix_ms } else { 0 };
        if self.nodes[node].ledger.impose(unix_ms, target, unix_ms + for_ms, not_before, None).is_err() {
            self.fail("the list is full");
        }
        self.settle_ledger(node);
    }

    fn lift(&mut self, node: usize, target: &Target) {
        self.note(|| format!("node {node} lifts {target:?}"));
        let unix_ms = self.unix_ms(node);
        self.nodes[node].ledger.lift(unix_ms, target);
        self.settle_ledger(node);
    }

    /// All nodes hold the same, and nobody is inside with a token that any of them knows to be revoked.
    fn revocations_agree(&mut self) -> Check {
        let living = self.living();
        let mut digests = Vec::new();
        for node in &living {
            let unix_ms = self.unix_ms(*node);
            let list = self.nodes[*node].ledger.list();
            digests.push(list.all(unix_ms).collect::<Vec<_>>());
        }
        let differs = digests.iter().position(|digest| *digest != digests[0]);
        ensure!(
            differs.is_none(),
            "node {:?} holds {:?}, and node {} {:?}",
            differs,
            digests[differs.unwrap_or(0)],
            living[0],
            digests[0]
        );
        self.nobody_is_in_with_a_revoked_token()
    }

    fn nobody_is_in_with_a_revoked_token(&self) -> Check {
        for (number, client) in self.clients.iter().enumerate().filter(|(_, client)| client.link.is_some()) {
            for node in self.living() {
                let ledger = &self.nodes[node].ledger;
                let (room, identity) = (room_id(client.room), identity(client.identity));
                let found = ledger.find(self.unix_ms(node), &room, &identity, &client.stamp);
                ensure!(found.is_none(), "client {number} is inside, and node {node} knows: {found:?}");
            }
        }
        Ok(())
    }

    /// A target that concerns some client, of a random kind.
    fn some_target(&mut self) -> Target {
        let client = self.dice.index(self.clients.len());
        let (room, identity) = (room_id(self.clients[client].room), identity(self.clients[client].identity));
        match self.dice.below(5) {
            0 => Target::Token { id: token(client) },
            1 => Target::Identity { identity },
            2 => Target::Issued { identity },
            3 => Target::Room { room },
            _ => Target::Member { room, identity },
        }
    }
}

fn token(client: usize) -> TokenId {
    TokenId::parse(&format!("t{client}")).expect("a jti")
}

#[test]
fn random_histories_with_revocations() {
    let first = std::env::var("ALDIS_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = first.map_or(0..HISTORIES * soak(), |seed| seed..seed + 1);
    let failures: Vec<_> =
        seeds.filter_map(|seed| history(seed).err().map(|failure| format!("seed {seed}: {failure}"))).collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn history(seed: u64) -> Check {
    let mut world = World::new(1_000_000 + seed, 3);
    world.people(2, 7);
    world.run(100)?;
    for client in 0..world.clients.len() {
        world.connect_anywhere(client);
        world.run(20)?;
    }
    let mut targets = Vec::new();
    for _ in 0..60 {
        let living = world.living();
        let node = living[world.dice.index(living.len())];
        match world.dice.below(8) {
            0 => {
                let target = world.some_target();
                // Some last to the end of the history, and some end in the middle of it.
                let for_ms = [5_000, 60_000, 3_600_000][world.dice.index(3)];
                world.revoke(node, target.clone(), for_ms);
                targets.push(target);
            }
            1 if !targets.is_empty() => {
                let at = world.dice.index(targets.len());
                world.lift(node, &targets[at].clone());
            }
            _ => drop(chance(&mut world)?),
        }
        let pause = [10, 100, 500, 3_000][world.dice.index(4)];
        let pause = world.dice.below(pause);
        world.run(pause)?;
    }
    world.run(NOTICED_MS)?;
    world.heal();
    world.run(AGREED_MS + 250)?;
    // What ends just now has ended on one node and not on another.
    let settled = world.revocations_agree();
    if settled.is_err() {
        world.run(SKEW_MS)?;
        world.revocations_agree().map_err(|failure| format!("after healing: {failure}"))?;
    }
    for client in 0..world.clients.len() {
        world.connect_anywhere(client);
    }
    world.run(70_000)?;
    world.revocations_agree()?;
    world.all_is_well()?;
    world.run(120_000)?;
    world.nobody_else_is_seen()
}

#[test]
fn every_node_closes_what_matches_at_once() -> Check {
    for (target, out) in [
        (Target::Token { id: token(1) }, vec![1]),
        (Target::Identity { identity: identity(2) }, vec![2]),
        (Target::Issued { identity: identity(2) }, vec![2]),
        (Target::Room { room: room_id(0) }, vec![0, 1, 2]),
        (Target::Member { room: room_id(0), identity: identity(1) }, vec![1]),
    ] {
        let mut world = World::apart(40, 3)?;
        world.run(3_000)?;
        world.revoke(0, target.clone(), 60_000);
        world.run(10)?;
        let inside: Vec<_> = (0..3).filter(|client| world.clients[*client].link.is_none()).collect();
        ensure!(inside == out, "{target:?} puts out {inside:?}");
        ensure!(world.dead.values().all(|reason| *reason == LeaveReason::Removed), "{:?}", world.dead);
        world.nobody_else_is_seen()?;
        // At every door; but a token that was issued since is another one.
        world.run(SKEW_MS)?;
        for (client, node) in out.iter().flat_map(|client| (0..3).map(move |node| (*client, node))) {
            world.connect(client, node);
            world.run(100)?;
            let newer = matches!(target, Target::Issued { .. });
            ensure!(world.clients[client].seated == newer, "{target:?}: client {client} at {node}");
        }
        world.run(60_000 + SKEW_MS)?;
        (0..3).for_each(|client| world.connect(client, client));
        world.run(500)?;
        ensure!(world.clients.iter().all(|client| client.seated), "{target:?} does not end");
    }
    Ok(())
}

#[test]
fn whoever_is_away_does_not_come_back_on_another_node() -> Check {
    let mut world = World::apart(41, 3)?;
    world.lose(1);
    world.revoke(0, Target::Issued { identity: identity(1) }, 60_000);
    let ticket = world.clients[1].ticket.clone();
    world.run(1_000)?;
    // Its resume token is good, and so is its newer token: a new stay.
    world.clients[1].ticket = ticket;
    world.connect(1, 2);
    world.run(500)?;
    ensure!(world.clients[1].seated && world.clients[1].stays == 2, "it goes on with its old stay");
    world.everybody_is_seen()
}

#[test]
fn a_node_that_missed_it_gets_it_within_seconds() -> Check {
    for cable in [None, Some(Cable::Unplugged), Some(Cable::Deaf)] {
        let mut world = World::apart(42, 3)?;
        world.run(3_000)?;
        match cable {
            Some(cable) => world.unplug(1, cable),
            None => world.broker.cuts.extend([(0, 1), (1, 0), (2, 1), (1, 2)]),
        }
        world.run(20_000)?;
        world.revoke(0, Target::Identity { identity: identity(1) }, 600_000);
        world.run(10_000)?;
        ensure!(world.clients[1].link.is_some(), "{cable:?}: it has heard of it");
        world.heal();
        world.run(REPAIRED_MS)?;
        ensure!(world.clients[1].link.is_none(), "{cable:?}: it has not heard of it");
        world.revocations_agree()?;
    }
    Ok(())
}

#[test]
fn a_node_that_starts_is_not_settled_before_it_has_the_copy() -> Check {
    let mut world = World::new(43, 2);
    world.people(1, 2);
    world.run(3_000)?;
    ensure!(world.nodes.iter().all(|node| node.ledger.is_settled()), "alone they wait for nothing");
    // Far more than one frame holds.
    for number in 0..1_500 {
        world.revoke(0, Target::Identity { identity: identity(1_000 + number) }, 3_600_000);
        world.run(10)?;
    }
    world.start_node();
    let mut settled = None;
    for _ in 0..100 {
        world.run(10)?;
        let ledger = &world.nodes[2].ledger;
        if ledger.is_settled() {
            settled = Some(ledger.list().held(world.unix_ms(2)).count());
            break;
        }
    }
    ensure!(settled == Some(1_500), "it is settled with {settled:?}");
    // Two that start at once do not take each other's word.
    (0..2).for_each(|_| world.start_node());
    world.run(100)?;
    for node in [3, 4] {
        let held = world.nodes[node].ledger.list().held(world.unix_ms(node)).count();
        ensure!(world.nodes[node].ledger.is_settled() && held == 1_500, "node {node} has {held}");
    }
    // One that cannot hear anybody goes on in the end.
    world.start_node();
    world.broker.cables.insert(5, Cable::Deaf);
    world.run(4_900)?;
    ensure!(!world.nodes[5].ledger.is_settled(), "it did not wait");
    world.run(200)?;
    ensure!(world.nodes[5].ledger.is_settled(), "it waits for ever");
    Ok(())
}

#[test]
fn a_moderator_keeps_somebody_of_another_node_out() -> Check {
    let mut world = World::apart(44, 2)?;
    let other = world.clients[1].id().cloned().ok_or("no stay")?;
    world.say(0, &format!("{{\"type\":\"remove\",\"id\":\"{other}\",\"forMs\":60000}}"));
    world.run(10)?;
    ensure!(world.dead.get(&other) == Some(&LeaveReason::Removed), "{:?}", world.dead);
    for node in 0..2 {
        world.connect(1, node);
        world.run(100)?;
        ensure!(world.clients[1].link.is_none(), "node {node} lets it in");
    }
    // In that room only.
    world.clients[1].room = 1;
    world.connect(1, 0);
    world.run(500)?;
    ensure!(world.clients[1].seated, "it is kept out of another room");
    Ok(())
}
