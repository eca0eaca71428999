//! How many credentials an identity, a room and a key may have made by providers elsewhere, which count what they are asked for.
//!
//! Each has `limits.turn_mints_per_…` within any `limits.turn_budget_ms`, at once or spread out (the generic cell rate algorithm: one
//! number is kept for each, when it would have nothing left to pay). What was not used for that long is forgotten, so the table holds
//! no more than two such times of what all keys allow.
//!
//! Pure: time comes in.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    mem,
};

use aldis_core::Moment;
use aldis_protocol::{Identity, Limits, RoomId, limits::Limit};

/// For whom credentials are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payer<'a> {
    pub(super) identity: &'a Identity,
    pub(super) room: &'a RoomId,
    /// The key that signed the token.
    pub(super) kid: &'a str,
}

/// Somebody's budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) limit: Limit,
    /// When there is one more, in milliseconds from now.
    pub(super) wait_ms: u64,
}

/// The budgets.
#[derive(Debug, Default)]
pub(super) struct Budget {
    hasher: RandomState,
    young: HashMap<u64, Moment>,
    old: HashMap<u64, Moment>,
    /// When what is old is forgotten.
    turns: Moment,
}

impl Budget {
    /// Pays for one, if all three can.
    pub(super) fn pay(&mut self, payer: &Payer<'_>, now: Moment, limits: &Limits) -> Result<(), Spent> {
        let window = limits.turn_budget_ms;
        if self.turns <= now {
            let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
            // Nobody has paid for two windows.
            if self.turns.after(window) <= now {
                self.old.clear();
            }
            drop(forgotten);
            self.turns = now.after(window);
        }
        let Payer { identity, room, kid } = *payer;
        let purses = [
            (self.purse("key", kid), Limit::turn_mints_per_key, limits.turn_mints_per_key),
            (self.purse("room", room), Limit::turn_mints_per_room, limits.turn_mints_per_room),
            (self.purse("identity", identity), Limit::turn_mints_per_identity, limits.turn_mints_per_identity),
        ];
        let mut paid = [Moment::default(); 3];
        for (paid, (purse, limit, most)) in paid.iter_mut().zip(purses) {
            let due = self.young.get(&purse).or_else(|| self.old.get(&purse)).copied().unwrap_or_default();
            *paid = due.max(now).after((window / most).max(1));
            let wait_ms = paid.since(now.after(window));
            if wait_ms > 0 {
                return Err(Spent { limit, wait_ms });
            }
        }
        for (paid, (purse, ..)) in paid.into_iter().zip(purses) {
            self.young.insert(purse, paid);
        }
        Ok(())
    }

    /// How many purses are remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The key of a purse: a keyed hash of its owner. Two that share one by chance share a budget.
    fn purse(&self, kind: &str, owner: impl Hash) -> u64 {
        self.hasher.hash_one((kind, owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            turn_budget_ms: 60_000,
            turn_mints_per_identity: 3,
            turn_mints_per_room: 5,
            turn_mints_per_key: 8,
            ..Limits::default()
        }
    }

    fn pay(budget: &mut Budget, who: (&str, &str, &str), at: u64) -> Result<(), Spent> {
        let (identity, room) = (Identity::parse(who.0).expect("an identity"), RoomId::parse(who.1).expect("a room"));
        budget.pay(&Payer { identity: &identity, room: &room, kid: who.2 }, Moment(at), &limits())
    }

    #[test]
    fn an_identity_a_room_and_a_key_have_so_many_mints() {
        let mut budget = Budget::default();
        for _ in 0..3 {
            assert_eq!(pay(&mut budget, ("ann", "a", "k"), 1), Ok(()));
        }
        let spent = |limit, wait_ms| Err(Spent { limit, wait_ms });
        assert_eq!(pay(&mut budget, ("ann", "b", "k"), 1), spent(Limit::turn_mints_per_identity, 20_000));
        for who in ["bob", "cay"] {
            assert_eq!(pay(&mut budget, (who, "a", "k"), 1), Ok(()));
        }
        assert_eq!(pay(&mut budget, ("dan", "a", "k"), 1), spent(Limit::turn_mints_per_room, 12_000));
        for who in ["dan", "eve", "fay"] {
            assert_eq!(pay(&mut budget, (who, "b", "k"), 1), Ok(()));
        }
        assert_eq!(pay(&mut budget, ("gil", "c", "k"), 1), spent(Limit::turn_mints_per_key, 7_500));
        assert_eq!(pay(&mut budget, ("gil", "c", "j"), 1), Ok(()));
        // Whoever was refused has paid nothing.
        assert_eq!(pay(&mut budget, ("dan", "c", "j"), 1), Ok(()));
    }

    #[test]
    fn a_budget_fills_up_again() {
        let mut budget = Budget::default();
        let mut granted = 0;
        for second in 0..600 {
            granted += u32::from(pay(&mut budget, ("ann", "a", "k"), second * 1_000).is_ok());
        }
        // Three at once, then one each 20 s.
        assert_eq!(granted, 3 + 29);
    }

    #[test]
    fn who_has_paid_long_ago_is_forgotten() {
        let mut budget = Budget::default();
        for number in 0..600 {
            let who = format!("peer-{number}");
            assert_eq!(pay(&mut budget, (&who, &who, "k"), number * 7_500), Ok(()));
            assert!(budget.remembered() <= 2 * (1 + 2 * 9), "{}", budget.remembered());
        }
        assert_eq!(pay(&mut budget, ("peer-599", "peer-599", "k"), 10_000_000), Ok(()));
        assert_eq!(budget.remembered(), 3);
    }
}
