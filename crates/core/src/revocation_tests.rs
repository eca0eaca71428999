//! Tables of what a revocation refuses, and what merging promises.

use proptest::{collection::vec, prelude::*};

use super::*;

const NOW: u64 = 1_792_368_000_000;
const HOUR: u64 = 3_600_000;

fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("a room")
}

fn identity(name: &str) -> Identity {
    Identity::parse(name).expect("an identity")
}

fn token(name: &str) -> TokenId {
    TokenId::parse(name).expect("a jti")
}

fn stamp(id: Option<&str>, issued_at: Option<u64>) -> Stamp {
    Stamp { id: id.map(token), issued_at }
}

fn member(place: &str, name: &str) -> Target {
    Target::Member { room: room(place), identity: identity(name) }
}

#[test]
fn each_kind_refuses_its_own_and_nothing_else() {
    let (ann, issued) = (identity("ann"), Some(NOW - 1_000));
    let tables: [(Target, u64, [bool; 7]); 5] = [
        //                                              own    other  no jti  ann in  ann,    bob     ann, no
        //                                              token  jti            cellar  newer   lobby   iat
        (Target::Token { id: token("t") }, 0, [true, false, false, true, true, true, true]),
        (Target::Identity { identity: ann.clone() }, 0, [true, true, true, true, true, false, true]),
        (Target::Issued { identity: ann.clone() }, NOW, [true, true, true, true, false, false, true]),
        (Target::Room { room: room("lobby") }, 0, [true, true, true, false, true, true, true]),
        (member("lobby", "ann"), 0, [true, true, true, false, true, false, true]),
    ];
    for (target, not_before, expected) in tables {
        let mut list = Revocations::new(10);
        list.impose(NOW, target.clone(), NOW + HOUR, not_before, None).expect("room for one");
        let find = |place: &str, who: &str, stamp: Stamp| {
            let found = list.find(NOW, &room(place), &identity(who), &stamp);
            assert!(found.as_ref().is_none_or(|found| found.kind == target.kind()), "{target:?}: {found:?}");
            found.is_some()
        };
        let found = [
            find("lobby", "ann", stamp(Some("t"), issued)),
            find("lobby", "ann", stamp(Some("T"), issued)),
            find("lobby", "ann", stamp(None, issued)),
            find("cellar", "ann", stamp(Some("t"), issued)),
            find("lobby", "ann", stamp(Some("t"), Some(NOW))),
            find("lobby", "bob", stamp(Some("t"), issued)),
            find("lobby", "ann", stamp(Some("t"), None)),
        ];
        assert_eq!(found, expected, "{target:?}");
    }
}

#[test]
fn it_counts_to_its_end_and_not_a_millisecond_longer() {
    let mut list = Revocations::new(10);
    list.impose(NOW, member("lobby", "ann"), NOW + HOUR, 0, None).expect("room for one");
    let found = |list: &Revocations, at| list.find(at, &room("lobby"), &identity("ann"), &Stamp::default()).is_some();
    assert!(found(&list, NOW + HOUR - 1) && !found(&list, NOW + HOUR));
    assert_ne!(list.digest(NOW + HOUR - 1), 0);
    assert_eq!((list.digest(NOW + HOUR), list.is_empty()), (0, true));
}

#[test]
fn imposing_again_only_makes_it_longer() {
    let mut list = Revocations::new(1);
    let target = Target::Issued { identity: identity("ann") };
    let mut impose = |until, not_before| {
        let terms = list.impose(NOW, target.clone(), until, not_before, None).expect("it is there").terms;
        (terms.until, terms.not_before)
    };
    assert_eq!(impose(NOW + 5, 7), (NOW + 5, 7));
    assert_eq!(impose(NOW + 5, 7), (NOW + 5, 7));
    assert_eq!(impose(NOW + 3, 9), (NOW + 5, 9));
    assert_eq!(impose(NOW + 8, 1), (NOW + 8, 9));
}

