//! The nodes of a cluster, as one of them knows the others: who lives, who is silent, and who may have missed something.
//!
//! ```text
//!             first sign                 15 s without one
//!   unknown ─────────────► Live ───────────────────────────► (away, then unreachable: the rooms' own clocks)
//!      ▲                     │ ▲                                  │
//!      └──── Bye ────────────┘ └──────────── a sign ──────────────┘
//! ```
//!
//! Silence counts only while we run and hear ourselves: what we do not hear while our own probe fails, or while our process was
//! stopped, proves nothing about the others. A gap in somebody's beats means that one of us missed something: the hubs then compare
//! versions with that node.

use std::collections::{BTreeMap, VecDeque};

use aldis_protocol::NodeId;

use crate::{
    Moment,
    cluster::{
        envelope::Envelope,
        figures::Figures,
        frame::{Frame, NodeFrame, Subject},
    },
};

/// How often a node says that it lives; more seldom where more than [`MANY`] do.
const BEAT_MS: u64 = 2_000;

/// From how many nodes on the beats slow down, so that their sum stays the same.
const MANY: u64 = 64;

/// How long a node may be silent before its peers are away.
const LEASE_MS: u64 = 15_000;

/// At least so many beats: where there are many nodes, each says more seldom that it lives.
const LEASE_BEATS: u64 = 4;

/// A frame that was on its way for longer is dropped: a healed partition delivers what nobody waits for any more.
const HELD_UP_MS: u64 = 30_000;

/// How far two clocks may drift apart from one beat to the next.
const DRIFT_MS: i128 = 1;

/// What one node knows of all nodes. Its owner drains [`poll_output`](Self::poll_output) after every call, as with a hub.
pub struct Cluster {
    me: NodeId,
    link: Link,
    nodes: BTreeMap<NodeId, Contact>,
    beats: u64,
    /// When it last looked at the clock.
    looked: Option<Moment>,
    /// For how long it could have heard the others by then, in milliseconds.
    listened: u64,
    next: Moment,
    losses: Losses,
    outputs: VecDeque<ClusterOutput>,
    /// All but how many are live, which is counted when it is asked for.
    figures: Figures,
}

/// How this node is connected to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It hears itself.
    Healthy,
    /// It did not hear itself once: what it does not hear of others proves nothing.
    Doubtful,
    /// The backplane is down, or deaf.
    Down,
}

/// Whether frames were lost since the last beat, between the broker and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Losses {
    None,
    /// Then everything is compared with that beat, for more frames at once would only be lost too.
    Found,
}

struct Contact {
    /// For how long we had listened when it was last heard.
    heard: u64,
    sight: Sight,
    beat: u64,
    /// The least difference between our clock and the sender's: what came at once.
    quickest: i128,
    mismatches: u8,
}

impl Contact {
    /// For how long nothing was heard that could have been heard. Just before we were stopped it may have been heard after what counts.
    fn silence(&self, listened: u64) -> u64 {
        listened.saturating_sub(self.heard)
    }
}

#[derive(PartialEq, Eq)]
enum Sight {
    Live,
    Silent,
}

/// One thing that happened to the node's connection to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterInput {
    /// The backplane is connected, and every wanted subscription is confirmed.
    BackplaneUp,
    /// It is not.
    BackplaneDown,
    /// The node heard its own probe.
    ProbeHealthy {
        /// After how long.
        rtt_ms: u64,
    },
    /// It did not.
    ProbeMissed,
    /// Frames came faster than they were handled, and some of them are lost.
    FramesMissed,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterOutput {
    /// Publish a frame.
    Publish {
        /// Where.
        subject: Subject,
        /// What.
        frame: NodeFrame,
    },
    /// Hand this to every hub, as [`Input::Tidings`](crate::Input::Tidings).
    Tell(Tidings),
    /// Sum up all hubs with [`Hub::digests`](crate::Hub::digests) and come back with [`Cluster::summed`].
    Sum(Purpose),
    /// The node says that it lives: let it say what it has revoked, too, by [`Ledger::beat`](crate::cluster::Ledger::beat).
    Beat,
}

/// What sums are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To tell the others.
    Tell,
    /// To compare them with what a node told us.
    Compare {
        /// Which.
        node: NodeId,
        /// Over its own versions.
        mine: u64,
        /// Over ours, as it knows them.
        yours: u64,
    },
}

/// What every hub has to know of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tidings {
    /// The node can talk to the others: it may have missed anything until now.
    Up,
    /// It cannot.
    Down,
    /// How long a way through the backplane and back takes.
    Rtt(u64),
    /// A node gives no sign of life: its peers are away.
    Silent(NodeId),
    /// It does again.
    Heard(NodeId),
    /// One of us may have missed something of the other: compare these rooms.
    Compare(NodeId, Extent),
}

/// Which rooms two nodes compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those of which we know that both have somebody in them.
    Shared,
    /// All of ours: the other may be in some of them without our knowledge.
    All,
}

/// Whether a frame is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It is.
    Timely,
    /// It was held up for too long, or is our own: it is dropped.
    Dropped,
}

