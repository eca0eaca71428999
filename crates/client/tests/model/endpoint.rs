//! One side of the model: it owns a stream for every stay of the other side that it knows, as an SDK does, and loses its connection.
//!
//! What it adds to the streams: it never begins a second one with the same stay; a peer that is heard of is there; where its own stay
//! could not be resumed, all its streams end.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checker::{Cause, Letter, Stay},
    halves::AnyStream,
    messages::{Begins, Delivery, Frame, News, Refusal, Refused, Turn, Welcome},
    relay::{Relay, WINDOW_MS},
    scene::{Event, LineId, Scene, Wire},
    talk::{Condition, Connection, Presence, Talk, Timers, bytes_of},
    world::Rules,
};

/// What becomes of the stream with a stay that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departed {
    /// The stay is dead, and nothing of it is taken any more.
    Dead,
    /// The stream goes on should the stay come back after all.
    Kept,
    /// A second one begins, which is a mutant.
    Forgotten,
}

/// One side; see the module.
pub(crate) struct Endpoint {
    pub(crate) condition: Condition,
    rules: Rules,
    /// In the order in which they were begun.
    talks: Vec<Talk>,
    begun: u64,
    /// The streams of those who have left.
    former: BTreeMap<Stay, Box<dyn AnyStream>>,
}

impl Endpoint {
    pub(crate) fn new(side: usize, rules: Rules) -> Self {
        Self { condition: Condition::of(side), rules, talks: Vec::new(), begun: 0, former: BTreeMap::new() }
    }

    /// The stay that an application writes to: the one that was heard of last.
    pub(crate) fn peer(&self) -> Option<Stay> {
        self.talks.last().map(|talk| talk.peer)
    }

    /// The connection that it has, if any.
    pub(crate) fn line(&self) -> Option<LineId> {
        self.condition.line
    }

    /// Whether it would send to a stay now, over a connection that works.
    pub(crate) fn reaches(&self, stay: Stay, scene: &Scene) -> bool {
        let here = self.find(stay).is_some_and(|talk| self.talks[talk].state == Presence::Here);
        here && self.condition.connection == Connection::Joined
            && self.condition.line.is_some_and(|line| scene.is_open(line))
    }

    /// The application writes.
    pub(crate) fn write(&mut self, letter: Letter, scene: &Scene) -> bool {
        let talk = self.find(letter.to).unwrap_or_else(|| panic!("there is no stream to {}", letter.to));
        self.talks[talk].stream.send(letter, bytes_of(letter), scene.agenda.moment())
    }

    /// Sends what may be sent, to everybody.
    pub(crate) fn flush(&mut self, scene: &mut Scene, relay: &Relay) {
        for talk in 0..self.talks.len() {
            self.pump(talk, scene, relay);
        }
    }

    /// Begins a connection.
    pub(crate) fn connect(&mut self, scene: &mut Scene, relay: &mut Relay) {
        let line = scene.begin_line(self.condition.side);
        self.condition.line = Some(line);
        self.condition.connection = Connection::Connecting;
        relay.attach(self.stay(scene), line, scene);
    }

    /// Notices that a connection is gone. Returns whether it was the one it has.
    pub(crate) fn lose(&mut self, line: LineId, scene: &mut Scene) -> bool {
        if self.condition.line != Some(line) {
            return false;
        }
        scene.log(format_args!("{}: notices that its connection is gone", self.stay(scene)));
        scene.cut(line);
        self.condition.line = None;
        self.condition.connection = Connection::Away;
        for talk in &mut self.talks {
            talk.stream.shut();
        }
        true
    }

    /// Leaves, and comes back as somebody new. Returns whether it has lost its connection by that.
    pub(crate) fn leave(&mut self, scene: &mut Scene, relay: &mut Relay) -> bool {
        if self.condition.connection != Connection::Joined {
            return false;
        }
        relay.bury(self.stay(scene), scene);
        self.condition.line.is_some_and(|line| self.lose(line, scene))
    }

    /// Takes what a connection brings. Returns whether it was the one it has.
    pub(crate) fn deliver(&mut self, line: LineId, delivery: Delivery, scene: &mut Scene, relay: &Relay) -> bool {
        if self.condition.line != Some(line) {
            return false;
        }
        match delivery {
            Delivery::Welcome(welcome) => self.join(&welcome, scene, relay),
            Delivery::News(news) => self.hear(news, scene, relay),
            Delivery::Refusal(refusal) => self.refused(refusal, scene, relay),
            Delivery::Frame(frame) => self.receive(frame, scene, relay),
        }
        true
    }

    fn join(&mut self, welcome: &Welcome, scene: &mut Scene, relay: &Relay) {
        let Welcome { stay, begins, here, away, left } = welcome;
        let was = self.stay(scene);
        match begins {
            Begins::Resumed => scene.log(format_args!("{was}: joined again")),
            Begins::Anew => {
                scene.log(format_args!("{was}: joined anew as {stay}"));
                self.forget(scene);
            }
        }
        scene.stays[self.condition.side] = *stay;
        self.condition.connection = Connection::Joined;
        for peer in left {
            self.bury(*peer, scene);
        }
        for peer in here {
            self.open(*peer, scene, relay);
        }
        for peer in away {
            if let Some(talk) = self.talk_to(*peer, scene) {
                self.away(talk, scene);
            }
        }
        // Absence is not departure: who is not named is away for as long as he may come back.
        for talk in 0..self.talks.len() {
            let peer = self.talks[talk].peer;
            if !here.contains(&peer) && !away.contains(&peer) {
                self.away(talk, scene);
            }
        }
    }

