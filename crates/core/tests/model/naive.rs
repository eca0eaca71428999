//! The model: a flat list of stays and a flat list of signals, written from the protocol's text.

use std::collections::BTreeMap;

use aldis_protocol::{CloseCode, ErrorCode, Presence, server::ReceiptStatus};

use crate::{Can, How, Kind, Speaks, Twice};

pub(crate) const ROOM_PEERS: usize = 5;
pub(crate) const PARKED: usize = 3;
pub(crate) const NOTICE_MS: u64 = 2_000;
pub(crate) const WINDOW_MS: u64 = 30_000;
pub(crate) const TOMBSTONE_MS: u64 = 600_000;

/// What a connection gets, apart from the roster's events, which its client judges.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    Welcome { stay: usize, place: u64, generation: u64, previous: Option<usize>, left: Option<Vec<usize>> },
    Signal(usize),
    Refused { signal: Option<usize>, to: Option<usize>, code: ErrorCode },
    Receipt(usize, ReceiptStatus),
    Checked(usize, Presence),
    Probe,
    Close(CloseCode),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// Between the steps of a join, or refused there, or an id that only a token knows.
    Unborn,
    Here(usize),
    Frozen {
        link: usize,
        since: u64,
        parked: Vec<Fact>,
    },
    Broken {
        since: u64,
        parked: Vec<Fact>,
    },
    Gone {
        at: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) room: usize,
    pub(crate) identity: usize,
    pub(crate) speaks: Speaks,
    can: Can,
    pub(crate) place: u64,
    pub(crate) generation: u64,
    previous: Option<usize>,
    pub(crate) state: State,
}

/// Where one copy of a signal is: a broadcast has several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Copy {
    OnTheWire(usize),
    Parked,
    Arrived,
    /// Its sender was told.
    Refused,
    /// An ack, or a signal whose sender is gone: nobody has to be told.
    Dropped,
}

#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) from: usize,
    pub(crate) kind: Kind,
    pub(crate) broadcast: bool,
    pub(crate) copies: BTreeMap<usize, Copy>,
    /// It overtook nobody, but may have been overtaken: a fenced connection gave it back.
    pub(crate) rerouted: bool,
}

/// A join between its two steps.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) link: usize,
    /// The stay it will be, if it is a new one.
    pub(crate) fresh: usize,
    /// The stay of its token, the token's generation, and whether the token still resumes.
    pub(crate) ticket: Option<(usize, u64, bool)>,
    pub(crate) twice: Twice,
    pub(crate) can: Can,
    pub(crate) place: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Naive {
    pub(crate) now: u64,
    pub(crate) stays: Vec<Stay>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) signals: Vec<Signal>,
    /// Who waits for news of whom.
    checks: Vec<(usize, usize)>,
    /// The highest place that each room gave.
    top: BTreeMap<usize, u64>,
    /// What each connection gets of this step.
    pub(crate) facts: BTreeMap<usize, Vec<Fact>>,
}

impl Can {
    fn signal(self, kind: Kind) -> bool {
        match kind {
            Kind::Offer | Kind::Ack => self != Self::OnlyMessage,
            Kind::Message | Kind::Receipted => self != Self::OnlySignal,
        }
    }
}

impl Naive {
    pub(crate) fn stay(&mut self, room: usize, identity: usize, speaks: Speaks) -> usize {
        let state = State::Unborn;
        self.stays.push(Stay { room, identity, speaks, can: Can::All, place: 0, generation: 1, previous: None, state });
        self.stays.len() - 1
    }

    pub(crate) fn lives(&self, stay: usize) -> bool {
        !matches!(self.stays[stay].state, State::Unborn | State::Gone { .. })
    }

    pub(crate) fn living(&self, room: usize) -> Vec<usize> {
        let mut living: Vec<_> =
            (0..self.stays.len()).filter(|stay| self.stays[*stay].room == room && self.lives(*stay)).collect();
        living.sort_by_key(|stay| self.rank(*stay));
        living
    }

    /// The order of a room: by place, and of equal places by id.
    pub(crate) fn rank(&self, stay: usize) -> (u64, String) {
        (self.stays[stay].place, format!("p{stay}"))
    }

    pub(crate) fn link(&self, stay: usize) -> Option<usize> {
        match self.stays[stay].state {
            State::Here(link) | State::Frozen { link, .. } => Some(link),
            State::Unborn | State::Broken { .. } | State::Gone { .. } => None,
        }
    }

    pub(crate) fn is_remembered(&self, stay: usize) -> bool {
        matches!(self.stays[stay].state, State::Gone { at } if self.now < at + TOMBSTONE_MS)
    }

