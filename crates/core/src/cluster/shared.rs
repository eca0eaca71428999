//! What a room keeps of the other nodes.

use aldis_protocol::{MsgId, Naming, NodeId, PeerId};

use crate::{
    Moment, Output,
    cluster::{
        Digests, Extent, Subject, Tidings, digest,
        frame::{Body, RoomFrame},
        mirror::Mirror,
        roster::Remote,
    },
    hub::{Deadline, Effects},
    room::Room,
};

/// The first repetition of an announcement comes after this time, and each after twice the time of the one before.
const ANNOUNCE_MS: u64 = 1_000;

/// The longest time between two announcements of a room.
const ANNOUNCE_MAX_MS: u64 = 64_000;

/// After a silence, a break of our own or a healed backplane, the end of a window says nothing about a session for this long: it may
/// live elsewhere.
const DOUBT_MS: u64 = 60_000;

/// A deadline that comes so much too late means that we were stopped.
pub(crate) const STOPPED_MS: u64 = 2_000;

/// What a hub knows of its node.
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) reach: Reach,
    /// The way through the backplane and back, in milliseconds.
    pub(crate) rtt: u64,
    /// Until when a window that ends is no departure.
    doubt: Moment,
    /// The last version given; one sequence for all rooms, so that a room that was forgotten does not begin again.
    version: u64,
}

/// How far a node can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To every node.
    Cluster,
    /// Only to its own clients: the backplane is down.
    Local,
}

/// The cluster's part of a room.
pub(crate) struct Shared {
    /// Of this node's own part of the roster.
    pub(crate) version: u64,
    pub(crate) subscription: Subscription,
    /// What each of the other nodes shows.
    pub(crate) mirrors: Vec<Mirror>,
    /// The peers of other nodes as our clients know them, in the room's order: what follows from the mirrors.
    pub(crate) remotes: Vec<Remote>,
    /// Who joins on other nodes.
    pub(crate) joiners: Vec<Joiner>,
    /// What senders of this node may still be told of their messages.
    pub(crate) owed: Vec<Owed>,
    /// Joins elsewhere whose claims were granted: a frame that comes twice moves nothing twice.
    pub(crate) granted: Vec<PeerId>,
    /// Sessions that were ours, oldest first.
    pub(crate) moved: Vec<Moved>,
    announce: Moment,
    announce_gap: u64,
    armed: Option<Moment>,
}

/// Whether what is published on the room's subject reaches us.
#[derive(PartialEq, Eq)]
pub(crate) enum Subscription {
    Wanted,
    Confirmed,
}

/// Somebody between the steps of a join on another node.
pub(crate) struct Joiner {
    pub(crate) node: NodeId,
    pub(crate) place: u64,
    pub(crate) id: PeerId,
    pub(crate) until: Moment,
}

/// A session that was ours: what still comes for it is told where it went.
pub(crate) struct Moved {
    pub(crate) id: PeerId,
    pub(crate) node: NodeId,
    pub(crate) until: Moment,
}

/// What another node has to say of a named message of ours: a receipt or an error, once.
pub(crate) struct Owed {
    pub(crate) from: PeerId,
    pub(crate) to: PeerId,
    pub(crate) naming: Naming,
    pub(crate) until: Moment,
}

impl Member {
    pub(crate) fn new(node: NodeId) -> Self {
        Self { node, reach: Reach::Local, rtt: 0, doubt: Moment::default(), version: 0 }
    }

    /// Takes note of what every room has to know.
    pub(crate) fn hear(&mut self, tidings: &Tidings, now: Moment) {
        match tidings {
            Tidings::Up => self.reach = Reach::Cluster,
            Tidings::Down => self.reach = Reach::Local,
            Tidings::Rtt(ms) => self.rtt = *ms,
            Tidings::Silent(_) | Tidings::Heard(_) | Tidings::Compare(..) => {}
        }
        if matches!(tidings, Tidings::Up | Tidings::Silent(_)) {
            self.doubt = now.after(DOUBT_MS);
        }
    }

    /// Whether a session of ours that does not come back may be on another node without our knowledge.
    pub(crate) fn doubts(&self, due: Moment, now: Moment) -> bool {
        self.reach == Reach::Local || now < self.doubt || now.since(due) > STOPPED_MS
    }
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            version: 0,
            subscription: Subscription::Wanted,
            mirrors: Vec::new(),
            remotes: Vec::new(),
            joiners: Vec::new(),
            owed: Vec::new(),
            granted: Vec::new(),
            moved: Vec::new(),
            announce: Moment(u64::MAX),
            announce_gap: ANNOUNCE_MS,
            armed: None,
        }
    }

    /// Where what is owed for a message of a sender is.
    pub(crate) fn owed(&self, from: &PeerId, re: &MsgId) -> Option<usize> {
        self.owed.iter().position(|owed| owed.from == *from && owed.naming.msg() == Some(re))
    }

    fn next(&self) -> Moment {
        let joiners = self.joiners.iter().map(|joiner| joiner.until);
        let owed = self.owed.iter().map(|owed| owed.until);
        let adrift = self.remotes.iter().filter_map(Remote::due);
        let moved = self.moved.iter().map(|moved| moved.until);
        joiners.chain(owed).chain(adrift).chain(moved).chain([self.announce]).min().unwrap_or(self.announce)
    }
}

