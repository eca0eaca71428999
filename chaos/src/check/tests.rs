//! Each promise broken once, in a run that is whole otherwise.

use std::{collections::BTreeMap, time::Duration};

use aldis_client::protocol::{LeaveReason, Outcome, PeerId, Presence};

use super::{Kind, Verdict, check};
use crate::{
    faults::Fault,
    goals,
    history::{At, Course, Fate, Happening, History, Letter, Mark, Record, Seen},
};

/// When something is broken, when it is whole again, and when it is all over, in milliseconds.
const BROKEN: u64 = 10_000;
const HEALED: u64 = 20_000;
const ENDED: u64 = 60_000;

/// A run, in milliseconds: clients `a` and `b` in one room, `c` and `d` in another.
struct Story {
    fault: Fault,
    records: BTreeMap<&'static str, Vec<(u64, Happening)>>,
}

impl Story {
    /// Everybody has come.
    fn new(fault: Fault) -> Self {
        let mut story = Self { fault, records: BTreeMap::new() };
        for (name, other) in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")] {
            let peers = vec![seen(other, Presence::Here)];
            story.records.insert(name, Vec::new());
            story.tell(name, 1, Happening::Joined { me: id(name), peers });
        }
        story
    }

    fn tell(&mut self, name: &'static str, at: u64, what: Happening) -> &mut Self {
        self.records.get_mut(name).expect("one of four").push((at, what));
        self
    }

    fn sent(&mut self, name: &'static str, at: u64, number: u64, to: &str) -> &mut Self {
        self.tell(name, at, Happening::Sent { number, to: id(to) })
    }

    fn settled(&mut self, name: &'static str, at: u64, number: u64, fate: Fate) -> &mut Self {
        self.tell(name, at, Happening::Settled { number, fate })
    }

    /// To `b`, of `a`.
    fn delivered(&mut self, at: u64, number: u64) -> &mut Self {
        self.arrives("b", at, "a", letter(0, number, "b"))
    }

    fn arrives(&mut self, name: &'static str, at: u64, from: &str, letter: Letter) -> &mut Self {
        self.tell(name, at, Happening::Delivered { from: id(from), letter })
    }

    fn verdict(&mut self) -> Verdict {
        let ms = |at| At(at * 1_000);
        let histories: Vec<_> = std::mem::take(&mut self.records)
            .into_values()
            .enumerate()
            .map(|(client, mut records)| {
                records.sort_by_key(|(at, _)| *at);
                let records = records.into_iter().map(|(at, what)| Record { at: ms(at), what }).collect();
                History { client, room: client / 2, records }
            })
            .collect();
        let marks = vec![(ms(BROKEN), Mark::Began), (ms(HEALED), Mark::Healed)];
        check(&Course { fault: self.fault, ended: ms(ENDED), marks }, &histories)
    }

    /// What it breaks: the promises, and whose.
    fn broken(&mut self) -> Vec<(Kind, usize)> {
        self.verdict().violations.iter().map(|violation| (violation.kind, violation.client)).collect()
    }
}

fn id(text: &str) -> PeerId {
    PeerId::parse(text).expect("an id")
}

fn seen(text: &str, presence: Presence) -> Seen {
    Seen { id: id(text), presence }
}

fn letter(client: usize, number: u64, to: &str) -> Letter {
    Letter { client, number, to: id(to), ballast: String::new() }
}

fn rejected(outcome: Outcome) -> Fate {
    Fate::Rejected { why: "timed out".to_owned(), outcome }
}

fn updated(text: &str, presence: Presence) -> Happening {
    Happening::PeerUpdated { peer: seen(text, presence) }
}

fn broke() -> Happening {
    Happening::Reconnecting { error: "closed with 1006".to_owned() }
}

/// `a` sends one message to `b` at 11 s, and nothing is known of it yet.
fn one_message() -> Story {
    let mut story = Story::new(Fault::Kill);
    story.sent("a", 11_000, 1, "b");
    story
}

#[test]
fn a_run_that_keeps_all_promises_breaks_none() {
    let mut story = one_message();
    story.delivered(11_500, 1).settled("a", 12_000, 1, Fate::Delivered);
    // A message to somebody who could not be reached, and one of which nobody knows.
    story.sent("c", 11_000, 1, "d").settled("c", 41_900, 1, rejected(Outcome::NotDelivered));
    story.sent("c", 12_000, 2, "d").arrives("d", 13_000, "c", letter(2, 2, "d"));
    story.settled("c", 42_000, 2, rejected(Outcome::Unknown));
    // A connection that breaks, is seen to, and comes back.
    story.tell("d", 10_010, broke()).tell("c", 12_010, updated("d", Presence::Away));
    story.tell("d", 13_000, Happening::Resumed).tell("c", 13_001, updated("d", Presence::Here));
    // What happens while everybody leaves is nothing.
    story.tell("b", 60_001, Happening::PeerLeft { id: id("a"), reason: LeaveReason::Left });
    let verdict = story.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.letters.sent, verdict.letters.delivered), (3, 1));
    assert_eq!(verdict.letters.rejected, BTreeMap::from([("timed out".to_owned(), 2)]));
    assert_eq!(verdict.rosters.events, 2);
    assert_eq!(verdict.rosters.agreed, Some(Duration::ZERO));
    assert_eq!((verdict.returns.resumed, verdict.returns.anew), (1, 0));
    assert_eq!(verdict.returns.gaps, [Duration::from_secs(3)], "from the kill on");
    assert_eq!(goals::missed(Fault::Rolling, &verdict), Vec::<String>::new());
}

