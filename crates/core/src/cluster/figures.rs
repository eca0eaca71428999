//! What is worth counting of a cluster, beside the [`Event`](crate::Event)s of its rooms. Whoever shows it reads it when it is asked for.

/// What a node has heard and missed of the others, from [`Cluster::figures`](crate::Cluster::figures).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Nodes that give signs of life now, without this one.
    pub live: u64,
    /// Leases that ran out, and goodbyes.
    pub silenced: u64,
    /// Silent nodes that were heard again.
    pub revived: u64,
    /// Beats that did not come: as many times two seconds of what somebody said are missing.
    pub missed_beats: u64,
    /// Frames that were on their way for too long.
    pub held_up: u64,
    /// Digests that differed; one alone may only have crossed a change.
    pub mismatches: u64,
    /// How often all shared rooms were compared because two digests in a row differed.
    pub comparisons: u64,
}

/// What became of sessions that were claimed, from [`Hub::claims`](crate::Hub::claims).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Sessions of this node that it let go for a claim.
    pub granted: u64,
    /// Sessions that another node let go for a claim of this one.
    pub taken: u64,
    /// Sessions that nobody had any more, or whose owner did not answer, and that go on here.
    pub unanswered: u64,
    /// Claims of sessions that are known to be dead: new stays.
    pub dead: u64,
}
