//! The hub and the model take the same steps; connections queue what the hub writes until they take it or break.

use std::collections::{BTreeMap, VecDeque};

use aldis_core::{
    Admission, Age, Departure, Dialect, Duplicates, Grant, Hub, Input, Join, Moment, Output, Parcel, Permission,
    Profile, Seat, Stamp, Ticket, output::Continuity,
};
use aldis_protocol::{
    ClientMessage, ErrorCode, Identity, Limits, MsgId, Outcome, PeerId, RoomId, ServerMessage, server::ReceiptStatus,
};

use crate::{
    Can, How, Kind, Pass, Speaks, Step, Then, Token, Twice, Word,
    client::Client,
    naive::{Ask, Copy, Fact, NOTICE_MS, Naive, PARKED, ROOM_PEERS, State, TOMBSTONE_MS, WINDOW_MS},
};

type Check = Result<(), String>;

pub(crate) struct World {
    hub: Hub<usize>,
    limits: Limits,
    naive: Naive,
    links: Vec<Link>,
    clients: BTreeMap<usize, Client>,
    /// How often each signal was settled: by a receipt that it was written, or by an error.
    settled: BTreeMap<usize, usize>,
}

/// A connection.
#[derive(Default)]
struct Link {
    /// Its stay, once it is seated.
    stay: Option<usize>,
    life: Life,
    queue: VecDeque<Item>,
}

#[derive(Default, PartialEq)]
enum Life {
    #[default]
    Open,
    /// The hub has closed it and was not told of its end yet.
    Closed,
    /// The hub knows that it has ended.
    Ended,
}

enum Item {
    Welcome(Box<Admission<usize>>),
    Message(ServerMessage),
    Parcel(usize, Parcel),
}