#[test]
fn what_was_delivered_and_never_came_is_lost() {
    assert_eq!(one_message().settled("a", 12_000, 1, Fate::Delivered).broken(), [(Kind::Lost, 0)]);
}

#[test]
fn what_comes_again_is_duplicated() {
    let mut story = one_message();
    story.delivered(11_500, 1).delivered(11_600, 1).settled("a", 12_000, 1, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::Duplicated, 1)]);
}

#[test]
fn what_comes_after_a_later_one_is_reordered() {
    let mut story = one_message();
    story.sent("a", 11_001, 2, "b").delivered(11_500, 2).delivered(11_600, 1);
    story.settled("a", 12_000, 1, Fate::Delivered).settled("a", 12_000, 2, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::Reordered, 1)]);
}

#[test]
fn what_comes_although_it_was_not_delivered_contradicts() {
    let mut story = one_message();
    story.settled("a", 12_000, 1, rejected(Outcome::NotDelivered)).delivered(13_000, 1);
    assert_eq!(story.broken(), [(Kind::Contradicted, 0)]);
}

#[test]
fn who_never_left_is_no_reason_to_give_up() {
    let gone = || Fate::Rejected { why: "peer-gone".to_owned(), outcome: Outcome::NotDelivered };
    assert_eq!(one_message().settled("a", 12_000, 1, gone()).broken(), [(Kind::GivenUp, 0)]);
    // Of a stay that is over it is true.
    let mut story = one_message();
    story.tell("b", 11_400, Happening::Joined { me: id("b2"), peers: vec![seen("a", Presence::Here)] });
    story.tell("a", 11_900, Happening::PeerJoined { peer: seen("b2", Presence::Here) });
    story.tell("a", 11_900, updated("b", Presence::Away));
    assert_eq!(story.settled("a", 12_000, 1, gone()).broken(), []);
}

#[test]
fn what_is_settled_late_or_never_is_unsettled() {
    assert_eq!(one_message().broken(), [(Kind::Unsettled, 0)]);
    let late = one_message().settled("a", 42_001, 1, rejected(Outcome::Unknown)).broken();
    assert_eq!(late, [(Kind::Unsettled, 0)]);
}

#[test]
fn what_is_settled_twice_is_blamed() {
    let mut story = one_message();
    story.delivered(11_500, 1).settled("a", 12_000, 1, Fate::Delivered).settled("a", 12_001, 1, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::SettledTwice, 0)]);
}

#[test]
fn what_nobody_wrote_or_somebody_else_did_is_forged() {
    // A message that does not exist.
    let mut story = Story::new(Fault::Kill);
    assert_eq!(story.delivered(11_500, 1).broken(), [(Kind::Forged, 1)]);
    // One whose address was changed.
    let mut story = one_message();
    story.arrives("b", 11_500, "a", letter(0, 1, "d")).settled("a", 12_000, 1, rejected(Outcome::Unknown));
    assert_eq!(story.broken(), [(Kind::Forged, 1)]);
    // One that comes as of somebody else, who is in the room.
    let mut story = Story::new(Fault::Kill);
    story.sent("a", 11_000, 1, "b").arrives("b", 11_500, "e", letter(0, 1, "b"));
    story.tell("b", 11_400, Happening::PeerJoined { peer: seen("e", Presence::Away) });
    assert_eq!(story.settled("a", 12_000, 1, Fate::Delivered).broken(), [(Kind::Forged, 1)]);
    // One that was for a stay which is over.
    let mut story = one_message();
    story.tell("b", 11_400, Happening::Joined { me: id("b2"), peers: vec![seen("a", Presence::Here)] });
    story.tell("a", 11_900, Happening::PeerJoined { peer: seen("b2", Presence::Here) });
    story.tell("a", 11_900, updated("b", Presence::Away));
    story.delivered(11_500, 1).settled("a", 12_000, 1, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::Forged, 1)]);
}

