//! Of a pair, one is polite and the other is not: the older makes the first offer, whoever else comes and goes.

use std::collections::BTreeMap;

use aldis_core::{Age, Permission, Ticket};
use aldis_protocol::{PeerId, PeerInfo};

use crate::support::{Bench, Client, elder, id, joined, peer};

/// What each client was told: whether it yields to a peer.
#[derive(Default)]
struct Told(BTreeMap<(PeerId, PeerId), bool>);

impl Told {
    fn welcome(&mut self, client: &Client) {
        for other in &client.welcome.peers {
            self.tell(client.id(), other);
        }
        assert!(!client.welcome.peer.polite, "nobody yields to itself");
    }

    /// Never takes back what was said before.
    fn tell(&mut self, viewer: &PeerId, other: &PeerInfo) {
        let before = self.0.insert((viewer.clone(), other.id.clone()), other.polite);
        assert!(before.is_none_or(|before| before == other.polite), "{viewer} yields to {} or not", other.id);
    }

    /// For every pair of which both ends know, one yields and the other does not.
    fn check(&self, pairs: usize) {
        for ((viewer, other), polite) in &self.0 {
            let back = self.0.get(&(other.clone(), viewer.clone()));
            assert_eq!(back, Some(&!polite), "{viewer} and {other}");
        }
        assert_eq!(self.0.len(), 2 * pairs);
    }
}

fn room_of(size: usize) {
    let mut bench = Bench::new();
    let mut told = Told::default();
    let mut clients: Vec<Client> = Vec::new();
    // Names fall while places rise, so that an order by id alone would show.
    for number in 0..size {
        let name = format!("peer-{:02}", 99 - number);
        let client = bench.join(&name).can(&[Permission::Signal, Permission::Moderate]).enter();
        let expected: Vec<_> = clients.iter().map(|other| elder(other.id().as_str())).collect();
        assert_eq!(client.welcome.peers, expected);
        let mut outputs = vec![client.welcomed()];
        outputs.extend(clients.iter().map(|other| other.gets(joined(peer(&name)))));
        bench.expect(&outputs);
        told.welcome(&client);
        clients.iter().for_each(|other| told.tell(other.id(), &peer(&name)));
        clients.push(client);
    }
    told.check(size * (size - 1) / 2);

    // Stable over a resume of everybody, in the reverse order.
    for client in clients.iter_mut().rev() {
        *client = bench.again(client).enter();
        assert_eq!(client.welcome.peers.len(), size - 1);
        told.welcome(client);
    }
    // Stable while others come and go; a newcomer yields to all.
    let gone = clients.remove(size / 2);
    bench.say(&gone, r#"{"type":"leave"}"#);
    let newcomer = bench.join("peer-00").enter();
    assert!(newcomer.welcome.peers.iter().all(|other| other.polite));
    assert_eq!(newcomer.welcome.peers.len(), size - 1);
    for client in &clients {
        let again = bench.again(client).enter();
        let news: Vec<_> = again.welcome.peers.iter().filter(|other| other.id == id("peer-00")).collect();
        assert_eq!(news, [&peer("peer-00")]);
        let known = again.welcome.peers.iter().filter(|other| other.id != id("peer-00"));
        known.for_each(|other| told.tell(again.id(), other));
    }
    told.check(size * (size - 1) / 2);
    bench.skip();
}

#[test]
fn three_agree_on_every_pair() {
    room_of(3);
}

#[test]
fn five_agree_on_every_pair() {
    room_of(5);
}

#[test]
fn twenty_agree_on_every_pair() {
    room_of(20);
}

#[test]
fn a_restarted_node_keeps_the_order() {
    // The tokens of three peers of a node that is gone; the youngest is back first, and a stranger before the oldest.
    let mut bench = Bench::new();
    let ticket = |name, seq| Ticket { peer: id(name), seq, generation: 1, age: Age::Fresh };
    let carol = bench.join("x1").ticket(ticket("carol", 9)).enter();
    let alice = bench.join("x2").ticket(ticket("alice", 4)).enter();
    assert_eq!(alice.welcome.peers, [PeerInfo { identity: crate::support::identity("x1"), ..peer("carol") }]);
    let stranger = bench.join("stranger").enter();
    assert!(stranger.welcome.peers.iter().all(|other| other.polite), "a newcomer yields to who was here before");
    assert_eq!(stranger.welcome.seq, 10);
    let bob = bench.join("x3").ticket(ticket("bob", 4)).enter();
    let seen: Vec<_> = bob.welcome.peers.iter().map(|other| (other.id.as_str(), other.polite)).collect();
    // Equal places are told apart by the id.
    assert_eq!(seen, [("alice", true), ("carol", false), ("stranger", false)]);
    assert_eq!((alice.welcome.seq, bob.welcome.seq, carol.welcome.seq), (4, 4, 9));
    bench.skip();
}