impl Default for World {
    fn default() -> Self {
        let limits = Limits {
            room_peers: ROOM_PEERS as u64,
            parked_messages: PARKED as u64,
            away_notice_ms: NOTICE_MS,
            resume_window_ms: WINDOW_MS,
            tombstone_ms: TOMBSTONE_MS,
            ..Limits::default()
        };
        Self {
            hub: Hub::new(limits.clone()),
            limits,
            naive: Naive::default(),
            links: Vec::new(),
            clients: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }
}

impl World {
    pub(crate) fn step(&mut self, step: &Step) -> Check {
        match *step {
            Step::Join { room, identity, speaks, can, twice, then } => {
                let fresh = self.naive.stay(room, identity, speaks);
                self.ask(Ask { link: 0, fresh, ticket: None, twice, can, place: None }, then)?;
            }
            Step::Resume { stay, token, then } => self.resume(stay, token, then)?,
            Step::Recall { room, place } => {
                let stay = self.naive.stay(room, 9, Speaks::V1);
                self.naive.stays[stay].place = place;
                let fresh = self.naive.stay(room, 9, Speaks::V1);
                let ask = Ask {
                    link: 0,
                    fresh,
                    ticket: Some((stay, 1, true)),
                    twice: Twice::Allow,
                    can: Can::All,
                    place: None,
                };
                self.ask(ask, Then::Confirm)?;
            }
            Step::Confirm(ask) => self.confirm(ask)?,
            Step::Abandon(ask) => self.abandon(ask)?,
            Step::Send { link, to, kind } => self.send(link, Some(to), kind)?,
            Step::Broadcast { link, kind } => {
                let kind = if kind == Kind::Ack { Kind::Message } else { kind };
                self.send(link, None, kind)?;
            }
            Step::Say { link, word } => {
                let Some((link, stay)) = self.pick(link) else { return Ok(()) };
                match word {
                    Word::Leave => {
                        if let Some(stay) = self.naive.speaker(stay, link) {
                            self.naive.close(stay, aldis_protocol::CloseCode::Bye);
                            self.naive.end(stay);
                        }
                        self.say(link, r#"{"type":"leave"}"#)?;
                    }
                    Word::Frozen => {
                        self.tick()?;
                        self.naive.freeze(stay, link);
                        self.say(link, r#"{"type":"frozen"}"#)?;
                    }
                    Word::Ping => {
                        self.naive.speaker(stay, link);
                        self.say(link, r#"{"type":"ping"}"#)?;
                    }
                    Word::Update => {
                        self.naive.speaker(stay, link);
                        self.say(link, r#"{"type":"update","attributes":{}}"#)?;
                    }
                }
            }
            Step::Remove { link, stay } => {
                let (Some((link, by)), target) = (self.pick(link), self.pick_stay(stay)) else { return Ok(()) };
                if let Some(by) = self.naive.speaker(by, link) {
                    self.naive.remove(by, target);
                }
                self.say(link, &format!(r#"{{"type":"remove","id":"p{target}"}}"#))?;
            }
            Step::Check { link, stay } => {
                let (Some((link, asker)), target) = (self.pick(link), self.pick_stay(stay)) else { return Ok(()) };
                if let Some(asker) = self.naive.speaker(asker, link) {
                    self.naive.check(asker, target);
                }
                self.say(link, &format!(r#"{{"type":"check","id":"p{target}"}}"#))?;
            }
            Step::Alive(link) => {
                let Some((link, stay)) = self.pick(link) else { return Ok(()) };
                if self.naive.link(stay) == Some(link) {
                    self.naive.answer(stay, aldis_protocol::Presence::Here);
                }
                let seat = self.seat(link);
                self.input(Input::Alive { seat: &seat })?;
            }
            Step::Authorize { link, can } => {
                let Some((link, stay)) = self.pick(link) else { return Ok(()) };
                self.naive.authorize(stay, link, can);
                let (seat, profile) = (self.seat(link), profile(self.naive.stays[stay].identity));
                self.input(Input::Authorized { seat: &seat, profile, grant: grant(can), stamp: Stamp::default() })?;
            }
            Step::Flush(link) => {
                let Some((link, _)) = self.pick(link) else { return Ok(()) };
                self.flush(link)?;
            }
            Step::Break { link, how } => {
                let Some((link, _)) = self.pick(link) else { return Ok(()) };
                self.disconnect(link, how)?;
            }
            Step::Forward(pass) => self.forward(pass)?,
        }
        self.compare_views()
    }

    /// Lets everything settle, then end; nothing may be left.
    pub(crate) fn end(mut self) -> Check {
        while !self.naive.asks.is_empty() {
            self.abandon(0)?;
        }
        for link in 0..self.links.len() {
            self.flush(link)?;
            if self.links[link].life == Life::Closed {
                self.disconnect(link, How::Lost)?;
            }
        }
        self.forward(Pass::Punctual(WINDOW_MS))?;
        for link in 0..self.links.len() {
            self.flush(link)?;
            if self.links[link].life == Life::Closed {
                self.disconnect(link, How::Lost)?;
            }
        }
        self.compare_views()?;
        for (number, signal) in self.naive.signals.iter().enumerate() {
            for (to, copy) in &signal.copies {
                let stayed = self.naive.lives(signal.from) && self.naive.lives(*to) && signal.kind != Kind::Ack;
                match copy {
                    Copy::OnTheWire(_) | Copy::Parked => return Err(format!("{number} to p{to} is nowhere: {copy:?}")),
                    Copy::Dropped => ensure!(!stayed, "{number} to p{to} was dropped, though both ends stayed"),
                    Copy::Arrived | Copy::Refused => {}
                }
            }
        }
        for link in 0..self.links.len() {
            if self.links[link].life == Life::Open {
                self.disconnect(link, How::Bye)?;
            }
        }
        self.forward(Pass::Punctual(TOMBSTONE_MS + WINDOW_MS))?;
        ensure!(self.hub.poll_timeout().is_none(), "a deadline is left");
        ensure!(self.hub.rooms() == 0, "{} rooms are left", self.hub.rooms());
        // A room that were remembered would go on counting; the model forgets, and the welcome's place is compared.
        for room in 0..3 {
            let fresh = self.naive.stay(room, 0, Speaks::V1);
            let ask = Ask { link: 0, fresh, ticket: None, twice: Twice::Allow, can: Can::All, place: None };
            self.ask(ask, Then::Confirm)?;
            ensure!(self.naive.stays[fresh].place == 1, "the model remembers room {room}");
        }
        Ok(())
    }

    // The steps of a join.

    fn resume(&mut self, stay: usize, token: Token, then: Then) -> Check {
        if self.naive.stays.is_empty() {
            return Ok(());
        }
        let stay = match self.living_of(stay, |_| true) {
            Some(living) => living,
            None => stay % self.naive.stays.len(),
        };
        let was = &self.naive.stays[stay];
        let expired = token == Token::Expired || (!self.naive.lives(stay) && !self.naive.is_remembered(stay));
        if was.speaks == Speaks::Raw || was.state == State::Unborn {
            return Ok(());
        }
        let generation = if token == Token::First { 1 } else { was.generation };
        let fresh = self.naive.stay(was.room, was.identity, Speaks::V1);
        let ticket = Some((stay, generation, !expired));
        self.ask(Ask { link: 0, fresh, ticket, twice: Twice::Allow, can: Can::All, place: None }, then)
    }

    fn ask(&mut self, mut ask: Ask, then: Then) -> Check {
        ask.link = self.links.len();
        self.links.push(Link::default());
        let stay = &self.naive.stays[ask.fresh];
        let join = Join {
            connection: ask.link,
            room: room(stay.room),
            profile: profile(stay.identity),
            grant: grant(ask.can),
            stamp: Stamp::default(),
            max_peers: None,
            duplicates: match ask.twice {
                Twice::Allow => Duplicates::Allow,
                Twice::Replace => Duplicates::Replace,
                Twice::Reject => Duplicates::Reject,
            },
            dialect: match stay.speaks {
                Speaks::Raw => Dialect::Raw,
                Speaks::V1 => Dialect::V1,
            },
            features: Vec::new(),
            fresh: peer_id(ask.fresh),
            ticket: ask.ticket.map(|(stay, generation, fresh)| Ticket {
                peer: peer_id(stay),
                seq: self.naive.stays[stay].place,
                generation,
                age: if fresh { Age::Fresh } else { Age::Expired },
            }),
        };
        self.naive.ask(ask);
        self.hub.handle_input(Moment(self.naive.now), Input::Join(Box::new(join)));
        let confirm = std::iter::from_fn(|| self.hub.poll_output()).next();
        ensure!(matches!(confirm, Some(Output::Confirm { .. })), "a join is answered by {confirm:?}");
        if then == Then::Confirm { self.confirm(self.naive.asks.len() - 1) } else { Ok(()) }
    }

    fn confirm(&mut self, ask: usize) -> Check {
        let Some(ask) = ask.checked_rem(self.naive.asks.len()) else { return Ok(()) };
        let Ask { link, fresh, .. } = self.naive.asks[ask];
        let room = room(self.naive.stays[fresh].room);
        self.naive.confirm(ask);
        self.input(Input::Confirmed { room: &room, connection: &link })
    }

    fn abandon(&mut self, ask: usize) -> Check {
        let Some(ask) = ask.checked_rem(self.naive.asks.len()) else { return Ok(()) };
        let Ask { link, fresh, .. } = self.naive.asks.remove(ask);
        self.links[link].life = Life::Ended;
        let room = room(self.naive.stays[fresh].room);
        self.input(Input::Abandoned { room: &room, connection: &link })
    }

    // What clients and connections do.

    fn send(&mut self, link: usize, to: Option<usize>, kind: Kind) -> Check {
        let Some((link, stay)) = self.pick(link) else { return Ok(()) };
        let room = self.naive.stays[stay].room;
        let to =
            to.map(|to| self.living_of(to, |stay| self.naive.stays[stay].room == room).unwrap_or(self.pick_stay(to)));
        let signal = self.naive.send(stay, link, to, kind);
        let to = to.map_or_else(String::new, |to| format!(r#""to":"p{to}","#));
        let body = match kind {
            Kind::Offer if to.is_empty() => r#""type":"hangup""#,
            Kind::Offer => r#""type":"offer","sdp":"v=0""#,
            Kind::Message => r#""type":"message","data":{}"#,
            Kind::Receipted => r#""type":"message","data":[],"receipt":true"#,
            Kind::Ack => r#""type":"ack""#,
        };
        self.say(link, &format!(r#"{{{to}{body},"msg":"{signal}"}}"#))
    }

    fn say(&mut self, link: usize, text: &str) -> Check {
        let message = ClientMessage::parse(text, &self.limits).map_err(|why| format!("{text}: {why:?}"))?;
        let seat = self.seat(link);
        self.input(Input::Message { seat: &seat, message })
    }

    /// The client reads all that is queued for it.
    fn flush(&mut self, link: usize) -> Check {
        if self.links[link].life != Life::Open {
            return Ok(());
        }
        for item in std::mem::take(&mut self.links[link].queue) {
            let stay = self.links[link].stay.ok_or("something is queued before the welcome")?;
            let client = self.clients.entry(stay).or_default();
            match item {
                Item::Welcome(welcome) => client.welcome(&welcome)?,
                Item::Message(message) => client.event(&message)?,
                Item::Parcel(signal, parcel) => {
                    let sent = &mut self.naive.signals[signal];
                    client.hear(sent.from, signal, sent.rerouted)?;
                    let before = sent.copies.insert(stay, Copy::Arrived);
                    ensure!(before == Some(Copy::OnTheWire(link)), "signal {signal} arrived, it was {before:?}");
                    if let Some(re) = parcel.receipt() {
                        let from = sent.from;
                        self.naive.tell_if_living(from, Fact::Receipt(signal, ReceiptStatus::Written));
                        let room = room(self.naive.stays[from].room);
                        self.input(Input::Written { room: &room, from: &parcel.from, re })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn disconnect(&mut self, link: usize, how: How) -> Check {
        let Some(stay) = self.links[link].stay else { return Ok(()) };
        self.tick()?;
        self.links[link].life = Life::Ended;
        let (mut numbers, mut unsent) = (Vec::new(), Vec::new());
        for item in std::mem::take(&mut self.links[link].queue) {
            if let Item::Parcel(signal, parcel) = item {
                numbers.push(signal);
                unsent.push(parcel);
            }
        }
        self.naive.broken(stay, link, how, &numbers);
        let departure = match how {
            How::Lost => Departure::Lost,
            How::Bye => Departure::Bye,
        };
        let seat = self.seat(link);
        self.input(Input::Disconnected { seat: &seat, departure, unsent })
    }

    /// No two go away in the same instant: which of them ends first is nobody's business.
    fn tick(&mut self) -> Check {
        self.forward(Pass::Punctual(1))
    }

    fn forward(&mut self, pass: Pass) -> Check {
        let (Pass::Punctual(ms) | Pass::Late(ms)) = pass;
        // No join waits for as long as a tombstone stands.
        while ms >= TOMBSTONE_MS && !self.naive.asks.is_empty() {
            self.abandon(0)?;
        }
        let end = self.naive.now + ms;
        // Called late, the hub may end several stays in any order: the model knows only one.
        if matches!(pass, Pass::Punctual(_)) || self.naive.over(end).len() > 1 {
            while let Some(at) = self.hub.poll_timeout().filter(|at| at.0 <= end) {
                self.hub.handle_timeout(at);
            }
            while let Some(at) = self.naive.next_end().filter(|at| *at <= end) {
                self.naive.now = at;
                self.naive.expire();
            }
        }
        self.naive.now = end;
        self.naive.expire();
        self.hub.handle_timeout(Moment(end));
        self.compare_outputs()
    }

    // Comparing.

    fn input(&mut self, input: Input<'_, usize>) -> Check {
        self.hub.handle_input(Moment(self.naive.now), input);
        self.compare_outputs()
    }

    /// Each connection got what the model says, in its order.
    fn compare_outputs(&mut self) -> Check {
        let mut facts: BTreeMap<usize, Vec<Fact>> = BTreeMap::new();
        while let Some(output) = self.hub.poll_output() {
            let (link, fact, item) = match output {
                Output::Event(_) | Output::PutOut { .. } => continue,
                Output::Confirm { .. } => return Err("a confirmation is asked for out of turn".to_owned()),
                Output::Publish { .. } | Output::Subscribe { .. } | Output::Unsubscribe { .. } | Output::Exclude(_) => {
                    return Err("a lone node speaks to others".to_owned());
                }
                Output::Welcome(welcome) => {
                    let link = welcome.seat.connection;
                    ensure!(self.links[link].stay.is_none(), "a second welcome on {link}");
                    self.links[link].stay = Some(number(&welcome.seat.peer));
                    (link, Some(welcomed(&welcome)), Some(Item::Welcome(welcome)))
                }
                Output::Send { to, message } => (to, self.fact(&message)?, Some(Item::Message(message))),
                Output::Relay { to, parcel } => {
                    let signal = self.stamped(&parcel)?;
                    (to, Some(Fact::Signal(signal)), Some(Item::Parcel(signal, parcel)))
                }
                Output::Probe { connection } => (connection, Some(Fact::Probe), None),
                Output::Close { connection, code, .. } => (connection, Some(Fact::Close(code)), None),
            };
            let refusal = matches!(fact, Some(Fact::Refused { code: ErrorCode::Superseded, .. }));
            let target = &mut self.links[link];
            match target.life {
                Life::Open => {}
                Life::Closed => ensure!(refusal, "{fact:?} goes to {link}, which the hub has closed"),
                Life::Ended => return Err(format!("{fact:?} goes to {link}, which has ended")),
            }
            ensure!(
                target.stay.is_some() || matches!(fact, Some(Fact::Close(_))),
                "{fact:?} goes to {link} before its welcome"
            );
            if matches!(fact, Some(Fact::Close(_))) {
                target.life = if target.stay.is_some() { Life::Closed } else { Life::Ended };
            }
            target.queue.extend(item);
            if let Some(fact) = fact {
                facts.entry(link).or_default().push(fact);
            }
        }
        let expected = std::mem::take(&mut self.naive.facts);
        ensure!(facts == expected, "came out: {facts:?}\nshould have: {expected:?}");
        Ok(())
    }

    fn fact(&mut self, message: &ServerMessage) -> Result<Option<Fact>, String> {
        let signal = |re: &MsgId| re.as_str().parse::<usize>().map_err(|why| why.to_string());
        let fact = match message {
            ServerMessage::Receipt { re, status } => Fact::Receipt(signal(re)?, *status),
            ServerMessage::Error(error) => {
                let signal = error.re.as_ref().map(signal).transpose()?;
                ensure!(
                    signal.is_none() || error.outcome == Some(Outcome::NotDelivered),
                    "{error:?} lacks its outcome"
                );
                Fact::Refused { signal, to: error.to.as_ref().map(number), code: error.code }
            }
            ServerMessage::Checked { id, presence } => Fact::Checked(number(id), *presence),
            _ => return Ok(None),
        };
        if let Fact::Receipt(signal, ReceiptStatus::Written) | Fact::Refused { signal: Some(signal), .. } = fact {
            let times = self.settled.entry(signal).or_default();
            *times += 1;
            ensure!(*times == 1, "signal {signal} is settled twice, at last by {fact:?}");
        }
        Ok(Some(fact))
    }

    /// The number of a relayed signal, whose text must name its true sender.
    fn stamped(&self, parcel: &Parcel) -> Result<usize, String> {
        let text: serde_json::Value = serde_json::from_str(&parcel.text).map_err(|why| why.to_string())?;
        let signal: usize =
            text["msg"].as_str().and_then(|msg| msg.parse().ok()).ok_or("a signal without its number")?;
        let sender = peer_id(self.naive.signals[signal].from);
        ensure!(parcel.from == sender && text["from"] == sender.as_str(), "{sender} sent {}", parcel.text);
        Ok(signal)
    }

    /// Whoever has read everything sees the room as it is.
    fn compare_views(&self) -> Check {
        let open = (0..3).filter(|room| !self.naive.living(*room).is_empty()).count();
        ensure!(self.hub.rooms() == open, "{} rooms are open, not {open}", self.hub.rooms());
        for room in 0..3 {
            let living = self.naive.living(room);
            let up_to_date =
                |stay: &&usize| self.naive.link(**stay).is_some_and(|link| self.links[link].queue.is_empty());
            let viewers: Vec<_> = living.iter().filter(up_to_date).copied().collect();
            for &viewer in &viewers {
                let client = self.clients.get(&viewer).ok_or("a welcome was never read")?;
                let others = living.iter().filter(|other| **other != viewer);
                let expected: BTreeMap<_, _> = others.map(|other| (*other, self.naive.presence(*other))).collect();
                ensure!(client.roster == expected, "p{viewer} sees {:?}, not {expected:?}", client.roster);
                for other in expected.keys() {
                    let polite = client.yields.get(other).copied();
                    let older = self.naive.rank(*other) < self.naive.rank(viewer);
                    ensure!(polite == Some(older), "p{viewer} yields to p{other}: {polite:?}");
                    let back = self.clients.get(other).and_then(|client| client.yields.get(&viewer));
                    ensure!(
                        back.is_none_or(|back| Some(!back) == polite),
                        "p{viewer} and p{other} are both {polite:?}"
                    );
                }
            }
        }
        Ok(())
    }

    // Picking among what there is.

    /// A connection that the hub may still hear of, and its stay.
    fn pick(&self, link: usize) -> Option<(usize, usize)> {
        let usable: Vec<_> = (0..self.links.len())
            .filter(|link| self.links[*link].life != Life::Ended)
            .filter_map(|link| self.links[link].stay.map(|stay| (link, stay)))
            .collect();
        link.checked_rem(usable.len()).map(|index| usable[index])
    }

    /// In three of four cases one that lives, so that most histories get somewhere.
    fn living_of(&self, number: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let living: Vec<_> =
            (0..self.naive.stays.len()).filter(|stay| self.naive.lives(*stay) && fits(*stay)).collect();
        let index = (number / 4).checked_rem(living.len()).filter(|_| !number.is_multiple_of(4));
        index.map(|index| living[index])
    }

    /// Any stay there ever was, or one that nobody knows.
    fn pick_stay(&self, stay: usize) -> usize {
        stay % (self.naive.stays.len() + 1)
    }

    fn seat(&self, link: usize) -> Seat<usize> {
        let stay = self.links[link].stay.unwrap_or(usize::MAX);
        Seat { room: room(self.naive.stays[stay].room), peer: peer_id(stay), connection: link }
    }
}

fn welcomed(welcome: &Admission<usize>) -> Fact {
    let mut left: Vec<_> = welcome.left.iter().map(number).collect();
    left.sort_unstable();
    Fact::Welcome {
        stay: number(&welcome.seat.peer),
        place: welcome.seq,
        generation: welcome.generation,
        previous: welcome.peer.previous.as_ref().map(number),
        left: (welcome.continuity == Continuity::Resumed).then_some(left),
    }
}

/// The number of a stay, of which its id is made.
pub(crate) fn number(id: &PeerId) -> usize {
    id.as_str()[1..].parse().unwrap_or(usize::MAX)
}

fn peer_id(stay: usize) -> PeerId {
    PeerId::parse(&format!("p{stay}")).expect("an id")
}

fn room(number: usize) -> RoomId {
    RoomId::parse(&format!("r{number}")).expect("a room")
}

fn profile(identity: usize) -> Profile {
    let identity = Identity::parse(&format!("i{identity}")).expect("an identity");
    Profile { identity, name: None, metadata: None }
}

fn grant(can: Can) -> Grant {
    match can {
        Can::All => Permission::ALL.into_iter().collect(),
        Can::OnlySignal => Grant::NONE.with(Permission::Signal),
        Can::OnlyMessage => Grant::NONE.with(Permission::Message),
        Can::NoBroadcast => Grant::default(),
    }
}
