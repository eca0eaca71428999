//! One ledger and what it says; many of them are in `tests/cluster/revoking.rs`.

use super::*;

const NOW: u64 = 1_792_368_000_000;

fn node(name: &str) -> NodeId {
    NodeId::parse(name).expect("a node id")
}

fn of(number: usize) -> Target {
    Target::Identity { identity: Identity::parse(&format!("i{number}")).expect("an identity") }
}

fn revoke(ledger: &mut Ledger, number: usize) {
    ledger.impose(NOW, of(number), NOW + 60_000, 0, None).expect("a place");
}

fn said(ledger: &mut Ledger) -> Vec<(Subject, RevocationFrame)> {
    let outputs = std::iter::from_fn(|| ledger.poll_output());
    let said = outputs.filter_map(|output| match output {
        LedgerOutput::Publish { subject, frame } => Some((subject, frame)),
        LedgerOutput::Enforce(_) => None,
    });
    said.collect()
}

/// One that is settled because nobody answered.
fn settled() -> Ledger {
    let mut ledger = Ledger::among_others(100, Moment(0));
    ledger.tidings(Moment(0), &Tidings::Up);
    ledger.handle_timeout(Moment(ASKING_MS));
    assert!(ledger.is_settled());
    said(&mut ledger);
    ledger
}

#[test]
fn alone_it_enforces_and_says_nothing() {
    let mut ledger = Ledger::alone(100);
    assert!(ledger.is_settled() && ledger.poll_timeout().is_none());
    revoke(&mut ledger, 1);
    assert!(matches!(ledger.poll_output(), Some(LedgerOutput::Enforce(_))));
    ledger.beat(NOW);
    assert!(ledger.lift(NOW, &of(1)).is_some());
    assert!(ledger.poll_output().is_none());
}

#[test]
fn a_start_ends_with_a_copy_or_when_nobody_has_one() {
    let (other, inbox) = (node("other"), Subject::Inbox(node("other")));
    let mut source = settled();
    source.list = Revocations::new(5_000);
    (0..3_000).for_each(|number| revoke(&mut source, number));
    said(&mut source);
    source.hear(Moment(1), NOW, &other, RevocationFrame::Starting {});
    let [(_, held)] = <[_; 1]>::try_from(said(&mut source)).expect("one answer");
    source.hear(Moment(1), NOW, &other, RevocationFrame::Copy { digest: 0 });
    let mut parts = said(&mut source);
    // It asks back: the other holds something else.
    let asked = source.list.digest(NOW);
    assert_eq!(parts.pop(), Some((inbox.clone(), RevocationFrame::Copy { digest: asked })));
    assert!(parts.len() > 1 && parts.iter().all(|(to, _)| *to == inbox), "{}", parts.len());

    let starting = || {
        let mut ledger = Ledger::among_others(5_000, Moment(0));
        assert!(!ledger.is_settled());
        ledger.tidings(Moment(10), &Tidings::Up);
        assert_eq!(said(&mut ledger), [(Subject::Nodes, RevocationFrame::Starting {})]);
        ledger
    };
    let mut ledger = starting();
    ledger.hear(Moment(20), NOW, &other, held);
    assert_eq!(said(&mut ledger), [(inbox.clone(), RevocationFrame::Copy { digest: 0 })]);
    // In any order, and one of them twice.
    for (_, part) in parts.iter().rev().chain(parts.last()) {
        assert!(!ledger.is_settled());
        ledger.hear(Moment(30), NOW, &other, part.clone());
        if matches!(part, RevocationFrame::Part { part: 0, .. }) {
            break;
        }
    }
    assert!(ledger.is_settled());
    assert_eq!(ledger.list().held(NOW).count(), 3_000);

    // One that starts too is not asked, and has no answer.
    let mut ledger = starting();
    ledger.hear(Moment(20), NOW, &other, RevocationFrame::Starting {});
    revoke(&mut ledger, 1);
    ledger.beat(NOW);
    let news = said(&mut ledger);
    assert!(matches!(news.as_slice(), [(Subject::Nodes, RevocationFrame::News { .. })]), "{news:?}");

    // The same digest is enough.
    let mut ledger = starting();
    ledger.hear(Moment(20), NOW, &other, RevocationFrame::Held { digest: 0 });
    assert!(ledger.is_settled());

    // Nobody is there.
    let mut ledger = starting();
    ledger.handle_timeout(Moment(10 + ASK_AGAIN_MS));
    assert_eq!(said(&mut ledger), [(Subject::Nodes, RevocationFrame::Starting {})]);
    ledger.handle_timeout(Moment(9 + ASKING_MS));
    assert!(!ledger.is_settled());
    ledger.handle_timeout(Moment(10 + ASKING_MS));
    assert!(ledger.is_settled());

    // A copy does not come: anybody may have it.
    let mut ledger = starting();
    ledger.hear(Moment(20), NOW, &other, RevocationFrame::Held { digest: 7 });
    assert_eq!(said(&mut ledger), [(inbox, RevocationFrame::Copy { digest: 0 })]);
    ledger.handle_timeout(Moment(20 + COPY_MS));
    assert_eq!(said(&mut ledger), [(Subject::Nodes, RevocationFrame::Starting {})]);
    ledger.hear(Moment(2_100), NOW, &node("third"), RevocationFrame::Held { digest: 7 });
    assert_eq!(said(&mut ledger), [(Subject::Inbox(node("third")), RevocationFrame::Copy { digest: 0 })]);
    ledger.hear(
        Moment(2_110),
        NOW,
        &node("third"),
        RevocationFrame::Part { part: 0, parts: 1, revocations: Vec::new() },
    );
    assert!(ledger.is_settled());

    // There is no backplane.
    let mut ledger = Ledger::among_others(100, Moment(0));
    assert_eq!(ledger.poll_timeout(), Some(Moment(APART_MS)));
    ledger.handle_timeout(Moment(APART_MS));
    assert!(ledger.is_settled());
}

