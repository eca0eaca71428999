//! Whatever befalls the relay, every message is delivered once and in order or rejected by name within 31 s.

use std::{collections::BTreeSet, time::Instant};

use crate::{
    checker::Counts,
    endpoint::Departed,
    history::history_of,
    world::{RULES, Rules, World},
};

/// Seeds that have found a fault or were the first to catch a mutant: they always run.
const FOUND: [u32; 5] = [0, 1, 2, 12, 13];
const SEEDS: u32 = 200;

#[test]
fn every_promise_is_kept_where_who_has_left_is_dead() {
    keeps_every_promise(Departed::Dead);
}

#[test]
fn every_promise_is_kept_where_the_streams_of_who_has_left_are_kept() {
    keeps_every_promise(Departed::Kept);
}

fn keeps_every_promise(departed: Departed) {
    let rules = Rules { departed, ..RULES };
    let seeds: BTreeSet<_> = FOUND.into_iter().chain(0..SEEDS * soak_factor()).collect();
    let mut total = Counts::default();
    let started = Instant::now();
    for seed in &seeds {
        let checker = World::new(*seed, rules).run();
        assert!(checker.violations.is_empty(), "{}", history_of(*seed, rules));
        total.add(checker.counts);
    }
    report(&format!("{departed:?}: {} seeds, {:.1?}, no violation: {total:?}", seeds.len(), started.elapsed()));
    assert!(total.sent > 100_000);
    assert_eq!(total.delivered + total.not_delivered + total.unknown, total.sent);
    // Most of it arrives, and every outcome occurs: a model in which nothing arrives would see no violation either.
    assert!(total.delivered as f64 / total.sent as f64 > 0.6);
    assert!(total.not_delivered > 1_000);
    assert!(total.unknown > 1_000);
}

#[test]
fn a_seed_always_tells_the_same_story() {
    let story_of = |seed| World::tell(seed, RULES).0;
    assert!(!story_of(3).is_empty());
    assert_eq!(story_of(3), story_of(3));
    assert_ne!(story_of(3), story_of(4));
}

/// So many times the seeds: `ALDIS_SOAK` of the environment, 1 where it says nothing.
fn soak_factor() -> u32 {
    let said = std::env::var("ALDIS_SOAK").unwrap_or_else(|_| "1".to_owned());
    let factor = said.parse().ok().filter(|factor| *factor > 0);
    factor.unwrap_or_else(|| panic!("ALDIS_SOAK is to be a whole number from 1 up, not \"{said}\""))
}

/// Tells a figure of a test to whoever reads its output.
#[expect(clippy::print_stdout, reason = "the figures of a model are its result, not debugging output")]
pub(super) fn report(line: &str) {
    println!("{line}");
}
