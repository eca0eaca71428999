//! Many nodes as one: rosters that only their owners write, joins that ask first, sessions that move.
//!
//! Every node owns the sessions of its own connections and shows them to the others as soft state: a node's part of a room's roster
//! has a version, every change says which version it follows, and whoever has missed one asks. Nothing is kept anywhere else. A
//! [`NodeId`](aldis_protocol::NodeId) is one life of a process, so a restarted node is another one.
//!
//! What a node shows is mirrored as it is, and what our clients know follows from all mirrors and from our own sessions. Nothing is
//! decided where a frame comes in, so nothing has to be remembered of decisions, and equal versions are equal rosters.
//!
//! **Absence is never departure.** Only the owner of a session says that it has left for good. What is not heard of any more is
//! adrift: away at first, unreachable at last, and back as soon as somebody has it.
//!
//! | module | holds |
//! |---|---|
//! | [`nodes`] | [`Cluster`]: one for a node, over all its hubs: leases, beats, digests |
//! | [`ledger`] | [`Ledger`]: the revocations of a node, and what keeps those of all nodes the same |
//! | [`frame`] | what nodes say to each other |
//! | [`envelope`] | a frame's outside: version, sender, time, MAC |
//! | `shared` | what a room keeps of the other nodes, and its deadlines |
//! | `hear` | what a room does with a frame |
//! | `mirror` | what each of the other nodes shows |
//! | `roster` | the peers of other nodes as our clients know them: seen, adrift, gone |
//! | `duplicates` | the rules of an identity that is on several nodes |
//! | `asking` | a join that asks the others first |
//! | `moving` | sessions that go to another node |
//! | `crossing` | signals and their receipts across nodes |
//! | [`figures`] | what is worth counting, for the metrics |
//!
//! A lone node's rooms have no `shared` part, and nothing of this runs.

mod asking;
pub(crate) mod codec;
mod crossing;
mod duplicates;
pub mod envelope;
pub mod figures;
pub mod frame;
mod hear;
pub mod ledger;
mod mirror;
mod moving;
pub mod nodes;
mod roster;
pub(crate) mod shared;

pub use envelope::{Envelope, Unopened};
pub use figures::{Claims, Figures};
pub use frame::{Frame, NodeFrame, RevocationFrame, RoomFrame, Subject};
pub use ledger::{Ledger, LedgerFigures, LedgerOutput};
pub use nodes::{Cluster, ClusterInput, ClusterOutput, Digests, Extent, Link, Passage, Purpose, Tidings};
pub(crate) use {
    asking::Stage,
    nodes::{digest, fingerprint},
    shared::{Member, Shared},
};