    fn hear(&mut self, News { turn, stay }: News, scene: &mut Scene, relay: &Relay) {
        scene.log(format_args!("{}: is told that {stay} is {}", self.stay(scene), turn.name()));
        match turn {
            Turn::Left => self.bury(stay, scene),
            Turn::Away => {
                if let Some(talk) = self.find(stay) {
                    self.away(talk, scene);
                }
            }
            Turn::Joined | Turn::Back => self.open(stay, scene, relay),
        }
    }

    fn refused(&mut self, refusal: Refusal, scene: &mut Scene, relay: &Relay) {
        let Refusal { to, position, kind, retry_after_ms } = refusal;
        let (e, n) = (position.e, position.n);
        scene.log(format_args!("{}: {e}/{n} to {to} is {}", self.stay(scene), kind.name()));
        if let Some(talk) = self.find(to) {
            let stream = &mut self.talks[talk].stream;
            if kind == Refused::Postponed {
                stream.postpone(position, Duration::from_millis(retry_after_ms), scene.agenda.moment());
            } else {
                scene.settled(stream.refuse(position), Cause::Refuse);
            }
        }
        if kind == Refused::Gone {
            self.bury(to, scene);
        } else if let Some(talk) = self.find(to) {
            self.pump(talk, scene, relay);
        }
    }

    fn receive(&mut self, Frame { from, x, letter, .. }: Frame, scene: &mut Scene, relay: &Relay) {
        let Some(talk) = self.talk_to(from, scene) else {
            return;
        };
        if self.talks[talk].state == Presence::Away {
            self.open(from, scene, relay);
        }
        let now = scene.agenda.moment();
        let name = letter.map(|letter| format!(" #{}", letter.id)).unwrap_or_default();
        scene.log(format_args!("{}: gets {}{name} of {from}", self.stay(scene), Wire(x)));
        let stream = &mut self.talks[talk].stream;
        let received = stream.receive(x, letter, letter.map_or(0, bytes_of), now);
        for letter in received.delivered.into_iter().flatten() {
            scene.arrived(letter);
        }
        scene.settled(received.settled, Cause::Receive);
        if self.condition.timers == Timers::Late {
            stream.hurry(now);
        }
        self.pump(talk, scene, relay);
    }

    /// The stream to a stay, begun where there is none; none to one that is dead.
    fn talk_to(&mut self, peer: Stay, scene: &mut Scene) -> Option<usize> {
        if let Some(known) = self.find(peer) {
            return Some(known);
        }
        let former = match self.rules.departed {
            Departed::Dead if self.former.contains_key(&peer) => return None,
            Departed::Kept => self.former.remove(&peer),
            Departed::Dead | Departed::Forgotten => None,
        };
        let stream = former.unwrap_or_else(|| (self.rules.create_stream)(scene.chance.epoch()));
        self.begun += 1;
        self.talks.push(Talk { number: self.begun, peer, stream, state: Presence::Away, wake_at: None });
        Some(self.talks.len() - 1)
    }

    /// A peer can be reached.
    fn open(&mut self, peer: Stay, scene: &mut Scene, relay: &Relay) {
        let Some(talk) = self.talk_to(peer, scene) else {
            return;
        };
        self.talks[talk].state = Presence::Here;
        if self.condition.connection == Connection::Joined {
            self.talks[talk].stream.open(scene.agenda.moment());
            self.pump(talk, scene, relay);
        }
    }

    /// A peer cannot be reached. Whoever does not come back is gone in the end.
    fn away(&mut self, talk: usize, scene: &mut Scene) {
        let talk = &mut self.talks[talk];
        talk.state = Presence::Away;
        talk.stream.shut();
        scene.agenda.after(2 * WINDOW_MS, Event::GivesUp { side: self.condition.side, talk: talk.number });
    }

    /// A peer has been away for too long.
    pub(crate) fn give_up(&mut self, number: u64, scene: &mut Scene) {
        let talk = self.talks.iter().find(|talk| talk.number == number && talk.state == Presence::Away);
        if let Some(peer) = talk.map(|talk| talk.peer)
            && self.condition.connection == Connection::Joined
        {
            self.bury(peer, scene);
        }
    }

    fn bury(&mut self, peer: Stay, scene: &mut Scene) {
        let Some(talk) = self.find(peer) else {
            // Who has left before anything was known of him is dead all the same.
            self.former.entry(peer).or_insert_with(|| (self.rules.create_stream)(0));
            return;
        };
        let mut stream = self.talks.remove(talk).stream;
        stream.shut();
        scene.settled(stream.end(), Cause::End);
        self.former.insert(peer, stream);
    }

    fn forget(&mut self, scene: &mut Scene) {
        while let Some(peer) = self.talks.first().map(|talk| talk.peer) {
            self.bury(peer, scene);
        }
        self.former.clear();
    }

    fn pump(&mut self, talk: usize, scene: &mut Scene, relay: &Relay) {
        self.talks[talk].pump(self.condition, scene, relay);
    }

    /// Looks after a stream at the moment that was planned last.
    pub(crate) fn wake(&mut self, number: u64, at: u64, scene: &mut Scene, relay: &Relay) {
        let talk = self.talks.iter().position(|talk| talk.number == number && talk.wake_at == Some(at));
        if let Some(talk) = talk {
            self.talks[talk].wake_at = None;
            self.pump(talk, scene, relay);
        }
    }

    fn stay(&self, scene: &Scene) -> Stay {
        scene.stays[self.condition.side]
    }

    fn find(&self, peer: Stay) -> Option<usize> {
        self.talks.iter().position(|talk| talk.peer == peer)
    }
}