    /// What the others have been told of it.
    pub(crate) fn presence(&self, stay: usize) -> Presence {
        match self.stays[stay].state {
            State::Frozen { since, .. } | State::Broken { since, .. } if self.now >= since + NOTICE_MS => {
                Presence::Away
            }
            _ => Presence::Here,
        }
    }

    fn remembered(&self, room: usize) -> Vec<usize> {
        (0..self.stays.len()).filter(|stay| self.stays[*stay].room == room && self.is_remembered(*stay)).collect()
    }

    fn next_place(&mut self, room: usize) -> u64 {
        let top = self.top.entry(room).or_default();
        *top += 1;
        *top
    }

    fn fact(&mut self, link: usize, fact: Fact) {
        self.facts.entry(link).or_default().push(fact);
    }

    // Joining.

    pub(crate) fn ask(&mut self, mut ask: Ask) {
        let room = self.stays[ask.fresh].room;
        let asked = self.asks.iter().any(|other| self.stays[other.fresh].room == room);
        if !asked && self.living(room).is_empty() && self.remembered(room).is_empty() {
            self.top.remove(&room);
        }
        if !matches!(ask.ticket, Some((_, _, true))) {
            ask.place = Some(self.next_place(room));
        }
        self.asks.push(ask);
    }

    pub(crate) fn confirm(&mut self, index: usize) {
        let ask = self.asks.remove(index);
        let room = self.stays[ask.fresh].room;
        match ask.ticket {
            Some((stay, generation, true)) if self.lives(stay) => {
                let generation = generation.max(self.stays[stay].generation) + 1;
                if let Some(older) = self.link(stay) {
                    self.fact(older, Fact::Close(CloseCode::Superseded));
                }
                self.stays[stay].can = ask.can;
                self.seat(stay, ask.link, generation, true);
                self.answer(stay, Presence::Here);
            }
            Some((stay, generation, true)) if !self.is_remembered(stay) => {
                let top = self.top.entry(room).or_default();
                *top = (*top).max(self.stays[stay].place);
                self.stays[stay].can = ask.can;
                self.seat(stay, ask.link, generation + 1, true);
            }
            ticket => {
                let place = ask.place.unwrap_or_else(|| self.next_place(room));
                let identity = self.stays[ask.fresh].identity;
                let (same, others): (Vec<_>, Vec<_>) =
                    self.living(room).into_iter().partition(|stay| self.stays[*stay].identity == identity);
                let older = |other: &&Ask| {
                    self.stays[other.fresh].room == room && other.place.is_some_and(|other| other < place)
                };
                let staying = if ask.twice == Twice::Replace { 0 } else { same.len() };
                let before = others.len() + staying + self.asks.iter().filter(older).count();
                if (ask.twice == Twice::Reject && !same.is_empty()) || before >= ROOM_PEERS {
                    return self.fact(ask.link, Fact::Close(CloseCode::Full));
                }
                if ask.twice == Twice::Replace {
                    for stay in same {
                        self.close(stay, CloseCode::Replaced);
                        self.end(stay);
                    }
                }
                self.stays[ask.fresh].place = place;
                self.stays[ask.fresh].can = ask.can;
                self.stays[ask.fresh].previous = ticket.map(|(stay, ..)| stay);
                self.seat(ask.fresh, ask.link, 1, false);
            }
        }
    }

    fn seat(&mut self, stay: usize, link: usize, generation: u64, resumed: bool) {
        let room = self.stays[stay].room;
        let left = resumed.then(|| self.remembered(room));
        let Stay { place, previous, .. } = self.stays[stay];
        self.stays[stay].generation = generation;
        self.fact(link, Fact::Welcome { stay, place, generation, previous, left });
        self.wake(stay, link);
    }

    /// It is here, and gets what waited for it.
    fn wake(&mut self, stay: usize, link: usize) {
        match std::mem::replace(&mut self.stays[stay].state, State::Here(link)) {
            State::Frozen { parked, .. } | State::Broken { parked, .. } => {
                for fact in parked {
                    if let Fact::Signal(signal) = fact {
                        self.signals[signal].copies.insert(stay, Copy::OnTheWire(link));
                    }
                    self.fact(link, fact);
                }
            }
            State::Unborn | State::Here(_) | State::Gone { .. } => {}
        }
    }

    // Signals.

    /// Who speaks, unless the connection is not its session's; whatever a page says shows that it is awake.
    pub(crate) fn speaker(&mut self, stay: usize, link: usize) -> Option<usize> {
        if self.link(stay) != Some(link) {
            return None;
        }
        if matches!(self.stays[stay].state, State::Frozen { .. }) {
            self.wake(stay, link);
        }
        Some(stay)
    }