#[test]
fn what_comes_from_another_room_is_forged_and_from_a_stranger() {
    let mut story = Story::new(Fault::Kill);
    story.sent("c", 11_000, 1, "b").arrives("b", 11_500, "c", letter(2, 1, "b"));
    story.settled("c", 12_000, 1, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::Forged, 1), (Kind::Stranger, 1)]);
}

#[test]
fn who_is_seen_to_leave_has_not_left() {
    let mut story = Story::new(Fault::Rolling);
    story.tell("b", 11_000, Happening::PeerLeft { id: id("a"), reason: LeaveReason::Timeout });
    story.tell("b", 12_000, Happening::PeerJoined { peer: seen("a", Presence::Here) });
    assert_eq!(story.broken(), [(Kind::PeerLeft, 1)]);
}

#[test]
fn who_speaks_after_leaving_is_a_stranger() {
    let mut story = one_message();
    story.tell("b", 11_400, Happening::PeerLeft { id: id("a"), reason: LeaveReason::Timeout });
    story.tell("b", 12_000, Happening::PeerJoined { peer: seen("a", Presence::Here) });
    story.delivered(11_500, 1).settled("a", 12_000, 1, Fate::Delivered);
    assert_eq!(story.broken(), [(Kind::PeerLeft, 1), (Kind::Stranger, 1)]);
}

#[test]
fn a_short_cut_is_not_to_be_seen_and_a_long_one_may() {
    for (fault, expected) in [(Fault::Cut, [(Kind::RosterEvent, 1); 2].as_slice()), (Fault::LongCut, &[])] {
        let mut story = Story::new(fault);
        // Before anything is broken, rosters may move.
        story.tell("b", 9_000, updated("a", Presence::Away)).tell("b", 9_001, updated("a", Presence::Here));
        story.tell("b", 11_000, updated("a", Presence::Away)).tell("b", 12_000, updated("a", Presence::Here));
        assert_eq!(story.broken(), expected, "{fault}");
    }
}

#[test]
fn rosters_that_differ_in_the_end_disagree() {
    let mut story = Story::new(Fault::LongCut);
    assert_eq!(story.tell("b", 11_000, updated("a", Presence::Away)).broken(), [(Kind::Disagreed, 1)]);
    let mut story = Story::new(Fault::LongCut);
    let ghost = Happening::PeerJoined { peer: seen("ghost", Presence::Here) };
    assert_eq!(story.tell("c", 11_000, ghost).broken(), [(Kind::Disagreed, 2)]);
}

#[test]
fn rosters_that_agree_late_miss_a_goal() {
    let mut story = Story::new(Fault::LongCut);
    story.tell("b", 11_000, updated("a", Presence::Away)).tell("b", 25_001, updated("a", Presence::Here));
    let verdict = story.verdict();
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.rosters.agreed, Some(Duration::from_millis(5_001)));
    assert_eq!(goals::missed(Fault::LongCut, &verdict), ["all rosters agreed after 5.0s, not 5s"]);
}

#[test]
fn who_does_not_come_back_is_absent() {
    assert_eq!(Story::new(Fault::Kill).tell("a", 11_000, broke()).broken(), [(Kind::Absent, 0)]);
}

#[test]
fn who_is_refused_is_blamed() {
    let refused = Happening::Failed { error: "room-full".to_owned() };
    assert_eq!(Story::new(Fault::Kill).tell("a", 11_000, refused).broken(), [(Kind::Refused, 0)]);
}

#[test]
fn stays_that_do_not_go_on_and_late_returns_miss_goals() {
    let mut story = Story::new(Fault::Kill);
    // The whole second room breaks at the kill; one of the two goes on, and late.
    story.tell("c", 10_010, broke()).tell("c", 13_000, Happening::Resumed);
    story.tell("d", 10_020, broke());
    story.tell("d", 10_800, Happening::Joined { me: id("d2"), peers: vec![seen("c", Presence::Here)] });
    story.tell("c", 13_001, Happening::PeerJoined { peer: seen("d2", Presence::Here) });
    story.tell("c", 13_001, updated("d", Presence::Away));
    // A connection that takes the place of another is no gap.
    story.tell("a", 11_000, Happening::Resumed);
    let verdict = story.verdict();
    let returns = &verdict.returns;
    assert_eq!((returns.moved, returns.resumed, returns.anew), (1, 1, 1));
    assert_eq!((returns.together_resumed, returns.together_anew), (1, 1));
    assert_eq!(
        [50, 99].map(|percentile| returns.gap(percentile)),
        [800, 3_000].map(|ms| Some(Duration::from_millis(ms)))
    );
    let missed = goals::missed(Fault::Kill, &verdict);
    assert_eq!(
        missed,
        [
            "50.00 % of stays went on, not 99.5 %",
            "50.00 % of stays of whole rooms went on, not 99.5 %",
            "99 % of the clients were back after 3.0s, not 2.5s",
        ]
    );
}
