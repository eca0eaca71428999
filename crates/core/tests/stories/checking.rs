//! `check`: is the signaling of a peer alive?

use aldis_protocol::{Presence, server::LeaveReason};

use crate::support::{Bench, checked, left};

const CHECK: &str = r#"{"type":"check","id":"bob"}"#;

#[test]
fn a_sign_of_life_answers_everybody_who_asked() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.say(&alice, CHECK);
    bench.say(&carol, CHECK);
    bench.say(&alice, CHECK);
    bench.expect(&[bob.probed(), bob.probed(), bob.probed()]);
    bench.alive(&bob);
    bench.expect(&[alice.gets(checked("bob", Presence::Here)), carol.gets(checked("bob", Presence::Here))]);
    bench.alive(&bob);
    bench.expect_nothing();
}

#[test]
fn a_broken_connection_is_away_and_a_goodbye_is_gone() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&alice, CHECK);
    bench.expect(&[bob.probed()]);
    bench.lose(&bob);
    bench.expect(&[alice.gets(checked("bob", Presence::Away))]);
    bench.say(&alice, CHECK);
    bench.expect(&[alice.gets(checked("bob", Presence::Away))]);

    let bob = bench.again(&bob).enter();
    bench.skip();
    bench.say(&alice, CHECK);
    bench.expect(&[bob.probed()]);
    bench.say(&bob, r#"{"type":"leave"}"#);
    bench.expect(&[
        alice.gets(checked("bob", Presence::Gone)),
        alice.gets(left("bob", LeaveReason::Left)),
        bob.closed_with_bye(),
    ]);
}

#[test]
fn a_resume_is_a_sign_of_life() {
    let mut bench = Bench::new();
    let [alice, bob] = bench.crowd(["alice", "bob"]);
    bench.say(&alice, CHECK);
    bench.skip();
    let bob = bench.again(&bob).enter();
    bench.skip();
    bench.alive(&bob);
    bench.expect_nothing();
    bench.say(&alice, CHECK);
    bench.expect(&[bob.probed()]);
}

#[test]
fn whoever_is_not_in_the_room_is_gone() {
    let mut bench = Bench::new();
    let [alice, carol] = bench.crowd(["alice", "carol"]);
    bench.join("bob").room("elsewhere").enter();
    bench.say(&carol, r#"{"type":"leave"}"#);
    bench.skip();
    for name in ["bob", "nobody", "alice", "carol"] {
        bench.say(&alice, &format!(r#"{{"type":"check","id":"{name}"}}"#));
        bench.expect(&[alice.gets(checked(name, Presence::Gone))]);
    }
}

#[test]
fn an_asker_may_be_gone_before_the_answer() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = bench.crowd(["alice", "bob", "carol"]);
    bench.say(&alice, CHECK);
    bench.say(&carol, CHECK);
    bench.say(&alice, r#"{"type":"leave"}"#);
    bench.lose(&carol);
    bench.skip();
    bench.alive(&bob);
    bench.expect_nothing();
    // One that is away gets it when it is back.
    let carol = bench.again(&carol).enter();
    bench.expect(&[carol.welcomed(), carol.gets(checked("bob", Presence::Here))]);
}