    pub(crate) fn send(&mut self, stay: usize, link: usize, to: Option<usize>, kind: Kind) -> usize {
        let signal = self.signals.len();
        let copies = BTreeMap::new();
        self.signals.push(Signal { from: stay, kind, broadcast: to.is_none(), copies, rerouted: false });
        let Some(from) = self.speaker(stay, link) else {
            if kind != Kind::Ack {
                // The connection that took over hears of it.
                let refused = Fact::Refused { signal: Some(signal), to, code: ErrorCode::Superseded };
                if self.lives(stay) { self.tell(stay, refused) } else { self.fact(link, refused) }
            }
            return signal;
        };
        let Stay { room, can, .. } = self.stays[from];
        let refused = match to {
            _ if !can.signal(kind) => Some(ErrorCode::Forbidden),
            None if can != Can::All => Some(ErrorCode::Forbidden),
            None => None,
            Some(to) if to != from && to < self.stays.len() && self.stays[to].room == room && self.lives(to) => None,
            Some(to) if to < self.stays.len() && self.stays[to].room == room && self.is_remembered(to) => {
                Some(ErrorCode::PeerGone)
            }
            Some(_) => Some(ErrorCode::UnknownPeer),
        };
        match (refused, to) {
            (Some(code), to) => {
                if kind != Kind::Ack {
                    self.tell(from, Fact::Refused { signal: Some(signal), to, code });
                }
            }
            (None, Some(to)) => self.deliver(signal, to),
            (None, None) => {
                for to in self.living(room) {
                    if to != from && matches!(self.stays[to].state, State::Here(_)) {
                        self.deliver(signal, to);
                    }
                }
                if kind == Kind::Receipted {
                    self.tell(from, Fact::Receipt(signal, ReceiptStatus::Written));
                }
            }
        }
        signal
    }

    fn deliver(&mut self, signal: usize, to: usize) {
        if let State::Here(link) = self.stays[to].state {
            self.signals[signal].copies.insert(to, Copy::OnTheWire(link));
            return self.fact(link, Fact::Signal(signal));
        }
        if self.signals[signal].kind == Kind::Ack {
            self.signals[signal].copies.insert(to, Copy::Dropped);
        } else if self.park(to, Fact::Signal(signal)) {
            self.signals[signal].copies.insert(to, Copy::Parked);
            if self.signals[signal].kind == Kind::Receipted && !self.signals[signal].broadcast {
                self.tell(self.signals[signal].from, Fact::Receipt(signal, ReceiptStatus::Parked));
            }
        } else {
            self.refuse(signal, to, ErrorCode::QueueFull);
        }
    }

    fn park(&mut self, stay: usize, fact: Fact) -> bool {
        match &mut self.stays[stay].state {
            State::Frozen { parked, .. } | State::Broken { parked, .. } if parked.len() < PARKED => {
                parked.push(fact);
                true
            }
            _ => false,
        }
    }

    fn refuse(&mut self, signal: usize, to: usize, code: ErrorCode) {
        let Signal { from, kind, broadcast, .. } = self.signals[signal];
        let dropped = kind == Kind::Ack || !self.lives(from);
        self.signals[signal].copies.insert(to, if dropped { Copy::Dropped } else { Copy::Refused });
        if !dropped {
            self.tell(from, Fact::Refused { signal: (!broadcast).then_some(signal), to: Some(to), code });
        }
    }

    /// News of its own messages: now, or when it is back and the parking has room.
    pub(crate) fn tell(&mut self, stay: usize, fact: Fact) {
        match self.stays[stay].state {
            State::Here(link) => self.fact(link, fact),
            _ => {
                self.park(stay, fact);
            }
        }
    }

    pub(crate) fn tell_if_living(&mut self, stay: usize, fact: Fact) {
        if self.lives(stay) {
            self.tell(stay, fact);
        }
    }

    // Coming and going.

    pub(crate) fn freeze(&mut self, stay: usize, link: usize) {
        if self.stays[stay].state == State::Here(link) {
            self.stays[stay].state = State::Frozen { link, since: self.now, parked: Vec::new() };
            self.answer(stay, Presence::Away);
        }
    }

    /// The connection is gone, and with it the road of what is still queued for it.
    pub(crate) fn broken(&mut self, stay: usize, link: usize, how: How, unsent: &[usize]) {
        if self.link(stay) != Some(link) {
            for &signal in unsent {
                self.signals[signal].rerouted = true;
                self.again(signal, stay);
            }
            return;
        }
        if how == How::Bye || self.stays[stay].speaks == Speaks::Raw {
            self.end(stay);
            unsent.iter().for_each(|signal| self.refuse(*signal, stay, ErrorCode::PeerGone));
            return;
        }
        let (since, younger) = match std::mem::replace(&mut self.stays[stay].state, State::Unborn) {
            State::Frozen { since, parked, .. } => (since, parked),
            _ => (self.now, Vec::new()),
        };
        self.stays[stay].state = State::Broken { since, parked: Vec::new() };
        self.answer(stay, Presence::Away);
        unsent.iter().for_each(|signal| self.again(*signal, stay));
        for fact in younger {
            if let (false, Fact::Signal(signal)) = (self.park(stay, fact.clone()), &fact) {
                self.refuse(*signal, stay, ErrorCode::QueueFull);
            }
        }
    }