impl<C: Clone + PartialEq> Room<C> {
    /// Says something of this room.
    pub(crate) fn publish(&self, subject: Subject, body: Body, effects: &mut Effects<C>) {
        let Some(shared) = &self.shared else { return };
        let frame = RoomFrame { room: self.id.clone(), seq: self.seq, version: shared.version, body };
        effects.push(Output::Publish { subject, frame: Box::new(frame) });
    }

    pub(crate) fn publish_to_room(&self, body: Body, effects: &mut Effects<C>) {
        self.publish(Subject::Room(self.id.clone()), body, effects);
    }

    /// Gives this node's part of the roster a new version, and says which was before. None on a lone node.
    pub(crate) fn next_version(&mut self, effects: &mut Effects<C>) -> Option<u64> {
        let member = effects.member.as_mut()?;
        let shared = self.shared.as_mut()?;
        member.version += 1;
        shared.announce_gap = ANNOUNCE_MS;
        shared.announce = effects.now.after(ANNOUNCE_MS);
        let since = std::mem::replace(&mut shared.version, member.version);
        self.arm_shared(effects);
        Some(since)
    }

    /// What every hub was told.
    pub(crate) fn tidings(&mut self, tidings: &Tidings, effects: &mut Effects<C>) {
        let Some(shared) = &mut self.shared else { return };
        match tidings {
            Tidings::Up => self.resynchronize(effects),
            Tidings::Down => {
                shared.subscription = Subscription::Wanted;
                self.complete_all(effects);
            }
            Tidings::Rtt(_) => {}
            Tidings::Silent(node) => self.drop_mirror(node, effects),
            Tidings::Heard(node) => {
                if shared.remotes.iter().any(|remote| remote.owner == *node) {
                    self.publish(Subject::Inbox(node.clone()), Body::Ask { asker: None }, effects);
                }
            }
            Tidings::Compare(node, extent) => {
                let shares = shared.mirrors.iter().any(|mirror| mirror.node == *node && !mirror.is_empty());
                let yours = self.known_version(node);
                if self.is_open() && (*extent == Extent::All || shares) {
                    self.publish(Subject::Inbox(node.clone()), Body::Compare { yours }, effects);
                }
            }
        }
    }

    /// Adds this room to the sums of the nodes that share it.
    pub(crate) fn digest(&self, digests: &mut Digests) {
        let Some(shared) = self.shared.as_ref().filter(|_| self.is_open()) else { return };
        let mine = digest(self.id.as_str(), shared.version);
        for mirror in shared.mirrors.iter().filter(|mirror| !mirror.is_empty()) {
            digests.add(&mirror.node, mine, digest(self.id.as_str(), mirror.version));
        }
    }

    /// The deadlines of the cluster's part.
    pub(crate) fn shared_due(&mut self, effects: &mut Effects<C>) {
        let open = self.is_open();
        let Some(shared) = &mut self.shared else { return };
        shared.armed = None;
        shared.joiners.retain(|joiner| joiner.until > effects.now);
        shared.moved.retain(|moved| moved.until > effects.now);
        if shared.announce <= effects.now {
            shared.announce_gap = (shared.announce_gap * 2).min(ANNOUNCE_MAX_MS);
            // A room of which this node has nobody has nothing to announce.
            shared.announce = if open { effects.now.after(shared.announce_gap) } else { Moment(u64::MAX) };
            self.publish_to_room(Body::Announce {}, effects);
        }
        self.receipts_due(effects);
        self.adrift_due(effects);
        self.asking_due(effects);
        self.arm_shared(effects);
    }

    /// Sees to it that [`Self::shared_due`] is called in time.
    pub(crate) fn arm_shared(&mut self, effects: &mut Effects<C>) {
        let asking = self.next_answer();
        let Some(shared) = &mut self.shared else { return };
        let next = asking.map_or(shared.next(), |asking| asking.min(shared.next()));
        if next != Moment(u64::MAX) && shared.armed.is_none_or(|armed| next < armed) {
            shared.armed = Some(next);
            effects.arm(next, Deadline::Shared(self.id.clone()));
        }
    }
}