#[test]
fn what_was_lifted_comes_back_only_when_it_is_imposed_anew() {
    let mut list = Revocations::new(2);
    let target = member("lobby", "ann");
    let first = list.impose(NOW, target.clone(), NOW + HOUR, 0, None).expect("room for one");
    let lifted = list.lift(NOW + 1, &target).expect("it was held");
    assert_eq!(list.get(NOW + 1, &target), None);
    assert_eq!(list.lift(NOW + 1, &target), None);
    // A node that has not heard of it says it again, and one that has reminds it.
    assert_eq!(list.merge(NOW + 2, &first), Merged::Nothing);
    let mut other = Revocations::new(2);
    for revocation in [&first, &lifted] {
        assert_eq!(other.merge(NOW + 2, revocation), Merged::Changed);
    }
    assert_eq!(other.get(NOW + 2, &target), None);
    assert_eq!(other.digest(NOW + 2), list.digest(NOW + 2));
    // It is remembered for longer than anybody can have held it.
    assert!(lifted.terms.until >= NOW + LONGEST_MS);
    let again = list.impose(NOW + 3, target.clone(), NOW + 4, 0, None).expect("it has its place");
    assert_eq!((again.terms.round, again.terms.until), (1, NOW + 4), "an earlier round's end does not count");
    assert_eq!(other.merge(NOW + 3, &again), Merged::Changed);
    assert_eq!(list.merge(NOW + 3, &lifted), Merged::Nothing);
    assert!(list.get(NOW + 3, &target).is_some() && other.get(NOW + 3, &target).is_some());
}

#[test]
fn moderators_have_half_of_the_places_and_what_is_lifted_needs_none() {
    let mut list = Revocations::new(4);
    let impose = |list: &mut Revocations, target: Target| list.impose(NOW, target, NOW + HOUR, 0, None).map(|_| ());
    let out = |name: &str| member("lobby", name);
    let of = |name: &str| Target::Identity { identity: identity(name) };
    assert_eq!((impose(&mut list, out("ann")), impose(&mut list, out("bob"))), (Ok(()), Ok(())));
    assert_eq!(impose(&mut list, out("cat")), Err(Full { most: 2 }));
    assert_eq!((impose(&mut list, of("cat")), impose(&mut list, of("dan"))), (Ok(()), Ok(())));
    assert_eq!(impose(&mut list, of("eve")), Err(Full { most: 4 }));
    // Junk that the operator takes back makes room at once.
    list.lift(NOW, &out("ann")).expect("it is held");
    assert_eq!((impose(&mut list, of("eve")), impose(&mut list, of("fay"))), (Ok(()), Err(Full { most: 4 })));
}

#[test]
fn a_full_list_refuses_the_next_and_drops_nothing() {
    let mut list = Revocations::new(2);
    let impose = |list: &mut Revocations, name: &str, at: u64| {
        list.impose(at, Target::Identity { identity: identity(name) }, NOW + HOUR, 0, None).map(|_| ())
    };
    assert_eq!((impose(&mut list, "ann", NOW), impose(&mut list, "bob", NOW)), (Ok(()), Ok(())));
    assert_eq!(impose(&mut list, "cat", NOW), Err(Full { most: 2 }));
    // One that is there already needs no place.
    assert_eq!(impose(&mut list, "ann", NOW), Ok(()));
    // Of others it takes more: they may be the other half of the cluster.
    let other = |name: &str| Revocation {
        target: Target::Identity { identity: identity(name) },
        terms: Terms { round: 0, standing: Standing::Held, until: NOW + 2 * HOUR, not_before: 0, reason: None },
    };
    let merged = ["dan", "eve", "fay", "dan"].map(|name| list.merge(NOW, &other(name)));
    assert_eq!(merged, [Merged::Changed, Merged::Changed, Merged::Full, Merged::Nothing]);
    assert_eq!(list.held(NOW).count(), 4);
    // What is over makes room.
    assert_eq!(impose(&mut list, "cat", NOW + HOUR), Err(Full { most: 2 }));
    assert_eq!(impose(&mut list, "cat", NOW + 2 * HOUR), Ok(()));
}

#[test]
fn who_is_refused_hears_why() {
    let finding = |kind, reason: Option<&str>| Finding { kind, reason: reason.map(str::to_owned) };
    for kind in Kind::ALL {
        let error = finding(kind, None).refusal();
        assert_eq!(error.code, ErrorCode::TokenRevoked);
        assert!(error.message.ends_with('.') && error.hint.is_some(), "{error:?}");
        let (code, error) = finding(kind, Some("spam")).expulsion();
        let expected = if kind == Kind::Member {
            (CloseCode::Removed, ErrorCode::Removed)
        } else {
            (CloseCode::Forbidden, ErrorCode::TokenRevoked)
        };
        assert_eq!((code, error.code), expected);
        assert!(error.message.ends_with(": spam"), "{error:?}");
    }
}

