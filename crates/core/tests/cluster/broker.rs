//! A broker that misbehaves, and a number generator for it.

use std::collections::{BTreeMap, BTreeSet};

use aldis_core::cluster::Subject;
use aldis_protocol::RoomId;

use crate::lines::{Lines, Loss};

/// SplitMix64: the same seed is the same history on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[0]
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How a node hangs on the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    Plugged,
    /// Its connection is gone, and it knows.
    Unplugged,
    /// Its connection looks well, and nothing passes in either direction.
    Deaf,
    /// The process is gone.
    Dead,
}

/// The network between nodes, which are numbers here.
pub(crate) struct Broker {
    pub(crate) cables: BTreeMap<usize, Cable>,
    rooms: BTreeMap<RoomId, BTreeSet<usize>>,
    /// What goes from one to the other is lost, and nobody is told.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    /// The most that a frame is late; frames then overtake each other.
    pub(crate) jitter: u64,
    latest: BTreeMap<(usize, usize), u64>,
    /// What was lost between whom.
    pub(crate) lines: Lines,
    /// Whether frames ever came twice or overtook each other.
    pub(crate) orderly: bool,
}

/// What becomes of a published frame.
pub(crate) enum Fate {
    /// It arrives there, then.
    Arrives(Vec<(usize, u64)>),
    /// Nobody reads the subject.
    NoReceiver,
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self {
            cables: BTreeMap::new(),
            rooms: BTreeMap::new(),
            cuts: BTreeSet::new(),
            loss: 0,
            twice: 0,
            jitter: 0,
            latest: BTreeMap::new(),
            lines: Lines::default(),
            orderly: true,
        }
    }

    pub(crate) fn is_plugged(&self, node: usize) -> bool {
        self.cables.get(&node) == Some(&Cable::Plugged)
    }

    pub(crate) fn subscribe(&mut self, node: usize, room: RoomId) {
        self.rooms.entry(room).or_default().insert(node);
    }

    pub(crate) fn unsubscribe(&mut self, node: usize, room: &RoomId) {
        if let Some(nodes) = self.rooms.get_mut(room) {
            nodes.remove(&node);
        }
    }

    /// `inbox` is the number of the node whose inbox the subject is.
    pub(crate) fn publish(
        &mut self,
        now: u64,
        from: usize,
        subject: &Subject,
        inbox: Option<usize>,
        dice: &mut Dice,
    ) -> Fate {
        self.orderly &= self.twice == 0 && self.jitter == 0;
        let readers: Vec<_> = match subject {
            Subject::Inbox(_) => inbox.into_iter().collect(),
            Subject::Room(room) => self.rooms.get(room).into_iter().flatten().copied().collect(),
            Subject::Nodes => self.cables.keys().copied().collect(),
        };
        if !self.is_plugged(from) {
            for to in readers.into_iter().filter(|to| *to != from) {
                self.lines.trouble((from, to), now, now, Loss::Cut);
            }
            return Fate::Arrives(Vec::new());
        }
        let connected = |node: &usize| matches!(self.cables.get(node), Some(Cable::Plugged | Cable::Deaf));
        let (readers, missing): (Vec<_>, Vec<_>) =
            readers.into_iter().filter(|node| *node != from).partition(connected);
        for to in missing {
            self.lines.trouble((from, to), now, now, Loss::Cut);
        }
        if readers.is_empty() {
            return Fate::NoReceiver;
        }
        let mut arrivals = Vec::new();
        for to in readers {
            if !self.is_plugged(to) || self.cuts.contains(&(from, to)) {
                self.lines.trouble((from, to), now, now, Loss::Cut);
                continue;
            }
            if dice.percent(self.loss) {
                self.lines.trouble((from, to), now, now, Loss::Hidden);
                continue;
            }
            for _ in 0..=u64::from(dice.percent(self.twice)) {
                let at = now + 1 + dice.below(3) + dice.below(self.jitter + 1);
                // Without faults a broker keeps the order of a publisher.
                let latest = self.latest.entry((from, to)).or_default();
                let at = if self.jitter == 0 { at.max(*latest) } else { at };
                *latest = at;
                arrivals.push((to, at));
            }
        }
        Fate::Arrives(arrivals)
    }
}