/// Sums over (room, version) pairs for each node that shares rooms with us: ours, and its as we know them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Digests(BTreeMap<NodeId, (u64, u64)>);

impl Digests {
    /// Adds one shared room.
    pub(crate) fn add(&mut self, node: &NodeId, mine: u64, theirs: u64) {
        let sums = self.0.entry(node.clone()).or_default();
        sums.0 ^= mine;
        sums.1 ^= theirs;
    }
}

/// The contribution of one room at one version.
pub(crate) fn digest(room: &str, version: u64) -> u64 {
    mixed(room.as_bytes(), version)
}

/// The contribution of some bytes.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    mixed(bytes, 0)
}

/// FNV-1a with a number mixed in by the finish of SplitMix64.
fn mixed(bytes: &[u8], number: u64) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = hash ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Cluster {
    /// A node that knows nobody and is not connected yet.
    #[must_use]
    pub fn new(me: NodeId) -> Self {
        Self {
            me,
            link: Link::Down,
            nodes: BTreeMap::new(),
            beats: 0,
            looked: None,
            listened: 0,
            next: Moment::default(),
            losses: Losses::None,
            outputs: VecDeque::new(),
            figures: Figures::default(),
        }
    }

    /// How this node is connected.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Which other nodes give signs of life.
    pub fn live(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.iter().filter(|(_, contact)| contact.sight == Sight::Live).map(|(node, _)| node)
    }

    /// What it has heard and missed since its start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures { live: self.live().count() as u64, ..self.figures }
    }

    /// Takes one thing that happened to the connection.
    pub fn handle_input(&mut self, now: Moment, input: ClusterInput) {
        self.look(now);
        match input {
            ClusterInput::BackplaneUp => self.up(),
            ClusterInput::ProbeHealthy { rtt_ms } => {
                self.tell(Tidings::Rtt(rtt_ms));
                self.up();
            }
            ClusterInput::FramesMissed => self.losses = Losses::Found,
            ClusterInput::ProbeMissed if self.link == Link::Healthy => self.link = Link::Doubtful,
            ClusterInput::BackplaneDown | ClusterInput::ProbeMissed => {
                if self.link != Link::Down {
                    self.link = Link::Down;
                    self.tell(Tidings::Down);
                }
            }
        }
    }

    /// Takes note of any frame, and handles those of nodes. A [`Frame::Room`] that may pass goes on to the hub of its room.
    pub fn handle_envelope(&mut self, now: Moment, envelope: &Envelope) -> Passage {
        if envelope.from == self.me {
            return Passage::Dropped;
        }
        let heard = self.listened_until(now);
        let trip = i128::from(now.0) - i128::from(envelope.sent.0);
        let contact = self.nodes.entry(envelope.from.clone()).or_insert(Contact {
            heard: 0,
            sight: Sight::Live,
            beat: 0,
            quickest: trip,
            mismatches: 0,
        });
        contact.quickest = contact.quickest.min(trip);
        if trip - contact.quickest > i128::from(HELD_UP_MS) {
            self.figures.held_up += 1;
            return Passage::Dropped;
        }
        contact.heard = heard;
        if contact.sight == Sight::Silent {
            contact.sight = Sight::Live;
            self.figures.revived += 1;
            self.outputs.push_back(ClusterOutput::Tell(Tidings::Heard(envelope.from.clone())));
        }
        if let Frame::Node { frame } = &envelope.frame {
            self.node_frame(&envelope.from, *frame);
        }
        Passage::Timely
    }

    /// The sums of this moment, for what [`ClusterOutput::Sum`] asked them for.
    pub fn summed(&mut self, purpose: Purpose, sums: &Digests) {
        match purpose {
            Purpose::Tell => {
                for (node, (mine, yours)) in &sums.0 {
                    let frame = NodeFrame::Digest { mine: *mine, yours: *yours };
                    self.outputs.push_back(ClusterOutput::Publish { subject: Subject::Inbox(node.clone()), frame });
                }
            }
            Purpose::Compare { node, mine, yours } => {
                let Some(contact) = self.nodes.get_mut(&node) else { return };
                let Some((ours, theirs)) = sums.0.get(&node).copied() else {
                    if (mine, yours) != (0, 0) {
                        // It shares rooms with us of which we know nothing, or not any more: it has to find out.
                        let frame = NodeFrame::Digest { mine: 0, yours: 0 };
                        self.outputs.push_back(ClusterOutput::Publish { subject: Subject::Inbox(node), frame });
                    }
                    return;
                };
                // The first difference may only be a delta under way.
                if (mine, yours) == (theirs, ours) {
                    contact.mismatches = 0;
                    return;
                }
                contact.mismatches += 1;
                self.figures.mismatches += 1;
                if contact.mismatches == 2 {
                    contact.mismatches = 0;
                    self.figures.comparisons += 1;
                    self.tell(Tidings::Compare(node, Extent::Shared));
                }
            }
        }
    }

    /// This node is about to end: the others need not wait for its silence.
    pub fn bye(&mut self) {
        self.publish(NodeFrame::Bye {});
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.look(now);
        if now < self.next {
            return;
        }
        self.next = now.after(self.interval());
        if self.link != Link::Down {
            if std::mem::replace(&mut self.losses, Losses::None) == Losses::Found {
                self.tell(Tidings::Up);
            }
            self.beats += 1;
            self.publish(NodeFrame::Beat { number: self.beats });
            self.outputs.push_back(ClusterOutput::Sum(Purpose::Tell));
            self.outputs.push_back(ClusterOutput::Beat);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Moment {
        self.next
    }

    /// The next effect, in order.
    pub fn poll_output(&mut self) -> Option<ClusterOutput> {
        self.outputs.pop_front()
    }

    fn interval(&self) -> u64 {
        BEAT_MS * (self.nodes.len() as u64).div_ceil(MANY).max(1)
    }

    fn up(&mut self) {
        let before = std::mem::replace(&mut self.link, Link::Healthy);
        if before == Link::Down {
            self.tell(Tidings::Up);
        }
    }

    fn node_frame(&mut self, from: &NodeId, frame: NodeFrame) {
        match frame {
            NodeFrame::Beat { number } => {
                let Some(contact) = self.nodes.get_mut(from) else { return };
                // A beat that was overtaken says nothing new.
                if number <= contact.beat {
                    return;
                }
                let missed = number - contact.beat - 1;
                let known = std::mem::replace(&mut contact.beat, number) > 0;
                contact.quickest += DRIFT_MS;
                if missed > 0 {
                    // Of what it said before we first heard it nothing is missing.
                    self.figures.missed_beats += if known { missed } else { 0 };
                    self.tell(Tidings::Compare(from.clone(), Extent::All));
                }
            }
            NodeFrame::Bye {} => {
                self.nodes.remove(from);
                self.figures.silenced += 1;
                self.tell(Tidings::Silent(from.clone()));
            }
            NodeFrame::Digest { mine, yours } => {
                let purpose = Purpose::Compare { node: from.clone(), mine, yours };
                self.outputs.push_back(ClusterOutput::Sum(purpose));
            }
        }
    }

    /// Counts the time in which we would have heard the others, and finds who was silent for too much of it.
    fn look(&mut self, now: Moment) {
        self.listened = self.listened_until(now);
        let before = self.looked.replace(now).unwrap_or(now);
        if self.was_stopped(before, now) && self.link != Link::Down {
            // Whatever was said meanwhile may be lost to us, and what we know is old.
            self.tell(Tidings::Up);
        }
        let mut silent = Vec::new();
        let (listened, lease) = (self.listened, LEASE_MS.max(LEASE_BEATS * self.interval()));
        for (node, contact) in &mut self.nodes {
            if contact.silence(listened) >= lease && contact.sight == Sight::Live {
                contact.sight = Sight::Silent;
                silent.push(node.clone());
            }
        }
        self.figures.silenced += silent.len() as u64;
        silent.into_iter().for_each(|node| self.tell(Tidings::Silent(node)));
        // Forgotten in the end: what it says then is the first we hear of it, and everything is compared.
        self.nodes.retain(|_, contact| contact.silence(listened) < 4 * lease);
    }

    /// For how long we could have heard the others: not while our link was in doubt, nor while we were stopped.
    fn listened_until(&self, now: Moment) -> u64 {
        let before = self.looked.unwrap_or(now);
        let counts = self.link == Link::Healthy && !self.was_stopped(before, now);
        self.listened + if counts { now.since(before) } else { 0 }
    }

    /// Whether we did not run for longer than we ever sleep.
    fn was_stopped(&self, before: Moment, now: Moment) -> bool {
        now.since(before) > 2 * self.interval()
    }

    fn tell(&mut self, tidings: Tidings) {
        self.outputs.push_back(ClusterOutput::Tell(tidings));
    }

    fn publish(&mut self, frame: NodeFrame) {
        self.outputs.push_back(ClusterOutput::Publish { subject: Subject::Nodes, frame });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_nodes_that_beat_seldom_none_is_silent_until_it_is() {
        let node = |number: u64| NodeId::parse(&format!("n{number}")).expect("a node id");
        let mut cluster = Cluster::new(node(0));
        cluster.handle_input(Moment(0), ClusterInput::BackplaneUp);
        // The last of them says nothing after its first beat.
        let (mut now, mut silent) = (0, Vec::new());
        for number in 1..=6 {
            for from in (1..=640).map(node).filter(|from| number == 1 || *from != node(640)) {
                let frame = Frame::Node { frame: NodeFrame::Beat { number } };
                cluster.handle_envelope(Moment(now), &Envelope { from, sent: Moment(now), frame });
            }
            for _ in 0..20 {
                now += 1_000;
                cluster.handle_timeout(Moment(now));
            }
            while let Some(output) = cluster.poll_output() {
                if let ClusterOutput::Tell(Tidings::Silent(node)) = output {
                    silent.push((node, now));
                }
            }
        }
        assert_eq!(silent, [(node(640), 80_000)]);
    }
}