#[test]
fn a_difference_is_repaired_when_it_stays_and_by_one_copy() {
    let mut ledger = settled();
    let (now, held) = (Moment(60_000), RevocationFrame::Held { digest: 7 });
    ledger.hear(now, NOW, &node("a"), held.clone());
    assert_eq!(said(&mut ledger), [], "it may be news under way");
    // The same again: it was.
    ledger.hear(now, NOW, &node("a"), RevocationFrame::Held { digest: 0 });
    ledger.hear(now, NOW, &node("a"), held.clone());
    assert_eq!(said(&mut ledger), []);
    for name in ["b", "a", "b", "c", "c"] {
        ledger.hear(now.after(1), NOW, &node(name), held.clone());
    }
    assert_eq!(
        said(&mut ledger),
        [(Subject::Inbox(node("a")), RevocationFrame::Copy { digest: 0 })],
        "one copy at a time"
    );
    ledger.hear(now.after(1 + COPY_MS), NOW, &node("c"), held.clone());
    assert_eq!(said(&mut ledger), [(Subject::Inbox(node("c")), RevocationFrame::Copy { digest: 0 })]);
    let figures = LedgerFigures { mismatches: 8, repairs: 2, overflowed: 0 };
    assert_eq!(ledger.figures(), figures);
    // It is here before its time is over: the next may come.
    ledger.hear(
        now.after(5 + COPY_MS),
        NOW,
        &node("c"),
        RevocationFrame::Part { part: 0, parts: 1, revocations: Vec::new() },
    );
    ledger.hear(now.after(6 + COPY_MS), NOW, &node("b"), held.clone());
    assert_eq!(said(&mut ledger), [(Subject::Inbox(node("b")), RevocationFrame::Copy { digest: 0 })]);
    // After a gap the first difference is enough.
    for tidings in [Tidings::Up, Tidings::Compare(node("d"), crate::cluster::Extent::All)] {
        let mut ledger = settled();
        ledger.tidings(now, &tidings);
        ledger.hear(now.after(1), NOW, &node("d"), held.clone());
        assert_eq!(
            said(&mut ledger),
            [(Subject::Inbox(node("d")), RevocationFrame::Copy { digest: 0 })],
            "{tidings:?}"
        );
    }
}

#[test]
fn a_beat_says_what_is_held_and_nothing_of_nothing() {
    let mut ledger = settled();
    ledger.beat(NOW);
    assert_eq!(said(&mut ledger), []);
    revoke(&mut ledger, 1);
    said(&mut ledger);
    ledger.beat(NOW);
    let digest = ledger.list.digest(NOW);
    assert_eq!(said(&mut ledger), [(Subject::Nodes, RevocationFrame::Held { digest })]);
    ledger.beat(NOW + 60_000);
    assert_eq!(said(&mut ledger), []);
}