    fn again(&mut self, signal: usize, to: usize) {
        if !self.lives(to) {
            self.refuse(signal, to, ErrorCode::PeerGone);
        } else if self.lives(self.signals[signal].from) {
            self.deliver(signal, to);
        } else {
            self.signals[signal].copies.insert(to, Copy::Dropped);
        }
    }

    pub(crate) fn close(&mut self, stay: usize, code: CloseCode) {
        if let Some(link) = self.link(stay) {
            self.fact(link, Fact::Close(code));
        }
    }

    /// The stay is over for good.
    pub(crate) fn end(&mut self, stay: usize) {
        self.answer(stay, Presence::Gone);
        self.checks.retain(|(asker, _)| *asker != stay);
        let state = std::mem::replace(&mut self.stays[stay].state, State::Gone { at: self.now });
        for (other, to) in self.stays.iter_mut().enumerate() {
            if let State::Frozen { parked, .. } | State::Broken { parked, .. } = &mut to.state {
                let orphans = parked.extract_if(.., |fact| match fact {
                    Fact::Signal(signal) => self.signals[*signal].from == stay,
                    _ => false,
                });
                for orphan in orphans.collect::<Vec<_>>() {
                    if let Fact::Signal(signal) = orphan {
                        self.signals[signal].copies.insert(other, Copy::Dropped);
                    }
                }
            }
        }
        if let State::Frozen { parked, .. } | State::Broken { parked, .. } = state {
            for fact in parked {
                if let Fact::Signal(signal) = fact {
                    self.refuse(signal, stay, ErrorCode::PeerGone);
                }
            }
        }
    }

    /// Who will have been away for a whole window by then.
    pub(crate) fn over(&self, by: u64) -> Vec<usize> {
        let is_over = |stay: &usize| match self.stays[*stay].state {
            State::Frozen { since, .. } | State::Broken { since, .. } => since + WINDOW_MS <= by,
            _ => false,
        };
        (0..self.stays.len()).filter(is_over).collect()
    }

    /// Ends whose window is over now.
    pub(crate) fn expire(&mut self) {
        for stay in self.over(self.now) {
            self.close(stay, CloseCode::Timeout);
            self.end(stay);
        }
    }

    /// When the next window is over.
    pub(crate) fn next_end(&self) -> Option<u64> {
        let since = self.stays.iter().filter_map(|stay| match stay.state {
            State::Frozen { since, .. } | State::Broken { since, .. } => Some(since),
            _ => None,
        });
        since.min().map(|since| since + WINDOW_MS)
    }

    pub(crate) fn remove(&mut self, by: usize, target: usize) {
        let known = target != by && target < self.stays.len() && self.stays[target].room == self.stays[by].room;
        let code = match self.stays[by].can {
            Can::All if known && self.lives(target) => {
                self.close(target, CloseCode::Removed);
                return self.end(target);
            }
            Can::All if known && self.is_remembered(target) => ErrorCode::PeerGone,
            Can::All => ErrorCode::UnknownPeer,
            _ => ErrorCode::Forbidden,
        };
        self.tell(by, Fact::Refused { signal: None, to: Some(target), code });
    }

    pub(crate) fn check(&mut self, asker: usize, target: usize) {
        let known = target != asker && target < self.stays.len() && self.stays[target].room == self.stays[asker].room;
        let presence = match if known { &self.stays[target].state } else { &State::Unborn } {
            &State::Here(link) => {
                if !self.checks.contains(&(asker, target)) {
                    self.checks.push((asker, target));
                }
                return self.fact(link, Fact::Probe);
            }
            State::Frozen { .. } | State::Broken { .. } => Presence::Away,
            State::Unborn | State::Gone { .. } => Presence::Gone,
        };
        self.tell(asker, Fact::Checked(target, presence));
    }

    pub(crate) fn answer(&mut self, stay: usize, presence: Presence) {
        let asked = self.checks.extract_if(.., |(_, target)| *target == stay).collect::<Vec<_>>();
        for (asker, target) in asked {
            self.tell(asker, Fact::Checked(target, presence));
        }
    }

    pub(crate) fn authorize(&mut self, stay: usize, link: usize, can: Can) {
        if self.link(stay) == Some(link) {
            self.stays[stay].can = can;
        }
    }
}
