//! What providers elsewhere have made and that still lives: to hand it out again for a while, and to take it back.
//!
//! It holds `limits.turn_credentials_tracked` at most; the oldest go first. Those can no longer be taken back, and end with their time.
//!
//! Pure: time comes in.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use aldis_core::Moment;
use aldis_protocol::Identity;

use super::{
    chain::Link,
    provider::{Minted, reuse_for},
};

/// Less is not worth handing out again.
const WORTH_MS: u64 = 60_000;

/// Credentials that live.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) minted: Arc<Minted>,
    /// Who made them.
    pub(super) link: Arc<Link>,
    /// When they were made.
    made: Moment,
}

/// Whether there was room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// There was.
    Beside,
    /// Others that still lived were forgotten.
    InPlaceOfOthers,
}

/// The credentials of all identities.
#[derive(Default)]
pub(super) struct Ledger {
    /// By identity, the newest last.
    live: HashMap<Identity, Vec<(u64, Live)>>,
    /// All of them, the oldest first. What was taken out is still here until its turn comes.
    order: VecDeque<(u64, Identity)>,
    next: u64,
}

impl Live {
    pub(super) fn new(minted: Arc<Minted>, link: Arc<Link>, made: Moment) -> Self {
        Self { minted, link, made }
    }

    /// How long ago they were made.
    pub(super) fn age(&self, now: Moment) -> Duration {
        Duration::from_millis(now.since(self.made))
    }

    fn ttl(&self) -> Duration {
        self.minted.life.map_or(Duration::MAX, |life| life.ttl)
    }

    fn lives(&self, now: Moment) -> bool {
        self.age(now) < self.ttl()
    }
}

impl Ledger {
    /// Those of an identity that are new enough to be handed out as if they were fresh.
    pub(super) fn fresh(&self, identity: &Identity, now: Moment) -> Option<Live> {
        self.newest(identity).filter(|live| live.age(now) < reuse_for(live.ttl())).cloned()
    }

    /// Those of an identity that do for now, where there are no fresh ones.
    pub(super) fn left(&self, identity: &Identity, now: Moment) -> Option<Live> {
        let worth = Duration::from_millis(WORTH_MS);
        self.newest(identity).filter(|live| live.age(now).saturating_add(worth) < live.ttl()).cloned()
    }

    /// Enters what was made.
    pub(super) fn enter(&mut self, identity: &Identity, live: Live, now: Moment, most: u64) -> Entered {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let mut entered = Entered::Beside;
        while let Some((number, oldest)) = self.order.front()
            && (self.order.len() >= most || !self.is_alive(*number, oldest, now))
        {
            if self.is_alive(*number, oldest, now) {
                entered = Entered::InPlaceOfOthers;
            }
            let Some((number, oldest)) = self.order.pop_front() else { break };
            self.forget(number, &oldest);
        }
        let number = self.next;
        self.next += 1;
        self.live.entry(identity.clone()).or_default().push((number, live));
        self.order.push_back((number, identity.clone()));
        entered
    }

    /// Takes out all that live of an identity.
    pub(super) fn take(&mut self, identity: &Identity, now: Moment) -> Vec<Live> {
        let taken = self.live.remove(identity).unwrap_or_default();
        taken.into_iter().map(|(_, live)| live).filter(|live| live.lives(now)).collect()
    }

    fn newest(&self, identity: &Identity) -> Option<&Live> {
        self.live.get(identity)?.last().map(|(_, live)| live)
    }

    fn is_alive(&self, number: u64, identity: &Identity, now: Moment) -> bool {
        let entries = self.live.get(identity).map(Vec::as_slice).unwrap_or_default();
        entries.iter().any(|(other, live)| *other == number && live.lives(now))
    }

    fn forget(&mut self, number: u64, identity: &Identity) {
        if let Some(entries) = self.live.get_mut(identity) {
            entries.retain(|(other, _)| *other != number);
            if entries.is_empty() {
                self.live.remove(identity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::{chain::tests::link, provider::Life};

    fn who(name: &str) -> Identity {
        Identity::parse(name).expect("an identity")
    }

    fn live(ttl_s: u64, at: u64) -> Live {
        let life = Some(Life::new(Duration::from_secs(ttl_s), 0));
        Live::new(Arc::new(Minted { servers: Vec::new(), life, cuts_at_expiry: false }), link("a", 1), Moment(at))
    }

    #[test]
    fn credentials_are_fresh_for_half_a_minute_or_a_tenth_of_their_time() {
        let ann = who("ann");
        for (ttl_s, fresh_ms) in [(3_600, 30_000), (100, 10_000)] {
            let mut ledger = Ledger::default();
            ledger.enter(&ann, live(ttl_s, 1), Moment(1), 9);
            assert!(ledger.fresh(&ann, Moment(fresh_ms)).is_some(), "{ttl_s}");
            assert!(ledger.fresh(&ann, Moment(fresh_ms + 1)).is_none(), "{ttl_s}");
            assert!(ledger.fresh(&who("bob"), Moment(1)).is_none());
        }
    }

    #[test]
    fn they_do_for_longer_where_there_are_none_that_are_fresh() {
        let (mut ledger, ann) = (Ledger::default(), who("ann"));
        ledger.enter(&ann, live(3_600, 0), Moment(0), 9);
        assert!(ledger.left(&ann, Moment(3_539_999)).is_some());
        assert!(ledger.left(&ann, Moment(3_540_000)).is_none());
    }

    #[test]
    fn all_that_live_are_taken_out_and_no_others() {
        let (mut ledger, ann, bob) = (Ledger::default(), who("ann"), who("bob"));
        ledger.enter(&ann, live(60, 0), Moment(0), 9);
        ledger.enter(&bob, live(600, 0), Moment(0), 9);
        ledger.enter(&ann, live(600, 50_000), Moment(50_000), 9);
        ledger.enter(&ann, live(600, 59_000), Moment(59_000), 9);
        let made: Vec<_> = ledger.take(&ann, Moment(60_000)).iter().map(|live| live.made).collect();
        assert_eq!(made, [Moment(50_000), Moment(59_000)]);
        assert_eq!(ledger.take(&ann, Moment(60_000)).len(), 0);
        assert!(ledger.fresh(&ann, Moment(60_000)).is_none());
        assert_eq!(ledger.take(&bob, Moment(60_000)).len(), 1);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut ledger = Ledger::default();
        let names: Vec<_> = (0..9).map(|number| who(&format!("peer-{number}"))).collect();
        let entered: Vec<_> = names.iter().map(|name| ledger.enter(name, live(600, 0), Moment(0), 7)).collect();
        assert_eq!(entered[..7], [Entered::Beside; 7]);
        assert_eq!(entered[7..], [Entered::InPlaceOfOthers; 2]);
        assert_eq!((ledger.live.len(), ledger.order.len()), (7, 7));
        assert!(ledger.fresh(&names[1], Moment(0)).is_none() && ledger.fresh(&names[2], Moment(0)).is_some());
        // What is over makes room without a word, and what was taken out too.
        let later = Moment(600_000);
        ledger.take(&names[2], later);
        assert_eq!(ledger.enter(&names[0], live(600, 600_000), later, 7), Entered::Beside);
        assert_eq!((ledger.live.len(), ledger.order.len()), (1, 1));
    }
}