fn revocations() -> impl Strategy<Value = Revocation> {
    let targets = prop_oneof![
        Just(Target::Token { id: token("t") }),
        Just(Target::Identity { identity: identity("ann") }),
        Just(Target::Issued { identity: identity("ann") }),
        Just(Target::Room { room: room("lobby") }),
        Just(member("lobby", "ann")),
        Just(member("lobby", "bob")),
        Just(member("cellar", "ann")),
    ];
    let terms =
        (0..3_u32, any::<bool>(), 1..4_u64, 0..3_u64, prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))]);
    (targets, terms).prop_map(|(target, (round, held, until, not_before, reason))| Revocation {
        target,
        terms: Terms {
            round,
            standing: if held { Standing::Held } else { Standing::Lifted },
            until: NOW + until,
            not_before,
            reason: reason.map(str::to_owned),
        },
    })
}

fn list(of: &[&Revocation]) -> (Vec<Revocation>, u64) {
    let mut list = Revocations::new(100);
    for revocation in of {
        list.merge(NOW, revocation);
    }
    let digest = list.digest(NOW);
    (list.all(NOW).collect(), digest)
}

/// What can be done to a list, a little later than the step before.
#[derive(Debug, Clone)]
enum Step {
    Impose(Revocation),
    Lift(Target),
    Merge(Revocation),
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        revocations().prop_map(Step::Impose),
        revocations().prop_map(|revocation| Step::Lift(revocation.target)),
        revocations().prop_map(Step::Merge),
    ];
    vec((step, 0..2_u64), 0..40)
}

proptest! {
    #[test]
    fn the_counts_and_the_digest_are_those_of_what_is_there(steps in steps()) {
        let (mut list, mut now) = (Revocations::new(3), NOW);
        for (step, later) in steps {
            now += later;
            match step {
                Step::Impose(Revocation { target, terms }) => {
                    let known = list.all(now).any(|known| known.target == target);
                    let held = list.held(now).count();
                    let moderated = list.held(now).filter(|held| held.target.kind() == Kind::Member).count();
                    let full = !known && (held >= 3 || target.kind() == Kind::Member && moderated >= 2);
                    let imposed = list.impose(now, target, terms.until.max(now + 1), terms.not_before, None);
                    prop_assert!(imposed.is_err() == (full || !known && list.all(now).count() >= 6));
                }
                Step::Lift(target) => drop(list.lift(now, &target)),
                Step::Merge(revocation) => drop(list.merge(now, &revocation)),
            }
            for kind in Kind::ALL {
                let held = list.held(now).filter(|held| held.target.kind() == kind).count();
                prop_assert_eq!(list.count(now, kind), held);
            }
            let digest = list.all(now).fold(0, |digest, one| digest ^ Revocation::fingerprint(&one.target, &one.terms));
            prop_assert_eq!(list.digest(now), digest);
            let ends: Vec<_> = list.all(now).map(|one| (one.terms.until, one.target)).collect();
            prop_assert_eq!(list.ends.iter().cloned().collect::<std::collections::BTreeSet<_>>(), ends.into_iter().collect());
        }
    }

    #[test]
    fn merging_is_the_same_in_any_order_and_however_often(
        all in vec(revocations(), 0..12), order in vec(any::<prop::sample::Index>(), 0..24)
    ) {
        let expected = list(&all.iter().collect::<Vec<_>>());
        // Any shuffle that holds each at least once.
        let mut shuffled: Vec<_> = if all.is_empty() { Vec::new() } else { order.iter().map(|at| at.get(&all)).collect() };
        shuffled.extend(all.iter().rev());
        prop_assert_eq!(&list(&shuffled), &expected);
        // In two lists that then merge: it does not matter who had what.
        let (one, other) = all.split_at(all.len() / 2);
        let (one, other) = (list(&one.iter().collect::<Vec<_>>()).0, list(&other.iter().collect::<Vec<_>>()).0);
        prop_assert_eq!(&list(&other.iter().chain(&one).collect::<Vec<_>>()), &expected);
    }

    #[test]
    fn what_goes_between_nodes_comes_back_as_it_was(revocation in revocations()) {
        let mut bytes = Vec::new();
        revocation.write(&mut bytes);
        prop_assert!(bytes.len() <= revocation.wire_size());
        prop_assert_eq!(Revocation::read(&mut &*bytes), Some(revocation));
    }

    #[test]
    fn equal_lists_have_equal_digests_and_others_others(one in vec(revocations(), 0..4), other in vec(revocations(), 0..4)) {
        let (one, other) = (list(&one.iter().collect::<Vec<_>>()), list(&other.iter().collect::<Vec<_>>()));
        prop_assert_eq!(one.0 == other.0, one.1 == other.1);
    }
}
