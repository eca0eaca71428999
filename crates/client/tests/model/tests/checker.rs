//! The checker sees each kind of broken promise, and no other.

use aldis_client::streams::Fate::{Delivered, NotDelivered, Unknown};

use crate::checker::{Cause, Checker, Kind, Letter, Stay};

const A: Stay = Stay { side: 0, number: 1 };
const B: Stay = Stay { side: 1, number: 1 };
const ONE: Letter = Letter { id: 1, from: A, to: B, sent_at: 0 };
const TWO: Letter = Letter { id: 2, ..ONE };

fn check(story: impl FnOnce(&mut Checker)) -> Vec<(u64, Kind)> {
    let mut checker = Checker::default();
    for letter in [ONE, TWO] {
        checker.sent(letter);
    }
    story(&mut checker);
    checker.violations.iter().map(|violation| (violation.letter.id, violation.kind)).collect()
}

#[test]
fn it_sees_nothing_wrong_where_all_is_well() {
    let seen = check(|c| {
        for letter in [ONE, TWO] {
            c.arrived(letter, 1);
            c.settled(letter, Delivered, Cause::Expire, 0, 100);
        }
    });
    assert_eq!(seen, []);
    assert_eq!(check(|c| c.settled(ONE, NotDelivered, Cause::Refuse, 30_000, 30_000)), []);
}

#[test]
fn it_sees_what_was_lost() {
    let seen = check(|c| {
        c.settled(ONE, Delivered, Cause::Expire, 0, 100);
        c.arrived(ONE, 200);
    });
    assert_eq!(seen, [(1, Kind::Lost)]);
}

#[test]
fn it_sees_what_came_twice_or_too_late_for_its_place() {
    let arrive = |first, second| {
        check(move |c| {
            c.arrived(first, 1);
            c.arrived(second, 2);
        })
    };
    assert_eq!(arrive(ONE, ONE), [(1, Kind::Twice)]);
    assert_eq!(arrive(TWO, ONE), [(1, Kind::Disordered)]);
}

#[test]
fn it_sees_what_contradicts_a_report() {
    let came_afterwards = check(|c| {
        c.settled(ONE, NotDelivered, Cause::Expire, 0, 100);
        c.arrived(ONE, 200);
    });
    let had_come = check(|c| {
        c.arrived(ONE, 1);
        c.settled(ONE, NotDelivered, Cause::Expire, 0, 100);
    });
    assert_eq!([came_afterwards, had_come], [[(1, Kind::Contradicted)], [(1, Kind::Contradicted)]]);
}

#[test]
fn it_sees_what_is_settled_twice_too_late_or_never() {
    let twice = check(|c| {
        c.settled(ONE, Unknown, Cause::Expire, 0, 100);
        c.settled(ONE, Unknown, Cause::Expire, 0, 100);
    });
    assert_eq!(twice, [(1, Kind::SettledTwice)]);
    assert_eq!(check(|c| c.settled(ONE, Unknown, Cause::Expire, 0, 31_001)), [(1, Kind::Unsettled)]);
    let never = check(|c| {
        c.settled(ONE, Unknown, Cause::Expire, 0, 100);
        c.finish(90_000);
    });
    assert_eq!(never, [(2, Kind::Unsettled)]);
}

#[test]
fn it_sees_what_was_given_up_on_a_free_way_or_in_the_newest_epoch() {
    assert_eq!(check(|c| c.settled(ONE, Unknown, Cause::Expire, 20_000, 30_000)), [(1, Kind::GivenUp)]);
    assert_eq!(check(|c| c.settled(ONE, Unknown, Cause::Receive, 0, 10)), [(1, Kind::GivenUp)]);
}
